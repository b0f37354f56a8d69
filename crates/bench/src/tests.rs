//! Every workload on a server that tells the truth, and on servers that do not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::corpus::{Corpus, Sizes};
use crate::liar::{honest, liar};
use crate::{BenchError, Better, Load, Outcome, Progress, Target, Workload, run};

const RETRIEVE: Workload = Workload::Retrieve { window: 1 };
const AHEAD: Workload = Workload::Retrieve { window: 4 };
const DRAIN: Workload = Workload::Drain { window: 2 };
const POLL: Workload = Workload::Poll { rate: None };

fn corpus() -> Vec<Vec<u8>> {
    let corpus = Corpus::new("liar", Sizes::fixed(900));
    (0..4).map(|number| corpus.message(number)).collect()
}

fn measured(target: &Target, workload: Workload) -> Result<Outcome, BenchError> {
    let progress = Progress::default();
    run(
        target,
        workload,
        &Load::new(1, Duration::from_millis(100), &progress),
    )
}

/// The error that a lie about the answers to a command leads to; without a command, about the greeting.
#[track_caller]
fn refused(
    workload: Workload,
    to: &'static str,
    lie: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
) -> String {
    let target = liar(corpus(), move |command, answer| {
        let is_meant = match to {
            "" => command.is_empty(),
            _ => command.starts_with(to),
        };
        match is_meant {
            true => lie(answer),
            false => answer,
        }
    });
    let error = measured(&target, workload).unwrap_err();
    assert!(
        matches!(
            error,
            BenchError::Wrong(_) | BenchError::Broken(_) | BenchError::Refused { .. }
        ),
        "{error:?}"
    );
    error.to_string()
}

fn replaced(answer: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = memchr::memmem::find(answer, from.as_bytes()).expect("it is there");
    [&answer[..at], to.as_bytes(), &answer[at + from.len()..]].concat()
}

fn figure(outcome: &Outcome, name: &str) -> f64 {
    let figure = outcome.figures.iter().find(|figure| figure.name == name);
    figure.unwrap_or_else(|| panic!("{name}: {outcome}")).value
}

#[test]
fn the_truth_is_measured() {
    for workload in [
        POLL,
        RETRIEVE,
        AHEAD,
        Workload::List,
        Workload::Idle,
        Workload::Poll { rate: Some(200.0) },
    ] {
        let outcome = measured(&honest(corpus()), workload).unwrap();
        if let Workload::Retrieve { .. } = workload {
            assert!((figure(&outcome, "messages known by their stamp") - 100.0).abs() < 1e-9);
            assert!(figure(&outcome, "messages") > 0.0);
        }
        if let Workload::Poll { rate: Some(_) } = workload {
            assert_eq!(outcome.timings[0].count, 20, "{outcome}");
            let better = |name: &str| {
                let figure = outcome.figures.iter().find(|figure| figure.name == name);
                figure.unwrap().better
            };
            assert_eq!(better("sessions"), Better::Neither);
            assert_eq!(better("sessions never begun"), Better::Lower);
        }
    }
    let drained = measured(&honest(corpus()), DRAIN).unwrap();
    assert_eq!(drained.timings[1].count, 4, "{drained}");
}

#[test]
fn mail_without_stamps_is_compared_with_what_it_was() {
    let mail = vec![b"Subject: x\r\n\r\n.\r\n..\r\n".to_vec(), Vec::new()];
    let outcome = measured(&honest(mail), RETRIEVE).unwrap();
    assert!(figure(&outcome, "messages known by their stamp").abs() < 1e-9);
}

#[test]
fn a_wrong_size_is_refused() {
    for workload in [RETRIEVE, AHEAD, DRAIN] {
        let longer = refused(workload, "RETR 2", |answer| {
            replaced(&answer, "\r\n\r\n", "\r\nX: y\r\n\r\n")
        });
        assert!(
            longer.contains("message 2 of bob") && longer.contains("LIST"),
            "{longer}"
        );
        let shorter = refused(workload, "RETR 2", |answer| {
            replaced(&answer, "To: owner@example.org\r\n", "")
        });
        assert!(
            shorter.contains("message 2 of bob") && shorter.contains("LIST"),
            "{shorter}"
        );
    }
    let sum = refused(RETRIEVE, "STAT", |_| b"+OK 4 17\r\n".to_vec());
    assert!(sum.contains("STAT says 4 with 17"), "{sum}");
}

#[test]
fn a_line_that_is_not_stuffed_is_refused() {
    for workload in [RETRIEVE, AHEAD, DRAIN, Workload::List] {
        let unstuffed = refused(workload, "RETR 3", |answer| {
            replaced(&answer, "\r\n..dot", "\r\n.dot")
        });
        assert!(unstuffed.contains("not stuffed"), "{unstuffed}");
        refused(workload, "RETR 3", |answer| {
            replaced(&answer, "\r\n..\r\n", "\r\n.\r\n")
        });
    }
}

#[test]
fn a_message_without_its_terminator_is_refused() {
    for workload in [RETRIEVE, Workload::Drain { window: 1 }] {
        let cut = refused(workload, "RETR 3", |answer| {
            answer[..answer.len() - 3].to_vec()
        });
        assert!(cut.contains("the terminator of a message was due"), "{cut}");
    }
    let swallowed = refused(AHEAD, "RETR 3", |answer| {
        answer[..answer.len() - 3].to_vec()
    });
    assert!(swallowed.contains("it goes on after"), "{swallowed}");
}

#[test]
fn a_line_that_ends_with_lf_alone_is_refused() {
    for (workload, command) in [
        (POLL, ""),
        (POLL, "PASS"),
        (POLL, "STAT"),
        (POLL, "QUIT"),
        (RETRIEVE, "LIST"),
        (RETRIEVE, "RETR 2"),
        (Workload::List, "UIDL"),
        (Workload::List, "TOP"),
        (DRAIN, "DELE 4"),
    ] {
        // The last line, the terminator of a multi-line answer left out.
        let lf = |answer: Vec<u8>| {
            let end = match answer.ends_with(b"\r\n.\r\n") {
                true => answer.len() - 5,
                false => answer.len() - 2,
            };
            [&answer[..end], b"\n", &answer[end + 2..]].concat()
        };
        let error = refused(workload, command, lf);
        assert!(
            error.contains("LF alone") || error.contains("CRLF"),
            "{command}: {error}"
        );
    }
}

#[test]
fn a_changed_octet_is_refused() {
    for workload in [RETRIEVE, AHEAD, DRAIN] {
        let changed = refused(workload, "RETR 4", |answer| {
            replaced(&answer, "begin with a dot", "begin with a Dot")
        });
        assert!(
            changed.contains("not those that were delivered"),
            "{changed}"
        );
    }
    let readings = AtomicUsize::new(0);
    let later = refused(RETRIEVE, "RETR 4", move |answer| {
        match readings.fetch_add(1, Ordering::Relaxed) {
            0 => answer,
            _ => replaced(&answer, "begin with a dot", "begin with a Dot"),
        }
    });
    assert!(
        later.contains("message 4 of bob: its octets are not those of the first time"),
        "{later}"
    );
}

#[test]
fn another_message_is_refused() {
    let first = corpus().swap_remove(0);
    let target = liar(corpus(), move |command, answer| match command {
        "RETR 2" => {
            let mut wire = b"+OK\r\n".to_vec();
            pop3::wire::stuff(&first, &mut wire);
            [&wire[..], b".\r\n"].concat()
        }
        _ => answer,
    });
    let error = measured(&target, RETRIEVE).unwrap_err().to_string();
    assert!(
        error.contains("messages 1 and 2 of bob are the same"),
        "{error}"
    );
}

#[test]
fn listings_that_are_wrong_are_refused() {
    for (command, from, to, word) in [
        ("LIST", "2 ", "3 ", "where message 2 is due"),
        ("LIST", "\r\n4 ", "\r\nx ", "where message 4 is due"),
        ("LIST", ".\r\n", "5 0\r\n.\r\n", "LIST has 5"),
        ("UIDL", "3 id-3", "3 id-1", "the unique-id id-1"),
        ("UIDL", "3 id-3\r\n", "", "UIDL has 3 lines"),
        (
            "TOP 1 0",
            ".\r\n",
            "more\r\n.\r\n",
            "not the beginning of the message",
        ),
    ] {
        let error = refused(Workload::List, command, move |answer| match from {
            ".\r\n" => [&answer[..answer.len() - 3], to.as_bytes()].concat(),
            _ => replaced(&answer, from, to),
        });
        assert!(error.contains(word), "{command}: {error}");
    }
}

#[test]
fn a_maildrop_that_changes_under_a_poll_is_refused() {
    let polls = AtomicUsize::new(0);
    let error = refused(POLL, "STAT", move |answer| {
        match polls.fetch_add(1, Ordering::Relaxed) {
            0..5 => answer,
            _ => b"+OK 5 9999\r\n".to_vec(),
        }
    });
    assert!(error.contains("and said 4 with"), "{error}");
}

#[test]
fn deletions_that_come_back_are_refused() {
    let sessions = AtomicUsize::new(0);
    let error = refused(DRAIN, "STAT", move |answer| {
        match sessions.fetch_add(1, Ordering::Relaxed) {
            0 => answer,
            _ => b"+OK 1 900\r\n".to_vec(),
        }
    });
    assert!(
        error.contains("1 messages of bob have come back"),
        "{error}"
    );
    let kept = refused(DRAIN, "QUIT", |_| {
        b"-ERR some messages not removed\r\n".to_vec()
    });
    assert!(kept.contains("refused QUIT"), "{kept}");
}

#[test]
fn deletions_may_come_a_little_after_quit() {
    let looks = AtomicUsize::new(0);
    let target = liar(corpus(), move |command, answer| {
        if command != "STAT" {
            return answer;
        }
        match looks.fetch_add(1, Ordering::Relaxed) {
            1..4 => b"+OK 1 900\r\n".to_vec(),
            _ => answer,
        }
    });
    measured(&target, DRAIN).unwrap();
}

#[test]
fn an_empty_maildrop_has_nothing_to_retrieve() {
    for workload in [RETRIEVE, DRAIN, Workload::List] {
        let error = measured(&honest(Vec::new()), workload).unwrap_err();
        assert!(matches!(error, BenchError::Empty(_)), "{error:?}");
    }
    measured(&honest(Vec::new()), POLL).unwrap();
}

#[test]
fn a_rate_that_the_server_cannot_keep_is_told() {
    // 20 ms a session at most, one at a time, and 200 are due in a second.
    let target = liar(corpus(), |command, answer| {
        if command == "STAT" {
            std::thread::sleep(Duration::from_millis(20));
        }
        answer
    });
    let outcome = measured(&target, Workload::Poll { rate: Some(500.0) }).unwrap();
    let missed = figure(&outcome, "sessions never begun");
    assert!((30.0..50.0).contains(&missed), "{outcome}");
    let timing = &outcome.timings[0];
    // All of the fifty are in the percentiles, and the slowest waited for nearly the whole run.
    assert_eq!(timing.count, 50);
    assert!(timing.p50_ms > 80.0 && timing.max_ms > 100.0, "{outcome}");
}

#[test]
fn sessions_come_from_several_addresses() {
    let mut target = honest(corpus());
    target.sources = 3;
    let outcome = measured(&target, Workload::Idle).unwrap();
    assert!((figure(&outcome, "from addresses") - 3.0).abs() < 1e-9);
    target.address = "192.0.2.1:110".parse().unwrap();
    let error = measured(&target, Workload::Idle).unwrap_err();
    assert!(matches!(error, BenchError::NotLoopback(_)), "{error:?}");
}
