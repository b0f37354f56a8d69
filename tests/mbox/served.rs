//! What else a maildrop can do, done with an mbox.

use maildrop::mbox::Variant;
use maildrop::{Addressee, DeliverError, Quota, View};
use pop3::{MessageNumber, Part};
use restante_tests::media::SimDisk;

use crate::site::{
    DROP, MROSE, NAME, deliver, foreign, marks, settings, site, site_with, text, texts,
};

#[test]
fn a_file_as_other_programs_leave_it() {
    let disk = SimDisk::default();
    let ours = site(&disk);
    deliver(&ours, b"Subject: x\r\n\r\n").unwrap();
    disk.rewrite(NAME, |octets| {
        *octets = b"From MAILER-DAEMON Mon Nov 23 08:24:39 2026\n\
            Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\nStatus: RO\n\nNote.\n\n\
            From <> Mon Nov 23 08:24:40 2026\nStatus: RO\nSubject: one\nX-UID: 1\n\n>From here\n.\n\n\
            From b@c Mon Nov 23 08:24:41 2026\nSubject: zw\xc3\xb6lf\nContent-Length: 0\n\nno end"
            .to_vec();
    });
    let session = ours.open(DROP, &View::default()).unwrap();
    let first = text(&session, 0, Part::Whole).unwrap();
    assert_eq!(first, b"Subject: one\r\n\r\nFrom here\r\n..\r\n");
    assert_eq!(
        text(&session, 0, Part::Top(1)).unwrap(),
        b"Subject: one\r\n\r\nFrom here\r\n"
    );
    let second = MessageNumber::from_index(1).unwrap();
    let envelope = session.envelope(second).unwrap();
    assert_eq!(envelope.sender.as_deref(), Some(&b"b@c"[..]));
    assert_eq!(envelope.received_us, Some(1_795_422_281_000_000));
    // The notes stay when all messages go, and what comes meanwhile.
    foreign(
        &disk,
        "Subject: not a message: no empty line before it\r\n\r\n",
    );
    let refused = session.commit(&marks(&[0, 1]));
    assert!(refused.is_err(), "the last message is not what it was");
    let session = ours.open(DROP, &View::default()).unwrap();
    session.commit(&marks(&[0, 1])).unwrap();
    let left = disk.octets(NAME).unwrap();
    assert!(
        left.ends_with(b"Note.\n\n"),
        "{}",
        String::from_utf8_lossy(&left)
    );
    assert!(texts(&ours).is_empty());
    deliver(&ours, b"Subject: three\r\n\r\n").unwrap();
    assert_eq!(texts(&ours), [b"Subject: three\r\n\r\n"]);
}

#[test]
fn quota_view_expiry_and_sums() {
    let disk = SimDisk::default();
    let ours = site(&disk);
    let small = Addressee {
        quota: Quota {
            octets: Some(40),
            messages: Some(2),
        },
        ..MROSE
    };
    assert!(ours.fits(&small, 40).is_ok());
    deliver(&ours, b"Subject: 12345\r\n\r\n").unwrap();
    assert!(ours.fits(&small, 22).is_ok());
    assert!(matches!(
        ours.fits(&small, 23),
        Err(DeliverError::OverQuota)
    ));
    foreign(&disk, "Subject: later\r\n\r\n");
    assert!(matches!(ours.fits(&small, 0), Err(DeliverError::OverQuota)));
    let summary = ours.summary(DROP).unwrap();
    assert_eq!((summary.messages, summary.octets), (2, 36));
    assert_eq!(summary.file_octets, disk.octets(NAME).unwrap().len() as u64);
    let newest = View {
        messages_max: Some(1),
        ..View::default()
    };
    let session = ours.open(DROP, &newest).unwrap();
    assert!(session.listing().is_partial());
    assert_eq!(
        text(&session, 0, Part::Whole).unwrap(),
        b"Subject: later\r\n\r\n"
    );
    // One that sees nothing leaves out what there is all the same.
    let none_yet = View {
        since_us: Some(i64::MAX),
        ..View::default()
    };
    drop(session);
    let listing = ours.open(DROP, &none_yet).unwrap().listing();
    assert!(listing.is_empty() && listing.is_partial());
    let session = ours.open(DROP, &newest).unwrap();
    // In use, it is left alone.
    let between = 1_795_422_280_000_000;
    assert_eq!(ours.expire(DROP, between).unwrap().messages, 0);
    session.commit(&marks(&[])).unwrap();
    let expired = ours.expire(DROP, between).unwrap();
    assert_eq!((expired.messages, expired.octets), (1, 18));
    assert_eq!(texts(&ours), [b"Subject: later\r\n\r\n"]);
    let session = ours.open(DROP, &View::default()).unwrap();
    assert!(session.hide(&marks(&[0])).is_err());
    assert_eq!(texts(&ours).len(), 1);
}

#[test]
fn what_is_no_mbox_is_left_alone() {
    let disk = SimDisk::default();
    let ours = site(&disk);
    deliver(&ours, b"Subject: x\r\n\r\n").unwrap();
    disk.rewrite(NAME, |octets| {
        *octets = b"a list of things to do\n".to_vec()
    });
    assert!(ours.open(DROP, &View::default()).is_err());
    assert!(ours.summary(DROP).is_err());
    let mmdf = site_with(&disk, settings(Variant::Mmdf));
    assert!(mmdf.open(DROP, &View::default()).is_err());
    assert_eq!(disk.octets(NAME).unwrap(), b"a list of things to do\n");
}
