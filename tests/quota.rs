//! Quota on every back end, and exact when many deliver at once.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Barrier};

use maildrop::{
    Addressee, DeliverError, Envelope, MaildropId, Maildrops, Measure, NativeSettings, Quota,
};
use pop3::{Deletions, MessageNumber};

const TEXT: &[u8] = b"Subject: x\r\n\r\n0123456789\r\n";

fn every(check: impl Fn(&Maildrops)) {
    check(&Maildrops::memory());
    let dir = tempfile::tempdir().unwrap();
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    check(&Maildrops::native(dir.path(), &settings).unwrap());
}

fn mrose(octets: Option<u64>, messages: Option<u64>) -> Addressee<'static> {
    Addressee {
        quota: Quota { octets, messages },
        ..Addressee::unlimited(MaildropId(7), "mrose")
    }
}

fn deliver(maildrops: &Maildrops, to: &Addressee<'_>) -> Result<(), DeliverError> {
    let mut draft = maildrops.draft();
    draft.append(TEXT).unwrap();
    let measure = Measure {
        octets: TEXT.len() as u64,
        header_octets: 14,
        ..Measure::default()
    };
    let envelope = Envelope::default();
    maildrops
        .deliver(to, &mut draft, &measure, &envelope)
        .map(drop)
}

fn full(result: Result<(), DeliverError>) -> bool {
    match result {
        Ok(()) => false,
        Err(DeliverError::OverQuota) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn octets_and_messages_are_counted_and_deletion_makes_room() {
    let one = TEXT.len() as u64;
    every(|maildrops| {
        let to = mrose(Some(2 * one), None);
        assert!(full(maildrops.fits(&to, 2 * one + 1)));
        assert!(!full(maildrops.fits(&to, 2 * one)));
        assert!(full(deliver(maildrops, &mrose(Some(one - 1), None))));
        assert!(!full(deliver(maildrops, &to)));
        assert!(!full(deliver(maildrops, &to)));
        assert!(full(deliver(maildrops, &to)));
        assert!(full(maildrops.fits(&to, 1)));
        assert!(full(deliver(maildrops, &mrose(None, Some(2)))));
        assert!(!full(maildrops.fits(&mrose(None, Some(3)), one)));
        let session = maildrops.open(MaildropId(7)).unwrap();
        let mut deletions = Deletions::default();
        deletions.mark(MessageNumber::new(1).unwrap());
        session.commit(&deletions).unwrap();
        assert!(!full(deliver(maildrops, &to)));
        let summary = maildrops.summary(MaildropId(7)).unwrap();
        assert_eq!((summary.messages, summary.octets), (2, 2 * one));
    });
}

#[test]
fn many_at_once_do_not_exceed_it_by_one() {
    every(|maildrops| {
        const DELIVERERS: usize = 64;
        let start = Arc::new(Barrier::new(DELIVERERS));
        let threads: Vec<_> = (0..DELIVERERS)
            .map(|_| {
                let (maildrops, start) = (maildrops.clone(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    !full(deliver(&maildrops, &mrose(None, Some(10))))
                })
            })
            .collect();
        let delivered = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .filter(|&delivered| delivered)
            .count();
        assert_eq!(delivered, 10);
        assert_eq!(maildrops.summary(MaildropId(7)).unwrap().messages, 10);
    });
}

/// Texts of many sizes come at once, to four processes, at the edge of a quota of octets: not one
/// octet too many, and no text is refused that would have fitted all the time.
#[test]
fn several_processes_at_the_edge() {
    let dir = tempfile::tempdir().unwrap();
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    let quota = 20_000_u64;
    let to = mrose(Some(quota), None);
    let processes = [0; 4].map(|_| Maildrops::native(dir.path(), &settings).unwrap());
    let start = Barrier::new(64);
    let answers: Vec<(u64, bool)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|n: usize| {
                let (maildrops, start, to) = (&processes[n % 4], &start, &to);
                scope.spawn(move || {
                    let octets = 100 + 37 * (n as u64 * 29 % 64);
                    let mut text = b"Subject: x\r\n\r\n".to_vec();
                    text.resize(octets as usize, b'x');
                    let mut draft = maildrops.draft();
                    draft.append(&text).unwrap();
                    let measure = Measure {
                        octets,
                        header_octets: 14,
                        ..Measure::default()
                    };
                    start.wait();
                    let answer = maildrops.deliver(to, &mut draft, &measure, &Envelope::default());
                    (octets, !full(answer.map(drop)))
                })
            })
            .collect();
        let threads = threads.into_iter();
        threads.map(|thread| thread.join().unwrap()).collect()
    });
    let delivered: u64 = answers.iter().filter(|it| it.1).map(|it| it.0).sum();
    let least_refused = answers.iter().filter(|it| !it.1).map(|it| it.0).min();
    let summary = processes[0].summary(MaildropId(7)).unwrap();
    assert_eq!(summary.octets, delivered);
    assert!(delivered <= quota, "{delivered}");
    assert!(delivered + least_refused.unwrap() > quota, "{answers:?}");
}
