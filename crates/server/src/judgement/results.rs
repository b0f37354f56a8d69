//! The `Authentication-Results` field (RFC 8601).
//!
//! Names in it were chosen by strangers. Each is written as a token or, if it is none, as a quoted
//! string of printable ASCII without quotes and backslashes, and cut to a length; so nobody ends a
//! value, a result or a line but we. Of an address only the domain is told, which is all that was
//! checked.

use base64ct::{Base64, Encoding};

use super::Outcome;
use super::dkim::Signed;
use super::dmarc::{Author, Wants};
use super::spf::{Identity, Spf};

/// One field with its CRLF; lines of 78 octets unless one value is longer.
pub(super) fn field(hostname: &str, spf: &Spf, signed: &[Signed], authors: &[Author]) -> String {
    let mut field = Field::new(hostname);
    field.result("spf", spf.outcome(), None);
    match spf.identity {
        Identity::MailFrom => field.property("smtp.mailfrom", &spf.domain),
        Identity::Helo => field.property("smtp.helo", &spf.domain),
    }
    for signed in signed {
        field.result("dkim", signed.outcome, signed.reason);
        if let Some(signature) = &signed.signature {
            field.property("header.d", &signature.domain);
            field.property("header.s", &signature.selector);
            field.property("header.a", signature.algorithm);
            field.property("header.b", &Base64::encode_string(&signature.beginning));
        }
    }
    for author in authors {
        field.result("dmarc", author.outcome, author.reason);
        if !author.domain.is_empty() {
            field.property("header.from", &author.domain);
        }
        if author.outcome == Outcome::Fail {
            let wants = match author.wants {
                Wants::Nothing => "none",
                Wants::Quarantine => "quarantine",
                Wants::Reject => "reject",
            };
            field.property("policy.dmarc", wants);
        }
    }
    field.text + "\r\n"
}

struct Field {
    text: String,
    /// Octets of the last line.
    line: usize,
}

impl Field {
    fn new(hostname: &str) -> Self {
        let text = format!("Authentication-Results: {}", value(hostname));
        let line = text.len();
        Self { text, line }
    }

    fn result(&mut self, method: &str, outcome: Outcome, reason: Option<&str>) {
        self.text.push_str(";\r\n\t");
        let result = format!("{method}={outcome}");
        self.text.push_str(&result);
        self.line = TAB + result.len();
        if let Some(reason) = reason {
            self.word(&format!("reason={}", value(reason)));
        }
    }

    fn property(&mut self, name: &str, stranger: &str) {
        self.word(&format!("{name}={}", value(stranger)));
    }

    fn word(&mut self, word: &str) {
        // One more for the semicolon that may follow.
        if self.line + word.len() + 2 > LINE_OCTETS {
            self.text.push_str("\r\n\t\t");
            self.line = 2 * TAB;
        } else {
            self.text.push(' ');
            self.line += 1;
        }
        self.text.push_str(word);
        self.line += word.len();
    }
}

/// A value as RFC 8601 §2.2 has it: a token or a quoted string (RFC 2045 §5.1).
pub(super) fn value(stranger: &str) -> String {
    let text: String = stranger
        .chars()
        .take(VALUE_OCTETS_MAX)
        .map(harmless)
        .collect();
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"-._+".contains(&octet);
    match !text.is_empty() && text.bytes().all(is_token) {
        true => text,
        false => format!("\"{text}\""),
    }
}

fn harmless(c: char) -> char {
    match c {
        '"' | '\\' => '?',
        ' '..='~' => c,
        _ => '?',
    }
}

/// What a line should have at most (RFC 5322 §2.1.1).
const LINE_OCTETS: usize = 78;

/// A tab is counted as wide as it is shown.
const TAB: usize = 8;

/// The longest name of the DNS.
const VALUE_OCTETS_MAX: usize = 255;
