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
    for field in base.split(',').skip(1) {
        let value = |digits: &str| super::number(digits.as_bytes());
        match field.split_at_checked(2) {
            Some(("S=", digits)) => file = value(digits),
            Some(("W=", digits)) => wire = value(digits),
            _ => {}
        }
    }
    (file, wire)
}

/// When the message arrived, in µs since 1970, if the name begins with a time.
pub fn arrival_us(name: &[u8]) -> Option<i64> {
    let name = std::str::from_utf8(base(name)).ok()?;
    let (seconds, rest) = name.split_once('.')?;
    let seconds: i64 = seconds
        .parse()
        .ok()
        .filter(|seconds| (1..1 << 40).contains(seconds))?;
    let microseconds = rest
        .split(|letter: char| letter.is_ascii_uppercase())
        .nth(1)
        .filter(|_| rest.starts_with('M'))
        .and_then(|digits| digits.parse::<i64>().ok())
        .filter(|microseconds| (0..1_000_000).contains(microseconds))
        .unwrap_or(0);
    Some(seconds * 1_000_000 + microseconds)
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
