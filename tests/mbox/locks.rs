//! The locks of the site: whose they are, how long to wait, and who has forgotten one.

use std::io;
use std::time::Duration;

use maildrop::mbox::{Locking, Settings, Variant};
use maildrop::native::media::{Disk as _, File as _, Lock};
use maildrop::{DeliverError, OpenError, View};
use restante_tests::media::SimDisk;

use crate::site::{DROP, NAME, deliver, marks, settings, site, site_with, texts};

const TEXT: &[u8] = b"Subject: x\r\n\r\n";

#[test]
fn one_session_at_a_time_and_none_for_an_empty_maildrop() {
    let disk = SimDisk::default();
    let (one, two) = (site(&disk), site(&disk));
    let open = |site: &crate::site::Site| site.open(DROP, &View::default());
    let empty = open(&one).unwrap();
    assert!(open(&two).unwrap().listing().is_empty());
    drop(empty);
    assert!(disk.octets(NAME).is_none());
    deliver(&one, TEXT).unwrap();
    let session = open(&one).unwrap();
    assert!(matches!(open(&two), Err(OpenError::InUse)));
    // Mail comes in all the same, and the site's locks are free.
    deliver(&two, TEXT).unwrap();
    assert!(disk.open(NAME).unwrap().try_lock(Lock::Whole).unwrap());
    assert!(disk.octets("mrose.lock").is_none());
    assert_eq!(session.commit(&marks(&[0])).unwrap(), 0);
    assert_eq!(open(&two).unwrap().listing().len(), 1);
}

#[test]
fn a_lock_of_another_program_is_waited_for_and_no_longer() {
    let disk = SimDisk::default();
    let ours = site(&disk);
    deliver(&ours, TEXT).unwrap();
    let file = disk.open(NAME).unwrap();
    assert!(file.try_lock(Lock::Whole).unwrap());
    assert!(matches!(
        deliver(&ours, TEXT),
        Err(DeliverError::Unavailable(error)) if error.kind() == io::ErrorKind::TimedOut
    ));
    assert!(matches!(
        ours.open(DROP, &View::default()),
        Err(OpenError::InUse)
    ));
    // Where the site has the dotlock only, the other one is of no concern.
    let dotlocks = site_with(
        &disk,
        Settings {
            write_locks: vec![Locking::Dotlock],
            read_locks: vec![Locking::Dotlock],
            ..settings(Variant::Mboxrd)
        },
    );
    deliver(&dotlocks, TEXT).unwrap();
    drop(file);
    assert_eq!(texts(&ours).len(), 2);
}

#[test]
fn only_an_old_dotlock_that_nobody_touches_is_taken_away() {
    let disk = SimDisk::default();
    let ours = site(&disk);
    deliver(&ours, TEXT).unwrap();
    disk.create("mrose.lock").unwrap();
    // The clock of this disk stands near 1970.
    deliver(&ours, TEXT).unwrap();
    assert!(disk.octets("mrose.lock").is_none());
    assert!(
        disk.list("")
            .unwrap()
            .iter()
            .all(|name| !name.contains(".lock"))
    );
    let young = site_with(
        &disk,
        Settings {
            dotlock_stale_after: Duration::MAX,
            ..settings(Variant::Mboxrd)
        },
    );
    disk.create("mrose.lock").unwrap();
    assert!(matches!(
        deliver(&young, TEXT),
        Err(DeliverError::Unavailable(error)) if error.kind() == io::ErrorKind::TimedOut
    ));
    // For reading the site takes the other lock.
    assert_eq!(texts(&young).len(), 2);
    assert!(disk.octets("mrose.lock").is_some());
}

#[test]
fn who_has_lost_the_lock_does_not_remove_that_of_another() {
    let disk = SimDisk::default();
    let ours = site(&disk);
    deliver(&ours, TEXT).unwrap();
    // While this one works, somebody takes its dotlock for a forgotten one and makes his own.
    let (other, another) = (disk.clone(), disk.clone());
    disk.meanwhile(move || {
        // The journal is opened first, then the dotlock is made, then the mbox is opened.
        other.meanwhile(move || {
            another.unlink("mrose.lock").unwrap();
            drop(another.create("mrose.lock").unwrap());
        });
    });
    deliver(&ours, TEXT).unwrap();
    assert!(disk.octets("mrose.lock").is_some());
}
