//! What the texts of a configuration mean: sizes, durations, paths.
//!
//! Each function gives the value, or what to write instead.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use auth::{Disposition, Expire, Quota};
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

/// How much a maildrop may hold: `none`, or a size.
pub(crate) fn quota(text: &str) -> Result<Quota, String> {
    let wrong = || "give a size such as \"500 MiB\" or \"1 GiB\", or \"none\"".to_owned();
    match text {
        "none" => Ok(Quota::Unlimited),
        // Nobody can mean a maildrop that takes nothing, and elsewhere 0 is no limit.
        size => octets(size)
            .ok()
            .and_then(NonZeroU64::new)
            .map(Quota::AtMost)
            .ok_or_else(wrong),
    }
}

/// When mail is deleted that its owner leaves: `never`, `after retrieval`, or days.
pub(crate) fn expire(text: &str) -> Result<Expire, String> {
    let days = |duration: Duration| {
        let (days, rest) = (duration.as_secs() / DAY, duration.as_secs() % DAY);
        let days = u32::try_from(days).ok().and_then(NonZeroU32::new)?;
        (rest == 0 && days.get() <= EXPIRE_DAYS_MAX).then_some(Expire::Days(days))
    };
    match text {
        "never" => Ok(Expire::Never),
        "after retrieval" => Ok(Expire::Retrieved),
        text => units::parse_duration(text)
            .ok()
            .and_then(days)
            .ok_or_else(|| {
                "give whole days such as \"30 days\", \"never\", or \"after retrieval\"".to_owned()
            }),
    }
}

/// How long deleted mail can be brought back: `off`, or a duration.
pub(crate) fn undelete(text: &str) -> Result<Duration, String> {
    match text {
        "off" => Ok(Duration::ZERO),
        text => duration(text)
            .ok()
            .filter(|grace| *grace >= Duration::from_secs(1))
            .ok_or_else(|| {
                "give a duration of at most a year such as \"7 days\", or \"off\"".to_owned()
            }),
    }
}

/// How long clients are to wait from one login to the next: `off`, or whole seconds, since that is
/// what CAPA tells (RFC 2449 §6.5).
pub(crate) fn login_delay(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        text => duration(text)
            .ok()
            .filter(|delay| (1..=DAY).contains(&delay.as_secs()) && delay.subsec_nanos() == 0)
            .map(Some)
            .ok_or_else(|| {
                "give whole seconds up to a day such as \"5 min\", or \"off\"".to_owned()
            }),
    }
}

/// How old a message may be that `recent:NAME` is shown: `off`, or days.
pub(crate) fn recent(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        text => duration(text)
            .ok()
            .filter(|recent| recent.as_secs() >= DAY)
            .map(Some)
            .ok_or_else(|| {
                "give a time from a day to a year such as \"30 days\", or \"off\"".to_owned()
            }),
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
        86_400_000 => "1 day".to_owned(),
        ms if ms % 86_400_000 == 0 => format!("{} days", ms / 86_400_000),
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}

/// When mail is deleted: `never`, `after retrieval`, `after 30 days`.
fn say_expire(expire: Expire) -> String {
    match expire {
        Expire::Never => "never".to_owned(),
        Expire::Retrieved => "after retrieval".to_owned(),
        Expire::Days(days) if days.get() == 1 => "after 1 day".to_owned(),
        Expire::Days(days) => format!("after {days} days"),
    }
}

/// What becomes of mail that was retrieved or has lain for long, as a sentence about it.
pub(crate) fn say_kept(expire: Expire, disposition: Disposition) -> String {
    match (expire, disposition) {
        (Expire::Retrieved, Disposition::Hide) => "is hidden after retrieval".to_owned(),
        // RFC 2449 §6.7 cannot be kept there: such sessions are told EXPIRE NEVER.
        (Expire::Retrieved, Disposition::Keep | Disposition::ReadOnly) => {
            "is kept: no session takes it away".to_owned()
        }
        (Expire::Never, Disposition::Delete) => "is kept until its owner deletes it".to_owned(),
        (Expire::Never, _) => "is kept".to_owned(),
        (Expire::Retrieved | Expire::Days(_), _) => format!("is deleted {}", say_expire(expire)),
    }
}

const DAY: u64 = 86_400;

/// A century: more is a slip of the keyboard.
pub(crate) const EXPIRE_DAYS_MAX: u32 = 36_500;

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
        for text in ["never", "after retrieval", "1 day", "30 days", "36500 days"] {
            let said = say_expire(expire(text).unwrap());
            assert_eq!(
                said.strip_prefix("after ").unwrap_or(&said),
                text.trim_start_matches("after ")
            );
        }
        assert_eq!(expire("48 h"), expire("2 days"));
        for wrong in [
            "",
            "0 days",
            "30",
            "36 h",
            "36501 days",
            "99999999999d",
            "Never",
        ] {
            assert!(expire(wrong).is_err(), "{wrong}");
        }
        assert_eq!(quota("none"), Ok(Quota::Unlimited));
        assert_eq!(quota("1 GiB").unwrap().limit(), Some(1 << 30));
        for wrong in ["", "0", "-1", "1 Gb", "no"] {
            assert!(quota(wrong).is_err(), "{wrong}");
        }
        assert_eq!(undelete("off"), Ok(Duration::ZERO));
        assert_eq!(undelete("7 days"), Ok(Duration::from_secs(7 * DAY)));
        for wrong in ["", "0s", "999 ms", "400 days", "on"] {
            assert!(undelete(wrong).is_err(), "{wrong}");
        }
        assert_eq!(recent("off"), Ok(None));
        assert_eq!(recent("30 days"), Ok(Some(Duration::from_secs(30 * DAY))));
        for wrong in ["", "30", "on", "23 h", "400 days"] {
            assert!(recent(wrong).is_err(), "{wrong}");
        }
        for duration_ in [
            "1 day", "3 days", "36 h", "0s", "30s", "10 min", "2h", "1500ms",
        ] {
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
