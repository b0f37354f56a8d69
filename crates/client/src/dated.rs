//! When a message came in, as far as its header tells: POP3 does not.
//!
//! What was added on the way stands above what the sender wrote, the last at the top. So the first
//! `Delivery-Date` or `Received` field tells when it arrived where it was fetched from; the sender's
//! `Date` is the next best. A moment that is yet to come is none.
//!
//! ```
//! use std::time::{Duration, SystemTime, UNIX_EPOCH};
//!
//! let header = b"Received: from a by b; Mon, 23 Nov 2026 08:24:39 +0000\r\nSubject: tea\r\n";
//! let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! let moment = UNIX_EPOCH + Duration::from_secs(1_795_422_279);
//! assert_eq!(client::dated::received(header, now), Some(moment));
//! assert_eq!(client::dated::received(header, UNIX_EPOCH), None);
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::header::fields;

/// When a message came in, by its header, with lines that end with LF or CRLF; what stands behind the header does not matter.
pub fn received(header: &[u8], now: SystemTime) -> Option<SystemTime> {
    let (mut arrived, mut sent) = (None, None);
    let of_header = |field: &&[u8]| !field.trim_ascii().is_empty();
    for field in fields(header).take_while(of_header) {
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
    let seconds = u64::try_from(arrived.or(sent)?).ok()?;
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    (time <= now).then_some(time)
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
    let midnight = midnight(year, month, day)?;
    let west = zone(words.next().unwrap_or("GMT"))?;
    in_order.then_some(midnight + hour * 3600 + minute * 60 + second + west)
}

/// The first second of a day since 1970, by the proleptic Gregorian calendar; none if there is no such day.
pub fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // Counted from a year that begins in March, so that the leap day is its last.
    let from_march = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (from_march.div_euclid(400), from_march.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (1..=last).contains(&day).then_some(days * 86_400)
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
        let arrived = "Received: from a by b\r\n\tid x; Mon, 23 Nov 2026 08:24:39 +0000\r\n";
        let older = "Received: by c; Sun, 22 Nov 2026 08:24:39 +0000\r\n";
        let date = "Date: Sat, 21 Nov 2026 08:24:39 +0000\r\n";
        let delivery = "Delivery-date: Mon, 23 Nov 2026 08:24:40 +0000\r\n";
        let day = 86_400;
        for (header, expected) in [
            (format!("{arrived}{older}{date}\r\n"), Some(MOMENT)),
            (format!("{delivery}{arrived}{date}\r\n"), Some(MOMENT + 1)),
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
            let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            let expected = expected.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds as u64));
            assert_eq!(received(header.as_bytes(), now), expected, "{header}");
            let local = header.replace("\r\n", "\n");
            assert_eq!(received(local.as_bytes(), now), expected, "{header}");
        }
    }
}
