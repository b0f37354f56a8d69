//! Many lives on all cores, and a short story of the one that fails.

use std::cell::Cell;
use std::fmt;
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::life::{Life, Plot};
use crate::world::Figures;

/// What many lives add up to.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) seeds: u64,
    figures: Figures,
    delivered: u64,
    judged: u64,
    veils: u64,
    seconds: f64,
    /// The lowest seed whose life broke a promise, of those that were lived.
    pub(crate) broken: Option<u64>,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds: {}, {} messages delivered, {} texts judged, {} times hidden or shown again, {:.1} s",
            self.seeds, self.figures, self.delivered, self.judged, self.veils, self.seconds
        )
    }
}

impl Sum {
    fn count(&mut self, seed: u64, life: &Life) {
        self.seeds += 1;
        self.figures.add(&life.figures);
        self.delivered += life.delivered;
        self.judged += life.judged;
        self.veils += life.veils;
        if life.violation.is_some() {
            self.broken = Some(self.broken.map_or(seed, |broken| broken.min(seed)));
        }
    }

    fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.figures.add(&other.figures);
        self.delivered += other.delivered;
        self.judged += other.judged;
        self.veils += other.veils;
        self.broken = self.broken.into_iter().chain(other.broken).min();
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics of lives are told once, with their story.
pub(crate) fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
}

/// Lives so many seeds from one on, until one breaks a promise.
pub(crate) fn live(from: u64, count: u64, progress: bool) -> Sum {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut sum = Sum::default();
    std::thread::scope(|scope| {
        let lives = || {
            hush();
            let mut sum = Sum::default();
            while !stop.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= count {
                    break;
                }
                let seed = from + place;
                let life = Plot {
                    seed,
                    ..Plot::default()
                }
                .live();
                sum.count(seed, &life);
                if life.violation.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            sum
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(lives)).collect();
        let mut told = Instant::now();
        while progress && workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(200));
            if told.elapsed() >= Duration::from_secs(30) {
                told = Instant::now();
                let done = next.load(Ordering::Relaxed).min(count);
                println!(
                    "{done} of {count} seeds in {:.0} s",
                    began.elapsed().as_secs_f64()
                );
            }
        }
        for worker in workers {
            sum.add(&worker.join().expect("panics of lives are caught"));
        }
    });
    sum.seconds = began.elapsed().as_secs_f64();
    sum
}

/// Leaves out every step without which the promise is still broken, and tells the rest.
pub(crate) fn story(seed: u64) -> String {
    QUIET.set(true);
    let mut plot = Plot {
        seed,
        ..Plot::default()
    };
    let whole = plot.live();
    let Some(first) = whole.violation else {
        return format!("seed {seed} breaks no promise");
    };
    // What is found must stay the same kind of thing.
    let kind = |told: &str| told.split([':', ' ']).next().map(str::to_owned);
    loop {
        let before = plot.skip.len();
        for step in (0..whole.steps).rev() {
            let mut shorter = plot.clone();
            if shorter.skip.insert(step)
                && let Some(told) = shorter.live().violation
                && kind(&told) == kind(&first)
            {
                plot = shorter;
            }
        }
        if plot.skip.len() == before {
            break;
        }
    }
    plot.trace = true;
    let life = plot.live();
    QUIET.set(false);
    format!(
        "seed {seed}: {first}\n{}\n  => {}\nagain: SIM_SEED={seed} cargo test -p restante-tests --test sim\n",
        life.trace.join("\n"),
        life.violation.unwrap_or_default()
    )
}
