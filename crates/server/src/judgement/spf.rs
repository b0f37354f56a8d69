//! SPF: may this client send for this domain (RFC 7208)?
//!
//! The crate evaluates a record, with its limit of ten lookups. Asked is for the domain of the sender,
//! or, for the null sender, for the name that the client gave (§2.4).

use mail_auth::hickory_resolver::proto::rr::{Name, RData};
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{MessageAuthenticator, SpfOutput, SpfResult};

use super::{Outcome, Who};

/// What SPF says of a client. Can be had before `DATA`, and is part of the judgement after.
#[derive(Clone, Debug)]
pub struct Spf {
    pub(super) output: SpfOutput,
    /// The domain that was asked for; A-labels.
    pub(super) domain: String,
    pub(super) identity: Identity,
}

/// Which name was checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Identity {
    MailFrom,
    Helo,
}

impl Spf {
    /// Its result.
    pub fn outcome(&self) -> Outcome {
        self.output.result().into()
    }

    /// The domain that was asked for.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The answer if it could not be found out in time.
    pub(super) fn unknown(who: &Who<'_>) -> Self {
        let (identity, domain) = asked(who);
        let output = SpfOutput::new(domain.clone()).with_result(SpfResult::TempError);
        Self {
            output,
            domain,
            identity,
        }
    }
}

/// Finds out what SPF says. May take as long as the DNS.
pub(super) async fn check(dns: &MessageAuthenticator, who: &Who<'_>) -> Spf {
    let (identity, domain) = asked(who);
    let output = match is_name(&domain) {
        true => evaluate(dns, who, identity, &domain).await,
        // §4.3: nobody is asked for what is no name.
        false => SpfOutput::new(domain.clone()),
    };
    Spf {
        output,
        domain,
        identity,
    }
}

async fn evaluate(
    dns: &MessageAuthenticator,
    who: &Who<'_>,
    identity: Identity,
    domain: &str,
) -> SpfOutput {
    let client = who.client.to_canonical();
    // §4.3 has a postmaster where there is nobody.
    let sender = match who.sender.rsplit_once('@') {
        Some((local_part, _)) if !local_part.is_empty() => format!("{local_part}@{domain}"),
        _ => format!("postmaster@{domain}"),
    };
    let parameters = match identity {
        Identity::MailFrom => {
            SpfParameters::verify_mail_from(client, who.helo, who.hostname, &sender)
        }
        Identity::Helo => SpfParameters::verify_ehlo(client, domain, who.hostname),
    };
    let output = dns.verify_spf(parameters).await;
    match output.result() {
        SpfResult::None | SpfResult::TempError | SpfResult::PermError => output,
        _ if is_in_order(dns, domain).await => output,
        _ => SpfOutput::new(domain.to_owned()).with_result(SpfResult::PermError),
    }
}

fn asked(who: &Who<'_>) -> (Identity, String) {
    match who.sender.rsplit_once('@') {
        Some((_, domain)) => (Identity::MailFrom, a_labels(domain)),
        None => (Identity::Helo, a_labels(who.helo)),
    }
}

/// The name as the DNS has it (RFC 7208 §4.3); as it is, if it is none.
pub(super) fn a_labels(domain: &str) -> String {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    match domain.is_ascii() {
        true => domain.to_owned(),
        false => Name::from_utf8(domain).map_or_else(|_| domain.to_owned(), |it| it.to_ascii()),
    }
}

/// Of more than one label, each of them of letters, digits, hyphens and underscores.
pub(super) fn is_name(domain: &str) -> bool {
    let is_of_labels = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_of_labels);
    domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label)
}

/// Two errors that the crate does not see: more than one record (§4.5), and a word that is neither a
/// mechanism nor a modifier (§4.6.1). The answer is in the resolver's cache.
async fn is_in_order(dns: &MessageAuthenticator, domain: &str) -> bool {
    let Ok(name) = Name::from_str_relaxed(format!("{domain}.")) else {
        return true;
    };
    let Ok(answer) = dns.0.txt_lookup(name).await else {
        return true;
    };
    let texts = answer
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::TXT(text) => Some(text.txt_data.concat().to_ascii_lowercase()),
            _ => None,
        });
    let is_record = |text: &Vec<u8>| text == b"v=spf1" || text.starts_with(b"v=spf1 ");
    let records: Vec<Vec<u8>> = texts.filter(is_record).collect();
    let mut terms = records
        .iter()
        .flat_map(|record| record.split(|octet| *octet == b' '));
    records.len() <= 1 && terms.all(is_term)
}

fn is_term(term: &[u8]) -> bool {
    let name = match term {
        [b'+' | b'-' | b'?' | b'~', name @ ..] | name => name,
    };
    let end = name.iter().position(|octet| b":/=".contains(octet));
    let (name, rest) = name.split_at(end.unwrap_or(name.len()));
    let mechanisms: [&[u8]; 8] = [
        b"all", b"include", b"a", b"mx", b"ptr", b"ip4", b"ip6", b"exists",
    ];
    term.is_empty() || rest.starts_with(b"=") || mechanisms.contains(&name)
}
