//! Whole lives of the store on a simulated disk, each from one seed: several processes deliver,
//! retrieve, delete and tidy up, overtake one another between any two calls of the disk, fail, are
//! killed, lose their power; and a model of what was promised judges everything that is shown.
//!
//! ```sh
//! cargo test -p restante-tests --test sim          # 2,000 seeds
//! make sim SEEDS=1000000                           # the long form
//! SIM_SEED=17 cargo test -p restante-tests --test sim     # one life, told step by step
//! ```
//!
//! A life depends on nothing but its seed. The store's random numbers (salt, generation) and the
//! clock get into octets of the file and into unique-ids, but no length and no choice depends on
//! them.

#[path = "sim/life.rs"]
mod life;
#[path = "sim/many.rs"]
mod many;
#[path = "sim/model/mod.rs"]
mod model;
#[path = "sim/steps.rs"]
mod steps;
#[path = "sim/text.rs"]
mod text;
#[path = "sim/upkeep.rs"]
mod upkeep;
#[path = "sim/visits.rs"]
mod visits;
#[path = "sim/world/mod.rs"]
mod world;

use life::Plot;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// Lives seeds; a broken promise is told as a story.
fn lives(count: u64, progress: bool) {
    if let Some(seed) = number("SIM_SEED") {
        println!("{}", tell(seed));
        return;
    }
    let sum = many::live(number("SIM_FROM").unwrap_or(0), count, progress);
    println!("{sum}");
    if let Some(seed) = sum.broken {
        panic!("{}", many::story(seed));
    }
    assert_eq!(sum.seeds, count);
}

/// One life, step by step.
fn tell(seed: u64) -> String {
    many::hush();
    let plot = Plot {
        seed,
        trace: true,
        ..Plot::default()
    };
    let life = plot.live();
    if life.violation.is_some() {
        panic!("{}\nshorter:\n{}", life.trace.join("\n"), many::story(seed));
    }
    life.trace.join("\n")
}

#[test]
fn lives_without_a_broken_promise() {
    lives(number("SIM_SEEDS").unwrap_or(2000), false);
}

#[test]
#[ignore = "run by make sim"]
fn many_lives() {
    lives(number("SIM_SEEDS").unwrap_or(1_000_000), true);
}

#[test]
fn the_same_seed_is_the_same_life() {
    if number("SIM_SEED").is_some() {
        return;
    }
    let told = |seed| {
        let plot = Plot {
            seed,
            trace: true,
            ..Plot::default()
        };
        plot.live().trace
    };
    for seed in 0..100 {
        let first = told(seed);
        assert!(first.len() > 5);
        assert_eq!(first, told(seed), "seed {seed}");
    }
}
