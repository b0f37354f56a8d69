//! Days of the calendar, for those forms in which destinations want them. Always UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment, taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    pub(crate) year: u64,
    /// Three letters.
    pub(crate) month: &'static str,
    pub(crate) day: u64,
    /// Three letters.
    pub(crate) weekday: &'static str,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
}

impl Moment {
    /// That moment; none before 1970 or after the year 9999.
    pub(crate) fn of(when: SystemTime) -> Option<Self> {
        const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let seconds = when.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        Some(Self {
            year: Some(year).filter(|year| *year < 10_000)?,
            month: MONTHS.get(month - 1)?,
            day,
            weekday: WEEKDAYS[usize::try_from(days % 7).unwrap_or(0)],
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        })
    }
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
