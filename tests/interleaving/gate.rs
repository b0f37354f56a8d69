//! Stops threads before each call of the disk, and lets one go on at a time.
//!
//! A thread that has been let go on either stops again, or ends, or sleeps on a mutex that one of
//! the others holds. The kernel says which threads sleep, so nothing of the store is replaced.

use std::cell::RefCell;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

const RUNNING: u8 = 0;
const STOPPED: u8 = 1;
/// Stopped because a lock was taken; there is no use in another try before somebody has moved.
const WAITING: u8 = 2;
const ENDED: u8 = 3;

#[derive(Default)]
struct Place {
    state: AtomicU8,
    go: AtomicBool,
    /// As the kernel numbers it.
    number: AtomicI32,
    thread: OnceLock<Thread>,
}

thread_local! {
    /// The gate and the place of this thread, if it is one of those that are stopped.
    static MINE: RefCell<Option<(Arc<Gate>, usize)>> = const { RefCell::new(None) };
}

/// All threads of one run.
pub(crate) struct Gate {
    places: Vec<Place>,
    /// Whoever chooses.
    controller: Thread,
}

/// Marks a thread as ended, also when it panics.
struct Ended<'g>(&'g Gate, usize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        MINE.set(None);
        self.0.say(self.1, ENDED);
    }
}

/// Stops this thread until it is let go on; nothing if it is no thread of a run.
pub(crate) fn stop() {
    pause(STOPPED);
}

/// As [`stop`], by a thread that must wait until somebody else has moved.
pub(crate) fn wait() {
    pause(WAITING);
}

fn pause(state: u8) {
    let Some((gate, index)) = MINE.with_borrow(Clone::clone) else {
        return;
    };
    if std::thread::panicking() {
        return;
    }
    let place = &gate.places[index];
    gate.say(index, state);
    while !place.go.swap(false, Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Runs threads, one step of one of them at a time. `choose` gets those that can go on, and the
/// one that moved last, and says who is next.
pub(crate) fn run(
    bodies: Vec<Box<dyn FnOnce() + Send + '_>>,
    mut choose: impl FnMut(&[usize], Option<usize>) -> usize,
) {
    let gate = Arc::new(Gate {
        places: bodies.iter().map(|_| Place::default()).collect(),
        controller: std::thread::current(),
    });
    std::thread::scope(|scope| {
        for (index, body) in bodies.into_iter().enumerate() {
            let gate = Arc::clone(&gate);
            scope.spawn(move || {
                let place = &gate.places[index];
                let _ended = Ended(&gate, index);
                let number = rustix::thread::gettid().as_raw_nonzero().get();
                place.thread.set(std::thread::current()).unwrap();
                place.number.store(number, Ordering::SeqCst);
                MINE.set(Some((Arc::clone(&gate), index)));
                stop();
                body();
            });
        }
        let mut last = None;
        while let Some(ready) = gate.ready(last) {
            let next = choose(&ready, last);
            last = Some(next);
            let place = &gate.places[next];
            place.state.store(RUNNING, Ordering::SeqCst);
            place.go.store(true, Ordering::SeqCst);
            place.thread.get().expect("it has stopped once").unpark();
        }
    });
}

/// How long a step may take before the kernel is asked whether the thread sleeps.
const STEP: Duration = Duration::from_micros(200);
/// How often nothing may move before it counts as a deadlock.
const STILL_MAX: u32 = 10_000;

impl Gate {
    /// Waits until nobody runs; who can go on then. None: all have ended.
    fn ready(&self, last: Option<usize>) -> Option<Vec<usize>> {
        let mut still = 0;
        while self.places.iter().any(Place::runs) {
            std::thread::park_timeout(STEP);
            if self.is_still() {
                break;
            }
        }
        loop {
            // Twice, since who was just woken by the other may have been seen asleep before.
            if self.is_still() && self.is_still() {
                let state = |index: usize| self.places[index].state.load(Ordering::SeqCst);
                let all = 0..self.places.len();
                if all.clone().all(|index| state(index) == ENDED) {
                    return None;
                }
                // Whoever waits for a lock may try again, unless all that happened was another try.
                if last.is_none_or(|last| state(last) != WAITING) {
                    for index in all.clone().filter(|&index| state(index) == WAITING) {
                        self.places[index].state.store(STOPPED, Ordering::SeqCst);
                    }
                }
                let ready: Vec<usize> = all.filter(|&index| state(index) == STOPPED).collect();
                if !ready.is_empty() {
                    return Some(ready);
                }
            }
            still += 1;
            if still > STILL_MAX {
                // The threads cannot be ended from outside, so neither can the test.
                eprintln!("a deadlock: everybody waits for somebody else");
                std::process::abort();
            }
            std::thread::park_timeout(STEP);
        }
    }

    fn is_still(&self) -> bool {
        let mut running = self.places.iter().filter(|place| place.runs());
        running.all(|place| sleeps(place.number.load(Ordering::SeqCst)))
    }

    fn say(&self, index: usize, state: u8) {
        self.places[index].state.store(state, Ordering::SeqCst);
        self.controller.unpark();
    }
}

impl Place {
    fn runs(&self) -> bool {
        self.state.load(Ordering::SeqCst) == RUNNING
    }
}

/// Whether a thread of this process sleeps.
fn sleeps(number: i32) -> bool {
    // Its name, which may hold anything, is in parentheses.
    let stat = fs::read(format!("/proc/self/task/{number}/stat")).unwrap_or_default();
    let after = stat.iter().rposition(|&octet| octet == b')');
    after.is_some_and(|at| stat.get(at + 2) == Some(&b'S'))
}
