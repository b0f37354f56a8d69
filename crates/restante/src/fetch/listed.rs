//! What `restante fetch list` has shown last: which number was that of which message.
//!
//! Another session may have deleted some since, and then a number is that of another message. Whoever deletes by number is told.

use client::ledger::Key;

use super::place::Place;
use super::settings::Account;

/// Notes what was shown. That this fails costs a check, and hurts nobody.
pub(super) fn remember(place: &Place, account: &Account, keys: &[Option<Key>]) {
    let mut text = String::new();
    for key in keys {
        text.push_str(&word(key.as_ref()));
        text.push('\n');
    }
    if place.note(account, "listed", &text).is_err() {
        // An old one would be wrong.
        let _ = std::fs::remove_file(place.of(account, "listed"));
    }
}

/// What was shown last: the keys, in the order of their numbers.
pub(super) fn last(place: &Place, account: &Account) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(place.of(account, "listed")).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// A key as it is shown; one that is none is no word of a key.
pub(super) fn word(key: Option<&Key>) -> String {
    key.map_or_else(|| "-".to_owned(), Key::to_string)
}
