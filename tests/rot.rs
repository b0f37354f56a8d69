//! Bits that flip, files that end too soon, bodies that imitate records: nothing wrong ever
//! leaves, nothing forged is ever believed, and what is whole stays readable.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use maildrop::native::media::Disk as _;
use maildrop::{
    Addressee, DeliverError, Envelope, MaildropId, Measure, NativeSettings, OpenError, Patience,
    Progress, Store, TextError,
};
use pop3::{Deletions, MessageNumber, Part, UniqueId};
use restante_tests::media::{Loss, Plan, SimDisk};

const DROP: MaildropId = MaildropId(0x00ff_0000_0000_0001);
const MROSE: Addressee<'static> = Addressee::unlimited(DROP, "mrose");

type Shared = Arc<Store<SimDisk>>;

fn store(disk: &SimDisk) -> Shared {
    Arc::new(Store::new(Arc::new(disk.clone())))
}

fn path() -> String {
    Store::<SimDisk>::path_of(DROP)
}

fn deliver(store: &Shared, text: &[u8]) -> UniqueId {
    try_deliver(store, text).unwrap()
}

fn try_deliver(store: &Shared, text: &[u8]) -> Result<UniqueId, DeliverError> {
    let mut draft = store.draft();
    draft.append(text)?;
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: text.len().min(8) as u64,
        ..Measure::default()
    };
    let envelope = Envelope {
        sender: Some(b"a@b".to_vec()),
        ..Envelope::default()
    };
    let delivered = store.deliver(&MROSE, &draft, &measure, &envelope)?;
    Ok(delivered.unique_id)
}

/// What a client gets: unique-ids with texts, or none where a text is refused.
type Retrieved = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn retrieve(store: &Shared) -> Result<Retrieved, OpenError> {
    let session = store.open(DROP)?;
    let listing = session.listing();
    let mut all = Vec::new();
    for index in 0..listing.len() {
        let number = MessageNumber::from_index(index).unwrap();
        let mut text = session.text(number, Part::Whole).unwrap();
        let mut out = Vec::new();
        let whole = loop {
            let before = out.clone();
            match text.read(&mut out, Patience::Wait) {
                Ok(Progress::End) => break Some(out),
                Ok(_) => {}
                Err(TextError::Damaged { .. }) => {
                    assert_eq!(out, before, "an error and octets at once");
                    break None;
                }
                Err(other) => panic!("{other:?}"),
            }
        };
        all.push((listing.unique_id(number).unwrap().to_vec(), whole));
    }
    Ok(all)
}

/// A drop with a deletion in its middle: three messages are left.
fn small_drop() -> (SimDisk, Retrieved) {
    let disk = SimDisk::default();
    let store = store(&disk);
    for n in 0..3 {
        deliver(&store, format!("N: {n}\r\n\r\nbody {n}\r\n").as_bytes());
    }
    let mut deletions = Deletions::default();
    deletions.mark(MessageNumber::new(2).unwrap());
    store.open(DROP).unwrap().commit(&deletions).unwrap();
    deliver(&store, b"N: 3\r\n\r\nbody 3\r\n");
    let found = retrieve(&store).unwrap();
    assert_eq!(found.len(), 3);
    (disk, found)
}

#[test]
fn every_bit_that_flips() {
    let (disk, good) = small_drop();
    let len = disk.octets(&path()).unwrap().len();
    let (mut refused, mut damaged, mut missing) = (0, 0, 0);
    for bit in 0..len * 8 {
        let rotten = disk.reboot(Loss::Nothing);
        rotten.rot(&path(), |octets| octets[bit / 8] ^= 1 << (bit % 8));
        let store = store(&rotten);
        let verified = store.verify(DROP, &mut |_| {}).unwrap();
        let Ok(found) = retrieve(&store) else {
            refused += 1;
            assert!(bit / 8 < 4096, "bit {bit}: refused for a record");
            assert_eq!(verified.damages.len(), 1);
            continue;
        };
        for (id, text) in &found {
            let original = good.iter().find(|(known, _)| known == id);
            match (original, text) {
                (Some((_, original)), Some(_)) => assert!(text == original, "bit {bit}"),
                (Some(_), None) => damaged += 1,
                // The deletion itself rotted: what it deleted is there again, whole.
                (None, Some(text)) => assert_eq!(text, b"N: 1\r\n\r\nbody 1\r\n"),
                (None, None) => panic!("bit {bit}: a stranger"),
            }
        }
        // One bit takes at most one message away; all others can be read.
        let readable = found.iter().filter(|(_, text)| text.is_some()).count();
        assert!(readable >= 2, "bit {bit}");
        missing += usize::from(found.len() < good.len());
        if readable < 3 || found.len() > 3 {
            assert!(!verified.damages.is_empty(), "bit {bit} not reported");
        }
    }
    assert_eq!(refused, 4096 * 8, "every bit of the header counts");
    assert!(damaged > 100 && missing > 500, "{damaged} {missing}");
}

#[test]
fn every_octet_where_it_may_end() {
    let (disk, _) = small_drop();
    let len = disk.octets(&path()).unwrap().len();
    for end in 4096..len {
        let cut = disk.reboot(Loss::Nothing);
        cut.rot(&path(), |octets| octets.truncate(end));
        let shop = store(&cut);
        let found = retrieve(&shop).unwrap();
        assert!(found.iter().all(|(_, text)| text.is_some()), "end {end}");
        // The uids of what was torn are never given out again: one for each 64 octets.
        let id = deliver(&shop, b"N: 9\r\n\r\n");
        let torn = cut.octets(&format!("torn/{DROP}-0-{}", torn_at(&cut, end)));
        // Uids below 32 are one digit: `b` is 1.
        let uid = |id: &[u8]| id[id.len() - 1] - b'a';
        let largest = found.iter().map(|(id, _)| uid(id)).max().unwrap_or(0);
        let skipped = torn.map_or(0, |torn| torn.len().div_ceil(64) as u8);
        assert_eq!(uid(id.as_bytes()), largest + 1 + skipped, "end {end}");
        let mut later = retrieve(&store(&cut.reboot(Loss::Everything))).unwrap();
        assert_eq!(later.pop().unwrap().0, id.as_bytes());
        assert_eq!(later, found);
        assert_eq!(shop.verify(DROP, &mut |_| {}).unwrap().damages, []);
    }
    for end in 0..4096 {
        let cut = disk.reboot(Loss::Nothing);
        cut.rot(&path(), |octets| octets.truncate(end));
        assert!(matches!(retrieve(&store(&cut)), Err(OpenError::Damaged(_))));
        assert_eq!(cut.octets(&path()).unwrap().len(), end, "touched");
    }
}

/// The largest offset below `end` whose torn octets were kept.
fn torn_at(disk: &SimDisk, end: usize) -> usize {
    (4096..end)
        .rev()
        .find(|at| disk.octets(&format!("torn/{DROP}-0-{at}")).is_some())
        .unwrap_or(0)
}

/// A message whose text holds a record that was copied octet by octet from a real file, and one
/// with every plausible field but the key; then everything before it rots.
#[test]
fn a_body_that_imitates_records() {
    // A record of the right shape for any offset, made with another file's key.
    let other = SimDisk::default();
    deliver(&store(&other), b"N: f\r\n\r\nforged\r\n");
    let forged = other.octets(&path()).unwrap()[4096..].to_vec();
    let mut body = b"N: 1\r\n\r\n".to_vec();
    for shift in 0..64 {
        body.resize(body.len() + shift % 9, b'x');
        body.extend_from_slice(&forged);
    }
    let disk = SimDisk::default();
    let shop = store(&disk);
    let victim = deliver(&shop, &body);
    let last = deliver(&shop, b"N: 2\r\n\r\nlast\r\n");
    let octets = disk.octets(&path()).unwrap();
    // A record of this very file, moved into a body of this very file.
    let own = octets[4096..4096 + 200].to_vec();
    let replay = [&b"N: 3\r\n\r\n"[..], &own, &own].concat();
    let third = deliver(&shop, &replay);
    let known = [&victim, &last, &third].map(|id| id.as_bytes().to_vec());
    let len = disk.octets(&path()).unwrap().len();
    for bit in 0..64 * 8 {
        for end in [len, len - 1, len - 300, 4096 + 5000] {
            let rotten = disk.reboot(Loss::Nothing);
            rotten.rot(&path(), |octets| {
                octets[4096 + bit / 8] ^= 1 << (bit % 8);
                octets.truncate(end);
            });
            let found = retrieve(&store(&rotten)).unwrap();
            for (id, text) in found {
                assert!(known.contains(&id), "bit {bit}: {id:?}");
                assert!(text.is_none_or(|text| text.starts_with(b"N: ")));
            }
        }
    }
}

#[test]
fn a_rotten_block_of_a_long_text_stays_inside() {
    let disk = SimDisk::default();
    let shop = store(&disk);
    let mut text = b"N: 1\r\n\r\n".to_vec();
    text.resize(300_000, b'y');
    deliver(&shop, &text);
    deliver(&shop, b"N: 2\r\n\r\n");
    // In the third of five blocks.
    disk.rot(&path(), |octets| octets[4096 + 100 + 150_000] ^= 1);
    let session = shop.open(DROP).unwrap();
    let first = MessageNumber::new(1).unwrap();
    let mut reading = session.text(first, Part::Whole).unwrap();
    let mut out = Vec::new();
    for _ in 0..2 {
        assert_eq!(
            reading.read(&mut out, Patience::Wait).unwrap(),
            Progress::More
        );
    }
    for _ in 0..2 {
        let refused = reading.read(&mut out, Patience::Wait);
        assert!(matches!(refused, Err(TextError::Damaged { .. })));
    }
    assert_eq!(out, text[..2 * 65_536]);
    // Its header can still be had.
    let mut out = Vec::new();
    let mut top = session.text(first, Part::Top(0)).unwrap();
    assert_eq!(top.read(&mut out, Patience::Wait).unwrap(), Progress::End);
    assert_eq!(out, b"N: 1\r\n\r\n");
    let verified = shop.verify(DROP, &mut |_| {}).unwrap();
    assert_eq!(verified.damages.len(), 1);
    assert_eq!(verified.damages[0].uid, Some(1));
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

/// A large drop opens from its sidecar, and any rot in that is as good as none.
#[test]
fn a_sidecar_is_never_trusted_blindly() {
    let disk = SimDisk::default();
    let shop = store(&disk);
    for n in 0..600 {
        deliver(&shop, format!("N: {n}\r\n\r\n").as_bytes());
    }
    let mut deletions = Deletions::default();
    deletions.mark(MessageNumber::new(7).unwrap());
    shop.open(DROP).unwrap().commit(&deletions).unwrap();
    shop.tidy(DROP).unwrap();
    let sidecar = format!("{}x", path().strip_suffix('m').unwrap());
    let octets = disk.octets(&sidecar).expect("more than 512 messages");
    let good = retrieve(&shop).unwrap();
    let calls = |disk: &SimDisk| {
        disk.plan(Plan::Calm);
        let shop = store(disk);
        drop(shop.open(DROP).unwrap());
        disk.calls()
    };
    assert!(calls(&disk) < 30, "{}", calls(&disk));
    assert_eq!(retrieve(&store(&disk)).unwrap(), good);
    deliver(&shop, b"N: new\r\n\r\n");
    let good = retrieve(&shop).unwrap();
    assert_eq!(retrieve(&store(&disk)).unwrap(), good);
    for octet in (0..200).chain((200..octets.len()).step_by(97)) {
        let rotten = disk.reboot(Loss::Nothing);
        rotten.rot(&sidecar, |octets| octets[octet] ^= 0x10);
        let shop = store(&rotten);
        let session = shop.open(DROP).unwrap();
        assert_eq!(session.listing().len(), good.len(), "octet {octet}");
    }
    for end in [0, 1, 100, 128, octets.len() - 1] {
        let rotten = disk.reboot(Loss::Nothing);
        rotten.rot(&sidecar, |octets| octets.truncate(end));
        assert_eq!(
            store(&rotten).open(DROP).unwrap().listing().len(),
            good.len()
        );
    }
    // The file lost what the sidecar knows to have been durable.
    let rotten = disk.reboot(Loss::Nothing);
    rotten.rot(&path(), |octets| octets.truncate(octets.len() - 400));
    let shop = store(&rotten);
    let left = retrieve(&shop).unwrap();
    assert!(left.len() >= good.len() - 6);
    let id = deliver(&shop, b"N: x\r\n\r\n");
    assert!(
        good[..good.len() - 1]
            .iter()
            .all(|(known, _)| known != id.as_bytes())
    );
}

/// However little may be kept in memory, what is shown is the same.
#[test]
fn a_store_that_forgets_everything() {
    let disk = SimDisk::default();
    let shop = Arc::new(Store::with_settings(
        Arc::new(disk.clone()),
        NativeSettings {
            index_octets_max: 1,
            ..NativeSettings::default()
        },
    ));
    for n in 0..20 {
        deliver(&shop, format!("N: {n}\r\n\r\n").as_bytes());
    }
    let found = retrieve(&shop).unwrap();
    assert_eq!(found.len(), 20);
    assert_eq!(retrieve(&store(&disk)).unwrap(), found);
}

/// A drop whose last message was shown once and has rotted since, so that it looks torn to a
/// program that starts now.
fn rotten_end() -> (SimDisk, Retrieved) {
    let (disk, shown) = small_drop();
    disk.rot(&path(), |octets| {
        let end = octets.len();
        octets[end - 1] ^= 1;
    });
    (disk, shown)
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
        disk.rot(&path(), |octets| {
            let end = octets.len();
            octets[end - 1] ^= 1;
        });
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

/// As above, with a sidecar as the memory.
#[test]
fn a_sidecar_of_what_was_cut_is_not_believed() {
    let disk = SimDisk::default();
    let shop = store(&disk);
    for n in 0..600 {
        deliver(&shop, format!("N: {n}\r\n\r\n").as_bytes());
    }
    shop.tidy(DROP).unwrap();
    let sidecar = format!("{}x", path().strip_suffix('m').unwrap());
    // It could not be opened for a moment, and just then the last record could not be read.
    disk.rename(&sidecar, "away").unwrap();
    disk.rot(&path(), |octets| {
        let end = octets.len();
        octets[end - 1] ^= 1;
    });
    let text = [b'b'; 400];
    let theirs = deliver(&store(&disk), &text);
    disk.rename("away", &sidecar).unwrap();
    let found = retrieve(&store(&disk)).unwrap();
    assert_eq!(found.len(), 600);
    assert_eq!(
        found[599],
        (theirs.as_bytes().to_vec(), Some(text.to_vec()))
    );
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

/// A large text waits in a file that is never synced. If that gives back something else, the
/// message is refused; its checksums must not be made of the wrong octets.
#[test]
fn a_draft_that_the_disk_changed_is_refused() {
    let disk = SimDisk::default();
    let shop = store(&disk);
    deliver(&shop, b"N: 1\r\n\r\n");
    let text = vec![b'y'; 300_000];
    let mut draft = shop.draft();
    draft.append(&text).unwrap();
    disk.rot_unnamed(|octets| octets[150_000..154_096].fill(0));
    let measure = Measure {
        octets: text.len() as u64,
        ..Measure::default()
    };
    let envelope = Envelope::default();
    let refused = shop.deliver(&MROSE, &draft, &measure, &envelope);
    assert!(matches!(refused, Err(DeliverError::Unavailable(_))));
    assert_eq!(retrieve(&store(&disk)).unwrap().len(), 1);
    assert_eq!(retrieve(&shop).unwrap().len(), 1);
}
