//! The power goes, the process dies, or a call fails, at every call that a Maildir in place makes of the disk: what was
//! acknowledged is there whole, what was deleted stays away, and a message is never called otherwise.
//!
//! A Maildir deletes file by file, so of a deletion that nobody has answered any part may be done: that is less than the
//! native store promises, and all that this format can.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use maildrop::{
    Absent, Addressee, DeliverError, Envelope, MaildirSettings, Maildirs, MaildropId, Measure,
    Patience, Place, Places, Progress, UniqueIds, View, flags,
};
use pop3::{Deletions, MessageNumber, Part};
use restante_tests::media::{Loss, Plan, SimDisk};

const DROP: MaildropId = MaildropId(7);

/// One Maildir, which is the whole disk.
struct Only(SimDisk);

impl Places<SimDisk> for Only {
    fn find(&self, _: MaildropId, _: Absent) -> io::Result<Place<SimDisk>> {
        Ok(Place {
            disk: self.0.clone(),
            file: String::new(),
        })
    }

    fn path(&self, _: MaildropId) -> Option<PathBuf> {
        None
    }

    fn ids(&self) -> io::Result<Vec<MaildropId>> {
        Ok(vec![DROP])
    }
}

fn maildirs(disk: &SimDisk, unique_ids: UniqueIds) -> Maildirs<SimDisk> {
    let settings = MaildirSettings {
        unique_ids,
        lock_wait: Duration::ZERO,
        host: "host".to_owned(),
        index_octets_max: 1 << 20,
    };
    let drafts = Arc::new(SimDisk::default());
    Maildirs::new(Arc::new(Only(disk.clone())), drafts, settings)
}

/// What was promised, by what makes a message known again: its text.
#[derive(Clone, Default)]
struct Model {
    kept: BTreeSet<Vec<u8>>,
    /// Deliveries and deletions that nobody has answered, or that failed.
    doubtful: BTreeSet<Vec<u8>>,
    deleted: BTreeSet<Vec<u8>>,
    /// What a client was told that a message is called.
    named: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The same the other way round: whoever knows a unique-id never retrieves another message of that name.
    owners: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Step {
    /// So many octets; in a header that is not ASCII?
    Deliver(usize, bool),
    /// Places in the listing.
    Delete(&'static [usize]),
    Look,
    Tidy,
    Restart,
}

const SCRIPT: &[Step] = &[
    Step::Deliver(100, false),
    Step::Deliver(4_000, true),
    Step::Look,
    Step::Deliver(35_000, false),
    Step::Delete(&[0]),
    Step::Restart,
    Step::Look,
    Step::Deliver(200, true),
    Step::Tidy,
    Step::Delete(&[0, 2]),
    Step::Deliver(300, false),
    Step::Look,
    Step::Delete(&[0, 1]),
    Step::Look,
];

fn text(step: usize, octets: usize, is_8bit: bool) -> Vec<u8> {
    let mark = if is_8bit { "\u{e9}" } else { "e" };
    let mut text = format!("Subject: {step} {mark}\r\n\r\n").into_bytes();
    while text.len() < octets {
        text.extend_from_slice(format!("line {}\r\n", text.len()).as_bytes());
    }
    text
}

fn deliver(maildirs: &Maildirs<SimDisk>, text: &[u8]) -> Result<(), DeliverError> {
    let mut draft = maildirs.draft();
    draft.append(text)?;
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: 10,
        flags: if text.is_ascii() {
            0
        } else {
            flags::HEADER_8BIT
        },
        ..Measure::default()
    };
    let to = Addressee::unlimited(DROP, "mrose");
    maildirs.deliver(&to, &draft, &measure, &Envelope::default())?;
    Ok(())
}

/// What a session finds: unique-ids and texts. None: it could not be opened, or read.
fn look(maildirs: &Maildirs<SimDisk>) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let session = maildirs.open(DROP, &View::default()).ok()?;
    let listing = session.listing();
    let mut found = Vec::new();
    for index in 0..listing.len() {
        let number = MessageNumber::from_index(index).unwrap();
        let mut text = session.text(number, Part::Whole).unwrap();
        let mut out = Vec::new();
        while text.read(&mut out, Patience::Wait).ok()? != Progress::End {}
        assert_eq!(listing.octets(number).unwrap().0, out.len() as u64);
        assert_eq!(listing.is_internationalised(number), !out.is_ascii());
        found.push((listing.unique_id(number).unwrap().to_vec(), out));
    }
    Some(found)
}

impl Model {
    /// Lives through the script. A step that fails was answered so, and the next one comes.
    fn live(&mut self, disk: &SimDisk, unique_ids: &UniqueIds) {
        let mut store = maildirs(disk, unique_ids.clone());
        for (at, step) in SCRIPT.iter().enumerate() {
            match *step {
                Step::Deliver(octets, is_8bit) => {
                    let text = text(at, octets, is_8bit);
                    match deliver(&store, &text) {
                        Ok(()) => self.kept.insert(text),
                        Err(_) => self.doubtful.insert(text),
                    };
                }
                Step::Delete(places) => self.delete(&store, places),
                Step::Look => {
                    if let Some(found) = look(&store) {
                        self.hear(&found);
                    }
                }
                Step::Tidy => drop(store.tidy(DROP)),
                Step::Restart => store = maildirs(disk, unique_ids.clone()),
            }
        }
    }

    fn delete(&mut self, store: &Maildirs<SimDisk>, places: &[usize]) {
        let Some(found) = look(store) else { return };
        let Ok(session) = store.open(DROP, &View::default()) else {
            return;
        };
        self.hear(&found);
        let places = places.iter().filter(|&&place| place < found.len());
        let mut deletions = Deletions::default();
        let mut gone = Vec::new();
        for &place in places {
            deletions.mark(MessageNumber::from_index(place).unwrap());
            gone.push(found[place].1.clone());
        }
        let committed = session.commit(&deletions).is_ok();
        for text in gone {
            self.kept.remove(&text);
            match committed {
                true => self.deleted.insert(text),
                false => self.doubtful.insert(text),
            };
        }
    }

    /// Whoever was told a name holds us to it.
    fn hear(&mut self, found: &[(Vec<u8>, Vec<u8>)]) {
        for (unique_id, text) in found {
            let known = self
                .named
                .entry(text.clone())
                .or_insert_with(|| unique_id.clone());
            assert_eq!(known, unique_id, "a message is called otherwise");
            let owner = self
                .owners
                .entry(unique_id.clone())
                .or_insert_with(|| text.clone());
            assert!(owner == text, "a unique-id is that of another message now");
        }
    }

    /// What is there is what was promised.
    fn judge(mut self, disk: &SimDisk, unique_ids: &UniqueIds, when: &str) {
        let found = look(&maildirs(disk, unique_ids.clone()));
        let found = found.unwrap_or_else(|| panic!("{when}: it cannot be opened any more"));
        self.hear(&found);
        let texts: Vec<_> = found.iter().map(|(_, text)| text.clone()).collect();
        let there: BTreeSet<_> = texts.iter().cloned().collect();
        assert_eq!(texts.len(), there.len(), "{when}: a message is there twice");
        assert!(self.kept.is_subset(&there), "{when}: a message is lost");
        let strange = there
            .difference(&self.kept)
            .filter(|text| !self.doubtful.contains(*text));
        assert_eq!(
            strange.count(),
            0,
            "{when}: something is there that was not"
        );
        let names: BTreeSet<_> = found.iter().map(|(unique_id, _)| unique_id).collect();
        assert_eq!(
            names.len(),
            found.len(),
            "{when}: a unique-id is there twice"
        );
    }
}

const LOSSES: [Loss; 4] = [
    Loss::Everything,
    Loss::Nothing,
    Loss::Some(1),
    Loss::Some(2),
];

/// Runs the script with a fault at each call, until it has no more.
fn every_call(unique_ids: &UniqueIds, plan: impl Fn(u64) -> Plan) -> u64 {
    for at in 0.. {
        let disk = SimDisk::default();
        let mut model = Model::default();
        disk.plan(plan(at));
        model.live(&disk, unique_ids);
        let is_over = disk.calls() <= at;
        for loss in LOSSES {
            let when = format!("{:?} and {loss:?}", plan(at));
            model.clone().judge(&disk.reboot(loss), unique_ids, &when);
        }
        disk.kill();
        model.judge(
            &disk,
            unique_ids,
            &format!("{:?}, and the machine goes on", plan(at)),
        );
        if is_over {
            return at;
        }
    }
    unreachable!("the script ends")
}

fn all(plan: impl Fn(u64) -> Plan + Copy) {
    for unique_ids in [
        UniqueIds::Files,
        UniqueIds::Dovecot(Default::default()),
        UniqueIds::Courier,
        UniqueIds::Auto(Default::default()),
    ] {
        let calls = every_call(&unique_ids, plan);
        assert!(calls > 100, "{calls} calls cannot be all");
    }
}

#[test]
fn the_power_goes_at_every_call() {
    all(Plan::Crash);
}

#[test]
fn every_call_fails() {
    all(|at| Plan::Fail(at, io::ErrorKind::Other));
    all(|at| Plan::FailLate(at, io::ErrorKind::Other));
}

#[test]
fn every_call_fails_and_all_after_it() {
    all(|at| Plan::FailFrom(at, io::ErrorKind::Other));
    all(|at| Plan::FailFromLate(at, io::ErrorKind::Other));
}

#[test]
fn the_disk_is_full_in_the_middle_of_every_write() {
    all(Plan::ShortWrite);
}

/// What one process has not made durable another one reads all the same, and shows to its clients.
#[test]
fn a_process_dies_at_every_call_and_the_power_goes_after_another_went_on() {
    for unique_ids in [UniqueIds::Dovecot(Default::default()), UniqueIds::Courier] {
        for at in 0.. {
            let disk = SimDisk::default();
            let mut model = Model::default();
            disk.plan(Plan::Crash(at));
            model.live(&disk, &unique_ids);
            let is_over = disk.calls() <= at;
            disk.kill();
            model.delete(&maildirs(&disk, unique_ids.clone()), &[0]);
            for loss in LOSSES {
                let when = format!("dead at {at}, and {loss:?} later");
                model.clone().judge(&disk.reboot(loss), &unique_ids, &when);
            }
            if is_over {
                break;
            }
        }
    }
}

/// Many messages get their lines at once: of what is written then, the power takes some sectors and leaves others.
#[test]
fn the_power_goes_while_many_messages_are_named() {
    const MANY: usize = 24;
    let unique_ids = UniqueIds::Dovecot(Default::default());
    for at in 0.. {
        let disk = SimDisk::default();
        let mut model = Model::default();
        let store = maildirs(&disk, unique_ids.clone());
        for number in 0..2 * MANY {
            let text = text(number, 30, false);
            deliver(&store, &text).unwrap();
            model.kept.insert(text);
            if number + 1 == MANY {
                model.hear(&look(&store).unwrap());
            }
        }
        disk.plan(Plan::Crash(at));
        if let Some(found) = look(&store) {
            model.hear(&found);
        }
        let is_over = disk.calls() <= at;
        for seed in 0..16 {
            let when = format!("call {at}, {seed}");
            let loss = Loss::Some(seed * 1_000_003 + at);
            model.clone().judge(&disk.reboot(loss), &unique_ids, &when);
        }
        if is_over {
            assert!(at > 20, "{at} calls cannot be all");
            break;
        }
    }
}

/// Whoever has written Dovecot's list knows what is in it, and does not look again.
#[test]
fn what_was_named_is_known_at_once() {
    let disk = SimDisk::default();
    let store = maildirs(&disk, UniqueIds::Dovecot(Default::default()));
    let calls_of_a_look = || {
        disk.plan(Plan::Calm);
        assert!(look(&store).is_some());
        disk.calls()
    };
    for count in 1..4 {
        deliver(&store, &text(count, 100, false)).unwrap();
        let naming = calls_of_a_look();
        let knowing = calls_of_a_look();
        assert!(knowing < naming, "{knowing} calls, and {naming} before");
        assert_eq!(calls_of_a_look(), knowing);
    }
}
