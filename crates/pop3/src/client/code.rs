//! Response codes: what a server says to a program, before what it says to people (RFC 2449 §8).
//!
//! ```
//! use pop3::client::ResponseCode;
//!
//! assert_eq!(ResponseCode::parse(b"in-use"), Some(ResponseCode::InUse));
//! let other = ResponseCode::parse(b"REFERRAL/pop://other.example").unwrap();
//! assert_eq!(other.to_string(), "REFERRAL/pop://other.example");
//! ```

use std::fmt;

/// What a client can do about a refusal.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ResponseCode {
    /// Another session holds the maildrop; the credentials were right (RFC 2449 §8.1.2).
    InUse,
    /// The last login was too short a time ago (RFC 2449 §8.1.1).
    LoginDelay,
    /// May pass by itself, whatever was asked (RFC 3206 §4).
    SysTemp,
    /// Needs an operator (RFC 3206 §4).
    SysPerm,
    /// The credentials are wrong, or may not be used here and now (RFC 3206 §5).
    Auth,
    /// The message, or the listing, needs UTF8 (RFC 6856 §5).
    Utf8,
    /// One that is not known here, as it came.
    Other(String),
}

impl ResponseCode {
    /// Reads what stands between the brackets; none if it cannot be a code.
    ///
    /// Codes are levels, `SYS/TEMP`, of which a client may know the first only (RFC 2449 §8): what is
    /// more exact than a code that is known is that code.
    pub fn parse(code: &[u8]) -> Option<Self> {
        if code.is_empty() || !code.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let code = String::from_utf8_lossy(code).into_owned();
        let mut levels = code.split('/').map(str::to_ascii_uppercase);
        let (first, second) = (levels.next(), levels.next());
        Some(match (first.as_deref(), second.as_deref()) {
            (Some("IN-USE"), _) => Self::InUse,
            (Some("LOGIN-DELAY"), _) => Self::LoginDelay,
            (Some("SYS"), Some("TEMP")) => Self::SysTemp,
            (Some("SYS"), Some("PERM")) => Self::SysPerm,
            (Some("AUTH"), _) => Self::Auth,
            (Some("UTF8"), _) => Self::Utf8,
            _ => Self::Other(code),
        })
    }

    /// As it is printed, without brackets.
    pub fn name(&self) -> &str {
        match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Auth => "AUTH",
            Self::Utf8 => "UTF8",
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_exact_than_a_known_code_is_that_code() {
        let other = |code: &str| Some(ResponseCode::Other(code.to_owned()));
        for (code, expected) in [
            ("IN-USE", Some(ResponseCode::InUse)),
            ("Login-Delay", Some(ResponseCode::LoginDelay)),
            ("SYS/TEMP", Some(ResponseCode::SysTemp)),
            ("SYS/TEMP/DISK", Some(ResponseCode::SysTemp)),
            ("sys/perm", Some(ResponseCode::SysPerm)),
            ("AUTH/EXPIRED", Some(ResponseCode::Auth)),
            ("UTF8", Some(ResponseCode::Utf8)),
            ("SYS", other("SYS")),
            ("SYS/LATER", other("SYS/LATER")),
            ("AUTHOR", other("AUTHOR")),
            ("", None),
            ("two words", None),
            ("\u{1b}[2J", None),
        ] {
            assert_eq!(ResponseCode::parse(code.as_bytes()), expected, "{code}");
        }
    }
}
