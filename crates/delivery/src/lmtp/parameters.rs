//! What may stand behind the paths of MAIL and RCPT.
//!
//! SIZE (RFC 1870 §3), BODY (RFC 6152 §3), SMTPUTF8 (RFC 6531 §3.4), AUTH (RFC 4954 §5), and of delivery status
//! notifications RET, ENVID, NOTIFY and ORCPT (RFC 3461 §4). Those of the last kind are held to their syntax and
//! mean nothing here: nobody here writes notifications, so DSN is not announced, and a client that knows
//! the extension then writes them itself (RFC 3461 §5.2.2).

use super::reply::Refusal;

/// What MAIL says beside the sender.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct MailParameters {
    /// The size of the message as SIZE declares it; 0: not said.
    pub(super) octets: u64,
    /// Whether addresses may go beyond ASCII: SMTPUTF8.
    pub(super) utf8: bool,
}

impl MailParameters {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        each(text, |name, value| {
            match (name, value) {
                // Up to 20 digits (RFC 1870 §3); those that no u64 holds are beyond any limit too.
                ("SIZE", Some(value)) if is_number(value) => {
                    parameters.octets = value.parse().unwrap_or(u64::MAX);
                }
                ("BODY", Some(value)) if is_one_of(value, &["7BIT", "8BITMIME"]) => {}
                ("SMTPUTF8", None) => parameters.utf8 = true,
                // Who submitted the message matters to nobody here.
                ("AUTH", Some(value)) if is_xtext(value) => {}
                ("RET", Some(value)) if is_one_of(value, &["FULL", "HDRS"]) => {}
                ("ENVID", Some(value)) if value.len() <= ENVID_OCTETS_MAX && is_xtext(value) => {}
                ("SIZE" | "BODY" | "SMTPUTF8" | "AUTH" | "RET" | "ENVID", _) => {
                    return Err(Refusal::Parameter);
                }
                _ => return Err(Refusal::UnknownParameter),
            }
            Ok(())
        })?;
        Ok(parameters)
    }
}

/// What RCPT may say beside the recipient.
pub(super) fn rcpt_parameters(text: &str) -> Result<(), Refusal> {
    each(text, |name, value| match (name, value) {
        ("NOTIFY", Some(value)) if is_notify(value) => Ok(()),
        ("ORCPT", Some(value)) if is_original(value) => Ok(()),
        ("NOTIFY" | "ORCPT", _) => Err(Refusal::Parameter),
        _ => Err(Refusal::UnknownParameter),
    })
}

/// Each parameter, its name in capitals; none comes twice.
fn each(
    text: &str,
    mut take: impl FnMut(&str, Option<&str>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut names = Vec::new();
    for parameter in text.split(' ').filter(|word| !word.is_empty()) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter, None),
        };
        let name = name.to_ascii_uppercase();
        take(&name, value)?;
        if names.contains(&name) {
            return Err(Refusal::Parameter);
        }
        names.push(name);
    }
    Ok(())
}

fn is_number(value: &str) -> bool {
    (1..=20).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_digit())
}

fn is_one_of(value: &str, words: &[&str]) -> bool {
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// `NEVER`, or a list of the others (RFC 3461 §4.1).
fn is_notify(value: &str) -> bool {
    let mut words = value.split(',');
    value.eq_ignore_ascii_case("NEVER")
        || words.all(|word| is_one_of(word, &["SUCCESS", "FAILURE", "DELAY"]))
}

/// `rfc822;address` (RFC 3461 §4.2), or `utf-8;address` (RFC 6533 §3), which may go beyond ASCII.
fn is_original(value: &str) -> bool {
    let Some((kind, address)) = value.split_once(';') else {
        return false;
    };
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let sound = match kind.eq_ignore_ascii_case("utf-8") {
        true => !address.contains(char::is_control),
        false => is_xtext(address),
    };
    value.len() <= ORCPT_OCTETS_MAX && !kind.is_empty() && kind.chars().all(letters) && sound
}

/// Printable ASCII in which `+` begins two hexadecimal digits and `=` is none (RFC 3461 §4).
fn is_xtext(value: &str) -> bool {
    let mut octets = value.bytes();
    let digit = |octet: Option<u8>| octet.is_some_and(|octet| octet.is_ascii_hexdigit());
    while let Some(octet) = octets.next() {
        match octet {
            b'+' if digit(octets.next()) && digit(octets.next()) => {}
            b'+' | b'=' => return false,
            b'!'..=b'~' => {}
            _ => return false,
        }
    }
    true
}

/// Longest ENVID (RFC 3461 §4.4).
const ENVID_OCTETS_MAX: usize = 100;

/// Longest ORCPT (RFC 3461 §4.2).
const ORCPT_OCTETS_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_mail() {
        let said = |octets, utf8| Ok(MailParameters { octets, utf8 });
        for (text, expected) in [
            ("", said(0, false)),
            ("SIZE=1000", said(1000, false)),
            ("size=1 BODY=8BITMIME AUTH=<>", said(1, false)),
            ("BODY=7bit  SMTPUTF8", said(0, true)),
            ("smtputf8 SIZE=5", said(5, true)),
            ("RET=FULL ENVID=QQ+2B314159", said(0, false)),
            ("RET=hdrs", said(0, false)),
            ("AUTH=e+3Dmc2@example.com", said(0, false)),
            ("SIZE=99999999999999999999", said(u64::MAX, false)),
            ("SIZE=100000000000000000000", Err(Refusal::Parameter)),
            ("SIZE=", Err(Refusal::Parameter)),
            ("SIZE", Err(Refusal::Parameter)),
            ("SIZE=+1", Err(Refusal::Parameter)),
            ("SIZE=1 SIZE=1", Err(Refusal::Parameter)),
            ("SMTPUTF8 SMTPUTF8", Err(Refusal::Parameter)),
            ("SMTPUTF8=1", Err(Refusal::Parameter)),
            ("SMTPUTF8=", Err(Refusal::Parameter)),
            ("BODY=BINARYMIME", Err(Refusal::Parameter)),
            ("BODY", Err(Refusal::Parameter)),
            ("RET=NONE", Err(Refusal::Parameter)),
            ("ENVID=a+2", Err(Refusal::Parameter)),
            ("ENVID=a=b", Err(Refusal::Parameter)),
            ("AUTH", Err(Refusal::Parameter)),
            ("NOTIFY=NEVER", Err(Refusal::UnknownParameter)),
            ("X", Err(Refusal::UnknownParameter)),
            ("=", Err(Refusal::UnknownParameter)),
        ] {
            assert_eq!(MailParameters::parse(text), expected, "{text:?}");
        }
        let long = |octets: usize| MailParameters::parse(&format!("ENVID={}", "x".repeat(octets)));
        assert_eq!(long(100), said(0, false));
        assert_eq!(long(101), Err(Refusal::Parameter));
    }

    #[test]
    fn parameters_of_rcpt() {
        for (text, expected) in [
            ("", Ok(())),
            ("NOTIFY=NEVER", Ok(())),
            (
                "notify=success,Failure,DELAY ORCPT=rfc822;Bob@Example.COM",
                Ok(()),
            ),
            ("ORCPT=rfc822;a+2Bb@example.org", Ok(())),
            ("ORCPT=utf-8;bösch@example.org", Ok(())),
            ("NOTIFY=NEVER,SUCCESS", Err(Refusal::Parameter)),
            ("NOTIFY=", Err(Refusal::Parameter)),
            ("NOTIFY", Err(Refusal::Parameter)),
            ("NOTIFY=NEVER NOTIFY=NEVER", Err(Refusal::Parameter)),
            ("ORCPT=bob@example.org", Err(Refusal::Parameter)),
            ("ORCPT=;bob@example.org", Err(Refusal::Parameter)),
            ("ORCPT=rfc822;a+b@example.org", Err(Refusal::Parameter)),
            ("ORCPT=rfc822;bösch@example.org", Err(Refusal::Parameter)),
            ("ORCPT=utf-8;b\u{85}", Err(Refusal::Parameter)),
            ("SIZE=1", Err(Refusal::UnknownParameter)),
        ] {
            assert_eq!(rcpt_parameters(text), expected, "{text:?}");
        }
        let long = format!("ORCPT=rfc822;{}", "x".repeat(500));
        assert_eq!(rcpt_parameters(&long), Err(Refusal::Parameter));
    }
}
