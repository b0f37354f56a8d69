//! Events as transcripts print them.

use pop3::client::{Broken, Challenge, Event, Outcome};

/// An event in a line. `text` is what was handed on of a message since the last one; nothing is
/// printed before the message is complete.
pub(super) fn print(event: &Event, text: &mut Vec<u8>) -> Option<String> {
    Some(match event {
        Event::Greeting(status) => match status.timestamp() {
            Some(timestamp) => format!("greeting with timestamp {timestamp}: {status}"),
            None => format!("greeting: {status}"),
        },
        Event::TurnedAway(status) => format!("turned away: {status}"),
        Event::Capabilities(all) => {
            let all: Vec<_> = all.iter().map(|one| format!("{one:?}")).collect();
            format!("capabilities: {}", all.join(", "))
        }
        Event::Mechanisms(names) => format!("mechanisms: {}", names.join(" ")),
        Event::TlsReady => "TLS ready".into(),
        Event::Challenge(Challenge::Octets(octets)) => {
            format!("challenge: {}", octets.expose().escape_ascii())
        }
        Event::Challenge(Challenge::NotBase64) => "challenge that is not base 64".into(),
        Event::LoggedIn(status) => format!("logged in: {status}"),
        Event::Accepted { to, status } => format!("accepted {}: {status}", to.name()),
        Event::Refused {
            to,
            number: None,
            status,
        } => format!("refused {}: {status}", to.name()),
        Event::Refused {
            to,
            number: Some(number),
            status,
        } => format!("refused {} {number}: {status}", to.name()),
        Event::Totals { messages, octets } => format!("totals: {messages} and {octets}"),
        Event::Size { number, octets } => format!("size {number}: {octets}"),
        Event::UniqueId { number, id } => format!("unique-id {number}: {id}"),
        Event::Unreadable { to, text } => format!("unreadable {}: {text}", to.name()),
        Event::ListingEnds { to } => format!("{} ends", to.name()),
        Event::TextBegins {
            number,
            announced: None,
        } => format!("text {number} begins"),
        Event::TextBegins {
            number,
            announced: Some(octets),
        } => format!("text {number} begins, {octets} octets are announced"),
        Event::Text(_) => return None,
        Event::TextEnds { number, octets } => {
            let text = std::mem::take(text);
            format!("text {number}, {octets} octets: {}", text.escape_ascii())
        }
        Event::Deleted(number) => format!("deleted {number}"),
        Event::SignedOff(status) => format!("signed off: {status}"),
    })
}

/// The end of a session that went wrong.
pub(super) fn broken(broken: &Broken) -> String {
    format!("broken: {broken}")
}

/// What is known of the deletions.
pub(super) fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::NothingDeleted => "nothing deleted",
        Outcome::Unknown => "unknown",
        Outcome::Deleted => "deleted",
        Outcome::Refused(_) => "refused",
    }
}
