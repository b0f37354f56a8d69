//! Logins on paused time: what is right, what is refused, and when.

mod legacy;

use std::future::poll_fn;
use std::process::Command;
use std::task::Poll;
use std::thread;
use std::time::{Instant as RealInstant, SystemTime};

use tokio::time::{Instant, advance};

use super::*;
use crate::accounts::{Account, Change, Expire, Password, State};
use crate::hash::{PasswordHash, Scheme};
use crate::pool::Standing;

const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const TIMESTAMP: &str = "<1896.697170952@dbc.mtview.ca.us>";

struct Setting {
    dir: tempfile::TempDir,
    auth: Authenticator,
}

fn settings(dir: &tempfile::TempDir, scram: bool) -> Settings {
    Settings {
        data: dir.path().into(),
        scram,
        scram_iterations: 4096,
        scram_sha1: false,
        refusal_delay: Duration::from_secs(2),
    }
}

/// An authenticator with the account `bob`, password `redqueen`.
fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let auth = Authenticator::open(settings(&dir, false)).unwrap();
    auth.accounts().add("bob", &clear("redqueen")).unwrap();
    Setting { dir, auth }
}

fn clear(text: &str) -> Password {
    Password::Clear(Secret::new(text))
}

fn bcrypt() -> Password {
    Password::Hash(PasswordHash::parse(Scheme::BlfCrypt, BCRYPT).unwrap())
}

fn peer(n: u8) -> Peer {
    Peer::Address([192, 0, 2, n].into())
}

fn password(user: &str, secret: &str) -> Login {
    Login::password(user, Secret::new(secret))
}

fn by_apop(user: &str, secret: &str) -> Login {
    Login::Apop {
        user: user.into(),
        timestamp: TIMESTAMP.into(),
        digest: apop::digest(TIMESTAMP, &Secret::new(secret)),
    }
}

/// Whether a login is right, and how long its answer takes.
async fn timed(auth: &Authenticator, login: Login, peer: Peer) -> (bool, Duration) {
    let begin = Instant::now();
    let right = match auth.verify(login, peer).await {
        Ok(_) => true,
        Err(Denied::Credentials) => false,
        Err(Denied::Unavailable(why)) => panic!("{why}"),
    };
    (right, begin.elapsed())
}

/// A client that goes away, without time passing, when its login has failed but is not answered.
async fn hasty(auth: &Authenticator, login: Login, peer: Peer) {
    let before = auth.throttle.address_failures(peer);
    let mut answer = std::pin::pin!(auth.verify(login, peer));
    while auth.throttle.address_failures(peer) == before {
        let polled = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        // A task that is ready keeps the paused clock from going on.
        tokio::task::yield_now().await;
    }
}

const AT_ONCE: (bool, Duration) = (true, Duration::ZERO);

fn refused(seconds: u64) -> (bool, Duration) {
    (false, Duration::from_secs(seconds))
}

impl Authenticator {
    /// Waits, in real time, until the account is as wanted.
    fn until(&self, name: &str, wanted: impl Fn(&Account) -> bool) -> Account {
        let begin = RealInstant::now();
        loop {
            let account = self.accounts().show(name).unwrap();
            if wanted(&account) {
                return account;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{account:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_cached(&self, name: &str, secret: &str) -> bool {
        let name = AccountName::parse(name).unwrap();
        let row = self.shared.directory.read(&name).unwrap().unwrap();
        let credentials = &self.shared.credentials;
        let stored = row.password.as_ref().unwrap().text();
        let secret = Secret::new(secret);
        credentials.contains(&credentials.credential(row.id, row.version, stored, &secret))
    }
}

#[tokio::test(start_paused = true)]
async fn the_right_password_makes_an_identity_whatever_the_case_of_the_name() {
    let Setting { auth, dir: _dir } = setting();
    let bob = auth.accounts().show("bob").unwrap();
    for user in ["bob", "BOB", "Bob"] {
        let identity = auth
            .verify(password(user, "redqueen"), peer(1))
            .await
            .unwrap();
        assert_eq!(identity.account(), "bob");
        assert_eq!(identity.maildrop(), bob.maildrop);
    }
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), Peer::Local).await,
        AT_ONCE
    );
}

/// Everything that is refused is refused alike, at the same instant.
#[tokio::test(start_paused = true)]
async fn all_refusals_come_at_the_same_instant() {
    let Setting { auth, dir: _dir } = setting();
    let accounts = auth.accounts();
    for name in ["disabled", "expired", "elsewhere", "withapop", "removed"] {
        accounts.add(name, &clear("redqueen")).unwrap();
    }
    accounts.add("legacy", &bcrypt()).unwrap();
    let disable = Change {
        state: Some(State::Disabled),
        ..Change::default()
    };
    accounts.set("disabled", &disable).unwrap();
    let end = Change {
        expires: Some(Some(SystemTime::now())),
        ..Change::default()
    };
    accounts.set("expired", &end).unwrap();
    let place = Change {
        networks: Some(vec!["198.51.100.0/24".parse().unwrap()]),
        ..Change::default()
    };
    accounts.set("elsewhere", &place).unwrap();
    accounts
        .set_apop("withapop", &Secret::new("tanstaaf"))
        .unwrap();
    accounts.remove("removed").unwrap();
    let logins = [
        password("bob", "wrong"),
        password("bob", ""),
        password("bob", &"x".repeat(60_000)),
        password("nobody", "redqueen"),
        password("../../etc/passwd", "redqueen"),
        password("", ""),
        password(&"x".repeat(60_000), "redqueen"),
        password("b\u{f6}b\0\r\n", "redqueen"),
        password("legacy", "wrong"),
        password("disabled", "redqueen"),
        password("expired", "redqueen"),
        password("elsewhere", "redqueen"),
        password("removed", "redqueen"),
        by_apop("withapop", "wrong"),
        by_apop("nobody", "tanstaaf"),
        by_apop("legacy", "tanstaaf"),
        by_apop("disabled", "tanstaaf"),
    ];
    for (n, login) in (0..).zip(logins) {
        // Each from an address of its own, and long after the last one of the same account.
        advance(Duration::from_secs(3600)).await;
        let told = format!("{login:.80?}");
        assert_eq!(timed(&auth, login, peer(n)).await, refused(2), "{told}");
    }
    advance(Duration::from_secs(3600)).await;
    assert_eq!(
        timed(&auth, by_apop("withapop", "tanstaaf"), peer(99)).await,
        AT_ONCE
    );
    let inside = Peer::Address([198, 51, 100, 7].into());
    assert_eq!(
        timed(&auth, password("elsewhere", "redqueen"), inside).await,
        AT_ONCE
    );
    let enable = Change {
        state: Some(State::Enabled),
        ..Change::default()
    };
    auth.accounts().set("disabled", &enable).unwrap();
    assert_eq!(
        timed(&auth, password("disabled", "redqueen"), peer(100)).await,
        AT_ONCE
    );
}

/// Known or not, an account's penalty grows alike.
#[tokio::test(start_paused = true)]
async fn repeated_refusals_grow_alike_for_known_and_unknown_accounts() {
    let Setting { auth, dir: _dir } = setting();
    for (n, user) in [(1, "bob"), (2, "nobody"), (3, "no/name")] {
        let mut seconds = Vec::new();
        for attempt in 0..5 {
            let login = password(user, &format!("wrong{attempt}"));
            seconds.push(timed(&auth, login, peer(n)).await.1.as_secs());
        }
        assert_eq!(seconds, [2, 4, 8, 15, 15], "{user}");
    }
}

#[tokio::test(start_paused = true)]
async fn logins_side_by_side_are_counted_before_they_are_answered() {
    let Setting { auth, dir: _dir } = setting();
    for n in 0..4 {
        hasty(&auth, password("bob", &format!("wrong{n}")), peer(1)).await;
    }
    assert_eq!(
        timed(&auth, password("bob", "wrong"), peer(1)).await,
        refused(15)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_client_costs_others_nothing() {
    let Setting { auth, dir: _dir } = setting();
    for _ in 0..10 {
        assert!(!timed(&auth, password("bob", "old"), peer(1)).await.0);
    }
    assert_eq!(
        timed(&auth, password("bob", "old"), peer(1)).await,
        refused(4)
    );
    let (right, late) = timed(&auth, password("bob", "redqueen"), peer(2)).await;
    assert!(right && late <= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn strangers_do_not_lock_the_owner_out() {
    let Setting { auth, dir: _dir } = setting();
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), peer(1)).await,
        AT_ONCE
    );
    for n in 10..30 {
        let login = password("bob", &format!("guess{n}"));
        hasty(&auth, login, peer(n)).await;
    }
    // At home, whether the credential is cached or not; abroad, while it is cached.
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), peer(1)).await,
        AT_ONCE
    );
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), peer(40)).await,
        AT_ONCE
    );
    advance(crate::cache::CREDENTIAL_AGE_MAX).await;
    for n in 50..60 {
        let login = password("bob", &format!("guess{n}"));
        hasty(&auth, login, peer(n)).await;
    }
    let late = (true, Duration::from_secs(15));
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), peer(60)).await,
        late
    );
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), peer(1)).await,
        AT_ONCE
    );
}

/// A guesser who hangs up instead of waiting learns nothing, not even at a second try.
#[tokio::test(start_paused = true)]
async fn a_right_guess_whose_answer_nobody_waited_for_is_not_remembered() {
    let Setting { auth, dir: _dir } = setting();
    for n in 0..3 {
        hasty(&auth, password("bob", &format!("guess{n}")), peer(n)).await;
    }
    let right = auth.verify(password("bob", "redqueen"), peer(9));
    let mut right = Box::pin(right);
    let begin = RealInstant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        let polled = poll_fn(|cx| Poll::Ready(right.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        tokio::task::yield_now().await;
    }
    drop(right);
    assert!(!auth.is_cached("bob", "redqueen"));
    let late = (true, Duration::from_secs(15));
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), peer(9)).await,
        late
    );
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), peer(9)).await,
        AT_ONCE
    );
}

#[tokio::test(start_paused = true)]
async fn a_verified_credential_spares_the_hash() {
    let Setting { auth, dir: _dir } = setting();
    auth.verify(password("bob", "redqueen"), peer(1))
        .await
        .unwrap();
    assert!(auth.is_cached("bob", "redqueen"));
    assert!(!auth.is_cached("bob", "wrong"));
    let begin = RealInstant::now();
    for _ in 0..200 {
        auth.verify(password("bob", "redqueen"), peer(1))
            .await
            .unwrap();
    }
    // 200 hashes take 4 s.
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
    advance(crate::cache::CREDENTIAL_AGE_MAX).await;
    assert!(!auth.is_cached("bob", "redqueen"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_never_cached() {
    let Setting { auth, dir: _dir } = setting();
    assert!(!timed(&auth, password("bob", "wrong"), peer(1)).await.0);
    assert!(!auth.is_cached("bob", "wrong"));
}

#[tokio::test(start_paused = true)]
async fn what_another_connection_changes_counts_at_once() {
    let Setting { auth, dir } = setting();
    let other = Accounts::open(dir.path()).unwrap().scram(None).unwrap();
    let login = || password("bob", "redqueen");
    assert!(timed(&auth, login(), peer(1)).await.0);
    other.set_password("bob", &clear("caterpillar")).unwrap();
    assert!(!timed(&auth, login(), peer(2)).await.0);
    assert!(
        timed(&auth, password("bob", "caterpillar"), peer(1))
            .await
            .0
    );
    other.set_password("bob", &clear("redqueen")).unwrap();
    assert!(timed(&auth, login(), peer(1)).await.0);
    for change in [
        Change {
            state: Some(State::Disabled),
            ..Change::default()
        },
        Change {
            expires: Some(Some(SystemTime::UNIX_EPOCH)),
            ..Change::default()
        },
        Change {
            networks: Some(vec!["10.0.0.0/8".parse().unwrap()]),
            ..Change::default()
        },
    ] {
        other.set("bob", &change).unwrap();
        assert!(!timed(&auth, login(), peer(1)).await.0, "{change:?}");
        let free = Change {
            state: Some(State::Enabled),
            expires: Some(None),
            networks: Some(vec![]),
            ..Change::default()
        };
        other.set("bob", &free).unwrap();
        assert!(timed(&auth, login(), peer(1)).await.0, "{change:?}");
    }
    other.rename("bob", "robert").unwrap();
    assert!(!timed(&auth, login(), peer(3)).await.0);
    assert!(
        timed(&auth, password("robert", "redqueen"), peer(1))
            .await
            .0
    );
    let first = other.remove("robert").unwrap().maildrop;
    assert!(
        !timed(&auth, password("robert", "redqueen"), peer(4))
            .await
            .0
    );
    other.add("robert", &clear("redqueen")).unwrap();
    let identity = auth
        .verify(password("robert", "redqueen"), peer(1))
        .await
        .unwrap();
    assert_ne!(identity.maildrop(), first);
}

/// Not a test of its own: what the other process of the next test runs.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_sets_the_password() {
    let Some(data) = std::env::var_os("RESTANTE_TEST_DATA") else {
        return;
    };
    let accounts = Accounts::open(data.as_ref()).unwrap().scram(None).unwrap();
    accounts.set_password("bob", &clear("caterpillar")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_another_process_changes_counts_at_once() {
    let Setting { auth, dir } = setting();
    assert!(timed(&auth, password("bob", "redqueen"), peer(1)).await.0);
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "authenticator::tests::child_sets_the_password",
            "--ignored",
        ])
        .env("RESTANTE_TEST_DATA", dir.path())
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
    assert!(!timed(&auth, password("bob", "redqueen"), peer(1)).await.0);
    assert!(
        timed(&auth, password("bob", "caterpillar"), peer(2))
            .await
            .0
    );
}

#[tokio::test(start_paused = true)]
async fn a_legacy_hash_is_replaced_after_a_login_and_stays_cached() {
    let dir = tempfile::tempdir().unwrap();
    let auth = Authenticator::open(settings(&dir, true)).unwrap();
    auth.accounts().add("bob", &bcrypt()).unwrap();
    assert_eq!(timed(&auth, password("bob", "U*U"), peer(1)).await, AT_ONCE);
    let bob = auth.until("bob", |bob| bob.scram);
    assert_eq!((bob.password, bob.version), (Some(Scheme::Argon2id), 2));
    while !auth.shared.upgrading.lock().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(
        auth.is_cached("bob", "U*U"),
        "the next login must not pay the hash again"
    );
    advance(crate::cache::CREDENTIAL_AGE_MAX).await;
    assert_eq!(timed(&auth, password("bob", "U*U"), peer(1)).await, AT_ONCE);
    assert!(!timed(&auth, password("bob", "U*U*"), peer(1)).await.0);
    assert_eq!(auth.accounts().show("bob").unwrap().version, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_upgrades_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let auth = Authenticator::open(settings(&dir, true)).unwrap();
    let bob = auth.accounts().add("bob", &bcrypt()).unwrap();
    assert!(!timed(&auth, password("bob", "wrong"), peer(1)).await.0);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(auth.accounts().show("bob").unwrap(), bob);
}

/// A full pool is told alike to those who exist and those who do not; what is cached goes on.
#[tokio::test]
async fn a_full_pool_refuses_for_now_but_not_what_is_cached() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        hash_threads: NonZeroUsize::MIN,
        hash_queue_max: 1,
        ..Limits::default()
    };
    let auth = Arc::new(Authenticator::with_limits(settings(&dir, false), &limits).unwrap());
    auth.accounts().add("bob", &clear("redqueen")).unwrap();
    auth.accounts().add("alice", &clear("caterpillar")).unwrap();
    auth.verify(password("bob", "redqueen"), peer(1))
        .await
        .unwrap();
    // The only thread waits until `go` is dropped, and the only place is taken.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let busy = Arc::clone(&auth);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let running = tokio::spawn(async move {
        busy.pool
            .run(1, Standing::Known, move || {
                begun.send(()).unwrap();
                let _ = wait.recv();
            })
            .await
    });
    has_begun.await.unwrap();
    let waits = Arc::clone(&auth);
    let waiting = tokio::spawn(async move {
        waits
            .verify(password("alice", "caterpillar"), peer(2))
            .await
    });
    tokio::task::yield_now().await;
    while auth.pool.waiting() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for login in [
        password("alice", "caterpillar"),
        password("alice", "wrong"),
        password("nobody", "wrong"),
        password("no/name", "wrong"),
    ] {
        let begin = Instant::now();
        let answer = auth.verify(login, peer(3)).await;
        assert!(matches!(answer, Err(Denied::Unavailable(_))));
        // Not at once, or who asks most often would get the places.
        assert!(begin.elapsed() >= Duration::from_secs(2));
    }
    auth.verify(password("bob", "redqueen"), peer(4))
        .await
        .unwrap();
    drop(go);
    running.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().account(), "alice");
}

#[tokio::test(start_paused = true)]
async fn accounts_that_cannot_be_read_are_unavailable_not_wrong() {
    let Setting { auth, dir } = setting();
    let other = rusqlite::Connection::open(dir.path().join("accounts.db")).unwrap();
    other
        .execute_batch("ALTER TABLE account RENAME TO gone")
        .unwrap();
    let answer = auth.verify(password("bob", "redqueen"), peer(1)).await;
    assert!(matches!(answer, Err(Denied::Unavailable(_))));
    other
        .execute_batch("ALTER TABLE gone RENAME TO account")
        .unwrap();
    assert_eq!(
        timed(&auth, password("bob", "redqueen"), peer(1)).await,
        AT_ONCE
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_understood_lets_nobody_in() {
    let Setting { auth, dir } = setting();
    let other = rusqlite::Connection::open(dir.path().join("accounts.db")).unwrap();
    for broken in [
        "networks = 'anywhere'",
        "networks = '', password = 'redqueen'",
        "password = NULL",
    ] {
        other
            .execute_batch(&format!("UPDATE account SET {broken}"))
            .unwrap();
        assert!(
            !timed(&auth, password("bob", "redqueen"), peer(1)).await.0,
            "{broken}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_apop_secret_without_its_key_is_refused_like_any_other() {
    let Setting { auth, dir } = setting();
    auth.accounts()
        .set_apop("bob", &Secret::new("tanstaaf"))
        .unwrap();
    assert_eq!(
        timed(&auth, by_apop("BOB", "tanstaaf"), peer(1)).await,
        AT_ONCE
    );
    std::fs::remove_file(dir.path().join("accounts.key")).unwrap();
    assert_eq!(
        timed(&auth, by_apop("bob", "tanstaaf"), peer(1)).await,
        refused(2)
    );
    auth.accounts().clear_apop("bob").unwrap();
    advance(Duration::from_secs(3600)).await;
    assert_eq!(
        timed(&auth, by_apop("bob", "tanstaaf"), peer(1)).await,
        refused(2)
    );
}

/// What a cached login costs: told with `--nocapture`, checked only for its order of magnitude.
#[tokio::test]
async fn a_cached_login_is_cheap() {
    let Setting { auth, dir: _dir } = setting();
    auth.verify(password("bob", "redqueen"), peer(1))
        .await
        .unwrap();
    let begin = RealInstant::now();
    for _ in 0..2000 {
        auth.verify(password("bob", "redqueen"), peer(1))
            .await
            .unwrap();
    }
    let each = begin.elapsed() / 2000;
    println!("a cached login takes {each:?}");
    assert!(each < Duration::from_millis(2), "{each:?}");
}

/// Another process holds the write lock for long: logins are answered, better hashes wait for the
/// next one, and recipients are found.
#[tokio::test]
async fn a_writer_that_stays_holds_up_neither_logins_nor_recipients() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        hash_threads: NonZeroUsize::MIN,
        ..Limits::default()
    };
    let auth = Authenticator::with_limits(settings(&dir, false), &limits).unwrap();
    let names = ["alice", "bob", "carol", "dave"];
    for name in names {
        auth.accounts().add(name, &bcrypt()).unwrap();
    }
    let other = rusqlite::Connection::open(dir.path().join("accounts.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begin = RealInstant::now();
    for name in names {
        auth.verify(password(name, "U*U"), peer(1)).await.unwrap();
        let found = auth
            .accounts()
            .recipients(name, &crate::Addressing::default());
        assert_eq!(found.unwrap().len(), 1);
    }
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
    other.execute_batch("ROLLBACK").unwrap();
    while !auth.shared.upgrading.lock().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    // A new version of the row, so that the next login is hashed again.
    let change = Change {
        state: Some(State::Enabled),
        ..Change::default()
    };
    auth.accounts().set("bob", &change).unwrap();
    auth.verify(password("bob", "U*U"), peer(1)).await.unwrap();
    auth.until("bob", |bob| bob.password == Some(Scheme::Argon2id));
}

#[tokio::test(start_paused = true)]
async fn how_long_mail_is_kept_follows_every_change_and_costs_no_query_meanwhile() {
    let Setting { dir, auth } = setting();
    let month = Expire::Days(30.try_into().unwrap());
    let least = async || {
        let expiries = auth.expiries().await.unwrap();
        (expiries.least(month), expiries.differ(month))
    };
    assert_eq!(least().await, (month, false));
    let directory = &auth.shared.directory;
    assert!(directory.expiries_in_memory().is_some());
    let other = Accounts::open(dir.path()).unwrap();
    for (expire, expected) in [
        (Some(Expire::Never), (month, true)),
        (Some(Expire::Retrieved), (Expire::Retrieved, true)),
        (None, (month, false)),
    ] {
        let change = Change {
            expire: Some(expire),
            ..Change::default()
        };
        // One that says otherwise beside one that does not.
        let _ = other.add("eve", &bcrypt());
        other.set("eve", &change).unwrap();
        assert!(directory.expiries_in_memory().is_none());
        assert_eq!(least().await, expected);
        let login = password("eve", "wrong");
        assert!(auth.verify(login, peer(1)).await.is_err());
    }
    other.remove("bob").unwrap();
    let identity_of = async |expire| {
        let change = Change {
            expire: Some(expire),
            ..Change::default()
        };
        other.set("eve", &change).unwrap();
        other.set_password("eve", &clear("adam")).unwrap();
        let login = password("eve", "adam");
        auth.verify(login, peer(2)).await.unwrap().expire()
    };
    assert_eq!(identity_of(Some(month)).await, Some(month));
    // Nobody is left who keeps to the configuration.
    assert_eq!(least().await, (month, false));
    assert_eq!(identity_of(None).await, None);
    let dead = rusqlite::Connection::open(dir.path().join("accounts.db")).unwrap();
    dead.execute_batch("DROP INDEX account_expire; ALTER TABLE account RENAME TO gone;")
        .unwrap();
    assert!(matches!(auth.expiries().await, Err(Denied::Unavailable(_))));
}
