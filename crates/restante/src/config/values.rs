//! What the texts of a configuration mean: sizes, durations, paths.
//!
//! Each function gives the value, or what to write instead.

use std::path::PathBuf;
use std::time::Duration;

use server::units;

/// A duration: `30s`, `500 ms`, `10 min`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const YEAR: Duration = Duration::from_secs(366 * 86_400);
    match units::parse_duration(text) {
        Ok(duration) if duration <= YEAR => Ok(duration),
        Ok(_) => Err("give a duration of at most a year".to_owned()),
        Err(_) => {
            Err("give a duration such as \"500 ms\", \"30s\", \"10 min\", \"1 h\"".to_owned())
        }
    }
}

/// A size in octets: `50 MiB`, `1 GiB`, `1000000`.
pub(crate) fn octets(text: &str) -> Result<u64, String> {
    match units::parse_octets(text) {
        Ok(octets) if octets <= 1 << 50 => Ok(octets),
        Ok(_) => Err("give a size of at most 1024 TiB".to_owned()),
        Err(_) => Err("give a size such as \"64 KiB\", \"50 MiB\", \"1 GiB\"".to_owned()),
    }
}

/// Permissions of a Unix socket, in octal.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && !text.starts_with('+') => Ok(mode),
        _ => Err("give permissions in octal, such as \"0660\"".to_owned()),
    }
}

/// How the server signs off: one word.
pub(crate) fn sign_off(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet));
    match fits {
        true => Ok(text.to_owned()),
        false => Err("give 1 to 64 letters, digits, dots, hyphens or underscores".to_owned()),
    }
}

/// A path from the root, so that it means the same wherever the program is started.
pub(crate) fn path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.is_absolute() && !text.contains('\0') {
        true => Ok(path),
        false => Err("give the whole path, beginning with /".to_owned()),
    }
}

/// A duration as a configuration would say it.
pub(crate) fn say_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0 s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration(" 10 min"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("500 ms"), Ok(Duration::from_millis(500)));
        for wrong in [
            "",
            "s",
            "-1s",
            "30",
            "1.5h",
            "99999999999999999999s",
            "400d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(octets("50 MiB"), Ok(52_428_800));
        assert_eq!(octets("1000"), Ok(1000));
        for wrong in ["", "MiB", "-1", "1 Mb", "99999999999 TiB", "٣ MiB"] {
            assert!(octets(wrong).is_err(), "{wrong}");
        }
        for duration_ in ["0s", "30s", "10 min", "2h", "1500ms"] {
            let value = duration(duration_).unwrap();
            assert_eq!(duration(&say_duration(value)), Ok(value));
        }
    }

    #[test]
    fn names() {
        assert!(sign_off("dewey").is_ok());
        assert!(sign_off("a\nb").is_err());
        assert!(path("var").is_err());
    }
}
