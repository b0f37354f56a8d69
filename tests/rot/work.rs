//! How much is done: little in `cargo test`, as much as the environment says in `make rot`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A number of the environment, or how many a short run does.
pub(crate) fn wanted(variable: &str, short: u64) -> u64 {
    match std::env::var(variable) {
        Ok(number) => number.parse().expect("a number of cases"),
        Err(_) => short,
    }
}

/// The seed of a run: of the environment, or always the same.
pub(crate) fn seed() -> u64 {
    wanted("SEED", 1)
}

const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Spreads cases over the cores and says on standard error how far it is, if that takes long.
pub(crate) fn each_case(what: &str, cases: u64, work: impl Fn(&dyn Fn() -> Option<u64>) + Sync) {
    let next = AtomicU64::new(0);
    let begun = Instant::now();
    let told = AtomicU64::new(0);
    let take = || {
        let case = next.fetch_add(1, Ordering::Relaxed);
        let due = begun.elapsed().as_secs() / PROGRESS_EVERY.as_secs();
        if told.fetch_max(due, Ordering::Relaxed) < due && case < cases {
            let rate = case as f64 / begun.elapsed().as_secs_f64();
            eprintln!("{what}: {case} of {cases}, {rate:.0}/s");
        }
        (case < cases).then_some(case)
    };
    std::thread::scope(|scope| {
        for _ in 0..wanted("THREADS", 2) {
            scope.spawn(|| work(&take));
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let rate = cases as f64 / seconds;
    println!("{what}: {cases} cases in {seconds:.1} s, {rate:.0}/s");
}
