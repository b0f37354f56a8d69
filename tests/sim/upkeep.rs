//! What the operator and the server's housekeeping do to maildrops.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use maildrop::Store;
use restante_tests::media::SimDisk;
use restante_tests::random::Random;

use crate::model::{Number, Outcome, Veil};
use crate::world::{HOLE_MIN, World};

impl World {
    /// A process's store, and its number.
    fn store(&self, process: usize) -> (Arc<Store<SimDisk>>, u32) {
        let this = self.process(process);
        (Arc::clone(&this.store), this.disk.number())
    }

    pub(crate) fn tidy(&self, process: usize, drop: usize, random: &mut Random) {
        self.say(|| format!("process {process}: tidy {drop}"));
        let store = Arc::clone(&self.process(process).store);
        let (result, after) = self.operation(process, random, || store.tidy(self.drops[drop]));
        if let Err(error) = result {
            after.excuses("tidying", &error);
        }
    }

    pub(crate) fn compact(&self, process: usize, drop: usize, random: &mut Random) {
        self.say(|| format!("process {process}: compact {drop}"));
        let store = Arc::clone(&self.process(process).store);
        let busy = self.holds(drop) || self.overtakes();
        let (result, after) = self.operation(process, random, || store.compact(self.drops[drop]));
        self.say(|| format!("    {result:?}"));
        match result {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && !after.died => {
                let busy = busy || after.overtaken || self.holds(drop);
                assert!(busy, "P5: in use, but nobody uses it");
            }
            Err(error)
                if error.kind() == io::ErrorKind::InvalidData && self.model().is_doubted(drop) => {}
            Err(error) => after.excuses("a compaction", &error),
            Ok(_) => {}
        }
    }

    /// Everything is too old, or nothing.
    pub(crate) fn expire(&self, process: usize, drop: usize, random: &mut Random) {
        let (store, number) = self.store(process);
        let before_us = random.pick(&[i64::MAX, i64::MAX, 0]);
        let busy = self.holds(drop) || self.overtakes();
        self.say(|| format!("process {process}: expire what is in {drop} from before {before_us}"));
        let expiry = match before_us {
            0 => None,
            _ => Some(self.model().expire(number, drop)),
        };
        let (result, after) = self.operation(process, random, || {
            store.expire(self.drops[drop], before_us)
        });
        self.say(|| format!("    {result:?}"));
        let holds = self.holds(drop);
        let mut model = self.model();
        let Some(expiry) = expiry else {
            if let Ok(expired) = result {
                assert_eq!(expired.messages, 0, "P2: an expiry of nothing");
            }
            return;
        };
        match result {
            _ if after.died => model.may_have_expired(expiry, drop),
            // Whoever is in the way is not disturbed.
            Ok(expired) if expired.messages == 0 && (busy || after.overtaken || holds) => {
                model.not_deleted(expiry, Outcome::Undone);
            }
            Ok(expired) => model.expired(expiry, drop, expired.messages),
            Err(error) => {
                after.excuses("an expiry", &error);
                if after.outcome() == Outcome::Open {
                    model.may_have_expired(expiry, drop);
                }
                model.not_deleted(expiry, after.outcome());
            }
        }
    }

    /// The operator brings back what can be.
    pub(crate) fn undelete(&self, process: usize, drop: usize, random: &mut Random) {
        self.say(|| format!("process {process}: undelete in {drop}"));
        let (store, this) = self.store(process);
        let (result, after) = self.operation(process, random, || store.deleted(self.drops[drop]));
        let deleted = match result {
            _ if after.died => return,
            Ok(deleted) => deleted,
            Err(error) => return after.excuses("a list of the deleted", &error),
        };
        let ids: Vec<_> = deleted
            .iter()
            .map(|it| it.unique_id.as_bytes().to_vec())
            .collect();
        let numbers = self.model().shown_deleted(drop, &ids);
        let veiled = deleted.iter().zip(&numbers);
        let veiled = veiled.filter_map(|(it, number)| Some(((*number)?, it.is_hidden)));
        self.model().told_hidden(drop, &veiled.collect::<Vec<_>>());
        let chosen: Vec<_> = deleted
            .iter()
            .zip(numbers)
            // What nobody ever saw is not asked for.
            .filter_map(|(it, number)| Some((it.uid, number?)))
            .filter(|_| random.once_in(2))
            .collect();
        let wanted: BTreeSet<_> = chosen.iter().map(|&(_, number)| number).collect();
        self.say(|| format!("    {} deleted, back: {wanted:?}", deleted.len()));
        let uids: Vec<_> = chosen.iter().map(|&(uid, _)| uid).collect();
        let overtakes = self.overtakes();
        let hollow = self.may_be_hollow(&wanted);
        let undeletion = self.model().undelete(this, drop, wanted.clone());
        let (result, after) =
            self.operation(process, random, || store.undelete(self.drops[drop], &uids));
        self.say(|| format!("    {result:?}"));
        let mut model = self.model();
        let others = after.overtaken || overtakes;
        let some = others || !hollow.is_empty();
        match result {
            _ if after.died => model.undeleted(undeletion, Err(Outcome::Open), some),
            Ok(back) => {
                let back = chosen.iter().filter(|(uid, _)| back.contains(uid));
                let back: BTreeSet<_> = back.map(|&(_, number)| number).collect();
                let missing = wanted.difference(&back).find(|it| !hollow.contains(it));
                assert!(others || missing.is_none(), "not brought back: {missing:?}");
                model.undeleted(undeletion, Ok(back), some);
            }
            Err(error) => {
                after.excuses("an undeletion", &error);
                if after.outcome() == Outcome::Open {
                    model.doubt_each(this, &wanted);
                }
                model.undeleted(undeletion, Err(after.outcome()), some);
            }
        }
    }

    /// The operator shows again what sessions have hidden.
    pub(crate) fn unhide(&self, process: usize, drop: usize, random: &mut Random) {
        self.say(|| format!("process {process}: show what is hidden in {drop}"));
        let (store, this) = self.store(process);
        let (result, after) = self.operation(process, random, || store.hidden(self.drops[drop]));
        let hidden = match result {
            _ if after.died => return,
            Ok(hidden) => hidden,
            Err(error) => return after.excuses("a list of the hidden", &error),
        };
        let ids = hidden.iter().map(|it| it.unique_id.as_bytes());
        let numbers = self.model().numbers(drop, ids);
        let known = |number: Option<Number>| number.expect("P3: hidden, but nobody ever saw it");
        let numbers: Vec<_> = numbers.into_iter().map(known).collect();
        let told: Vec<_> = numbers.iter().map(|&number| (number, true)).collect();
        self.model().told_hidden(drop, &told);
        let all = hidden.iter().map(|it| it.uid).zip(numbers);
        let chosen: Vec<_> = all.filter(|_| !random.once_in(3)).collect();
        let wanted: BTreeSet<_> = chosen.iter().map(|&(_, number)| number).collect();
        self.say(|| format!("    {} hidden, shown: {wanted:?}", hidden.len()));
        let uids: Vec<_> = chosen.iter().map(|&(uid, _)| uid).collect();
        let overtakes = self.overtakes();
        let change = self.model().veil(this, drop, Veil::Show, wanted.clone());
        let (result, after) =
            self.operation(process, random, || store.unhide(self.drops[drop], &uids));
        self.say(|| format!("    {result:?}"));
        let mut model = self.model();
        match result {
            // The model has heard of it.
            _ if after.died => {}
            Ok(shown) => {
                let shown = chosen.iter().filter(|(uid, _)| shown.contains(uid));
                let shown: BTreeSet<_> = shown.map(|&(_, number)| number).collect();
                // Others may have deleted it, or shown it before.
                let others = after.overtaken || overtakes;
                assert!(others || shown == wanted, "only these are shown: {shown:?}");
                model.veiled(drop, change, shown, !others);
            }
            Err(error) => {
                after.excuses("a showing", &error);
                model.not_veiled(drop, change, after.outcome());
            }
        }
    }

    /// Those of these whose bodies may have been given back, so that they stay deleted.
    fn may_be_hollow(&self, numbers: &BTreeSet<Number>) -> BTreeSet<Number> {
        if self.figures().holes == 0 || !self.forgets() {
            return BTreeSet::new();
        }
        let model = self.model();
        let is_large = |&number: &Number| model.text(number).whole.len() as u64 > HOLE_MIN;
        numbers.iter().copied().filter(is_large).collect()
    }

    /// The server sets room aside.
    pub(crate) fn reserve(&self, process: usize, random: &mut Random) {
        self.say(|| format!("process {process}: refill the reserve"));
        let store = Arc::clone(&self.process(process).store);
        let (result, after) = self.operation(process, random, || store.refill_reserve());
        if let Err(error) = result
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            after.excuses("the reserve", &error);
        }
    }

    pub(crate) fn summary(&self, process: usize, drop: usize, random: &mut Random) {
        self.say(|| format!("process {process}: summary of {drop}"));
        let store = Arc::clone(&self.process(process).store);
        let (result, after) = self.operation(process, random, || store.summary(self.drops[drop]));
        match result {
            Ok(summary) if !after.died && !self.overtakes() => {
                let model = self.model();
                if let Some(counters) = model.counters(drop) {
                    let found = (summary.messages, summary.octets);
                    assert_eq!(found, counters, "counters of maildrop {drop}");
                    let hidden = model.hidden_count(drop);
                    assert!(
                        hidden.is_none_or(|count| count == summary.hidden_messages),
                        "P2: {} hidden messages are counted, {hidden:?} are there",
                        summary.hidden_messages
                    );
                    assert!(summary.file_octets == 0 || summary.next_uid > model.uid(drop));
                }
            }
            Ok(_) => {}
            Err(error) => after.excuses("a summary", &error),
        }
    }

    pub(crate) fn verify(&self, process: usize, drop: usize, random: &mut Random) {
        self.say(|| format!("process {process}: verify {drop}"));
        let store = Arc::clone(&self.process(process).store);
        let (result, after) = self.operation(process, random, || {
            let ids = store.ids()?;
            let verified = store.verify(self.drops[drop], &mut |_| {})?;
            Ok::<_, io::Error>((ids, verified))
        });
        match result {
            Ok((ids, verified)) if !after.died && !after.overtaken && !self.overtakes() => {
                let counters = self.model().counters(drop);
                if let Some((count, _)) = counters {
                    assert!(count == 0 || ids.contains(&self.drops[drop]), "ids");
                    // A torn tail that nobody could cut yet is counted, and told.
                    let told = !verified.damages.is_empty();
                    assert!(
                        told || verified.messages == count,
                        "verify of maildrop {drop}"
                    );
                }
            }
            Ok(_) => {}
            Err(error) => after.excuses("a verification", &error),
        }
    }
}
