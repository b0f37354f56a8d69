//! What a server's certificate says, for people.

use std::time::{Duration, SystemTime};

use client::Certificate;

use crate::date;

/// Names of a certificate that are shown.
const NAMES_MAX: usize = 6;

/// For whom it is.
pub(super) fn names(certificate: &Certificate) -> String {
    let names = &certificate.names;
    let shown = names[..names.len().min(NAMES_MAX)].join(", ");
    match (names.len(), names.len().checked_sub(NAMES_MAX)) {
        (0, _) => format!("nobody by name ({})", certificate.subject),
        (_, Some(more @ 1..)) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// Until which day it is good.
pub(super) fn end(certificate: &Certificate) -> String {
    date::moment(certificate.not_after)
        .chars()
        .take("2026-11-28".len())
        .collect()
}

/// How many days it is still good; none: it is over.
pub(super) fn days_left(certificate: &Certificate, now: SystemTime) -> Option<u64> {
    let left: Duration = certificate.not_after.duration_since(now).ok()?;
    Some(left.as_secs() / 86_400)
}

/// Why it is not believed, in plain words where there are such.
pub(super) fn why(certificate: &Certificate, distrust: &str, host: &str) -> String {
    let about = |word: &str| distrust.contains(word);
    if about("NotValidForName") {
        format!("it is for {}, not for {host}", names(certificate))
    } else if about("Expired") {
        format!("it was good until {}", end(certificate))
    } else if about("NotValidYet") {
        "it is not good yet; is the clock right?".to_owned()
    } else if certificate.subject == certificate.issuer {
        "it is signed by nobody but itself".to_owned()
    } else if about("UnknownIssuer") || about("CaUsedAsEndEntity") {
        format!(
            "nobody vouches for {}, who has signed it",
            certificate.issuer
        )
    } else {
        distrust.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use client::Pin;

    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        Certificate {
            pin: Pin::of_certificate(b"x"),
            key_pin: Pin::of_certificate(b"x"),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            subject: "CN=pop".to_owned(),
            issuer: "CN=authority".to_owned(),
            not_before: UNIX_EPOCH,
            not_after: UNIX_EPOCH + Duration::from_secs(1_764_316_800),
            distrust: None,
        }
    }

    #[test]
    fn why_a_certificate_is_not_believed_is_said_in_plain_words() {
        let shown = certificate(&["a.example", "b.example"]);
        for (distrust, said) in [
            (
                "invalid peer certificate: certificate not valid for name (NotValidForName)",
                "it is for a.example, b.example, not for c.example",
            ),
            (
                "invalid peer certificate: Expired",
                "it was good until 2025-11-28",
            ),
            (
                "invalid peer certificate: UnknownIssuer",
                "nobody vouches for CN=authority, who has signed it",
            ),
            ("something else", "something else"),
        ] {
            assert_eq!(why(&shown, distrust, "c.example"), said);
        }
    }

    #[test]
    fn the_days_that_are_left_are_whole_ones() {
        let shown = certificate(&[]);
        let before =
            |days: u64, seconds| shown.not_after - Duration::from_secs(days * 86_400 + seconds);
        assert_eq!(days_left(&shown, before(13, 86_399)), Some(13));
        assert_eq!(days_left(&shown, before(14, 0)), Some(14));
        assert_eq!(
            days_left(&shown, shown.not_after + Duration::from_secs(1)),
            None
        );
        assert_eq!(names(&shown), "nobody by name (CN=pop)");
        let many = certificate(&["1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(names(&many), "1, 2, 3, 4, 5, 6 and 2 more");
    }
}
