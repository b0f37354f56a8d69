//! The power goes, the process dies, or a call fails, at every call of the disk: no message that was
//! acknowledged is lost, none is there twice, none is torn, and deletions happen all or not at all.

use std::collections::BTreeSet;
use std::io;

use maildrop::{OpenError, View};
use restante_tests::media::{Loss, Plan, SimDisk};

use crate::site::{DROP, Message, NAME, deliver, foreign, marks, retrieve, site, text};

/// What was promised so far.
#[derive(Clone, Default)]
struct Model {
    /// Acknowledged and not deleted.
    kept: Vec<Message>,
    /// A text whose delivery was not answered.
    maybe_delivered: Option<Vec<u8>>,
    /// Unique-ids whose deletion was not answered: all or none.
    maybe_deleted: BTreeSet<Vec<u8>>,
}

fn body(name: &str, octets: usize) -> Vec<u8> {
    let mut text =
        format!("Subject: {name}\r\n\r\nFrom here\r\n>From there\r\n\r\n..\r\n").into_bytes();
    while text.len() < octets {
        let left = "x".repeat((octets - text.len()).min(990));
        text.extend_from_slice(format!("{name} {} {left}\r\n", text.len()).as_bytes());
    }
    text
}

#[derive(Clone, Copy)]
enum Step {
    Deliver(&'static str, usize),
    /// Positions in the listing.
    Delete(&'static [usize]),
    /// Another program delivers.
    Foreign(&'static str),
}

const SCRIPT: &[Step] = &[
    Step::Deliver("first", 100),
    Step::Deliver("second", 900),
    Step::Deliver("pieces", 66_000),
    Step::Deliver("fourth", 3000),
    Step::Foreign("from elsewhere"),
    // Something moves by less than it is long, and by more.
    Step::Delete(&[0]),
    Step::Deliver("fifth", 700),
    Step::Delete(&[1, 3]),
    // The end goes, then all.
    Step::Delete(&[2]),
    Step::Foreign("once more"),
    Step::Delete(&[0, 1, 2]),
    Step::Deliver("second life", 5000),
    Step::Deliver("and more", 2000),
    Step::Deliver("end", 100),
    Step::Delete(&[0, 2]),
];

/// Runs the script until something fails, and keeps account of what was promised. With `go_on`, a failed
/// step is an answered one, and the script goes on.
fn run(disk: &SimDisk, model: &mut Model, go_on: bool) {
    let site = site(disk);
    for step in SCRIPT {
        let ok = match *step {
            Step::Deliver(name, octets) => {
                let text = body(name, octets);
                match deliver(&site, &text) {
                    Ok(delivered) => {
                        let id = delivered.unique_id.as_bytes().to_vec();
                        model.kept.push((id, text));
                        true
                    }
                    Err(_) => {
                        model.maybe_delivered = Some(text);
                        false
                    }
                }
            }
            Step::Foreign(name) => {
                // Its own crashes are not ours, so it has none.
                if disk.octets(NAME).is_some() {
                    let text = format!("Subject: {name}\r\n\r\n{name}\r\n");
                    foreign(disk, &text);
                    model.kept.push((Vec::new(), text.into_bytes()));
                }
                true
            }
            Step::Delete(positions) => delete(disk, model, positions),
        };
        match (ok, go_on) {
            (false, false) => return,
            (false, true) => {
                // Answered with a refusal: nothing of it may be there.
                model.maybe_delivered = None;
                model.maybe_deleted.clear();
            }
            _ => {}
        }
    }
}

fn delete(disk: &SimDisk, model: &mut Model, positions: &[usize]) -> bool {
    let Ok(session) = site(disk).open(DROP, &View::default()) else {
        return false;
    };
    let listing = session.listing();
    let mut ids = BTreeSet::new();
    for number in 0..listing.len() {
        let id = listing.unique_id(pop3::MessageNumber::from_index(number).unwrap());
        let id = id.unwrap().to_vec();
        // What another program delivered has its name from us.
        if let Some(kept) = model.kept.get_mut(number)
            && kept.0.is_empty()
        {
            kept.0.clone_from(&id);
        }
        if positions.contains(&number) {
            ids.insert(id);
        }
    }
    let there: Vec<_> = positions
        .iter()
        .copied()
        .filter(|it| *it < listing.len())
        .collect();
    match session.commit(&marks(&there)) {
        Ok(left) => {
            assert_eq!(left, listing.len() - there.len());
            model.kept.retain(|(id, _)| !ids.contains(id));
            true
        }
        Err(_) => {
            model.maybe_deleted = ids;
            false
        }
    }
}

/// Whether what is there is what was promised.
fn judge(disk: &SimDisk, model: &Model, what: &str) {
    let found = retrieve(&site(disk)).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    is_promised(&found, model, &[], what);
    // And life goes on.
    let site = site(disk);
    deliver(&site, &body("afterwards", 300)).unwrap();
    let again = retrieve(&site).unwrap();
    assert_eq!(again.len(), found.len() + 1, "{what}");
    assert!(again[..found.len()] == found[..], "{what}");
    let session = site.open(DROP, &View::default()).unwrap();
    session.commit(&marks(&[0])).unwrap();
    assert!(retrieve(&site).unwrap()[..] == again[1..], "{what}");
}

/// `later`: what came after the crash.
fn is_promised(found: &[Message], model: &Model, later: &[Vec<u8>], what: &str) {
    let mut expected = model.kept.clone();
    let is_there = |id: &Vec<u8>| found.iter().any(|(it, _)| it == id);
    if !model.maybe_deleted.is_empty() && !model.maybe_deleted.iter().any(is_there) {
        expected.retain(|(id, _)| !model.maybe_deleted.contains(id));
    }
    let mut found = found.iter();
    let is_torn = model.maybe_delivered.is_some() && !later.is_empty();
    for (place, (id, text)) in expected.iter().enumerate() {
        let (found_id, found_text) = found.next().unwrap_or_else(|| panic!("{what}: lost"));
        if is_torn && place + 1 == expected.len() && found_text.starts_with(text) {
            // Not even the postmark of what came after it is whole.
            continue;
        }
        assert!(found_text == text, "{what}: not the text");
        assert!(id.is_empty() || id == found_id, "{what}: not the unique-id");
    }
    let mut rest: Vec<_> = found.map(|(_, text)| text.clone()).collect();
    if rest.len() > later.len()
        && let Some(maybe) = &model.maybe_delivered
    {
        let first = rest.remove(0);
        // Behind a torn message that nobody was told of, others may have written before we came.
        let is_torn = !later.is_empty();
        assert!(
            first == *maybe || is_torn,
            "{what}: a text that nobody sent"
        );
    }
    assert!(rest == later, "{what}: more than was promised");
}

/// A disk with what has happened to it, as far as the plan lets it.
fn lived(plan: Plan) -> (SimDisk, Model) {
    let disk = SimDisk::default();
    disk.plan(plan);
    let mut model = Model::default();
    run(&disk, &mut model, false);
    (disk, model)
}

/// What each process leaves that dies while it brings a disk into order, by the call at which it dies.
fn interrupted(disk: &SimDisk) -> impl Iterator<Item = (u64, SimDisk)> {
    (0..).map_while(|m| {
        let again = disk.copy();
        again.plan(Plan::Crash(m));
        retrieve(&site(&again)).is_err().then(|| {
            again.kill();
            (m, again)
        })
    })
}

fn calls() -> u64 {
    let (disk, model) = lived(Plan::Calm);
    assert_eq!(model.kept.len(), 1);
    judge(&disk, &model, "no crash");
    disk.calls()
}

#[test]
fn power_cut_at_every_call() {
    let losses: Vec<_> = [Loss::Everything, Loss::Nothing]
        .into_iter()
        .chain((0..6).map(Loss::Some))
        .collect();
    for n in 0..calls() {
        let (disk, model) = lived(Plan::Crash(n));
        for &loss in &losses {
            let loss = match loss {
                Loss::Some(seed) => Loss::Some(seed * 1_000_003 + n),
                other => other,
            };
            judge(&disk.reboot(loss), &model, &format!("call {n}, {loss:?}"));
        }
    }
}

/// The process dies, and another one comes; or it dies while it brings things into order, and yet another
/// one comes; or the power goes then.
#[test]
fn kill_at_every_call_and_at_every_call_of_the_recovery() {
    for n in 0..calls() {
        let (disk, model) = lived(Plan::Crash(n));
        disk.kill();
        judge(&disk.copy(), &model, &format!("kill {n}"));
        if disk
            .octets(".mrose.restante")
            .is_none_or(|octets| octets.len() <= 8)
        {
            continue;
        }
        for (m, again) in interrupted(&disk) {
            if m % 3 == n % 3 {
                judge(&again.copy(), &model, &format!("kill {n}, then {m}"));
                let loss = Loss::Some(n * 1000 + m);
                judge(
                    &again.reboot(loss),
                    &model,
                    &format!("kill {n}, then {m}, {loss:?}"),
                );
            }
        }
    }
}

/// The process dies when only the cut was left to do, and the power goes while that is taken back: some of
/// what was written then is on the disk, and some is not.
#[test]
fn power_cut_while_a_deletion_is_taken_back() {
    let is_marked = |octets: Vec<u8>| octets.get(8..16) == Some(&1_u64.to_le_bytes()[..]);
    let mut tried = 0;
    for n in 0..calls() {
        let (disk, model) = lived(Plan::Crash(n));
        disk.kill();
        if !disk.octets(".mrose.restante").is_some_and(is_marked) {
            continue;
        }
        for (m, again) in interrupted(&disk) {
            for seed in 0..8 {
                tried += 1;
                let loss = Loss::Some(seed * 1_000_003 + n * 1000 + m);
                let what = format!("kill {n}, then {m}, {loss:?}");
                judge(&again.reboot(loss), &model, &what);
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

/// Between the death and our coming back another program delivers.
#[test]
fn others_deliver_before_the_recovery() {
    for n in 0..calls() {
        for loss in [
            None,
            Some(Loss::Everything),
            Some(Loss::Some(n)),
            Some(Loss::Some(1_000_003 + n)),
        ] {
            let (disk, model) = lived(Plan::Crash(n));
            let disk = match loss {
                None => {
                    disk.kill();
                    disk
                }
                Some(loss) => disk.reboot(loss),
            };
            let Some(octets) = disk.octets(NAME) else {
                continue;
            };
            let later = "Subject: later\r\n\r\nlater\r\n";
            disk.rewrite(NAME, |octets| {
                // As procmail does, it makes sure that there is an empty line.
                if !octets.is_empty() && !octets.ends_with(b"\n\n") {
                    octets.extend_from_slice(b"\n\n");
                }
            });
            foreign(&disk, later);
            let what = format!("kill {n}, {loss:?}, {} octets", octets.len());
            let found = retrieve(&site(&disk)).unwrap_or_else(|error| panic!("{what}: {error:?}"));
            is_promised(&found, &model, &[later.into()], &what);
        }
    }
}

/// One call fails and is answered with a refusal: nothing of it is there, everything else is, at once and
/// after a power cut.
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

/// From one call on nothing can be written any more; when that is over, nothing that was promised is lost.
#[test]
fn nothing_works_from_every_call_on() {
    for n in 0..calls() {
        for plan in [
            Plan::FailFrom(n, io::ErrorKind::StorageFull),
            Plan::FailFromLate(n, io::ErrorKind::Other),
        ] {
            let disk = SimDisk::default();
            disk.plan(plan);
            let mut model = Model::default();
            run(&disk, &mut model, false);
            disk.plan(Plan::Calm);
            judge(&disk, &model, &format!("{plan:?}"));
        }
    }
}

/// Another program, which does not know of our journal, has written the file anew while a deletion of ours
/// was half done: nothing is guessed.
#[test]
fn a_file_that_others_wrote_anew_is_not_touched() {
    let mut refused = 0;
    for n in 0..calls() {
        let disk = SimDisk::default();
        disk.plan(Plan::Crash(n));
        run(&disk, &mut Model::default(), false);
        disk.kill();
        if disk.octets(NAME).is_none_or(|octets| octets.len() < 5000) {
            continue;
        }
        disk.rewrite(NAME, |octets| {
            let len = octets.len();
            octets[len / 2..].fill(b'x');
        });
        let before = disk.octets(NAME);
        match site(&disk).open(DROP, &View::default()) {
            Err(OpenError::Damaged(what)) => {
                assert!(what.contains("half done"), "{what}");
                assert!(deliver(&site(&disk), &body("refused", 100)).is_err());
                assert_eq!(disk.octets(NAME), before);
                refused += 1;
            }
            other => drop(other.unwrap()),
        }
    }
    assert!(refused > 5, "{refused}");
}

/// A text of the session is what it was, or an error, whatever others do meanwhile.
#[test]
fn what_was_changed_meanwhile_is_not_shown() {
    let disk = SimDisk::default();
    let ours = site(&disk);
    deliver(&ours, &body("first", 100)).unwrap();
    deliver(&ours, &body("second", 900)).unwrap();
    let session = ours.open(DROP, &View::default()).unwrap();
    foreign(&disk, "Subject: third\r\n\r\n");
    assert_eq!(
        text(&session, 1, pop3::Part::Whole).unwrap(),
        body("second", 900)
    );
    disk.rewrite(NAME, |octets| {
        octets.drain(..20);
    });
    assert!(text(&session, 1, pop3::Part::Whole).is_err());
    let before = disk.octets(NAME);
    assert!(session.commit(&marks(&[0])).is_err());
    assert_eq!(disk.octets(NAME), before);
}
