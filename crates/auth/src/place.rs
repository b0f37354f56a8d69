//! Where logins come from, and the networks that an account may log in from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Where a login comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// An address, of the client or as a trusted proxy tells it.
    Address(IpAddr),
    /// A Unix socket.
    Local,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

/// A network in CIDR notation: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    /// In IPv6 form; IPv4 lies in `::ffff:0:0/96`.
    prefix: u128,
    /// 0–128, counted in IPv6 form.
    bits: u8,
}

/// Not a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not a network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")]
pub struct NetworkError(String);

impl Network {
    /// Whether an address lies in the network. An IPv4 address that came in IPv6 form counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        (mapped(address) ^ self.prefix) & mask(self.bits) == 0
    }
}

/// Whether a login from this place is allowed: everywhere if no network is named. A Unix socket is
/// not in any network.
pub(crate) fn allowed(networks: &[Network], peer: Peer) -> bool {
    match peer {
        _ if networks.is_empty() => true,
        Peer::Address(address) => networks.iter().any(|network| network.contains(address)),
        Peer::Local => false,
    }
}

pub(crate) fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(bits))
        .unwrap_or_default()
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.chars().take(64).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let (prefix, spare) = match address.parse::<IpAddr>().map_err(|_| wrong())? {
            IpAddr::V4(v4) => (mapped(v4.into()), 96),
            IpAddr::V6(v6) => (v6.to_bits(), 0),
        };
        let bits = match bits {
            Some(bits) if bits <= 128 - spare => bits + spare,
            Some(_) => return Err(wrong()),
            None => 128,
        };
        Ok(Self {
            prefix: prefix & mask(bits),
            bits,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.prefix);
        match (address.to_ipv4_mapped(), self.bits) {
            (Some(v4), 96..) => write_network(f, v4, self.bits - 96),
            _ => write!(f, "{address}/{}", self.bits),
        }
    }
}

fn write_network(f: &mut fmt::Formatter<'_>, address: Ipv4Addr, bits: u8) -> fmt::Result {
    write!(f, "{address}/{bits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (text, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "11.0.0.0"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{text}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{text}");
        }
        assert!(network("::/0").contains("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn networks_print_as_they_are_written() {
        for text in [
            "192.0.2.0/24",
            "192.0.2.7/32",
            "2001:db8::/32",
            "::/0",
            "0.0.0.0/0",
        ] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("192.0.2.99/24").to_string(), "192.0.2.0/24");
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in [
            "",
            "x",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "192.0.2.0/-1",
            "/8",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_unix_socket_is_in_no_network() {
        assert!(allowed(&[], Peer::Local));
        assert!(!allowed(&[network("::/0")], Peer::Local));
        assert!(allowed(
            &[network("10.0.0.0/8"), network("192.0.2.0/24")],
            Peer::Address("192.0.2.1".parse().unwrap())
        ));
    }

    proptest::proptest! {
        #[test]
        fn a_network_is_what_it_prints(bits: u128, length in 0_u8..=128, v4: u32, short in 0_u8..=32) {
            for text in [
                format!("{}/{length}", Ipv6Addr::from_bits(bits)),
                format!("{}/{short}", Ipv4Addr::from_bits(v4)),
            ] {
                let network = network(&text);
                proptest::prop_assert_eq!(network, network_again(network));
            }
            let address = Ipv4Addr::from_bits(v4);
            let holds_its_own = network(&format!("{address}/{short}")).contains(address.into());
            proptest::prop_assert!(holds_its_own);
        }
    }

    fn network_again(network: Network) -> Network {
        network.to_string().parse().unwrap()
    }
}
