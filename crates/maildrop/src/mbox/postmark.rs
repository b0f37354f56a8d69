//! The line before each message of an mbox: `From <sender> <date>`.
//!
//! No standard says what the date is like (RFC 4155 describes the usual form), so all that programs
//! have written for decades is understood: with or without seconds, a zone before or after the year or
//! none, years of two digits, and whatever comes behind. A line without a date is text.

/// What the line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Postmark {
    /// Who has sent the message, as it was written.
    pub sender: Vec<u8>,
    /// When it was delivered, µs since 1970. A date without a zone is taken for UTC.
    pub received_us: i64,
}

impl Postmark {
    /// Reads a line, with or without its end.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_prefix(b"From ")?;
        let words: Vec<(usize, &[u8])> = words(line).take(WORDS_MAX).collect();
        // The date begins with a day of the week and a month, and a sender's name hardly has both.
        (0..words.len()).rev().find_map(|first| {
            let received_us = date(&words[first..])?;
            let sender = line[..words[first].0].trim_ascii();
            (!sender.is_empty()).then(|| Self {
                sender: sender.to_vec(),
                received_us,
            })
        })
    }
}

impl Postmark {
    /// The line, with its end, as `asctime` has it since ever, in UTC. What would not be one word of a sender's
    /// name is.
    pub(super) fn line(&self) -> Vec<u8> {
        let seconds = self.received_us.div_euclid(1_000_000).clamp(0, SECONDS_MAX);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let weekday = name(WEEKDAYS, (days + 4) % 7);
        let (year, month, day) = date_of(days);
        let month = name(MONTHS, month - 1);
        let (hours, minutes, second) = (second / 3600, second / 60 % 60, second % 60);
        let date =
            format!("{weekday} {month} {day:2} {hours:02}:{minutes:02}:{second:02} {year:04}");
        let sender = match &*self.sender {
            [] => NOBODY,
            long => &long[..long.len().min(SENDER_OCTETS_MAX)],
        };
        let is_apart = |octet: &u8| octet.is_ascii_whitespace() || octet.is_ascii_control();
        let word = sender
            .iter()
            .map(|octet| if is_apart(octet) { b'_' } else { *octet });
        let mut line = b"From ".to_vec();
        line.extend(word);
        line.push(b' ');
        line.extend_from_slice(date.as_bytes());
        line.push(b'\n');
        line
    }

    /// Who has sent the message: nobody, if it is one that machines write.
    pub(super) fn sender(&self) -> &[u8] {
        match self.sender == NOBODY {
            true => b"",
            false => &self.sender,
        }
    }
}

/// Whom an mbox names where there is no sender.
const NOBODY: &[u8] = b"MAILER-DAEMON";
/// As long as any path that SMTP has (RFC 5321 §4.5.3.1.3), twice.
const SENDER_OCTETS_MAX: usize = 512;
/// The end of the year 9999.
const SECONDS_MAX: i64 = 253_402_300_799;

fn name(names: &[u8], place: i64) -> &str {
    let from = usize::try_from(place).unwrap_or(0) * 3;
    let name = names.get(from..from + 3).unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}

/// Year, month and day of a day since 1970, which is not before.
fn date_of(days: i64) -> (i64, i64, i64) {
    // No year is longer than 366 days, and few are shorter by more than one.
    let mut year = 1970 + days / 366;
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    let is_begun = |month: &i64| days_since_1970(year, *month, 1) <= days;
    let month = (1..=12).take_while(is_begun).last().unwrap_or(1);
    (year, month, days - days_since_1970(year, month, 1) + 1)
}

/// Words and where they begin.
fn words(line: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    line.split(u8::is_ascii_whitespace).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    })
}

/// `Www Mmm dd hh:mm[:ss] [zone] yy[yy] [zone]`, in µs since 1970.
fn date(words: &[(usize, &[u8])]) -> Option<i64> {
    let word = |place: usize| words.get(place).map(|(_, word)| *word);
    place(WEEKDAYS, word(0)?)?;
    let month = place(MONTHS, word(1)?)? as i64 + 1;
    let day = digits(word(2)?, 1..=2).filter(|day| (1..=31).contains(day))?;
    let seconds = time(word(3)?)?;
    let (year, before) = match year(word(4)?) {
        Some(year) => (year, None),
        None => (year(word(5)?)?, Some(zone(word(4)?)?)),
    };
    let after = word(5).filter(|_| before.is_none()).and_then(zone);
    let east = before.or(after).unwrap_or(0);
    let days = days_since_1970(year, month, day);
    Some((days * 86_400 + seconds - east * 60) * 1_000_000)
}

/// Which of these names it is.
fn place(names: &[u8], word: &[u8]) -> Option<usize> {
    let mut names = names.chunks(3);
    names.position(|name| name.eq_ignore_ascii_case(word))
}

fn time(word: &[u8]) -> Option<i64> {
    let mut parts = word.split(|&octet| octet == b':');
    let mut part = |below| digits(parts.next()?, 1..=2).filter(|part| (0..below).contains(part));
    let (hours, minutes) = (part(24)?, part(60)?);
    let seconds = part(61).unwrap_or(0);
    Some(hours * 3600 + minutes * 60 + seconds)
}

fn year(word: &[u8]) -> Option<i64> {
    match word.len() {
        4 => digits(word, 4..=4),
        // As asctime of old wrote it.
        2 => digits(word, 2..=2).map(|year| if year < 70 { 2000 + year } else { 1900 + year }),
        _ => None,
    }
}

/// Minutes east of Greenwich. Of names only those of UTC say where they are.
fn zone(word: &[u8]) -> Option<i64> {
    let (sign, hhmm) = match word.split_first()? {
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return word.iter().all(u8::is_ascii_alphabetic).then_some(0),
    };
    let hhmm = digits(hhmm, 4..=4)?;
    Some(sign * (hhmm / 100 * 60 + hhmm % 100))
}

fn digits(word: &[u8], lengths: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let is_number = lengths.contains(&word.len()) && word.iter().all(u8::is_ascii_digit);
    let number = || {
        word.iter()
            .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    };
    is_number.then(number)
}

/// Days of the Gregorian calendar, which repeats itself every 400 years.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March has its leap day at its end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    before + (153 * month + 2) / 5 + day - 1 - 719_468
}

const WEEKDAYS: &[u8] = b"SunMonTueWedThuFriSat";
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// More words no such line has.
const WORDS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_programs_write_is_understood() {
        for (line, seconds) in [
            (
                "From frop@dobbs.org Mon Nov 23 08:24:39 2026",
                1_795_422_279,
            ),
            (
                "From frop@dobbs.org  Mon Nov 23 08:24:39 2026\r\n",
                1_795_422_279,
            ),
            ("From frop@dobbs.org Mon Nov  3 08:24 2026", 1_793_694_240),
            ("From a b c Mon Nov 23 08:24:39 2026 +0100", 1_795_418_679),
            ("From a Mon Nov 23 08:24:39 -0530 2026", 1_795_442_079),
            ("From a Mon Nov 23 08:24:39 CET 2026", 1_795_422_279),
            (
                "From a Mon Nov 23 08:24:39 UTC 2026 remote from ihnp4",
                1_795_422_279,
            ),
            ("From MAILER-DAEMON Thu Jan  1 00:00:00 1970", 0),
            ("From - Tue Feb 29 12:00:00 00", 951_825_600),
            ("From a Fri Dec 31 23:59:60 99", 946_684_800),
            ("From mon nov Mon Nov 23 08:24:39 2026", 1_795_422_279),
        ] {
            let found = Postmark::parse(line.as_bytes());
            assert_eq!(
                found.map(|mark| mark.received_us),
                Some(seconds * 1_000_000),
                "{line}"
            );
        }
        let mark = Postmark::parse(b"From a b c Mon Nov 23 08:24:39 2026").unwrap();
        assert_eq!(mark.sender, b"a b c");
    }

    #[test]
    fn what_is_written_is_read() {
        for (seconds, date) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_825_600, "Tue Feb 29 12:00:00 2000"),
            (946_684_799, "Fri Dec 31 23:59:59 1999"),
            (1_795_422_279, "Mon Nov 23 08:24:39 2026"),
            (SECONDS_MAX, "Fri Dec 31 23:59:59 9999"),
        ] {
            let mark = Postmark {
                sender: b"a b\n@c".to_vec(),
                received_us: seconds * 1_000_000,
            };
            let line = mark.line();
            assert_eq!(line, format!("From a_b_@c {date}\n").as_bytes());
            let read = Postmark::parse(&line).unwrap();
            assert_eq!(read.received_us, mark.received_us);
        }
        let nobody = Postmark {
            sender: Vec::new(),
            received_us: 0,
        };
        assert_eq!(Postmark::parse(&nobody.line()).unwrap().sender(), b"");
        let endless = Postmark {
            sender: vec![b'x'; 5000],
            received_us: i64::MAX,
        };
        assert!(endless.line().len() < 600);
        assert!(Postmark::parse(&endless.line()).is_some());
    }

    #[test]
    fn text_is_no_postmark() {
        for line in [
            "From here on it is different",
            "From ",
            "From Mon Nov 23 08:24:39 2026",
            "from a Mon Nov 23 08:24:39 2026",
            ">From a Mon Nov 23 08:24:39 2026",
            "From a Mon Nov 32 08:24:39 2026",
            "From a Mon Nov 23 24:24:39 2026",
            "From a Mon Nov 23 08:24:39",
            "From a Mon Nov 23 08:24:39 +1 2026",
            "From: a Mon Nov 23 08:24:39 2026",
        ] {
            assert_eq!(Postmark::parse(line.as_bytes()), None, "{line}");
        }
    }
}
