//! Unique-ids of our own making: base32(generation) `.` base32(uid).
//!
//! The generation is random for each maildrop file ever begun and the uid only grows, so no
//! unique-id is ever used twice (RFC 1939 §7). RFC 4648 alphabet in lower case, no padding; the
//! generation is always 13 digits, the uid as few as it needs: at most 27 octets.

use pop3::UniqueId;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
pub(crate) const DIGITS: usize = 13;

/// All 13 digits of a number, most significant first.
fn digits(mut number: u64) -> [u8; DIGITS] {
    let mut digits = [b'a'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(number & 31) as usize];
        number >>= 5;
    }
    digits
}

/// The unique-id of message `uid` in a maildrop of that generation.
pub(crate) fn own(generation: u64, uid: u64) -> UniqueId {
    let mut text = [b'.'; 2 * DIGITS + 1];
    text[..DIGITS].copy_from_slice(&digits(generation));
    let all = digits(uid);
    let uid = significant(&all, 1);
    let end = DIGITS + 1 + uid.len();
    text[DIGITS + 1..end].copy_from_slice(uid);
    UniqueId::new(&text[..end]).expect("27 letters, digits and a dot are a unique-id")
}

/// A generation: always all digits.
pub(crate) fn push_generation(generation: u64, text: &mut Vec<u8>) {
    text.extend_from_slice(&digits(generation));
}

/// A number in as few digits as it needs, but at least so many (1 to [`DIGITS`]).
pub(crate) fn push_digits(number: u64, least: usize, text: &mut Vec<u8>) {
    text.extend_from_slice(significant(&digits(number), least));
}

/// The digits without zeros in front, but at least so many.
fn significant(all: &[u8; DIGITS], least: usize) -> &[u8] {
    let zeros = all.iter().take_while(|&&digit| digit == b'a').count();
    &all[zeros.min(DIGITS - least)..]
}

/// Whether an id that comes from elsewhere looks like one that we make for this generation, now
/// or later.
pub(crate) fn looks_own(generation: u64, id: &UniqueId) -> bool {
    id.as_bytes()
        .strip_prefix(&digits(generation))
        .is_some_and(|rest| rest.first() == Some(&b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_of_our_own() {
        for (generation, uid, text) in [
            (0, 1, "aaaaaaaaaaaaa.b"),
            (0, 0, "aaaaaaaaaaaaa.a"),
            (1, 32, "aaaaaaaaaaaab.ba"),
            (u64::MAX, u64::MAX, "p777777777777.p777777777777"),
        ] {
            let id = own(generation, uid);
            assert_eq!(id.to_string(), text);
            assert!(looks_own(generation, &id));
            assert!(!looks_own(generation ^ 1, &id));
        }
    }
}
