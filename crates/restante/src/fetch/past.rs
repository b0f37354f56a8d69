//! What came of the last run of each account, and when the next one is, for `restante fetch status`.

use std::time::{SystemTime, UNIX_EPOCH};

use client::fetch::Summary;
use serde_json::{Value, json};

use super::place::Place;
use super::settings::Account;
use crate::failure::Failure;

/// Notes what came of a run, in which so many messages were fetched. That this fails hurts nobody.
pub(super) fn remember(
    place: &Place,
    account: &Account,
    at: SystemTime,
    result: &Result<Summary, Failure>,
    new: usize,
) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut object = json!({"at": since.as_secs()});
    match result {
        Ok(summary) => {
            object["new"] = summary.new.into();
            object["octets"] = summary.octets.into();
            object["deleted"] = summary.deleted.into();
            object["refused"] = summary.refused.into();
            object["too_large"] = summary.too_large.into();
            object["left"] = summary.left.into();
            object["seconds"] = summary.took.as_secs_f64().into();
        }
        Err(failure) => {
            object["new"] = new.into();
            object["code"] = (failure.code() as u8).into();
            object["what"] = failure.what().into();
            object["remedy"] = failure.advice().into();
        }
    }
    let _ = place.note(account, "last", &object.to_string());
}

/// What came of the last run.
pub(super) fn last(place: &Place, account: &Account) -> Option<Value> {
    let text = std::fs::read(place.of(account, "last")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Notes when a daemon comes back to an account; none: it does not any more. That this fails hurts nobody.
pub(super) fn expect(place: &Place, account: &Account, next: Option<SystemTime>) {
    let file = place.of(account, "next");
    let since = next.and_then(|next| next.duration_since(UNIX_EPOCH).ok());
    let _ = match since {
        Some(since) => std::fs::write(file, format!("{}\n", since.as_secs())),
        None => std::fs::remove_file(file),
    };
}

/// When a daemon comes back to an account, in seconds since 1970. One that was killed has left a moment that is over.
pub(super) fn expected(place: &Place, account: &Account, now: SystemTime) -> Option<u64> {
    let text = std::fs::read_to_string(place.of(account, "next")).ok()?;
    let next: u64 = text.trim().parse().ok()?;
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    (next >= now.as_secs()).then_some(next)
}
