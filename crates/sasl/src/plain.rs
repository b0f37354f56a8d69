//! PLAIN: a user name and a password in clear, in one message (RFC 4616).
//!
//! ```
//! use sasl::{Secret, plain};
//!
//! let message = plain::message(None, "tim", &Secret::new("tanstaaftanstaaf"));
//! assert_eq!(message.expose(), b"\0tim\0tanstaaftanstaaf");
//! let login = plain::read(message.expose()).unwrap();
//! assert_eq!(login.user(), "tim");
//! ```

use crate::server::Refused;
use crate::{Login, Secret, prepare};

/// The message with which a client logs in, for itself or for somebody else.
pub fn message(authzid: Option<&str>, user: &str, secret: &Secret) -> Secret {
    let authzid = authzid.unwrap_or_default();
    // One allocation of the right size, so that growing leaves no copy of the password behind.
    let octets = authzid.len() + user.len() + secret.expose().len() + 2;
    let mut message = Vec::with_capacity(octets);
    message.extend_from_slice(authzid.as_bytes());
    message.push(0);
    message.extend_from_slice(user.as_bytes());
    message.push(0);
    message.extend_from_slice(secret.expose());
    Secret::new(message)
}

/// The login that a message claims.
///
/// Names are prepared (RFC 4616 §2). The password stays as it was sent, since hashes that were imported
/// are of passwords as they were typed: whoever verifies it tries both forms.
///
/// # Errors
///
/// [`Refused::Malformed`] when the message is not `[authzid] NUL authcid NUL passwd` with a user
/// name and a password of at least one octet; [`Refused::Name`] when a name cannot be prepared.
pub fn read(message: &[u8]) -> Result<Login, Refused> {
    let mut parts = message.split(|&octet| octet == 0);
    let (Some(authzid), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refused::Malformed);
    };
    if password.is_empty() {
        return Err(Refused::Malformed);
    }
    Ok(Login::Password {
        user: prepare::name(user)?,
        authzid: prepare::authzid(authzid)?,
        secret: Secret::new(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (Option<String>, String, Vec<u8>);

    fn outcome(message: &[u8]) -> Result<Parts, Refused> {
        match read(message)? {
            Login::Password {
                user,
                authzid,
                secret,
            } => Ok((authzid, user, secret.expose().to_vec())),
            other => panic!("PLAIN makes a password login, not {other:?}"),
        }
    }

    fn parts(authzid: Option<&str>, user: &str, password: &[u8]) -> Result<Parts, Refused> {
        Ok((authzid.map(Into::into), user.to_owned(), password.to_vec()))
    }

    #[test]
    fn the_examples_of_rfc_4616() {
        let password = b"tanstaaftanstaaf";
        let tim = parts(None, "tim", password);
        assert_eq!(outcome(b"\0tim\0tanstaaftanstaaf"), tim);
        let tim = parts(Some("tim"), "tim", password);
        assert_eq!(outcome(b"tim\0tim\0tanstaaftanstaaf"), tim);
        let other = parts(Some("Ursel"), "Kurt", b"xipj3plmq");
        assert_eq!(outcome(b"Ursel\0Kurt\0xipj3plmq"), other);
    }

    #[test]
    fn a_password_may_be_any_octets_but_nul() {
        let expected = parts(None, "t", b" \xff\r\n ");
        assert_eq!(outcome(b"\0t\0 \xff\r\n "), expected);
    }

    #[test]
    fn names_are_prepared_and_passwords_are_not() {
        // Full-width letters, as a Japanese keyboard writes them.
        let (wide, nine) = ("\u{ff42}\u{ff4f}\u{ff42}", "\u{2168}".as_bytes());
        let message = message(Some(wide), wide, &Secret::new(nine));
        assert_eq!(outcome(message.expose()), parts(Some("bob"), "bob", nine));
        for name in ["\u{7}", "\u{ad}", "\u{e000}"] {
            let message = message_of(name);
            assert_eq!(outcome(&message), Err(Refused::Name), "{name:?}");
        }
        for message in [&b"\0t\xff\0secret"[..], b"\xff\0tim\0secret"] {
            assert_eq!(outcome(message), Err(Refused::Name), "{message:?}");
        }
    }

    fn message_of(name: &str) -> Vec<u8> {
        let secret = Secret::new("redqueen");
        message(None, name, &secret).expose().to_vec()
    }

    #[test]
    fn malformed_messages_are_refused() {
        for message in [
            &b""[..],
            b"tim",
            b"\0tim",
            b"\0\0",
            b"\0tim\0",
            b"\0\0secret",
            b"\0tim\0sec\0ret",
            b"\0tim\0secret\0",
        ] {
            assert_eq!(outcome(message), Err(Refused::Malformed), "{message:?}");
        }
    }

    #[test]
    fn what_a_client_makes_a_server_reads() {
        for authzid in [None, Some("ursel")] {
            let made = message(authzid, "bob", &Secret::new("red queen "));
            let expected = parts(authzid, "bob", b"red queen ");
            assert_eq!(outcome(made.expose()), expected);
        }
    }
}
