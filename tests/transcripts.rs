//! Every transcript, played every way (the format is in `src/transcript.rs`).

#![allow(clippy::unwrap_used, reason = "what fails here is a test")]

use std::path::{Path, PathBuf};

use restante_tests::{client, transcript::Transcript};

/// The transcripts below a folder of `transcripts/`, in order.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("transcripts")
        .join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Plays every transcript of a folder, in every way.
fn every(folder: &str, play: impl Fn(&Path) -> Result<usize, String>) {
    let (mut failures, mut plays) = (Vec::new(), 0);
    let files = files(folder);
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        match play(file) {
            Ok(ways) => plays += ways,
            Err(what) => failures.push(format!("{name}: {what}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(files.len() >= 60, "only {} transcripts", files.len());
    println!("{} transcripts, played {plays} times", files.len());
}

#[test]
fn the_server_says_what_the_transcripts_say() {
    every("server", |file| Transcript::read(file)?.play());
}

#[test]
fn the_client_makes_of_servers_what_the_transcripts_say() {
    every("client", |file| client::Transcript::read(file)?.play());
}

#[test]
fn a_client_transcript_that_does_not_hold_is_noticed() {
    let head = "# A transcript that is wrong. RFC 1939 §4.\nS: +OK ready\n";
    for (dialogue, way) in [
        ("", "also: greeting"),
        ("= greeting: +OK\n", "expected: greeting: +OK\n"),
        ("= greeting: +OK ready\n= deleted 1\n", "found: nothing"),
        ("= greeting: +OK ready\nC: STAT\n", "not logged in"),
        ("= greeting: +OK ready\ncannot: CAPA: x\n", "sent: CAPA"),
        ("= greeting: +OK ready\ncannot: STAT: x\n", "expected: x"),
        (
            "= greeting: +OK ready\n* outcome: deleted\n",
            "nothing deleted",
        ),
        (
            "= greeting: +OK ready\n* unanswered: 1\n",
            "0 are unanswered",
        ),
        (
            "= greeting: +OK ready\ndo: auth X now a\n",
            "also sent: AUTH X",
        ),
        ("= greeting: +OK ready\ndo: answer\n", "no challenge"),
        ("= greeting: +OK ready\n* TLS starts\n", "not agreed"),
    ] {
        let transcript = client::Transcript::parse(&format!("{head}{dialogue}")).unwrap();
        let what = transcript.play().unwrap_err();
        assert!(what.contains(way), "{way}: {what}");
    }
    for text in ["", "no comment\n", "# x. RFC 1.\nnonsense\n"] {
        assert!(client::Transcript::parse(text).is_err());
    }
}

#[test]
fn no_reply_has_a_bracket_that_is_not_a_response_code() {
    for file in files("server") {
        let transcript = Transcript::read(&file).unwrap();
        for line in transcript.server_lines() {
            let text = line
                .strip_prefix(b"+OK ")
                .or_else(|| line.strip_prefix(b"-ERR "));
            let Some(text) = text.filter(|text| text.starts_with(b"[")) else {
                continue;
            };
            let codes = [
                &b"[AUTH] "[..],
                b"[IN-USE] ",
                b"[LOGIN-DELAY] ",
                b"[SYS/TEMP] ",
                b"[SYS/PERM] ",
                b"[UTF8] ",
                // Only in the greeting of a front end that is believed, which looks for it.
                b"[XCLIENT] ",
            ];
            assert!(
                codes.iter().any(|code| text.starts_with(code)),
                "{}: {}",
                file.display(),
                line.escape_ascii()
            );
        }
    }
}

#[test]
fn a_transcript_that_does_not_hold_is_noticed() {
    let head = "# A transcript that is wrong. RFC 1939 §4.\n";
    for (dialogue, way) in [
        ("S: +OK POP3 server ready\n", "Lines"),
        (
            "S: +OK POP3 server ready <1.2@mailgate.dobbs.org>\nC: QUIT\n",
            "Lines",
        ),
        (
            "S: +OK POP3 server ready <1.2@mailgate.dobbs.org>\n* closed\n",
            "Closed",
        ),
    ] {
        let transcript = Transcript::parse(&format!("{head}{dialogue}")).unwrap();
        let what = transcript.play().unwrap_err();
        assert!(what.contains(way), "{what}");
    }
    for text in ["", "no comment\n", "# x. RFC 1.\nnonsense\n"] {
        assert!(Transcript::parse(text).is_err());
    }
}
