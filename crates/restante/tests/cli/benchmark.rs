//! `restante bench` against `restante serve`.

use std::fs;

use crate::accounts::with_bob;
use crate::run::{Ended, Site, run};
use crate::serving::{Server, servable};

fn bench(site: &Site, server: &str, workload: &[&str], password: &[u8]) -> Ended {
    let common = [
        "--server",
        server,
        "--user",
        "bob",
        "--stdin",
        "--connections",
        "1",
        "--seconds",
        "1",
        "--json",
    ];
    site.run(&[&["bench"], workload, &common].concat(), password)
}

fn outcome(ended: &Ended) -> serde_json::Value {
    serde_json::from_str(&ended.stdout).unwrap()
}

fn figure(outcome: &serde_json::Value, name: &str) -> f64 {
    let figures = outcome["figures"].as_array().unwrap();
    let figure = figures.iter().find(|figure| figure["name"] == name);
    figure.unwrap_or_else(|| panic!("{name}: {outcome}"))["value"]
        .as_f64()
        .unwrap()
}

#[test]
fn each_workload_reports_what_it_saw() {
    let site = with_bob();
    servable(&site);
    for text in ["Subject: one\n\n", "Subject: two\n\n.\n"] {
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let server = Server::quiet(&site);
    for words in [
        &["poll"][..],
        &["poll", "--rate", "50"],
        &["retrieve", "--window", "2"],
        &["idle"],
        &["list"],
    ] {
        let ended = bench(&site, &server.pop3, words, b"redqueen\n").with(0);
        let report = outcome(&ended);
        assert_eq!(report["workload"], words[0], "{report}");
        assert_eq!(report["label"], server.pop3, "{report}");
    }
    let wrong = bench(&site, &server.pop3, &["poll"], b"jabberwock\n").with(65);
    assert!(wrong.stderr.contains("[AUTH]"), "{}", wrong.stderr);
    assert_eq!(wrong.stdout, "");
    // What was measured is still there.
    let list = site.run(&["maildrop", "list"], b"").with(0);
    assert!(list.stdout.contains("2 messages"), "{}", list.stdout);
    let address = server.pop3.clone();
    let log = server.stop();
    assert!(
        !log.contains("redqueen") && !log.contains("jabberwock"),
        "{log}"
    );
    let gone = bench(&site, &address, &["poll"], b"redqueen\n").with(69);
    assert!(
        gone.stderr.contains("is the server running"),
        "{}",
        gone.stderr
    );
}

#[test]
fn a_corpus_is_known_by_its_stamps_until_it_is_drained() {
    let site = with_bob();
    servable(&site);
    let mail = site.place("DIR/mail");
    let words = [
        "bench",
        "corpus",
        &mail,
        "--format",
        "eml",
        "--messages",
        "20",
        "--size",
        "2 KiB",
    ];
    let written = site.run(&words, b"").with(0);
    assert!(
        written.stdout.starts_with("20 messages written"),
        "{written:?}"
    );
    site.run(&words, b"").with(73);
    site.run(&["maildrop", "import", "bob", &mail], b"").with(0);
    let server = Server::quiet(&site);
    let retrieved = outcome(&bench(&site, &server.pop3, &["retrieve"], b"redqueen\n").with(0));
    assert!((figure(&retrieved, "messages known by their stamp") - 100.0).abs() < 1e-9);
    assert!((figure(&retrieved, "mean size") - 2048.0).abs() < 40.0);

    let refused = bench(&site, &server.pop3, &["drain"], b"redqueen\n").with(64);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    let drain = ["drain", "--yes", "--window", "8"];
    let drained = outcome(&bench(&site, &server.pop3, &drain, b"redqueen\n").with(0));
    assert!((figure(&drained, "messages known by their stamp") - 100.0).abs() < 1e-9);
    assert_eq!(drained["timings"][1]["count"], 20, "{drained}");
    let empty = bench(&site, &server.pop3, &drain, b"redqueen\n").with(65);
    assert!(empty.stderr.contains("is empty"), "{}", empty.stderr);
    server.stop();
}

#[test]
fn what_comes_in_by_lmtp_is_there_as_it_was_sent() {
    let site = with_bob();
    servable(&site);
    for user in ["alice", "carol"] {
        let add = ["user", "add", user, "--stdin"];
        site.run(&add, b"redqueen\n").with(0);
    }
    let users = site.place("DIR/users");
    fs::write(&users, "bob\nalice\ncarol\n").unwrap();
    let server = Server::quiet(&site);
    let socket = site.place("DIR/lmtp");
    for (size, connections, copies, messages) in [
        ("4KiB", "1", "1", 5),
        ("75KiB", "8", "2", 20),
        ("1MiB", "2", "3", 2),
    ] {
        let words = [
            "bench",
            "deliver",
            "--json",
            "--server",
            &socket,
            "--users-file",
            &users,
        ];
        let count = messages.to_string();
        let what = [
            "--size",
            size,
            "--connections",
            connections,
            "--copies",
            copies,
            "--messages",
            &count,
        ];
        let delivered = outcome(&site.run(&[&words[..], &what[..]].concat(), b"").with(0));
        assert_eq!(delivered["timings"][0]["count"], messages, "{delivered}");

        let words = [
            "bench", "drain", "--yes", "--json", "--window", "8", "--stdin",
        ];
        let whose = ["--server", &server.pop3, "--users-file", &users];
        let drained = site.run(&[&words[..], &whose[..]].concat(), b"redqueen\n");
        let drained = outcome(&drained.with(0));
        let copies: u64 = copies.parse().unwrap();
        assert_eq!(
            drained["timings"][1]["count"],
            messages * copies,
            "{drained}"
        );
        assert!((figure(&drained, "messages known by their stamp") - 100.0).abs() < 1e-9);
    }
    server.stop();
}

#[test]
fn two_outcomes_make_a_page() {
    let site = with_bob();
    servable(&site);
    let server = Server::quiet(&site);
    let file = site.place("DIR/outcomes.json");
    let mut text = String::new();
    for label in ["first", "second <2>"] {
        let words = ["poll", "--label", label, "--case", "empty"];
        text += &bench(&site, &server.pop3, &words, b"redqueen\n")
            .with(0)
            .stdout;
    }
    server.stop();
    fs::write(&file, text).unwrap();
    let page = run(&["bench", "report", &file], b"").with(0).stdout;
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    assert!(
        page.contains("second &lt;2&gt;") && page.contains("<path"),
        "{page}"
    );
    let other = run(&["bench", "report", &file, "--baseline", "third"], b"").with(64);
    assert!(other.stderr.contains("--label"), "{}", other.stderr);
    fs::write(&file, "{}").unwrap();
    let odd = run(&["bench", "report", &file], b"").with(66);
    assert!(odd.stderr.contains("--json"), "{}", odd.stderr);
}

#[test]
fn a_benchmark_needs_a_password_and_something_to_do() {
    let words = ["bench", "poll", "--user", "bob"];
    let ended = run(&words, b"").with(64);
    assert!(ended.stderr.contains("--password-file"), "{}", ended.stderr);
    for (more, told) in [
        (&["--seconds", "0"][..], "nothing would be measured"),
        (&["--rate", "-1"], "no such rate"),
        (&["--rate", "NaN"], "no such rate"),
        (
            &["--server", "192.0.2.1:110", "--sources", "2"],
            "127.0.0.0/8",
        ),
        (&["--pid", "1", "--cgroup", "/"], "cannot be used with"),
    ] {
        let ended = run(&[&words[..], &["--stdin"], more].concat(), b"x\n").with(64);
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
    let nobody = run(&["bench", "poll", "--stdin"], b"x\n").with(64);
    assert!(nobody.stderr.contains("--user"), "{}", nobody.stderr);
}
