//! DMARC: has the author's domain sent this, and what does it want if not (RFC 7489, RFC 9989)?
//!
//! The author is in the `From` field. A message with authors of several domains is checked for each,
//! and the strictest policy of those that fail counts (RFC 7489 §6.6.1): otherwise a second author
//! would be the way around the policy of the first.

use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{AuthenticatedMessage, DkimOutput, MessageAuthenticator};

use super::Outcome;
use super::outcome::of_dmarc;
use super::spf::{Spf, a_labels, is_name};
use super::verdict::NO_AUTHOR;

/// What is told of one author's domain.
#[derive(Clone, Debug)]
pub(super) struct Author {
    pub(super) domain: String,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<&'static str>,
    pub(super) wants: Wants,
}

/// What the domain wants done with a message that fails.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Wants {
    Nothing,
    Quarantine,
    Reject,
}

impl Author {
    /// Nothing can be said of the author, or there is none.
    pub(super) fn unknown(outcome: Outcome, reason: Option<&'static str>) -> Self {
        Self {
            domain: String::new(),
            outcome,
            reason,
            wants: Wants::Nothing,
        }
    }

    /// Signatures of these domains could not be verified in time. If one might have stood for the author, that
    /// he fails is not known.
    pub(super) fn waits_for<'a>(&mut self, mut domains: impl Iterator<Item = &'a str>) {
        let is_below = |one: &str, other: &str| {
            one.eq_ignore_ascii_case(other)
                || one
                    .to_ascii_lowercase()
                    .ends_with(&format!(".{}", other.to_ascii_lowercase()))
        };
        let mut aligned = |own: &str| domains.any(|d| is_below(d, own) || is_below(own, d));
        if self.outcome == Outcome::Fail && !self.domain.is_empty() && aligned(&self.domain) {
            self.outcome = Outcome::TempError;
            self.reason = Some("took too long");
        }
    }

    /// Whether the domain wants the message to be refused.
    pub(super) fn is_to_be_rejected(&self) -> bool {
        self.outcome == Outcome::Fail && self.wants == Wants::Reject
    }
}

/// Asks for each author's domain; at least one answer.
pub(super) async fn check(
    dns: &MessageAuthenticator,
    message: &AuthenticatedMessage<'_>,
    signed: &[DkimOutput<'_>],
    spf: &Spf,
) -> Vec<Author> {
    let domains = domains(&message.from);
    match domains.len() {
        0 => return vec![Author::unknown(Outcome::PermError, Some(NO_AUTHOR))],
        _ if domains.iter().any(|domain| !is_name(domain)) => {
            return vec![Author::unknown(Outcome::PermError, Some(NO_AUTHOR))];
        }
        1..=AUTHORS_MAX => {}
        _ => {
            let why = Some("authors of too many domains");
            let mut author = Author::unknown(Outcome::Fail, why);
            author.wants = Wants::Reject;
            return vec![author];
        }
    }
    let mut authors = Vec::with_capacity(domains.len());
    for domain in domains {
        let message = AuthenticatedMessage {
            from: vec![format!("author@{domain}")],
            ..AuthenticatedMessage::default()
        };
        let parameters = DmarcParameters::new(&message, signed, &spf.domain, &spf.output);
        let output = dns.verify_dmarc(parameters).await;
        let (outcome, reason) = of_dmarc(&output.result());
        authors.push(Author {
            domain,
            outcome,
            reason,
            wants: match output.policy() {
                Policy::None | Policy::Unspecified => Wants::Nothing,
                Policy::Quarantine => Wants::Quarantine,
                Policy::Reject => Wants::Reject,
            },
        });
    }
    authors
}

/// The domains of these addresses, each once, as far as one more than [`AUTHORS_MAX`]: strangers chose how many
/// there are.
fn domains(from: &[String]) -> Vec<String> {
    let mut domains = Vec::new();
    for address in from {
        if let Some((_, domain)) = address.rsplit_once('@') {
            let domain = a_labels(domain.trim()).to_ascii_lowercase();
            if !domain.is_empty() && !domains.contains(&domain) {
                domains.push(domain);
            }
            if domains.len() > AUTHORS_MAX {
                break;
            }
        }
    }
    domains
}

/// Domains of authors in one message. Nobody honest has more than one.
const AUTHORS_MAX: usize = 4;
