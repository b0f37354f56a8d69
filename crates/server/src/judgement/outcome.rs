//! The results that methods of authentication have (RFC 8601 §2.7).

use std::fmt;

use mail_auth::common::crypto::CryptoError;
use mail_auth::dkim::DkimError;
use mail_auth::{DkimResult, DmarcResult, DnsError, Error, SpfResult};

/// The result of SPF, of a DKIM signature, or of DMARC. Displayed as RFC 8601 spells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing was there to check.
    None,
    /// It is who it says.
    Pass,
    /// It is not.
    Fail,
    /// Probably not (SPF).
    SoftFail,
    /// Nothing can be said.
    Neutral,
    /// We do not accept it, whatever it proves (DKIM).
    Policy,
    /// Could not be checked now.
    TempError,
    /// Cannot be checked at all.
    PermError,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        })
    }
}

impl From<SpfResult> for Outcome {
    fn from(result: SpfResult) -> Self {
        match result {
            SpfResult::Pass => Self::Pass,
            SpfResult::Fail => Self::Fail,
            SpfResult::SoftFail => Self::SoftFail,
            SpfResult::Neutral => Self::Neutral,
            SpfResult::TempError => Self::TempError,
            SpfResult::PermError => Self::PermError,
            SpfResult::None => Self::None,
        }
    }
}

/// The outcome of a signature, and why.
pub(super) fn of_dkim(result: &DkimResult) -> (Outcome, Option<&'static str>) {
    match result {
        DkimResult::Pass => (Outcome::Pass, None),
        DkimResult::Neutral(error) => (Outcome::Neutral, Some(reason(error))),
        DkimResult::Fail(error) => (Outcome::Fail, Some(reason(error))),
        DkimResult::PermError(error) => (Outcome::PermError, Some(reason(error))),
        DkimResult::TempError(error) => (Outcome::TempError, Some(reason(error))),
        DkimResult::None => (Outcome::None, None),
    }
}

/// The outcome of DMARC, and why.
pub(super) fn of_dmarc(result: &DmarcResult) -> (Outcome, Option<&'static str>) {
    match result {
        DmarcResult::Pass => (Outcome::Pass, None),
        // That nothing is aligned is what the word means.
        DmarcResult::Fail(_) => (Outcome::Fail, None),
        DmarcResult::PermError(error) => (Outcome::PermError, Some(reason(error))),
        DmarcResult::TempError(error) => (Outcome::TempError, Some(reason(error))),
        DmarcResult::None => (Outcome::None, None),
    }
}

/// Our own words for an error: its own may hold what strangers chose.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::Dns(DnsError::RecordNotFound(_)) => "no DNS record",
        Error::Dns(DnsError::InvalidRecordType) => "no such DNS record",
        Error::Dns(DnsError::Resolver(_)) => "DNS does not answer",
        Error::Crypto(CryptoError::IncompatibleAlgorithms) => "key of another kind",
        Error::Crypto(_) => "signature does not verify",
        Error::Dkim(DkimError::FailedBodyHashMatch) => "body hash does not match",
        Error::Dkim(DkimError::FailedAuidMatch) => "identity outside of the domain",
        Error::Dkim(DkimError::RevokedPublicKey) => "key is revoked",
        Error::Dkim(DkimError::SignatureExpired) => "signature has expired",
        Error::Dkim(DkimError::SignatureLength) => "signature of a part of the body",
        Error::Dkim(_) => "signature of an unknown kind",
        Error::NotAligned => "not aligned",
        _ => "malformed",
    }
}
