//! Threat T20: a sender writes what looks like a postmark, like the end of a message, or like the notes of
//! programs. Each message that goes in comes out as one, octet by octet as its dialect keeps it.

use maildrop::Envelope;
use maildrop::mbox::{Names, Settings, Variant};
use pop3::Part;
use proptest::prelude::*;
use restante_tests::media::SimDisk;

use crate::site::{DROP, deliver, deliver_as, marks, retrieve, settings, site_with, text, texts};

const LINES: &[&str] = &[
    "",
    "",
    "From x Mon Nov 23 08:24:39 2026",
    ">From x Mon Nov 23 08:24:39 2026",
    ">>From here",
    "From ",
    "From",
    ">",
    "\u{1}\u{1}\u{1}\u{1}",
    "\u{1}\u{1}\u{1}\u{1}\r",
    " \u{1}\u{1}\u{1}\u{1}",
    "Content-Length: 0",
    "Content-Length: 34",
    "content-length : 5",
    "Content-Length: 18446744073709551615",
    "Status: RO",
    "X-Status: D",
    "X-UID: 7",
    "X-UIDL: forged",
    "X-IMAP: 1 2",
    "X-IMAPbase: 1 2",
    "X-Keywords: a",
    "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA",
    "Subject: x",
    "\tfolded",
    ".",
    "..x",
    "\r",
    "bare\rcr\r",
    "text",
];

/// A message of such lines, in the form in which SMTP's DATA has it before dots are stuffed.
fn message() -> impl Strategy<Value = String> {
    let line = prop::sample::select(LINES);
    let long = prop::sample::select(&[0_usize, 0, 0, 70_000][..]);
    (prop::collection::vec(line, 0..14), long).prop_map(|(lines, long)| {
        let lines = lines.into_iter().map(|line| format!("{line}\r\n"));
        let mut text: String = lines.collect();
        if long > 0 {
            text.push_str(&format!("{}\r\n", ">".repeat(long)));
            text.push_str("From y Mon Nov 23 08:24:39 2026\r\n");
        }
        text
    })
}

fn stuffed(text: &str) -> Vec<u8> {
    let lines = text.split_inclusive('\n');
    let dotted = lines.map(|line| match line.starts_with('.') {
        true => format!(".{line}"),
        false => line.into(),
    });
    dotted.collect::<String>().into_bytes()
}

/// What the documentation says that a dialect makes of a message.
fn kept(text: &str, variant: Variant) -> String {
    let mut out = String::new();
    let mut is_in_header = true;
    for line in text.split_terminator("\r\n") {
        // Before the end of a line a CR is part of that end.
        let shown = line.strip_suffix('\r').unwrap_or(line);
        let lower = shown.to_ascii_lowercase();
        let name = lower.split(':').next().unwrap_or("").trim_end();
        let is_believed = [
            "status",
            "x-status",
            "x-keywords",
            "x-uid",
            "x-imap",
            "x-imapbase",
            "content-length",
            "x-uidl",
        ];
        let quotes = match variant {
            Variant::Mboxrd => false,
            Variant::Mboxo | Variant::Mboxcl => true,
            Variant::Mboxcl2 | Variant::Mmdf => is_in_header,
        };
        if quotes && line.starts_with("From ")
            || variant == Variant::Mmdf && line.starts_with("\u{1}\u{1}\u{1}\u{1}")
        {
            out.push('>');
        } else if is_in_header && lower.contains(':') && is_believed.contains(&name) {
            out.push_str("X-Original-");
        }
        out.push_str(shown);
        out.push_str("\r\n");
        is_in_header &= !shown.is_empty();
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn as_many_come_out_as_went_in(
        messages in prop::collection::vec(message(), 1..5),
        goes in prop::collection::vec(any::<bool>(), 5),
    ) {
        for variant in Variant::ALL {
            let site = site_with(&SimDisk::default(), settings(variant));
            let mut expected = Vec::new();
            for message in &messages {
                let delivered = deliver(&site, &stuffed(message)).unwrap();
                let kept = kept(message, variant);
                prop_assert_eq!(delivered.octets.0, kept.len() as u64, "{:?}", variant);
                expected.push(stuffed(&kept));
            }
            prop_assert_eq!(&texts(&site), &expected, "{:?}", variant);
            // What stays is what it was, whatever goes before it or behind it.
            let session = site.open(DROP, &maildrop::View::default()).unwrap();
            let gone: Vec<_> = (0..expected.len()).filter(|&place| goes[place]).collect();
            session.commit(&marks(&gone)).unwrap();
            let mut place = 0;
            expected.retain(|_| {
                place += 1;
                !goes[place - 1]
            });
            prop_assert_eq!(&texts(&site), &expected, "{:?} without {:?}", variant, gone);
        }
    }

    /// Whatever is in the file: an answer, and no end of it.
    #[test]
    fn no_file_is_too_odd(
        lines in prop::collection::vec(prop::sample::select(LINES), 0..30),
        end in prop::sample::select(&["\n", "\r\n", ""][..]),
    ) {
        for variant in Variant::ALL {
            let disk = SimDisk::default();
            let site = site_with(&disk, settings(variant));
            deliver(&site, b"Subject: first\r\n\r\n").unwrap();
            let before = disk.octets("mrose").unwrap();
            disk.rewrite("mrose", |octets| octets.extend_from_slice(lines.join(end).as_bytes()));
            let found = retrieve(&site).unwrap().len();
            // What others left unfinished does not take the next message in.
            let last = b"Subject: last\r\n\r\nlast\r\n";
            deliver(&site, last).unwrap();
            let texts = texts(&site);
            let has_lengths = matches!(variant, Variant::Mboxcl | Variant::Mboxcl2);
            if !has_lengths {
                // A mark of MMDF whose line had no end becomes one when it gets that: an empty message.
                let most = found + 1 + usize::from(variant == Variant::Mmdf);
                prop_assert!((found + 1..=most).contains(&texts.len()), "{:?}", variant);
                prop_assert_eq!(texts.last().unwrap(), last, "{:?}", variant);
            }
            prop_assert!(disk.octets("mrose").unwrap().starts_with(&before));
        }
    }
}

#[test]
fn notes_of_a_sender_are_not_believed() {
    let disk = SimDisk::default();
    let text = b"X-UIDL: forged\r\nX-UID: 1\r\nX-IMAPbase: 1 2\r\nStatus: RO\r\n\r\n";
    let trusting = |names| Settings {
        names,
        ..settings(Variant::Mboxrd)
    };
    let site = site_with(&disk, trusting(Names::XUidl));
    let delivered = deliver(&site, text).unwrap();
    assert_eq!(delivered.unique_id.as_bytes().len(), 40);
    let found = retrieve(&site).unwrap();
    assert!(!found.iter().any(|(id, _)| id == b"forged"));
}

#[test]
fn names_that_another_server_gave_are_kept_where_they_are_trusted() {
    let disk = SimDisk::default();
    let trusting = |names| {
        site_with(
            &disk,
            Settings {
                names,
                ..settings(Variant::Mboxrd)
            },
        )
    };
    let own = trusting(Names::Own);
    deliver(&own, b"Subject: 1\r\n\r\n").unwrap();
    deliver(&own, b"Subject: 2\r\n\r\n").unwrap();
    let ids = || -> Vec<_> {
        retrieve(&own)
            .unwrap()
            .into_iter()
            .map(|(id, _)| id)
            .collect()
    };
    let before = ids();
    disk.rewrite("mrose", |octets| {
        let text = String::from_utf8(octets.clone()).unwrap();
        let text = text.replacen(
            "Subject: 1",
            "X-IMAPbase: 1262304000 9\nX-UID: 5\nX-UIDL: one\nSubject: 1",
            1,
        );
        let text = text.replace(
            "Subject: 2",
            "X-UID: 9  \nStatus: RO\nX-UIDL: two\nSubject: 2",
        );
        *octets = text.into_bytes();
    });
    let named = |names| -> Vec<_> {
        let found = retrieve(&trusting(names)).unwrap().into_iter();
        found
            .map(|(id, _)| String::from_utf8(id).unwrap())
            .collect()
    };
    assert_eq!(named(Names::XUidl), ["one", "two"]);
    // X-UIDL is shown to the client, so it counts; all other notes do not.
    disk.rewrite("mrose", |octets| {
        let text = String::from_utf8(octets.clone()).unwrap();
        *octets = text
            .replace("X-UIDL: one\n", "")
            .replace("X-UIDL: two\n", "")
            .into_bytes();
    });
    assert_eq!(ids(), before);
}

/// What the documentation says of twins, and of those who are none.
#[test]
fn twins_are_told_apart_as_far_as_that_goes() {
    let site = site_with(&SimDisk::default(), settings(Variant::Mboxrd));
    let at = |received_us| Envelope {
        received_us: Some(received_us),
        ..Envelope::default()
    };
    let text = b"Subject: twin\r\n\r\n";
    for second in [1, 2, 2] {
        deliver_as(&site, text, &at(second * 1_000_000)).unwrap();
    }
    let before = retrieve(&site).unwrap();
    let ids: Vec<_> = before.iter().map(|(id, _)| id.clone()).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[2], [&ids[1][..], b"-2"].concat());
    // Of the same moment only the name of the first is left; of another one nothing changes.
    let session = site.open(DROP, &maildrop::View::default()).unwrap();
    assert_eq!(text_of_first(&session), text);
    session.commit(&marks(&[0])).unwrap();
    let left: Vec<_> = retrieve(&site)
        .unwrap()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(left, ids[1..]);
}

fn text_of_first(session: &maildrop::mbox::Session<SimDisk>) -> Vec<u8> {
    text(session, 0, Part::Whole).unwrap()
}
