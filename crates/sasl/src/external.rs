//! EXTERNAL: what is below has shown who it is, here the certificate of a TLS client
//! (RFC 4422 appendix A).
//!
//! The only message is the name of whom to act for, or nothing.

use crate::server::Refused;
use crate::{Login, prepare};

/// The login of somebody whom a certificate has named. For whom he acts is prepared (RFC 5034 §4).
///
/// # Errors
///
/// [`Refused::Malformed`] when the message holds a NUL or is too long; [`Refused::Name`] when it is a name
/// that cannot be prepared (RFC 5034 §4).
pub fn read(user: String, message: &[u8]) -> Result<Login, Refused> {
    if message.contains(&0) {
        return Err(Refused::Malformed);
    }
    let authzid = prepare::authzid(message)?;
    Ok(Login::External { user, authzid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_an_identity_or_nothing() {
        let authzid = |message: &[u8]| {
            read("bob".into(), message).map(|login| login.authzid().map(ToOwned::to_owned))
        };
        assert_eq!(authzid(b""), Ok(None));
        assert_eq!(
            authzid(b"fred@example.com"),
            Ok(Some("fred@example.com".into()))
        );
        assert_eq!(authzid(b"a\0b"), Err(Refused::Malformed));
        assert_eq!(authzid(&[b'a'; 1025]), Err(Refused::Malformed));
        let wide = "\u{ff42}o\u{ad}b".as_bytes();
        assert_eq!(authzid(wide), Ok(Some("bob".into())));
        for name in [
            &b"\xff"[..],
            b"bob\r\n",
            "\u{ad}".as_bytes(),
            "\u{202e}bob".as_bytes(),
            "\u{627}1".as_bytes(),
            "\u{e000}".as_bytes(),
        ] {
            assert_eq!(authzid(name), Err(Refused::Name), "{name:?}");
        }
    }
}
