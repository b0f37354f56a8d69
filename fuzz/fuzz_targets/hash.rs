//! Strings of password hashes, as a file to be imported may hold them, each with a password behind its first
//! line: no panic; what is accepted asks for no more than is documented, by a second reader of costs; and of the
//! cheap ones, none that takes more time or memory than the run allows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sasl::Secret;

// The hashes alone: the crate around them would bring a database into the instrumented build.
#[path = "../../crates/auth/src/hash/mod.rs"]
#[allow(dead_code, reason = "a part of another crate")]
mod hash;

use hash::{
    ARGON2_KIB_MAX, ARGON2_KIB_PASSES_MAX, BCRYPT_COST_MAX, PBKDF2_ROUNDS_MAX, PasswordHash,
    SCRYPT_BLOCKS_MAX, SCRYPT_WORK_MAX, SHA_CRYPT_ROUNDS_MAX, Scheme,
};

/// A hash is checked if it asks for no more than one of so many parts of what it may.
const CHECKED: u64 = 256;

/// What a hash asks for beside what it may, each.
fn costs(scheme: Scheme, text: &str) -> Vec<(u64, u64)> {
    let fields: Vec<_> = text.split('$').skip(1).collect();
    let named = |name: &str| {
        let mut all = fields.iter().flat_map(|field| field.split(','));
        let said = all.find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
        said.map(|digits| digits.parse::<u64>().expect("a number was read here"))
    };
    let power = |exponent: u64| 1 << exponent.min(62);
    let scrypt =
        |blocks: u64, p: u64| vec![(blocks, SCRYPT_BLOCKS_MAX), (blocks * p, SCRYPT_WORK_MAX)];
    match scheme {
        Scheme::Argon2id | Scheme::Argon2i => {
            // What is not said is as RFC 9106 has it, or cheaper.
            let (kib, passes) = (named("m").unwrap_or(19_456), named("t").unwrap_or(2));
            vec![
                (kib, ARGON2_KIB_MAX.into()),
                (kib * passes, ARGON2_KIB_PASSES_MAX),
            ]
        }
        Scheme::BlfCrypt => vec![(
            power(fields[1].parse().unwrap()),
            power(BCRYPT_COST_MAX.into()),
        )],
        Scheme::Sha512Crypt | Scheme::Sha256Crypt => {
            vec![(named("rounds").unwrap_or(5000), SHA_CRYPT_ROUNDS_MAX.into())]
        }
        Scheme::Yescrypt => {
            let params: yescrypt::Params = fields[1].parse().unwrap();
            scrypt(params.n() * u64::from(params.r()), params.p().into())
        }
        Scheme::Scrypt => match (named("ln"), named("r"), named("p")) {
            (Some(log_n), Some(r), Some(p)) => scrypt(power(log_n) * r, p),
            _ => {
                const DIGITS: &str =
                    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
                let mut digits = fields[1].chars().map(|it| DIGITS.find(it).unwrap() as u64);
                let log_n = digits.next().unwrap();
                let mut number = || {
                    (0..5)
                        .map(|at| digits.next().unwrap() << (6 * at))
                        .sum::<u64>()
                };
                let (r, p) = (number(), number());
                scrypt(power(log_n) * r, p)
            }
        },
        Scheme::Pbkdf2 => {
            let bare = if fields[0] == "1" {
                fields[2]
            } else {
                fields[1]
            };
            let rounds =
                named("i").unwrap_or_else(|| bare.parse().expect("a number was read here"));
            vec![(rounds, PBKDF2_ROUNDS_MAX.into())]
        }
        // Always the same.
        Scheme::Md5Crypt => vec![],
    }
}

fuzz_target!(|octets: &[u8]| {
    let end = octets
        .iter()
        .position(|&octet| octet == b'\n')
        .unwrap_or(octets.len());
    let (text, password) = octets.split_at(end);
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let password = Secret::new(password.strip_prefix(b"\n").unwrap_or_default());
    for scheme in Scheme::ALL {
        match PasswordHash::parse(scheme, text) {
            Ok(hash) => {
                let costs = costs(scheme, text);
                assert!(costs.iter().all(|(asked, most)| asked <= most), "{costs:?}");
                assert_eq!(hash.scheme(), scheme);
                let _ = hash.is_legacy();
                if costs.iter().all(|(asked, most)| *asked <= most / CHECKED) {
                    let answer = hash.verify(&password);
                    assert_eq!(answer, hash.verify(&password));
                }
            }
            // No octet of what may be somebody's hash is told.
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
});
