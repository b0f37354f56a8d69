//! The rules of normalising once more, written to be read: whole texts, no pieces, no speed.

use maildrop::{Measure, flags};

/// Text of a `DATA`, un-stuffed and with CRLF line ends, and what follows the terminator; none if
/// there is no terminator.
pub(super) fn dotted(wire: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    // As if the CRLF of DATA were part of it.
    let all = [b"\r\n", wire].concat();
    let end = all.windows(5).position(|octets| octets == b"\r\n.\r\n")?;
    let mut text = Vec::new();
    for at in 2..end + 2 {
        let line_start = all[..at].ends_with(b"\r\n");
        match all[at] {
            b'.' if line_start => {}
            b'\n' if all[at - 1] != b'\r' => text.extend_from_slice(b"\r\n"),
            octet => text.push(octet),
        }
    }
    Some((text, &wire[end + 3..]))
}

/// Text of a pipe, with CRLF line ends.
pub(super) fn plain(input: &[u8], drop_from_line: bool) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = input.split_inclusive(|&octet| octet == b'\n').collect();
    if drop_from_line && lines.first().is_some_and(|line| line.starts_with(b"From ")) {
        lines.remove(0);
    }
    let mut text = Vec::new();
    for line in lines {
        let line = match line {
            [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] | line => line,
        };
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// The stored form of a text with CRLF line ends, and all that is known of it.
pub(super) fn stored(text: &[u8]) -> (Vec<u8>, Measure, u32) {
    let (mut stored, mut measure, mut hops) = (Vec::new(), Measure::default(), 0);
    let mut in_header = true;
    for line in text.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            stored.push(b'.');
            measure.stuffed += 1;
        }
        stored.extend_from_slice(line);
        measure.octets += line.len() as u64;
        let eight_bit = match in_header {
            true => flags::HEADER_8BIT,
            false => flags::BODY_8BIT,
        };
        for at in 0..line.len() {
            measure.flags |= match line[at] {
                0 => flags::NUL,
                b'\r' if line.get(at + 1) != Some(&b'\n') => flags::BARE_CR,
                0x80.. => eight_bit,
                _ => 0,
            };
        }
        if in_header {
            let name = line.split(|octet| b": \t".contains(octet)).next();
            let named = name.is_some_and(|name| name.eq_ignore_ascii_case(b"Received"));
            hops += u32::from(named);
            measure.header_octets = stored.len() as u64;
            in_header = line != b"\r\n";
        }
    }
    (stored, measure, hops)
}

/// A text with CRLF line ends whose fields that claim to be ours are renamed. Only for what the tests make of
/// it: fuzzing compares the fast code with itself.
#[cfg(test)]
pub(super) fn distrusted(text: &[u8], authserv_id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut in_header = true;
    let mut lines = text.split_inclusive(|&octet| octet == b'\n').peekable();
    while let Some(line) = lines.next() {
        in_header &= line != b"\r\n";
        let mut field = match in_header {
            true => without_bare_cr(line),
            false => line.to_vec(),
        };
        // A bare CR is white space, so it goes on with the field, too.
        let goes_on = |line: &&[u8]| {
            let is_cr = line.starts_with(b"\r") && *line != b"\r\n";
            in_header && (line.starts_with(b" ") || is_cr)
        };
        while let Some(more) = lines.next_if(goes_on) {
            field.extend(without_bare_cr(more));
        }
        if in_header && claims(&field, authserv_id) {
            out.extend_from_slice(b"X-Forged-");
        }
        out.extend_from_slice(&field);
    }
    out
}

/// A line in which each CR but that of its end is a space.
#[cfg(test)]
fn without_bare_cr(line: &[u8]) -> Vec<u8> {
    let (text, end) = line.split_at(line.len() - usize::from(line.ends_with(b"\n")));
    let (text, cr) =
        text.split_at(text.len() - usize::from(!end.is_empty() && text.ends_with(b"\r")));
    let spaced = text
        .iter()
        .map(|&octet| if octet == b'\r' { b' ' } else { octet });
    spaced
        .chain(cr.iter().copied())
        .chain(end.iter().copied())
        .collect()
}

/// Whether a whole field is `Authentication-Results` and carries this name or none.
#[cfg(test)]
fn claims(field: &[u8], authserv_id: &str) -> bool {
    // No octet of a test is ESC, so it may stand for a fold.
    let field = String::from_utf8_lossy(field).replace("\r\n ", "\x1b");
    let Some((name, value)) = field.split_once(':') else {
        return false;
    };
    if !name
        .trim_end_matches(' ')
        .eq_ignore_ascii_case("Authentication-Results")
    {
        return false;
    }
    let mut octets = value.trim_end_matches("\r\n").chars().peekable();
    let mut comments = 0;
    while let Some(c) = octets.next_if(|c| comments > 0 || " \r\x1b(".contains(*c)) {
        match c {
            '(' => comments += 1,
            ')' => comments -= 1,
            '\\' => drop(octets.next()),
            _ => {}
        }
    }
    let (mut id, mut quoted) = (String::new(), false);
    while let Some(c) = octets.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => id.extend(octets.next()),
            '\r' | '\x1b' if quoted => {}
            _ if quoted || c.is_alphanumeric() || "-._".contains(c) => id.push(c),
            _ => break,
        }
    }
    let id = id.trim_matches([' ', '\r', '\x1b']).trim_end_matches('.');
    quoted || id.is_empty() || id.eq_ignore_ascii_case(authserv_id)
}
