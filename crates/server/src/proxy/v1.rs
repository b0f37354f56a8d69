//! Version 1: a line of text (`proxy-protocol.txt` §2.1).
//!
//! Exactly one space between words, addresses of the family that is named, numbers without leading
//! zeros, CRLF and nothing less. Behind UNKNOWN anything may stand up to the CRLF, and says nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Extras, Forwarded, Header, Malformed, Parsed};

/// How a line begins.
pub(super) const PREFIX: &[u8] = b"PROXY ";

/// Longest line, CRLF included.
pub const LINE_OCTETS_MAX: usize = 107;

/// `PROXY UNKNOWN` and CRLF.
pub(super) const LINE_OCTETS_MIN: usize = 15;

/// Reads a line that begins with what there is of [`PREFIX`].
pub(super) fn parse(octets: &[u8]) -> Result<Parsed, Malformed> {
    let shown = &octets[..octets.len().min(LINE_OCTETS_MAX)];
    let end = shown.iter().position(|octet| b"\r\n".contains(octet));
    let Some(end) = end else {
        // The line's end is missing, both octets of it.
        return match shown.len() + 2 > LINE_OCTETS_MAX {
            true => Err(Malformed::LineTooLong),
            false => Ok(Parsed::More(missing(shown))),
        };
    };
    match octets[end..] {
        [b'\r', b'\n', ..] if end + 2 <= LINE_OCTETS_MAX => {
            Ok(Parsed::Whole(line(&octets[..end])?, end + 2))
        }
        [b'\r'] if end + 2 <= LINE_OCTETS_MAX => Ok(Parsed::More(1)),
        [b'\r', b'\n', ..] | [b'\r'] => Err(Malformed::LineTooLong),
        _ => Err(Malformed::LineEnd),
    }
}

/// So many octets are missing at least.
fn missing(shown: &[u8]) -> usize {
    let shortest = match shown.get(PREFIX.len()..) {
        Some([b'T', b'C', b'P', b'4', ..]) => "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".len(),
        Some([b'T', b'C', b'P', b'6', ..]) => "PROXY TCP6 :: :: 0 0\r\n".len(),
        _ => LINE_OCTETS_MIN,
    };
    shortest.saturating_sub(shown.len()).max(2)
}

fn line(line: &[u8]) -> Result<Header, Malformed> {
    let mut words = line.split(|&octet| octet == b' ').skip(1);
    let family = words.next();
    if family == Some(b"UNKNOWN") {
        return Ok(Header::Own);
    }
    let mut word = || words.next().and_then(|word| str::from_utf8(word).ok());
    let (client, server, client_port, server_port) = (word(), word(), word(), word());
    let forwarded = || {
        let address = |text: Option<&str>| match family {
            // The parsers of the standard library take no leading zeros either.
            Some(b"TCP4") => text?.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
            Some(b"TCP6") => text?.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
            _ => None,
        };
        Some(Forwarded {
            client: SocketAddr::new(address(client)?, port(client_port?)?),
            server: SocketAddr::new(address(server)?, port(server_port?)?),
            extras: Extras::default(),
        })
    };
    match (forwarded(), words.next()) {
        (Some(forwarded), None) => Ok(Header::Forwarded(Box::new(forwarded))),
        _ => Err(Malformed::Line),
    }
}

/// 0 to 65535, without sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|octet| octet.is_ascii_digit());
    let short = text == "0" || !text.starts_with('0');
    (plain && short).then(|| text.parse().ok())?
}
