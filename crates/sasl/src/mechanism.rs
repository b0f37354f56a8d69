//! The mechanisms that are spoken here, by their registered names (RFC 4422 §3.1).

use std::fmt;

use crate::scram::Hash;

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mechanism {
    /// A proof that the password is known, bound to the TLS channel (RFC 5802, RFC 7677).
    ScramSha256Plus,
    /// A proof that the password is known (RFC 5802, RFC 7677).
    ScramSha256,
    /// The same as the first with SHA-1, for programs that know no other hash (RFC 5802).
    ScramSha1Plus,
    /// The same as the second with SHA-1 (RFC 5802).
    ScramSha1,
    /// Who it is was shown below already, by a certificate of TLS (RFC 4422 appendix A).
    External,
    /// A token of an authorisation server (RFC 7628).
    OauthBearer,
    /// What came before it, of Google and Microsoft.
    XOauth2,
    /// A user name and a password in clear (RFC 4616).
    Plain,
    /// The same in two messages (draft-murchison-sasl-login).
    Login,
    /// A digest of a challenge and a shared secret (RFC 2195).
    CramMd5,
}

impl Mechanism {
    /// All of them, the best first.
    pub const ALL: [Self; 10] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::ScramSha1Plus,
        Self::ScramSha1,
        Self::External,
        Self::OauthBearer,
        Self::XOauth2,
        Self::Plain,
        Self::Login,
        Self::CramMd5,
    ];

    /// The mechanism of that name, in upper or lower case.
    ///
    /// ```
    /// assert_eq!(sasl::Mechanism::named(b"plain"), Some(sasl::Mechanism::Plain));
    /// ```
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::External => "EXTERNAL",
            Self::OauthBearer => "OAUTHBEARER",
            Self::XOauth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
        }
    }

    /// Whether it should not be used where somebody may listen: he would learn the password or a
    /// token, or enough to guess a password fast. What remains is SCRAM, whose guesses have a price.
    pub fn needs_tls(self) -> bool {
        self.scram().is_none()
    }

    /// The hash of a SCRAM mechanism, and whether it is bound to the channel.
    pub fn scram(self) -> Option<(Hash, Binds)> {
        match self {
            Self::ScramSha256Plus => Some((Hash::Sha256, Binds::Yes)),
            Self::ScramSha256 => Some((Hash::Sha256, Binds::No)),
            Self::ScramSha1Plus => Some((Hash::Sha1, Binds::Yes)),
            Self::ScramSha1 => Some((Hash::Sha1, Binds::No)),
            _ => None,
        }
    }

    /// Whether it needs the name of the TLS channel (RFC 5802 §6).
    pub fn binds(self) -> Binds {
        self.scram().map_or(Binds::No, |(_, binds)| binds)
    }
}

/// Whether a mechanism is bound to the TLS channel, a `-PLUS` (RFC 5802 §4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binds {
    /// The proof holds on this channel only.
    Yes,
    /// It says nothing about the channel.
    No,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
