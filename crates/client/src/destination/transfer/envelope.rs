//! Who sends a message and to whom, as MAIL and RCPT say it, and what must be said of its text.

use std::io;

use super::offers::Offers;
use crate::destination::{Form, Text};

/// Who the sender of the envelope is: the one that hears of it when a message cannot be delivered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Sender {
    /// Nobody, `<>`: the message was delivered once, and its sender has nothing to do with where it goes from here.
    #[default]
    Nobody,
    /// Whom the Return-Path field of the message names, if that can be said; else nobody.
    ReturnPath,
    /// Always this address.
    Address(String),
}

/// What of a text must be known before it is said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Nature {
    /// Octets above 127 anywhere.
    pub(super) eight_bit: bool,
    /// Octets above 127 in the header, which are UTF-8.
    pub(super) utf8_header: bool,
}

impl Nature {
    pub(super) fn of(text: &mut Text) -> io::Result<Self> {
        let header = text.header();
        let utf8_header = !header.is_ascii() && str::from_utf8(header).is_ok();
        let mut eight_bit = false;
        text.pieces(Form::Wire, |piece| {
            eight_bit = eight_bit || !piece.is_ascii();
            Ok::<(), io::Error>(())
        })?;
        Ok(Self {
            eight_bit,
            utf8_header,
        })
    }
}

/// Whether an address can stand between `<` and `>` in a command.
pub(super) fn can_be_said(address: &str) -> bool {
    let odd = |letter: char| letter.is_control() || matches!(letter, '<' | '>');
    let spaces = address.contains(char::is_whitespace) && !address.starts_with('"');
    // A path has 256 octets at most, the brackets included (RFC 5321 §4.5.3.1.3).
    !address.is_empty() && address.len() <= 254 && !spaces && !address.contains(odd)
}

/// Whom the Return-Path field names.
pub(super) fn return_path(header: &[u8]) -> Option<String> {
    let line = header.split(|&octet| octet == b'\n').find(|line| {
        let name = line.get(..12);
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"Return-Path:"))
    })?;
    let value = str::from_utf8(&line[12..]).ok()?.trim();
    let address = value.strip_prefix('<')?.strip_suffix('>')?;
    can_be_said(address).then(|| address.to_owned())
}

/// The sender of a message.
pub(super) fn sender(sender: &Sender, text: &Text, offers: &Offers) -> String {
    match sender {
        Sender::Nobody => String::new(),
        Sender::Address(address) => address.clone(),
        Sender::ReturnPath => return_path(text.header())
            .filter(|address| address.is_ascii() || offers.utf8)
            .unwrap_or_default(),
    }
}

/// MAIL, with what the server wants to be told beforehand.
pub(super) fn mail(
    sender: &str,
    recipients: &[String],
    octets: u64,
    nature: Nature,
    offers: &Offers,
) -> String {
    let mut command = format!("MAIL FROM:<{sender}>");
    if offers.size.is_some() {
        command.push_str(&format!(" SIZE={octets}"));
    }
    let addresses_utf8 = !sender.is_ascii() || recipients.iter().any(|it| !it.is_ascii());
    let utf8 = offers.utf8 && (nature.utf8_header || addresses_utf8);
    if offers.eight_bit && (nature.eight_bit || utf8) {
        command.push_str(" BODY=8BITMIME");
    }
    if utf8 {
        command.push_str(" SMTPUTF8");
    }
    command.push_str("\r\n");
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Spool;

    #[test]
    fn the_return_path_is_taken_if_it_can_be_said() {
        for (header, expected) in [
            ("Return-Path: <a@example.org>\r\n", Some("a@example.org")),
            (
                "X: y\r\nreturn-path:<a@example.org> \r\n",
                Some("a@example.org"),
            ),
            (
                "Return-Path: <\"a b\"@example.org>\r\n",
                Some("\"a b\"@example.org"),
            ),
            ("Return-Path: <>\r\n", None),
            ("Return-Path: a@example.org\r\n", None),
            ("Return-Path: <a> SIZE=1\r\n", None),
            ("Return-Path: <a@b> <c@d>\r\n", None),
            ("Return-Path: <a b@c>\r\n", None),
            ("Return-Path: <a\rRSET@c>\r\n", None),
            ("X-Return-Path: <a@b>\r\n", None),
        ] {
            assert_eq!(
                return_path(header.as_bytes()).as_deref(),
                expected,
                "{header}"
            );
        }
    }

    #[test]
    fn mail_says_what_the_server_wants_to_know() {
        let everything = Offers {
            eight_bit: true,
            utf8: true,
            size: Some(0),
            ..Offers::default()
        };
        let directory = tempfile::tempdir().unwrap();
        for (wire, offers, expected) in [
            (
                &b"A: b\r\n\r\nc\r\n"[..],
                &everything,
                "MAIL FROM:<> SIZE=11\r\n",
            ),
            (
                b"A: b\r\n\r\n\xe4\r\n",
                &everything,
                "MAIL FROM:<> SIZE=11 BODY=8BITMIME\r\n",
            ),
            (
                b"A: \xe4\r\n\r\n",
                &everything,
                "MAIL FROM:<> SIZE=8 BODY=8BITMIME\r\n",
            ),
            (
                b"A: \xc3\xa4\r\n\r\n",
                &everything,
                "MAIL FROM:<> SIZE=9 BODY=8BITMIME SMTPUTF8\r\n",
            ),
            (
                b"A: \xc3\xa4\r\n\r\n",
                &Offers::default(),
                "MAIL FROM:<>\r\n",
            ),
        ] {
            let mut text = Text::whole(&Spool::new(directory.path()), wire).unwrap();
            let nature = Nature::of(&mut text).unwrap();
            let said = mail(
                "",
                &["mrose@example.org".into()],
                text.octets().0,
                nature,
                offers,
            );
            assert_eq!(said, expected);
        }
    }
}
