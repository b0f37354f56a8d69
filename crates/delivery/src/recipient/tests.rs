//! One message for an address that stands for several accounts.

use maildrop::{Draft, Maildrops, Measure};
use pop3::{MessageNumber, Part};

use super::*;
use crate::{Arrival, Trace, deliver};

const AT_US: i64 = 1_795_422_279_000_000;
const ARRIVAL: Arrival<'static> = Arrival {
    sender: Some("alice@example.org"),
    trace: Trace::Local,
    at_us: AT_US,
};
/// Return-Path and Delivered-To of the letter to sales@dobbs.org, and its text.
const STORED: &str =
    "Return-Path: <alice@example.org>\r\nDelivered-To: sales@dobbs.org\r\nhello\r\n";

fn account(name: &str, maildrop: u64, octets: Option<u64>) -> Account {
    Account {
        name: name.into(),
        maildrop: MaildropId(maildrop),
        quota: Quota {
            octets,
            messages: None,
        },
    }
}

fn sales(accounts: &[Account]) -> Recipient {
    Recipient {
        address: "sales@dobbs.org".into(),
        accounts: accounts.to_vec(),
    }
}

fn letter(maildrops: &Maildrops) -> (Draft, Measure) {
    let mut draft = maildrops.draft();
    draft.append(b"hello\r\n").unwrap();
    let measure = Measure {
        octets: 7,
        header_octets: 7,
        ..Measure::default()
    };
    (draft, measure)
}

fn send(maildrops: &Maildrops, recipient: &Recipient) -> Result<u64, NotDelivered> {
    let (mut draft, measure) = letter(maildrops);
    let delivered = deliver(maildrops, &mut draft, &measure, recipient, &ARRIVAL)?;
    Ok(delivered.octets.0)
}

/// How many messages a maildrop holds; each is the letter.
fn held(maildrops: &Maildrops, id: u64) -> usize {
    let open = maildrops.open(MaildropId(id)).unwrap();
    for number in (0..open.listing().len()).filter_map(MessageNumber::from_index) {
        let mut text = open.text(number, Part::Whole).unwrap();
        let mut stored = Vec::new();
        while text.read(&mut stored, maildrop::Patience::Wait).unwrap() != maildrop::Progress::End {
        }
        assert_eq!(stored, STORED.as_bytes());
    }
    open.listing().len()
}

#[test]
fn everybody_behind_an_address_gets_it_once() {
    let maildrops = Maildrops::memory();
    let (bob, ann) = (account("bob", 1, None), account("ann", 2, None));
    let twice = sales(&[bob.clone(), ann, bob]);
    assert_eq!(send(&maildrops, &twice).unwrap(), STORED.len() as u64);
    assert_eq!((held(&maildrops, 1), held(&maildrops, 2)), (1, 1));
}

/// To the octet, trace headers included; the others are not given a copy with each attempt.
#[test]
fn a_full_maildrop_refuses_before_others_have_it() {
    let octets = STORED.len() as u64;
    for (quota, expected) in [(octets - 1, 0), (octets, 1)] {
        let maildrops = Maildrops::memory();
        let both = sales(&[account("bob", 1, None), account("ann", 2, Some(quota))]);
        match send(&maildrops, &both) {
            Ok(_) => assert_eq!(expected, 1),
            Err(why) => {
                assert_eq!(expected, 0);
                assert_eq!((why.failures.len(), &*why.failures[0].0.name), (1, "ann"));
                assert!(matches!(why.worst(), DeliverError::OverQuota));
            }
        }
        assert_eq!(held(&maildrops, 1), expected);
        assert_eq!(held(&maildrops, 2), expected);
    }
}

/// A directory stands where bob's maildrop would be: his delivery fails, ann's does not.
#[test]
fn who_has_it_is_told_when_another_fails() {
    let folder = tempfile::tempdir().unwrap();
    let settings = maildrop::NativeSettings {
        allow_volatile: true,
        ..maildrop::NativeSettings::default()
    };
    let maildrops = Maildrops::native(folder.path(), &settings).unwrap();
    std::fs::create_dir_all(maildrops.path(MaildropId(1)).unwrap()).unwrap();
    let both = sales(&[account("bob", 1, None), account("ann", 2, None)]);
    let why = send(&maildrops, &both).unwrap_err();
    assert_eq!(why.delivered, [MaildropId(2)]);
    assert_eq!((why.failures.len(), &*why.failures[0].0.name), (1, "bob"));
    assert_eq!(held(&maildrops, 2), 1);
}

#[test]
fn what_may_pass_comes_before_what_may_be_final() {
    let bob = account("bob", 1, None);
    let full = || (bob.clone(), DeliverError::OverQuota);
    let broken = || (bob.clone(), DeliverError::Damaged("x".into()));
    let worst = |failures| {
        let delivered = Vec::new();
        NotDelivered {
            failures,
            delivered,
        }
        .worst()
    };
    assert!(matches!(worst(vec![full()]), DeliverError::OverQuota));
    for failures in [vec![full(), broken()], vec![broken(), full()]] {
        assert!(matches!(worst(failures), DeliverError::Damaged(_)));
    }
}

#[test]
fn nobody_is_no_success() {
    let nobody = send(&Maildrops::memory(), &sales(&[])).unwrap_err();
    assert!(matches!(nobody.worst(), DeliverError::Unavailable(_)));
}
