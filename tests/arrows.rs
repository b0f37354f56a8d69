//! The table of arrows in ARCHITECTURE.md, held to what Cargo really links; and the licences of
//! what others wrote.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Each crate of ours with those of ours that it may use: the same table as in ARCHITECTURE.md,
/// which `the_table_in_the_architecture_is_the_same` compares with this one.
const ARROWS: &[(&str, &[&str])] = &[
    ("sasl", &[]),
    ("pop3", &["sasl"]),
    ("maildrop", &["pop3"]),
    ("auth", &["sasl"]),
    ("delivery", &["maildrop", "pop3"]),
    ("server", &["delivery", "maildrop", "auth", "pop3", "sasl"]),
    ("bench", &["pop3", "sasl"]),
    (
        "restante",
        &[
            "server", "bench", "delivery", "maildrop", "auth", "pop3", "sasl",
        ],
    ),
];

/// What only tests; it may use everything, and nothing may use it.
const TESTS: &[&str] = &["tests", "powercut"];

/// What does no I/O and reads no clock must not link what does.
const PURE: &[&str] = &["sasl", "pop3"];
const NOT_PURE: &[&str] = &[
    "tokio",
    "rustix",
    "nix",
    "socket2",
    "rustls",
    "tokio-rustls",
    "rusqlite",
    "getrandom",
    "tracing",
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .exec()
        .expect("cargo metadata runs")
}

fn short(name: &str) -> &str {
    name.strip_prefix("restante-").unwrap_or(name)
}

/// What each member of the workspace links of the workspace; dev-dependencies do not count.
fn linked(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let uses = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| short(&dependency.name).to_owned())
                .collect();
            (short(&package.name).to_owned(), uses)
        })
        .collect()
}

#[test]
fn every_crate_uses_only_what_the_table_allows() {
    let linked = linked(&metadata());
    let ours: BTreeSet<&str> = linked.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = ARROWS
        .iter()
        .map(|(name, _)| *name)
        .chain(TESTS.iter().copied())
        .collect();
    assert_eq!(
        ours, known,
        "a crate is missing in the table of arrows, or gone"
    );
    for (name, allowed) in ARROWS {
        for used in &linked[*name] {
            let forbidden = ours.contains(used.as_str()) && !allowed.contains(&used.as_str());
            assert!(
                !forbidden,
                "{name} must not use {used}: see the table in ARCHITECTURE.md"
            );
        }
    }
    for (name, uses) in &linked {
        for tests in TESTS {
            assert!(!uses.contains(*tests), "{name} depends on {tests}");
        }
    }
}

#[test]
fn arrows_point_downward_only() {
    // A table that allows a circle would not be one of levels.
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    for (name, allowed) in ARROWS {
        for used in *allowed {
            assert!(placed.contains(used), "{name} → {used} points upward");
        }
        placed.insert(name);
    }
}

#[test]
fn the_protocol_crates_do_no_io() {
    let linked = linked(&metadata());
    for name in PURE {
        for foreign in NOT_PURE {
            assert!(
                !linked[*name].contains(*foreign),
                "{name} must not link {foreign}"
            );
        }
    }
}

#[test]
fn the_table_in_the_architecture_is_the_same() {
    let text = include_str!("../ARCHITECTURE.md");
    for (name, allowed) in ARROWS {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")))
            .unwrap_or_else(|| panic!("ARCHITECTURE.md has no row for {name}"));
        let cell = row.split('|').nth(2).expect("a second column");
        let written: BTreeSet<&str> = cell
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty() && *word != "–")
            .collect();
        let held: BTreeSet<&str> = allowed.iter().copied().collect();
        assert_eq!(written, held, "row of {name}");
    }
}

/// The licences that `deny.toml` allows.
fn allowed() -> BTreeSet<String> {
    let file: toml::Table = include_str!("../deny.toml")
        .parse()
        .expect("deny.toml is TOML");
    let allow = file["licenses"]["allow"]
        .as_array()
        .expect("licenses.allow is a list");
    allow
        .iter()
        .map(|licence| licence.as_str().expect("a licence is a string").to_owned())
        .collect()
}

#[test]
fn every_linked_crate_has_a_licence_that_we_may_use() {
    let allowed = allowed();
    for package in &metadata().packages {
        let licence = package
            .license
            .as_deref()
            .unwrap_or_else(|| panic!("{} names no licence", package.name));
        assert!(
            may_use(licence, &allowed),
            "{} is under {licence}",
            package.name
        );
    }
}

/// Whether one alternative of an SPDX expression without nested parentheses is allowed whole.
fn may_use(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // `/` is the old way to write OR.
    let expression = expression.replace('/', " OR ");
    let all = |part: &str| {
        part.split(" AND ").all(|licence| {
            let licence = licence.trim().trim_matches(['(', ')']).trim();
            allowed.contains(licence)
        })
    };
    // With parentheses, `A AND (B OR C)`: every conjunct needs one allowed alternative.
    if expression.contains('(') {
        return expression.split(" AND ").all(|conjunct| {
            conjunct
                .trim_matches(['(', ')', ' '])
                .split(" OR ")
                .any(all)
        });
    }
    expression.split(" OR ").any(all)
}

#[test]
fn licences_are_read_right() {
    let allowed = allowed();
    assert!(may_use("MIT OR Apache-2.0", &allowed));
    assert!(may_use("MIT/GPL-3.0", &allowed));
    assert!(may_use("(MIT OR GPL-3.0) AND Unicode-3.0", &allowed));
    assert!(!may_use("GPL-3.0", &allowed));
    assert!(!may_use("MIT AND GPL-3.0", &allowed));
}

/// The files that a document names, up to `::` if it names a test in one of them.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter_map(|word| {
        let path = word.split("::").next().unwrap_or(word);
        let is_file = [".rs", ".txt", ".py", ".md"]
            .iter()
            .any(|end| path.ends_with(end));
        (is_file && path.contains('/') && !path.contains('*')).then_some(path)
    })
}

#[test]
fn the_documents_name_files_that_exist() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (document, text, files_min) in [
        (
            "conformance.md",
            include_str!("../docs/conformance.md"),
            100,
        ),
        (
            "vulnerabilities.md",
            include_str!("../docs/vulnerabilities.md"),
            20,
        ),
        ("format.md", include_str!("../docs/format.md"), 0),
    ] {
        for path in named(text) {
            assert!(root.join(path).exists(), "{document} names {path}");
        }
        let files = named(text).count();
        assert!(files >= files_min, "{document} names {files} files only");
    }
}

#[test]
fn every_transcript_is_named_in_conformance() {
    let text = include_str!("../docs/conformance.md");
    for side in ["server", "client", "lmtp"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts").to_owned() + "/" + side;
        for file in std::fs::read_dir(folder)
            .expect("the folder is there")
            .flatten()
        {
            let name = file.file_name().into_string().expect("names are ASCII");
            let named = text.contains(&format!("{side}/{name}"))
                || text.contains(&format!("{side}/{}_*.txt", family(&name)));
            assert!(
                named,
                "conformance.md does not name transcripts/{side}/{name}"
            );
        }
    }
}

/// What the names of a family of transcripts begin with, as in `every_command_*.txt`.
fn family(name: &str) -> &str {
    ["every_command", "smuggling"]
        .into_iter()
        .find(|family| name.starts_with(family))
        .unwrap_or(name)
}
