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
