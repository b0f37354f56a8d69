//! EXTERNAL: what is below has shown who it is, here the certificate of a TLS client
//! (RFC 4422 appendix A).
//!
//! The only message is the name of whom to act for, or nothing.

use crate::server::Refused;
use crate::{Login, prepare};

/// The login of somebody whom a certificate has named.
///
/// # Errors
///
/// [`Refused::Malformed`] when the message holds a NUL; [`Refused::Name`] when it is a name that cannot
/// be prepared (RFC 5034 §4).
pub fn read(user: String, message: &[u8]) -> Result<Login, Refused> {
    if message.contains(&0) {
        return Err(Refused::Malformed);
    }
    let authzid = match message {
        [] => None,
        name => Some(prepare::user(name)?),
    };
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
        // Full-width letters, which are ordinary ones, and what SASLprep prohibits.
        let wide = "\u{ff42}\u{ff4f}\u{ff42}".as_bytes();
        assert_eq!(authzid(wide), Ok(Some("bob".into())));
        for name in [&b"\xff"[..], "bob\u{e000}".as_bytes(), "\u{ad}".as_bytes()] {
            assert_eq!(authzid(name), Err(Refused::Name));
        }
    }
}
