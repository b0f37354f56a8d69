//! Refused logins look alike and take the same, whoever they are for (T15).
//!
//! Over real sockets, from as many addresses as there are logins, so that no penalty shows. The long
//! form compares how long the answers took by the test of Kolmogorov and Smirnov; its result is in
//! `docs/reliability.md`. What is computed meanwhile is not the same: nobody's password costs a
//! made-up hash, a legacy hash is cheaper, and SCRAM has no verifier for some.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use auth::{Change, Password, PasswordHash, Scheme, State};
use restante_tests::random::Random;
use sasl::client::{ChannelBinding, Exchange};
use sasl::scram::Hash;
use sasl::{Secret, base64};
use server::Protocol;

use crate::harness::{Client, Server, Setup};
use crate::proxy::from;
use crate::sasl::scram;

/// Who a login is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Whose {
    Nobody,
    WrongPassword,
    Disabled,
    Bcrypt,
    Md5Crypt,
    ShaCrypt,
    Yescrypt,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum By {
    Pass,
    Plain,
    Scram,
}

const WHOSE: [Whose; 7] = [
    Whose::Nobody,
    Whose::WrongPassword,
    Whose::Disabled,
    Whose::Bcrypt,
    Whose::Md5Crypt,
    Whose::ShaCrypt,
    Whose::Yescrypt,
];
/// Hashes as other servers leave them, at the cost that `doveadm pw` or Debian's crypt(3) give them.
const LEGACY: [(Whose, Scheme, &str); 4] = [
    (
        Whose::Bcrypt,
        Scheme::BlfCrypt,
        "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ),
    (
        Whose::Md5Crypt,
        Scheme::Md5Crypt,
        "$1$abcdefgh$zjGIoYMFIqyZEjlpblT/e0",
    ),
    (
        Whose::ShaCrypt,
        Scheme::Sha512Crypt,
        "$6$abcdefgh$Iv8WII5EPiNeEIimJwoDeAZtXONpqPn9FrLu9Cw2oWxtMmapxm9pxOXK9v/S8Cmep0l2PjvUP4aEmDAQStvEz0",
    ),
    (
        Whose::Yescrypt,
        Scheme::Yescrypt,
        "$y$j9T$abcdefghijklmnop$e0ggrfTDB/u0dro1b90iETcWK3Ah3QcIvOq9HqL7Kg6",
    ),
];
const BY: [By; 3] = [By::Pass, By::Plain, By::Scram];

/// One login to be refused.
#[derive(Clone, Copy)]
struct Attempt {
    whose: Whose,
    by: By,
    /// Which of the accounts of its kind.
    name: usize,
    /// Another address each time.
    address: usize,
}

impl Attempt {
    fn user(self) -> String {
        name(self.whose, self.by, self.name)
    }

    /// The last line of the server, and how long it took.
    fn make(self, server: &Server) -> (String, Duration) {
        let [_, a, b, c] = u32::try_from(self.address + 2).unwrap().to_be_bytes();
        let mut client = from([127, a, b, c], server.address(Protocol::Pop3));
        client.expect("+OK POP3 server ready");
        let user = self.user();
        match self.by {
            By::Pass => {
                client.ask(&format!("USER {user}"), "+OK");
                timed(&mut client, "PASS wrong")
            }
            By::Plain => {
                let response = base64::encode(format!("\0{user}\0wrong").as_bytes());
                timed(&mut client, &format!("AUTH PLAIN {response}"))
            }
            By::Scram => prove(
                &mut client,
                scram(Hash::Sha256, ChannelBinding::Unsupported, &user, "wrong"),
            ),
        }
    }
}

fn timed(client: &mut Client, command: &str) -> (String, Duration) {
    let begun = Instant::now();
    client.say(command);
    let line = client.line();
    (line, begun.elapsed())
}

/// SCRAM up to the proof, the answer to which is timed.
fn prove(client: &mut Client, mut exchange: Exchange) -> (String, Duration) {
    let first = base64::encode(exchange.initial_response().unwrap().expose());
    let challenge = client.ask(&format!("AUTH SCRAM-SHA-256 {first}"), "+ ");
    let challenge = base64::decode(&challenge.as_bytes()[2..]).unwrap();
    let proof = exchange.step(&challenge).unwrap();
    timed(client, &base64::encode(proof.expose()))
}

fn name(whose: Whose, by: By, number: usize) -> String {
    format!("{whose:?}.{by:?}.{number}").to_lowercase()
}

/// How much is tried.
struct Load {
    clients: usize,
    rounds: usize,
    /// Logins of each kind in a round, by PASS and by PLAIN. Each costs a hash.
    hashed: usize,
    /// The same by SCRAM.
    scram: usize,
}

impl Load {
    fn accounts(&self, by: By) -> usize {
        match by {
            By::Pass | By::Plain => self.hashed,
            By::Scram => self.scram,
        }
    }
}

/// Accounts of every kind, enough for two rounds.
fn add_accounts(server: &Server, load: &Load) {
    let accounts = server.auth.accounts();
    let hash = PasswordHash::new(&Secret::new("redqueen")).unwrap();
    let disable = Change {
        state: Some(State::Disabled),
        ..Change::default()
    };
    for by in BY {
        // Only a password in clear gives a verifier; otherwise one hash does for all.
        let password = || match by {
            By::Scram => Password::Clear(Secret::new("redqueen")),
            By::Pass | By::Plain => Password::Hash(hash.clone()),
        };
        for number in 0..load.accounts(by) * load.rounds.min(2) {
            let of = |whose| name(whose, by, number);
            accounts
                .add(&of(Whose::WrongPassword), &password())
                .unwrap();
            accounts.add(&of(Whose::Disabled), &password()).unwrap();
            accounts.set(&of(Whose::Disabled), &disable).unwrap();
            for (whose, scheme, text) in LEGACY {
                let legacy = PasswordHash::parse(scheme, text).unwrap();
                accounts.add(&of(whose), &Password::Hash(legacy)).unwrap();
            }
        }
    }
}

/// What came of the logins of one kind.
#[derive(Default)]
struct Answers {
    texts: BTreeMap<String, usize>,
    times: Vec<Duration>,
}

/// Makes logins of every kind, mixed. Accounts are used in every second round, once
/// each, so that their penalties are forgotten meanwhile.
fn refused(server: &Server, load: &Load) -> BTreeMap<(By, Whose), Answers> {
    add_accounts(server, load);
    let rounds = load.rounds;
    let mut random = Random::new(15);
    let answers = Mutex::new(BTreeMap::<_, Answers>::new());
    let mut address = 0;
    for round in 0..rounds {
        let mut attempts = Vec::new();
        for by in BY {
            let accounts = load.accounts(by);
            for whose in WHOSE {
                for name in accounts * (round % 2)..accounts * (round % 2 + 1) {
                    attempts.push(Attempt {
                        whose,
                        by,
                        name,
                        address,
                    });
                    address += 1;
                }
            }
        }
        for last in (1..attempts.len()).rev() {
            attempts.swap(last, random.below(last + 1));
        }
        let begun = Instant::now();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..load.clients {
                scope.spawn(|| {
                    while let Some(attempt) = attempts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (text, time) = attempt.make(server);
                        let mut answers = answers.lock().unwrap();
                        let answers = answers.entry((attempt.by, attempt.whose)).or_default();
                        *answers.texts.entry(text).or_default() += 1;
                        answers.times.push(time);
                    }
                });
            }
        });
        println!("round {} of {rounds}: {:?}", round + 1, begun.elapsed());
        if round + 1 < rounds {
            std::thread::sleep(Duration::from_secs(61).saturating_sub(begun.elapsed()));
        }
    }
    let mut answers = answers.into_inner().unwrap();
    for answers in answers.values_mut() {
        answers.times.sort();
    }
    answers
}

/// All are told the same, and none before its time.
fn look_alike(answers: &BTreeMap<(By, Whose), Answers>, delay: Duration) {
    let told = "-ERR [AUTH] wrong user name or password, or the account may not log in";
    for (kind, answers) in answers {
        let texts: Vec<_> = answers.texts.keys().collect();
        assert_eq!(texts, [told], "{kind:?}");
        assert!(
            answers.times[0] >= delay,
            "{kind:?}: {:?}",
            answers.times[0]
        );
    }
}

#[test]
fn refused_logins_look_alike() {
    let server = Server::start();
    let load = Load {
        clients: 12,
        rounds: 1,
        hashed: 3,
        scram: 3,
    };
    let answers = refused(&server, &load);
    assert_eq!(answers.len(), BY.len() * WHOSE.len());
    look_alike(&answers, Duration::from_millis(300));
}

#[test]
#[ignore = "a measurement of more than twenty minutes: make timing"]
fn refused_logins_take_the_same() {
    let logins: usize = std::env::var("LOGINS").map_or(20_000, |text| text.parse().unwrap());
    // 16 logins a second, of which 5 need a hash: what a busy machine can do. A hash that is not ready
    // in time is answered on the next beat, and then its own time counts.
    let load = Load {
        clients: 32,
        rounds: logins.div_ceil(952),
        hashed: 20,
        scram: 96,
    };
    let mut setup = Setup::new().with(|config| config.limits.session_count_max = 100);
    // As it is by default.
    setup.refusal_delay = Duration::from_secs(2);
    let delay = setup.refusal_delay;
    let server = setup.start();
    let answers = refused(&server, &load);
    look_alike(&answers, delay);
    let mut least = 1.0_f64;
    let mut comparisons = 0;
    for by in BY {
        for (index, one) in WHOSE.iter().enumerate() {
            let times = &answers[&(by, *one)].times;
            let at = |part: usize| times[times.len() * part / 1000];
            println!(
                "{by:?} {one:?}: {} logins, median {:?}, 99 % {:?}, most {:?}",
                times.len(),
                at(500),
                at(990),
                times[times.len() - 1],
            );
            for other in &WHOSE[index + 1..] {
                let (distance, p) = kolmogorov_smirnov(times, &answers[&(by, *other)].times);
                println!("    beside {other:?}: D = {distance:.4}, p = {p:.4}");
                least = least.min(p);
                comparisons += 1;
            }
        }
    }
    // Of many comparisons one is below 0.01 by chance; Bonferroni's bound for all of them is not.
    let all = (least * f64::from(comparisons)).min(1.0);
    println!("{comparisons} comparisons: the least p is {least:.4}; for all of them p = {all:.4}");
    assert!(all > 0.01, "the groups can be told apart");
}

/// The greatest distance between two distributions, and how likely it is if they are the same. Both
/// are sorted.
fn kolmogorov_smirnov(one: &[Duration], other: &[Duration]) -> (f64, f64) {
    let (mut i, mut j) = (0, 0);
    let mut distance = 0.0_f64;
    while i < one.len() && j < other.len() {
        let at = one[i].min(other[j]);
        i += one[i..].partition_point(|time| *time <= at);
        j += other[j..].partition_point(|time| *time <= at);
        let parts = (i as f64 / one.len() as f64, j as f64 / other.len() as f64);
        distance = distance.max((parts.0 - parts.1).abs());
    }
    let (n, m) = (one.len() as f64, other.len() as f64);
    let root = (n * m / (n + m)).sqrt();
    // Stephens' form of the asymptotic distribution.
    let lambda = (root + 0.12 + 0.11 / root) * distance;
    let p = (1..=100)
        .map(|k: i32| {
            let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
            sign * (-2.0 * f64::from(k * k) * lambda * lambda).exp()
        })
        .sum::<f64>();
    // For a distance of almost nothing the sum does not converge.
    let p = if lambda < 0.2 { 1.0 } else { p };
    (distance, p.clamp(0.0, 1.0))
}

#[test]
fn the_statistic_tells_what_differs_from_what_does_not() {
    let mut random = Random::new(1);
    let mut sample = |shift: u64| {
        let time = |_| Duration::from_nanos(shift + random.number() % 1_000_000);
        let mut times: Vec<_> = (0..1500).map(time).collect();
        times.sort();
        times
    };
    let (first, second, late) = (sample(0), sample(0), sample(80_000));
    assert!(kolmogorov_smirnov(&first, &second).1 > 0.01);
    // A shift by 8 % of the spread.
    assert!(kolmogorov_smirnov(&first, &late).1 < 0.001);
    assert_eq!(kolmogorov_smirnov(&first, &first), (0.0, 1.0));
    // The critical distance of 1 % for such samples (Smirnov's table: 1.63 √(2/n)).
    let shifted = |by: usize| {
        let mut times = first[by..].to_vec();
        times.extend((0..by).map(|n| Duration::from_secs(1 + n as u64)));
        kolmogorov_smirnov(&first, &times)
    };
    let (distance, p) = shifted(89);
    assert!((distance - 0.0593).abs() < 0.001, "{distance}");
    assert!((0.008..0.012).contains(&p), "{p}");
}
