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
