//! Three threads at once on one maildrop, in every order: two sessions and housekeeping, deliveries
//! and a commit, within one process and between processes.
//!
//! [`gate`] stops each thread before each of its calls of the disk and lets one go on at a time;
//! [`search`] chooses who, and tries every order with few changes of thread, then orders by dice.
//! Whatever the order: nobody waits for ever, what was promised is durable at that moment, one
//! session at a time, and no unique-id twice.

#![allow(clippy::unwrap_used, reason = "tests")]

mod acts;
mod gate;
mod search;
mod stepped;

use acts::{Act, Processes, Setting};

/// A mailbox's session while another one logs in and housekeeping is due.
#[test]
fn two_sessions_and_housekeeping() {
    search::every_order(
        Setting::TwoMessages,
        [Act::TakeAll, Act::TakeAll, Act::Tidy],
        Processes::One,
    );
    search::every_order(
        Setting::TwoMessages,
        [Act::TakeAll, Act::TakeAll, Act::Tidy],
        Processes::Each,
    );
}

#[test]
fn a_delivery_a_session_and_housekeeping() {
    search::every_order(
        Setting::TwoMessages,
        [Act::Deliver, Act::TakeAll, Act::Tidy],
        Processes::One,
    );
    search::every_order(
        Setting::TwoMessages,
        [Act::Deliver, Act::TakeAll, Act::Tidy],
        Processes::Each,
    );
}

/// The file is replaced while two deliver into it.
#[test]
fn two_deliveries_and_a_replacement() {
    search::every_order(
        Setting::Emptied,
        [Act::Deliver, Act::Deliver, Act::Tidy],
        Processes::One,
    );
    search::every_order(
        Setting::Emptied,
        [Act::Deliver, Act::Deliver, Act::Tidy],
        Processes::Each,
    );
}

/// There is no file yet, and everybody comes at once.
#[test]
fn first_deliveries_and_a_session() {
    search::every_order(
        Setting::Nothing,
        [Act::Deliver, Act::Deliver, Act::TakeAll],
        Processes::One,
    );
    search::every_order(
        Setting::Nothing,
        [Act::Deliver, Act::Deliver, Act::TakeAll],
        Processes::Each,
    );
}

/// An act that starts when another process left something unsynced, or torn.
#[test]
fn after_a_crash_everybody_comes_at_once() {
    search::every_order(
        Setting::Torn,
        [Act::Deliver, Act::TakeAll, Act::Tidy],
        Processes::One,
    );
    search::every_order(
        Setting::Torn,
        [Act::Deliver, Act::TakeAll, Act::Deliver],
        Processes::Each,
    );
    search::every_order(
        Setting::Unsynced,
        [Act::Deliver, Act::TakeAll, Act::Tidy],
        Processes::Each,
    );
}
