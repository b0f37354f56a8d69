//! The header fields that a delivery puts before the text: Return-Path, Delivered-To, Received.
//!
//! RFC 5321 §4.4 says what they hold. They are part of the message from then on: `LIST` counts
//! them. What a peer said gets into them only without control characters and cut to a length, so that no
//! name or address can begin a line of its own or break the line limit of RFC 5322 §2.1.1.

use std::io::Write;

use crate::date::Date;

/// How and when a message came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Envelope sender without angle brackets, if it is known; empty: the null sender.
    pub sender: Option<&'a str>,
    /// The way in.
    pub trace: Trace<'a>,
    /// When, in µs since the beginning of 1970, UTC.
    pub at_us: i64,
}

/// The way in, which decides on the trace headers.
#[derive(Clone, Copy, Debug)]
pub enum Trace<'a> {
    /// Over LMTP or SMTP: all three headers.
    Transfer {
        /// The Received field's value up to `for`: `from … by … with LMTP`.
        received: &'a str,
        /// A field to be put before Received, where who has added it stands above it (RFC 8601 §5):
        /// with its CRLF, in stored form; or nothing.
        authentication_results: &'a str,
    },
    /// From a program on this machine: Return-Path and Delivered-To if the sender is known.
    /// Programs that care for more have written their own Received.
    Local,
}

/// Most octets of a value that others chose. Line limit of RFC 5322 (998) less the longest name.
const VALUE_OCTETS_MAX: usize = 900;

impl Arrival<'_> {
    /// The lines that come before the text in the maildrop of `address`. None begins with a dot,
    /// so they are their own stored form.
    pub fn prefix(&self, address: &str) -> Vec<u8> {
        let address = printable(address);
        let sender = self.sender.map(printable);
        let path = match (&self.trace, sender) {
            (_, Some(sender)) => sender,
            (Trace::Transfer { .. }, None) => String::new(),
            (Trace::Local, None) => return Vec::new(),
        };
        let mut lines =
            format!("Return-Path: <{path}>\r\nDelivered-To: {address}\r\n").into_bytes();
        if let Trace::Transfer {
            received,
            authentication_results,
        } = self.trace
        {
            lines.extend_from_slice(authentication_results.as_bytes());
            let (received, date) = (printable(received), Date::from_us(self.at_us));
            write!(
                lines,
                "Received: {received}\r\n\tfor <{address}>; {date}\r\n"
            )
            .expect("a Vec takes all octets");
        }
        lines
    }
}

/// The value on one line: control characters are replaced, and it is cut at [`VALUE_OCTETS_MAX`]. What is
/// not ASCII stays: addresses may be so (RFC 6531), and header fields (RFC 6532).
fn printable(value: &str) -> String {
    let mut line = String::new();
    for c in value.chars() {
        if line.len() + c.len_utf8() > VALUE_OCTETS_MAX {
            break;
        }
        line.push(match c.is_control() {
            true => '?',
            false => c,
        });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_US: i64 = 1_795_422_279_000_000;

    fn transfer(received: &str) -> Trace<'_> {
        Trace::Transfer {
            received,
            authentication_results: "",
        }
    }

    fn prefix(sender: Option<&str>, trace: Trace<'_>, address: &str) -> String {
        let arrival = Arrival {
            sender,
            trace,
            at_us: AT_US,
        };
        String::from_utf8(arrival.prefix(address)).unwrap()
    }

    #[test]
    fn lmtp_adds_all_three() {
        let received = "from mx.dobbs.org ([192.0.2.1]) by mailgate.dobbs.org with LMTP";
        assert_eq!(
            prefix(
                Some("alice@example.org"),
                transfer(received),
                "bob@dobbs.org"
            ),
            "Return-Path: <alice@example.org>\r\n\
             Delivered-To: bob@dobbs.org\r\n\
             Received: from mx.dobbs.org ([192.0.2.1]) by mailgate.dobbs.org with LMTP\r\n\
             \tfor <bob@dobbs.org>; Mon, 23 Nov 2026 08:24:39 +0000\r\n"
        );
    }

    #[test]
    fn what_was_found_out_stands_above_received() {
        let trace = Trace::Transfer {
            received: "from x by y with ESMTP",
            authentication_results: "Authentication-Results: y; spf=pass\r\n",
        };
        let lines = prefix(Some("a@x"), trace, "bob");
        let names: Vec<_> = lines
            .lines()
            .map(|line| line.split([':', '\t']).next())
            .collect();
        let expected = [
            "Return-Path",
            "Delivered-To",
            "Authentication-Results",
            "Received",
            "",
        ];
        assert_eq!(names, expected.map(Some));
    }

    #[test]
    fn the_null_sender_is_an_empty_path() {
        let lines = prefix(Some(""), Trace::Local, "bob");
        assert_eq!(lines, "Return-Path: <>\r\nDelivered-To: bob\r\n");
    }

    #[test]
    fn a_program_adds_nothing_unless_it_names_the_sender() {
        assert_eq!(prefix(None, Trace::Local, "bob"), "");
    }

    #[test]
    fn nobody_can_add_a_line_or_a_long_one() {
        let (long, wide) = ("x".repeat(5000), "é".repeat(5000));
        for evil in [
            "a\r\nX-Evil: 1",
            "a\nX-Evil: 1",
            "a\rX",
            "\0\x1b[31m\u{85}é",
            &long,
            &wide,
        ] {
            let lines = prefix(Some(evil), transfer(evil), evil);
            assert_eq!(lines.matches("\r\n").count(), 4, "{lines}");
            assert_eq!(lines.replace("\r\n", "").matches(['\r', '\n']).count(), 0);
            assert!(
                !lines
                    .replace("\r\n", "")
                    .replace('\t', "")
                    .contains(char::is_control)
            );
            assert!(lines.lines().all(|line| line.len() <= 998));
            let mut names = lines.lines().map(|line| line.split([':', '\t']).next());
            assert!(names.all(|name| matches!(
                name,
                Some("Return-Path" | "Delivered-To" | "Received" | "")
            )));
        }
    }
}
