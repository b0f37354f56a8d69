//! What does not end, and what ends otherwise than it should: a session has an end all the same, and what has come is kept.

use std::time::Duration;

use super::hostile::{sessions, takes};
use super::*;
use crate::tests::maildrop::{Deletes, Quits};

#[test]
fn a_text_that_does_not_end_keeps_no_other_message_back_for_long() {
    for capabilities in [&["UIDL", "TOP", "PIPELINING"][..], &["UIDL", "TOP"]] {
        let place = Place::new(&THREE);
        place.server.with(|state| {
            state.manner.capabilities = capabilities;
            state.manner.endless = Some(1);
        });
        let told = sessions(&place, 4);
        let (first, last) = (&told[0], &told[3]);
        let why = first.as_ref().unwrap_err();
        assert!(
            why.contains("message 1 ") && why.contains("does not end"),
            "{why}"
        );
        assert!(last.is_ok(), "{told:?}");
        let mut others = three();
        others.remove("Subject: one\n\n.dot\n");
        assert_eq!(place.texts(), others, "{told:?}");
        // It is where it was, and the ledger says why.
        assert_eq!(place.server.ids(), ["a"]);
        let fate = place.ledger().get(&"u:a".parse().unwrap()).unwrap().fate;
        assert_eq!(fate, Fate::Refused);
        let files: Vec<_> = std::fs::read_dir(place.path("quarantine"))
            .unwrap()
            .collect();
        assert_eq!(files.len(), 1);
        // Once it ends it can be fetched by name.
        place.behaves();
        assert_eq!(place.fetched(&only(&["u:a"], Had::Left)).new, 1);
        assert_eq!(place.texts(), three());
    }
}

#[test]
fn a_text_without_end_behind_others_keeps_none_back_that_is_behind_it() {
    let place = Place::new(&THREE);
    place.server.with(|state| {
        state.manner.capabilities = &["UIDL", "TOP", "PIPELINING"];
        state.manner.endless = Some(2);
    });
    let results = sessions(&place, 4);
    assert!(results.last().is_some_and(Result::is_ok), "{results:?}");
    assert_eq!(place.server.ids(), ["b"]);
    assert_eq!(place.texts().len(), 2);
}

#[test]
fn sizes_that_mean_nothing_keep_no_message_back() {
    let long = |subject| {
        format!(
            "Subject: {subject}\r\n\r\n{}",
            "and so on\r\n".repeat(10_000)
        )
    };
    for capabilities in [&["UIDL", "TOP", "PIPELINING"][..], &["UIDL", "TOP"]] {
        let place = Place::new(&[
            ("a", &long("one")),
            ("b", &long("two")),
            ("c", "Subject: short\r\n\r\n"),
        ]);
        place.server.with(|state| {
            state.manner.capabilities = capabilities;
            state.manner.lists = Some(|_| 1);
        });
        let told = sessions(&place, 4);
        assert!(told.last().is_some_and(Result::is_ok), "{told:?}");
        assert_eq!(place.texts().len(), 3, "{told:?}");
        assert!(place.server.ids().is_empty(), "{told:?}");
    }
}

#[test]
fn a_message_as_large_as_listed_is_no_header_without_end() {
    let large = format!(
        "Subject: large\r\n\r\n{}",
        "and so on\r\n".repeat(6_500_000)
    );
    let place = Place::new(&[("a", "Subject: small\r\n\r\n"), ("b", &large)]);
    place.server.with(|state| state.manner.shows_all = true);
    let summary = place.fetched(&|job| {
        job.rules = vec![Rule {
            header: "Subject".into(),
            matches: Matches::Equals("large".into()),
            action: Action::Skip,
        }];
    });
    assert_eq!(summary.new, 1);
}

#[test]
fn a_quit_that_is_answered_late_or_never_loses_nothing() {
    for (quits, deleted) in [(Quits::Late, 3), (Quits::Never, 0)] {
        let place = Place::new(&THREE);
        place.server.with(|state| state.manner.quits = quits);
        let summary = place.fetched(&|job| {
            takes(job);
            job.patience.listing = Duration::from_secs(match quits {
                Quits::Never => 1,
                _ => 60,
            });
        });
        assert_eq!((summary.new, summary.deleted), (3, deleted), "{quits:?}");
        place.is_made_good(&three(), &format!("{quits:?}"));
    }
}

#[test]
fn a_refused_quit_leaves_what_came_and_nothing_in_doubt() {
    let place = Place::new(&THREE);
    let refuses = |state: &mut crate::tests::maildrop::State| {
        state.manner.deletes = Deletes::NotAtQuit;
    };
    place.server.with(refuses);
    // Nothing but its word says that they are the same.
    place.server.with(|state| state.manner.knows_top = false);
    let (result, events) = place.fetch(&takes);
    let error = result.unwrap_err();
    let said = "the server refused QUIT: -ERR some were not deleted";
    assert_eq!(error.to_string(), said);
    let delivered = events
        .iter()
        .filter(|it| matches!(it, Event::Delivered { .. }));
    assert_eq!(delivered.count(), 3);
    assert!(!events.iter().any(|it| matches!(it, Event::Deleted(_))));
    let ledger = place.ledger();
    assert_eq!(ledger.ended(), Ended::InOrder);
    assert!(ledger.iter().all(|(_, entry)| entry.absent.is_none()));
    drop(ledger);
    // They are known, and neither fetched again nor given up.
    place.server.with(|state| state.retrieved = 0);
    assert_eq!(place.fetch(&takes).0.unwrap_err().to_string(), said);
    assert_eq!(place.server.with(|state| state.retrieved), 0);
    place.is_made_good(&three(), "QUIT was refused");
}

#[test]
fn a_message_that_ends_the_connection_comes_last_and_is_left_out_then() {
    for capabilities in [&["UIDL", "TOP", "PIPELINING"][..], &["UIDL", "TOP"]] {
        let place = Place::new(&THREE);
        place.server.with(|state| {
            state.manner.capabilities = capabilities;
            state.manner.cuts_at = Some(1);
        });
        let broke_at = |events: &[Event]| {
            events.iter().find_map(|event| match event {
                Event::BrokeAt(key) => Some(key.clone()),
                _ => None,
            })
        };
        let (result, events) = place.fetch(&takes);
        assert!(matches!(result, Err(FetchError::Server(_))), "{result:?}");
        let key = broke_at(&events).unwrap();
        assert_eq!(key.to_string(), "u:a");
        // Behind the others it hurts none of them, but nothing is deleted.
        let (result, events) = place.fetch(&|job| {
            takes(job);
            job.last.insert(key.clone());
        });
        assert!(matches!(result, Err(FetchError::Server(_))), "{result:?}");
        assert_eq!(broke_at(&events), Some(key.clone()));
        assert_eq!((place.texts().len(), place.server.ids().len()), (2, 3));
        // Without it the session has an end.
        let (result, events) = place.fetch(&|job| {
            takes(job);
            job.without.insert(key.clone());
        });
        let summary = result.unwrap();
        assert_eq!((summary.new, summary.deleted, summary.refused), (0, 2, 1));
        assert!(
            events
                .iter()
                .any(|event| matches!(event, Event::NotGiven { number, .. } if number.get() == 1))
        );
        assert_eq!(place.server.ids(), ["a"]);
        place.is_made_good(&three(), "one ended the connection");
    }
}
