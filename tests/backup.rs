//! Backup and restore: no unique-id is ever used again (whatever was shown after the backup was
//! made), nothing that can be read is lost, and an interruption at any call of either disk leaves
//! the maildrop and the backup as they were, or as they shall be.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maildrop::native::Session;
use maildrop::{
    Addressee, Backup, Envelope, Hidden, MaildropId, Measure, NativeSettings, OpenError, Patience,
    Progress, Restored, Run, Store, View,
};
use pop3::{Deletions, MessageNumber, Part, UniqueId};
use restante_tests::media::{Loss, Plan, SimDisk};

const DROP: MaildropId = MaildropId(0x00ff_0000_0000_0001);
const MROSE: Addressee<'static> = Addressee::unlimited(DROP, "mrose");
const FILE: &str = "d/0/0f/00ff000000000001.rsm";

type Mail = Arc<Store<SimDisk>>;
/// A message as a client gets it: unique-id and text.
type Message = (String, String);

fn store(disk: &SimDisk) -> Mail {
    Arc::new(Store::new(Arc::new(disk.clone())))
}

/// A store whose operator can bring deleted messages back for a day.
fn with_grace(disk: &SimDisk) -> Mail {
    let settings = NativeSettings {
        grace: Duration::from_secs(86_400),
        ..NativeSettings::default()
    };
    Arc::new(Store::with_settings(Arc::new(disk.clone()), settings))
}

fn text_of(name: &str) -> String {
    format!("Subject: {name}\r\n\r\n{name}\r\n")
}

fn deliver_as(store: &Mail, text: &str, envelope: &Envelope) -> String {
    let mut draft = store.draft();
    draft.append(text.as_bytes()).unwrap();
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: 10,
        ..Measure::default()
    };
    let delivered = store.deliver(&MROSE, &draft, &measure, envelope).unwrap();
    delivered.unique_id.to_string()
}

fn deliver(store: &Mail, name: &str) -> String {
    deliver_as(store, &text_of(name), &Envelope::default())
}

/// What a maildrop holds, hidden messages too; a message that cannot be read has no text.
fn look(store: &Mail) -> Result<Vec<Message>, OpenError> {
    let all = View {
        hidden: Hidden::Shown,
        ..View::default()
    };
    let session = store.open_view(DROP, &all)?;
    let listing = session.listing();
    let numbers = (0..listing.len()).map(|index| MessageNumber::from_index(index).unwrap());
    Ok(numbers
        .map(|number| {
            let id = String::from_utf8(listing.unique_id(number).unwrap().to_vec()).unwrap();
            let mut text = session.text(number, Part::Whole).unwrap();
            let mut out = Vec::new();
            let read = loop {
                match text.read(&mut out, Patience::Wait) {
                    Ok(Progress::End) => break true,
                    Ok(_) => {}
                    Err(_) => break false,
                }
            };
            out.truncate(if read { out.len() } else { 0 });
            (id, String::from_utf8(out).unwrap())
        })
        .collect())
}

/// A session, and those of its messages that are at these positions.
fn marked(
    store: &Mail,
    positions: impl IntoIterator<Item = usize>,
) -> (Session<SimDisk>, Deletions) {
    let session = store.open(DROP).unwrap();
    let mut marked = Deletions::default();
    let count = session.listing().len();
    for position in positions.into_iter().filter(|&position| position < count) {
        marked.mark(MessageNumber::from_index(position).unwrap());
    }
    (session, marked)
}

fn delete(store: &Mail, positions: impl IntoIterator<Item = usize>) {
    let (session, deletions) = marked(store, positions);
    session.commit(&deletions).unwrap();
    store.tidy(DROP).unwrap();
}

fn hide(store: &Mail, positions: impl IntoIterator<Item = usize>) {
    let (session, messages) = marked(store, positions);
    session.hide(&messages).unwrap();
}

/// The unique-ids of what sessions do not see.
fn hidden(store: &Mail) -> BTreeSet<String> {
    let hidden = store.hidden(DROP).unwrap();
    hidden.iter().map(|it| it.unique_id.to_string()).collect()
}

fn back_up(store: &Mail, to: &SimDisk) -> io::Result<maildrop::BackedUp> {
    let mut backup = Backup::open(to.clone())?;
    let done = store.back_up(DROP, &mut backup, &mut |_| {})?;
    backup.finish()?;
    done.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn restore(store: &Mail, from: &SimDisk) -> Result<Restored, OpenError> {
    let backup = Backup::open(from.clone())?;
    store.restore(DROP, &backup, Run::Real)
}

fn names(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|(_, text)| text.lines().next().unwrap_or_default())
        .collect()
}

fn whole(store: &Mail) {
    assert_eq!(store.verify(DROP, &mut |_| {}).unwrap().damages, []);
}

#[test]
fn a_restored_maildrop_has_both_and_new_unique_ids_for_new_mail() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    let envelope = Envelope {
        sender: Some(b"frop@dobbs.org".to_vec()),
        received_us: Some(1_700_000_000_000_007),
        unique_id: UniqueId::new(b"elsewhere"),
        origin: Some(b"cur/1".to_vec()),
        ..Envelope::default()
    };
    deliver_as(&mail, &text_of("a"), &envelope);
    deliver(&mail, "b");
    deliver(&mail, "c");
    back_up(&mail, &safe).unwrap();
    let before = look(&mail).unwrap();
    delete(&mail, [0, 2]);
    deliver(&mail, "d");
    let after = look(&mail).unwrap();
    let done = restore(&mail, &safe).unwrap();
    assert_eq!(
        (done.messages, done.brought_back, done.renumbered),
        (4, 2, 0)
    );
    assert_eq!(done.damages, []);
    let now = look(&mail).unwrap();
    assert_eq!(now[..3], before[..]);
    assert_eq!(now[3], after[1]);
    let session = mail.open(DROP).unwrap();
    let first = MessageNumber::from_index(0).unwrap();
    let found = session
        .text(first, Part::Whole)
        .unwrap()
        .envelope()
        .unwrap();
    assert_eq!(found.sender, envelope.sender);
    assert_eq!(found.received_us, envelope.received_us);
    assert_eq!(found.origin, envelope.origin);
    drop(session);
    whole(&mail);
    // Another process sees the same, and the file that was replaced is kept.
    assert_eq!(look(&store(&disk)).unwrap(), now);
    let kept = done.replaced.unwrap();
    assert_eq!(kept, "replaced/00ff000000000001-0.rsm");
    assert!(disk.octets(&kept).is_some());
    let new = deliver(&mail, "e");
    assert!(now.iter().all(|(id, _)| *id != new));
    // The first 13 digits are the generation.
    assert_ne!(new[..13], after[1].0[..13]);
    // A power cut now changes nothing.
    let later = store(&disk.reboot(Loss::Everything));
    assert_eq!(look(&later).unwrap(), look(&mail).unwrap());
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    for name in ["a", "b"] {
        deliver(&mail, name);
    }
    back_up(&mail, &safe).unwrap();
    delete(&mail, [0]);
    let octets = disk.octets(FILE);
    let backup = Backup::open(safe).unwrap();
    let dry = mail.restore(DROP, &backup, Run::Dry).unwrap();
    assert_eq!((dry.messages, dry.brought_back), (2, 1));
    assert_eq!(disk.octets(FILE), octets);
    let done = mail.restore(DROP, &backup, Run::Real).unwrap();
    assert_eq!((done.messages, done.brought_back), (2, 1));
}

#[test]
fn nobody_is_thrown_out_for_a_restore() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    deliver(&mail, "a");
    back_up(&mail, &safe).unwrap();
    let session = mail.open(DROP).unwrap();
    assert!(matches!(restore(&mail, &safe), Err(OpenError::InUse)));
    assert!(matches!(
        restore(&store(&disk), &safe),
        Err(OpenError::InUse)
    ));
    drop(session);
    restore(&store(&disk), &safe).unwrap();
    // One backup, one writer.
    let _held = Backup::open(safe.clone()).unwrap();
    let busy = Backup::open(safe).err().unwrap();
    assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
}

#[test]
fn only_what_is_new_is_copied() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    deliver(&mail, "a");
    let first = back_up(&mail, &safe).unwrap();
    assert_eq!(first.octets_copied, first.length);
    assert_eq!(back_up(&mail, &safe).unwrap().octets_copied, 0);
    deliver(&mail, "b");
    let second = back_up(&store(&disk), &safe).unwrap();
    assert_eq!(second.octets_copied, second.length - first.length);
    let copy = "drops/00ff000000000001-0-";
    let copies = |count| {
        let mut found = SimList(&safe).files("drops");
        found.sort();
        assert_eq!(found.len(), count, "{found:?}");
        found
    };
    let one = copies(1).remove(0);
    assert!(format!("drops/{one}").starts_with(copy));
    assert_eq!(safe.octets(&format!("drops/{one}")), disk.octets(FILE));
    // Emptied, so another file: copied whole, and the old copy goes.
    delete(&mail, [0, 1]);
    deliver(&mail, "c");
    let third = back_up(&mail, &safe).unwrap();
    assert_eq!(third.octets_copied, third.length);
    let other = copies(1).remove(0);
    assert_ne!(other, one);
    assert_eq!(safe.octets(&format!("drops/{other}")), disk.octets(FILE));
}

/// Names in a directory of a simulated disk.
struct SimList<'d>(&'d SimDisk);

impl SimList<'_> {
    fn files(&self, dir: &str) -> Vec<String> {
        maildrop::native::media::Disk::list(self.0, dir).unwrap()
    }
}

#[test]
fn a_lost_file_comes_back_and_what_came_meanwhile_stays() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    for name in ["a", "b", "c"] {
        deliver(&mail, name);
    }
    back_up(&mail, &safe).unwrap();
    let before = look(&mail).unwrap();
    // Nothing there at all.
    let empty = SimDisk::default();
    let fresh = store(&empty);
    let done = restore(&fresh, &safe).unwrap();
    assert_eq!((done.messages, done.replaced), (3, None));
    assert_eq!(look(&fresh).unwrap(), before);
    whole(&fresh);
    // Mail came in since, under uids of its own.
    let again = store(&SimDisk::default());
    deliver(&again, "x");
    deliver(&again, "y");
    let came = look(&again).unwrap();
    let done = restore(&again, &safe).unwrap();
    assert_eq!(
        (done.messages, done.brought_back, done.renumbered),
        (5, 3, 2)
    );
    let now = look(&again).unwrap();
    assert_eq!(
        names(&now),
        [
            "Subject: x",
            "Subject: y",
            "Subject: c",
            "Subject: a",
            "Subject: b"
        ]
    );
    for message in before.iter().chain(&came) {
        assert!(now.contains(message), "{message:?}");
    }
    whole(&again);
}

#[test]
fn what_was_brought_back_waits_anew() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    deliver(&mail, "a");
    back_up(&mail, &safe).unwrap();
    delete(&mail, [0]);
    std::thread::sleep(Duration::from_millis(5));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let between_us = i64::try_from(since.as_micros()).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    restore(&mail, &safe).unwrap();
    mail.expire(DROP, between_us).unwrap();
    assert_eq!(names(&look(&mail).unwrap()), ["Subject: a"]);
    mail.expire(DROP, i64::MAX).unwrap();
    assert!(look(&mail).unwrap().is_empty());
}

#[test]
fn what_can_be_brought_back_can_still_be_after_a_restore() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = with_grace(&disk);
    for name in ["a", "b"] {
        deliver(&mail, name);
    }
    back_up(&mail, &safe).unwrap();
    let before = look(&mail).unwrap();
    for name in ["c", "d"] {
        deliver(&mail, name);
    }
    let all = look(&mail).unwrap();
    // One that the backup has, and one that it has not.
    delete(&mail, [0, 3]);
    let done = restore(&mail, &safe).unwrap();
    assert_eq!((done.messages, done.brought_back), (3, 1));
    assert_eq!(look(&mail).unwrap(), all[..3]);
    assert_eq!(all[..2], before[..]);
    whole(&mail);
    let deleted = mail.deleted(DROP).unwrap();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].unique_id.to_string(), all[3].0);
    assert!(deleted[0].is_kept);
    assert_eq!(mail.undelete(DROP, &[deleted[0].uid]).unwrap(), [4]);
    assert_eq!(look(&with_grace(&disk)).unwrap(), all);
}

#[test]
fn what_was_hidden_when_it_was_deleted_comes_back_hidden_after_a_restore() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = with_grace(&disk);
    deliver(&mail, "a");
    back_up(&mail, &safe).unwrap();
    for name in ["b", "c", "d"] {
        deliver(&mail, name);
    }
    hide(&mail, [1, 3]);
    let all = View {
        hidden: Hidden::Shown,
        ..View::default()
    };
    let session = mail.open_view(DROP, &all).unwrap();
    let mut dead = Deletions::default();
    dead.mark(MessageNumber::from_index(1).unwrap());
    dead.mark(MessageNumber::from_index(2).unwrap());
    session.commit(&dead).unwrap();
    let before = mail.deleted(DROP).unwrap();
    let flags: Vec<_> = before.iter().map(|it| (it.uid, it.is_hidden)).collect();
    assert_eq!(flags, [(2, true), (3, false)]);
    restore(&mail, &safe).unwrap();
    for mail in [Arc::clone(&mail), with_grace(&disk)] {
        assert_eq!(mail.deleted(DROP).unwrap(), before);
        assert_eq!(hidden(&mail).len(), 1);
    }
    assert_eq!(mail.undelete(DROP, &[2, 3]).unwrap(), [2, 3]);
    let hidden = mail.hidden(DROP).unwrap();
    let hidden: Vec<_> = hidden.iter().map(|it| it.uid).collect();
    assert_eq!(hidden, [2, 4]);
}

#[test]
fn what_is_damaged_here_is_taken_from_the_backup_and_the_other_way_round() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    for name in ["aaaa", "bbbb", "cccc"] {
        deliver(&mail, name);
    }
    back_up(&mail, &safe).unwrap();
    let before = look(&mail).unwrap();
    deliver(&mail, "dddd");
    let spoil = |disk: &SimDisk, file: &str, what: &[u8]| {
        disk.rot(file, |octets| {
            let place = octets.windows(what.len()).rposition(|it| it == what);
            octets[place.unwrap()] ^= 1;
        });
    };
    let copy = format!("drops/{}", SimList(&safe).files("drops")[0]);
    spoil(&disk, FILE, b"bbbb");
    spoil(&safe, &copy, b"cccc");
    let mail = store(&disk);
    let done = restore(&mail, &safe).unwrap();
    assert_eq!((done.messages, done.brought_back), (4, 1));
    assert_eq!(done.damages, []);
    let now = look(&mail).unwrap();
    assert_eq!(now[..3], before[..]);
    // Damaged in both: named, and not there.
    spoil(&disk, FILE, b"cccc");
    let mail = store(&disk);
    let done = restore(&mail, &safe).unwrap();
    assert_eq!((done.messages, done.brought_back), (3, 0));
    let what = format!("message {} is damaged", before[2].0);
    assert_eq!(done.damages.len(), 1);
    assert_eq!(
        (done.damages[0].uid, &done.damages[0].what),
        (Some(3), &what)
    );
    whole(&mail);
    // The header of the maildrop's file is gone.
    disk.rot(FILE, |octets| octets[70] ^= 1);
    let mail = store(&disk);
    assert!(mail.open(DROP).is_err());
    let done = restore(&mail, &safe).unwrap();
    assert_eq!(done.messages, 2);
    assert!(done.damages[0].what.contains("checksum of the file header"));
    whole(&mail);
    assert_eq!(
        names(&look(&mail).unwrap()),
        ["Subject: aaaa", "Subject: bbbb"]
    );
}

#[test]
fn damage_does_not_displace_a_good_copy() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    for name in ["aaaa", "bbbb"] {
        deliver(&mail, name);
    }
    back_up(&mail, &safe).unwrap();
    let before = look(&mail).unwrap();
    // A restore makes another file, which is copied whole next time; meanwhile it rots.
    restore(&mail, &safe).unwrap();
    disk.rot(FILE, |octets| {
        let place = octets.windows(4).rposition(|it| it == b"aaaa").unwrap();
        octets[place] ^= 1;
    });
    let done = back_up(&store(&disk), &safe).unwrap();
    assert_eq!(done.damages.len(), 1);
    assert_eq!(done.damages[0].uid, Some(1));
    let fresh = store(&SimDisk::default());
    let done = restore(&fresh, &safe).unwrap();
    assert_eq!(done.damages, []);
    assert_eq!(look(&fresh).unwrap(), before);
    // A header that cannot be read changes nothing in the backup.
    disk.rot(FILE, |octets| octets[0] ^= 1);
    let done = back_up(&store(&disk), &safe).unwrap();
    assert_eq!((done.octets_copied, done.damages.len()), (0, 1));
    let fresh = store(&SimDisk::default());
    restore(&fresh, &safe).unwrap();
    assert_eq!(look(&fresh).unwrap(), before);
}

#[test]
fn what_is_no_backup_is_refused() {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    deliver(&mail, "a");
    let other = Backup::open(disk).err().unwrap();
    assert_eq!(other.kind(), io::ErrorKind::AlreadyExists);
    back_up(&mail, &safe).unwrap();
    safe.rot("manifest", |octets| octets.truncate(octets.len() / 2));
    let torn = Backup::open(safe).err().unwrap();
    assert_eq!(torn.kind(), io::ErrorKind::InvalidData);
}

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Backups of several times, restores of any of them, lost files, restarts: whatever happens, a
/// unique-id means one text for ever, and what is hidden stays so.
#[test]
fn a_unique_id_means_one_text_for_ever() {
    let (mut restores, mut hidings) = (0, 0);
    for seed in 0..200 {
        let mut random = Random(seed);
        let disk = SimDisk::default();
        let mut mail = store(&disk);
        let mut ever: BTreeMap<String, String> = BTreeMap::new();
        // Each with what was hidden when it was made.
        let mut safes = Vec::<(SimDisk, BTreeSet<String>)>::new();
        for step in 0..60 {
            match random.below(15) {
                0..=4 => {
                    let text = text_of(&format!("{seed}-{step}"));
                    let id = deliver_as(&mail, &text, &Envelope::default());
                    let before = ever.insert(id.clone(), text);
                    assert_eq!(before, None, "seed {seed}, step {step}: {id} again");
                }
                5..=6 => {
                    let (from, to) = (random.below(4) as usize, random.below(8) as usize);
                    delete(&mail, from..to);
                }
                7 => {
                    // It goes on from the last one, or is another one.
                    let safe = match random.below(2) {
                        0 => safes.pop().map(|(safe, _)| safe).unwrap_or_default(),
                        _ => SimDisk::default(),
                    };
                    if back_up(&mail, &safe).is_ok() {
                        safes.push((safe.reboot(Loss::Everything), hidden(&mail)));
                    }
                }
                8..=9 if !safes.is_empty() => {
                    let (safe, hidden_there) = &safes[random.below(safes.len() as u64) as usize];
                    let before = look(&mail).unwrap();
                    let hidden_before = hidden(&mail);
                    restore(&mail, safe).unwrap();
                    restores += 1;
                    let now: BTreeSet<_> = look(&mail).unwrap().into_iter().collect();
                    assert!(before.iter().all(|message| now.contains(message)));
                    // What was there is as it was, what came back as the backup has it.
                    let hidden_now = hidden(&mail);
                    for (id, _) in &now {
                        let was_there = before.iter().any(|(known, _)| known == id);
                        let expected = if was_there {
                            &hidden_before
                        } else {
                            hidden_there
                        };
                        assert_eq!(
                            hidden_now.contains(id),
                            expected.contains(id),
                            "seed {seed}, step {step}: {id}"
                        );
                    }
                    hidings += usize::from(!hidden_now.is_empty());
                }
                10 if !safes.is_empty() => {
                    // The disk is exchanged for an empty one, and mail comes in before the restore.
                    use maildrop::native::media::Disk as _;
                    let _ = disk.unlink(FILE);
                    mail = store(&disk);
                }
                11..=12 => {
                    let (from, to) = (random.below(4) as usize, random.below(8) as usize);
                    hide(&mail, from..to);
                }
                13 => {
                    let hidden = mail.hidden(DROP).unwrap();
                    let half = hidden.iter().filter(|_| random.below(2) == 0);
                    let uids: Vec<_> = half.map(|it| it.uid).collect();
                    assert_eq!(mail.unhide(DROP, &uids).unwrap(), uids);
                }
                _ => mail = store(&disk),
            }
            for (id, text) in look(&mail).unwrap() {
                assert_eq!(ever.get(&id), Some(&text), "seed {seed}, step {step}: {id}");
            }
        }
        whole(&mail);
    }
    assert!(restores > 500, "{restores}");
    assert!(hidings > 200, "{hidings}");
}

/// A maildrop with a backup that is older than it, and what a restore of it shall give.
fn prepared() -> (SimDisk, SimDisk, Vec<Message>, Vec<Message>) {
    let (disk, safe) = (SimDisk::default(), SimDisk::default());
    let mail = store(&disk);
    for name in ["a", "b", "c"] {
        deliver(&mail, name);
    }
    back_up(&mail, &safe).unwrap();
    let saved = look(&mail).unwrap();
    delete(&mail, [1]);
    deliver(&mail, "d");
    let old = look(&mail).unwrap();
    let new = saved.into_iter().chain(old.last().cloned()).collect();
    (
        disk.reboot(Loss::Nothing),
        safe.reboot(Loss::Nothing),
        old,
        new,
    )
}

fn judge(disk: &SimDisk, safe: &SimDisk, old: &[Message], new: &[Message], what: &str) {
    let mail = store(disk);
    let found = look(&mail).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert!(found == old || found == new, "{what}: {found:?}");
    whole(&mail);
    let id = deliver(&mail, "after");
    assert!(new.iter().all(|(known, _)| *known != id), "{what}");
    restore(&mail, safe).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let mut expected = new.to_vec();
    expected.push((id, text_of("after")));
    assert_eq!(look(&mail).unwrap(), expected, "{what}");
}

const LOSSES: [Loss; 5] = [
    Loss::Everything,
    Loss::Nothing,
    Loss::Some(1),
    Loss::Some(2),
    Loss::Some(3),
];

#[test]
fn a_restore_that_is_interrupted_at_any_call_is_whole_or_nothing() {
    let (_, _, old, new) = prepared();
    assert_ne!(old, new);
    let calls = {
        let (disk, safe, ..) = prepared();
        let mail = store(&disk);
        disk.plan(Plan::Calm);
        restore(&mail, &safe).unwrap();
        disk.calls()
    };
    assert!(calls > 30, "{calls}");
    for n in 0..calls {
        for plan in [
            Plan::Crash(n),
            Plan::Fail(n, io::ErrorKind::Other),
            Plan::FailLate(n, io::ErrorKind::StorageFull),
            Plan::FailFrom(n, io::ErrorKind::StorageFull),
            Plan::ShortWrite(n),
        ] {
            let (disk, safe, old, new) = prepared();
            let mail = store(&disk);
            disk.plan(plan);
            let result = restore(&mail, &safe);
            let crash = matches!(plan, Plan::Crash(_));
            let what = format!("{plan:?}");
            // Whoever was told that it is done can rely on it.
            let old = if result.is_ok() { new.clone() } else { old };
            if crash {
                for loss in LOSSES {
                    judge(
                        &disk.reboot(loss),
                        &safe,
                        &old,
                        &new,
                        &format!("{what}, {loss:?}"),
                    );
                }
                disk.kill();
            } else {
                disk.plan(Plan::Calm);
                // Who met the failure goes on.
                let found = look(&mail).unwrap();
                assert!(found == old || found == new, "{what}: {found:?}");
                let later = disk.reboot(Loss::Everything);
                judge(&later, &safe, &old, &new, &what);
            }
            judge(&disk, &safe, &old, &new, &what);
        }
    }
}

#[test]
fn a_backup_that_is_interrupted_at_any_call_leaves_one_that_can_be_used() {
    let calls = {
        let (disk, safe, ..) = prepared();
        safe.plan(Plan::Calm);
        back_up(&store(&disk), &safe).unwrap();
        safe.calls()
    };
    assert!(calls > 15, "{calls}");
    for emptied in [false, true] {
        for n in 0..calls + 4 {
            for plan in [
                Plan::Crash(n),
                Plan::Fail(n, io::ErrorKind::Other),
                Plan::FailLate(n, io::ErrorKind::StorageFull),
                Plan::FailFrom(n, io::ErrorKind::StorageFull),
                Plan::ShortWrite(n),
            ] {
                let (disk, safe, ..) = prepared();
                let mail = store(&disk);
                let (saved, _) = snapshots(&safe, &mail);
                if emptied {
                    // Then it is another file.
                    delete(&mail, 0..9);
                    deliver(&mail, "new life");
                }
                let now = look(&mail).unwrap();
                safe.plan(plan);
                let result = back_up(&mail, &safe);
                let crash = matches!(plan, Plan::Crash(_));
                safe.plan(Plan::Calm);
                let safes: Vec<SimDisk> = match crash {
                    true => LOSSES.iter().map(|&loss| safe.reboot(loss)).collect(),
                    false => vec![safe.clone(), safe.reboot(Loss::Everything)],
                };
                for safe in safes {
                    let found = look(&restored(&safe)).unwrap();
                    let what = format!("{plan:?}, emptied {emptied}");
                    assert!(found == saved || found == now, "{what}: {found:?}");
                    if result.is_ok() {
                        assert_eq!(found, now, "{what}");
                    }
                    // And the next one is whole.
                    back_up(&store(&disk), &safe).unwrap();
                    assert_eq!(look(&restored(&safe)).unwrap(), now, "{what}");
                }
            }
        }
    }
}

/// What a backup has, and what the maildrop has.
fn snapshots(safe: &SimDisk, mail: &Mail) -> (Vec<Message>, Vec<Message>) {
    (look(&restored(safe)).unwrap(), look(mail).unwrap())
}

/// A store with nothing but what the backup has.
fn restored(safe: &SimDisk) -> Mail {
    let mail = store(&SimDisk::default());
    restore(&mail, safe).unwrap();
    mail
}
