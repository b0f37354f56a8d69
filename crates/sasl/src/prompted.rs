//! LOGIN: a user name and a password in clear, in two messages (draft-murchison-sasl-login-00).
//!
//! It was never a standard and gives nothing that PLAIN does not, but some programs and printers
//! know no other. The prompts are for nobody; clients answer whatever they say.

use crate::server::Refused;
use crate::{Login, Secret, prepare};

/// What asks for the user name.
pub const USER_PROMPT: &[u8] = b"Username:";

/// What asks for the password.
pub const PASSWORD_PROMPT: &[u8] = b"Password:";

/// The user name of a response, prepared (RFC 6856 §2.2).
///
/// # Errors
///
/// [`Refused::Malformed`] when it is empty or too long; [`Refused::Name`] when it is not UTF-8 or cannot
/// be prepared.
pub fn user(response: &[u8]) -> Result<String, Refused> {
    prepare::name(response)
}

/// The login of a user name and the response after it.
///
/// # Errors
///
/// [`Refused::Malformed`] when the password is empty or holds a NUL, which no other way to log in
/// could carry.
pub fn login(user: String, response: &[u8]) -> Result<Login, Refused> {
    match response {
        [] => Err(Refused::Malformed),
        _ if response.contains(&0) => Err(Refused::Malformed),
        _ => Ok(Login::password(user, Secret::new(response))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_must_be_something_that_a_login_can_carry() {
        for (response, why) in [
            (&b""[..], Refused::Malformed),
            (&[b'a'; 1025], Refused::Malformed),
            (b"\xff", Refused::Name),
            (b"a\0b", Refused::Name),
        ] {
            assert_eq!(user(response), Err(why));
        }
        assert_eq!(user("b\u{e4}b".as_bytes()).as_deref(), Ok("b\u{e4}b"));
        assert_eq!(user("\u{ff42}ob".as_bytes()).as_deref(), Ok("bob"));
        for response in [&b""[..], b"a\0b"] {
            assert!(login("bob".into(), response).is_err());
        }
        let login = login("bob".into(), b" \xff").unwrap();
        assert!(matches!(login, Login::Password { secret, .. } if secret.expose() == b" \xff"));
    }
}
