//! A header from a stranger: its surrogate is ASCII, its own surrogate, and of the size that is told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::Octets;
use pop3::surrogate::{Surrogate, header};
use pop3::wire;

fuzz_target!(|data: &[u8]| {
    // What is stored ends its lines with CRLF.
    let mut plain: Vec<u8> = Vec::new();
    for line in data.split(|&octet| octet == b'\n') {
        plain.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        plain.extend_from_slice(b"\r\n");
    }
    let surrogate = header(&plain);
    assert!(surrogate.is_ascii());
    assert!(surrogate.is_empty() || surrogate.ends_with(b"\r\n"));
    assert_eq!(header(&surrogate), surrogate);
    if plain.is_ascii() {
        assert_eq!(surrogate, plain);
    }

    // A header that is not UTF-8 is sent as it came.
    let sent = match str::from_utf8(&plain) {
        Ok(_) => &surrogate,
        Err(_) => &plain,
    };
    let mut stored = Vec::new();
    wire::stuff(&plain, &mut stored);
    let of_stored = Surrogate::of_stored(&stored);
    let mut unstuffed = Vec::new();
    wire::unstuff(of_stored.wire(), &mut unstuffed);
    assert_eq!(&unstuffed, sent);
    let octets = of_stored.sizes().of_message(Octets(plain.len() as u64 + 7));
    assert_eq!(octets, Octets(sent.len() as u64 + 7));
});
