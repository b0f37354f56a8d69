//! DKIM: which domains have signed this message (RFC 6376), with body hashes that are there already.
//!
//! Signatures that are not looked at: those with SHA-1 (RFC 8301 §3.1), those of a part of the body
//! (`l=`: more can be put behind it, RFC 6376 §8.2), and all beyond [`SIGNATURES_MAX`] (§6.1 leaves
//! the number to us): each costs a question to the DNS and an operation with a key that strangers chose.

use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::dkim::{Canonicalization, Signature};
use mail_auth::{AuthenticatedMessage, DkimOutput, Error};

use super::Outcome;
use super::outcome::of_dkim;
use super::text::Passed;

/// What is told of one signature.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<&'static str>,
    pub(super) signature: Option<Named>,
}

/// How a signature is told from others (RFC 8601 §2.7.1, RFC 6008).
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) domain: String,
    pub(super) selector: String,
    pub(super) algorithm: &'static str,
    /// The first six octets.
    pub(super) beginning: Vec<u8>,
}

impl Signed {
    /// There is nothing to verify, or nothing can be.
    pub(super) fn nothing(outcome: Outcome, reason: Option<&'static str>) -> Self {
        Self {
            outcome,
            reason,
            signature: None,
        }
    }

    fn refused(outcome: Outcome, reason: &'static str, signature: &Signature) -> Self {
        Self {
            outcome,
            reason: Some(reason),
            signature: Some(Named::of(signature)),
        }
    }

    /// Its key has not come in time.
    pub(super) fn late(signature: &Signature) -> Self {
        Self::refused(Outcome::TempError, "took too long", signature)
    }

    pub(super) fn verified(output: &DkimOutput<'_>) -> Self {
        let (outcome, reason) = of_dkim(output.result());
        Self {
            outcome,
            reason,
            signature: output.signature().map(Named::of),
        }
    }
}

impl Named {
    fn of(signature: &Signature) -> Self {
        Self {
            domain: signature.d.clone(),
            selector: signature.s.clone(),
            algorithm: match signature.a {
                Algorithm::RsaSha1 => "rsa-sha1",
                Algorithm::RsaSha256 => "rsa-sha256",
                Algorithm::Ed25519Sha256 => "ed25519-sha256",
            },
            beginning: signature.b.iter().take(6).copied().collect(),
        }
    }
}

/// The message with what is to be verified, and what is said of the rest without asking anybody.
/// None: there is no header.
pub(super) fn read(passed: &Passed) -> Option<(AuthenticatedMessage<'_>, Vec<Signed>)> {
    let mut message = AuthenticatedMessage::parse(&passed.header)?;
    let mut refused = Vec::new();
    message
        .errors
        .retain(|error| matches!(error.header, Error::Dkim(_)));
    message.errors.truncate(SIGNATURES_MAX);
    let mut count = 0;
    message.dkim_headers.retain_mut(|header| {
        let signature = &mut header.header;
        count += 1;
        if count > SIGNATURES_MAX {
            return false;
        }
        if signature.a == Algorithm::RsaSha1 {
            let why = "SHA-1 proves nothing";
            refused.push(Signed::refused(Outcome::PermError, why, signature));
            return false;
        }
        if signature.h.len() > NAMES_MAX {
            let why = "too many fields";
            refused.push(Signed::refused(Outcome::Policy, why, signature));
            return false;
        }
        // What an author allows to others (RFC 6541) and where they want reports (RFC 6651) would
        // be more questions.
        signature.atps = None;
        signature.r = false;
        true
    });
    if count > SIGNATURES_MAX {
        refused.push(Signed::nothing(
            Outcome::Policy,
            Some("too many signatures"),
        ));
    }
    for (form, hash, _, octets) in &mut message.body_hashes {
        let passed = match form {
            Canonicalization::Relaxed => &passed.relaxed,
            Canonicalization::Simple => &passed.simple,
        };
        if let (HashAlgorithm::Sha256, Some(passed)) = (hash, passed) {
            octets.clone_from(passed);
        }
    }
    Some((message, refused))
}

/// Names of fields that a signature may be over: each is looked for in the whole header.
const NAMES_MAX: usize = 200;

/// Signatures that are looked at, from the top: those of the last hops, which are the ones that
/// still verify.
pub(super) const SIGNATURES_MAX: usize = 10;
