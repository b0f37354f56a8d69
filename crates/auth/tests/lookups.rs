//! What a lookup of a recipient costs, with many accounts. A measurement: docs/performance.md has the
//! figures of `cargo test -p restante-auth --test lookups -- --ignored --nocapture`.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use auth::{Accounts, Addressing, Apop};

/// The n-th address of a kind.
type Address = fn(usize) -> String;

const ACCOUNTS: usize = 100_000;
const ALIASES: usize = 10_000;
const LOOKUPS: usize = 100_000;
const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/// Numbers that follow no order, so that no page is the one of the lookup before.
fn scattered(n: usize) -> usize {
    n.wrapping_mul(2_654_435_761) >> 3
}

#[test]
#[ignore = "a measurement, not a check"]
fn speed() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(dir.path()).unwrap();
    let (mut people, mut aliases) = (String::new(), String::new());
    for n in 0..ACCOUNTS {
        writeln!(people, "user{n}@dobbs.org:{{BLF-CRYPT}}{BCRYPT}").unwrap();
    }
    for n in 0..ALIASES {
        let user = scattered(n) % ACCOUNTS;
        writeln!(aliases, "alias{n}@dobbs.org user{user}@dobbs.org").unwrap();
    }
    let people = auth::parse_import(people.as_bytes()).unwrap();
    accounts.import(&people.lines, Apop::Skip, |_| ()).unwrap();
    let domains = ["dobbs.org".to_owned()];
    let addressing = Addressing {
        hostname: "mailgate.dobbs.org",
        domains: &domains,
        detail_separator: "+",
    };
    accounts
        .import_aliases(aliases.as_bytes(), &addressing)
        .unwrap()
        .unwrap();
    let kinds: [(&str, Address, usize); 5] = [
        (
            "account",
            |n| format!("user{}@dobbs.org", scattered(n) % ACCOUNTS),
            1,
        ),
        (
            "account, detail",
            |n| format!("user{}+x@dobbs.org", scattered(n) % ACCOUNTS),
            1,
        ),
        (
            "alias",
            |n| format!("alias{}@dobbs.org", scattered(n) % ALIASES),
            1,
        ),
        ("nobody", |n| format!("nobody{n}@dobbs.org"), 0),
        ("nobody, detail", |n| format!("nobody{n}+x@dobbs.org"), 0),
    ];
    for (what, address, found) in kinds {
        let addresses: Vec<_> = (0..LOOKUPS).map(address).collect();
        let begin = Instant::now();
        for address in &addresses {
            let recipients = accounts.recipients(address, &addressing).unwrap();
            assert_eq!(black_box(recipients).len(), found);
        }
        let each = begin.elapsed() / u32::try_from(LOOKUPS).unwrap();
        println!("{what:<16} {:>6.2} µs", each.as_secs_f64() * 1e6);
        assert!(
            each < Duration::from_millis(10),
            "gone through, not looked up"
        );
    }
}
