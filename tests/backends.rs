//! One suite for every back end: what a maildrop promises, whoever keeps it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use maildrop::mbox::{self, Mboxes};
use maildrop::{
    Absent, Addressee, Delivered, Envelope, Hidden, MaildirSettings, Maildirs, MaildropId,
    Maildrops, Measure, NativeSettings, OpenError, OpenMaildrop, Patience, Peeked, Place, Places,
    Progress, RealDisk, UniqueIds, View, flags,
};
use pop3::{Deletions, MessageNumber, Octets, Part, UniqueId};
use proptest::prelude::*;

const DROP: MaildropId = MaildropId(0x0123_4567_89ab_cdef);

/// Runs a check on every back end.
fn every(check: impl Fn(&Maildrops)) {
    own(&check);
    let dir = tempfile::tempdir().unwrap();
    check(&maildirs(dir.path(), UniqueIds::Files));
}

/// Runs a check on mboxes, too: where each message is another one, and no line ends with CR CR LF.
fn every_and_mboxes(check: impl Fn(&Maildrops)) {
    every(&check);
    let dir = tempfile::tempdir().unwrap();
    check(&mboxes(dir.path()));
}

/// Runs a check on the back ends that are our own, and say themselves what a message is called.
fn own(check: impl Fn(&Maildrops)) {
    check(&Maildrops::memory());
    let dir = tempfile::tempdir().unwrap();
    check(&native(dir.path()));
}

fn native(dir: &Path) -> Maildrops {
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    Maildrops::native(&dir.join("data"), &settings).unwrap()
}

fn mboxes(dir: &Path) -> Maildrops {
    let path = dir.join("mboxes");
    std::fs::create_dir_all(&path).unwrap();
    let drafts = RealDisk::directory(&dir.join("drafts")).unwrap();
    let mboxes = Mboxes::new(Arc::new(Inside(path)), mbox::Settings::default());
    Maildrops::Mbox(Arc::new(mboxes), Arc::new(drafts))
}

/// Mboxes, all in one directory.
struct Inside(PathBuf);

impl Places<RealDisk> for Inside {
    fn find(&self, id: MaildropId, _: Absent) -> io::Result<Place<RealDisk>> {
        Ok(Place {
            disk: RealDisk::existing(&self.0)?,
            file: id.to_string(),
        })
    }

    fn path(&self, id: MaildropId) -> Option<PathBuf> {
        Some(self.0.join(id.to_string()))
    }

    fn ids(&self) -> io::Result<Vec<MaildropId>> {
        Ok((1..4).map(MaildropId).collect())
    }
}

/// Maildirs, each of them below a directory.
struct Below(PathBuf);

impl Places<RealDisk> for Below {
    fn find(&self, id: MaildropId, absent: Absent) -> io::Result<Place<RealDisk>> {
        let path = self.0.join(id.to_string());
        if absent == Absent::Fails && !path.exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Place {
            disk: RealDisk::directory(&path)?,
            file: String::new(),
        })
    }

    fn path(&self, id: MaildropId) -> Option<PathBuf> {
        Some(self.0.join(id.to_string()))
    }

    fn ids(&self) -> io::Result<Vec<MaildropId>> {
        let entries = std::fs::read_dir(&self.0)?;
        let name = |entry: io::Result<DirEntry>| Ok(entry?.file_name().into_string().unwrap());
        let names: io::Result<Vec<String>> = entries.map(name).collect();
        let mut ids: Vec<_> = names?.iter().map(|name| name.parse().unwrap()).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

fn maildirs(dir: &Path, unique_ids: UniqueIds) -> Maildrops {
    let path = dir.join("maildirs");
    std::fs::create_dir_all(&path).unwrap();
    let drafts = RealDisk::directory(&dir.join("drafts")).unwrap();
    let settings = MaildirSettings {
        unique_ids,
        lock_wait: Duration::from_secs(5),
        host: "mail.example.org".to_owned(),
        index_octets_max: 1 << 20,
    };
    let maildirs = Maildirs::new(Arc::new(Below(path)), Arc::new(drafts), settings);
    Maildrops::Maildir(Arc::new(maildirs))
}

fn measure(stored: &[u8]) -> Measure {
    let header_octets = stored
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(stored.len(), |at| at + 4) as u64;
    let starts = stored.starts_with(b"..") as usize;
    let stuffed = starts + stored.windows(4).filter(|four| four == b"\r\n..").count();
    Measure {
        octets: (stored.len() - stuffed) as u64,
        stuffed: stuffed as u32,
        header_octets,
        flags: match stored[..header_octets as usize].is_ascii() {
            true => 0,
            false => flags::HEADER_8BIT,
        },
    }
}

fn deliver(maildrops: &Maildrops, drop: MaildropId, stored: &[u8]) -> Delivered {
    deliver_with(maildrops, drop, stored, &Envelope::default())
}

fn deliver_with(
    maildrops: &Maildrops,
    drop: MaildropId,
    stored: &[u8],
    envelope: &Envelope,
) -> Delivered {
    let mut draft = maildrops.draft();
    for piece in stored.chunks(100_000) {
        draft.append(piece).unwrap();
    }
    assert_eq!(draft.len(), stored.len() as u64);
    maildrops
        .deliver(
            &Addressee::unlimited(drop, "mrose"),
            &mut draft,
            &measure(stored),
            envelope,
        )
        .unwrap()
}

fn number(n: u32) -> MessageNumber {
    MessageNumber::new(n).unwrap()
}

fn text(session: &OpenMaildrop, n: u32, part: Part) -> Vec<u8> {
    let mut text = session.text(number(n), part).unwrap();
    let mut out = Vec::new();
    loop {
        let before = out.len();
        let progress = text.read(&mut out, Patience::CacheOnly).unwrap();
        let progress = match progress {
            Progress::Cold => {
                assert_eq!(out.len(), before);
                text.read(&mut out, Patience::Wait).unwrap()
            }
            other => other,
        };
        assert!(out.len() - before <= 64 * 1024);
        match progress {
            Progress::More => assert!(out.len() > before),
            Progress::End => break,
            Progress::Cold => panic!("cold although we wait"),
        }
    }
    assert_eq!(text.read(&mut out, Patience::Wait).unwrap(), Progress::End);
    out
}

/// Opens a maildrop, if it can be without waiting: that says the same as opening it in peace.
fn open_view(
    maildrops: &Maildrops,
    id: MaildropId,
    view: &View,
) -> Result<OpenMaildrop, OpenError> {
    let seen = |open: &OpenMaildrop| format!("{:?}", open.listing());
    let listing = seen(&maildrops.open_view(id, view)?);
    match maildrops.open_at_hand(id, view) {
        Some(opened) => {
            let opened = opened.unwrap();
            assert_eq!(seen(&opened), listing);
            Ok(opened)
        }
        None => maildrops.open_view(id, view),
    }
}

fn open(maildrops: &Maildrops, id: MaildropId) -> Result<OpenMaildrop, OpenError> {
    open_view(maildrops, id, &View::default())
}

/// The same as [`text`], for a client that has room for so many octets at a time.
fn text_peeked(session: &OpenMaildrop, n: u32, room: usize) -> Vec<u8> {
    let mut text = session.text(number(n), Part::Whole).unwrap();
    let (mut out, mut buffer) = (Vec::new(), vec![0; 3 * 64 * 1024 + 1]);
    loop {
        while let Some(Peeked { octets, is_end }) = text.peek(&mut buffer) {
            let taken = octets.len().min(room);
            out.extend_from_slice(&buffer[octets.start..][..taken]);
            text.advance(taken);
            if is_end && taken == octets.len() {
                // Nothing comes twice.
                assert_eq!(text.peek(&mut buffer), None);
                let mut rest = Vec::new();
                assert_eq!(text.read(&mut rest, Patience::Wait).unwrap(), Progress::End);
                assert!(rest.is_empty());
                return out;
            }
        }
        if text.read(&mut out, Patience::Wait).unwrap() == Progress::End {
            return out;
        }
    }
}

fn delete(session: OpenMaildrop, numbers: &[u32]) -> usize {
    let mut deletions = Deletions::default();
    for &n in numbers {
        deletions.mark(number(n));
    }
    session.commit(&deletions).unwrap()
}

/// Lines of a long body, so that TOP has something to cut.
fn long(octets: usize) -> Vec<u8> {
    let mut stored = b"Subject: long\r\nX: y\r\n\r\n".to_vec();
    let mut line = 0;
    while stored.len() < octets {
        line += 1;
        stored.extend_from_slice(format!("line {line} of a long message\r\n").as_bytes());
    }
    stored
}

#[test]
fn what_was_delivered_is_retrieved() {
    every(|maildrops| {
        let texts = [
            b"Subject: a\r\n\r\nbody\r\n".to_vec(),
            Vec::new(),
            b"\r\n".to_vec(),
            b"..\r\n".to_vec(),
            b"no header ends here\r\n".to_vec(),
            b"A: b\r\n\r\n..one\r\ntwo\r\n...\r\n\0\xff\r\r\n".to_vec(),
            long(60_000),
            long(65_536),
            long(65_600),
            long(300_000),
            long(1_000_000),
        ];
        let delivered: Vec<_> = texts
            .iter()
            .map(|text| deliver(maildrops, DROP, text))
            .collect();
        let session = open(maildrops, DROP).unwrap();
        let listing = session.listing();
        assert_eq!(listing.len(), texts.len());
        for (n, (stored, delivered)) in (1..).zip(texts.iter().zip(&delivered)) {
            assert_eq!(text(&session, n, Part::Whole), *stored, "message {n}");
            for room in [7001, 65_536, 65_537, usize::MAX] {
                assert_eq!(text_peeked(&session, n, room), *stored, "message {n}");
            }
            assert_eq!(listing.octets(number(n)), Some(delivered.octets));
            assert_eq!(delivered.octets, Octets(measure(stored).octets));
            let unique_id = listing.unique_id(number(n)).unwrap();
            assert_eq!(unique_id, delivered.unique_id);
        }
        assert!(session.text(number(99), Part::Whole).is_err());
    });
}

#[test]
fn top_is_the_header_and_so_many_lines() {
    every_and_mboxes(|maildrops| {
        deliver(
            maildrops,
            DROP,
            b"A: b\r\nC: d\r\n\r\none\r\ntwo\r\nthree\r\n",
        );
        deliver(maildrops, DROP, b"only: header\r\n");
        deliver(maildrops, DROP, &long(200_000));
        let session = open(maildrops, DROP).unwrap();
        let header = b"A: b\r\nC: d\r\n\r\n".to_vec();
        for (lines, body) in [
            (0, &b""[..]),
            (1, b"one\r\n"),
            (2, b"one\r\ntwo\r\n"),
            (3, b"one\r\ntwo\r\nthree\r\n"),
            (u64::MAX, b"one\r\ntwo\r\nthree\r\n"),
        ] {
            let expected = [&header[..], body].concat();
            assert_eq!(text(&session, 1, Part::Top(lines)), expected, "{lines}");
        }
        assert_eq!(text(&session, 2, Part::Top(0)), b"only: header\r\n");
        let whole = long(200_000);
        for lines in [0, 1, 2000, 3000, 5000, 1_000_000] {
            let header = 23;
            let end = whole[header..]
                .iter()
                .enumerate()
                .filter(|(_, octet)| **octet == b'\n')
                .map(|(at, _)| header + at + 1)
                .nth((lines as usize).wrapping_sub(1))
                .unwrap_or(if lines == 0 { header } else { whole.len() });
            assert_eq!(
                text(&session, 3, Part::Top(lines)),
                &whole[..end],
                "{lines}"
            );
        }
    });
}

#[test]
fn prefix_and_sizes_add_up() {
    every_and_mboxes(|maildrops| {
        let envelope = Envelope {
            prefix: b"Return-Path: <a@b>\r\n".to_vec(),
            sender: Some(b"a@b".to_vec()),
            received_us: Some(17),
            unique_id: None,
            origin: Some(b"cur/1:2,S".to_vec()),
        };
        for size in [10, 70_000, 400_000] {
            let drop = MaildropId(size as u64);
            let stored = long(size);
            let delivered = deliver_with(maildrops, drop, &stored, &envelope);
            assert_eq!(delivered.octets.0, (20 + stored.len()) as u64);
            let session = open(maildrops, drop).unwrap();
            let expected = [&envelope.prefix[..], &stored].concat();
            assert_eq!(text(&session, 1, Part::Whole), expected);
            assert_eq!(text(&session, 1, Part::Top(0)), &expected[..20 + 23]);
        }
    });
}

#[test]
fn one_draft_for_many_maildrops() {
    every_and_mboxes(|maildrops| {
        let stored = long(500_000);
        let mut draft = maildrops.draft();
        draft.append(&stored).unwrap();
        for id in 1..4 {
            let envelope = Envelope {
                prefix: format!("Delivered-To: {id}\r\n").into_bytes(),
                ..Envelope::default()
            };
            maildrops
                .deliver(
                    &Addressee::unlimited(MaildropId(id), "x"),
                    &mut draft,
                    &measure(&stored),
                    &envelope,
                )
                .unwrap();
        }
        for id in 1..4 {
            let session = open(maildrops, MaildropId(id)).unwrap();
            let expected = [format!("Delivered-To: {id}\r\n").as_bytes(), &stored].concat();
            assert_eq!(text(&session, 1, Part::Whole), expected);
        }
        assert_eq!(
            maildrops.ids().unwrap(),
            [MaildropId(1), MaildropId(2), MaildropId(3)]
        );
    });
}

#[test]
fn one_session_a_maildrop() {
    every_and_mboxes(|maildrops| {
        // Without messages nothing can be removed, so nothing is held.
        let empty = open(maildrops, DROP).unwrap();
        assert!(empty.listing().is_empty());
        let also = open(maildrops, DROP).unwrap();
        deliver(maildrops, DROP, b"A: b\r\n\r\n");
        assert_eq!(also.commit(&Deletions::default()).unwrap(), 0);

        let session = open(maildrops, DROP).unwrap();
        assert!(matches!(open(maildrops, DROP), Err(OpenError::InUse)));
        drop(empty);
        assert!(matches!(open(maildrops, DROP), Err(OpenError::InUse)));
        // Another maildrop is no matter.
        deliver(maildrops, MaildropId(1), b"A: b\r\n\r\n");
        open(maildrops, MaildropId(1)).unwrap();
        // A text on its way out does not hold the maildrop.
        let mut sending = session.text(number(1), Part::Whole).unwrap();
        drop(session);
        let session = open(maildrops, DROP).unwrap();
        let mut out = Vec::new();
        sending.read(&mut out, Patience::Wait).unwrap();
        assert_eq!(out, b"A: b\r\n\r\n");
        assert_eq!(session.commit(&Deletions::default()).unwrap(), 1);
        open(maildrops, DROP).unwrap();
    });
}

#[test]
fn a_snapshot_does_not_move() {
    every_and_mboxes(|maildrops| {
        deliver(maildrops, DROP, b"A: 1\r\n\r\n");
        let session = open(maildrops, DROP).unwrap();
        deliver(maildrops, DROP, b"A: 2\r\n\r\n");
        assert_eq!(session.listing().len(), 1);
        assert!(session.text(number(2), Part::Whole).is_err());
        // All of this session's messages go; the new one stays.
        assert_eq!(delete(session, &[1]), 0);
        maildrops.tidy(DROP).unwrap();
        let session = open(maildrops, DROP).unwrap();
        assert_eq!(session.listing().len(), 1);
        assert_eq!(text(&session, 1, Part::Whole), b"A: 2\r\n\r\n");
    });
}

#[test]
fn deletions_are_all_or_nothing_and_only_by_commit() {
    every_and_mboxes(|maildrops| {
        for n in 0..5 {
            deliver(maildrops, DROP, format!("N: {n}\r\n\r\n").as_bytes());
        }
        let ids = |maildrops: &Maildrops| {
            let listing = open(maildrops, DROP).unwrap().listing();
            (1..=listing.len() as u32)
                .map(|n| listing.unique_id(number(n)).unwrap().to_vec())
                .collect::<Vec<_>>()
        };
        let before = ids(maildrops);
        // A lost connection: marked, never committed.
        drop(open(maildrops, DROP).unwrap());
        assert_eq!(ids(maildrops), before);
        assert_eq!(delete(open(maildrops, DROP).unwrap(), &[2, 4, 77]), 3);
        let kept = [0, 2, 4].map(|at: usize| before[at].clone());
        assert_eq!(ids(maildrops), kept);
        let session = open(maildrops, DROP).unwrap();
        assert_eq!(text(&session, 2, Part::Whole), b"N: 2\r\n\r\n");
    });
}

#[test]
fn unique_ids_are_never_used_again() {
    every(|maildrops| {
        let mut seen = HashSet::new();
        for round in 0..20 {
            for _ in 0..=round % 3 {
                let delivered = deliver(maildrops, DROP, b"A: b\r\n\r\n");
                assert!(seen.insert(delivered.unique_id));
            }
            let session = open(maildrops, DROP).unwrap();
            let all: Vec<u32> = (1..=session.listing().len() as u32).collect();
            delete(session, &all);
            maildrops.tidy(DROP).unwrap();
            assert!(open(maildrops, DROP).unwrap().listing().is_empty());
        }
        let summary = maildrops.summary(DROP).unwrap();
        assert_eq!(summary.messages, 0);
        let counts = !matches!(maildrops, Maildrops::Maildir(_));
        assert!(!counts || summary.next_uid > seen.len() as u64);
    });
}

#[test]
fn unique_ids_from_elsewhere_are_kept_once() {
    own(|maildrops| {
        let named = |id: &[u8]| Envelope {
            unique_id: UniqueId::new(id),
            ..Envelope::default()
        };
        let first = deliver_with(maildrops, DROP, b"1\r\n", &named(b"UID1-77"));
        assert_eq!(first.unique_id.as_bytes(), b"UID1-77");
        let again = deliver_with(maildrops, DROP, b"2\r\n", &named(b"UID1-77"));
        assert_ne!(again.unique_id, first.unique_id);
        // One that looks like the one that we would give out next is not kept either.
        let own = deliver(maildrops, DROP, b"3\r\n").unique_id.to_string();
        let (generation, _) = own.split_once('.').unwrap();
        let next = deliver_with(
            maildrops,
            DROP,
            b"4\r\n",
            &named(format!("{generation}.zzz").as_bytes()),
        );
        assert!(!next.unique_id.to_string().ends_with(".zzz"));
        let listing = open(maildrops, DROP).unwrap().listing();
        let ids: HashSet<_> = (1..=4)
            .map(|n| listing.unique_id(number(n)).unwrap())
            .collect();
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().any(|id| id.as_bytes() == b"UID1-77"));
    });
}

#[test]
fn many_deliver_while_sessions_come_and_go() {
    every_and_mboxes(|maildrops| {
        let deliverers: Vec<_> = (0..4)
            .map(|who| {
                let maildrops = maildrops.clone();
                std::thread::spawn(move || {
                    (0..50)
                        .map(|n| {
                            let stored = format!("From: {who}\r\n\r\n{n}\r\n");
                            deliver(&maildrops, DROP, stored.as_bytes()).unique_id
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut retrieved = Vec::new();
        let mut idle = 0;
        while idle < 2 {
            let done = deliverers.iter().all(|thread| thread.is_finished());
            let session = match maildrops.open_at_hand(DROP, &View::default()) {
                Some(opened) => opened,
                None => maildrops.open(DROP),
            }
            .unwrap();
            let listing = session.listing();
            let all: Vec<u32> = (1..=listing.len() as u32).collect();
            for &n in &all {
                let body = text(&session, n, Part::Whole);
                assert!(body.starts_with(b"From: ") && body.ends_with(b"\r\n"));
                retrieved.push(listing.unique_id(number(n)).unwrap().to_vec());
            }
            delete(session, &all);
            maildrops.tidy(DROP).unwrap();
            idle += usize::from(done);
        }
        let mut delivered: Vec<_> = deliverers
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .map(|id| id.as_bytes().to_vec())
            .collect();
        delivered.sort();
        retrieved.sort();
        assert_eq!(retrieved, delivered);
    });
}

#[derive(Clone, Debug)]
enum Operation {
    Deliver(u16),
    Delete(u64),
    Vanish,
    Tidy,
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0_u16..900).prop_map(Operation::Deliver),
        2 => any::<u64>().prop_map(Operation::Delete),
        1 => Just(Operation::Vanish),
        1 => Just(Operation::Tidy),
        1 => Just(Operation::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any operations, compared with a list.
    #[test]
    fn like_a_list(operations in prop::collection::vec(operation(), 0..30)) {
        let dir = tempfile::tempdir().unwrap();
        let starts: [fn(&Path) -> Maildrops; 3] = [
            |_| Maildrops::memory(),
            native,
            |dir| maildirs(dir, UniqueIds::Files),
        ];
        for start in starts {
            let start = || start(dir.path());
            let mut maildrops = start();
            let mut model: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            for operation in &operations {
                match *operation {
                    Operation::Deliver(size) => {
                        let stored = long(usize::from(size) * 200);
                        let delivered = deliver(&maildrops, DROP, &stored);
                        model.push((delivered.unique_id.as_bytes().to_vec(), stored));
                    }
                    Operation::Delete(bits) => {
                        let goes = |at: usize| at < 64 && bits >> at & 1 == 1;
                        let numbers: Vec<u32> = (0..model.len())
                            .filter(|&at| goes(at))
                            .map(|at| at as u32 + 1)
                            .collect();
                        let left = delete(open(&maildrops, DROP).unwrap(), &numbers);
                        let mut at = 0;
                        model.retain(|_| {
                            at += 1;
                            !goes(at - 1)
                        });
                        prop_assert_eq!(left, model.len());
                    }
                    Operation::Vanish => drop(open(&maildrops, DROP).unwrap()),
                    Operation::Tidy => maildrops.tidy(DROP).unwrap(),
                    Operation::Reopen if matches!(maildrops, Maildrops::Memory(_)) => {}
                    Operation::Reopen => maildrops = start(),
                }
            }
            let session = open(&maildrops, DROP).unwrap();
            let listing = session.listing();
            prop_assert_eq!(listing.len(), model.len());
            for (n, (id, stored)) in (1..).zip(&model) {
                let unique_id = listing.unique_id(number(n));
                prop_assert_eq!(unique_id.as_deref(), Some(&id[..]));
                prop_assert_eq!(&text(&session, n, Part::Whole), stored);
            }
            let verified = maildrops.verify(DROP, &mut |_| {}).unwrap();
            prop_assert_eq!(verified.damages, []);
            prop_assert_eq!(verified.messages, model.len() as u64);
        }
    }
}

/// Which messages a session lists as internationalised.
fn internationalised(maildrops: &Maildrops) -> Vec<u32> {
    let listing = open(maildrops, DROP).unwrap().listing();
    let numbers = listing.internationalised().iter();
    numbers.map(|number| number.get()).collect()
}

#[test]
fn a_header_that_is_not_ascii_is_known_without_reading_it() {
    every_and_mboxes(|maildrops| {
        deliver(maildrops, DROP, b"Subject: a\r\n\r\n\xff\r\n");
        deliver(maildrops, DROP, b"Subject: \xc3\xa9\r\n\r\nb\r\n");
        let envelope = Envelope {
            prefix: b"Delivered-To: \xc3\xa9\r\n".to_vec(),
            ..Envelope::default()
        };
        deliver_with(maildrops, DROP, b"Subject: c\r\n\r\n", &envelope);
        assert_eq!(internationalised(maildrops), [2, 3]);
        delete(open(maildrops, DROP).unwrap(), &[1]);
        assert_eq!(internationalised(maildrops), [1, 2]);
    });
}

#[test]
fn a_sidecar_and_a_file_written_anew_know_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    let start = || Maildrops::native(dir.path(), &settings).unwrap();
    let maildrops = start();
    for _ in 0..599 {
        deliver(&maildrops, DROP, b"Subject: a\r\n\r\nb\r\n");
    }
    deliver(&maildrops, DROP, b"Subject: \xc3\xa9\r\n\r\nb\r\n");
    assert_eq!(internationalised(&maildrops), [600]);
    maildrops.tidy(DROP).unwrap();
    let sidecar = maildrops.path(DROP).unwrap().with_extension("rsx");
    assert!(sidecar.exists());
    let maildrops = start();
    assert_eq!(internationalised(&maildrops), [600]);
    delete(
        open(&maildrops, DROP).unwrap(),
        &(1..=599).collect::<Vec<_>>(),
    );
    maildrops.compact(DROP).unwrap();
    assert_eq!(internationalised(&maildrops), [1]);
}

#[test]
fn a_template_shapes_new_unique_ids_and_no_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let with = |template: &str| {
        let settings = NativeSettings {
            allow_volatile: true,
            unique_id: template.parse().unwrap(),
            ..NativeSettings::default()
        };
        Maildrops::native(dir.path(), &settings).unwrap()
    };
    let ids = |maildrops: &Maildrops| -> Vec<String> {
        let session = open(maildrops, DROP).unwrap();
        let listing = session.listing();
        (1..=listing.len() as u32)
            .map(|n| String::from_utf8(listing.unique_id(number(n)).unwrap().to_vec()).unwrap())
            .collect()
    };
    let own = deliver(&with("{generation}.{uid}"), DROP, b"A: b\r\n\r\n").unique_id;
    let dovecot = with("{uid:08x}{generation:x}");
    let second = deliver(&dovecot, DROP, b"A: b\r\n\r\n").unique_id;
    assert!(second.to_string().starts_with("00000002"), "{second}");
    let foreign = Envelope {
        unique_id: UniqueId::new(b"UID3-1"),
        ..Envelope::default()
    };
    let third = deliver_with(&dovecot, DROP, b"A: b\r\n\r\n", &foreign).unique_id;
    assert_eq!(third.to_string(), "UID3-1");
    // The same one again is another message: it gets the template's.
    let fourth = deliver_with(&dovecot, DROP, b"A: b\r\n\r\n", &foreign).unique_id;
    assert!(fourth.to_string().starts_with("00000004"), "{fourth}");
    let expected = [own, second, third, fourth].map(|id| id.to_string());
    assert_eq!(ids(&dovecot), expected);
    assert_eq!(ids(&with("x{uid:d}-{generation}")), expected);
}

/// Marks those of the first 64 numbers whose bit is set, up to the last of the listing.
fn marks(bits: u64, messages: usize) -> Deletions {
    let mut marks = Deletions::default();
    for at in (0..messages.min(64)).filter(|at| bits >> at & 1 == 1) {
        marks.mark(MessageNumber::from_index(at).unwrap());
    }
    marks
}

#[derive(Clone, Debug)]
enum Act {
    Deliver(u8),
    Delete(u64),
    Hide(u64),
    /// Shows hidden ones again, chosen by their place among all.
    Unhide(u64),
    Compact,
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0_u8..90).prop_map(Act::Deliver),
        2 => any::<u64>().prop_map(Act::Delete),
        2 => any::<u64>().prop_map(Act::Hide),
        1 => any::<u64>().prop_map(Act::Unhide),
        1 => Just(Act::Compact),
        1 => Just(Act::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any acts of sessions with any view, compared with a list of which messages are hidden.
    #[test]
    fn a_view_is_what_a_list_says(
        acts in prop::collection::vec((act(), prop::option::of(1_u64..6), any::<bool>()), 0..30),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let settings = NativeSettings { allow_volatile: true, ..NativeSettings::default() };
        for native in [false, true] {
            let start = || match native {
                false => Maildrops::memory(),
                true => Maildrops::native(dir.path(), &settings).unwrap(),
            };
            let mut maildrops = start();
            // Unique-id, uid, whether it is hidden.
            let mut model: Vec<(Vec<u8>, u64, bool)> = Vec::new();
            for (act, messages_max, all) in &acts {
                let hidden = if *all { Hidden::Shown } else { Hidden::LeftOut };
                let view = View { messages_max: *messages_max, hidden, ..View::default() };
                // Places in the model of what such a session sees.
                let mut seen: Vec<usize> = (0..model.len())
                    .filter(|&at| *all || !model[at].2)
                    .collect();
                let most = messages_max.map_or(usize::MAX, |most| most as usize);
                seen.drain(..seen.len().saturating_sub(most));
                let open = |maildrops: &Maildrops| open_view(maildrops, DROP, &view).unwrap();
                {
                    let session = open(&maildrops);
                    let listing = session.listing();
                    prop_assert_eq!(listing.len(), seen.len());
                    prop_assert_eq!(listing.is_partial(), seen.len() < model.len());
                    for (n, &at) in (1..).zip(&seen) {
                        let unique_id = listing.unique_id(number(n));
                        prop_assert_eq!(unique_id.as_deref(), Some(&model[at].0[..]));
                        prop_assert_eq!(session.is_hidden(number(n)), model[at].2);
                    }
                }
                match *act {
                    Act::Deliver(size) => {
                        let delivered = deliver(&maildrops, DROP, &long(usize::from(size) * 200));
                        let id = delivered.unique_id.as_bytes().to_vec();
                        model.push((id, delivered.uid, false));
                    }
                    Act::Delete(bits) => {
                        let marks = marks(bits, seen.len());
                        let left = open(&maildrops).commit(&marks).unwrap();
                        prop_assert_eq!(left, seen.len() - marks.len());
                        let gone: Vec<_> = marks.iter().map(|it| seen[it.index()]).collect();
                        let mut at = 0;
                        model.retain(|_| {
                            at += 1;
                            !gone.contains(&(at - 1))
                        });
                    }
                    Act::Hide(bits) => {
                        let marks = marks(bits, seen.len());
                        let left = open(&maildrops).hide(&marks).unwrap();
                        prop_assert_eq!(left, seen.len() - marks.len());
                        marks.iter().for_each(|it| model[seen[it.index()]].2 = true);
                    }
                    Act::Unhide(bits) => {
                        let asked = (0..model.len()).filter(|at| bits >> (at % 64) & 1 == 1);
                        let asked: Vec<_> = asked.collect();
                        let uids: Vec<_> = asked.iter().map(|&at| model[at].1).collect();
                        let shown = maildrops.unhide(DROP, &uids).unwrap();
                        let were = asked.iter().filter(|&&at| model[at].2);
                        let were: Vec<_> = were.map(|&at| model[at].1).collect();
                        prop_assert_eq!(shown, were);
                        asked.iter().for_each(|&at| model[at].2 = false);
                    }
                    Act::Compact => drop(maildrops.compact(DROP)),
                    Act::Reopen if native => maildrops = start(),
                    Act::Reopen => {}
                }
                let hidden = maildrops.hidden(DROP).unwrap();
                let hidden: Vec<_> = hidden.iter().map(|it| it.uid).collect();
                let expected = model.iter().filter(|it| it.2).map(|it| it.1);
                prop_assert_eq!(&hidden, &expected.collect::<Vec<_>>());
                let summary = maildrops.summary(DROP).unwrap();
                prop_assert_eq!(summary.hidden_messages, hidden.len() as u64);
                prop_assert_eq!(summary.messages, model.len() as u64);
            }
        }
    }
}

/// What came since a moment, and what was brought back since.
#[test]
fn a_view_of_what_is_recent() {
    let now_us = || {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        i64::try_from(now.as_micros()).unwrap()
    };
    every(|maildrops| {
        let ids = |since_us, messages_max| {
            let view = View {
                since_us: Some(since_us),
                messages_max,
                ..View::default()
            };
            let listing = open_view(maildrops, DROP, &view).unwrap().listing();
            let numbers = 0..listing.len();
            let ids = numbers.map(|at| MessageNumber::from_index(at).unwrap());
            let ids = ids.map(|it| listing.unique_id(it).unwrap().to_vec());
            (ids.collect::<Vec<_>>(), listing.is_partial())
        };
        let mut delivered = Vec::new();
        let mut moments = vec![now_us()];
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(2));
            let message = deliver(maildrops, DROP, &long(300));
            delivered.push(message.unique_id.as_bytes().to_vec());
            std::thread::sleep(Duration::from_millis(2));
            moments.push(now_us());
        }
        for (at, &moment) in moments.iter().enumerate() {
            assert_eq!(ids(moment, None), (delivered[at..].to_vec(), at > 0));
        }
        assert_eq!(ids(moments[1], Some(1)), (delivered[2..].to_vec(), true));
        // What was brought back counts from then, in memory and after the file was written anew.
        if let Maildrops::Native(_) = maildrops {
            delete(open(maildrops, DROP).unwrap(), &[1]);
            let dead: Vec<_> = maildrops.deleted(DROP).unwrap();
            let uids: Vec<_> = dead.iter().map(|it| it.uid).collect();
            assert_eq!(maildrops.undelete(DROP, &uids).unwrap(), uids);
            let expected = (delivered[..1].to_vec(), true);
            assert_eq!(ids(moments[3], None), expected);
            maildrops.compact(DROP).unwrap();
            assert_eq!(ids(moments[3], None), expected);
        }
    });
}
