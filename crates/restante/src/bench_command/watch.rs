//! How far a run is, on a terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bench::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Often enough for whoever watches, and too seldom to cost anything.
const EVERY: Duration = Duration::from_millis(250);

/// Runs something, and shows how far it is as long as it runs; on a terminal only.
pub(super) fn while_running<R>(
    progress: &Progress,
    duration: Duration,
    run: impl FnOnce() -> R,
) -> R {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        return run();
    }
    bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is a right one"));
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(progress, duration, &bar, &ended));
        let result = run();
        ended.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        result
    })
}

fn watch(progress: &Progress, duration: Duration, bar: &ProgressBar, ended: &AtomicBool) {
    let mut began = None;
    while !ended.load(Ordering::Relaxed) {
        bar.set_message(match progress.is_measuring() {
            false => "getting ready: logging in, reading each message once".to_owned(),
            true => {
                let elapsed = began
                    .get_or_insert_with(Instant::now)
                    .elapsed()
                    .as_secs_f64();
                let units = progress.units();
                let rate = units as f64 / elapsed.max(0.1);
                format!(
                    "{elapsed:.0} of {} s: {units} done, {rate:.0}/s",
                    duration.as_secs()
                )
            }
        });
        thread::park_timeout(EVERY);
    }
    bar.finish_and_clear();
}
