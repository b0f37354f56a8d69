//! Version 2: a binary block (`proxy-protocol.txt` §2.2).
//!
//! A signature, version and command, address family and transport, the length of what follows; then
//! the addresses, then parts of type, length and value. What a balancer says of a connection that
//! is its own (LOCAL), or of one without a TCP address, is read over.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Extras, Forwarded, Header, Malformed, Parsed};

/// How a block begins.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version, family and length.
const FIXED_OCTETS: usize = 16;

/// Most octets behind the length that we read. The addresses of Unix sockets take 216, and no
/// balancer has been seen to say a tenth of this beside them.
pub const BLOCK_OCTETS_MAX: u16 = 4096;

/// Reads a block that begins with what there is of [`SIGNATURE`].
pub(super) fn parse(octets: &[u8]) -> Result<Parsed, Malformed> {
    let forwarded = match octets.get(12) {
        Some(octet) if octet >> 4 != 2 => return Err(Malformed::Version(octet >> 4)),
        Some(octet) if octet & 15 > 1 => return Err(Malformed::Command(octet & 15)),
        octet => octet.is_some_and(|octet| octet & 15 == 1),
    };
    // Of LOCAL the family is ignored, whatever it is.
    let family = *octets.get(13).unwrap_or(&0);
    if forwarded && (family >> 4 > 3 || family & 15 > 2) {
        return Err(Malformed::Family(family));
    }
    let Some((fixed, rest)) = octets.split_at_checked(FIXED_OCTETS) else {
        return Ok(Parsed::More(FIXED_OCTETS - octets.len()));
    };
    let length = u16::from_be_bytes([fixed[14], fixed[15]]);
    if length > BLOCK_OCTETS_MAX {
        return Err(Malformed::BlockTooLong(length));
    }
    let whole = FIXED_OCTETS + usize::from(length);
    let Some(block) = rest.get(..usize::from(length)) else {
        return Ok(Parsed::More(whole - octets.len()));
    };
    let header = match forwarded {
        true => read(&octets[..whole], block, family)?,
        false => Header::Own,
    };
    Ok(Parsed::Whole(header, whole))
}

fn read(header: &[u8], block: &[u8], family: u8) -> Result<Header, Malformed> {
    let octets = match family >> 4 {
        1 => 2 * (4 + 2),
        2 => 2 * (16 + 2),
        3 => 2 * 108,
        // Where the parts would begin behind addresses of no family, nobody says.
        _ => return Ok(Header::Own),
    };
    let (addresses, parts) = block.split_at_checked(octets).ok_or(Malformed::Addresses)?;
    // Also of those that name no TCP address: a checksum counts for all of them.
    let extras = Extras::read(parts, header)?;
    let forwarded = |client, server| {
        Ok(Header::Forwarded(Box::new(Forwarded {
            client,
            server,
            extras,
        })))
    };
    match family {
        0x11 => {
            let (client, server) = (take::<4>(addresses, 0), take::<4>(addresses, 4));
            let (client, server) = (Ipv4Addr::from(client), Ipv4Addr::from(server));
            forwarded(
                SocketAddr::new(client.into(), u16::from_be_bytes(take(addresses, 8))),
                SocketAddr::new(server.into(), u16::from_be_bytes(take(addresses, 10))),
            )
        }
        0x21 => {
            let (client, server) = (take::<16>(addresses, 0), take::<16>(addresses, 16));
            let (client, server) = (Ipv6Addr::from(client), Ipv6Addr::from(server));
            forwarded(
                SocketAddr::new(client.into(), u16::from_be_bytes(take(addresses, 32))),
                SocketAddr::new(server.into(), u16::from_be_bytes(take(addresses, 34))),
            )
        }
        // A Unix socket, a datagram, or a transport that the balancer does not know.
        _ => Ok(Header::Own),
    }
}

/// So many of the octets, from a place on where they are.
fn take<const OCTETS: usize>(octets: &[u8], at: usize) -> [u8; OCTETS] {
    let mut taken = [0; OCTETS];
    taken.copy_from_slice(&octets[at..at + OCTETS]);
    taken
}
