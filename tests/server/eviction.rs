//! A full server: who makes room for a newcomer, and who does not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use server::Protocol;

use crate::harness::{PASSWORD, Setup, wait_until};
use crate::proxy::from;

#[test]
fn the_oldest_stranger_makes_room_in_a_full_server() {
    let setup = Setup::new().with(|config| config.limits.session_count_max = 3);
    let server = setup.start();
    let mut owner = server.plain().logged_in("bob");
    // One of them still owes its handshake, and the other one is in the middle of a login.
    let mut first = server.connect(Protocol::Pop3s);
    let mut second = server.plain();
    second.ask("USER alice", "+OK");
    let _third = server.plain();
    assert_eq!(first.rest(), b"");
    let mut fourth = server.tls();
    assert_eq!(second.rest(), b"");
    fourth.log_in("alice");
    owner.ask("NOOP", "+OK");
    fourth.ask("NOOP", "+OK");
}

/// Ends a thread of a test, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_flood_from_one_network_keeps_nobody_out() {
    let setup = Setup::new().with(|config| {
        config.limits.session_count_max = 40;
        config.limits.sessions_per_address_max = 0;
    });
    let server = setup.start();
    let address = server.address(Protocol::Pop3);
    let (full, over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        scope.spawn(|| {
            let mut held = VecDeque::new();
            let mut opened = 0;
            while !over.load(Ordering::Relaxed) {
                held.push_back(from([127, 0, 0, 2], address));
                opened += 1;
                if held.len() > 60 {
                    held.pop_front();
                    full.store(true, Ordering::Relaxed);
                }
            }
            println!("{opened} connections of the flood");
        });
        wait_until("the flood has taken all places", || {
            full.load(Ordering::Relaxed)
        });
        for _ in 0..20 {
            let mut client = server.plain();
            client.ask("USER bob", "+OK");
            // Slower than the flood by far.
            std::thread::sleep(Duration::from_millis(20));
            client.ask(&format!("PASS {PASSWORD}"), "+OK");
            client.ask("QUIT", "+OK");
            client.rest();
        }
    });
}

#[test]
fn a_stranger_makes_room_while_his_password_is_checked() {
    let mut setup = Setup::new().with(|config| config.limits.session_count_max = 1);
    setup.refusal_delay = Duration::from_secs(4);
    let server = setup.start();
    let mut guesser = server.plain();
    guesser.ask("USER bob", "+OK");
    guesser.say("PASS wrong");
    // Time to be read; the answer takes much longer.
    std::thread::sleep(Duration::from_millis(50));
    // From elsewhere and as somebody else: where the guess has been counted already, a right login of
    // the same address or name waits as long as a wrong one.
    let mut newcomer = from([127, 0, 0, 2], server.address(Protocol::Pop3));
    newcomer.expect("+OK");
    assert_eq!(guesser.rest(), b"");
    newcomer.log_in("alice");
    server.connect(Protocol::Pop3).expect("-ERR [SYS/TEMP]");
}

#[test]
fn who_finds_his_maildrop_in_use_is_a_stranger_again() {
    let setup = Setup::new().with(|config| {
        config.limits.session_count_max = 2;
        config.lock_wait = Duration::ZERO;
    });
    let server = setup.start();
    server.deliver("bob", "Subject: x\r\n\r\n");
    let mut first = server.plain().logged_in("bob");
    let mut second = server.plain();
    second.ask("USER bob", "+OK");
    second.ask(&format!("PASS {PASSWORD}"), "-ERR [IN-USE]");
    let _third = server.plain();
    assert_eq!(second.rest(), b"");
    first.ask("NOOP", "+OK");
}
