//! Little-endian numbers, TLVs and varints of the file format.

/// Two octets at a place that the caller knows to exist.
pub(crate) fn u16_at(octets: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(octets[at..at + 2].try_into().expect("2 octets"))
}

/// Four octets at a place that the caller knows to exist.
pub(crate) fn u32_at(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(octets[at..at + 4].try_into().expect("4 octets"))
}

/// Eight octets at a place that the caller knows to exist.
pub(crate) fn u64_at(octets: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(octets[at..at + 8].try_into().expect("8 octets"))
}

/// Eight octets at a place that the caller knows to exist, with a sign.
pub(crate) fn i64_at(octets: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(octets[at..at + 8].try_into().expect("8 octets"))
}

/// The next place where a record may begin.
pub(crate) fn align(at: u64) -> u64 {
    at.saturating_add(7) & !7
}

/// Appends a TLV: type, 0, length, octets, zeros up to a multiple of four.
pub(crate) fn tlv(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(value.len()).expect("the writer keeps TLVs below 64 KiB");
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// The TLVs of a stretch, up to type 0, the end, or the first one that does not fit.
pub(crate) fn tlvs(mut octets: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let kind = *octets.first().filter(|&&kind| kind != 0)?;
        let length = usize::from(u16_at(octets.get(..4)?, 2));
        let value = octets.get(4..4 + length)?;
        octets = octets
            .get((4 + length).next_multiple_of(4)..)
            .unwrap_or_default();
        Some((kind, value))
    })
}

/// Appends an unsigned LEB128 number.
pub(crate) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes an unsigned LEB128 number off the front; none if there is none or it has over 64 bits.
pub(crate) fn take_varint(octets: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&octet, rest) = octets.split_first()?;
        *octets = rest;
        let bits = u64::from(octet & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if octet < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tlvs_stop_at_the_end_and_at_nonsense() {
        let mut out = Vec::new();
        tlv(1, b"abcde", &mut out);
        tlv(2, b"", &mut out);
        assert_eq!(out, b"\x01\0\x05\0abcde\0\0\0\x02\0\0\0");
        let read: Vec<_> = tlvs(&out).collect();
        assert_eq!(read, [(1, &b"abcde"[..]), (2, &b""[..])]);
        assert_eq!(tlvs(&[3, 0, 9, 0, 1]).count(), 0);
        assert_eq!(tlvs(&[3, 0]).count(), 0);
        assert_eq!(tlvs(&[0; 12]).count(), 0);
    }

    proptest! {
        #[test]
        fn varints_come_back(number: u64) {
            let mut out = Vec::new();
            varint(number, &mut out);
            let mut rest = &out[..];
            prop_assert_eq!(take_varint(&mut rest), Some(number));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_octets_panic(octets: Vec<u8>) {
            let _ = take_varint(&mut &octets[..]);
            prop_assert!(tlvs(&octets).count() <= octets.len());
        }
    }
}
