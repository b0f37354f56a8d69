//! Bits that flip, files that end too soon, bodies that imitate records: nothing wrong ever
//! leaves, nothing forged is ever believed, and what is whole stays readable.

use std::sync::Arc;

use maildrop::{Envelope, MaildropId, Measure, OpenError, Patience, Progress, Store, TextError};
use pop3::{Deletions, MessageNumber, Part, UniqueId};
use restante_tests::media::{Loss, SimDisk};

const DROP: MaildropId = MaildropId(0x00ff_0000_0000_0001);

type Shared = Arc<Store<SimDisk>>;

fn store(disk: &SimDisk) -> Shared {
    Arc::new(Store::new(Arc::new(disk.clone())))
}

fn path() -> String {
    Store::<SimDisk>::path_of(DROP)
}

fn deliver(store: &Shared, text: &[u8]) -> UniqueId {
    let mut draft = store.draft();
    draft.append(text).unwrap();
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: text.len().min(8) as u64,
        ..Measure::default()
    };
    let envelope = Envelope {
        sender: Some(b"a@b".to_vec()),
        ..Envelope::default()
    };
    let delivered = store.deliver(DROP, "mrose", &draft, &measure, &envelope);
    delivered.unwrap().unique_id
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
        // The uid of a record that was torn is never given out again.
        let id = deliver(&shop, b"N: 9\r\n\r\n");
        let torn = cut.octets(&format!("torn/{DROP}-0-{}", torn_at(&cut, end)));
        // Uids below 32 are one digit: `b` is 1.
        let uid = |id: &[u8]| id[id.len() - 1] - b'a';
        let largest = found.iter().map(|(id, _)| uid(id)).max().unwrap_or(0);
        let skipped = u8::from(torn.is_some_and(|torn| !torn.is_empty()));
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
        disk.plan(restante_tests::media::Plan::Calm);
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
    let shop = Arc::new(Store::with_index_budget(Arc::new(disk.clone()), 1));
    for n in 0..20 {
        deliver(&shop, format!("N: {n}\r\n\r\n").as_bytes());
    }
    let found = retrieve(&shop).unwrap();
    assert_eq!(found.len(), 20);
    assert_eq!(retrieve(&store(&disk)).unwrap(), found);
}
