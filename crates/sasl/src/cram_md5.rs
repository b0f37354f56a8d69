//! CRAM-MD5: a keyed digest over a challenge (RFC 2195).
//!
//! A listener can guess at the secret at full speed, the server cannot prove itself, and the secret
//! lies there in clear; it is off unless an operator asks for it, and uses APOP's secret, which is
//! not the password.
//!
//! ```
//! use sasl::{Secret, cram_md5};
//!
//! let challenge = "<1896.697170952@postoffice.reston.mci.net>";
//! let digest = cram_md5::digest(challenge, &Secret::new("tanstaaftanstaaf"));
//! assert_eq!(
//!     cram_md5::response("tim", &digest),
//!     "tim b913a602c7eda7a495b4e6e7334d3890"
//! );
//! ```

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use subtle::ConstantTimeEq as _;

use crate::server::Refused;
use crate::{Login, Secret, prepare};

/// The challenge that a nonce makes of the greeting's timestamp: `<1@host>` becomes `<NONCE.1@host>`.
pub(crate) fn challenge(nonce: &str, timestamp: &str) -> String {
    let rest = timestamp.strip_prefix('<').unwrap_or(timestamp);
    format!("<{nonce}.{rest}")
}

/// HMAC-MD5(secret, challenge).
pub fn digest(challenge: &str, secret: &Secret) -> [u8; 16] {
    let mut mac =
        Hmac::<Md5>::new_from_slice(secret.expose()).expect("HMAC takes a key of any length");
    mac.update(challenge.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Whether a client's digest is the one of this challenge and secret, in constant time.
pub fn proves(claimed: &[u8; 16], challenge: &str, secret: &Secret) -> bool {
    claimed.ct_eq(&digest(challenge, secret)).into()
}

/// The client's message: the name, a space, the digest in lower-case digits.
pub fn response(user: &str, digest: &[u8; 16]) -> String {
    let mut text = format!("{user} ");
    for octet in digest {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// The login that a message claims, its name prepared (RFC 6856 §2.2).
///
/// # Errors
///
/// [`Refused::Malformed`] when it is not a name, a space and 32 lower-case hexadecimal digits;
/// [`Refused::Name`] when the name cannot be prepared.
pub fn read(challenge: String, message: &[u8]) -> Result<Login, Refused> {
    let parts = || {
        // A name may hold spaces; a digest does not.
        let space = message.iter().rposition(|&octet| octet == b' ')?;
        let hex = str::from_utf8(&message[space + 1..]).ok()?;
        let lower = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
        if hex.len() != 32 || !hex.bytes().all(lower) {
            return None;
        }
        Some((&message[..space], u128::from_str_radix(hex, 16).ok()?))
    };
    let (user, digest) = parts().ok_or(Refused::Malformed)?;
    Ok(Login::CramMd5 {
        user: prepare::name(user)?,
        challenge,
        digest: digest.to_be_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "<1896.697170952@postoffice.reston.mci.net>";

    /// RFC 2195 §2.
    #[test]
    fn the_example_of_rfc_2195() {
        let secret = Secret::new("tanstaaftanstaaf");
        let message = b"tim b913a602c7eda7a495b4e6e7334d3890";
        let Ok(Login::CramMd5 { user, digest, .. }) = read(CHALLENGE.into(), message) else {
            panic!("the example is well-formed");
        };
        assert_eq!(user, "tim");
        assert!(proves(&digest, CHALLENGE, &secret));
        assert!(!proves(&digest, CHALLENGE, &Secret::new("tanstaaf")));
        assert!(!proves(&digest, "<1@postoffice>", &secret));
    }

    #[test]
    fn malformed_messages_are_refused() {
        for message in [
            &b""[..],
            b"tim",
            b"tim ",
            b" b913a602c7eda7a495b4e6e7334d3890",
            b"tim B913A602C7EDA7A495B4E6E7334D3890",
            b"tim b913a602c7eda7a495b4e6e7334d389",
            b"tim b913a602c7eda7a495b4e6e7334d38900",
            b"tim +913a602c7eda7a495b4e6e7334d3890",
        ] {
            let read = read(CHALLENGE.into(), message);
            assert!(matches!(read, Err(Refused::Malformed)), "{message:?}");
        }
        for message in [
            b"t\0m b913a602c7eda7a495b4e6e7334d3890",
            b"t\xffm b913a602c7eda7a495b4e6e7334d3890",
        ] {
            let read = read(CHALLENGE.into(), message);
            assert!(matches!(read, Err(Refused::Name)), "{message:?}");
        }
    }

    #[test]
    fn a_challenge_is_a_message_id() {
        assert_eq!(challenge("abc", "<1.2@host>"), "<abc.1.2@host>");
    }
}
