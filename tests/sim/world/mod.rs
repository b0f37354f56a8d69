//! Several processes on one disk, and who goes on when.
//!
//! One thread plays them all. While an operation of one process runs, each of its disk calls may
//! meet a fault, and before each call other processes may do whole operations of their own: so a
//! process can be overtaken between any two of its calls. What waits for a lock of a process that
//! was overtaken waits in vain, as if that one were stopped.

mod conductor;
mod figures;

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};
use std::time::Duration;

use maildrop::{MaildropId, NativeSettings, Pays, Store};
use restante_tests::media::{Conductor, Loss, SimDisk};
use restante_tests::random::Random;

use crate::model::{Model, Number, Outcome};
use conductor::{Frame, Now};
pub(crate) use figures::Figures;

/// The smallest hole.
pub(crate) const HOLE_MIN: u64 = 4096;

/// A process: its view of the disk, its store, and its sessions.
pub(crate) struct Process {
    pub(crate) disk: SimDisk,
    pub(crate) store: Arc<Store<SimDisk>>,
    pub(crate) visits: Vec<Visit>,
    /// How long it keeps what was deleted.
    grace: Duration,
}

/// A session that is open.
pub(crate) struct Visit {
    pub(crate) drop: usize,
    /// The number of its process.
    pub(crate) process: u32,
    pub(crate) session: maildrop::native::Session<SimDisk>,
    pub(crate) numbers: Vec<Number>,
}

/// What an account may, and what its deletions come to.
pub(crate) struct Terms {
    pub(crate) quota: maildrop::Quota,
    /// So many of ten sessions hide what they delete.
    pub(crate) hides_of_ten: usize,
}

/// The whole of one life.
pub(crate) struct World {
    me: Weak<Self>,
    pub(crate) disk: SimDisk,
    processes: Vec<Mutex<Process>>,
    model: Mutex<Model>,
    now: Mutex<Now>,
    /// Whether there ever was a process that keeps nothing of what was deleted.
    forgets: AtomicBool,
    pub(crate) drops: &'static [MaildropId],
    pub(crate) terms: Vec<Terms>,
}

/// How an operation ended, beside its result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct After {
    pub(crate) faults: u32,
    pub(crate) waited: bool,
    /// Others went on during it.
    pub(crate) overtaken: bool,
    pub(crate) died: bool,
}

impl After {
    /// A refusal must have a reason.
    pub(crate) fn excuses(self, what: &str, error: &(dyn Error + 'static)) {
        if self.died {
            return;
        }
        let invalid = |it: &(dyn Error + 'static)| {
            let io = it.downcast_ref::<io::Error>();
            io.is_some_and(|io| io.kind() == io::ErrorKind::InvalidData)
        };
        // Nothing ever rots here.
        let damaged = error.to_string().contains("damaged")
            || invalid(error)
            || error.source().is_some_and(invalid);
        assert!(!damaged, "P3: {what}: {error}: {:?}", error.source());
        assert!(
            self.faults > 0 || self.waited,
            "{what} was refused without a reason: {error}: {:?}",
            error.source().map(ToString::to_string)
        );
    }

    /// What a refusal left: it takes one failure to be refused, and another one to leave it half
    /// done.
    pub(crate) fn outcome(self) -> Outcome {
        match self.faults {
            0 | 1 => Outcome::Undone,
            _ => Outcome::Open,
        }
    }
}

/// Nothing is ever locked here over a call of the store; whoever did it would find out at once.
fn own<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        // A promise was broken; what is left to do is to tell.
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => panic!("something is locked over a call of the store"),
    }
}

impl World {
    pub(crate) fn new(
        disk: SimDisk,
        model: Model,
        processes: usize,
        drops: &'static [MaildropId],
        terms: Vec<Terms>,
        trace: bool,
        random: &mut Random,
    ) -> Arc<Self> {
        let world = Arc::new_cyclic(|me: &Weak<Self>| Self {
            me: Weak::clone(me),
            processes: (0..processes)
                .map(|_| Mutex::new(Process::start(&disk, me, random)))
                .collect(),
            forgets: AtomicBool::new(false),
            disk,
            model: Mutex::new(model),
            now: Mutex::new(Now {
                trace: trace.then(Vec::new),
                ..Now::default()
            }),
            drops,
            terms,
        });
        for process in 0..processes {
            world.note(&world.process(process));
        }
        world
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        own(&self.model)
    }

    pub(crate) fn process(&self, process: usize) -> MutexGuard<'_, Process> {
        own(&self.processes[process])
    }

    pub(crate) fn processes(&self) -> usize {
        self.processes.len()
    }

    pub(crate) fn figures(&self) -> Figures {
        own(&self.now).figures
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        own(&self.now).trace.take().unwrap_or_default()
    }

    /// Notes what happens, if anybody wants to read it.
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        let mut now = own(&self.now);
        let depth = now.frames.len();
        if let Some(trace) = &mut now.trace {
            trace.push(format!("{}{}", "    ".repeat(depth), what()));
        }
    }

    /// From now on nothing happens to anybody.
    pub(crate) fn calm(&self) {
        let mut now = own(&self.now);
        (now.calm, now.window) = (true, None);
    }

    /// Does something while nothing happens to anybody.
    pub(crate) fn calmly<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = std::mem::replace(&mut own(&self.now).calm, true);
        let result = act();
        own(&self.now).calm = before;
        result
    }

    /// A process that is in the middle of nothing, alive, and may act now.
    pub(crate) fn idle(&self, random: &mut Random) -> Option<usize> {
        let busy: Vec<usize> = own(&self.now)
            .frames
            .iter()
            .map(|frame| frame.process)
            .collect();
        let idle: Vec<usize> = (0..self.processes())
            .filter(|it| !busy.contains(it))
            .collect();
        let process = match idle.len() {
            0 => return None,
            _ => random.pick(&idle),
        };
        let mut this = self.process(process);
        if !this.disk.is_alive() {
            *this = Process::start(&self.disk, &self.me, random);
            self.note(&this);
        }
        Some(process)
    }

    fn note(&self, process: &Process) {
        if process.grace.is_zero() {
            self.forgets.store(true, Ordering::Relaxed);
        }
    }

    /// Whether what was deleted may have been given back, by whichever process.
    pub(crate) fn forgets(&self) -> bool {
        self.forgets.load(Ordering::Relaxed)
    }

    pub(crate) fn restart(&self, process: usize, random: &mut Random) {
        let fresh = Process::start(&self.disk, &self.me, random);
        self.note(&fresh);
        let old = std::mem::replace(&mut *self.process(process), fresh);
        drop(old);
    }

    /// Whether an operation of another process is under way, so that locks may be held.
    pub(crate) fn overtakes(&self) -> bool {
        !own(&self.now).frames.is_empty()
    }

    pub(crate) fn step_counted(&self) {
        own(&self.now).figures.steps += 1;
    }

    pub(crate) fn killed(&self, process: usize) {
        own(&self.now).figures.kills += 1;
        let number = {
            let this = self.process(process);
            this.disk.die();
            this.disk.number()
        };
        self.model().died(number);
    }

    pub(crate) fn cut(&self, loss: Loss) {
        own(&self.now).figures.cuts += 1;
        self.disk.cut(loss);
        self.model().cut();
    }

    /// One operation of the store, and all that happens during it.
    pub(crate) fn operation<T>(
        &self,
        process: usize,
        random: &mut Random,
        run: impl FnOnce() -> T,
    ) -> (T, After) {
        {
            let mut now = own(&self.now);
            let depth = now.frames.len();
            let calm = now.calm || depth > 2;
            now.frames.push(Frame::new(process, depth, calm, random));
        }
        let result = run();
        let died = !self.process(process).disk.is_alive();
        let frame = own(&self.now).frames.pop().expect("it was pushed above");
        let after = After {
            faults: frame.faults,
            waited: frame.waited,
            overtaken: frame.overtaken,
            died,
        };
        (result, after)
    }
}

impl Process {
    fn start(disk: &SimDisk, world: &Weak<World>, random: &mut Random) -> Self {
        let conductor: Weak<dyn Conductor> = Weak::clone(world) as _;
        let disk = disk.process(conductor);
        let grace = Duration::from_secs(random.pick(&[0, 0, 1_000_000]));
        let settings = NativeSettings {
            grace,
            reserve_octets: random.pick(&[0, 0, 0, 1 << 20]),
            // Some remember nothing from one operation to the next.
            index_octets_max: random.pick(&[1 << 20, 1 << 20, 1 << 20, 0]),
            unique_id: match random.once_in(6) {
                true => "{uid:d}-{generation:x}".parse().expect("it is a template"),
                false => maildrop::Template::default(),
            },
            // Drops are small here: most find that everything pays.
            pays: match random.once_in(3) {
                true => Pays::default(),
                false => Pays {
                    rewriting: random.pick(&[64, 4096]),
                    tail: random.pick(&[0, 300, 4096]),
                    hole: HOLE_MIN,
                },
            },
            ..NativeSettings::default()
        };
        Self {
            store: Arc::new(Store::with_settings(Arc::new(disk.clone()), settings)),
            disk,
            visits: Vec::new(),
            grace,
        }
    }
}
