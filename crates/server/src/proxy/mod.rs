//! The PROXY protocol: what a balancer says of its client, before the first octet of the client's.
//!
//! A balancer that passes connections on hides who they are from. So it begins each with a header
//! that names the client: one line of text (version 1) or a binary block (version 2), as in
//! HAProxy's `proxy-protocol.txt`. This is the parser: octets in, a [`Header`] out, no I/O. Whose
//! header is believed, and how long one is waited for, is decided where the connection is accepted.
//!
//! Nothing is guessed: what is no header is [`Malformed`] at its first wrong octet, and the
//! connection is of no further use. Nothing behind the header is touched: [`Parsed::More`] names
//! octets that certainly belong to it, so whoever reads no more than that leaves the first octet
//! of TLS or of a command where it is.
//!
//! ```
//! use server::proxy::{Header, Parsed, parse};
//!
//! let octets = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nCAPA\r\n";
//! let Ok(Parsed::Whole(Header::Forwarded(client), 47)) = parse(octets) else { panic!() };
//! assert_eq!(client.client, "192.168.0.1:56324".parse().unwrap());
//! assert_eq!(parse(b"PROXY TCP4 192.16"), Ok(Parsed::More(15)));
//! assert!(parse(b"QUIT").is_err());
//! ```

mod extras;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::net::SocketAddr;

pub use extras::{Certificate, ClientTls, Extras};
pub use v1::LINE_OCTETS_MAX;
pub use v2::BLOCK_OCTETS_MAX;

/// What a header says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Header {
    /// Nobody's: the balancer speaks for itself (LOCAL, as health checks do), or its client has no
    /// TCP address (UNKNOWN, UNSPEC, Unix sockets, datagrams). The connection is what it seems.
    Own,
    /// Passed on for a client.
    Forwarded(Box<Forwarded>),
}

/// A client's connection as the balancer that took it tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forwarded {
    /// The client.
    pub client: SocketAddr,
    /// Where the client connected to.
    pub server: SocketAddr,
    /// What version 2 may say beside it.
    pub extras: Extras,
}

/// How far the octets go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Parsed {
    /// The header is not whole; at least so many octets of it are to come.
    More(usize),
    /// The header, and of how many octets it is.
    Whole(Header, usize),
}

/// Why the octets are no header.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// Neither version begins so.
    #[error("what came is no PROXY header")]
    NoHeader,
    /// Version 1: no line end where the longest line has one.
    #[error("the header's line is longer than {max} octets", max = LINE_OCTETS_MAX)]
    LineTooLong,
    /// Version 1: CR or LF alone.
    #[error("the header's line does not end with CRLF")]
    LineEnd,
    /// Version 1: not the words, addresses and ports that the line has.
    #[error("the header's line is not TCP4, TCP6 or UNKNOWN with its addresses and ports")]
    Line,
    /// Version 2: the signature, but another version.
    #[error("the header is of version {0}, not of 1 or 2")]
    Version(u8),
    /// Version 2: neither LOCAL nor PROXY.
    #[error("the header has the command {0}, which is unassigned")]
    Command(u8),
    /// Version 2: an address family or a transport that is unassigned.
    #[error("the header has the family and transport {0:#04x}, which are unassigned")]
    Family(u8),
    /// Version 2: longer than we read.
    #[error("the header is of {0} octets, more than {max}", max = BLOCK_OCTETS_MAX)]
    BlockTooLong(u16),
    /// Version 2: too short for the addresses of its family.
    #[error("the header is too short for its addresses")]
    Addresses,
    /// Version 2: a part that reaches beyond the end, or beyond the part that it is in.
    #[error("a part of the header is longer than the header")]
    Cut,
    /// Version 2: a part that may not look like that.
    #[error("the header's part of type {0:#04x} is not what it should be")]
    Part(u8),
    /// Version 2: a part that is there twice.
    #[error("the header has its part of type {0:#04x} twice")]
    Twice(u8),
    /// Version 2: not the octets that the balancer sent.
    #[error("the header's checksum is wrong")]
    Checksum,
}

/// Reads a header from the first octets of a connection.
///
/// To be called again with all of them when more have come.
///
/// # Errors
///
/// When they are no header and no more octets make them one.
pub fn parse(octets: &[u8]) -> Result<Parsed, Malformed> {
    let begins = |with: &[u8]| {
        let shown = octets.len().min(with.len());
        octets[..shown] == with[..shown]
    };
    match octets {
        // No header of either version is shorter.
        [] => Ok(Parsed::More(v1::LINE_OCTETS_MIN)),
        _ if begins(v1::PREFIX) => v1::parse(octets),
        _ if begins(v2::SIGNATURE) => v2::parse(octets),
        _ => Err(Malformed::NoHeader),
    }
}
