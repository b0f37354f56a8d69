//! Dates as RFC 5322 §3.3 writes them, always in UTC.

use std::fmt;

/// An instant, printed as `Mon, 23 Nov 2026 08:24:39 +0000`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Date {
    seconds: i64,
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Date {
    /// From µs since the beginning of 1970, UTC.
    pub(crate) fn from_us(us: i64) -> Self {
        Self {
            seconds: us.div_euclid(1_000_000),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.seconds.div_euclid(86_400);
        let second = self.seconds.rem_euclid(86_400);
        let (year, month, day) = civil(days);
        write!(
            f,
            "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} +0000",
            WEEKDAYS[days.rem_euclid(7) as usize],
            MONTHS[month],
            second / 3600,
            second / 60 % 60,
            second % 60,
        )
    }
}

/// Year, month (0 is January) and day of a number of days since 1 January 1970, in the Gregorian
/// calendar.
fn civil(days: i64) -> (i64, usize, i64) {
    // Years that begin on 1 March have their leap day at the end, so that the months before it
    // follow one rule: five of them have 153 days. Day 0 is 1 March of year 0.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(seconds: i64) -> String {
        Date::from_us(seconds * 1_000_000).to_string()
    }

    #[test]
    fn known_instants() {
        // Each as `date -u -R -d @N` prints it.
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 +0000"),
            (1_709_164_799, "Wed, 28 Feb 2024 23:59:59 +0000"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 +0000"),
            (1_772_323_199, "Sat, 28 Feb 2026 23:59:59 +0000"),
            (1_772_323_200, "Sun, 01 Mar 2026 00:00:00 +0000"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 +0000"),
            (1_798_761_600, "Fri, 01 Jan 2027 00:00:00 +0000"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 +0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn a_microsecond_before_1970_is_1969() {
        let date = Date::from_us(-1).to_string();
        assert_eq!(date, "Wed, 31 Dec 1969 23:59:59 +0000");
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let (mut year, mut month, mut day) = (1600, 0, 1);
        for days in -135_140..200_000 {
            assert_eq!(civil(days), (year, month, day), "day {days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                1 if leap => 29,
                1 => 28,
                3 | 5 | 8 | 10 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (11, 31) => (year + 1, 0, 1),
                (_, day) if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn no_time_is_too_far() {
        for us in [i64::MIN, i64::MAX] {
            assert!(Date::from_us(us).to_string().ends_with(" +0000"));
        }
    }
}
