//! The mechanisms that are spoken here, by their registered names (RFC 4422 §3.1).

use std::fmt;

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// A user name and a password in clear (RFC 4616).
    Plain,
}

impl Mechanism {
    /// All of them, the best first.
    pub const ALL: [Self; 1] = [Self::Plain];

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
            Self::Plain => "PLAIN",
        }
    }

    /// Whether somebody who listens learns the password.
    pub fn shows_password(self) -> bool {
        match self {
            Self::Plain => true,
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
