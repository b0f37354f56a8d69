//! Sessions that fetch only what is not older than a moment.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

const DATED: [(&str, &str); 4] = [
    (
        "old",
        "Received: by b; Fri, 20 Nov 2026 08:24:39 +0000\r\nDate: Mon, 23 Nov 2026 08:24:39 +0000\r\n\r\nold\r\n",
    ),
    ("undated", "Subject: undated\r\n\r\nundated\r\n"),
    (
        "new",
        "Date: Mon, 23 Nov 2026 08:24:39 +0000\r\nSubject: new\r\n\r\nnew\r\n",
    ),
    (
        "older",
        "Date: Thu, 19 Nov 2026 08:24:39 +0000\r\nX-Spam-Flag: YES\r\n\r\nolder\r\n",
    ),
];

/// 2026-11-22T00:00:00Z
fn recent(job: &mut Job) {
    job.since = Some(UNIX_EPOCH + Duration::from_secs(1_795_305_600));
}

#[test]
fn what_is_older_stays_without_a_note_and_is_fetched_by_a_session_that_asks_for_all() {
    let place = Place::new(&DATED);
    let deletes = |job: &mut Job| {
        recent(job);
        job.keep = Keep::Never;
        // What a rule says of older mail waits until it is its turn.
        job.rules = vec![Rule {
            header: "X-Spam-Flag".into(),
            matches: Matches::Present,
            action: Action::Delete,
        }];
    };
    let summary = place.fetched(&deletes);
    assert_eq!(
        (summary.new, summary.older, summary.deleted, summary.left),
        (2, 2, 2, 2)
    );
    assert_eq!(place.server.ids(), ["old", "older"]);
    let known = |id: &str| {
        place
            .ledger()
            .get(&format!("u:{id}").parse().unwrap())
            .is_some()
    };
    assert!(known("new") && !known("old") && !known("older"));
    assert_eq!(place.fetched(&|_| {}).new, 2);
    assert_eq!(place.texts().len(), 4);
}

#[test]
fn what_was_fetched_before_is_deleted_in_its_time_whatever_its_age() {
    let place = Place::new(&DATED[..1]);
    assert_eq!(place.fetched(&|_| {}).new, 1);
    let summary = place.fetched(&|job| {
        recent(job);
        job.keep = Keep::Never;
    });
    assert_eq!((summary.older, summary.deleted), (0, 1));
}

#[test]
fn without_headers_nobody_knows_how_old_messages_are() {
    let messages: Vec<(String, &str)> = (0..50).map(|it| (it.to_string(), DATED[2].1)).collect();
    let messages: Vec<_> = messages
        .iter()
        .map(|(id, text)| (id.as_str(), *text))
        .collect();
    let place = Place::new(&messages);
    place.server.with(|state| state.manner.knows_top = false);
    let (result, _) = place.fetch(&recent);
    assert!(matches!(result, Err(FetchError::Ageless)), "{result:?}");
    // It is not asked for each of them.
    let asked = |it: &&String| it.starts_with("TOP");
    let asked = place
        .server
        .with(|state| state.commands.iter().filter(asked).count());
    assert!(asked < 10, "{asked}");
    assert_eq!(place.fetched(&|_| {}).new, 50);
}

#[test]
fn a_dry_run_says_what_is_older() {
    let place = Place::new(&DATED);
    let (_, events) = place.fetch(&|job| {
        recent(job);
        job.dry_run = true;
    });
    let planned = events.iter().find_map(|event| match event {
        Event::Planned(planned) => Some((planned.fetch.len(), planned.older)),
        _ => None,
    });
    assert_eq!(planned, Some((2, 2)));
    assert!(place.texts().is_empty());
}
