//! Base 64 from a stranger: read bit by bit by a second reader that has nothing in common with the first,
//! both say the same, and what is read has one spelling only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sasl::base64::{decode, encode};

/// RFC 4648 §4 and §3.5 word by word: digits are six bits, padding fills up the last four digits, and what
/// padding stands for is 0.
fn read(text: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = str::from_utf8(text).ok()?;
    let digits = text.trim_end_matches('=');
    let missing = text.len() - digits.len();
    if text.len() % 4 != 0 || missing > 2 {
        return None;
    }
    let mut bits: Vec<bool> = Vec::new();
    for digit in digits.chars() {
        let value = DIGITS.find(digit)?;
        bits.extend((0..6).rev().map(|place| value >> place & 1 == 1));
    }
    let spare = bits.split_off(bits.len() / 8 * 8);
    let octet = |bits: &[bool]| {
        bits.iter()
            .fold(0, |octet, &bit| octet << 1 | u8::from(bit))
    };
    (!spare.contains(&true)).then(|| bits.chunks(8).map(octet).collect())
}

fuzz_target!(|text: &[u8]| {
    let octets = decode(text).ok();
    assert_eq!(octets, read(text));
    if let Some(octets) = octets {
        assert_eq!(encode(&octets).as_bytes(), text);
    }
    // Any octets come back, and no other spelling of theirs is read.
    let spelt = encode(text);
    assert_eq!(decode(spelt.as_bytes()).as_deref(), Ok(text));
    if let Some(rest) = spelt.strip_suffix('=') {
        assert!(decode(rest.as_bytes()).is_err());
    }
    assert!(decode(format!("{spelt}=").as_bytes()).is_err());
    assert!(decode(format!("{spelt}\r\n").as_bytes()).is_err());
});
