//! What was promised to whom, and the judge of what is shown.
//!
//! A promise that is broken is a panic; its text begins with the promise (P1 to P6 are those of
//! `docs/reliability.md`).

mod deletions;
mod doubt;
mod hidings;
mod judge;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use maildrop::Delivered;

use crate::text::Text;
use doubt::Doubt;
use hidings::Hidings;
pub(crate) use hidings::Veil;

/// Position of a message in [`Model::messages`], in the order in which deliveries were tried.
pub(crate) type Number = usize;

/// What is known of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// Its delivery is under way.
    InFlight,
    /// Its delivery was never answered, or the refusal could not be finished: it may be there.
    Open,
    /// It is there: acknowledged, or shown.
    Kept,
    /// It was refused, or found not to be there.
    Never,
    /// Its deletion was acknowledged, or shown.
    Deleted,
}

struct Message {
    drop: usize,
    text: Arc<Text>,
    wanted: Option<Vec<u8>>,
    standing: Standing,
    /// The process that delivers it.
    process: u32,
    id: Option<Vec<u8>>,
    /// What was done to it was refused and could not be undone at once.
    doubt: Doubt,
    /// Its sender was told yes.
    acknowledged: bool,
    /// It was never whole, and is told as damaged.
    spoilt: bool,
}

/// How much of something that was refused may be there all the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing.
    Undone,
    /// All of it, until somebody looks.
    Open,
}

/// A commit without an answer: all or none.
struct Deletion {
    drop: usize,
    numbers: BTreeSet<Number>,
    process: u32,
    in_flight: bool,
    /// It took what was there at a moment that nobody knows: some or none.
    some: bool,
    /// It was refused, and could not be undone at once.
    refused: bool,
}

/// An undeletion without an answer: all or none.
struct Undeletion {
    drop: usize,
    numbers: BTreeSet<Number>,
    process: u32,
    in_flight: bool,
    /// Others may have taken some of it away before: some or none.
    some: bool,
}

/// Everything that was promised in one life.
pub(crate) struct Model {
    messages: Vec<Message>,
    /// By maildrop, every unique-id that anybody ever saw, and of which message.
    ids: Vec<HashMap<Vec<u8>, Number>>,
    deletions: HashMap<usize, Deletion>,
    undeletions: HashMap<usize, Undeletion>,
    /// By maildrop, what sessions do not see.
    hidings: Vec<Hidings>,
    next_deletion: usize,
    /// Maildrops where a refusal could not be undone: what is left of it may be told as damage.
    doubted: Vec<bool>,
    /// What was refused and could not be undone at once: each is there as a whole or not at all.
    refusals: Vec<(usize, BTreeSet<Number>)>,
    uids: Vec<u64>,
    /// Processes that hold a session with messages.
    holders: Vec<Option<u32>>,
    pub(crate) delivered: u64,
    pub(crate) judged: u64,
    /// Acknowledged hidings, and showings of what was hidden.
    pub(crate) veils: u64,
}

/// One line of a scan listing.
pub(crate) struct Listed {
    pub(crate) id: Vec<u8>,
    pub(crate) octets: u64,
    pub(crate) is_hidden: bool,
}

impl Model {
    pub(crate) fn new(drops: usize) -> Self {
        Self {
            messages: Vec::new(),
            ids: vec![HashMap::new(); drops],
            deletions: HashMap::new(),
            undeletions: HashMap::new(),
            hidings: (0..drops).map(|_| Hidings::default()).collect(),
            next_deletion: 0,
            doubted: vec![false; drops],
            refusals: Vec::new(),
            uids: vec![0; drops],
            holders: vec![None; drops],
            delivered: 0,
            judged: 0,
            veils: 0,
        }
    }

    /// A message that was acknowledged before this life.
    pub(crate) fn inherited(&mut self, drop: usize, text: &Arc<Text>, delivered: &Delivered) {
        let number = self.deliver(0, drop, Arc::clone(text), None);
        self.acknowledged(number, delivered);
        self.delivered = 0;
    }

    pub(crate) fn next_number(&self) -> Number {
        self.messages.len()
    }

    pub(crate) fn text(&self, number: Number) -> Arc<Text> {
        Arc::clone(&self.messages[number].text)
    }

    /// A delivery begins.
    pub(crate) fn deliver(
        &mut self,
        process: u32,
        drop: usize,
        text: Arc<Text>,
        wanted: Option<Vec<u8>>,
    ) -> Number {
        self.messages.push(Message {
            drop,
            text,
            wanted,
            standing: Standing::InFlight,
            process,
            id: None,
            doubt: Doubt::default(),
            acknowledged: false,
            spoilt: false,
        });
        self.messages.len() - 1
    }

    pub(crate) fn acknowledged(&mut self, number: Number, delivered: &Delivered) {
        let message = &self.messages[number];
        let (drop, before) = (message.drop, message.standing);
        let id = delivered.unique_id.as_bytes().to_vec();
        assert_eq!(
            delivered.octets.0,
            message.text.octets(),
            "P3: octets that were acknowledged"
        );
        assert!(
            delivered.uid > self.uids[drop],
            "P4: uid {} after {}",
            delivered.uid,
            self.uids[drop]
        );
        self.uids[drop] = delivered.uid;
        self.check_wanted(number, &id);
        if before == Standing::Kept {
            assert_eq!(
                self.messages[number].id.as_ref(),
                Some(&id),
                "P4: another unique-id was shown than was acknowledged"
            );
        } else {
            self.name(number, id);
        }
        self.messages[number].standing = Standing::Kept;
        self.messages[number].acknowledged = true;
        self.may_expire(number);
        self.delivered += 1;
    }

    /// A unique-id from elsewhere is kept if it is free.
    fn check_wanted(&self, number: Number, id: &[u8]) {
        let message = &self.messages[number];
        let Some(wanted) = &message.wanted else {
            return;
        };
        let free = !self.ids[message.drop].contains_key(wanted)
            && !is_like_ours(wanted)
            && !self.messages[..number]
                .iter()
                .any(|it| it.drop == message.drop && it.wanted.as_ref() == Some(wanted));
        assert!(
            !free || id == wanted,
            "a unique-id from elsewhere was free and was not kept"
        );
    }

    fn name(&mut self, number: Number, id: Vec<u8>) {
        let drop = self.messages[number].drop;
        if let Some(&other) = self.ids[drop].get(&id)
            && other != number
        {
            panic!(
                "P4: the unique-id of message {other} ({:?}) is used again for message {number}",
                self.messages[other].standing
            );
        }
        self.ids[drop].insert(id.clone(), number);
        self.messages[number].id = Some(id);
    }

    /// A delivery was refused. If two things failed, it may be there all the same.
    pub(crate) fn refused(&mut self, number: Number, outcome: Outcome) {
        if outcome == Outcome::Open {
            let process = self.messages[number].process;
            self.doubt(process, BTreeSet::from([number]));
        }
        let message = &mut self.messages[number];
        match (message.standing, outcome) {
            (Standing::InFlight, Outcome::Undone) => message.standing = Standing::Never,
            (Standing::InFlight, Outcome::Open) => message.standing = Standing::Open,
            (standing, Outcome::Undone) => {
                panic!("P6: message {number} was refused, but is {standing:?}");
            }
            _ => {}
        }
    }

    pub(crate) fn unanswered(&mut self, number: Number) {
        let message = &mut self.messages[number];
        if message.standing == Standing::InFlight {
            message.standing = Standing::Open;
        }
    }

    /// A process died: nobody will hear how it went.
    pub(crate) fn died(&mut self, process: u32) {
        let messages = self.messages.iter_mut().filter(|it| it.process == process);
        for message in messages.filter(|it| it.standing == Standing::InFlight) {
            message.standing = Standing::Open;
        }
        let deletions = self.deletions.values_mut();
        deletions
            .filter(|it| it.process == process)
            .for_each(|it| it.in_flight = false);
        let undeletions = self.undeletions.values_mut();
        undeletions
            .filter(|it| it.process == process)
            .for_each(|it| it.in_flight = false);
        self.veils_unanswered(|it| it == process);
    }

    /// The power went: whoever had something left to undo is dead.
    pub(crate) fn cut(&mut self) {
        self.deletions
            .values_mut()
            .for_each(|it| it.in_flight = false);
        self.undeletions
            .values_mut()
            .for_each(|it| it.in_flight = false);
        for message in &mut self.messages {
            if message.standing == Standing::InFlight {
                message.standing = Standing::Open;
            }
            message.doubt.decide();
        }
        self.veils_unanswered(|_| true);
        (0..self.hidings.len()).for_each(|drop| self.decide_veils(drop));
    }

    /// A session with messages begins.
    pub(crate) fn hold(&mut self, drop: usize, process: u32, is_alive: impl Fn(u32) -> bool) {
        if let Some(holder) = self.holders[drop] {
            assert!(!is_alive(holder), "P5: two sessions of one maildrop");
        }
        self.holders[drop] = Some(process);
    }

    /// A session of that process ends.
    pub(crate) fn release(&mut self, drop: usize, process: u32) {
        self.holders[drop].take_if(|holder| *holder == process);
    }

    pub(crate) fn holder(&self, drop: usize) -> Option<u32> {
        self.holders[drop]
    }

    /// Whether everything about a maildrop is settled: messages and octets are these then.
    pub(crate) fn counters(&self, drop: usize) -> Option<(u64, u64)> {
        let (mut count, mut octets) = (0, 0);
        if self.deletions.values().any(|it| it.drop == drop)
            || self.undeletions.values().any(|it| it.drop == drop)
        {
            return None;
        }
        for message in self.messages.iter().filter(|it| it.drop == drop) {
            match message.standing {
                _ if message.doubt.is_left() => return None,
                Standing::Kept => {
                    count += 1;
                    octets += message.text.octets();
                }
                Standing::InFlight | Standing::Open => return None,
                Standing::Never | Standing::Deleted => {}
            }
        }
        Some((count, octets))
    }

    /// The greatest uid that was acknowledged.
    pub(crate) fn uid(&self, drop: usize) -> u64 {
        self.uids[drop]
    }

    /// Some unique-id that was seen in a maildrop, in the order of messages.
    pub(crate) fn id(&self, drop: usize, choose: impl FnOnce(usize) -> usize) -> Option<Vec<u8>> {
        let ids: Vec<_> = self
            .messages
            .iter()
            .filter(|it| it.drop == drop)
            .filter_map(|it| it.id.as_ref())
            .collect();
        match ids.len() {
            0 => None,
            len => Some(ids[choose(len)].clone()),
        }
    }
}

/// Whether a unique-id from elsewhere imitates our own: only those have a dot there.
fn is_like_ours(id: &[u8]) -> bool {
    id.get(13) == Some(&b'.')
}
