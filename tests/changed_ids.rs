//! When messages that stayed get other unique-ids, every client retrieves them again: the log says
//! so, and only then.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};

use maildrop::{Addressee, Envelope, MaildropId, Measure, Store};
use pop3::{Deletions, MessageNumber};
use restante_tests::media::SimDisk;

const DROP: MaildropId = MaildropId(0x00ff_0000_0000_0001);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged while something is done.
fn logged(work: impl FnOnce()) -> String {
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || to.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let octets = log.0.lock().unwrap().clone();
    String::from_utf8(octets).unwrap()
}

fn deliver(store: &Store<SimDisk>) {
    let mut draft = store.draft();
    draft.append(b"A: b\r\n\r\n").unwrap();
    let measure = Measure {
        octets: 8,
        header_octets: 8,
        ..Measure::default()
    };
    let to = Addressee::unlimited(DROP, "mrose");
    store
        .deliver(&to, &draft, &measure, &Envelope::default())
        .unwrap();
}

#[test]
fn another_file_in_its_place_is_told_of_with_how_many_messages() {
    let path = Store::<SimDisk>::path_of(DROP);
    let disk = SimDisk::default();
    let store = Arc::new(Store::new(Arc::new(disk.clone())));
    (0..3).for_each(|_| deliver(&store));
    // A file of the same maildrop that began another life: three uids are the same, their
    // unique-ids are not.
    let elsewhere = SimDisk::default();
    let other = Store::new(Arc::new(elsewhere.clone()));
    (0..5).for_each(|_| deliver(&other));
    let octets = elsewhere.octets(&path).unwrap();
    disk.rot(&path, |file| *file = octets);
    let told = logged(|| drop(store.open(DROP).unwrap()));
    let line = "unique-ids of messages that stayed have changed; clients will retrieve them again";
    assert!(told.contains(line), "{told}");
    assert!(told.contains("messages=3"), "{told}");
    assert!(told.contains("WARN"), "{told}");
    // Once is enough.
    assert_eq!(logged(|| drop(store.open(DROP).unwrap())), "");
}

#[test]
fn a_file_that_is_written_anew_changes_nothing_and_nothing_is_told() {
    let disk = SimDisk::default();
    let store = Arc::new(Store::new(Arc::new(disk.clone())));
    let other = Arc::new(Store::new(Arc::new(disk)));
    (0..3).for_each(|_| deliver(&store));
    let session = other.open(DROP).unwrap();
    let mut deletions = Deletions::default();
    deletions.mark(MessageNumber::from_index(1).unwrap());
    session.commit(&deletions).unwrap();
    other.compact(DROP).unwrap();
    assert_eq!(logged(|| drop(store.open(DROP).unwrap())), "");
}
