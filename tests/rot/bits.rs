//! A small maildrop: every bit that may flip, every place where it may end.

use std::sync::Arc;

use maildrop::{
    DeliverError, Envelope, Measure, NativeSettings, OpenError, Patience, Progress, Store,
    TextError,
};
use pop3::{MessageNumber, Part};
use restante_tests::media::{Loss, SimDisk};

use crate::shop::{DROP, MROSE, deliver, path, retrieve, small_drop, store};

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
