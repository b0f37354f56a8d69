//! `restante bench` against `restante serve`.

use crate::accounts::with_bob;
use crate::run::{Ended, Site, run};
use crate::serving::{Server, servable};

fn bench(site: &Site, server: &str, workload: &str, password: &[u8]) -> Ended {
    let arguments = [
        "bench",
        workload,
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
    site.run(&arguments, password)
}

#[test]
fn each_workload_reports_what_it_saw() {
    let site = with_bob();
    servable(&site);
    for text in ["Subject: one\n\n", "Subject: two\n\n.\n"] {
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let server = Server::quiet(&site);
    for workload in ["poll", "retrieve", "idle", "list"] {
        let ended = bench(&site, &server.pop3, workload, b"redqueen\n").with(0);
        let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["workload"], workload, "{report}");
    }
    let wrong = bench(&site, &server.pop3, "poll", b"jabberwock\n").with(65);
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
    let gone = bench(&site, &address, "poll", b"redqueen\n").with(69);
    assert!(
        gone.stderr.contains("is the server running"),
        "{}",
        gone.stderr
    );
}

#[test]
fn a_benchmark_needs_a_password_and_something_to_do() {
    let words = ["bench", "poll", "--user", "bob"];
    let ended = run(&words, b"").with(64);
    assert!(ended.stderr.contains("--password-file"), "{}", ended.stderr);
    let nothing = [&words[..], &["--stdin", "--seconds", "0"]].concat();
    let ended = run(&nothing, b"x\n").with(64);
    assert!(
        ended.stderr.contains("nothing would be measured"),
        "{}",
        ended.stderr
    );
}
