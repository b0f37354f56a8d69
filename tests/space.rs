//! Space comes back, and so does what was deleted, and nothing else changes by it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::hash::Hasher as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maildrop::native::media::{Disk as _, File as _, Lock};
use maildrop::{
    Addressee, DeliverError, Envelope, Hidden, MaildropId, Measure, NativeSettings, OpenError,
    Patience, Progress, Quota, Store, View,
};
use pop3::{Deletions, MessageNumber, Part, UniqueId};
use restante_tests::media::{Loss, Plan, SimDisk};
use siphasher::sip::SipHasher24;

const DROP: MaildropId = MaildropId(0x00ff_0000_0000_0001);
const MROSE: Addressee<'static> = Addressee::unlimited(DROP, "mrose");
const GRACE: Duration = Duration::from_secs(7 * 86_400);
const HOUR_US: i64 = 3_600_000_000;

type Shop = Arc<Store<SimDisk>>;

fn shop(disk: &SimDisk, grace: Duration) -> Shop {
    let settings = NativeSettings {
        grace,
        reserve_octets: 4 << 20,
        ..NativeSettings::default()
    };
    Arc::new(Store::with_settings(Arc::new(disk.clone()), settings))
}

fn body(name: &str, octets: usize) -> Vec<u8> {
    let mut text = format!("Subject: {name}\r\n\r\n").into_bytes();
    while text.len() < octets {
        text.extend_from_slice(format!("{name} {}\r\n", text.len()).as_bytes());
    }
    text
}

fn deliver_to(
    shop: &Shop,
    to: &Addressee<'_>,
    text: &[u8],
    envelope: &Envelope,
) -> Result<String, DeliverError> {
    let mut draft = shop.draft();
    draft.append(text)?;
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: 10,
        ..Measure::default()
    };
    let delivered = shop.deliver(to, &draft, &measure, envelope)?;
    Ok(delivered.unique_id.to_string())
}

fn deliver(shop: &Shop, text: &[u8]) -> String {
    deliver_to(shop, &MROSE, text, &Envelope::default()).unwrap()
}

/// Unique-ids and texts.
fn content(shop: &Shop) -> Vec<(String, Vec<u8>)> {
    let session = shop.open(DROP).unwrap();
    let listing = session.listing();
    let numbers = (0..listing.len()).filter_map(MessageNumber::from_index);
    numbers
        .map(|number| {
            let mut out = Vec::new();
            let mut text = session.text(number, Part::Whole).unwrap();
            while text.read(&mut out, Patience::Wait).unwrap() != Progress::End {}
            let id = listing.unique_id(number).unwrap().to_vec();
            (String::from_utf8(id).unwrap(), out)
        })
        .collect()
}

fn delete(shop: &Shop, numbers: impl IntoIterator<Item = u32>) {
    let session = shop.open(DROP).unwrap();
    let mut deletions = Deletions::default();
    for number in numbers {
        deletions.mark(MessageNumber::new(number).unwrap());
    }
    session.commit(&deletions).unwrap();
}

fn whole(shop: &Shop) {
    assert_eq!(shop.verify(DROP, &mut |_| {}).unwrap().damages, []);
}

fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_micros() as i64
}

#[test]
fn a_file_that_is_mostly_dead_is_written_anew() {
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    let foreign = Envelope {
        unique_id: UniqueId::new(b"UID1-7"),
        sender: Some(b"a@b".to_vec()),
        received_us: Some(5),
        ..Envelope::default()
    };
    deliver_to(&shop, &MROSE, &body("kept", 900_000), &foreign).unwrap();
    for n in 0..8 {
        deliver(&shop, &body(&format!("m{n}"), 1_000_000));
    }
    let before = content(&shop);
    delete(&shop, [2, 3, 4, 5, 6, 7]);
    let summary = shop.summary(DROP).unwrap();
    assert!(summary.reclaimable_octets > 6_000_000, "{summary:?}");
    shop.tidy(DROP).unwrap();
    let expected = [&before[..1], &before[7..]].concat();
    assert!(content(&shop) == expected);
    let after = shop.summary(DROP).unwrap();
    assert_eq!(after.messages, 3);
    assert_eq!((after.octets, after.next_uid), (summary.octets, 10));
    assert!(after.disk_octets < 3_200_000, "{after:?}");
    assert!(after.reclaimable_octets < 4096, "{after:?}");
    whole(&shop);
    // Whoever knows nothing reads the same, and so does the disk after a power cut.
    let later = self::shop(&disk.reboot(Loss::Everything), Duration::ZERO);
    assert!(content(&later) == expected);
    deliver(&later, b"A: b\r\n\r\n");
    assert!(content(&later)[3].0.ends_with(".k"), "uid 10 comes next");
    // Nothing more to be had: the file stays.
    let calm = shop.compact(DROP).unwrap();
    assert_eq!(calm.before, calm.after);
}

#[test]
fn the_bodies_of_large_dead_messages_become_holes() {
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    for n in 0..4 {
        deliver(&shop, &body(&format!("m{n}"), 3_000_000));
    }
    let before = content(&shop);
    delete(&shop, [2]);
    let summary = shop.summary(DROP).unwrap();
    shop.tidy(DROP).unwrap();
    let after = shop.summary(DROP).unwrap();
    assert_eq!(after.file_octets, summary.file_octets);
    let back = summary.disk_octets - after.disk_octets;
    assert!((2_990_000..3_000_000).contains(&back), "{back}");
    assert!(after.reclaimable_octets < 8192, "{after:?}");
    whole(&shop);
    let expected = [&before[..1], &before[2..]].concat();
    let fresh = self::shop(&disk.reboot(Loss::Everything), Duration::ZERO);
    assert!(content(&fresh) == expected);
    whole(&fresh);
    // What is a hole does not come back, and is in nobody's way.
    assert!(shop.undelete(DROP, &[2]).unwrap().is_empty());
    shop.compact(DROP).unwrap();
    assert!(content(&shop) == expected);
}

#[test]
fn what_was_deleted_comes_back_within_the_grace_period() {
    let disk = SimDisk::default();
    let shop = shop(&disk, GRACE);
    for n in 0..6 {
        deliver(&shop, &body(&format!("m{n}"), 1_500_000));
    }
    let all = content(&shop);
    delete(&shop, [1, 2, 4]);
    delete(&shop, 1..=3);
    assert_eq!(content(&shop), []);
    let summary = shop.summary(DROP).unwrap();
    assert_eq!((summary.messages, summary.grace_messages), (0, 6));
    // Nobody gives the space of these back.
    shop.tidy(DROP).unwrap();
    let compacted = shop.compact(DROP).unwrap();
    assert!(compacted.after > 9_000_000, "{compacted:?}");
    let deleted = shop.deleted(DROP).unwrap();
    assert_eq!(deleted.len(), 6);
    for (deleted, (id, text)) in deleted.iter().zip(&all) {
        assert!(deleted.is_kept);
        assert_eq!(deleted.unique_id.to_string(), *id);
        assert_eq!(deleted.octets.0, text.len() as u64);
    }
    assert_eq!(shop.undelete(DROP, &[3, 1, 77, 4]).unwrap(), [1, 3, 4]);
    let expected = [&all[..1], &all[2..4]].concat();
    assert!(content(&shop) == expected);
    let disk = disk.reboot(Loss::Everything);
    let fresh = self::shop(&disk, GRACE);
    assert!(content(&fresh) == expected);
    assert_eq!(fresh.summary(DROP).unwrap().grace_messages, 3);
    whole(&fresh);
    // Back is back: they can be deleted again, and come back again.
    delete(&fresh, [1, 2, 3]);
    assert_eq!(fresh.undelete(DROP, &[1, 2, 3, 4, 5, 6]).unwrap().len(), 6);
    assert!(content(&fresh) == all);
    // Without a grace period the next housekeeping takes them away for good.
    delete(&fresh, 1..=6);
    let strict = self::shop(&disk.reboot(Loss::Nothing), Duration::ZERO);
    drop(fresh);
    strict.tidy(DROP).unwrap();
    assert_eq!(strict.deleted(DROP).unwrap(), []);
    assert_eq!(strict.summary(DROP).unwrap().next_uid, 7);
}

#[test]
fn a_rewriting_keeps_what_the_grace_period_keeps() {
    let disk = SimDisk::default();
    let soon = shop(&disk, Duration::ZERO);
    for n in 0..4 {
        deliver(&soon, &body(&format!("old{n}"), 1_500_000));
    }
    delete(&soon, 1..=4);
    drop(soon);
    // The clock of the store cannot be set, but the settings can: from here on nothing goes.
    let shop = shop(&disk, GRACE);
    for n in 0..3 {
        deliver(&shop, &body(&format!("m{n}"), 2000));
    }
    let all = content(&shop);
    delete(&shop, [2]);
    let before = shop.deleted(DROP).unwrap();
    assert_eq!(before.len(), 5);
    shop.compact(DROP).unwrap();
    assert_eq!(
        shop.deleted(DROP).unwrap(),
        before,
        "times and names are kept"
    );
    shop.undelete(DROP, &[6]).unwrap();
    assert!(content(&shop) == all);
}

#[test]
fn what_was_hidden_when_it_was_deleted_comes_back_hidden_after_a_rewriting() {
    let disk = SimDisk::default();
    let shop = shop(&disk, GRACE);
    for n in 0..4 {
        deliver(&shop, &body(&format!("m{n}"), 300));
    }
    let session = shop.open(DROP).unwrap();
    let mut first_two = Deletions::default();
    first_two.mark(MessageNumber::new(1).unwrap());
    first_two.mark(MessageNumber::new(2).unwrap());
    session.hide(&first_two).unwrap();
    let all = View {
        hidden: Hidden::Shown,
        ..View::default()
    };
    let session = shop.open_view(DROP, &all).unwrap();
    let mut dead = Deletions::default();
    dead.mark(MessageNumber::new(2).unwrap());
    dead.mark(MessageNumber::new(3).unwrap());
    session.commit(&dead).unwrap();
    // The NOTE gives the rewriting something to give back.
    shop.rename(DROP, "rose").unwrap();
    let path = Store::<SimDisk>::path_of(DROP);
    let file_before = disk.octets(&path);
    shop.compact(DROP).unwrap();
    assert_ne!(disk.octets(&path), file_before);
    let hidden = |shop: &Shop| -> Vec<u64> {
        let hidden = shop.hidden(DROP).unwrap();
        hidden.iter().map(|it| it.uid).collect()
    };
    for shop in [Arc::clone(&shop), self::shop(&disk, GRACE)] {
        let deleted = shop.deleted(DROP).unwrap();
        let deleted: Vec<_> = deleted.iter().map(|it| (it.uid, it.is_hidden)).collect();
        assert_eq!(deleted, [(2, true), (3, false)]);
        assert_eq!(hidden(&shop), [1]);
    }
    assert_eq!(shop.undelete(DROP, &[2, 3]).unwrap(), [2, 3]);
    assert_eq!(hidden(&shop), [1, 2]);
    assert_eq!(hidden(&self::shop(&disk, GRACE)), [1, 2]);
    whole(&shop);
}

#[test]
fn a_second_compaction_finds_nothing_to_do() {
    let path = Store::<SimDisk>::path_of(DROP);
    let mut random = 1_u64;
    let mut below = |most: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % most
    };
    for round in 0..200 {
        let disk = SimDisk::default();
        let grace = [GRACE, Duration::ZERO][round % 2];
        let shop = shop(&disk, grace);
        for n in 0..1 + below(30) {
            let envelope = Envelope {
                unique_id: UniqueId::new(format!("UID1-{n}").as_bytes()).filter(|_| n % 3 == 0),
                ..Envelope::default()
            };
            deliver_to(&shop, &MROSE, &body("m", 100 + 7 * n as usize), &envelope).unwrap();
        }
        for _ in 0..below(5) {
            let session = shop.open(DROP).unwrap();
            let (mut some, every) = (Deletions::default(), 1 + below(4));
            for number in (1..=session.listing().len() as u32).filter(|_| below(every) == 0) {
                some.mark(MessageNumber::new(number).unwrap());
            }
            match below(2) {
                0 => session.hide(&some).unwrap(),
                _ => session.commit(&some).unwrap(),
            };
        }
        let (before, deleted) = (content(&shop), shop.deleted(DROP).unwrap());
        // The NOTE gives the first one something to give back.
        shop.rename(DROP, "rose").unwrap();
        let compacted = shop.compact(DROP).unwrap();
        assert!(
            compacted.after <= compacted.before,
            "{round}: {compacted:?}"
        );
        let written = disk.octets(&path);
        for shop in [Arc::clone(&shop), self::shop(&disk, grace)] {
            let calm = shop.compact(DROP).unwrap();
            assert_eq!(calm.before, calm.after, "{round}");
            assert!(
                disk.octets(&path) == written,
                "round {round}: written anew for nothing"
            );
            assert!(content(&shop) == before);
            if grace == GRACE {
                assert_eq!(shop.deleted(DROP).unwrap(), deleted);
            }
        }
    }
}

#[test]
fn unique_ids_from_elsewhere_stay_used_up() {
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    let foreign = Envelope {
        unique_id: UniqueId::new(b"UID1-7"),
        ..Envelope::default()
    };
    let import = |shop: &Shop| deliver_to(shop, &MROSE, b"A: b\r\n\r\n", &foreign).unwrap();
    assert_eq!(import(&shop), "UID1-7");
    delete(&shop, [1]);
    for _ in 0..3 {
        shop.tidy(DROP).unwrap();
        let fresh = self::shop(&disk.reboot(Loss::Everything), Duration::ZERO);
        assert_ne!(import(&fresh), "UID1-7");
        assert_ne!(import(&shop), "UID1-7");
        delete(&shop, [1]);
    }
}

#[test]
fn deliveries_go_on_while_a_file_is_written_anew() {
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    for n in 0..7 {
        deliver(&shop, &body(&format!("m{n}"), 1_000_000));
    }
    delete(&shop, 1..=5);
    let mut expected = content(&shop);
    let other = self::shop(&disk, Duration::ZERO);
    // The next opening after this is that of the rewriting.
    let (sent, came) = std::sync::mpsc::channel();
    disk.meanwhile(move || {
        sent.send(deliver(&other, &body("meanwhile", 500))).unwrap();
    });
    shop.compact(DROP).unwrap();
    let id = came.recv().unwrap();
    expected.push((id, body("meanwhile", 500)));
    assert!(content(&shop) == expected);
    assert!(shop.summary(DROP).unwrap().disk_octets < 2_200_000);
}

#[test]
fn housekeeping_gives_way_and_leaves_no_trace() {
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    for n in 0..7 {
        deliver(&shop, &body(&format!("m{n}"), 1_000_000));
    }
    delete(&shop, 1..=5);
    let expected = content(&shop);
    let before = shop.summary(DROP).unwrap();
    // A session of another process waits.
    let path = Store::<SimDisk>::path_of(DROP);
    let waiting = disk.open(&path).unwrap();
    assert!(waiting.try_lock(Lock::Waiting).unwrap());
    shop.tidy(DROP).unwrap();
    let busy = shop.compact(DROP).unwrap_err();
    assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
    assert_eq!(shop.summary(DROP).unwrap(), before);
    assert!(disk.octets(&format!("{path}.new")).is_none());
    waiting.unlock(Lock::Waiting);
    // A session reads.
    let session = shop.open(DROP).unwrap();
    shop.tidy(DROP).unwrap();
    let busy = shop.compact(DROP).unwrap_err();
    assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
    assert_eq!(shop.summary(DROP).unwrap(), before);
    drop(session);
    // What is damaged is evidence: nothing of it is thrown away.
    let spoilt = disk.copy();
    spoilt.rot(&path, |octets| {
        let last = octets.len() - 200;
        octets[last] ^= 1;
    });
    let fresh = self::shop(&spoilt, Duration::ZERO);
    let damaged = fresh.compact(DROP).unwrap_err();
    assert_eq!(damaged.kind(), io::ErrorKind::InvalidData);
    assert_eq!(fresh.summary(DROP).unwrap().file_octets, before.file_octets);
    shop.tidy(DROP).unwrap();
    assert!(content(&shop) == expected);
    assert!(shop.summary(DROP).unwrap().disk_octets < 2_200_000);
}

#[test]
fn what_has_waited_too_long_goes_in_one_commit() {
    let disk = SimDisk::default();
    let shop = shop(&disk, GRACE);
    let now = now_us();
    // Received long ago, but put here just now: its owner has not seen it here yet.
    let imported = Envelope {
        received_us: Some(1),
        ..Envelope::default()
    };
    deliver_to(&shop, &MROSE, &body("imported", 100), &imported).unwrap();
    deliver(&shop, &body("second", 200));
    let all = content(&shop);
    assert_eq!(shop.expire(DROP, now - HOUR_US).unwrap().messages, 0);
    assert!(content(&shop) == all);
    let session = shop.open(DROP).unwrap();
    assert_eq!(
        shop.expire(DROP, now + HOUR_US).unwrap().messages,
        0,
        "in use"
    );
    drop(session);
    let expired = shop.expire(DROP, now + HOUR_US).unwrap();
    let octets: usize = all.iter().map(|(_, text)| text.len()).sum();
    assert_eq!((expired.messages, expired.octets), (2, octets as u64));
    assert_eq!(content(&shop), []);
    // The operator can bring back what went by mistake. Its waiting begins anew then, also after a
    // rewriting.
    let before = now_us();
    assert_eq!(shop.undelete(DROP, &[1, 2]).unwrap().len(), 2);
    assert!(content(&shop) == all);
    delete(&shop, [2]);
    for _ in 0..2 {
        assert_eq!(shop.expire(DROP, before).unwrap().messages, 0);
        shop.compact(DROP).unwrap();
    }
    let fresh = self::shop(&disk.reboot(Loss::Everything), GRACE);
    assert_eq!(fresh.expire(DROP, before).unwrap().messages, 0);
    let later = before + HOUR_US;
    assert_eq!(fresh.expire(DROP, later).unwrap().messages, 1);
    let nowhere = MaildropId(5);
    assert_eq!(shop.expire(nowhere, later).unwrap().messages, 0);
}

#[test]
fn the_dead_count_against_the_quota_only_if_the_site_wants_it() {
    for (in_quota, fits) in [(false, true), (true, false)] {
        let disk = SimDisk::default();
        let settings = NativeSettings {
            grace: GRACE,
            grace_in_quota: in_quota,
            ..NativeSettings::default()
        };
        let shop = Arc::new(Store::with_settings(Arc::new(disk), settings));
        let to = Addressee {
            quota: Quota {
                octets: None,
                messages: Some(1),
            },
            ..MROSE
        };
        deliver_to(&shop, &to, b"A: b\r\n\r\n", &Envelope::default()).unwrap();
        delete(&shop, [1]);
        let second = deliver_to(&shop, &to, b"A: b\r\n\r\n", &Envelope::default());
        assert_eq!(second.is_ok(), fits);
    }
}

#[test]
fn on_a_full_disk_deletions_commit_from_the_reserve() {
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    shop.refill_reserve().unwrap();
    let reserve = |disk: &SimDisk| disk.octets("reserve.bin").unwrap().len();
    assert_eq!(reserve(&disk), 4 << 20);
    deliver(&shop, &body("first", 300));
    deliver(&shop, &body("second", 300));
    let full = || Plan::FailFrom(0, io::ErrorKind::StorageFull);
    let session = shop.open(DROP).unwrap();
    let mut deletions = Deletions::default();
    deletions.mark(MessageNumber::new(1).unwrap());
    // Each attempt but the last meets a full disk, as when others are faster.
    disk.plan(Plan::FullUntil(2 << 20));
    let refused = deliver_to(&shop, &MROSE, &body("third", 300), &Envelope::default());
    assert!(
        matches!(refused, Err(DeliverError::NoSpace(_))),
        "{refused:?}"
    );
    assert_eq!(session.commit(&deletions).unwrap(), 1);
    assert_eq!(reserve(&disk), 2 << 20);
    assert_eq!(content(&shop).len(), 1);
    // When nothing is left, the client hears it and nothing is deleted.
    while shop.spend_reserve("a test").unwrap() {}
    let session = shop.open(DROP).unwrap();
    disk.plan(full());
    assert!(session.commit(&deletions).is_err());
    disk.plan(Plan::Calm);
    assert_eq!(content(&shop).len(), 1);
    shop.refill_reserve().unwrap();
    assert_eq!(reserve(&disk), 4 << 20);
    whole(&shop);
    assert!(matches!(shop.open(DROP), Ok(_) | Err(OpenError::InUse)));
}

#[test]
fn a_clock_that_was_behind_makes_no_message_older_than_the_one_before() {
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    let now = now_us();
    deliver(&shop, &body("first", 100));
    // As if it had been put here in 1970: received and appended at the same wrong time.
    let path = Store::<SimDisk>::path_of(DROP);
    let before = disk.octets(&path).unwrap().len();
    deliver(&shop, &body("second", 100));
    restamp(&disk, &path, before.next_multiple_of(8), 1);
    let fresh = self::shop(&disk, Duration::ZERO);
    assert_eq!(content(&fresh).len(), 2);
    assert_eq!(fresh.expire(DROP, now - HOUR_US).unwrap().messages, 0);
    assert_eq!(fresh.expire(DROP, now + HOUR_US).unwrap().messages, 2);
}

/// Gives a record another time of receipt, with the key that only the file has.
fn restamp(disk: &SimDisk, path: &str, at: usize, received_us: i64) {
    disk.rot(path, |octets| {
        octets[at + 32..at + 40].copy_from_slice(&received_us.to_le_bytes());
        let ext = usize::from(u16::from_le_bytes([octets[at + 6], octets[at + 7]]));
        let mut mac = SipHasher24::new_with_key(octets[64..80].try_into().unwrap());
        mac.write(&(at as u64).to_le_bytes());
        mac.write(&octets[at..at + 56]);
        mac.write(&octets[at + 64..at + 64 + ext]);
        octets[at + 56..at + 64].copy_from_slice(&mac.finish().to_le_bytes());
    });
}

#[test]
fn on_a_full_disk_a_file_that_is_mostly_dead_makes_room() {
    // What lives is small: the file is written anew with what the reserve has.
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    shop.refill_reserve().unwrap();
    deliver(&shop, &body("kept", 300));
    for _ in 0..8 {
        deliver(&shop, &body("dead", 900_000));
    }
    delete(&shop, 2..=9);
    let kept = content(&shop);
    disk.plan(Plan::FullUntil(1 << 20));
    shop.tidy(DROP).unwrap();
    disk.plan(Plan::Calm);
    assert_eq!(content(&shop), kept);
    assert!(shop.summary(DROP).unwrap().disk_octets < 64 << 10);
    whole(&shop);
}

#[test]
fn on_a_full_disk_holes_are_made_where_the_file_cannot_be_written_anew() {
    let disk = SimDisk::default();
    let shop = shop(&disk, Duration::ZERO);
    shop.refill_reserve().unwrap();
    deliver(&shop, &body("kept", 1_500_000));
    for _ in 0..4 {
        deliver(&shop, &body("dead", 2_000_000));
    }
    delete(&shop, 2..=5);
    let kept = content(&shop);
    let reserve = disk.octets("reserve.bin").unwrap().len();
    disk.plan(Plan::FullUntil(u64::MAX));
    let full = shop.tidy(DROP).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    disk.plan(Plan::Calm);
    assert_eq!(content(&shop), kept);
    assert!(shop.summary(DROP).unwrap().disk_octets < 2_000_000);
    assert_eq!(disk.octets("reserve.bin").unwrap().len(), reserve);
    whole(&shop);
}

#[test]
fn a_maildrop_is_erased_with_its_copies_at_whatever_moment_the_power_goes() {
    let other = MaildropId(DROP.0 + 1);
    let prepared = SimDisk::default();
    let before = shop(&prepared, GRACE);
    deliver(&before, &body("one", 3000));
    deliver_to(
        &before,
        &Addressee::unlimited(other, "other"),
        b"x\r\n",
        &Envelope::default(),
    )
    .unwrap();
    drop(before);
    let copies = |id: MaildropId| [format!("torn/{id}-1-4096"), format!("replaced/{id}-1.rsm")];
    for dir in ["torn", "replaced"] {
        prepared.make_dir(dir).unwrap();
        prepared.sync_dir("").unwrap();
    }
    for path in copies(DROP).iter().chain(&copies(other)) {
        prepared.create(path).unwrap().sync_all().unwrap();
        prepared.sync_dir(path.split_once('/').unwrap().0).unwrap();
    }
    let is_there = |disk: &SimDisk, id: MaildropId| {
        let own = [Store::<SimDisk>::path_of(id)];
        let left = own.iter().chain(&copies(id)).cloned().collect::<Vec<_>>();
        let left = left.iter().filter(|path| disk.octets(path).is_some());
        left.count()
    };
    for at in 0.. {
        let disk = prepared.copy();
        let shop_now = shop(&disk, GRACE);
        disk.plan(Plan::Crash(at));
        let done = shop_now.erase(DROP);
        for loss in [Loss::Everything, Loss::Nothing, Loss::Some(at)] {
            let after = disk.reboot(loss);
            if done.is_err() {
                let again = shop(&after, GRACE);
                // All of it or nothing.
                assert!(content(&again).len() <= 1);
                whole(&again);
                again.erase(DROP).unwrap();
            }
            let after = after.reboot(Loss::Everything);
            assert_eq!(is_there(&after, DROP), 0, "{at} {loss:?}");
            assert_eq!(is_there(&after, other), 3, "{at} {loss:?}");
        }
        if done.is_ok() {
            assert!(at > 5, "{at}");
            break;
        }
    }
}

#[test]
fn what_somebody_uses_is_not_erased() {
    let disk = SimDisk::default();
    let shop = shop(&disk, GRACE);
    shop.erase(DROP).unwrap();
    let first = deliver(&shop, &body("one", 3000));
    let session = shop.open(DROP).unwrap();
    let busy = shop.erase(DROP).unwrap_err();
    assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
    drop(session);
    assert_eq!(content(&shop).len(), 1);
    // A file that makes no sense goes like any other.
    disk.rot(&Store::<SimDisk>::path_of(DROP), |octets| octets[0] ^= 1);
    shop.erase(DROP).unwrap();
    assert_eq!(content(&shop), []);
    let second = deliver(&shop, &body("two", 3000));
    let generation = |id: &str| id.split_once('.').unwrap().0.to_owned();
    assert_ne!(generation(&first), generation(&second));
    whole(&shop);
}
