//! A user's name is never a path: whatever it is, the maildrop lies where a random number says,
//! and nothing is made anywhere else.
//!
//! `NAMES=1000000` in the environment tries that many; `interop/checks/names.py` asks the kernel.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use auth::{Accounts, Password};
use maildrop::{Addressee, Envelope, MaildropId, Maildrops, Measure, NativeSettings};
use restante_tests::random::Random;
use sasl::Secret;

/// No file may have this in its name.
const MARK: &str = "zqmarkqz";

const PIECES: [&str; 39] = [
    "/",
    "\\",
    "..",
    ".",
    "../",
    "%s",
    "%n",
    "~",
    "~/",
    ":",
    "$",
    "$HOME",
    "\n",
    "\r",
    "\0",
    " ",
    "@",
    "@dobbs.org",
    "@..",
    "*",
    "?",
    "'",
    "\"",
    "`",
    "|",
    ";",
    "&",
    "\u{2024}\u{2024}/",
    "é",
    "\u{ff0f}",
    // Letters that become `k`, `s` and `i` in another case.
    "\u{212a}",
    "\u{17f}",
    "\u{130}",
    "a",
    "Z",
    "0",
    "+",
    "-",
    "_",
];

fn name(random: &mut Random) -> String {
    let mut pieces: Vec<_> = (0..random.below(9)).map(|_| random.pick(&PIECES)).collect();
    // Long ones, too; and often one that could be somebody's.
    match random.below(40) {
        0 => pieces.extend(["../"; 1365]),
        1..=12 => pieces.retain(|piece| piece.bytes().all(|octet| b"aZ0+-_~.'".contains(&octet))),
        _ => {}
    }
    pieces.insert(random.below(pieces.len() + 1), MARK);
    pieces.concat()
}

/// Everything below a directory.
fn files(dir: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        }
        found.insert(path);
    }
}

#[test]
fn no_name_becomes_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    let accounts = Accounts::open(&data).unwrap().scram(None).unwrap();
    let maildrops = Maildrops::native(&data, &settings).unwrap();
    let password = Password::Clear(Secret::new("redqueen"));
    let account = accounts.add("mrose", &password).unwrap();
    let domains = ["dobbs.org".to_owned()];
    // Without a detail, or an account would be found by any number of names.
    let addressing = auth::Addressing {
        hostname: "mailgate.dobbs.org",
        domains: &domains,
        detail_separator: "",
    };
    let asked = |name: &str| accounts.recipients(name, &addressing).unwrap().pop();

    let wanted: u64 = match std::env::var("NAMES") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => 20_000,
    };
    let mut random = Random::new(18);
    let mut current = account.name;
    let (mut renamed, mut delivered) = (0_u64, 0_u64);
    for _ in 0..wanted {
        let name = name(&mut random);
        let found = asked(&name);
        assert!(
            found.is_none_or(|found| found.account == current),
            "{name:?}"
        );
        // Names are kept only if they can be somebody's, one at a time.
        let valid = auth::AccountName::parse(&name).is_ok();
        if !valid || name.eq_ignore_ascii_case(&current) || !random.once_in(8) {
            continue;
        }
        current = accounts.rename(&current, &name).unwrap().name;
        renamed += 1;
        let found = asked(&name).unwrap();
        assert_eq!(found.maildrop, account.maildrop);
        if renamed % 16 == 1 {
            // The name goes into the file, as it may be.
            let to = Addressee::unlimited(MaildropId(found.maildrop ^ renamed), &found.account);
            let mut draft = maildrops.draft();
            draft.append(b"A: b\r\n\r\n").unwrap();
            let measure = Measure {
                octets: 8,
                header_octets: 8,
                ..Measure::default()
            };
            let envelope = Envelope::default();
            maildrops
                .deliver(&to, &mut draft, &measure, &envelope)
                .unwrap();
            let summary = maildrops.summary(to.id).unwrap();
            assert_eq!(summary.account, current);
            delivered += 1;
        }
    }
    assert!(
        renamed > wanted / 100 && delivered > 0,
        "{renamed} {delivered}"
    );
    println!("{wanted} names, {renamed} accounts renamed, {delivered} maildrops made");

    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    for place in [".", "..", "/", "/tmp"] {
        let mut names = fs::read_dir(place)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert!(
            !names.any(|name| name.to_string_lossy().contains(MARK)),
            "in {place}"
        );
    }
    let mut found = BTreeSet::new();
    files(&data, &mut found);
    for path in found {
        let name = path.strip_prefix(&data).unwrap().to_str().unwrap();
        let hex = |text: &str| {
            text.bytes()
                .all(|octet| b"0123456789abcdef".contains(&octet))
        };
        let ours = match name.split('/').collect::<Vec<_>>()[..] {
            [database] => database == "d" || database.starts_with("accounts.db"),
            ["d", first] => first.len() == 1 && hex(first),
            ["d", first, next] => first.len() == 1 && next.len() == 2 && hex(first) && hex(next),
            ["d", first, next, file] => {
                let drop = file.strip_suffix(".rsm").unwrap_or_default();
                drop.len() == 16 && hex(drop) && drop.starts_with(&format!("{first}{next}"))
            }
            _ => false,
        };
        assert!(ours, "{name}");
    }
}
