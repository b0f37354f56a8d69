//! Fifty records of every kind: bits flip, octets, sectors and pages go bad, the file ends
//! anywhere, and no wrong octet leaves, nothing else is lost, nothing acknowledged is cut.
//!
//! Every case is judged by a process that knew the file and by one that starts afresh. The one
//! thing that is cut is the last record, by a process that never saw it whole, if what has rotted
//! looks like a tear: a sector of zeros, or a file that ends too soon. A copy is kept then.

use std::sync::atomic::{AtomicU64, Ordering};

use maildrop::OpenError;
use maildrop::native::media::Disk as _;
use pop3::MessageNumber;
use restante_tests::media::Loss;

use crate::judge::{Rot, judge, judge_fresh};
use crate::shop::{DROP, Shared, deliver, path, retrieve, retrieve_all, store};
use crate::specimen::{FILE_HEADER, Specimen};
use crate::work::{each_case, seed, wanted};
use restante_tests::random::Random;

/// Where the fields of a record's header begin, and where the last one ends.
const FIELDS: [usize; 14] = [0, 4, 5, 6, 8, 16, 24, 32, 40, 44, 48, 52, 56, 64];

/// Chooses an octet: of the whole file, or of a class, so that small fields get their share.
fn somewhere(specimen: &Specimen, random: &mut Random) -> usize {
    let places = &specimen.places[specimen.places.len() - 50..];
    let place = &places[random.below(places.len())];
    let within = |range: std::ops::Range<usize>, random: &mut Random| match range.is_empty() {
        true => place.all.start,
        false => range.start + random.below(range.len()),
    };
    match random.below(20) {
        0..=5 => random.below(specimen.octets.len()),
        6 => random.below(FILE_HEADER),
        7..=12 => {
            let field = random.below(FIELDS.len() - 1);
            let at = place.all.start;
            within(at + FIELDS[field]..at + FIELDS[field + 1], random)
        }
        13..=14 => within(place.tlvs.clone(), random),
        15..=17 => within(place.body.clone(), random),
        18 => within(place.all.end..place.all.end.next_multiple_of(8), random)
            .min(specimen.octets.len() - 1),
        _ => within(
            specimen.places[specimen.places.len() - 1].all.clone(),
            random,
        ),
    }
}

/// What goes bad: mostly one bit.
fn rot(specimen: &Specimen, random: &mut Random) -> Rot {
    let octets = &specimen.octets;
    let at = somewhere(specimen, random);
    let stretch = |from: usize, len: usize| from..(from + len).min(octets.len());
    match random.below(20) {
        0 => Rot::new(octets, at..at + 1, |_| 0),
        1 => Rot::new(octets, at..at + 1, |_| random.number() as u8),
        2 => {
            let range = stretch(at, 2 + random.below(63));
            Rot::new(octets, range, |_| random.number() as u8)
        }
        3 => Rot::new(octets, stretch(at / 512 * 512, 512), |_| 0),
        4 => Rot::new(octets, stretch(at / 512 * 512, 512), |_| {
            random.number() as u8
        }),
        5 => Rot::new(octets, stretch(at / 4096 * 4096, 4096), |_| 0),
        _ => {
            let bit = random.below(8);
            Rot::new(octets, at..at + 1, |octet| octet ^ 1 << bit)
        }
    }
}

#[test]
fn whatever_rots() {
    let specimens = [Specimen::new(0), Specimen::with_sidecar()];
    let flips = wanted("FLIPS", 20_000);
    let [bits, hits, cuts, bit_cuts, headers] = [(); 5].map(|()| AtomicU64::new(0));
    each_case("flips", flips, |take| {
        // A process that has known the files all along; they are put right after each case.
        let known = specimens.each_ref().map(|specimen| {
            let disk = specimen.copy();
            let store = store(&disk);
            drop(store.open(DROP).unwrap());
            (disk, store)
        });
        let mut fresh = specimens.each_ref().map(Specimen::copy);
        while let Some(case) = take() {
            let mut random = Random::new(seed().wrapping_mul(0x1_0000_0001).wrapping_add(case));
            let which = usize::from(case % 4 == 3);
            let specimen = &specimens[which];
            let rot = rot(specimen, &mut random);
            if rot.changed().is_empty() {
                continue;
            }
            let what = format!("seed {} case {case}: {rot:?}", seed());
            let thorough = case % 32 < 4;

            let (disk, store) = &known[which];
            disk.rot(&path(), |octets| rot.apply(octets));
            judge(specimen, &rot, store, thorough, &what);
            assert!(
                disk.list("torn").unwrap().is_empty(),
                "{what}: cut what it knew"
            );
            disk.rot(&path(), |octets| rot.undo(octets));

            let disk = &mut fresh[which];
            disk.rot(&path(), |octets| rot.apply(octets));
            let cut = judge_fresh(specimen, &rot, disk, thorough, &what);
            match cut || thorough {
                true => *disk = specimen.copy(),
                false => disk.rot(&path(), |octets| rot.undo(octets)),
            }
            assert!(!cut || which == 0, "{what}: cut what the sidecar knew");
            bits.fetch_add(u64::from(rot.is_one_bit()), Ordering::Relaxed);
            hits.fetch_add(u64::from(rot.hits(specimen).any()), Ordering::Relaxed);
            headers.fetch_add(u64::from(rot.hits_file_header()), Ordering::Relaxed);
            cuts.fetch_add(u64::from(cut), Ordering::Relaxed);
            bit_cuts.fetch_add(u64::from(cut && rot.is_one_bit()), Ordering::Relaxed);
        }
    });
    let [bits, hits, cuts, bit_cuts, headers] =
        [bits, hits, cuts, bit_cuts, headers].map(AtomicU64::into_inner);
    println!(
        "rot: {bits} single bits; {hits} in records, {headers} in the file header, the rest means nothing"
    );
    println!(
        "rot: {cuts} times the last record looked torn to a fresh process, {bit_cuts} by one bit"
    );
    assert!(hits > flips / 2 && headers > flips / 50);
    assert_eq!(bit_cuts, 0, "a bit that flips is no tear");
}

/// Every length that the file may have left. To a process that starts afresh a message that the
/// file is too short for looks torn; all before it are there.
#[test]
fn wherever_it_ends() {
    let specimen = Specimen::new(0);
    let len = specimen.octets.len();
    // Where records begin and end in any case; between, as many as there is time for.
    let step = match std::env::var_os("FLIPS") {
        Some(_) => 1,
        None => 331,
    };
    let edges = specimen.places.iter().flat_map(|place| {
        let edges = [
            place.all.start,
            place.tlvs.start,
            place.body.start,
            place.all.end,
        ];
        edges.into_iter().flat_map(|edge| edge - 1..=edge + 1)
    });
    let lengths: Vec<_> = (0..len)
        .step_by(step)
        .chain(edges.filter(|&end| end < len))
        .collect();
    each_case("truncations", lengths.len() as u64, |take| {
        while let Some(case) = take() {
            let end = lengths[case as usize];
            let disk = specimen.copy();
            let watcher = store(&disk);
            drop(watcher.open(DROP).unwrap());
            disk.rot(&path(), |octets| octets.truncate(end));
            let fresh = disk.reboot(Loss::Nothing);
            judge_end(&specimen, end, &watcher);
            assert_eq!(disk.octets(&path()).unwrap().len(), end, "cut what it knew");
            judge_end(&specimen, end, &store(&fresh));
            if end >= FILE_HEADER {
                // Of what is wholly gone nobody can know; what has left an octet keeps its name.
                let id = deliver(&store(&fresh), b"N: 9\r\n\r\n");
                let used = specimen.mail.iter().any(|mail| {
                    specimen.places[mail.record].all.start < end && mail.id == id.as_bytes()
                });
                assert!(!used, "end {end}: {id} names two messages");
            }
        }
    });
}

/// What must be left of a file that ends at `end`.
fn judge_end(specimen: &Specimen, end: usize, store: &Shared) {
    if end < FILE_HEADER {
        assert!(
            matches!(retrieve(store), Err(OpenError::Damaged(_))),
            "end {end}"
        );
        return;
    }
    let whole = |record: usize| specimen.places[record].all.end <= end;
    let left = specimen.mail.iter().filter(|mail| mail.is_live(whole));
    let seen = left.clone().filter(|mail| !mail.is_hidden(whole));
    let session = store.open(DROP).unwrap();
    let listing = session.listing();
    let ids = (0..listing.len()).filter_map(MessageNumber::from_index);
    let ids = ids.filter_map(|number| listing.unique_id(number));
    assert!(
        ids.map(|id| id.to_vec())
            .eq(seen.map(|mail| mail.id.clone())),
        "end {end}"
    );
    drop(session);
    let mut found = retrieve_all(store).unwrap().into_iter();
    for mail in left {
        let (id, text) = found
            .next()
            .unwrap_or_else(|| panic!("end {end}: {mail:?} is lost"));
        assert_eq!(id, mail.id, "end {end}");
        assert!(text.as_ref() == Some(&mail.text), "end {end}");
    }
    assert_eq!(found.next(), None, "end {end}");
}
