//! MIME parameters that are not ASCII go (RFC 6858 §2.2).

use std::collections::HashSet;

use super::UNFOLDED_OCTETS_MAX;
use super::line::Line;

/// Adds a value and its parameters, but for those that are not ASCII. If the value itself is not,
/// nothing is added.
pub(super) fn list(value: &[u8], line: &mut Line) {
    let parts = parts(value);
    // A set: a hostile header has tens of thousands of parameters.
    let lost: HashSet<Vec<u8>> = parts
        .iter()
        .filter(|part| !shows(part))
        .filter_map(|part| continued(part))
        .map(<[u8]>::to_ascii_lowercase)
        .collect();
    for (place, part) in parts.iter().enumerate() {
        // Of a value in several parameters (RFC 2231 §3) none is of use without the others.
        let incomplete = !lost.is_empty()
            && continued(part).is_some_and(|name| lost.contains(&name.to_ascii_lowercase()));
        match shows(part) && !incomplete && !part.is_empty() {
            true if place == 0 => line.piece(part),
            true => {
                line.attach(b";");
                line.piece(part);
            }
            false if place == 0 => return,
            false => {}
        }
    }
}

fn shows(part: &[u8]) -> bool {
    part.len() <= UNFOLDED_OCTETS_MAX
        && part
            .iter()
            .all(|octet| matches!(octet, b'\t' | b' '..=b'~'))
}

/// Of `name*0=` and `name*1*=` the name.
fn continued(part: &[u8]) -> Option<&[u8]> {
    let equals = memchr::memchr(b'=', part)?;
    let star = memchr::memchr(b'*', &part[..equals])?;
    let digit = part.get(star + 1)?.is_ascii_digit();
    digit.then(|| part[..star].trim_ascii())
}

/// What semicolons separate, outside quoted strings and comments.
fn parts(value: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut comments, mut escaped) = (0, false, 0u32, false);
    for (at, &octet) in value.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted || comments > 0 => escaped = true,
            b'"' if comments == 0 => quoted = !quoted,
            b'(' if !quoted => comments = comments.saturating_add(1),
            b')' if !quoted => comments = comments.saturating_sub(1),
            b';' if !quoted && comments == 0 => {
                parts.push(value[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value[start..].trim_ascii());
    parts
}
