//! The memory of hashes is given back when they are done.
#![cfg(target_os = "linux")]

use auth::PasswordHash;
use sasl::Secret;

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    number
        .and_then(|number| number.parse().ok())
        .expect("VmRSS is a number")
}

#[test]
fn hashing_leaves_no_memory_behind() {
    let secret = Secret::new("redqueen");
    let before = resident();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let hash = PasswordHash::new(&secret).unwrap();
                    let first = resident();
                    for _ in 0..8 {
                        assert!(hash.verify(&secret));
                    }
                    first
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let after = resident();
    // One hash takes 19,456 KiB; what stays is the stacks and arenas of two threads.
    assert!(
        after < before + 6 * 1024,
        "{before} KiB before, {after} KiB after"
    );
}
