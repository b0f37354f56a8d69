//! How names, dates and numbers are written in commands of IMAP.

use std::time::SystemTime;

use crate::date::Moment;

use sasl::base64;

/// A quoted string; none if the text needs a literal.
pub(super) fn quoted(text: &[u8]) -> Option<String> {
    let text = str::from_utf8(text).ok()?;
    if !text.bytes().all(|octet| (b' '..=b'~').contains(&octet)) {
        return None;
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{escaped}\""))
}

/// A mailbox's name in the UTF-7 of RFC 3501 §5.1.3, which every server knows.
pub(super) fn mailbox(name: &str) -> String {
    let mut written = String::new();
    let mut foreign: Vec<u8> = Vec::new();
    let shift = |foreign: &mut Vec<u8>, written: &mut String| {
        if !foreign.is_empty() {
            let digits = base64::encode(foreign).replace('/', ",");
            written.push_str(&format!("&{}-", digits.trim_end_matches('=')));
            foreign.clear();
        }
    };
    for letter in name.chars() {
        match letter {
            ' '..='~' => {
                shift(&mut foreign, &mut written);
                written.push(letter);
                if letter == '&' {
                    written.push('-');
                }
            }
            _ => {
                let units = letter.encode_utf16(&mut [0; 2]).to_vec();
                foreign.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            }
        }
    }
    shift(&mut foreign, &mut written);
    written
}

/// A date and time as APPEND wants it, in UTC; none before 1970.
pub(super) fn date_time(when: SystemTime) -> Option<String> {
    let Moment {
        year,
        month,
        day,
        hour,
        minute,
        second,
        ..
    } = Moment::of(when)?;
    Some(format!(
        "\"{day:2}-{month}-{year} {hour:02}:{minute:02}:{second:02} +0000\""
    ))
}

/// The Message-ID of a header, if it can be asked for.
pub(super) fn message_id(header: &[u8]) -> Option<String> {
    let header = str::from_utf8(header).ok()?;
    let at = header
        .match_indices("\r\n")
        .map(|(at, _)| at + 2)
        .chain([0])
        .filter(|&at| {
            let name = header.get(at..at + 11);
            name.is_some_and(|name| name.eq_ignore_ascii_case("Message-ID:"))
        })
        .min()?;
    let value = header.get(at + 11..)?;
    // The field ends where a line does not begin with white space.
    let end = value
        .match_indices("\r\n")
        .find(|(at, _)| !value[at + 2..].starts_with([' ', '\t']))
        .map_or(value.len(), |(at, _)| at);
    let id = value[..end].trim();
    let plain = id.len() > 4 && id.len() < 500 && id.bytes().all(|it| it.is_ascii_graphic());
    (plain && id.starts_with('<') && id.ends_with('>')).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn strings_are_quoted_or_not() {
        assert_eq!(quoted(b"a \"b\\").as_deref(), Some("\"a \\\"b\\\\\""));
        assert_eq!(quoted(b"").as_deref(), Some("\"\""));
        assert_eq!(quoted("\u{e4}".as_bytes()), None);
        assert_eq!(quoted(b"a\r\nb"), None);
    }

    #[test]
    fn mailboxes_have_the_names_of_rfc_3501() {
        for (name, expected) in [
            ("INBOX", "INBOX"),
            ("a & b", "a &- b"),
            (
                "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}",
                "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
            ),
            ("\u{e4}\u{1f600}x", "&AOTYPd4A-x"),
            ("a\r\nb", "a&AA0ACg-b"),
        ] {
            assert_eq!(mailbox(name), expected);
        }
    }

    #[test]
    fn dates_are_written_as_append_wants_them() {
        for (seconds, expected) in [
            (0, "\" 1-Jan-1970 00:00:00 +0000\""),
            (951_782_399, "\"28-Feb-2000 23:59:59 +0000\""),
            (951_782_400, "\"29-Feb-2000 00:00:00 +0000\""),
            (1_767_225_599, "\"31-Dec-2025 23:59:59 +0000\""),
            (1_772_323_200, "\" 1-Mar-2026 00:00:00 +0000\""),
        ] {
            let when = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(date_time(when).as_deref(), Some(expected));
        }
        assert_eq!(date_time(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(date_time(UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }

    #[test]
    fn message_ids_are_found_where_they_are() {
        for (header, expected) in [
            ("Message-ID: <a@b>\r\n", Some("<a@b>")),
            ("A: b\r\nmessage-id:\r\n <a@b>\r\nC: d\r\n", Some("<a@b>")),
            ("Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n", Some("<a@b>")),
            ("X-Message-ID: <a@b>\r\n", None),
            ("Message-ID: a@b\r\n", None),
            ("Message-ID: <a b>\r\n", None),
            ("Message-ID: <>\r\n", None),
            ("", None),
        ] {
            assert_eq!(
                message_id(header.as_bytes()).as_deref(),
                expected,
                "{header:?}"
            );
        }
    }
}
