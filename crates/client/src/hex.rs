//! Octets in hexadecimal digits. A message has a hundred of them in its names and in the ledger, so they are not formatted one by one.

use std::fmt;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// So many octets are written at once.
const AT_ONCE: usize = 32;

/// Octets, shown as lower-case digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octets in self.0.chunks(AT_ONCE) {
            let mut digits = [0; 2 * AT_ONCE];
            for (pair, octet) in digits.chunks_exact_mut(2).zip(octets) {
                pair[0] = DIGITS[usize::from(octet >> 4)];
                pair[1] = DIGITS[usize::from(octet & 0xf)];
            }
            let digits = std::str::from_utf8(&digits[..2 * octets.len()]);
            f.write_str(digits.map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_each_octet() {
        let octets: Vec<u8> = (0..=255).collect();
        let one_by_one: String = octets.iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(Hex(&octets).to_string(), one_by_one);
        assert_eq!(Hex(&[]).to_string(), "");
    }
}
