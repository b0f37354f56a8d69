//! What the calls of an operation meet, and who overtakes it when.

use std::io;

use restante_tests::media::{Call, Conductor, Fate, Loss, Part};
use restante_tests::random::Random;

use super::{Figures, World, own};

/// The state of the conductor.
#[derive(Default)]
pub(super) struct Now {
    pub(super) frames: Vec<Frame>,
    /// Nothing happens to anybody.
    pub(super) calm: bool,
    pub(super) window: Option<Window>,
    pub(super) figures: Figures,
    pub(super) trace: Option<Vec<String>>,
}

/// An operation that is under way.
pub(super) struct Frame {
    pub(super) process: usize,
    random: Random,
    due: Vec<Due>,
    pub(super) faults: u32,
    pub(super) waited: bool,
    pub(super) overtaken: bool,
}

/// What is to happen, after so many more calls.
struct Due {
    after: usize,
    only_changes: bool,
    act: Act,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Meet(Fate),
    /// From here on, calls of everybody fail for a while.
    Open(Window),
    /// Other processes go on first.
    Overtake,
}

/// A time in which calls fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    kind: io::ErrorKind,
    loss: Loss,
    left: usize,
    /// Calls that only look fail, too.
    looks: bool,
}

impl Frame {
    pub(super) fn new(process: usize, depth: usize, calm: bool, random: &mut Random) -> Self {
        Self {
            process,
            random: random.fork(1),
            due: match calm {
                true => Vec::new(),
                false => Due::some(random, depth),
            },
            faults: 0,
            waited: false,
            overtaken: false,
        }
    }
}

impl Due {
    fn some(random: &mut Random, depth: usize) -> Vec<Self> {
        let count = match depth {
            0 => random.pick(&[0, 0, 0, 0, 1, 1, 1, 1, 2, 3]),
            1 => random.pick(&[0, 0, 0, 1]),
            _ => random.pick(&[0, 0, 0, 0, 0, 0, 0, 1]),
        };
        (0..count).map(|_| Self::one(random)).collect()
    }

    fn one(random: &mut Random) -> Self {
        let (after, only_changes) = match random.below(4) {
            0 => (random.below(12), false),
            1 => (random.below(50), false),
            _ => (random.below(7), true),
        };
        Self {
            after,
            only_changes,
            act: Act::one(random),
        }
    }
}

fn loss(random: &mut Random) -> Loss {
    match random.below(5) {
        0 => Loss::Everything,
        1 => Loss::Nothing,
        _ => Loss::Some(random.number()),
    }
}

impl Act {
    fn one(random: &mut Random) -> Self {
        let kinds = [
            io::ErrorKind::Other,
            io::ErrorKind::Other,
            io::ErrorKind::StorageFull,
            io::ErrorKind::QuotaExceeded,
        ];
        match random.below(20) {
            0..8 => Self::Overtake,
            8..12 => Self::Meet(Fate::Fail(random.pick(&kinds), loss(random))),
            12 => Self::Meet(Fate::Half),
            13..16 => Self::Meet(Fate::Die(random.pick(&[
                Part::None,
                Part::Half,
                Part::Unsynced,
                Part::Whole,
            ]))),
            16..18 => Self::Meet(Fate::Cut(loss(random))),
            _ => Self::Open(Window {
                kind: random.pick(&kinds),
                loss: loss(random),
                left: 1 + random.below(16),
                looks: random.once_in(3),
            }),
        }
    }
}

impl Window {
    fn fails(&self, call: Call) -> bool {
        match self.kind {
            io::ErrorKind::Other => self.looks || call.changes(),
            _ => call.needs_space(),
        }
    }
}

impl Now {
    /// What the call of the running operation meets by itself.
    fn act(&mut self, call: Call) -> Option<Act> {
        let frame = self.frames.last_mut().filter(|_| !self.calm)?;
        for due in &mut frame.due {
            if call.changes() || !due.only_changes {
                due.after = due.after.wrapping_sub(1);
            }
        }
        let place = frame
            .due
            .iter()
            .position(|due| due.after > usize::MAX / 2)?;
        Some(frame.due.swap_remove(place).act)
    }

    /// What comes of a fate that is due.
    fn meet(&mut self, fate: Fate, call: Call) -> Fate {
        let fate = match fate {
            // Only writes can be done by half, and only what needs space can be short of it.
            Fate::Half if call == Call::Write => Fate::Half,
            Fate::Half => Fate::Go,
            Fate::Fail(io::ErrorKind::Other, loss) => Fate::Fail(io::ErrorKind::Other, loss),
            Fate::Fail(..) if !call.needs_space() => Fate::Go,
            other => other,
        };
        let figures = &mut self.figures;
        match fate {
            Fate::Go => {}
            Fate::Fail(..) | Fate::Half => {
                figures.failures += 1;
                if let Some(frame) = self.frames.last_mut() {
                    frame.faults += 1;
                }
            }
            Fate::Die(_) => figures.kills += 1,
            Fate::Cut(_) => figures.cuts += 1,
        }
        fate
    }
}

impl Conductor for World {
    fn before(&self, number: u32, call: Call) -> Fate {
        let mut now = own(&self.now);
        match call {
            Call::Rename => now.figures.replaced += 1,
            Call::Punch => now.figures.holes += 1,
            _ => {}
        }
        let act = now.act(call);
        let fate = match act {
            Some(Act::Overtake) => {
                now.figures.overtaken += 1;
                let random = now
                    .frames
                    .last_mut()
                    .map(|it| it.random.fork(it.random.clone().number()));
                drop(now);
                self.say(|| format!("-- overtaken at {call:?} by"));
                let mut random = random.unwrap_or_else(|| Random::new(0));
                for _ in 0..=random.below(2) {
                    self.step(&mut random);
                }
                if let Some(frame) = own(&self.now).frames.last_mut() {
                    frame.random = random;
                    frame.overtaken = true;
                }
                return Fate::Go;
            }
            Some(Act::Open(window)) => {
                now.window = Some(window);
                None
            }
            Some(Act::Meet(fate)) => Some(fate),
            None => None,
        };
        let calm = now.calm;
        let windowed = match &mut now.window {
            Some(window) if !calm && window.fails(call) && fate.is_none() => {
                window.left -= 1;
                let fate = Fate::Fail(window.kind, window.loss);
                if window.left == 0 {
                    now.window = None;
                }
                Some(fate)
            }
            _ => None,
        };
        let Some(fate) = fate.or(windowed) else {
            return Fate::Go;
        };
        let fate = now.meet(fate, call);
        drop(now);
        match fate {
            Fate::Cut(_) => self.model().cut(),
            Fate::Die(_) => self.model().died(number),
            _ => {}
        }
        self.say(|| format!("-- {call:?} meets {fate:?}"));
        fate
    }

    fn waits_in_vain(&self, _: u32) {
        let mut now = own(&self.now);
        if let Some(frame) = now.frames.last_mut() {
            frame.waited = true;
        }
        drop(now);
        self.say(|| "-- waits for a lock in vain".to_owned());
    }
}
