//! Dates as people read and write them: `2026-11-23T08:45:00Z`, and whole days `2026-11-23`.
//!
//! Always UTC, by the proleptic Gregorian calendar (RFC 3339); no time zone database is needed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::dated::midnight;

const DAY: u64 = 86_400;

/// A moment as RFC 3339 writes it, to the second.
pub(crate) fn moment(time: SystemTime) -> String {
    let (days, second) = split(time);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A moment as C's asctime writes it, without the line end: `Mon Nov 23 08:24:39 2026`, in UTC.
pub(crate) fn asctime(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, second) = split(time);
    let (year, month, day) = civil(days);
    // 1970 began with a Thursday.
    let weekday = DAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day:>2} {hour:02}:{minute:02}:{second:02} {year}")
}

/// Days since 1970-01-01, and seconds of that day.
fn split(time: SystemTime) -> (i64, i64) {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s),
    };
    (
        seconds.div_euclid(DAY.cast_signed()),
        seconds.rem_euclid(DAY.cast_signed()),
    )
}

/// The first moment of a day written `2026-11-23`, from 1970 to 9999.
pub(crate) fn day(text: &str) -> Option<SystemTime> {
    let mut parts = text.splitn(3, '-');
    let mut part = |digits: usize| {
        let part = parts.next()?;
        let whole = part.len() == digits && part.bytes().all(|octet| octet.is_ascii_digit());
        whole.then(|| part.parse::<i64>().ok()).flatten()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let seconds = u64::try_from(midnight(year, month, day)?).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_printed() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2026-11-23", 1_795_392_000),
            ("9999-12-31", 253_402_214_400),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(day(text), Some(time), "{text}");
            assert_eq!(moment(time), format!("{text}T00:00:00Z"));
        }
        for (seconds, text) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_868_799, "Tue Feb 29 23:59:59 2000"),
        ] {
            assert_eq!(asctime(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
        let moment_ = UNIX_EPOCH + Duration::from_secs(1_795_422_279);
        assert_eq!(moment(moment_), "2026-11-23T08:24:39Z");
        assert_eq!(
            moment(UNIX_EPOCH - Duration::from_secs(1)),
            "1969-12-31T23:59:59Z"
        );
        for wrong in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "2025-02-29",
            "+026-01-01",
            "1969-12-31",
        ] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_comes_back() {
        for number in -146_097..146_097 {
            let (year, month, day) = civil(number);
            let seconds = number * DAY.cast_signed();
            assert_eq!(midnight(year, month, day), Some(seconds));
        }
    }
}
