//! Hostile clients by the thousand, and what real sessions beside them see of it: threats T12 to T17.
//!
//! ```sh
//! make hostile        # cargo build --release -p restante; cargo bench -p restante-tests --bench hostile
//! ```
//!
//! A real server runs in its own process on loopback. Real sessions (log in, STAT, QUIT; in clear and inside
//! TLS) come at a fixed rate, whether or not the ones before them have ended, and each reply is checked. They
//! are measured alone, then beside one crowd after the other. A wrong reply or a session that is not served
//! fails the run; times are told, never judged: the machine also runs the crowd.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

mod crowd;
mod polls;
mod program;
mod table;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use crowd::{Crowd, Kind};
use polls::Rates;
use program::Program;
use table::Row;

/// How many of each, and how long real sessions are measured beside them.
struct Size {
    slow: usize,
    slow_tls: usize,
    stalled: usize,
    readers: usize,
    text_octets: usize,
    wrong: usize,
    seconds: u64,
    rates: Rates,
}

const WHOLE: Size = Size {
    slow: 10_000,
    slow_tls: 2_500,
    stalled: 5_000,
    readers: 1_000,
    text_octets: 20 << 20,
    wrong: 500,
    seconds: 20,
    rates: Rates {
        plain: 150,
        tls: 50,
    },
};

const QUICK: Size = Size {
    slow: 200,
    slow_tls: 50,
    stalled: 100,
    readers: 10,
    text_octets: 2 << 20,
    wrong: 20,
    seconds: 2,
    rates: Rates { plain: 40, tls: 10 },
};

fn main() {
    let mut size = WHOLE;
    // Beside the bench itself: target/release/deps/hostile-… → target/release/restante.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("restante");
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--program" => path = PathBuf::from(arguments.next().expect("--program needs a path")),
            "--quick" => size = QUICK,
            // What cargo bench adds.
            "--bench" => {}
            other => panic!("unknown argument {other}; there are --program and --quick"),
        }
    }
    let readers = (size.readers, size.text_octets);
    println!(
        "preparing {} maildrops of {} octets …",
        readers.0, readers.1
    );
    let mut program = Program::start(&path, readers);
    // The crowd has threads of its own, so that its work is not in the measured times more than it must.
    let crowds = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let length = Duration::from_secs(size.seconds);
    let measure = |program: &Program| polls::measure(program, size.rates, length);
    polls::introduce(&program);
    let alone = measure(&program);
    let mut rows = vec![Row::alone(&alone)];
    for (kind, count) in [
        (Kind::Slow, size.slow),
        (Kind::SlowAndBack, size.slow),
        (Kind::SlowInsideTls, size.slow_tls),
        (Kind::StalledHandshake, size.stalled),
        (Kind::StalledReader, size.readers),
        (Kind::WrongPassword, size.wrong),
    ] {
        program.restart();
        polls::introduce(&program);
        let before = program.memory();
        let crowd = Crowd::gather(&crowds, &program, kind, count);
        let there = program.memory();
        let (cpu, beside) = program.cpu(|| measure(&program));
        let report = crowd.disperse(&crowds);
        rows.push(Row::beside(
            kind,
            &report,
            &alone,
            &beside,
            there - before,
            cpu,
        ));
        println!("{}", rows.last().unwrap());
    }
    let after = measure(&program);
    rows.push(Row::after(&alone, &after));
    println!(
        "\nmemory at the end: {:.1} MiB",
        program.memory() as f64 / 1_048_576.0
    );
    table::print(&rows);
}
