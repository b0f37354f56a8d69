//! The end of a file: what looks torn and is not, and what cutting it may meet.

use maildrop::native::media::Disk as _;
use pop3::{Deletions, MessageNumber};
use restante_tests::media::{Loss, Plan, SimDisk};

use crate::shop::{DROP, Retrieved, deliver, path, retrieve, small_drop, store, try_deliver};
use crate::specimen::tear;

/// A drop whose last message was shown once and is zeros since, so that it looks torn to a
/// program that starts now.
fn rotten_end() -> (SimDisk, Retrieved) {
    let (disk, shown) = small_drop();
    disk.rot(&path(), tear);
    (disk, shown)
}

/// What was durable once and is gone is damage: nothing is cut, and no uid is used again.
#[test]
fn a_file_that_lost_its_end_while_we_watched() {
    let (disk, _) = small_drop();
    let shop = store(&disk);
    let before = retrieve(&shop).unwrap();
    disk.rot(&path(), |octets| {
        let end = octets.len();
        octets[end - 1] ^= 1;
    });
    let found = retrieve(&shop).unwrap();
    assert_eq!(found.len(), before.len());
    assert_eq!(found[2].1, None);
    let id = deliver(&shop, b"N: 9\r\n\r\n");
    assert!(before.iter().all(|(known, _)| known != id.as_bytes()));
    assert!(disk.octets(&format!("torn/{DROP}-0-4096")).is_none());
}

/// The last messages have all rotted since they were shown: to a program that starts now they are
/// one torn tail. None of their unique-ids comes back.
#[test]
fn a_tail_may_have_been_many_messages() {
    let disk = SimDisk::default();
    let first = store(&disk);
    let mut ends = Vec::new();
    let mut shown = Vec::new();
    for n in 0..6 {
        shown.push(deliver(&first, format!("N: {n}\r\n\r\n").as_bytes()));
        ends.push(disk.octets(&path()).unwrap().len());
    }
    drop(first);
    disk.rot(&path(), |octets| {
        for start in &ends[2..5] {
            let magic = start.next_multiple_of(8);
            octets[magic] ^= 1;
        }
    });
    let store = store(&disk);
    for n in 0..6 {
        let fresh = deliver(&store, format!("New: {n}\r\n\r\n").as_bytes());
        assert!(!shown.contains(&fresh), "{fresh} names two messages");
    }
    assert_eq!(retrieve(&store).unwrap().len(), 9);
}

/// A tail is being cut, and any call of that fails or is the last one: its uid is never used
/// again, and what lies before it is there.
#[test]
fn whatever_fails_while_a_tail_is_cut() {
    let (rotten, shown) = rotten_end();
    let plans = [
        Plan::Crash,
        |n| Plan::Fail(n, std::io::ErrorKind::Other),
        |n| Plan::FailFrom(n, std::io::ErrorKind::StorageFull),
        Plan::ShortWrite,
    ];
    for n in 0..40 {
        for plan in plans {
            let disk = rotten.reboot(Loss::Nothing);
            disk.plan(plan(n));
            let shop = store(&disk);
            if let Ok(session) = shop.open(DROP) {
                assert_eq!(session.listing().len(), 2, "{:?}", plan(n));
            }
            let _ = try_deliver(&shop, b"N: 8\r\n\r\n");
            let what = format!("{:?}", plan(n));
            let losses = [Loss::Everything, Loss::Nothing, Loss::Some(n)];
            let later = losses.map(|loss| disk.reboot(loss));
            for disk in later.iter() {
                let shop = store(disk);
                let id = deliver(&shop, b"N: 9\r\n\r\n");
                assert!(
                    shown.iter().all(|(known, _)| known != id.as_bytes()),
                    "{what}: {id:?} was the name of another message"
                );
                let found = retrieve(&shop).unwrap();
                assert_eq!(found[..2], shown[..2], "{what}");
                assert_eq!(found.last().unwrap().0, id.as_bytes(), "{what}");
            }
            // The store that met the failure goes on as well.
            if !matches!(plan(n), Plan::Crash(_)) {
                disk.plan(Plan::Calm);
                let id = deliver(&shop, b"N: 9\r\n\r\n");
                assert!(
                    shown.iter().all(|(known, _)| known != id.as_bytes()),
                    "{what}: {id:?} was the name of another message"
                );
                assert_eq!(retrieve(&shop).unwrap(), retrieve(&store(&disk)).unwrap());
            }
        }
    }
}

/// While the disk is full, every sender tries again and again. When there is room, mail flows.
#[test]
fn a_torn_tail_waits_for_room_as_long_as_it_takes() {
    let (rotten, _) = rotten_end();
    for n in 0..30 {
        let disk = rotten.reboot(Loss::Nothing);
        let shop = store(&disk);
        for _ in 0..120 {
            disk.plan(Plan::FailFrom(n, std::io::ErrorKind::StorageFull));
            let _ = try_deliver(&shop, b"N: 8\r\n\r\n");
        }
        disk.plan(Plan::Calm);
        deliver(&shop, b"N: 9\r\n\r\n");
        let copies = disk.list("torn").unwrap();
        assert!(!copies.is_empty(), "full from {n}");
    }
}

/// Another process took the last record for torn, having read it from a spoilt disk, and went on.
/// What it was told is safe must not be cut by one that remembers the file as it was.
#[test]
fn what_another_process_cut_is_not_remembered() {
    for octets in [10, 60, 100, 500] {
        let (disk, _) = small_drop();
        let shop = store(&disk);
        let shown = retrieve(&shop).unwrap();
        disk.rot(&path(), tear);
        let mut text = b"N: 8\r\n\r\n".to_vec();
        text.resize(text.len() + octets, b'b');
        let theirs = deliver(&store(&disk), &text);
        let ours = deliver(&shop, b"N: 9\r\n\r\n");
        let expected = [
            shown[0].clone(),
            shown[1].clone(),
            (theirs.as_bytes().to_vec(), Some(text)),
            (ours.as_bytes().to_vec(), Some(b"N: 9\r\n\r\n".to_vec())),
        ];
        for shop in [shop, store(&disk)] {
            assert_eq!(retrieve(&shop).unwrap(), expected, "{octets}");
        }
    }
}

/// A message of the session cannot be found in the file any more: the others are deleted as
/// promised all the same.
#[test]
fn deletions_beside_a_message_that_is_gone() {
    for marked in [&[2][..], &[1, 2], &[1]] {
        let (disk, _) = small_drop();
        let shop = store(&disk);
        let before = retrieve(&shop).unwrap();
        let session = shop.open(DROP).unwrap();
        disk.rot(&path(), |octets| octets[4096 + 20] ^= 1);
        // Deliveries that fail one call later each: when a sync failed, all is read again.
        let new: Vec<_> = (0..16)
            .filter_map(|n| {
                disk.plan(Plan::Fail(n, std::io::ErrorKind::Other));
                try_deliver(&shop, b"N: 9\r\n\r\n").ok()
            })
            .map(|id| (id.as_bytes().to_vec(), Some(b"N: 9\r\n\r\n".to_vec())))
            .collect();
        disk.plan(Plan::Calm);
        let mut deletions = Deletions::default();
        for &number in marked {
            deletions.mark(MessageNumber::new(number).unwrap());
        }
        assert_eq!(session.commit(&deletions).unwrap(), 3 - marked.len());
        let found = retrieve(&store(&disk)).unwrap();
        let mut expected = before;
        if marked.contains(&2) {
            expected.remove(1);
        }
        expected.remove(0);
        expected.extend(new);
        assert_eq!(found, expected, "{marked:?}");
    }
}
