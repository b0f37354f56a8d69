//! A Maildir file's name: `seconds.M<microseconds>….host,S=<octets>:2,<flags>` (maildir(5) of qmail).
//!
//! What comes before the `:` stays while the message does; what follows are flags, which change. The
//! seconds are those of the arrival.

/// The name without its flags.
pub fn base(name: &[u8]) -> &[u8] {
    let end = memchr::memchr(b':', name).unwrap_or(name.len());
    &name[..end]
}

/// The same, of a name that is text.
pub(super) fn base_str(name: &str) -> &str {
    name.split_once(':').map_or(name, |(base, _)| base)
}

/// What a name says of the sizes: octets of the file (`S=`), and octets with CRLF (`W=`).
pub(super) fn sizes(base: &str) -> (Option<u64>, Option<u64>) {
    let (mut file, mut wire) = (None, None);
    let mut rest = base.as_bytes();
    while let Some(comma) = memchr::memchr(b',', rest) {
        rest = &rest[comma + 1..];
        let field = &rest[..memchr::memchr(b',', rest).unwrap_or(rest.len())];
        match field.split_at_checked(2) {
            Some((b"S=", digits)) => file = super::number(digits),
            Some((b"W=", digits)) => wire = super::number(digits),
            _ => {}
        }
    }
    (file, wire)
}

/// When the message arrived, in µs since 1970, if the name begins with a time.
pub fn arrival_us(name: &[u8]) -> Option<i64> {
    let name = base(name);
    let dot = memchr::memchr(b'.', name)?;
    let (seconds, rest) = (&name[..dot], &name[dot + 1..]);
    let seconds = super::number(seconds).filter(|seconds| (1..1 << 40).contains(seconds))?;
    let microseconds = rest.strip_prefix(b"M").and_then(|rest| {
        let end = rest.iter().position(u8::is_ascii_uppercase);
        super::number(&rest[..end.unwrap_or(rest.len())])
    });
    let microseconds = microseconds.filter(|&microseconds| microseconds < 1_000_000);
    i64::try_from(seconds * 1_000_000 + microseconds.unwrap_or(0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_arrival() {
        for (name, expected) in [
            (
                &b"1700000000.M123456P42Q1.host,S=120:2,S"[..],
                Some(1_700_000_000_123_456),
            ),
            (b"1700000000.42_1.host", Some(1_700_000_000_000_000)),
            (b"1700000000.P42M7.host", Some(1_700_000_000_000_000)),
            (b"1700000000.M9999999P1.host", Some(1_700_000_000_000_000)),
            (b"hello.eml", None),
            (b"-5.M1P1.host", None),
            (b"99999999999999999999.M1P1.host", None),
            (b"\xff\xfe.x", None),
            (b"", None),
        ] {
            assert_eq!(
                arrival_us(name),
                expected,
                "{}",
                String::from_utf8_lossy(name)
            );
        }
    }

    #[test]
    fn a_name_tells_the_sizes() {
        for (base, expected) in [
            ("1.M2P3.h,S=40,W=44", (Some(40), Some(44))),
            ("1.M2P3.h,W=44,S=40", (Some(40), Some(44))),
            ("1.M2P3.h,S=40", (Some(40), None)),
            ("1.M2P3.h,S=-4,W=x", (None, None)),
            ("S=4", (None, None)),
            ("1.M2P3.h,é,", (None, None)),
        ] {
            assert_eq!(sizes(base), expected, "{base}");
        }
    }

    #[test]
    fn flags_are_no_part_of_the_base() {
        assert_eq!(base(b"1.M2P3.h,S=4:2,RS"), b"1.M2P3.h,S=4");
        assert_eq!(base(b"1.M2P3.h"), b"1.M2P3.h");
        assert_eq!(base(b":2,"), b"");
    }
}
