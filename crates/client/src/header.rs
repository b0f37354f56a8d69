//! The header of a message, field by field.

use memchr::memchr;

/// The fields of a header, folded lines and all (RFC 5322 §2.2.3), with their line ends, LF or CRLF. An empty line is one as well: whoever
/// gives more than a header ends there.
pub(crate) fn fields(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let mut end = 0;
        loop {
            let line = memchr(b'\n', &rest[end..]);
            end += line.map_or(rest.len() - end, |lf| lf + 1);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, behind) = rest.split_at(end);
        rest = behind;
        (!field.is_empty()).then_some(field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_goes_on_where_a_line_begins_with_white_space() {
        let header = b"A: 1\r\n 2\r\nB: 3\n\t4\nC:";
        let found: Vec<&[u8]> = fields(header).collect();
        assert_eq!(found, [&b"A: 1\r\n 2\r\n"[..], b"B: 3\n\t4\n", b"C:"]);
        assert_eq!(fields(b"A: 1\n\nB: 2\n").count(), 3);
        assert_eq!(fields(b"").count(), 0);
    }
}
