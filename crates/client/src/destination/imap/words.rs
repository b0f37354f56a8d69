//! How names, dates and numbers are written in commands of IMAP.

use std::time::{SystemTime, UNIX_EPOCH};

use sasl::base64;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

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
    let seconds = when.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    // Years have four digits there.
    let month = MONTHS.get(month - 1).filter(|_| year < 10_000)?;
    Some(format!(
        "\"{day:2}-{month}-{year} {:02}:{:02}:{:02} +0000\"",
        second / 3600,
        second / 60 % 60,
        second % 60
    ))
}

/// Year, month from 1 and day from 1 of a day that is counted from 1970.
fn civil(days: u64) -> (u64, usize, u64) {
    // Counted from 1 March 0000, leap days are the last days of their years, and all repeats after 400 of them.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month as usize, day)
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
    use std::time::Duration;

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
