//! A ledger that is closed, torn, damaged, somebody else's.

use std::collections::HashSet;
use std::fs;

use pop3::client::ForeignId;

use super::*;

const ACCOUNT: &str = "mrose@pop.example.org";

fn key(id: &str) -> Key {
    Key::UniqueId(ForeignId::new(id.as_bytes()).unwrap())
}

fn entry(at: i64) -> Entry {
    Entry {
        octets: Some(120),
        content: Some(Content([7; 16])),
        print: Some(Print([9; 8])),
        ..Entry::new(Fate::Delivered, at)
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("work.ledger")
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.path(), ACCOUNT).unwrap()
    }
}

#[test]
fn what_is_said_is_there_again() {
    let place = Place::new();
    let mut ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    ledger.begin(1).unwrap();
    ledger.record(key("a"), entry(2));
    ledger.record(key("b c"), Entry::new(Fate::TooLarge, 2));
    ledger.record(Key::content("ff-3", 2), Entry::new(Fate::Seen, 3));
    ledger.listed(&HashSet::from([key("b c"), Key::content("ff-3", 2)]), 4);
    ledger.end(5).unwrap();
    drop(ledger);
    let ledger = place.open();
    assert_eq!(ledger.ended(), Ended::InOrder);
    assert_eq!((ledger.sessions(), ledger.damaged()), (1, 0));
    let mut absent = entry(2);
    absent.absent = Some(4);
    assert_eq!(ledger.get(&key("a")), Some(&absent));
    assert_eq!(ledger.get(&key("b c")).unwrap().fate, Fate::TooLarge);
    assert_eq!(ledger.iter().count(), 3);
    assert_eq!(ledger.get(&key("d")), None);
}

#[test]
fn what_a_crash_left_is_in_doubt_until_a_session_ends() {
    let place = Place::new();
    let mut ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    ledger.begin(1).unwrap();
    ledger.trying("lmtp:a", &key("a")).unwrap();
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(ledger.ended(), Ended::InDoubt);
    assert_eq!(ledger.in_doubt(), Some(("lmtp:a", &key("a"))));
    ledger.begin(2).unwrap();
    ledger.part("lmtp:a", &key("a"));
    assert!(ledger.has_part("lmtp:a", &key("a")));
    ledger.sync().unwrap();
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(ledger.in_doubt(), None);
    assert!(ledger.has_part("lmtp:a", &key("a")));
    ledger.begin(3).unwrap();
    ledger.record(key("a"), entry(3));
    assert!(!ledger.has_part("lmtp:a", &key("a")));
    ledger.end(4).unwrap();
    drop(ledger);
    assert_eq!(place.open().ended(), Ended::InOrder);
}

#[test]
fn a_torn_end_costs_what_it_says_wherever_it_is_torn() {
    let place = Place::new();
    let mut ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    ledger.begin(1).unwrap();
    ledger.record(key("a"), entry(2));
    ledger.sync().unwrap();
    let before = fs::metadata(place.path()).unwrap().len() as usize;
    ledger.record(key("b"), entry(2));
    ledger.sync().unwrap();
    drop(ledger);
    let whole = fs::read(place.path()).unwrap();
    for octets in before..whole.len() {
        fs::write(place.path(), &whole[..octets]).unwrap();
        let mut ledger = place.open();
        assert_eq!(ledger.damaged(), 0, "{octets}");
        assert!(ledger.get(&key("a")).is_some());
        assert_eq!(ledger.get(&key("b")), None);
        ledger.record(key("c"), entry(3));
        ledger.sync().unwrap();
        drop(ledger);
        let ledger = place.open();
        assert_eq!((ledger.iter().count(), ledger.damaged()), (2, 0));
    }
}

#[test]
fn a_damaged_line_costs_itself_and_is_told() {
    let place = Place::new();
    let mut ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    for id in ["a", "b", "c"] {
        ledger.record(key(id), entry(2));
    }
    ledger.end(3).unwrap();
    drop(ledger);
    let whole = fs::read(place.path()).unwrap();
    let line_of_b = whole.windows(3).position(|it| it == b"u:b").unwrap();
    for flip in 0..8 {
        let mut damaged = whole.clone();
        damaged[line_of_b + 2] ^= 1 << flip;
        fs::write(place.path(), &damaged).unwrap();
        let ledger = place.open();
        assert!(ledger.damaged() > 0, "{flip}");
        assert_eq!(ledger.ended(), Ended::InDoubt);
        assert!(ledger.get(&key("a")).is_some() && ledger.get(&key("c")).is_some());
        assert_eq!(ledger.get(&key("b")), None);
    }
}

#[test]
fn one_at_a_time_and_nobody_elses() {
    let place = Place::new();
    assert!(matches!(
        Ledger::open(&place.path(), ACCOUNT),
        Err(LedgerError::Missing { .. })
    ));
    let ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    assert!(matches!(
        Ledger::open(&place.path(), ACCOUNT),
        Err(LedgerError::InUse { .. })
    ));
    drop(ledger);
    assert!(matches!(
        Ledger::open(&place.path(), "eve@pop.example.org"),
        Err(LedgerError::Foreign { owner, .. }) if owner == ACCOUNT
    ));
    assert!(Ledger::create(&place.path(), ACCOUNT).is_err());
    fs::write(place.path(), "").unwrap();
    assert!(matches!(
        Ledger::open(&place.path(), ACCOUNT),
        Err(LedgerError::Damaged { .. })
    ));
}

#[test]
fn who_only_looks_waits_for_nobody_and_changes_nothing() {
    let place = Place::new();
    assert!(matches!(
        Ledger::peek(&place.path()),
        Err(LedgerError::Missing { .. })
    ));
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);
    let mut ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    ledger.begin(1).unwrap();
    ledger.record(key("a"), entry(2));
    ledger.sync().unwrap();
    // Another has it open, and is in the middle of a line.
    let mut torn = fs::read(place.path()).unwrap();
    torn.extend_from_slice(b"0badc0de deliv");
    fs::write(place.path(), &torn).unwrap();
    let contents = Ledger::peek(&place.path()).unwrap();
    assert_eq!(contents.account(), ACCOUNT);
    assert_eq!((contents.iter().count(), contents.damaged()), (1, 0));
    assert_eq!(contents.get(&key("a")), Some(&entry(2)));
    assert_eq!(contents.ended(), Ended::InDoubt);
    assert_eq!(fs::read(place.path()).unwrap(), torn);
    fs::write(place.path(), "nothing\n").unwrap();
    assert!(matches!(
        Ledger::peek(&place.path()),
        Err(LedgerError::Damaged { .. })
    ));
}

#[test]
fn it_does_not_grow_for_ever_and_forgets_late() {
    let place = Place::new();
    let mut ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    let kept = key("kept");
    ledger.record(kept.clone(), entry(0));
    let old = key("old");
    ledger.record(old.clone(), entry(0));
    ledger.gone(&old, 0);
    let young = key("young");
    ledger.record(young.clone(), entry(0));
    ledger.gone(&young, FORGET_SECONDS);
    for _ in 0..=COMPACT_RECORDS_MIN {
        ledger.listed(&HashSet::new(), 1);
        ledger.listed(&HashSet::from([kept.clone()]), 1);
    }
    let before = fs::metadata(place.path()).unwrap().len();
    assert!(before < 200);
    ledger.end(FORGET_SECONDS + 10).unwrap();
    assert!(ledger.get(&old).is_none() && ledger.get(&kept).is_some());
    let (after, sessions) = (fs::metadata(place.path()).unwrap().len(), ledger.sessions());
    assert!(after < 1000, "{after}");
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(ledger.sessions(), sessions);
    assert_eq!(ledger.get(&kept), Some(&entry(0)));
    assert_eq!(ledger.get(&young).unwrap().absent, Some(FORGET_SECONDS));
    ledger.record(key("new"), entry(1));
    ledger.sync().unwrap();
    drop(ledger);
    assert_eq!(place.open().iter().count(), 3);
}

#[test]
fn of_messages_that_are_gone_the_last_ones_are_remembered() {
    let place = Place::new();
    let mut ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    for id in 0..10 {
        let key = key(&id.to_string());
        ledger.record(key.clone(), entry(0));
        ledger.gone(&key, 1000 + id / 2);
    }
    assert_eq!(ledger.oldest_absence(2000, 4), 1003);
    // Those that went together stay together.
    assert_eq!(ledger.oldest_absence(2000, 5), 1002);
    let forgets = 2000 - FORGET_SECONDS;
    assert_eq!(ledger.oldest_absence(2000, 10), forgets);
    assert_eq!(ledger.oldest_absence(2000, 11), forgets);
}

#[test]
fn unique_ids_that_are_others_each_time_are_forgotten_in_the_end() {
    let place = Place::new();
    let mut ledger = Ledger::create(&place.path(), ACCOUNT).unwrap();
    for session in 0..30 {
        let now = session * FORGET_SECONDS / 4;
        let keys: HashSet<Key> = (0..1000)
            .map(|it| key(&format!("{session}-{it}")))
            .collect();
        keys.iter()
            .for_each(|key| ledger.record(key.clone(), entry(now)));
        ledger.listed(&keys, now);
        ledger.end(now).unwrap();
    }
    let known = ledger.iter().count();
    assert!((5000..15_000).contains(&known), "{known}");
}
