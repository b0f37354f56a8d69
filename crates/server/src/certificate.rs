//! Whom a client's certificate stands for, and how the log shows it (RFC 4422 appendix A).
//!
//! One part of the certificate names the account; which one, the configuration says. It must be there
//! exactly once: of two names one would be chosen, and by whom is not clear. What it holds is an account
//! name or it is nothing; no part of it is cut off, and none is added.
//!
//! A certificate is read once for the name, if it was verified, and once for the log. What bounds that is TLS: it
//! comes in one handshake message, which has 64 KiB at most with everything in it, and costs whoever sends it a
//! handshake. Reading takes a time that grows with the octets: 1 µs for a usual one, and for the worst that fit,
//! thousands of names or of extensions, 0.7 ms, two handshakes' worth.

use std::fmt::Write as _;

use auth::{AccountName, NameError};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::nom::Parser as _;
use x509_parser::prelude::FromDer as _;

use crate::config::ClientAccount;
use crate::log::Escaped;

/// Why a certificate that is in order stands for nobody. The text is for the log.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unnamed {
    /// It was verified, so this is another reader's opinion; the stricter one counts.
    #[error("it cannot be read, or one of its extensions is there twice")]
    Unreadable,
    /// RFC 5280 §4.2.1.3.
    #[error("its key is not for signatures (keyUsage without digitalSignature)")]
    KeyUsage,
    /// The part is not there.
    #[error("it has no {0}")]
    None(&'static str),
    /// The part is there more than once.
    #[error("it has more than one {0}, so it is not clear whom it names")]
    Several(&'static str),
    /// The part is there, but its text is none that a name could be in.
    #[error("its {0} is not readable as text")]
    NoText(&'static str),
    /// RFC 5280 §4.2.1.6: a mailbox has a domain.
    #[error("its e-mail address has no domain")]
    NoDomain,
    /// No account can have this name.
    #[error("it names no account: {0}")]
    NoName(#[from] NameError),
}

const EMAIL: &str = "e-mail address (rfc822Name)";
const COMMON_NAME: &str = "common name";

/// The account that a verified certificate stands for. That there is such an account is not said.
///
/// # Errors
///
/// [`Unnamed`] when it stands for nobody, or it is not clear for whom.
pub(crate) fn account(der: &[u8], part: ClientAccount) -> Result<AccountName, Unnamed> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else {
        return Err(Unnamed::Unreadable);
    };
    let usage = certificate.key_usage().map_err(unreadable)?;
    if usage.is_some_and(|usage| !usage.value.digital_signature()) {
        return Err(Unnamed::KeyUsage);
    }
    let name = match part {
        ClientAccount::Email => {
            let names = certificate.subject_alternative_name().map_err(unreadable)?;
            let names = names.iter().flat_map(|names| &names.value.general_names);
            let address = only(EMAIL, names.filter_map(address))??;
            match address.contains('@') {
                true => address,
                false => return Err(Unnamed::NoDomain),
            }
        }
        ClientAccount::CommonName => only(COMMON_NAME, certificate.subject().iter_common_name())?
            .as_str()
            .map_err(|_| Unnamed::NoText(COMMON_NAME))?,
    };
    Ok(AccountName::parse(name)?)
}

/// A name of the kind that mail addresses have, readable or not; none of another kind.
fn address<'a>(name: &GeneralName<'a>) -> Option<Result<&'a str, Unnamed>> {
    const RFC822_NAME: u32 = 1;
    match name {
        GeneralName::RFC822Name(address) => Some(Ok(address)),
        GeneralName::Invalid(tag, _) if tag.0 == RFC822_NAME => Some(Err(Unnamed::NoText(EMAIL))),
        _ => None,
    }
}

/// The only one.
fn only<T>(what: &'static str, mut all: impl Iterator<Item = T>) -> Result<T, Unnamed> {
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Unnamed::None(what)),
        (Some(_), Some(_)) => Err(Unnamed::Several(what)),
    }
}

fn unreadable(_: X509Error) -> Unnamed {
    Unnamed::Unreadable
}

/// A certificate for the log: subject, serial number and SHA-256 in one bounded line of printable
/// ASCII. It may be one that nobody has verified.
pub(crate) fn shown(der: &CertificateDer<'_>) -> String {
    let mut line = String::new();
    // Extensions are not looked into: they say nothing here, and a stranger may have made them.
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    match parser.parse(der) {
        Ok((_, certificate)) => {
            let subject = certificate.subject().to_string();
            let _ = write!(line, "{} serial ", Escaped(&subject));
            let serial = certificate.raw_serial();
            hexadecimal(&mut line, &serial[..serial.len().min(SERIAL_OCTETS_MAX)]);
        }
        Err(_) => line.push_str("unreadable"),
    }
    line.push_str(" sha256 ");
    hexadecimal(&mut line, &Sha256::digest(der));
    line
}

fn hexadecimal(line: &mut String, octets: &[u8]) {
    for octet in octets {
        let _ = write!(line, "{octet:02x}");
    }
}

/// RFC 5280 §4.1.2.2: serial numbers have 20 octets at most. DER may put a zero in front.
const SERIAL_OCTETS_MAX: usize = 21;

#[cfg(test)]
mod tests {
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, KeyUsagePurpose, SanType};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn with_names(names: &[SanType]) -> CertificateDer<'static> {
        made(|params| params.subject_alt_names = names.to_vec())
    }

    fn mail(address: &str) -> SanType {
        SanType::Rfc822Name(Ia5String::try_from(address).unwrap())
    }

    fn with_common_name(name: impl Into<DnValue>) -> CertificateDer<'static> {
        made(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
        })
    }

    #[test]
    fn the_only_mail_address_names_the_account() {
        let dns = SanType::DnsName(Ia5String::try_from("laptop.dobbs.org").unwrap());
        for (names, told) in [
            (vec![mail("bob@dobbs.org")], Ok("bob@dobbs.org")),
            (vec![mail("Bob@Dobbs.ORG")], Ok("bob@dobbs.org")),
            (
                vec![dns.clone(), mail("bob@dobbs.org")],
                Ok("bob@dobbs.org"),
            ),
            (vec![], Err(Unnamed::None(EMAIL))),
            (vec![dns], Err(Unnamed::None(EMAIL))),
            (
                vec![mail("bob@dobbs.org"), mail("alice@dobbs.org")],
                Err(Unnamed::Several(EMAIL)),
            ),
            // The same one twice is a mistake of whoever made it, and nothing is guessed from mistakes.
            (
                vec![mail("bob@dobbs.org"), mail("bob@dobbs.org")],
                Err(Unnamed::Several(EMAIL)),
            ),
            (vec![mail("bob")], Err(Unnamed::NoDomain)),
            (vec![mail("")], Err(Unnamed::NoDomain)),
            (
                vec![mail("bob@dobbs.org\0.evil.example")],
                Err(NameError::Character('\0').into()),
            ),
            (
                vec![mail("<bob@dobbs.org>")],
                Err(NameError::Character('<').into()),
            ),
            (
                vec![mail("alice@dobbs.org,bob@dobbs.org")],
                Err(NameError::Character(',').into()),
            ),
            (
                vec![mail("bob@dobbs.org ")],
                Err(NameError::Character(' ').into()),
            ),
            (
                vec![mail(&format!("bob@{}", "x.".repeat(200)))],
                Err(NameError::TooLong.into()),
            ),
        ] {
            let found = account(&with_names(&names), ClientAccount::Email);
            let found = found.as_ref().map(AccountName::as_str);
            assert_eq!(found, told.as_deref(), "{names:?}");
        }
    }

    #[test]
    fn no_part_stands_in_for_another() {
        let common_name = with_common_name("bob@dobbs.org");
        let found = account(&common_name, ClientAccount::Email);
        assert_eq!(found, Err(Unnamed::None(EMAIL)));
        let address = with_names(&[mail("bob@dobbs.org")]);
        let found = account(&address, ClientAccount::CommonName);
        assert_eq!(found, Err(Unnamed::None(COMMON_NAME)));
    }

    #[test]
    fn the_only_common_name_names_the_account() {
        let found = |der: &[u8]| {
            account(der, ClientAccount::CommonName).map(|name| name.as_str().to_owned())
        };
        assert_eq!(found(&with_common_name("Bob")), Ok("bob".to_owned()));
        for name in ["bob\0", "Bob Dobbs", "bob/../alice", "b\u{f6}b", "", "-bob"] {
            let refused = found(&with_common_name(name));
            assert!(matches!(refused, Err(Unnamed::NoName(_))), "{name:?}");
        }
        let wide = rcgen::string::BmpString::try_from("bob").unwrap();
        let refused = found(&with_common_name(DnValue::BmpString(wide)));
        assert_eq!(refused, Err(Unnamed::NoText(COMMON_NAME)));
        let twice = made(|params| {
            let common_name = vec![2, 5, 4, 3];
            params.distinguished_name.push(DnType::CommonName, "bob");
            params
                .distinguished_name
                .push(DnType::CustomDnType(common_name), "alice");
        });
        assert_eq!(found(&twice), Err(Unnamed::Several(COMMON_NAME)));
    }

    #[test]
    fn a_key_for_other_things_signs_nobody_in() {
        let with = |usages: &[KeyUsagePurpose]| {
            made(|params| {
                params.subject_alt_names = vec![mail("bob@dobbs.org")];
                params.key_usages = usages.to_vec();
            })
        };
        let found = |usages| account(&with(usages), ClientAccount::Email);
        assert!(found(&[KeyUsagePurpose::DigitalSignature]).is_ok());
        let foreign = [KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::CrlSign];
        assert_eq!(found(&foreign), Err(Unnamed::KeyUsage));
    }

    #[test]
    fn an_extension_that_is_there_twice_is_believed_in_neither_form() {
        let alternative_names = &[2, 5, 29, 17];
        // SEQUENCE { [1] "alice@dobbs.org" }
        let second = [&[0x30, 17, 0x81, 15][..], b"alice@dobbs.org"].concat();
        let certificate = made(|params| {
            params.subject_alt_names = vec![mail("bob@dobbs.org")];
            let second = rcgen::CustomExtension::from_oid_content(alternative_names, second);
            params.custom_extensions = vec![second];
        });
        let found = account(&certificate, ClientAccount::Email);
        assert_eq!(found, Err(Unnamed::Unreadable));
    }

    #[test]
    fn what_the_log_shows_is_bounded_and_printable() {
        let hostile = format!("\r\nERROR \u{202e}\x1b[2J\"{}", "x".repeat(10_000));
        let line = shown(&with_common_name(hostile));
        assert!(line.len() <= 64 * 4 + 3 + 8 + 42 + 8 + 64, "{line}");
        assert!(
            line.bytes().all(|octet| (0x20..0x7f).contains(&octet)),
            "{line}"
        );
        let line = shown(&with_common_name("bob"));
        assert!(line.starts_with("CN=bob serial "), "{line}");
        assert!(line.contains(" sha256 "), "{line}");
        let junk = shown(&CertificateDer::from(vec![0x30]));
        assert!(junk.starts_with("unreadable sha256 "), "{junk}");
    }

    #[test]
    fn no_octets_make_it_panic() {
        let right = with_names(&[mail("bob@dobbs.org")]);
        for cut in 0..right.len() {
            let found = account(&right[..cut], ClientAccount::Email);
            assert_eq!(found, Err(Unnamed::Unreadable), "{cut}");
            shown(&CertificateDer::from(&right[..cut]));
        }
        let mut long = right.to_vec();
        long.push(0);
        let found = account(&long, ClientAccount::Email);
        assert_eq!(found, Err(Unnamed::Unreadable));
        for place in 0..right.len() {
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut wrong = right.to_vec();
                wrong[place] ^= flip;
                // It may well stand for somebody else: the signature would be wrong then.
                let _ = account(&wrong, ClientAccount::Email);
                let _ = account(&wrong, ClientAccount::CommonName);
                shown(&CertificateDer::from(wrong));
            }
        }
    }
}
