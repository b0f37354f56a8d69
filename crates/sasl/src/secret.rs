//! A secret: zeroed when dropped, compared in constant time, never printed.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A password, or anything else that must not be seen. `Debug` is always `…`, in every build.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the octets over; they are zeroed when this value is dropped.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets, for the one place that checks them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether two secrets are the same, in a time that depends on their lengths only.
    pub fn same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.same(other)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(
            format!("{:?} {:#?}", Secret::new("a"), Secret::new("b")),
            "… …"
        );
    }

    #[test]
    fn secrets_are_compared_by_their_octets() {
        assert!(Secret::new("a b").same(&Secret::new("a b")));
        assert!(!Secret::new("a b").same(&Secret::new("a c")));
        assert!(!Secret::new("a").same(&Secret::new("a b")));
    }
}
