//! Which maildrop: a random number that an account points to.

use std::fmt;
use std::str::FromStr;

/// Which maildrop: random, never derived from a user's name, so that a name is never a path.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MaildropId(pub u64);

impl fmt::Display for MaildropId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Not 16 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a maildrop id is 16 hexadecimal digits in lower case")]
pub struct NotAMaildropId;

impl FromStr for MaildropId {
    type Err = NotAMaildropId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // One spelling only: `+`, upper case and short forms would give one drop two names.
        let digits = text.len() == 16
            && text
                .bytes()
                .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        if !digits {
            return Err(NotAMaildropId);
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| NotAMaildropId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        let id = MaildropId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "0123456789abcdef");
        assert_eq!(id.to_string().parse::<MaildropId>().unwrap(), id);
        for bad in [
            "",
            "1",
            "+123456789abcdef",
            "0123456789ABCDEF",
            "0123456789abcdef0",
        ] {
            assert!(bad.parse::<MaildropId>().is_err(), "{bad}");
        }
    }
}
