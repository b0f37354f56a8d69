//! What version 2 may say beside the addresses: parts of type, length and value
//! (`proxy-protocol.txt` §2.2.1 to §2.2.8).
//!
//! Types that mean nothing here are read over. Those that mean something may not come twice: of two
//! that differ, one would be believed.

use super::Malformed;

/// What a balancer says of the client's connection beside its addresses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extras {
    /// The protocol that was negotiated in the client's TLS handshake.
    pub alpn: Option<Vec<u8>>,
    /// The name that the client wanted to reach (SNI).
    pub authority: Option<String>,
    /// The balancer's own name for the connection, at most 128 octets.
    pub unique_id: Option<Vec<u8>>,
    /// The client's TLS, which ends at the balancer; none if it speaks in clear.
    pub tls: Option<ClientTls>,
}

/// TLS between a client and its balancer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientTls {
    /// Such as `TLSv1.3`.
    pub version: Option<String>,
    /// Such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: Option<String>,
    /// What the client showed of itself.
    pub certificate: Certificate,
}

/// What a client has shown of itself in its TLS handshake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// Nothing.
    NotShown,
    /// A certificate that the balancer could not verify.
    NotVerified,
    /// A certificate that it has verified, perhaps earlier in the same TLS session.
    Verified {
        /// Whose.
        common_name: Option<String>,
    },
}

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CN: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;

/// Flags of [`SSL`]: the client speaks TLS; it showed a certificate on this connection, or before in
/// the same session.
const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERTIFICATE: u8 = 0x02 | 0x04;

/// Longest [`UNIQUE_ID`].
const UNIQUE_ID_OCTETS_MAX: usize = 128;

impl Extras {
    /// Reads the parts of a header; `header` is the whole of it, for its checksum.
    pub(super) fn read(parts: &[u8], header: &[u8]) -> Result<Self, Malformed> {
        let (mut extras, mut checksum, mut ssl) = (Self::default(), None, None);
        let mut rest = parts;
        while let Some((kind, value)) = next(&mut rest)? {
            let twice = match kind {
                ALPN => extras.alpn.replace(value.to_vec()).is_some(),
                AUTHORITY => extras.authority.replace(text(kind, value)?).is_some(),
                UNIQUE_ID if value.len() > UNIQUE_ID_OCTETS_MAX => {
                    return Err(Malformed::Part(kind));
                }
                UNIQUE_ID => extras.unique_id.replace(value.to_vec()).is_some(),
                CRC32C => {
                    let value = value.try_into().map_err(|_| Malformed::Part(kind))?;
                    let place = header.len() - rest.len() - 4;
                    checksum
                        .replace((u32::from_be_bytes(value), place))
                        .is_some()
                }
                SSL => ssl.replace(client_tls(value)?).is_some(),
                // NOOP, NETNS, what others have for themselves, what is not invented yet.
                _ => false,
            };
            if twice {
                return Err(Malformed::Twice(kind));
            }
        }
        if let Some((told, place)) = checksum {
            // Of the whole header, the checksum itself taken for zeros.
            let before = crc32c::crc32c(&header[..place]);
            let zeros = crc32c::crc32c_append(before, &[0; 4]);
            if crc32c::crc32c_append(zeros, &header[place + 4..]) != told {
                return Err(Malformed::Checksum);
            }
        }
        extras.tls = ssl.flatten();
        Ok(extras)
    }
}

/// The next part, its type and its value.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<(u8, &'a [u8])>, Malformed> {
    let (kind, high, low, after) = match rest {
        [] => return Ok(None),
        [kind, high, low, after @ ..] => (*kind, *high, *low, after),
        _ => return Err(Malformed::Cut),
    };
    let octets = usize::from(u16::from_be_bytes([high, low]));
    let (value, after) = after.split_at_checked(octets).ok_or(Malformed::Cut)?;
    *rest = after;
    Ok(Some((kind, value)))
}

/// What [`SSL`] says; nothing if the client speaks in clear.
fn client_tls(value: &[u8]) -> Result<Option<ClientTls>, Malformed> {
    let Some((&[client, verify @ ..], mut rest)) = value.split_first_chunk::<5>() else {
        return Err(Malformed::Part(SSL));
    };
    let (mut version, mut cipher, mut common_name) = (None, None, None);
    while let Some((kind, value)) = next(&mut rest)? {
        let known = match kind {
            SSL_VERSION => &mut version,
            SSL_CIPHER => &mut cipher,
            SSL_CN => &mut common_name,
            // How certificates were signed, and what is not invented yet.
            _ => continue,
        };
        if known.replace(text(kind, value)?).is_some() {
            return Err(Malformed::Twice(kind));
        }
    }
    let certificate = match (client & CLIENT_CERTIFICATE, verify) {
        (0, _) => Certificate::NotShown,
        (_, [0, 0, 0, 0]) => Certificate::Verified { common_name },
        _ => Certificate::NotVerified,
    };
    Ok((client & CLIENT_SSL != 0).then_some(ClientTls {
        version,
        cipher,
        certificate,
    }))
}

fn text(kind: u8, value: &[u8]) -> Result<String, Malformed> {
    let text = str::from_utf8(value).map_err(|_| Malformed::Part(kind))?;
    Ok(text.to_owned())
}
