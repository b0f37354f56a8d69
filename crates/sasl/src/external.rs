//! EXTERNAL: what is below has shown who it is, here the certificate of a TLS client
//! (RFC 4422 appendix A).
//!
//! The only message is the name of whom to act for, or nothing.

use crate::Login;
use crate::server::Refused;

/// The login of somebody whom a certificate has named.
///
/// # Errors
///
/// [`Refused::Malformed`] when the message is not UTF-8 or holds a NUL.
pub fn read(user: String, message: &[u8]) -> Result<Login, Refused> {
    match str::from_utf8(message) {
        Ok(authzid) if !authzid.contains('\0') => Ok(Login::External {
            user,
            authzid: (!authzid.is_empty()).then(|| authzid.to_owned()),
        }),
        _ => Err(Refused::Malformed),
    }
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
        assert_eq!(authzid(b"\xff"), Err(Refused::Malformed));
    }
}
