//! What is to be done with a message, as the configuration wants it.

use super::dmarc::Author;
use super::results::value;
use super::{OnFail, Outcome, Settings, Spf};

/// What is to be done with a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Take it, marked.
    Accept,
    /// Refuse it for good.
    Reject(Refusal),
    /// Refuse it for now.
    Defer(Refusal),
}

/// The reply to a client whose message is not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Reply code (RFC 5321 §4.2).
    pub code: u16,
    /// Enhanced status code (RFC 3463, RFC 7372).
    pub status: &'static str,
    /// One line of ASCII.
    pub why: String,
}

/// What SPF alone decides.
pub(super) fn of_spf(settings: &Settings, spf: &Spf) -> Verdict {
    if settings.spf == OnFail::Mark || spf.outcome() != Outcome::Fail {
        return Verdict::Accept;
    }
    // RFC 7372 §3.2.
    Verdict::Reject(Refusal {
        code: 550,
        status: "5.7.23",
        why: format!("SPF: {} does not let you send for it", value(&spf.domain)),
    })
}

/// What all of it decides.
pub(super) fn of_all(settings: &Settings, spf: &Spf, authors: &[Author]) -> Verdict {
    let by_spf = of_spf(settings, spf);
    if by_spf != Verdict::Accept || settings.dmarc == OnFail::Mark {
        return by_spf;
    }
    for author in authors {
        let refusal = |code, status, why| Refusal { code, status, why };
        // What hides the author from us hides him from the policy as well.
        match author.reason {
            Some(why @ HEADER_TOO_LARGE) => {
                return Verdict::Reject(refusal(552, "5.3.4", why.to_owned()));
            }
            Some(why @ NO_AUTHOR) => {
                return Verdict::Reject(refusal(550, "5.7.1", format!("DMARC: {why}")));
            }
            Some(why @ NO_ROOM) => return Verdict::Defer(refusal(451, "4.3.1", why.to_owned())),
            Some(why) if author.is_to_be_rejected() => {
                return Verdict::Reject(refusal(550, "5.7.1", format!("DMARC: {why}")));
            }
            None if author.is_to_be_rejected() => {
                let domain = value(&author.domain);
                let why = format!("DMARC: not from {domain}, which wants it to be rejected");
                return Verdict::Reject(refusal(550, "5.7.1", why));
            }
            _ => {}
        }
    }
    Verdict::Accept
}

pub(super) const HEADER_TOO_LARGE: &str = "header too large to be verified";
pub(super) const NO_AUTHOR: &str = "no author that can be read";
pub(super) const NO_ROOM: &str = "no room to verify it at present";
