//! The penalties on paused time: who waits how long, and who does not.

use super::*;

const BASE: Duration = Duration::from_secs(2);

fn peer(text: &str) -> Peer {
    Peer::Address(text.parse().unwrap())
}

fn wait(throttle: &Throttle, attempt: &Attempt) -> u64 {
    (throttle.refusal_instant(attempt) - attempt.arrived).as_secs()
}

#[tokio::test(start_paused = true)]
async fn each_failure_doubles_up_to_15_s_and_a_minute_forgets_one() {
    let throttle = Throttle::new(BASE);
    let mut waits = Vec::new();
    for n in 0..6 {
        let attempt = throttle.arrive(&format!("user{n}"), peer("192.0.2.1"));
        waits.push(wait(&throttle, &attempt));
        throttle.failed(&attempt, Some(n + 1));
    }
    assert_eq!(waits, [2, 4, 8, 15, 15, 15]);
    tokio::time::advance(FORGET * 5).await;
    let attempt = throttle.arrive("x", peer("192.0.2.1"));
    assert_eq!(wait(&throttle, &attempt), 4);
    tokio::time::advance(FORGET).await;
    let attempt = throttle.arrive("x", peer("192.0.2.1"));
    assert_eq!(wait(&throttle, &attempt), 2);
}

#[tokio::test(start_paused = true)]
async fn an_account_is_counted_over_all_addresses_whether_it_exists_or_not() {
    let throttle = Throttle::new(BASE);
    for n in 1..=3 {
        let attempt = throttle.arrive("Bob", peer(&format!("192.0.2.{n}")));
        throttle.failed(&attempt, Some(n));
    }
    let attempt = throttle.arrive("bob", peer("198.51.100.1"));
    assert_eq!(wait(&throttle, &attempt), 15);
    let attempt = throttle.arrive("alice", peer("198.51.100.1"));
    assert_eq!(wait(&throttle, &attempt), 2);
}

#[tokio::test(start_paused = true)]
async fn ipv6_counts_by_64_and_mapped_ipv4_as_ipv4() {
    let throttle = Throttle::new(BASE);
    for (failing, same, other) in [
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
    ] {
        let attempt = throttle.arrive(failing, peer(failing));
        throttle.failed(&attempt, Some(1));
        let attempt = throttle.arrive("x", peer(same));
        assert_eq!(wait(&throttle, &attempt), 4);
        let attempt = throttle.arrive("x", peer(other));
        assert_eq!(wait(&throttle, &attempt), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_client_does_not_raise_the_penalty() {
    let throttle = Throttle::new(BASE);
    for n in 0..50 {
        // Two stale clients behind one address, turn by turn.
        let attempt = throttle.arrive("bob", peer("192.0.2.1"));
        assert!(wait(&throttle, &attempt) <= 8, "attempt {n}");
        throttle.failed(&attempt, Some(1 + n % 2));
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_do_not_lock_the_owner_out() {
    let throttle = Throttle::new(BASE);
    let home = throttle.arrive("bob", peer("192.0.2.1"));
    throttle.succeeded(&home);
    for n in 1..=20 {
        let attempt = throttle.arrive("bob", peer(&format!("203.0.113.{n}")));
        throttle.failed(&attempt, Some(n));
    }
    // From an address that logged in lately, and with a cached credential from anywhere.
    let home = throttle.arrive("bob", peer("192.0.2.1"));
    assert_eq!(throttle.success_instant(&home, false), None);
    assert_eq!(wait(&throttle, &home), 2);
    let abroad = throttle.arrive("bob", peer("198.51.100.1"));
    assert_eq!(throttle.success_instant(&abroad, true), None);
    // From anywhere else the right password takes as long as a wrong one.
    let held = throttle.success_instant(&abroad, false);
    assert_eq!(held, Some(throttle.refusal_instant(&abroad)));
    assert_eq!(wait(&throttle, &abroad), 15);
    // A day later the address is as strange as any other.
    tokio::time::advance(KNOWN + FORGET).await;
    let later = throttle.arrive("bob", peer("192.0.2.1"));
    assert_eq!(later.standing, Standing::Stranger);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_addresses_that_guess_for_one_account_are_one_guesser() {
    let throttle = Throttle::new(BASE);
    let owner = throttle.arrive("bob", peer("192.0.2.1"));
    throttle.succeeded(&owner);
    let address = |n: u32| Peer::Address(std::net::Ipv4Addr::from_bits(0xc633_0000 + n).into());
    for n in 0..1000 {
        let attempt = throttle.arrive("bob", address(n));
        let expected = [2, 4, 8].get(n as usize).copied().unwrap_or(15);
        assert_eq!(wait(&throttle, &attempt), expected, "address {n}");
        throttle.failed(&attempt, Some(n + 1));
    }
    // One failure each is all that the addresses have, and the owner has none.
    let attempt = throttle.arrive("alice", address(7));
    assert_eq!(wait(&throttle, &attempt), 4);
    let owner = throttle.arrive("bob", peer("192.0.2.1"));
    assert_eq!(throttle.success_instant(&owner, false), None);
}

#[tokio::test(start_paused = true)]
async fn an_address_with_a_penalty_keeps_it_but_for_its_own_cached_credential() {
    let throttle = Throttle::new(BASE);
    let office = throttle.arrive("bob", peer("192.0.2.1"));
    throttle.succeeded(&office);
    for n in 0..3 {
        let attempt = throttle.arrive("alice", peer("192.0.2.1"));
        throttle.failed(&attempt, Some(10 + n));
    }
    let bob = throttle.arrive("bob", peer("192.0.2.1"));
    assert_eq!(throttle.success_instant(&bob, true), None);
    assert!(throttle.success_instant(&bob, false).is_some());
    let carol = throttle.arrive("carol", peer("192.0.2.1"));
    assert!(throttle.success_instant(&carol, true).is_some());
}

#[tokio::test(start_paused = true)]
async fn work_that_took_longer_is_answered_on_the_next_beat() {
    let throttle = Throttle::new(BASE);
    let attempt = throttle.arrive("bob", peer("192.0.2.1"));
    tokio::time::advance(Duration::from_millis(4100)).await;
    assert_eq!(wait(&throttle, &attempt), 6);
}

#[tokio::test(start_paused = true)]
async fn a_unix_socket_has_no_address_to_count_but_the_account_has() {
    let throttle = Throttle::new(BASE);
    for n in 1..=3 {
        let attempt = throttle.arrive("bob", Peer::Local);
        throttle.failed(&attempt, Some(n));
    }
    assert_eq!(wait(&throttle, &throttle.arrive("alice", Peer::Local)), 2);
    assert_eq!(wait(&throttle, &throttle.arrive("bob", Peer::Local)), 15);
}

#[tokio::test(start_paused = true)]
async fn the_tables_are_bounded_and_forget_the_oldest() {
    let throttle = Throttle::new(BASE);
    {
        let mut tables = throttle.lock();
        for n in 0..ENTRIES_MAX as u64 + 5 {
            tables.addresses.insert(n, AddressFailures::default());
            tables.accounts.insert(n, Failures::default());
            tables.known.insert(n, 0);
        }
        assert_eq!(tables.addresses.len(), ENTRIES_MAX);
        assert_eq!(tables.accounts.len(), ENTRIES_MAX);
        assert_eq!(tables.known.len(), KNOWN_MAX);
        assert!(tables.addresses.peek(&4).is_none());
        assert!(tables.addresses.peek(&5).is_some());
    }
    // Two links of the list, the key and the value; the allocator adds 8 octets.
    assert_eq!(size_of::<(usize, usize, u64, AddressFailures)>(), 40);
}
