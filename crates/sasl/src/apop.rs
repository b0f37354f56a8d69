//! APOP's digest (RFC 1939 §7): MD5 over the greeting's timestamp and a shared secret.
//!
//! MD5 is what the RFC asks for; it is too weak to protect a secret against a listener, so APOP is
//! off unless an account asks for it, and its secret should not be the account's password.
//!
//! ```
//! use sasl::{Secret, apop};
//! let digest = apop::digest("<1896.697170952@dbc.mtview.ca.us>", &Secret::new("tanstaaf"));
//! assert_eq!(digest[..4], [0xc4, 0xc9, 0x33, 0x4b]);
//! ```

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use crate::Secret;

/// MD5(timestamp ‖ secret); the timestamp with its angle brackets, as the greeting had it.
pub fn digest(timestamp: &str, secret: &Secret) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update(timestamp.as_bytes());
    md5.update(secret.expose());
    md5.finalize().into()
}

/// Whether a client's digest is the one of this timestamp and secret, in constant time.
pub fn proves(claimed: &[u8; 16], timestamp: &str, secret: &Secret) -> bool {
    claimed.ct_eq(&digest(timestamp, secret)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMESTAMP: &str = "<1896.697170952@dbc.mtview.ca.us>";

    #[test]
    fn the_example_of_rfc_1939() {
        let secret = Secret::new("tanstaaf");
        let expected = 0xc4c9334bac560ecc979e58001b3e22fb_u128.to_be_bytes();
        assert_eq!(digest(TIMESTAMP, &secret), expected);
        assert!(proves(&expected, TIMESTAMP, &secret));
    }

    #[test]
    fn another_secret_or_timestamp_does_not_prove() {
        let right = digest(TIMESTAMP, &Secret::new("tanstaaf"));
        assert!(!proves(&right, TIMESTAMP, &Secret::new("tanstaa")));
        assert!(!proves(
            &right,
            "<1896.697170953@dbc.mtview.ca.us>",
            &Secret::new("tanstaaf")
        ));
    }
}
