//! Durations and sizes as people write them: `"5s"`, `"10m"`, `"50 MiB"`.
//!
//! A number without a unit is refused for a duration, where nobody can guess it, and means octets
//! for a size. Errors say what would have been right, because the reader of a configuration shows
//! them with file, line and column.
//!
//! ```
//! use std::time::Duration;
//!
//! assert_eq!(server::units::parse_duration("10 m"), Ok(Duration::from_secs(600)));
//! assert_eq!(server::units::parse_octets("50 MiB"), Ok(50 * 1024 * 1024));
//! assert!(server::units::parse_duration("5").is_err());
//! ```

use std::time::Duration;

/// What is wrong with a duration or a size, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {remedy}")]
pub struct UnitError {
    text: String,
    kind: &'static str,
    remedy: &'static str,
}

/// Reads a duration: digits and one of `ms`, `s`, `m` (or `min`), `h`, `d` (or `day`, `days`).
///
/// # Errors
///
/// When there is no number, no unit, an unknown unit, or more than 2⁶⁴ − 1 ms.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = || UnitError {
        text: bounded(text),
        kind: "duration",
        remedy: "write a whole number and ms, s, m, h or d, such as \"5s\" or \"10m\"",
    };
    let (number, unit) = split(text).ok_or_else(error)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return Err(error()),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(error)
}

/// Reads a size in octets: digits and one of `B`, `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB`,
/// `TiB`, or nothing, which means octets.
///
/// # Errors
///
/// When there is no number, an unknown unit, or more than 2⁶⁴ − 1 octets.
pub fn parse_octets(text: &str) -> Result<u64, UnitError> {
    let error = || UnitError {
        text: bounded(text),
        kind: "size",
        remedy: "write a whole number and B, KiB, MiB, GiB or TiB, such as \"50 MiB\"",
    };
    let (number, unit) = split(text).ok_or_else(error)?;
    let octets = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(error()),
    };
    number.checked_mul(octets).ok_or_else(error)
}

/// The number and the unit behind it, without the spaces between them.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

/// So much of a wrong value as an error message needs.
fn bounded(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_every_unit() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("250ms", 250),
            ("5s", 5_000),
            (" 3 min ", 180_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1 day", 86_400_000),
            ("7 days", 604_800_000),
        ] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_says_what_would_be_right() {
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "1.5s",
            "5 weeks",
            "99999999999999999999s",
        ] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains("such as \"5s\""), "{text}: {error}");
        }
        assert!(parse_duration(&u64::MAX.to_string()).is_err());
        assert!(parse_duration(&format!("{}d", u64::MAX)).is_err());
    }

    #[test]
    fn sizes_are_read_with_every_unit() {
        for (text, octets) in [
            ("0", 0),
            ("512", 512),
            ("512 B", 512),
            ("1kB", 1_000),
            ("50 MiB", 52_428_800),
            ("1 GiB", 1 << 30),
            ("2TB", 2_000_000_000_000),
        ] {
            assert_eq!(parse_octets(text), Ok(octets), "{text}");
        }
        for text in ["", "MiB", "-1", "1 mib", "1.5 GiB", "99999999 TiB"] {
            let error = parse_octets(text).unwrap_err().to_string();
            assert!(error.contains("such as \"50 MiB\""), "{text}: {error}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_long_value() {
        let error = parse_octets(&"x".repeat(10_000)).unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }
}
