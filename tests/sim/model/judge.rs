//! The judge of a scan listing: nothing is lost, nothing is back, nothing is another's.

use std::collections::BTreeSet;

use super::{Listed, Message, Model, Number, Standing};

impl Model {
    /// Judges a listing of everything, hidden messages too, and learns from it: what was shown is there for good. Returns the messages
    /// in its order. The process that shows it is named if nothing happened while it looked. Without a
    /// file nothing is settled that nobody was told: whoever took the name of a first message back may
    /// have died before that was durable, and a power cut brings it back, whole.
    pub(crate) fn shown(
        &mut self,
        drop: usize,
        (process, has_file): (Option<u32>, bool),
        listing: &[Listed],
        mut text: impl FnMut(usize) -> Option<Vec<u8>>,
    ) -> Vec<Number> {
        let mut numbers = Vec::with_capacity(listing.len());
        let mut marks = vec![false; self.messages.len()];
        if !self.undeletions.is_empty() {
            let ids = &self.ids[drop];
            let listed = listing.iter().filter_map(|it| ids.get(&it.id).copied());
            let listed = listed.collect();
            self.settle_undeletions(drop, &listed);
        }
        for (position, listed) in listing.iter().enumerate() {
            let number = match self.ids[drop].get(&listed.id).copied() {
                Some(number) => number,
                None => self.recognise(drop, listed, text(position)),
            };
            let message = &self.messages[number];
            match message.standing {
                Standing::Kept => {}
                Standing::Deleted | Standing::Never if message.doubt.is_left() => {
                    self.messages[number].standing = Standing::Kept;
                }
                Standing::Deleted => panic!("P2: message {number} was deleted and is back"),
                other => panic!("P6: message {number} is shown, but {other:?}"),
            }
            let octets = self.messages[number].text.octets();
            assert_eq!(listed.octets, octets, "P3: octets of message {number}");
            assert!(
                !std::mem::replace(&mut marks[number], true),
                "P4: message {number} is listed twice"
            );
            numbers.push(number);
        }
        let excused = self.excused(drop, &marks);
        self.judge_refusals(drop, &marks, &excused);
        self.settle_deletions(drop, &marks, &excused);
        for (number, &is_listed) in marks.iter().enumerate() {
            let may_be_missing = self.may_be_missing(number, &excused);
            let message = &mut self.messages[number];
            if message.drop != drop || is_listed {
                continue;
            }
            match message.standing {
                // Nothing of it was shown, so nothing of it ever will be.
                Standing::Open if has_file => message.standing = Standing::Never,
                Standing::Kept if may_be_missing => message.standing = Standing::Deleted,
                Standing::Kept
                    if !self
                        .deletions
                        .values()
                        .any(|it| it.numbers.contains(&number)) =>
                {
                    panic!("P1: message {number} is lost")
                }
                _ => {}
            }
        }
        let flags = listing.iter().map(|listed| listed.is_hidden);
        let told: Vec<_> = numbers.iter().copied().zip(flags).collect();
        self.shown_hidden(drop, process, &told);
        if let Some(process) = process {
            self.settle_doubts(drop, process);
        }
        numbers
    }

    /// A message that nobody saw before: one whose delivery was not answered.
    fn recognise(&mut self, drop: usize, listed: &Listed, text: Option<Vec<u8>>) -> Number {
        let doubted = self.doubted[drop];
        let same = |it: &Message| {
            it.drop == drop
                && match &text {
                    Some(text) => it.text.whole == *text,
                    // Two refusals that could not be undone, one upon the other, and a power cut: it
                    // is told as damaged (docs/format.md, Recovery).
                    None => doubted && it.text.octets() == listed.octets,
                }
        };
        let may_be = |it: &Message| {
            matches!(it.standing, Standing::InFlight | Standing::Open)
                || it.doubt.is_left() && it.standing == Standing::Never
        };
        // Two that are empty are told apart by their unique-ids.
        let fits = |it: &Message| it.wanted.as_ref().is_none_or(|wanted| *wanted == listed.id);
        let messages = || self.messages.iter();
        let found = messages()
            .position(|it| same(it) && may_be(it) && fits(it))
            .or_else(|| messages().position(|it| same(it) && may_be(it)));
        let Some(number) = found else {
            match self.messages.iter().position(same) {
                Some(other) => panic!(
                    "P6: message {other} is shown, which is {:?}, as another one",
                    self.messages[other].standing
                ),
                None => panic!("P3: a text that nobody delivered: {text:?}"),
            }
        };
        self.check_wanted(number, &listed.id);
        self.name(number, listed.id.clone());
        let message = &mut self.messages[number];
        message.standing = Standing::Kept;
        message.spoilt = text.is_none();
        self.may_expire(number);
        number
    }

    fn settle_deletions(&mut self, drop: usize, shown: &[bool], excused: &BTreeSet<Number>) {
        let mut gone = BTreeSet::new();
        let mut done = BTreeSet::new();
        let messages = &self.messages;
        let is_excused = |number: &Number| {
            shown[*number]
                || excused.contains(number)
                || messages[*number].standing != Standing::Kept
        };
        self.deletions.retain(|_, deletion| {
            if deletion.drop != drop {
                return true;
            }
            let there = deletion.numbers.iter().filter(|&&number| shown[number]);
            match there.count() {
                0 => {
                    gone.extend(deletion.numbers.iter().copied());
                    if !deletion.refused {
                        done.extend(deletion.numbers.iter().copied());
                    }
                    false
                }
                count if count == deletion.numbers.len() => deletion.in_flight,
                // An earlier refusal that could not be undone may have taken some of it, too.
                _ if deletion.some || deletion.numbers.iter().all(is_excused) => {
                    let not_there = deletion.numbers.iter().filter(|&&number| !shown[number]);
                    gone.extend(not_there.copied());
                    deletion.in_flight
                }
                count => panic!(
                    "P2: half a commit: {count} of {:?} are still there",
                    deletion
                        .numbers
                        .iter()
                        .map(|&it| (it, messages[it].standing))
                        .collect::<Vec<_>>()
                ),
            }
        });
        self.no_longer_whole(&done);
        for number in gone {
            self.messages[number].standing = Standing::Deleted;
        }
    }
}
