//! Delivering to maildrops in memory and reading back what was delivered.

use maildrop::{MaildropId, OpenMaildrop, Patience, Progress};
use pop3::{MessageNumber, Octets, Part};
use proptest::prelude::*;

use super::*;
use crate::Account;
use crate::normalise::Dotted;

const AT_US: i64 = 1_795_422_279_000_000;

fn recipient(name: &str, maildrop: u64) -> Recipient {
    Recipient {
        address: format!("{name}@dobbs.org"),
        accounts: vec![account(name, maildrop)],
    }
}

fn account(name: &str, maildrop: u64) -> Account {
    Account {
        name: name.to_owned(),
        maildrop: MaildropId(maildrop),
        quota: maildrop::Quota::default(),
    }
}

/// Size and stored form of each message.
fn messages(maildrops: &Maildrops, id: u64) -> Vec<(Octets, Vec<u8>)> {
    let open = maildrops.open(MaildropId(id)).unwrap();
    let listing = open.listing();
    (1..)
        .map_while(MessageNumber::new)
        .map_while(|number| Some((listing.octets(number)?, part(&open, number, Part::Whole))))
        .collect()
}

fn part(open: &OpenMaildrop, number: MessageNumber, part: Part) -> Vec<u8> {
    let (mut text, mut stored) = (open.text(number, part).unwrap(), Vec::new());
    while text.read(&mut stored, Patience::Wait).unwrap() != Progress::End {}
    stored
}

fn run(recipients: &[Recipient], input: &[u8], options: &Options) -> (Maildrops, Exit, String) {
    let (maildrops, mut complaints) = (Maildrops::memory(), Vec::new());
    let exit = deliver(
        &maildrops,
        recipients,
        &mut { input },
        options,
        AT_US,
        &mut complaints,
    );
    (maildrops, exit, String::from_utf8(complaints).unwrap())
}

fn only(input: &[u8], options: &Options) -> Vec<u8> {
    let (maildrops, exit, complaints) = run(&[recipient("bob", 1)], input, options);
    assert_eq!((exit, &complaints[..]), (Exit::Ok, ""));
    let [(octets, stored)] = &messages(&maildrops, 1)[..] else {
        panic!("not one message");
    };
    let stuffed = stored.split(|&octet| octet == b'\n');
    let stuffed = stuffed.filter(|line| line.starts_with(b".")).count();
    assert_eq!(octets.0, (stored.len() - stuffed) as u64);
    stored.clone()
}

#[test]
fn without_a_sender_nothing_is_added() {
    assert_eq!(only(b".\n", &Options::default()), b"..\r\n");
    assert_eq!(only(b"", &Options::default()), b"");
}

#[test]
fn a_sender_adds_return_path_and_delivered_to() {
    for (sender, path) in [
        ("alice@example.org", "<alice@example.org>"),
        ("<alice@example.org>", "<alice@example.org>"),
        ("", "<>"),
        ("<>", "<>"),
        ("a\r\nX: y", "<a??X: y>"),
    ] {
        let options = Options {
            sender: Some(sender.into()),
            ..Options::default()
        };
        let expected =
            format!("Return-Path: {path}\r\nDelivered-To: bob@dobbs.org\r\nSubject: x\r\n");
        assert_eq!(
            String::from_utf8(only(b"Subject: x", &options)).unwrap(),
            expected
        );
    }
}

#[test]
fn a_from_line_is_dropped_on_demand() {
    let drop = Options {
        from_line: FromLine::Drop,
        ..Options::default()
    };
    assert_eq!(only(b"From me\na\n", &drop), b"a\r\n");
    assert_eq!(
        only(b"From me\na\n", &Options::default()),
        b"From me\r\na\r\n"
    );
}

#[test]
fn a_large_message_streams_through() {
    let input = b".dots and LF\n".repeat(400_000);
    assert_eq!(
        only(&input, &Options::default()),
        b"..dots and LF\r\n".repeat(400_000)
    );
}

#[test]
fn too_large_and_loops_are_refused_before_anybody_has_it() {
    let limited = Options {
        message_octets_max: 4,
        ..Options::default()
    };
    assert_eq!(only(b".a\n", &limited), b"..a\r\n");
    let hops = "Received: x\n".repeat(101);
    for (input, exit, complaint) in [
        (
            &b"abc\n"[..],
            Exit::DataErr,
            "deliver: message is larger than 4 octets\n",
        ),
        (
            b"abc",
            Exit::DataErr,
            "deliver: message is larger than 4 octets\n",
        ),
        (
            hops.as_bytes(),
            Exit::Unavailable,
            "deliver: message is in a loop: more than 100 Received fields\n",
        ),
    ] {
        let (maildrops, got, said) = run(&[recipient("bob", 1)], input, &limited);
        assert_eq!((got, &said[..]), (exit, complaint));
        assert!(messages(&maildrops, 1).is_empty());
    }
}

#[test]
fn an_input_that_breaks_delivers_nothing() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(io::ErrorKind::Interrupted.into()),
                2 => {
                    piece[..2].copy_from_slice(b"a\n");
                    Ok(2)
                }
                _ => Err(io::Error::other("gone")),
            }
        }
    }
    let (maildrops, mut complaints) = (Maildrops::memory(), Vec::new());
    let exit = deliver(
        &maildrops,
        &[recipient("bob", 1)],
        &mut Broken(0),
        &Options::default(),
        AT_US,
        &mut complaints,
    );
    assert_eq!(exit, Exit::TempFail);
    assert_eq!(complaints, b"deliver: cannot read the message: gone\n");
    assert!(messages(&maildrops, 1).is_empty());
}

#[test]
fn every_maildrop_gets_it_once() {
    let recipients = [
        recipient("bob", 1),
        recipient("ann", 2),
        recipient("postmaster", 1),
    ];
    let options = Options {
        sender: Some(String::new()),
        ..Options::default()
    };
    let (maildrops, exit, _) = run(&recipients, b"x\n", &options);
    assert_eq!(exit, Exit::Ok);
    for (id, name) in [(1, "bob"), (2, "ann")] {
        let expected = format!("Return-Path: <>\r\nDelivered-To: {name}@dobbs.org\r\nx\r\n");
        let got = messages(&maildrops, id);
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].1, expected.as_bytes());
    }
}

/// Also behind an address that stands for several, and when one of those has failed.
#[test]
fn whoever_has_it_gets_no_second_copy_for_another_address() {
    let mut full = account("ann", 2);
    full.quota.octets = Some(1);
    let mut sales = recipient("sales", 1);
    sales.accounts.push(account("joe", 3));
    let mut all = recipient("all", 3);
    all.accounts.push(full);
    all.accounts.push(account("eve", 4));
    let recipients = [sales, recipient("bob", 1), all, recipient("eve", 4)];
    let (maildrops, exit, complaints) = run(&recipients, b"hello\n", &Options::default());
    assert_eq!(exit, Exit::TempFail);
    assert_eq!(complaints, "all@dobbs.org: maildrop is full\n");
    // Ann's full maildrop refused for all@; eve has it by her own address.
    for (id, held) in [(1, 1), (2, 0), (3, 1), (4, 1)] {
        assert_eq!(messages(&maildrops, id).len(), held, "{id}");
    }
}

/// A directory stands where bob's maildrop would be: his delivery fails, ann's does not.
#[test]
fn one_that_fails_is_named_and_the_others_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let settings = maildrop::NativeSettings {
        allow_volatile: true,
        ..maildrop::NativeSettings::default()
    };
    let maildrops = Maildrops::native(folder.path(), &settings).unwrap();
    let bobs = maildrops.path(MaildropId(1)).unwrap();
    std::fs::create_dir_all(&bobs).unwrap();
    let mut complaints = Vec::new();
    let exit = deliver(
        &maildrops,
        &[recipient("bob", 1), recipient("ann", 2)],
        &mut &b"hello\n"[..],
        &Options::default(),
        AT_US,
        &mut complaints,
    );
    let complaints = String::from_utf8(complaints).unwrap();
    assert_eq!(exit, Exit::TempFail);
    assert!(complaints.starts_with("bob@dobbs.org: "), "{complaints}");
    assert_eq!(complaints.lines().count(), 1);
    assert_eq!(
        messages(&maildrops, 2),
        [(Octets(7), b"hello\r\n".to_vec())]
    );
}

#[test]
fn nobody_gets_it_if_somebody_is_unknown() {
    let ask = |address: &str| match address {
        "bob" => Ok(recipient("bob", 1)),
        "joe" => Err(RecipientRefusal::Disabled),
        "ann" => Err(RecipientRefusal::Unavailable),
        _ => Err(RecipientRefusal::Unknown),
    };
    for (addresses, exit, complaints) in [
        (
            &["bob", "x\u{1b}[2J\n"][..],
            Exit::NoUser,
            "x\\u{1b}[2J\\n: no such account\n",
        ),
        (&["joe"], Exit::NoUser, "joe: account is disabled\n"),
        (
            &["nobody", "ann"],
            Exit::TempFail,
            "nobody: no such account\nann: accounts are unavailable, try again later\n",
        ),
        (&[], Exit::Usage, "deliver: no recipient is named\n"),
    ] {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let mut said = Vec::new();
        assert_eq!(resolve(&addresses, ask, &mut said), Err(exit));
        assert_eq!(String::from_utf8(said).unwrap(), complaints);
    }
    let known = resolve(&["bob".into()], ask, &mut Vec::new());
    assert_eq!(known, Ok(vec![recipient("bob", 1)]));
}

#[test]
fn codes_are_those_of_sysexits() {
    let all = [
        (Exit::Ok, 0),
        (Exit::Usage, 64),
        (Exit::DataErr, 65),
        (Exit::NoUser, 67),
        (Exit::Unavailable, 69),
        (Exit::TempFail, 75),
        (Exit::NoPerm, 77),
        (Exit::Config, 78),
    ];
    for (exit, code) in all {
        assert_eq!(exit.code(), code);
        assert_eq!(exit.worse(Exit::TempFail), Exit::TempFail);
        assert_eq!(exit.worse(Exit::Ok), exit);
        assert_eq!(Exit::Ok.worse(exit), exit);
    }
}

#[test]
fn a_draft_that_is_not_what_was_measured_is_not_delivered() {
    let maildrops = Maildrops::memory();
    let mut draft = maildrops.draft();
    let measure = Measure {
        octets: 7,
        header_octets: 7,
        ..Measure::default()
    };
    draft.append(b"hello\r\n").unwrap();
    draft.append(b"more\r\n").unwrap();
    let arrival = Arrival {
        sender: None,
        trace: Trace::Local,
        at_us: AT_US,
    };
    let bob = recipient("bob", 1);
    assert!(crate::deliver(&maildrops, &mut draft, &measure, &bob, &arrival).is_err());
    assert!(messages(&maildrops, 1).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    /// deliver(x) → RETR(x) un-stuffed is the normalised x behind its trace headers, its size is
    /// what LIST shows, and TOP 0 ends where the header does; by LMTP and by pipe.
    #[test]
    fn what_is_delivered_is_what_is_read(lines in prop::collection::vec("[ -~.\r\u{e9}]{0,30}", 0..40)) {
        let text: String = lines.iter().map(|line| format!("{}\n", line.trim_end_matches('\r'))).collect();
        let crlf = text.replace('\n', "\r\n");
        let wire: String = crlf.split_inclusive('\n').map(|line| match line.starts_with('.') {
            true => format!(".{line}"),
            false => line.to_owned(),
        }).collect();
        let maildrops = Maildrops::memory();
        let (mut dotted, mut stored) = (Dotted::default(), Vec::new());
        let ended = dotted.take(format!("{wire}.\r\n").as_bytes(), &mut stored).ended;
        prop_assert!(ended);
        let mut draft = maildrops.draft();
        draft.append(&stored).unwrap();
        let measure = dotted.gauge().measure();
        for trace in [Trace::Local, Trace::Transfer { received: "from x by y with LMTP", authentication_results: "" }] {
            let arrival = Arrival { sender: None, trace, at_us: AT_US };
            let prefix = String::from_utf8(arrival.prefix("bob@dobbs.org")).unwrap();
            let bob = recipient("bob", 1);
            let delivered = crate::deliver(&maildrops, &mut draft, &measure, &bob, &arrival).unwrap();
            prop_assert_eq!(delivered.octets, Octets((prefix.len() + crlf.len()) as u64));
            let got = messages(&maildrops, 1).pop().unwrap();
            prop_assert_eq!(got.0, delivered.octets);
            prop_assert_eq!(String::from_utf8(got.1).unwrap(), format!("{prefix}{wire}"));
            let open = maildrops.open(MaildropId(1)).unwrap();
            let last = MessageNumber::new(open.listing().len() as u32).unwrap();
            let top = part(&open, last, Part::Top(0));
            let whole = format!("{prefix}{wire}");
            let header = match whole.strip_prefix("\r\n") {
                Some(_) => 2,
                None => whole.find("\r\n\r\n").map_or(whole.len(), |at| at + 4),
            };
            prop_assert_eq!(&top[..], &whole.as_bytes()[..header]);
        }
        let piped = only(text.as_bytes(), &Options::default());
        prop_assert_eq!(String::from_utf8(piped).unwrap(), wire);
    }
}

#[test]
fn what_does_not_fit_waits_or_is_refused_as_the_operator_wants() {
    let mut full = recipient("ann", 2);
    full.accounts[0].quota.octets = Some(5);
    let recipients = [recipient("bob", 1), full];
    for (quota_exceeded, expected) in [
        (QuotaExceeded::Temporary, Exit::TempFail),
        (QuotaExceeded::Permanent, Exit::CantCreate),
    ] {
        let options = Options {
            quota_exceeded,
            ..Options::default()
        };
        let (maildrops, exit, complaints) = run(&recipients, b"hello\n", &options);
        assert_eq!(exit, expected);
        assert_eq!(complaints, "ann@dobbs.org: maildrop is full\n");
        assert_eq!(messages(&maildrops, 1).len(), 1);
        assert_eq!(messages(&maildrops, 2).len(), 0);
        // Five octets with their line end fit, to the octet.
        assert_eq!(run(&recipients, b"abc\n", &options).1, Exit::Ok);
    }
    assert_eq!(Exit::CantCreate.code(), 73);
    assert_eq!(Exit::CantCreate.worse(Exit::TempFail), Exit::TempFail);
}
