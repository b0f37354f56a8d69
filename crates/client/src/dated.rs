//! When a message came in, as far as its header tells: POP3 does not.
//!
//! What was added on the way stands above what the sender wrote, the last at the top. So the first
//! `Delivery-Date` or `Received` field tells when it arrived where it was fetched from; the sender's
//! `Date` is the next best. A moment that is yet to come is none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::date;

/// The beginning of a text, which the date is read from.
#[derive(Debug, Default)]
pub(super) struct Head(Vec<u8>);

/// So much of a header is looked at.
const OCTETS_MAX: usize = 64 * 1024;

impl Head {
    /// Takes the next octets of the text.
    pub(super) fn take(&mut self, stored: &[u8]) {
        let room = OCTETS_MAX - self.0.len();
        self.0.extend_from_slice(&stored[..stored.len().min(room)]);
    }

    /// When the message came in, in µs since 1970.
    pub(super) fn received_us(&self, now: SystemTime) -> Option<i64> {
        let (mut arrived, mut sent) = (None, None);
        for field in fields(&self.0) {
            let Some(colon) = field.iter().position(|octet| *octet == b':') else {
                continue;
            };
            let (name, value) = (field[..colon].trim_ascii(), &field[colon + 1..]);
            let moment = if name.eq_ignore_ascii_case(b"Received") {
                // Its date stands behind the last semicolon.
                value.rsplit(|octet| *octet == b';').next()
            } else if name.eq_ignore_ascii_case(b"Delivery-Date") {
                Some(value)
            } else if name.eq_ignore_ascii_case(b"Date") {
                sent = sent.or_else(|| moment(value));
                None
            } else {
                None
            };
            arrived = moment.and_then(self::moment);
            if arrived.is_some() {
                break;
            }
        }
        let moment = arrived.or(sent)?;
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(moment).ok()?))?;
        (time <= now).then(|| moment.saturating_mul(1_000_000))
    }
}

/// The fields of a header, folded lines and all (RFC 5322 §2.2.3).
fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut end = 0;
        loop {
            let line = rest[end..].iter().position(|octet| *octet == b'\n');
            end += line.map_or(rest.len() - end, |lf| lf + 1);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, behind) = rest.split_at(end);
        rest = behind;
        (!field.trim_ascii().is_empty()).then_some(field)
    })
}

/// A date-time (RFC 5322 §3.3, with the old zones of §4.3), in seconds since 1970.
fn moment(text: &[u8]) -> Option<i64> {
    // Comments may stand behind it, and are allowed anywhere else as well; nobody puts them there.
    let text = text.split(|octet| *octet == b'(').next()?;
    let text = str::from_utf8(text).ok()?;
    let text = text.rsplit(',').next()?;
    let mut words = text.split_ascii_whitespace();
    let day: i64 = number(words.next()?)?;
    let month = words.next()?.get(..3)?.to_ascii_lowercase();
    let month = 1 + i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let year = words.next()?;
    let year = match (year.len(), number(year)?) {
        (2, short @ 0..50) => 2000 + short,
        (2 | 3, short) => 1900 + short,
        (_, year) => year,
    };
    let mut time = words.next()?.split(':').map(number);
    let (hour, minute) = (time.next()??, time.next()??);
    let second = time.next().unwrap_or(Some(0))?;
    let in_order =
        (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    let midnight = date::midnight(year, month, day)?;
    let west = zone(words.next().unwrap_or("GMT"))?;
    in_order.then_some(midnight + hour * 3600 + minute * 60 + second + west)
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

fn number(digits: &str) -> Option<i64> {
    let is_number = (1..=4).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Seconds to be added to the time of a zone to get that of Greenwich.
fn zone(zone: &str) -> Option<i64> {
    let hours = match zone.to_ascii_uppercase().as_str() {
        "EDT" => 4,
        "EST" | "CDT" => 5,
        "CST" | "MDT" => 6,
        "MST" | "PDT" => 7,
        "PST" => 8,
        _ => match (zone.strip_prefix('-'), zone.strip_prefix('+')) {
            (Some(west), _) => return hours_and_minutes(west),
            (_, Some(east)) => return Some(-hours_and_minutes(east)?),
            // GMT, and what RFC 5322 §4.3 says to take for it.
            _ => 0,
        },
    };
    Some(hours * 3600)
}

fn hours_and_minutes(digits: &str) -> Option<i64> {
    let value = number(digits).filter(|_| digits.len() == 4)?;
    Some(value / 100 * 3600 + value % 100 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T08:24:39Z
    const MOMENT: i64 = 1_795_422_279;

    #[test]
    fn moments_are_read_as_programs_write_them() {
        for (text, expected) in [
            ("Mon, 23 Nov 2026 08:24:39 +0000", Some(MOMENT)),
            (" Mon, 23 Nov 2026 09:24:39 +0100 (CET)\r\n", Some(MOMENT)),
            ("23 Nov 26 03:24:39 EST", Some(MOMENT)),
            ("Mon,\r\n\t23 November 2026 08:24:39 GMT", Some(MOMENT)),
            ("Mon, 23 Nov 2026 08:24 -0030", Some(MOMENT - 39 + 1800)),
            ("1 Jan 1970 00:00:00 Z", Some(0)),
            ("30 Feb 2026 08:24:39 +0000", None),
            ("23 Nov 2026 24:00:00 +0000", None),
            ("23 Nov 2026", None),
            ("23 Nov 99999 08:24:39 +0000", None),
            ("23 No\u{e4} 2026 08:24:39 +0000", None),
            ("23 Nov 2026 08:24:39 +1", None),
            ("", None),
        ] {
            assert_eq!(moment(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_was_written_last_counts() {
        let received = "Received: from a by b\r\n\tid x; Mon, 23 Nov 2026 08:24:39 +0000\r\n";
        let older = "Received: by c; Sun, 22 Nov 2026 08:24:39 +0000\r\n";
        let date = "Date: Sat, 21 Nov 2026 08:24:39 +0000\r\n";
        let delivery = "Delivery-date: Mon, 23 Nov 2026 08:24:40 +0000\r\n";
        let day = 86_400;
        for (header, expected) in [
            (format!("{received}{older}{date}\r\n"), Some(MOMENT)),
            (format!("{delivery}{received}{date}\r\n"), Some(MOMENT + 1)),
            (format!("{older}{delivery}\r\n"), Some(MOMENT - day)),
            (format!("{date}{older}\r\n"), Some(MOMENT - day)),
            (
                format!("Received: when?\r\n{date}\r\n"),
                Some(MOMENT - 2 * day),
            ),
            (format!("Subject: x\r\n\r\n{date}"), None),
            (
                "Date: Sat, 21 Nov 2099 08:24:39 +0000\r\n\r\n".to_owned(),
                None,
            ),
            (
                "Date: Sat, 21 Nov 1929 08:24:39 +0000\r\n\r\n".to_owned(),
                None,
            ),
            (String::new(), None),
        ] {
            let mut head = Head::default();
            for piece in header.as_bytes().chunks(7) {
                head.take(piece);
            }
            let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            let expected = expected.map(|seconds| seconds * 1_000_000);
            assert_eq!(head.received_us(now), expected, "{header}");
        }
    }
}
