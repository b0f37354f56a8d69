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
    ("client", &["pop3", "sasl"]),
    ("bench", &["pop3", "sasl"]),
    (
        "restante",
        &[
            "server", "client", "bench", "delivery", "maildrop", "auth", "pop3", "sasl",
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
    strings("licenses", "allow")
}

/// A list in `deny.toml`.
fn strings(table: &str, key: &str) -> BTreeSet<String> {
    let file: toml::Table = include_str!("../deny.toml")
        .parse()
        .expect("deny.toml is TOML");
    let list = file[table][key].as_array().expect("it is a list");
    let text = |it: &toml::Value| it.as_str().expect("it is a string").to_owned();
    list.iter().map(text).collect()
}

#[test]
fn every_linked_crate_has_a_licence_that_we_may_use() {
    let allowed = allowed();
    let platforms = strings("graph", "targets");
    assert!(!platforms.is_empty());
    let platforms = platforms.into_iter();
    let linked = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(
            platforms
                .map(|it| format!("--filter-platform={it}"))
                .collect::<Vec<_>>(),
        )
        .exec()
        .expect("cargo metadata runs");
    for package in &linked.packages {
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

/// The families of files that a document names, such as `folder/smuggling_*.txt`: folder and beginning.
fn families(text: &str) -> impl Iterator<Item = (&str, (&str, &str))> {
    text.split('`').skip(1).step_by(2).filter_map(|path| {
        let (beginning, _) = path.split_once("*.")?;
        Some((path, beginning.rsplit_once('/')?))
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
        for (path, (folder, beginning)) in families(text) {
            let mut files = std::fs::read_dir(root.join(folder)).expect("the folder is there");
            let there = files.any(|file| {
                let name = file.expect("it can be read").file_name();
                name.to_string_lossy().starts_with(beginning)
            });
            assert!(there, "{document} names {path}");
        }
        let files = named(text).count();
        assert!(files >= files_min, "{document} names {files} files only");
    }
}

/// The rows of the tables whose last column says what shows them, each with that column.
fn shown(text: &str) -> Vec<(&str, &str)> {
    let mut rows = Vec::new();
    let mut within = false;
    for line in text.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|it| it.strip_suffix('|')) else {
            within = false;
            continue;
        };
        let cell = cells.rsplit('|').next().unwrap_or_default().trim();
        match within {
            true if !cell.is_empty() && cell.chars().all(|c| c == '-') => {}
            true => rows.push((line, cell)),
            false => within = cell.eq_ignore_ascii_case("shown by"),
        }
    }
    rows
}

/// Whether a path is of a transcript, of a test, or of a program that tests.
fn is_test(root: &std::path::Path, path: &str) -> bool {
    let place = ["tests/", "fuzz/", "interop/"]
        .iter()
        .any(|folder| path.starts_with(folder));
    place || path.contains("/tests/") || path.ends_with("/tests.rs") || {
        let text = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        text.contains("#[test]")
    }
}

/// Whether a row names what shows it, or says why nothing does: `none: the reason`.
fn is_shown(root: &std::path::Path, cell: &str) -> bool {
    let mut paths = cell.split('`').skip(1).step_by(2);
    let reason = cell.strip_prefix("none: ");
    reason.is_some_and(|why| why.len() >= 20) || paths.any(|path| is_test(root, path))
}

#[test]
fn every_row_names_its_transcript_or_its_test() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (document, text, rows_min) in [
        (
            "conformance.md",
            include_str!("../docs/conformance.md"),
            150,
        ),
        (
            "vulnerabilities.md",
            include_str!("../docs/vulnerabilities.md"),
            40,
        ),
    ] {
        let rows = shown(text);
        for (row, cell) in &rows {
            assert!(is_shown(root, cell), "{document} shows by nothing: {row}");
        }
        let rows = rows.len();
        assert!(rows >= rows_min, "{document} has {rows} such rows only");
    }
}

#[test]
fn a_row_without_a_test_is_noticed() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let text = "| Clause | Shown by |\n|---|---|\n| §3 | |\n| §4 | `tests/arrows.rs` |\n\n| a |\n|---|\n| b |\n";
    let rows = shown(text);
    assert_eq!(
        rows,
        [
            ("| §3 | |", ""),
            ("| §4 | `tests/arrows.rs` |", "`tests/arrows.rs`")
        ]
    );
    for (cell, expected) in [
        ("", false),
        ("–", false),
        ("none: later", false),
        ("none: the operator chooses the port", true),
        ("unit tests", false),
        ("`crates/pop3/src/lib.rs`", false),
        ("`crates/pop3/src/command.rs`", true),
        ("all; `tests/transcripts.rs`", true),
    ] {
        assert_eq!(is_shown(root, cell), expected, "{cell}");
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
