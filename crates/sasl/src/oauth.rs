//! OAUTHBEARER and XOAUTH2: a token of an authorisation server (RFC 7628).
//!
//! ```text
//! n,a=bob@dobbs.org,^Ahost=pop.dobbs.org^Aport=995^Aauth=Bearer TOKEN^A^A      OAUTHBEARER
//! user=bob@dobbs.org^Aauth=Bearer TOKEN^A^A                                   XOAUTH2
//! ```
//!
//! A token that is refused is explained in a challenge before the exchange fails
//! ([`explanation`]), and the client must answer that with something that says nothing
//! (RFC 7628 §3.2.3).
//!
//! ```
//! use sasl::{Login, Secret, oauth};
//!
//! let message = oauth::bearer_message(Some("bob"), Some(("pop.dobbs.org", 995)), &Secret::new("t0k"));
//! assert_eq!(
//!     message.expose(),
//!     b"n,a=bob,\x01host=pop.dobbs.org\x01port=995\x01auth=Bearer t0k\x01\x01"
//! );
//! let Ok(Login::Token { user, port, .. }) = oauth::read_bearer(message.expose()) else { panic!() };
//! assert_eq!((user.as_deref(), port), (Some("bob"), Some(995)));
//! ```

use std::fmt::Write as _;

use crate::gs2::{Flag, Header};
use crate::server::Refused;
use crate::{Login, Mechanism, Secret, prepare};

/// What separates the parts of a message; alone it answers an explanation.
const SEPARATOR: u8 = 1;

/// What a client may be told about the tokens that are wanted (RFC 7628 §3.2.2).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hints {
    /// A scope that the token must have.
    pub scope: Option<String>,
    /// Where the authorisation server describes itself.
    pub openid_configuration: Option<String>,
}

/// The message of an OAUTHBEARER client.
pub fn bearer_message(user: Option<&str>, peer: Option<(&str, u16)>, token: &Secret) -> Secret {
    let header = Header {
        flag: Flag::Unsupported,
        authzid: user.map(ToOwned::to_owned),
    };
    let mut begin = format!("{header}\x01");
    if let Some((host, port)) = peer {
        let _ = write!(begin, "host={host}\x01port={port}\x01");
    }
    with_token(&begin, token)
}

/// The message of an XOAUTH2 client.
pub fn xoauth2_message(user: &str, token: &Secret) -> Secret {
    with_token(&format!("user={user}\x01"), token)
}

/// How a client answers an explanation.
pub fn acknowledgement(mechanism: Mechanism) -> &'static [u8] {
    match mechanism {
        Mechanism::XOauth2 => b"",
        _ => &[SEPARATOR],
    }
}

fn with_token(begin: &str, token: &Secret) -> Secret {
    // One allocation, so that growing leaves no copy of the token behind.
    let mut message = Vec::with_capacity(begin.len() + token.expose().len() + 16);
    message.extend_from_slice(begin.as_bytes());
    message.extend_from_slice(b"auth=Bearer ");
    message.extend_from_slice(token.expose());
    message.extend_from_slice(&[SEPARATOR, SEPARATOR]);
    Secret::new(message)
}

/// The login that a message of OAUTHBEARER claims.
///
/// # Errors
///
/// [`Refused::Malformed`] when it is not as RFC 7628 §3.1 says; [`Refused::Name`] when the name in it
/// cannot be prepared; [`Refused::Binding`] when the client wants to bind to the channel, which this
/// mechanism cannot.
pub fn read_bearer(message: &[u8]) -> Result<Login, Refused> {
    let text = str::from_utf8(message).map_err(|_| Refused::Malformed)?;
    let (header, _, rest) = Header::read(text)?;
    if let Flag::Bound(_) = header.flag {
        return Err(Refused::Binding);
    }
    let pairs = rest.strip_prefix('\x01').ok_or(Refused::Malformed)?;
    read_pairs(header.authzid, pairs).ok_or(Refused::Malformed)
}

/// The login that a message of XOAUTH2 claims.
///
/// # Errors
///
/// [`Refused::Malformed`] when it is not `user=NAME ^A auth=Bearer TOKEN ^A ^A`; [`Refused::Name`] when
/// the name cannot be prepared.
pub fn read_xoauth2(message: &[u8]) -> Result<Login, Refused> {
    let text = str::from_utf8(message).map_err(|_| Refused::Malformed)?;
    let named = text.strip_prefix("user=");
    let (user, pairs) = named
        .and_then(|rest| rest.split_once('\x01'))
        .ok_or(Refused::Malformed)?;
    let user = prepare::name(user.as_bytes())?;
    read_pairs(Some(user), pairs).ok_or(Refused::Malformed)
}

/// Reads `*(key "=" value ^A) ^A`.
fn read_pairs(user: Option<String>, text: &str) -> Option<Login> {
    let (mut auth, mut host, mut port) = (None, None, None);
    let pairs = match text {
        "\x01" => "",
        _ => text.strip_suffix("\x01\x01")?,
    };
    for pair in pairs.split('\x01') {
        let (key, value) = pair.split_once('=')?;
        if key.is_empty() || !key.bytes().all(|octet| octet.is_ascii_alphabetic()) {
            return None;
        }
        let printable = |octet: u8| octet.is_ascii_graphic() || b" \t\r\n".contains(&octet);
        if !value.bytes().all(printable) {
            return None;
        }
        // Which of two would count, somebody else may see differently.
        let taken = match key {
            "auth" => auth.replace(value),
            "host" => host.replace(value),
            "port" => port.replace(value),
            // Unknown keys are ignored (RFC 7628 §3.1).
            _ => None,
        };
        if taken.is_some() {
            return None;
        }
    }
    let port = match port {
        Some(port) if port.starts_with(['0', '+']) => return None,
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    Some(Login::Token {
        user,
        token: Secret::new(bearer_token(auth?)?),
        host: host.map(ToOwned::to_owned),
        port,
    })
}

/// The token of an `Authorization` header's value (RFC 6750 §2.1). An empty value asks what kind of
/// token is wanted (RFC 7628 §4.3).
fn bearer_token(value: &str) -> Option<&str> {
    if value.is_empty() {
        return Some("");
    }
    let (scheme, token) = value.split_once(' ')?;
    let digits = token.trim_end_matches('=');
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet);
    let right =
        scheme.eq_ignore_ascii_case("Bearer") && !digits.is_empty() && digits.bytes().all(allowed);
    right.then_some(token)
}

/// Why a token is refused, as the challenge that comes before the failure.
///
/// It says the same of every token: whether it is unknown, expired or somebody else's is not for
/// whoever has found it.
pub fn explanation(mechanism: Mechanism, hints: &Hints) -> Vec<u8> {
    let mut json = String::from(match mechanism {
        // Of Google's documentation; clients look at the number.
        Mechanism::XOauth2 => r#"{"status":"401","schemes":"bearer""#,
        _ => r#"{"status":"invalid_token""#,
    });
    for (key, value) in [
        ("scope", &hints.scope),
        ("openid-configuration", &hints.openid_configuration),
    ] {
        if let Some(value) = value {
            let _ = write!(json, r#","{key}":"#);
            quote(value, &mut json);
        }
    }
    json.push('}');
    json.into_bytes()
}

/// A JSON string (RFC 8259 §7).
fn quote(text: &str, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (Option<String>, String, Option<String>, Option<u16>);

    fn parts(login: Result<Login, Refused>) -> Result<Parts, Refused> {
        match login? {
            Login::Token {
                user,
                token,
                host,
                port,
            } => {
                let token = String::from_utf8(token.expose().to_vec()).unwrap();
                Ok((user, token, host, port))
            }
            other => panic!("a token is no {other:?}"),
        }
    }

    const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

    /// RFC 7628 §4.1, decoded, and §4.3.
    #[test]
    fn the_examples_of_rfc_7628() {
        let message = format!(
            "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
             auth=Bearer {TOKEN}\x01\x01"
        );
        let user = || Some("user@example.com".to_owned());
        let host = || Some("server.example.com".to_owned());
        let read = parts(read_bearer(message.as_bytes()));
        assert_eq!(read, Ok((user(), TOKEN.into(), host(), Some(143))));

        let asks = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=\x01\x01";
        let read = parts(read_bearer(asks));
        assert_eq!(read, Ok((user(), String::new(), host(), Some(143))));
        let hints = Hints {
            scope: Some("example_scope".into()),
            openid_configuration: Some(
                "https://example.com/.well-known/openid-configuration".into(),
            ),
        };
        assert_eq!(
            explanation(Mechanism::OauthBearer, &hints),
            br#"{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/.well-known/openid-configuration"}"#
        );
    }

    #[test]
    fn what_a_client_makes_a_server_reads() {
        let token = Secret::new(TOKEN);
        for (user, peer) in [(None, None), (Some("a,b=c"), Some(("h", 1)))] {
            let read = parts(read_bearer(bearer_message(user, peer, &token).expose()));
            let (host, port) = (peer.map(|p| p.0.to_owned()), peer.map(|p| p.1));
            assert_eq!(read, Ok((user.map(Into::into), TOKEN.into(), host, port)));
        }
        let read = parts(read_xoauth2(xoauth2_message("bob", &token).expose()));
        assert_eq!(read, Ok((Some("bob".into()), TOKEN.into(), None, None)));
    }

    #[test]
    fn names_are_prepared() {
        for (name, told) in [
            ("\u{ff42}o\u{ad}b", Ok("bob")),
            ("\u{ad}", Err(Refused::Name)),
            ("\u{7}", Err(Refused::Name)),
            ("b\0b", Err(Refused::Name)),
            ("\u{627}1", Err(Refused::Name)),
        ] {
            let token = Secret::new("t");
            let user = told.map(|name| Some(name.to_owned()));
            let bearer = bearer_message(Some(name), None, &token);
            let read = parts(read_bearer(bearer.expose())).map(|it| it.0);
            assert_eq!(read, user, "{name:?}");
            let xoauth2 = xoauth2_message(name, &token);
            let read = parts(read_xoauth2(xoauth2.expose())).map(|it| it.0);
            assert_eq!(read, user, "{name:?}");
        }
    }

    #[test]
    fn what_may_be_written_in_more_than_one_way_is_read() {
        for message in [
            "y,,\x01auth=bearer t\x01\x01",
            "n,,\x01auth=BEARER t\x01qs=a=b&c\x01mthd=POST\x01\x01",
            "n,,\x01x=\x01auth=Bearer t\x01\x01",
        ] {
            let read = parts(read_bearer(message.as_bytes()));
            assert_eq!(read, Ok((None, "t".into(), None, None)), "{message:?}");
        }
    }

    #[test]
    fn a_long_token_is_a_token() {
        let token = "a".repeat(40_000);
        let message = bearer_message(None, None, &Secret::new(token.as_str()));
        assert_eq!(parts(read_bearer(message.expose())).unwrap().1, token);
    }

    #[test]
    fn malformed_messages_are_refused() {
        for message in [
            &b""[..],
            b"\x01",
            b"n,,",
            b"n,,\x01",
            b"n,,\x01\x01",
            b"n,,\x01auth=Bearer t\x01",
            b"n,,\x01auth=Bearer t\x01\x01\x01",
            b"n,,auth=Bearer t\x01\x01",
            b"n,,\x01auth=Bearer\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Bearer =\x01\x01",
            b"n,,\x01auth=Bearer a b\x01\x01",
            b"n,,\x01auth=Basic dDp0\x01\x01",
            b"n,,\x01auth=Bearer t\x01auth=Bearer t\x01\x01",
            b"n,,\x01host=a\x01host=b\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=0143\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=+1\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=65536\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=\x01auth=Bearer t\x01\x01",
            b"n,,\x01host=a\x01\x01",
            b"n,,\x01a1=b\x01auth=Bearer t\x01\x01",
            b"n,,\x01=b\x01auth=Bearer t\x01\x01",
            b"n,,\x01ab\x01auth=Bearer t\x01\x01",
            b"n,,\x01host=\xc3\xa4\x01auth=Bearer t\x01\x01",
            b"n,user=bob,\x01auth=Bearer t\x01\x01",
            b"n,,\x01auth=Bearer \xff\x01\x01",
        ] {
            let read = parts(read_bearer(message));
            assert_eq!(read, Err(Refused::Malformed), "{}", message.escape_ascii());
        }
        let bound = read_bearer(b"p=tls-exporter,,\x01auth=Bearer t\x01\x01");
        assert_eq!(parts(bound), Err(Refused::Binding));
        for message in [
            &b""[..],
            b"user=bob",
            b"user=bob\x01",
            b"user=\x01auth=Bearer t\x01\x01",
            b"user=bob\x01auth=Bearer t\x01",
            b"USER=bob\x01auth=Bearer t\x01\x01",
        ] {
            let read = parts(read_xoauth2(message));
            assert_eq!(read, Err(Refused::Malformed), "{}", message.escape_ascii());
        }
    }

    #[test]
    fn an_explanation_is_json_whatever_the_hints_hold() {
        let hints = Hints {
            scope: Some("a\"\\\n\u{e4}".into()),
            openid_configuration: None,
        };
        assert_eq!(
            explanation(Mechanism::XOauth2, &hints),
            "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"a\\\"\\\\\\u000a\u{e4}\"}"
                .as_bytes()
        );
        let none = explanation(Mechanism::OauthBearer, &Hints::default());
        assert_eq!(none, br#"{"status":"invalid_token"}"#);
    }
}
