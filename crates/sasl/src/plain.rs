//! PLAIN: a user name and a password in clear, in one message (RFC 4616).
//!
//! ```
//! use sasl::{Login, Secret, plain};
//!
//! let message = plain::message("tim", &Secret::new("tanstaaftanstaaf"));
//! assert_eq!(message.expose(), b"\0tim\0tanstaaftanstaaf");
//! let login = plain::read(message.expose()).unwrap();
//! assert_eq!(login.user(), "tim");
//! ```

use crate::server::Refused;
use crate::{Login, Secret};

/// The message with which a client logs in as itself.
pub fn message(user: &str, secret: &Secret) -> Secret {
    // One allocation of the right size, so that growing leaves no copy of the password behind.
    let mut message = Vec::with_capacity(user.len() + secret.expose().len() + 2);
    message.push(0);
    message.extend_from_slice(user.as_bytes());
    message.push(0);
    message.extend_from_slice(secret.expose());
    Secret::new(message)
}

/// The login that a message claims.
///
/// An authorisation identity may be given if it is the user's own name: nobody logs in for
/// somebody else here.
///
/// # Errors
///
/// [`Refused::Malformed`] when the message is not `[authzid] NUL authcid NUL passwd` with a user
/// name and a password of at least one octet, [`Refused::OtherIdentity`] when authzid is another
/// name.
pub fn read(message: &[u8]) -> Result<Login, Refused> {
    let mut parts = message.split(|&octet| octet == 0);
    let (Some(identity), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refused::Malformed);
    };
    let (Ok(identity), Ok(user)) = (str::from_utf8(identity), str::from_utf8(user)) else {
        return Err(Refused::Malformed);
    };
    if user.is_empty() || password.is_empty() {
        return Err(Refused::Malformed);
    }
    if !identity.is_empty() && identity != user {
        return Err(Refused::OtherIdentity);
    }
    Ok(Login::Password {
        user: user.to_owned(),
        secret: Secret::new(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(message: &[u8]) -> Result<(String, Vec<u8>), Refused> {
        match read(message)? {
            Login::Password { user, secret } => Ok((user, secret.expose().to_vec())),
            other => panic!("PLAIN makes a password login, not {other:?}"),
        }
    }

    #[test]
    fn the_examples_of_rfc_4616() {
        let tim = Ok(("tim".to_owned(), b"tanstaaftanstaaf".to_vec()));
        assert_eq!(outcome(b"\0tim\0tanstaaftanstaaf"), tim);
        assert_eq!(outcome(b"tim\0tim\0tanstaaftanstaaf"), tim);
        let other = outcome(b"Ursel\0Kurt\0xipj3plmq");
        assert_eq!(other, Err(Refused::OtherIdentity));
    }

    #[test]
    fn a_password_may_be_any_octets_but_nul() {
        let expected = Ok(("t".to_owned(), b" \xff\r\n ".to_vec()));
        assert_eq!(outcome(b"\0t\0 \xff\r\n "), expected);
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
            b"\0t\xff\0secret",
            b"\xff\0tim\0secret",
        ] {
            assert_eq!(outcome(message), Err(Refused::Malformed), "{message:?}");
        }
    }

    #[test]
    fn what_a_client_makes_a_server_reads() {
        let made = message("bob", &Secret::new("red queen "));
        let expected = Ok(("bob".to_owned(), b"red queen ".to_vec()));
        assert_eq!(outcome(made.expose()), expected);
    }
}
