//! Guessing must not slow down those who are known: cached logins go on while the pool is full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Authenticator, Denied, Password, Peer, SCRAM_ITERATIONS, Settings};
use sasl::{Login, Secret};

fn login(user: &str, secret: &str) -> Login {
    Login::password(user, Secret::new(secret))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cached_logins_are_quick_while_many_guess() {
    let dir = tempfile::tempdir().unwrap();
    let auth = Arc::new(
        Authenticator::open(Settings {
            data: dir.path().into(),
            scram: false,
            scram_iterations: SCRAM_ITERATIONS,
            scram_sha1: false,
            refusal_delay: Duration::from_millis(100),
        })
        .unwrap(),
    );
    let password = Password::Clear(Secret::new("redqueen"));
    auth.accounts().add("bob", &password).unwrap();
    let home = Peer::Address([192, 0, 2, 1].into());
    auth.verify(login("bob", "redqueen"), home).await.unwrap();

    // 700 guesses at once, from as many addresses: more than the queue has places.
    let guesses: Vec<_> = (0..700_u16)
        .map(|n| {
            let auth = Arc::clone(&auth);
            let [high, low] = n.to_be_bytes();
            let peer = Peer::Address([10, 0, high, low].into());
            tokio::spawn(async move { auth.verify(login("bob", &format!("guess{n}")), peer).await })
        })
        .collect();
    let mut times = Vec::new();
    for _ in 0..100 {
        let begin = Instant::now();
        auth.verify(login("bob", "redqueen"), home).await.unwrap();
        times.push(begin.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times.sort();
    println!("median {:?}, 99 % {:?}", times[50], times[98]);
    // The goal is 20 ms for 99 %; a busy test machine is given more, and a hash in the queue would
    // take seconds.
    assert!(times[90] < Duration::from_millis(250), "{times:?}");

    let mut unavailable = 0;
    for guess in guesses {
        match guess.await.unwrap() {
            Err(Denied::Unavailable(_)) => unavailable += 1,
            Err(Denied::Credentials) => {}
            Ok(identity) => panic!("{identity:?}"),
        }
    }
    // Threads take some from the queue while it is filled; the others beyond its places are told.
    assert!((100..=188).contains(&unavailable), "{unavailable}");
}
