//! The power goes, or a call fails, at every call of the disk: nothing acknowledged is lost,
//! nothing deleted comes back, no unique-id changes or is used again.
//!
//! One script of everything that a maildrop lives through runs again and again, each time with
//! the fault one call later, and each time a model of what was promised judges what is there.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use maildrop::{
    Addressee, DeliverError, Envelope, Hidden, MaildropId, Measure, OpenError, Patience, Progress,
    Store, View, native::Session,
};
use pop3::{Deletions, MessageNumber, Part, UniqueId};
use restante_tests::media::{Loss, Plan, SimDisk};
use restante_tests::showing::take_shown;

const DROP: MaildropId = MaildropId(0x00ff_0000_0000_0001);
const MROSE: Addressee<'static> = Addressee::unlimited(DROP, "mrose");

/// What was promised so far.
#[derive(Clone, Default)]
struct Model {
    /// Acknowledged and not deleted: unique-id and text.
    kept: Vec<Message>,
    /// A text whose delivery was not answered.
    maybe_delivered: Option<Vec<u8>>,
    /// Unique-ids whose deletion was not answered: all or none.
    maybe_deleted: BTreeSet<Vec<u8>>,
    /// Every unique-id that anybody ever saw.
    seen: BTreeSet<Vec<u8>>,
    /// Unique-ids whose deletion was acknowledged.
    deleted: BTreeSet<Vec<u8>>,
    /// What the last acknowledged deletion took.
    graves: Vec<Message>,
    /// Unique-ids of messages that somebody wanted back without an answer: all or none.
    maybe_back: BTreeSet<Vec<u8>>,
    /// Unique-ids of messages that sessions do not see, and whether they do.
    hidden: BTreeSet<Vec<u8>>,
    /// The same if what was not answered was done.
    maybe_hidden: Option<BTreeSet<Vec<u8>>>,
}

fn body(name: &str, octets: usize) -> Vec<u8> {
    let mut text = format!("Subject: {name}\r\n\r\n").into_bytes();
    while text.len() < octets {
        text.extend_from_slice(format!("{name} {}\r\n", text.len()).as_bytes());
    }
    text
}

fn deliver(store: &Store<SimDisk>, text: &[u8]) -> Result<Vec<u8>, DeliverError> {
    deliver_as(store, text, None)
}

fn deliver_as(
    store: &Store<SimDisk>,
    text: &[u8],
    unique_id: Option<&str>,
) -> Result<Vec<u8>, DeliverError> {
    let mut draft = store.draft();
    for piece in text.chunks(50_000) {
        draft.append(piece)?;
    }
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: 10,
        ..Measure::default()
    };
    let envelope = Envelope {
        unique_id: unique_id.and_then(|id| UniqueId::new(id.as_bytes())),
        ..Envelope::default()
    };
    let delivered = store.deliver(&MROSE, &draft, &measure, &envelope)?;
    Ok(delivered.unique_id.as_bytes().to_vec())
}

/// A message as a client gets it: unique-id and text.
type Message = (Vec<u8>, Vec<u8>);

/// What a maildrop holds, hidden messages too.
fn retrieve(store: &Arc<Store<SimDisk>>) -> Result<Vec<Message>, OpenError> {
    let all = View {
        hidden: Hidden::Shown,
        ..View::default()
    };
    let session = store.open_view(DROP, &all)?;
    let listing = session.listing();
    let mut all = Vec::new();
    for index in 0..listing.len() {
        let number = MessageNumber::from_index(index).unwrap();
        let mut text = session.text(number, Part::Whole).unwrap();
        let mut out = take_shown(&mut text);
        while text
            .read(&mut out, Patience::Wait)
            .map_err(|error| OpenError::Unavailable(io::Error::other(error)))?
            != Progress::End
        {}
        assert_eq!(listing.octets(number).unwrap().0, out.len() as u64);
        all.push((listing.unique_id(number).unwrap().to_vec(), out));
    }
    Ok(all)
}

#[derive(Clone, Copy)]
enum Step {
    Deliver(&'static str, usize),
    /// With a unique-id from elsewhere.
    Import(&'static str, usize),
    /// Positions in the listing.
    Delete(&'static [usize]),
    Hide(&'static [usize]),
    /// Shows everything again.
    Unhide,
    Look,
    Tidy,
    Compact,
    /// Brings back what the last deletion took.
    Undelete,
    /// Deletes everything, as too old.
    Expire,
    Rename,
    /// The program starts anew.
    Restart,
}

/// Everything that a maildrop lives through.
const SCRIPT: &[Step] = &[
    Step::Deliver("first", 100),
    Step::Deliver("blocks", 70_000),
    Step::Deliver("spilled", 300_000),
    Step::Look,
    Step::Delete(&[1]),
    Step::Tidy,
    Step::Deliver("fourth", 3000),
    Step::Compact,
    Step::Import("imported", 400),
    Step::Undelete,
    Step::Look,
    Step::Delete(&[1, 3]),
    Step::Undelete,
    Step::Rename,
    Step::Delete(&[3]),
    Step::Compact,
    Step::Restart,
    Step::Deliver("fifth", 700),
    Step::Hide(&[0, 2]),
    Step::Look,
    Step::Compact,
    Step::Restart,
    Step::Unhide,
    Step::Hide(&[1]),
    Step::Restart,
    Step::Unhide,
    Step::Delete(&[0, 1, 2, 3]),
    Step::Tidy,
    Step::Deliver("second life", 5000),
    Step::Look,
    Step::Restart,
    Step::Delete(&[0]),
    Step::Tidy,
    Step::Import("imported", 300),
    Step::Deliver("too old", 300),
    Step::Hide(&[0]),
    Step::Expire,
    Step::Compact,
    Step::Deliver("third life", 200),
];

/// Runs the script until something fails, and keeps account of what was promised.
/// With `go_on`, a failed step is an answered one, and the script goes on.
fn run(disk: &SimDisk, model: &mut Model, go_on: bool) {
    let mut store = Arc::new(Store::new(Arc::new(disk.clone())));
    for step in SCRIPT {
        let ok = match *step {
            Step::Deliver(name, octets) | Step::Import(name, octets) => {
                let text = body(name, octets);
                let name = matches!(step, Step::Import(..)).then_some(name);
                match deliver_as(&store, &text, name) {
                    Ok(id) => {
                        assert!(!model.deleted.contains(&id));
                        assert!(model.kept.iter().all(|(kept, _)| *kept != id));
                        model.kept.push((id, text));
                        true
                    }
                    Err(_) => {
                        model.maybe_delivered = Some(text);
                        false
                    }
                }
            }
            Step::Delete(positions) => delete(&store, model, positions),
            Step::Hide(positions) => hide(&store, model, positions),
            Step::Unhide => unhide(&store, model),
            Step::Look => match retrieve(&store) {
                Ok(found) => {
                    model.seen.extend(found.iter().map(|(id, _)| id.clone()));
                    if !go_on {
                        assert!(found == model.kept);
                    }
                    true
                }
                Err(_) => false,
            },
            Step::Tidy => store.tidy(DROP).is_ok(),
            Step::Compact => store.compact(DROP).is_ok(),
            Step::Rename => store.rename(DROP, "rose").is_ok(),
            Step::Undelete => undelete(&store, model),
            Step::Expire => expire(&store, model),
            Step::Restart => {
                store = Arc::new(Store::new(Arc::new(disk.clone())));
                true
            }
        };
        match (ok, go_on) {
            (false, false) => return,
            (false, true) => {
                // Answered with a refusal: nothing of it may be there.
                model.maybe_delivered = None;
                model.maybe_deleted.clear();
                model.maybe_back.clear();
                model.maybe_hidden = None;
            }
            _ => {}
        }
    }
}

/// A session, and messages of its listing by their positions: as marks, and as unique-ids.
fn marked(
    store: &Arc<Store<SimDisk>>,
    positions: &[usize],
) -> Option<(Session<SimDisk>, Deletions, BTreeSet<Vec<u8>>)> {
    let session = store.open(DROP).ok()?;
    let listing = session.listing();
    let mut deletions = Deletions::default();
    let mut ids = BTreeSet::new();
    for &position in positions {
        let number = MessageNumber::from_index(position).unwrap();
        if let Some(id) = listing.unique_id(number) {
            ids.insert(id.to_vec());
            deletions.mark(number);
        }
    }
    Some((session, deletions, ids))
}

fn hide(store: &Arc<Store<SimDisk>>, model: &mut Model, positions: &[usize]) -> bool {
    let Some((session, messages, ids)) = marked(store, positions) else {
        return false;
    };
    let hidden = model.hidden.union(&ids).cloned().collect();
    model.now_hidden(hidden, session.hide(&messages).is_ok())
}

fn unhide(store: &Arc<Store<SimDisk>>, model: &mut Model) -> bool {
    let Ok(hidden) = store.hidden(DROP) else {
        return false;
    };
    let uids: Vec<_> = hidden.iter().map(|it| it.uid).collect();
    model.now_hidden(BTreeSet::new(), store.unhide(DROP, &uids).is_ok())
}

fn delete(store: &Arc<Store<SimDisk>>, model: &mut Model, positions: &[usize]) -> bool {
    let Some((session, deletions, ids)) = marked(store, positions) else {
        return false;
    };
    let listed = session.listing().len();
    match session.commit(&deletions) {
        Ok(left) => {
            assert_eq!(left, listed - ids.len());
            model.delete(ids);
            true
        }
        Err(_) => {
            model.maybe_deleted = ids;
            false
        }
    }
}

impl Model {
    /// These are hidden, if that was answered.
    fn now_hidden(&mut self, hidden: BTreeSet<Vec<u8>>, answered: bool) -> bool {
        match answered {
            true => self.hidden = hidden,
            false => self.maybe_hidden = Some(hidden),
        }
        answered
    }

    fn delete(&mut self, ids: BTreeSet<Vec<u8>>) {
        self.graves = self
            .kept
            .extract_if(.., |(id, _)| ids.contains(id))
            .collect();
        self.deleted.extend(ids);
    }
}

fn undelete(store: &Arc<Store<SimDisk>>, model: &mut Model) -> bool {
    let Ok(deleted) = store.deleted(DROP) else {
        return false;
    };
    let wanted: Vec<_> = deleted
        .iter()
        .filter(|it| {
            model
                .graves
                .iter()
                .any(|(id, _)| it.unique_id.as_bytes() == id)
        })
        .collect();
    let ids: BTreeSet<_> = wanted
        .iter()
        .map(|it| it.unique_id.as_bytes().to_vec())
        .collect();
    let uids: Vec<_> = wanted.iter().map(|it| it.uid).collect();
    match store.undelete(DROP, &uids) {
        Ok(back) => {
            assert_eq!(back, uids);
            for (id, text) in std::mem::take(&mut model.graves) {
                if ids.contains(&id) {
                    model.deleted.remove(&id);
                    model.kept.push((id, text));
                }
            }
            // In the order of delivery, which is that of the file.
            let places = retrieve(store).unwrap_or_default();
            let place = |id: &[u8]| places.iter().position(|(it, _)| it == id);
            model.kept.sort_by_key(|(id, _)| place(id));
            true
        }
        Err(_) => {
            model.maybe_back = ids;
            false
        }
    }
}

fn expire(store: &Arc<Store<SimDisk>>, model: &mut Model) -> bool {
    let ids: BTreeSet<_> = model.kept.iter().map(|(id, _)| id.clone()).collect();
    match store.expire(DROP, i64::MAX) {
        Ok(expired) => {
            // Whatever a refusal left open is gone, too; nothing promised may be left.
            assert!(expired.messages as usize >= ids.len());
            model.delete(ids);
            true
        }
        Err(_) => {
            model.maybe_deleted = ids;
            false
        }
    }
}

/// Compares what is there with what was promised, then goes on living.
fn judge(disk: &SimDisk, model: &Model, what: &str) {
    let store = Arc::new(Store::new(Arc::new(disk.clone())));
    let found = retrieve(&store).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let ids: BTreeSet<_> = found.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids.len(), found.len(), "{what}: a unique-id twice");
    let gone: Vec<_> = model
        .kept
        .iter()
        .map(|(id, _)| id.clone())
        .filter(|id| !ids.contains(id))
        .collect();
    assert!(
        gone.is_empty() || gone.iter().cloned().collect::<BTreeSet<_>>() == model.maybe_deleted,
        "{what}: lost {gone:?}"
    );
    let back: BTreeSet<_> = ids.intersection(&model.deleted).cloned().collect();
    assert!(
        back.is_empty() || back == model.maybe_back,
        "{what}: {back:?} came back"
    );
    let hidden = store.hidden(DROP).unwrap();
    let hidden = hidden.iter().map(|it| it.unique_id.as_bytes().to_vec());
    let hidden: BTreeSet<_> = hidden.collect();
    let is_so = |expected: &BTreeSet<Vec<u8>>| expected.intersection(&ids).eq(&hidden);
    assert!(
        is_so(&model.hidden) || model.maybe_hidden.as_ref().is_some_and(is_so),
        "{what}: hidden are {hidden:?}"
    );
    let listing = store.open(DROP).unwrap().listing();
    assert_eq!(listing.len(), found.len() - hidden.len(), "{what}");
    let mut strangers = 0;
    for (id, text) in &found {
        if let Some((_, grave)) = model.graves.iter().find(|(grave, _)| grave == id) {
            assert!(grave == text, "{what}: another text came back");
            continue;
        }
        match model.kept.iter().find(|(kept, _)| kept == id) {
            Some((_, kept)) => assert!(kept == text, "{what}: another text"),
            None => {
                strangers += 1;
                assert!(!model.seen.contains(id), "{what}: a unique-id used again");
                assert_eq!(Some(text), model.maybe_delivered.as_ref(), "{what}");
            }
        }
    }
    assert!(strangers <= 1, "{what}: delivered twice");
    // Life goes on, and what was seen now stays.
    let text = body("after", 1234);
    let id = deliver(&store, &text).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let deleted = store.deleted(DROP).unwrap();
    assert!(
        deleted
            .iter()
            .all(|it| !ids.contains(it.unique_id.as_bytes()))
    );
    let known = model.deleted.iter().chain(&model.seen).chain(&ids);
    assert!(
        known.into_iter().all(|known| *known != id),
        "{what}: {id:?}"
    );
    let mut expected = found;
    expected.push((id, text));
    let later = disk.reboot(Loss::Everything);
    let store = Arc::new(Store::new(Arc::new(later)));
    assert!(retrieve(&store).unwrap() == expected, "{what}: not lasting");
    let verified = store.verify(DROP, &mut |_| {}).unwrap();
    assert_eq!(verified.damages, [], "{what}");
}

/// Calls of the script when nothing goes wrong.
fn calls() -> u64 {
    let disk = SimDisk::default();
    disk.plan(Plan::Calm);
    let mut model = Model::default();
    run(&disk, &mut model, false);
    assert_eq!(model.kept.len(), 1);
    let calls = disk.calls();
    judge(&disk, &model, "calm");
    assert!(calls > 100);
    println!("{calls} calls of the disk");
    calls
}

#[test]
fn power_cut_at_every_call() {
    let losses = [Loss::Everything, Loss::Nothing]
        .into_iter()
        .chain((1..=6).map(Loss::Some));
    let losses: Vec<_> = losses.collect();
    for n in 0..calls() {
        let disk = SimDisk::default();
        disk.plan(Plan::Crash(n));
        let mut model = Model::default();
        run(&disk, &mut model, false);
        for &loss in &losses {
            let loss = match loss {
                Loss::Some(seed) => Loss::Some(seed * 1_000_003 + n),
                other => other,
            };
            judge(&disk.reboot(loss), &model, &format!("call {n}, {loss:?}"));
        }
    }
}

/// The process dies at every call; another one goes on at once, promises more, and only then the
/// power goes. What the dead one left unsynced must not take the promises of the living along.
#[test]
fn kill_at_every_call_then_power_cut() {
    for n in 0..calls() {
        for loss in [Loss::Everything, Loss::Some(n), Loss::Some(n + 1_000_000)] {
            let disk = SimDisk::default();
            disk.plan(Plan::Crash(n));
            let mut model = Model::default();
            run(&disk, &mut model, false);
            disk.kill();
            let store = Arc::new(Store::new(Arc::new(disk.clone())));
            let text = body("between", 900);
            let id = deliver(&store, &text).unwrap();
            // What it shows is there for good.
            let mut shown = BTreeSet::new();
            for (id, text) in retrieve(&store).unwrap() {
                shown.insert(id.clone());
                if Some(&text) == model.maybe_delivered.as_ref() {
                    model.maybe_delivered = None;
                    model.kept.push((id, text));
                }
            }
            if model.maybe_deleted.iter().all(|id| !shown.contains(id)) {
                let gone = std::mem::take(&mut model.maybe_deleted);
                model.kept.retain(|(id, _)| !gone.contains(id));
            }
            model.maybe_deleted.clear();
            model.maybe_delivered = None;
            assert!(shown.contains(&id));
            model.seen.extend(shown);
            if !model.kept.iter().any(|(kept, _)| *kept == id) {
                model.kept.push((id, text));
            }
            judge(&disk.reboot(loss), &model, &format!("kill {n}, {loss:?}"));
        }
    }
}

/// One call fails and is answered with a refusal: nothing of it is there, everything else is, at
/// once and after a power cut.
#[test]
fn one_failure_at_every_call() {
    let failures = [
        |n| Plan::Fail(n, io::ErrorKind::Other),
        |n| Plan::Fail(n, io::ErrorKind::StorageFull),
        |n| Plan::FailLate(n, io::ErrorKind::Other),
        |n| Plan::ShortWrite(n),
    ];
    for n in 0..calls() {
        for failure in failures {
            let plan = failure(n);
            let disk = SimDisk::default();
            disk.plan(plan);
            let mut model = Model::default();
            run(&disk, &mut model, true);
            disk.plan(Plan::Calm);
            let what = format!("{plan:?}");
            judge(&disk.reboot(Loss::Everything), &model, &what);
            judge(&disk.reboot(Loss::Nothing), &model, &what);
            judge(&disk, &model, &what);
        }
    }
}

/// From one call on nothing can be written any more: what is there can still be read, everything
/// else is refused, and when there is room again life goes on.
#[test]
fn full_disk_from_every_call_on() {
    for n in 0..calls() {
        let disk = SimDisk::default();
        disk.plan(Plan::FailFrom(n, io::ErrorKind::StorageFull));
        let mut model = Model::default();
        run(&disk, &mut model, true);
        disk.plan(Plan::Calm);
        let what = format!("full from {n}");
        // The store that met the failures is gone; what it could not take back may be there.
        model.maybe_delivered = None;
        let store = Arc::new(Store::new(Arc::new(disk.clone())));
        let found = retrieve(&store).unwrap();
        for kept in &model.kept {
            assert!(found.contains(kept), "{what}");
        }
    }
}

/// Another process empties the maildrop and replaces its file just when this one has opened it and
/// holds no lock yet.
#[test]
fn a_file_that_is_replaced_while_it_is_opened() {
    let replace = |disk: &SimDisk| {
        let other = Arc::new(Store::new(Arc::new(disk.clone())));
        disk.meanwhile(move || {
            assert!(delete(&other, &mut Model::default(), &[0]));
            other.tidy(DROP).unwrap();
            deliver(&other, &body("theirs", 100)).unwrap();
        });
    };
    let before = || {
        let disk = SimDisk::default();
        let store = Arc::new(Store::new(Arc::new(disk.clone())));
        deliver(&store, &body("first", 100)).unwrap();
        (disk, store)
    };
    let texts = |store: &Arc<Store<SimDisk>>| {
        let found = retrieve(store).unwrap();
        found.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
    };
    let (disk, store) = before();
    replace(&disk);
    deliver(&store, &body("ours", 100)).unwrap();
    let expected = [body("theirs", 100), body("ours", 100)];
    assert_eq!(texts(&store), expected);
    let later = disk.reboot(Loss::Everything);
    assert_eq!(texts(&Arc::new(Store::new(Arc::new(later)))), expected);
    let (disk, store) = before();
    replace(&disk);
    assert_eq!(texts(&store), [body("theirs", 100)]);
}

/// A record was refused and could not even be taken off the file again. Nobody sees it, and when
/// the disk works again it goes before anything else happens.
#[test]
fn what_was_refused_does_not_come_back_with_the_disk() {
    let failures = [
        |n| Plan::FailFrom(n, io::ErrorKind::Other),
        |n| Plan::FailFromLate(n, io::ErrorKind::Other),
    ];
    for n in 0..12 {
        for failure in failures {
            let disk = SimDisk::default();
            let store = Arc::new(Store::new(Arc::new(disk.clone())));
            let first = deliver(&store, &body("first", 100)).unwrap();
            disk.plan(failure(n));
            let second = deliver(&store, &body("second", 900));
            let mut expected = vec![first];
            expected.extend(second.ok());
            disk.plan(Plan::Calm);
            for _ in 0..2 {
                let found = retrieve(&store).unwrap();
                let ids: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
                assert_eq!(ids, expected, "{:?}", failure(n));
                expected.push(deliver(&store, &body("third", 900)).unwrap());
            }
            let store = Arc::new(Store::new(Arc::new(disk.reboot(Loss::Everything))));
            assert_eq!(retrieve(&store).unwrap().len(), expected.len());
        }
    }
}

#[test]
fn a_small_delivery_costs_one_sync() {
    let disk = SimDisk::default();
    let store = Arc::new(Store::new(Arc::new(disk.clone())));
    deliver(&store, &body("first", 100)).unwrap();
    disk.plan(Plan::Calm);
    deliver(&store, &body("second", 4096)).unwrap();
    assert_eq!(disk.syncs(), 1);
    // open, lock, stat of name and file, last record, first octets, write, sync, stat.
    assert!(disk.calls() <= 9, "{}", disk.calls());
    disk.plan(Plan::Calm);
    drop(store.open(DROP).unwrap());
    assert_eq!(disk.syncs(), 0);
    // Nothing marked: QUIT touches no disk.
    let session = store.open(DROP).unwrap();
    disk.plan(Plan::Calm);
    session.commit(&Deletions::default()).unwrap();
    assert_eq!(disk.calls(), 0);
}

/// The header of a record for each message that is recent, and for one that is not; no text, no write.
#[test]
fn a_view_costs_no_text() {
    let disk = SimDisk::default();
    let store = Arc::new(Store::new(Arc::new(disk.clone())));
    for number in 0..40 {
        deliver(&store, &body(&number.to_string(), 5000)).unwrap();
    }
    let cost = |since_us, messages_max| {
        let view = View {
            since_us,
            messages_max,
            ..View::default()
        };
        disk.plan(Plan::Calm);
        let session = store.open_view(DROP, &view).unwrap();
        let calls = disk.calls();
        assert_eq!(disk.syncs(), 0);
        (session.listing().len(), calls)
    };
    let (all, opening) = cost(None, None);
    assert_eq!(all, 40);
    assert_eq!(cost(None, Some(3)), (3, opening));
    // And one look at the length of the file.
    assert_eq!(cost(Some(0), Some(3)), (3, opening + 1 + 3));
    assert_eq!(cost(Some(0), None), (40, opening + 1 + 40));
    let (none, calls) = cost(Some(i64::MAX), None);
    // It held nothing, so it unlocks sooner; older ones are looked at, as few as 1000.
    assert_eq!(none, 0);
    assert!(calls <= opening + 1 + 40 + 2, "{calls}");
}

/// A refused record was cut off, but the cut could not be synced. It is, before anything is shown.
#[test]
fn a_cut_that_could_not_be_synced_is_synced_later() {
    for n in 0..16 {
        let disk = SimDisk::default();
        let store = Arc::new(Store::new(Arc::new(disk.clone())));
        let first = deliver(&store, &body("first", 100)).unwrap();
        let session = store.open(DROP).unwrap();
        let mut deletions = Deletions::default();
        deletions.mark(MessageNumber::from_index(0).unwrap());
        // The record reaches the disk although its sync fails; the cut does not.
        disk.plan(Plan::SyncsFail(n));
        let committed = session.commit(&deletions).is_ok();
        disk.plan(Plan::Calm);
        let found = retrieve(&store).unwrap();
        let ids: Vec<_> = found.iter().map(|(id, _)| id.clone()).collect();
        let expected = if committed { vec![] } else { vec![first] };
        assert_eq!(ids, expected, "{n}");
        // What was shown is so after a power cut, too.
        let later = Arc::new(Store::new(Arc::new(disk.reboot(Loss::Everything))));
        assert!(retrieve(&later).unwrap() == found, "{n}");
    }
}

/// A refused record that could not be cut is cut later. Not if another process has cut it meanwhile,
/// and by chance its own records end where that one ended.
#[test]
fn what_another_process_put_in_the_place_of_a_refused_record_stays() {
    let text = |octets| format!("Subject: x\r\n\r\n{:x<octets$}\r\n", "").into_bytes();
    let path = Store::<SimDisk>::path_of(DROP);
    let mut same = 0;
    // From the writing of the record on, everything fails; or from its sync on.
    for n in 0..30 {
        for octets in 300..400 {
            let disk = SimDisk::default();
            let ours = Arc::new(Store::new(Arc::new(disk.clone())));
            let theirs = Arc::new(Store::new(Arc::new(disk.clone())));
            deliver(&ours, &text(10)).unwrap();
            disk.plan(Plan::FailFrom(n, io::ErrorKind::Other));
            if deliver(&ours, &text(400)).is_ok() {
                break;
            }
            disk.plan(Plan::Calm);
            let len = disk.octets(&path).unwrap().len();
            let id = deliver(&theirs, &text(octets)).unwrap();
            same += usize::from(disk.octets(&path).unwrap().len() == len);
            let held = retrieve(&ours).unwrap();
            assert!(
                held.iter().any(|(found, _)| *found == id),
                "acknowledged and lost, from call {n} on, {octets} octets"
            );
        }
    }
    assert!(same > 0, "no two files had the same length");
}

/// A refused record that could not be cut is shown by another process, and cut later. Its name is
/// known to that one's clients: no other message may have it, whoever asks for it.
#[test]
fn the_name_of_a_refused_record_that_was_shown_is_used_up() {
    let name = "name-from-elsewhere";
    let mut shown = 0;
    for n in 0..30 {
        let disk = SimDisk::default();
        let ours = Arc::new(Store::new(Arc::new(disk.clone())));
        let theirs = Arc::new(Store::new(Arc::new(disk.clone())));
        deliver(&ours, &body("first", 100)).unwrap();
        // The record reaches the disk although its sync fails.
        disk.plan(Plan::FailFromLate(n, io::ErrorKind::Other));
        if deliver_as(&ours, &body("refused", 900), Some(name)).is_ok() {
            break;
        }
        disk.plan(Plan::Calm);
        let found = retrieve(&theirs).unwrap();
        if !found.iter().any(|(id, _)| id == name.as_bytes()) {
            continue;
        }
        shown += 1;
        // The one that refused it takes it off the file.
        assert_eq!(retrieve(&ours).unwrap().len(), 1, "from call {n} on");
        let third = deliver_as(&ours, &body("third", 100), Some(name)).unwrap();
        assert_ne!(third, name.as_bytes(), "from call {n} on");
        let later = Arc::new(Store::new(Arc::new(disk.reboot(Loss::Everything))));
        let fourth = deliver_as(&later, &body("fourth", 100), Some(name)).unwrap();
        assert_ne!(fourth, name.as_bytes(), "from call {n} on");
    }
    assert!(shown > 0, "no other process showed a refused record");
}
