//! Base 64 as SASL lines need it (RFC 4648 §4): strict, so that one text has one encoding.
//!
//! Refused are characters outside the alphabet (white space too), wrong or missing padding, and
//! bits that are set behind the last octet. RFC 5034 §4 asks for it: a line that can be read in
//! two ways is a line that two programs will read in two ways.
//!
//! ```
//! assert_eq!(sasl::base64::encode(b"any"), "YW55");
//! assert_eq!(sasl::base64::decode(b"YW55").unwrap(), b"any");
//! assert!(sasl::base64::decode(b"YW5=5").is_err());
//! ```

use std::fmt;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text is not base 64.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotBase64;

impl fmt::Display for NotBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not base 64")
    }
}

impl std::error::Error for NotBase64 {}

/// The octets in base 64, with padding.
pub fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits = group
            .iter()
            .fold(0, |bits, &octet| bits << 8 | u32::from(octet))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                let sextet = bits >> (18 - 6 * place) & 63;
                text.push(char::from(ALPHABET[sextet as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// The octets that a text encodes.
///
/// The vector is allocated once and never grows, so no copy of a secret is left behind.
///
/// # Errors
///
/// When the text is not what [`encode`] makes of any octets.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
    if !text.len().is_multiple_of(4) {
        return Err(NotBase64);
    }
    let padding = text
        .iter()
        .rev()
        .take_while(|&&octet| octet == b'=')
        .count();
    if padding > 2 {
        return Err(NotBase64);
    }
    let digits = &text[..text.len() - padding];
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0;
        for &digit in group {
            bits = bits << 6 | sextet(digit).ok_or(NotBase64)?;
        }
        let count = group.len() * 6 / 8;
        // Bits behind the last octet must be 0: "QQ==" and "QR==" would be the same otherwise.
        let spare = group.len() * 6 - count * 8;
        if bits & ((1 << spare) - 1) != 0 {
            return Err(NotBase64);
        }
        let [_, a, b, c] = (bits >> spare << (8 * (3 - count))).to_be_bytes();
        octets.extend_from_slice(&[a, b, c][..count]);
    }
    Ok(octets)
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        for (octets, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
            (b"\0mrose\0\xff\xfe", "AG1yb3NlAP/+"),
        ] {
            assert_eq!(encode(octets), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(octets));
        }
    }

    #[test]
    fn what_is_not_exactly_base_64_is_refused() {
        for text in [
            "=",
            "====",
            "A",
            "AA",
            "AAA",
            "A===",
            "AA=",
            "AA=A",
            "AB==",
            "AAB=",
            "AAAA====",
            "=AAA",
            "AA==AAAA",
            "AA A",
            "AAA\n",
            "AA-_",
            "AAAA=",
            "\u{e4}AAA",
            "*",
        ] {
            assert_eq!(decode(text.as_bytes()), Err(NotBase64), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(octets: Vec<u8>) {
            prop_assert_eq!(decode(encode(&octets).as_bytes()), Ok(octets));
        }

        #[test]
        fn what_can_be_decoded_has_one_encoding(text in "[AQZagz059+/=]{0,12}") {
            if let Ok(octets) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&octets), text);
            }
        }
    }
}
