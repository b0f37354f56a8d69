//! Help, version, completions, man pages, and what is wrong with a command line.

use std::fs;

use crate::run::{finish, program, run};

#[test]
fn help_and_version_are_no_mistakes() {
    let help = run(&["--help"], b"").with(0);
    for command in [
        "demo",
        "serve",
        "check",
        "user",
        "deliver",
        "maildrop",
        "completions",
        "man",
    ] {
        assert!(help.stdout.contains(command), "{command}");
    }
    let version = run(&["--version"], b"").with(0);
    assert!(version.stdout.starts_with("restante "));
    assert_eq!(run(&["user", "add", "--help"], b"").with(0).stderr, "");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for words in [
        &["sevre"][..],
        &["user", "add"],
        &["user", "add", "bob", "a-password"],
        &["user", "set", "bob"],
        &["user", "set", "bob", "--enable", "--disable"],
        &["user", "remove", "bob", "--yes"],
        &["completions", "tcl"],
        &["check", "--frobnicate"],
        &["-c"],
    ] {
        let ended = run(words, b"").with(64);
        assert_eq!(ended.stdout, "", "{words:?}");
        assert!(
            ended.stderr.contains("--help"),
            "{words:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(&["completions", shell], b"").with(0);
        assert!(ended.stdout.contains("restante"), "{shell}");
        assert!(ended.stdout.contains("maildrop"), "{shell}");
    }
    let script = run(&["completions", "bash"], b"").stdout;
    let mut bash = std::process::Command::new("bash");
    finish(bash.arg("-n"), script.as_bytes()).with(0);
}

#[test]
fn a_manual_page_is_made_for_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man/man1");
    run(&["man", pages.to_str().unwrap()], b"").with(0);
    for page in [
        "restante",
        "restante-demo",
        "restante-serve",
        "restante-check",
        "restante-user",
        "restante-user-add",
        "restante-deliver",
        "restante-maildrop-import",
    ] {
        let text = fs::read_to_string(pages.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let ended = run(&["man", "/dev/null/pages"], b"").with(73);
    assert_eq!(
        ended.stderr,
        "restante: manual pages cannot be written to /dev/null/pages: not a directory\n  \
         name a directory that you may write\n"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    // Gone before the program begins: it must not depend on who is faster.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program()
        .args(["completions", "bash"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(74));
}

#[test]
fn a_full_disk_below_standard_output_is_told() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = program()
        .args(["completions", "bash"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "restante: standard output cannot be written: no space left on device\n"
    );
}
