//! Who goes on next: every order with few changes of thread, then orders by dice.
//!
//! Races that are found at all are nearly always found with two changes of a thread that could
//! have gone on (Musuvathi and Qadeer, "Iterative context bounding", 2007); all orders of three
//! threads with twenty calls each would be more than anybody can try.

use restante_tests::random::Random;

use crate::acts::{Act, Processes, Run, Setting};

/// One decision: what was chosen of how many.
struct Decision {
    chosen: usize,
    count: usize,
}

/// Tries every order with at most so many changes of a thread that could have gone on, and as
/// many others by dice as the environment says.
pub(crate) fn every_order(setting: Setting, acts: [Act; 3], processes: Processes) {
    let number = |name: &str, short: u64| match std::env::var(name) {
        Ok(number) => number.parse().expect("a number"),
        Err(_) => short,
    };
    let changes_max = number("CHANGES", 1);
    let mut decisions: Vec<Decision> = Vec::new();
    let mut runs = 0_u64;
    let begun = std::time::Instant::now();
    loop {
        let (mut depth, mut changes) = (0, 0);
        let run = Run::new(setting, processes);
        run.play(acts, |ready, last| {
            // Who moved last comes first: to go on with him is no change.
            let goes_on = last.filter(|last| ready.contains(last));
            let others = ready.iter().filter(|&&index| Some(index) != goes_on);
            let free = goes_on.is_none();
            let options: Vec<usize> = match goes_on {
                Some(last) if changes >= changes_max => vec![last],
                _ => goes_on.iter().chain(others).copied().collect(),
            };
            if depth == decisions.len() {
                let count = options.len();
                decisions.push(Decision { chosen: 0, count });
            }
            let chosen = decisions[depth].chosen.min(options.len() - 1);
            depth += 1;
            changes += u64::from(!free && chosen > 0);
            options[chosen]
        });
        runs += 1;
        // The next order: the last decision that has another choice.
        decisions.truncate(depth);
        while decisions.last().is_some_and(|it| it.chosen + 1 >= it.count) {
            decisions.pop();
        }
        match decisions.last_mut() {
            Some(decision) => decision.chosen += 1,
            None => break,
        }
    }
    let dice = number("DICE", 100);
    for seed in 0..dice {
        let mut random = Random::new(seed);
        // Some threads are fast and some are slow, for a while.
        let run = Run::new(setting, processes);
        run.play(acts, |ready, last| match last {
            Some(last) if ready.contains(&last) && !random.once_in(3) => last,
            _ => random.pick(ready),
        });
    }
    println!(
        "{setting:?}, {acts:?}, processes: {processes:?}: {runs} orders with {changes_max} changes, {dice} by dice, {:.1?}",
        begun.elapsed()
    );
}
