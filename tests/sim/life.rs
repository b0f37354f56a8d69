//! One life: from its seed to the last power cut, or to the first broken promise.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use maildrop::{Addressee, Delivered, Envelope, Hidden, MaildropId, Quota, Store, View};
use pop3::{MessageNumber, Part};
use restante_tests::media::{Loss, SimDisk};
use restante_tests::random::Random;

use crate::model::{Model, Number};
use crate::text::Text;
use crate::visits::read;
use crate::world::{Figures, Terms, World};

/// Two in one directory, one elsewhere.
const DROPS: [MaildropId; 3] = [
    MaildropId(0x00ff_0000_0000_0001),
    MaildropId(0x00ff_0000_0000_0002),
    MaildropId(0xabcd_0000_0000_0003),
];
/// Messages of a large maildrop: enough that it has a sidecar.
const LARGE: usize = 520;
/// Which dice say who hides.
const HIDES: u64 = 2;

/// Which life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plot {
    pub(crate) seed: u64,
    /// Steps that are left out.
    pub(crate) skip: BTreeSet<usize>,
    pub(crate) trace: bool,
}

/// What came of it.
pub(crate) struct Life {
    pub(crate) figures: Figures,
    pub(crate) delivered: u64,
    pub(crate) judged: u64,
    pub(crate) veils: u64,
    pub(crate) steps: usize,
    pub(crate) trace: Vec<String>,
    /// The promise that was broken.
    pub(crate) violation: Option<String>,
}

impl Plot {
    /// Lives it.
    pub(crate) fn live(&self) -> Life {
        let mut random = Random::new(self.seed);
        random.number();
        let drops = random.pick(&[1, 1, 2, 3]);
        // Dice of their own, so that nothing else of a life depends on who hides.
        let mut hides = random.fork(HIDES);
        let mut terms: Vec<_> = (0..drops)
            .map(|_| Terms {
                quota: quota(&mut random),
                hides_of_ten: hides.pick(&[0, 0, 3, 10]),
            })
            .collect();
        let mut model = Model::new(drops);
        let disk = match random.once_in(50) {
            true => {
                terms[0].quota = Quota::default();
                large(&mut model)
            }
            false => SimDisk::default(),
        };
        let processes = random.pick(&[2, 2, 3]);
        let most = random.pick(&[30, 30, 30, 30, 30, 30, 30, 100]);
        let steps = 5 + random.below(most);
        let world = World::new(
            disk,
            model,
            processes,
            &DROPS[..drops],
            terms,
            self.trace,
            &mut random,
        );
        let end = random.below(4);
        let lived = catch_unwind(AssertUnwindSafe(|| {
            for step in (0..steps).filter(|step| !self.skip.contains(step)) {
                // Dice of its own, so that leaving one out changes the others little.
                world.step(&mut random.fork(step as u64));
            }
            world.end(end, &mut random);
        }));
        let violation = lived.err().map(|panic| told(&*panic));
        let trace = world.take_trace();
        let (delivered, judged, veils) = {
            let model = world.model();
            (model.delivered, model.judged, model.veils)
        };
        Life {
            figures: world.figures(),
            delivered,
            judged,
            veils,
            steps,
            trace,
            violation,
        }
    }
}

fn quota(random: &mut Random) -> Quota {
    match random.below(8) {
        0 => Quota {
            messages: Some(3),
            octets: None,
        },
        1 => Quota {
            messages: None,
            octets: Some(5000),
        },
        _ => Quota::default(),
    }
}

/// A message that was there before, and what was said of it.
type Inherited = (Arc<Text>, Delivered);

/// A disk with a large maildrop, made once.
fn large(model: &mut Model) -> SimDisk {
    static LARGE_DISK: OnceLock<(SimDisk, Vec<Inherited>)> = OnceLock::new();
    let (disk, messages) = LARGE_DISK.get_or_init(|| {
        let disk = SimDisk::default();
        let store = Store::new(Arc::new(disk.clone()));
        let messages = (0..LARGE).map(|number| {
            let text = Arc::new(Text::short(number));
            let mut draft = store.draft();
            let to = Addressee::unlimited(DROPS[0], "mrose");
            let delivered = draft
                .append(text.text())
                .and_then(|()| store.deliver(&to, &draft, &text.measure, &Envelope::default()));
            (text, delivered.expect("nothing happens here"))
        });
        let messages = messages.collect();
        (disk, messages)
    });
    for (text, delivered) in messages {
        model.inherited(0, text, delivered);
    }
    disk.copy()
}

fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&it| it.to_owned()))
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

impl World {
    /// The last judgement: with what is there now, after a power cut that loses whatever it can,
    /// and after one more when life has gone on.
    fn end(&self, way: usize, random: &mut Random) {
        self.calm();
        match way {
            0 => self.say(|| "the end".to_owned()),
            1 => {
                self.say(|| "the end: all are killed".to_owned());
                for process in 0..self.processes() {
                    self.killed(process);
                }
            }
            2 => {
                let loss = Loss::Some(random.number());
                self.say(|| format!("the end: power cut, {loss:?}"));
                self.cut(loss);
            }
            _ => {
                self.say(|| "the end: power cut, everything is lost".to_owned());
                self.cut(Loss::Everything);
            }
        }
        let Some(process) = self.idle(random) else {
            return;
        };
        // Whoever lives may have sessions still.
        for other in 0..self.processes() {
            self.leave_all(other);
        }
        let mut before = Vec::new();
        for drop in 0..self.drops.len() {
            self.judge_all(process, drop);
            self.deliver(process, drop, random);
            let numbers = self.judge_all(process, drop);
            before.push((numbers, self.model().is_settled(drop)));
            let store = Arc::clone(&self.process(process).store);
            let verified = store.verify(self.drops[drop], &mut |_| {});
            let verified = verified.expect("the disk is calm");
            let told = &verified.damages[..];
            assert!(
                told.is_empty() || self.model().is_doubted(drop),
                "damages: {told:?}"
            );
        }
        self.say(|| "power cut, everything is lost".to_owned());
        self.cut(Loss::Everything);
        let Some(process) = self.idle(random) else {
            return;
        };
        for (drop, (before, settled)) in before.into_iter().enumerate() {
            let after = self.judge_all(process, drop);
            // Else the model has judged what is there now.
            assert!(
                !settled || after == before,
                "P1: it did not last: {before:?}, {after:?}"
            );
        }
    }

    /// Every octet of a maildrop: its messages, and whether they are hidden.
    fn judge_all(&self, process: usize, drop: usize) -> Vec<(Number, bool)> {
        let store = Arc::clone(&self.process(process).store);
        let judged = |hidden| {
            let view = View {
                hidden,
                ..View::default()
            };
            let session = store.open_view(self.drops[drop], &view);
            let session = session.unwrap_or_else(|error| {
                panic!("P1: nothing happens, but maildrop {drop} cannot be opened: {error:?}")
            });
            let numbers = self.judge((process, true), drop, &session, &view);
            (session, numbers)
        };
        let (_, seen) = judged(Hidden::LeftOut);
        let (session, numbers) = judged(Hidden::Shown);
        for (position, message) in numbers.iter().copied().enumerate() {
            let number = MessageNumber::from_index(position).expect("it is listed");
            let octets = read(&session, number, Part::Whole);
            let octets = match octets {
                Err(_) if self.model().may_be_unreadable(message) => continue,
                other => other.unwrap_or_else(|error| panic!("P3: message {message}: {error:?}")),
            };
            let mut model = self.model();
            model.judged += 1;
            let same = octets == model.text(message).whole;
            std::mem::drop(model);
            assert!(same, "P3: other octets of message {message}");
        }
        let is_hidden = |number| !seen.contains(number);
        let hidden = numbers.iter().map(is_hidden);
        numbers.iter().copied().zip(hidden).collect()
    }
}
