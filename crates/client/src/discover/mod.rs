//! Where the maildrop of an address is, found out: by SRV records of the domain (RFC 6186, RFC 8314), by what
//! the domain's provider publishes for mail programs, by Mozilla's list of providers, and by guesses.
//!
//! Nothing that is found is tried here, and no password is needed. What DNS alone says may come from
//! whoever answers for the DNS, so a host of another domain that only DNS leads to is marked: somebody has
//! to be asked before a password goes there (RFC 6186 §6).
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let found = client::discover::discover("mrose@example.org", None).await?;
//! for candidate in &found.candidates {
//!     println!("{}:{}", candidate.host, candidate.port);
//! }
//! # Ok(()) }
//! ```

mod autoconfig;
mod dns;
mod web;
mod who;

use std::path::Path;

use crate::trust::TrustError;
use dns::{Dns, Lookup, Srv};
use web::{Place, Web};
use who::{Who, is_host};

/// Candidates that are kept; nobody tries more.
const CANDIDATES_MAX: usize = 20;

/// A server that may have the maildrop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How octets travel there.
    pub security: Security,
    /// The user names to try, in this order; none if only a domain was asked about.
    pub users: Vec<String>,
    /// How it lets users log in, the best first, as far as it is told.
    pub authentication: Vec<Authentication>,
    /// Who says so.
    pub source: Source,
    /// Whether that can be relied upon.
    pub standing: Standing,
}

/// How octets travel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Security {
    /// Inside TLS from the first octet on.
    Tls,
    /// Inside TLS after STLS.
    Stls,
    /// In clear.
    InClear,
}

/// How users log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authentication {
    /// The password is shown to the server (PLAIN, USER and PASS).
    Password,
    /// The password is proved (CRAM-MD5, APOP, SCRAM).
    Proof,
    /// A token of an authorisation server.
    OAuth2,
    /// A certificate.
    Certificate,
}

/// Who says where the maildrop is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Source {
    /// SRV records of the domain.
    Srv,
    /// A file of the domain's own, for mail programs.
    Provider,
    /// Mozilla's list of providers.
    Mozilla,
    /// Mozilla's list, asked about the provider that takes the domain's mail (MX).
    MozillaByMx,
    /// Nobody; such names are usual, and this one is there.
    Guess,
}

/// Whether a source can be relied upon.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Standing {
    /// The host is of the domain of the address, or a source with a certificate says so.
    Sure,
    /// DNS alone leads to another domain: somebody must say that it is the right one.
    Ask,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Where it may be, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// What came of each source, for people.
    pub notes: Vec<String>,
}

/// Why nothing could be looked for.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Neither an address nor a domain.
    #[error("{0:?} is neither a mail address nor a domain")]
    NotAnAddress(String),
    /// Nobody's certificates can be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The system names no DNS resolver.
    #[error("the system's DNS resolver: {0}")]
    Resolver(String),
}

/// Looks for the maildrop of an address, or for those of a domain. The authorities are those of a PEM file,
/// or the system's.
///
/// The address itself is told to nobody but the domain's own provider.
///
/// # Errors
///
/// When nothing can be looked for. That nothing is found is none.
pub async fn discover(
    address: &str,
    authorities: Option<&Path>,
) -> Result<Findings, DiscoveryError> {
    let who = Who::parse(address)?;
    let web = Web::new(authorities, Place::REAL)?;
    let dns = Lookup::new().map_err(DiscoveryError::Resolver)?;
    Ok(search(&who, &dns, &web).await)
}

async fn search(who: &Who, dns: &impl Dns, web: &Web<'_>) -> Findings {
    let mut findings = Findings::default();
    let (tls, stls, provider, mozilla, by_mx) = tokio::join!(
        dns.srv(format!("_pop3s._tcp.{}.", who.domain)),
        dns.srv(format!("_pop3._tcp.{}.", who.domain)),
        web.provider(who),
        web.mozilla(who, &who.domain),
        by_mx(who, dns, web),
    );
    let mut none_by_srv = false;
    for (kind, security, answer) in [
        ("_pop3s._tcp", Security::Tls, tls),
        ("_pop3._tcp", Security::Stls, stls),
    ] {
        let (told, note) = match answer {
            Ok(records) if is_none(&records) => {
                none_by_srv = true;
                (Vec::new(), "the domain says that there is none".to_owned())
            }
            Ok(records) => {
                let note = format!("{} found", records.len());
                (of_srv(who, security, records), note)
            }
            Err(why) => (Vec::new(), why),
        };
        findings.notes.push(format!("SRV {kind}: {note}"));
        findings.add(told);
    }
    for (candidates, notes) in [provider, mozilla, by_mx] {
        findings.notes.extend(notes);
        findings.add(candidates);
    }
    // Whoever says where it is, or that it is nowhere, need not be guessed about.
    if findings.candidates.is_empty() && !none_by_srv {
        let guesses = guesses(who, dns).await;
        let note = format!("guesses: {} of the usual names are there", guesses.len());
        findings.notes.push(note);
        findings.add(guesses);
    }
    findings
}

impl Findings {
    /// Adds what is new.
    fn add(&mut self, candidates: Vec<Candidate>) {
        for candidate in candidates {
            let same = |it: &Candidate| {
                (&it.host, it.port, it.security)
                    == (&candidate.host, candidate.port, candidate.security)
            };
            if let Some(known) = self.candidates.iter_mut().find(|it| same(it)) {
                known.confirm(candidate);
            } else if self.candidates.len() < CANDIDATES_MAX {
                self.candidates.push(candidate);
            }
        }
    }
}

impl Candidate {
    /// Another source says the same: what it knows better counts.
    fn confirm(&mut self, other: Self) {
        if other.standing == Standing::Sure {
            self.standing = Standing::Sure;
        }
        if self.authentication.is_empty() && !other.authentication.is_empty() {
            // Such a source knows the form of the user names, too.
            self.authentication = other.authentication;
            self.users = other.users;
        }
    }
}

/// One record with the root as its target: there is no such service (RFC 2782).
fn is_none(records: &[Srv]) -> bool {
    matches!(records, [only] if only.target.is_empty())
}

/// In the order of priority; of one priority the heaviest first, since one client has no load to spread.
fn of_srv(who: &Who, security: Security, mut records: Vec<Srv>) -> Vec<Candidate> {
    records.sort_by_key(|record| (record.priority, std::cmp::Reverse(record.weight)));
    let candidate = |record: Srv| Candidate {
        standing: match who.owns(&record.target) {
            true => Standing::Sure,
            false => Standing::Ask,
        },
        host: record.target,
        port: record.port,
        security,
        users: who.users(),
        authentication: Vec::new(),
        source: Source::Srv,
    };
    let usable = |record: &Srv| is_host(&record.target) && record.port != 0;
    records.into_iter().filter(usable).map(candidate).collect()
}

/// Mozilla's list knows providers; the domains whose mail they take, it does not.
async fn by_mx(who: &Who, dns: &impl Dns, web: &Web<'_>) -> (Vec<Candidate>, Vec<String>) {
    let Ok(exchange) = dns.mx(format!("{}.", who.domain)).await else {
        return (Vec::new(), Vec::new());
    };
    // The provider's own domain is below one or two labels: example.com, example.co.uk.
    let labels: Vec<_> = exchange.split('.').collect();
    let domains = [3, 2].map(|count| labels[labels.len().saturating_sub(count)..].join("."));
    let mut notes = Vec::new();
    for domain in domains {
        if !is_host(&domain) || domain == who.domain || !domain.contains('.') {
            continue;
        }
        let (mut candidates, told) = web.mozilla(who, &domain).await;
        notes.extend(told);
        if !candidates.is_empty() {
            for candidate in &mut candidates {
                candidate.source = Source::MozillaByMx;
                if !who.owns(&candidate.host) {
                    candidate.standing = Standing::Ask;
                }
            }
            return (candidates, notes);
        }
    }
    (Vec::new(), notes)
}

/// Usual names of the domain that are there.
async fn guesses(who: &Who, dns: &impl Dns) -> Vec<Candidate> {
    let guess = async |label: &str| {
        let host = format!("{label}{}", who.domain);
        let is_there = dns.is_there(format!("{host}.")).await;
        is_there.then(|| Candidate {
            host,
            port: 995,
            security: Security::Tls,
            users: who.users(),
            authentication: Vec::new(),
            source: Source::Guess,
            standing: Standing::Sure,
        })
    };
    // Together: a DNS that does not answer costs eight seconds a name.
    let (pop, mail, domain) = tokio::join!(guess("pop."), guess("mail."), guess(""));
    [pop, mail, domain].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
