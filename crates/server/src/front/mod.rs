//! Front ends: who may say that a connection is somebody else's, and whose it is then.
//!
//! A balancer says it with a PROXY header in front of everything else (`header`). It is believed for
//! the network that it comes from, and for nothing else: from a network in `proxy_protocol` the
//! header must come, since one that may be missing could be written by the client itself; from
//! everywhere else none is read, so octets that look like one are what any other nonsense is.
//!
//! A proxy that speaks the protocol itself, as Dovecot does, says it with the command XCLIENT.

pub(crate) mod header;

use std::net::{IpAddr, SocketAddr};

use auth::{Network, Peer};
use pop3::server::{Channel, Passwords};
use pop3::xclient::{Attributes, Speaker, Transport};

use crate::config::PlaintextLogin;
use crate::connection::Socket;
use crate::proxy::Forwarded;

/// Whom one listener believes about clients, and what.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FrontEnds {
    /// Networks whose connections begin with a PROXY header, all of them.
    pub proxy_protocol: Vec<Network>,
    /// Networks that may name their client by XCLIENT.
    pub xclient: Vec<Network>,
    /// What is made of TLS that ends at a front end.
    pub client_tls: FrontEndTls,
}

/// What is made of a front end's word that its client speaks TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FrontEndTls {
    /// Nothing: a connection in clear is one in clear.
    #[default]
    Ignored,
    /// A password may travel, as if the connection were inside TLS: whoever can read between the
    /// front end and this machine can read it.
    Believed,
}

/// Whether a connection begins with a PROXY header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Begins {
    WithHeader,
    Itself,
}

impl FrontEnds {
    /// How a connection of this client begins. A Unix socket is in no network.
    pub(crate) fn begins(&self, client: &Client) -> Begins {
        match client.peer {
            Peer::Address(address) if holds(&self.proxy_protocol, address) => Begins::WithHeader,
            _ => Begins::Itself,
        }
    }
}

impl FrontEnds {
    /// Whether somebody at this address may speak for others.
    fn speaker(&self, address: Option<IpAddr>) -> Speaker {
        match address {
            Some(address) if holds(&self.xclient, address) => Speaker::FrontEnd,
            _ => Speaker::Client,
        }
    }
}

fn holds(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Whose a connection is, as far as that is known and believed.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// As the throttle and the accounts know it.
    pub(crate) peer: Peer,
    /// As the log names it.
    pub(crate) name: String,
    /// Whether both ends of the connection are this machine, and it is nobody else's.
    loopback: bool,
    /// Whether a front end that is believed says that the client speaks TLS with it.
    channel: Channel,
    /// Whether it may name somebody else by XCLIENT.
    pub(crate) speaker: Speaker,
}

impl Client {
    /// The other end of a socket, as accept told it; `name`: for the log.
    pub(crate) fn of(socket: &Socket, peer: Peer, name: String, believed: &FrontEnds) -> Self {
        let address = match peer {
            Peer::Address(address) => Some(address),
            Peer::Local => None,
        };
        Self {
            peer,
            name,
            loopback: is_loopback(socket, &peer),
            channel: Channel::Plain,
            speaker: believed.speaker(address),
        }
    }

    /// The client that a PROXY header names.
    pub(crate) fn forwarded(header: &Forwarded, believed: &FrontEnds) -> Self {
        let tls = header.extras.tls.is_some() && believed.client_tls == FrontEndTls::Believed;
        let client = canonical(header.client);
        Self {
            peer: Peer::Address(client.ip()),
            name: client.to_string(),
            // Behind a balancer there may be such a proxy.
            speaker: believed.speaker(Some(client.ip())),
            // Whatever it says: a password may have come to the front end over any network, and what
            // somebody says of himself is not where he is (design decision 14).
            loopback: false,
            channel: match tls {
                true => Channel::Tls,
                false => Channel::Plain,
            },
        }
    }

    /// A balancer has opened the connection and names nobody. Whoever speaks there may still be
    /// anywhere: the balancer's own address is that of no user of this machine.
    pub(crate) fn is_passed_on(&mut self) {
        self.loopback = false;
    }

    /// The client that XCLIENT names; what it leaves out is as it was.
    pub(crate) fn named(&self, said: &Attributes, believed: &FrontEnds) -> Self {
        let channel = match (said.transport, believed.client_tls) {
            (Some(Transport::Tls), FrontEndTls::Believed) => Channel::Tls,
            (Some(_), _) => Channel::Plain,
            (None, _) => self.channel,
        };
        let address = said.address.map(|address| address.to_canonical());
        Self {
            peer: address.map_or(self.peer, Peer::Address),
            name: match (address, said.port) {
                (Some(address), Some(port)) => SocketAddr::new(address, port.get()).to_string(),
                (Some(address), None) => address.to_string(),
                (None, _) => self.name.clone(),
            },
            // As above.
            loopback: false,
            channel,
            speaker: Speaker::Client,
        }
    }

    /// The address that counts; none on a Unix socket.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.peer {
            Peer::Address(address) => Some(address),
            Peer::Local => None,
        }
    }

    /// Whether the client has TLS that ends at a front end, and that counts here.
    pub(crate) fn channel(&self) -> Channel {
        self.channel
    }

    /// Whether a password may travel on its connection, of which `own` is what we see ourselves.
    pub(crate) fn passwords(&self, own: Channel, policy: PlaintextLogin) -> Passwords {
        match (own, self.channel, policy) {
            (Channel::Tls, _, _) | (_, Channel::Tls, _) => Passwords::Accepted,
            (_, _, PlaintextLogin::Always) => Passwords::Accepted,
            (_, _, PlaintextLogin::Loopback) if self.loopback => Passwords::Accepted,
            (_, _, PlaintextLogin::Loopback | PlaintextLogin::Never) => Passwords::AfterTls,
        }
    }
}

/// An IPv4 client of a dual-stack socket as everybody knows it.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether both ends of a connection are this machine. Our own end is asked for only where the
/// other one does not answer the question.
fn is_loopback(socket: &Socket, peer: &Peer) -> bool {
    match (socket, peer) {
        (Socket::Tcp(stream), Peer::Address(peer)) if peer.is_loopback() => stream
            .local_addr()
            .is_ok_and(|local| canonical(local).ip().is_loopback()),
        (Socket::Tcp(_), _) => false,
        (Socket::Unix(_), _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Header, Parsed, parse};

    fn forwarded(octets: &[u8], believed: &FrontEnds) -> Client {
        match parse(octets) {
            Ok(Parsed::Whole(Header::Forwarded(header), _)) => Client::forwarded(&header, believed),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_header_never_makes_a_client_local() {
        let client = forwarded(
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
            &FrontEnds::default(),
        );
        let policies = [PlaintextLogin::Never, PlaintextLogin::Loopback];
        for policy in policies {
            let passwords = client.passwords(Channel::Plain, policy);
            assert_eq!(passwords, Passwords::AfterTls, "{policy:?}");
        }
        let inside = client.passwords(Channel::Tls, PlaintextLogin::Never);
        assert_eq!(inside, Passwords::Accepted);
    }

    #[test]
    fn an_address_in_another_form_is_the_same_address() {
        let line = b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1234 2\r\n";
        let client = forwarded(line, &FrontEnds::default());
        assert_eq!(client.name, "192.0.2.7:1234");
        assert_eq!(client.address(), Some(IpAddr::from([192, 0, 2, 7])));
    }

    #[test]
    fn what_xclient_leaves_out_is_as_it_was() {
        let mut believed = FrontEnds {
            xclient: vec!["192.0.2.7".parse().unwrap()],
            ..FrontEnds::default()
        };
        let front_end = forwarded(
            b"PROXY TCP4 192.0.2.7 192.0.2.1 9 2\r\n",
            &FrontEnds::default(),
        );
        assert_eq!(front_end.speaker, Speaker::Client);
        let front_end = forwarded(b"PROXY TCP4 192.0.2.7 192.0.2.1 9 2\r\n", &believed);
        assert_eq!(front_end.speaker, Speaker::FrontEnd);
        let said = |text: &str| Attributes::parse(text.as_bytes()).unwrap();
        let policy = PlaintextLogin::Never;
        for (text, name, peer, believes) in [
            ("SESSION=a", "192.0.2.7:9", "192.0.2.7", false),
            ("ADDR=203.0.113.1", "203.0.113.1", "203.0.113.1", false),
            (
                "ADDR=::ffff:203.0.113.1 PORT=1",
                "203.0.113.1:1",
                "203.0.113.1",
                false,
            ),
            (
                "ADDR=2001:db8::1 PORT=1",
                "[2001:db8::1]:1",
                "2001:db8::1",
                false,
            ),
            (
                "ADDR=127.0.0.1 CLIENT-TRANSPORT=insecure",
                "127.0.0.1",
                "127.0.0.1",
                false,
            ),
            ("CLIENT-TRANSPORT=TLS", "192.0.2.7:9", "192.0.2.7", true),
        ] {
            let client = front_end.named(&said(text), &believed);
            assert_eq!(
                (&*client.name, client.peer.to_string().as_str()),
                (name, peer)
            );
            let passwords = client.passwords(Channel::Plain, PlaintextLogin::Loopback);
            assert_eq!(passwords, Passwords::AfterTls, "{text}");
            believed.client_tls = FrontEndTls::Believed;
            let client = front_end.named(&said(text), &believed);
            let accepted = client.passwords(Channel::Plain, policy) == Passwords::Accepted;
            assert_eq!(accepted, believes, "{text}");
            believed.client_tls = FrontEndTls::Ignored;
        }
    }

    #[test]
    fn tls_at_the_front_end_counts_only_where_it_is_asked_for() {
        let parts = b"\x20\0\x05\x01\0\0\0\0";
        let mut octets = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14".to_vec();
        octets.extend_from_slice(&[192, 0, 2, 7, 192, 0, 2, 1, 0, 1, 0, 2]);
        octets.extend_from_slice(parts);
        let mut believed = FrontEnds::default();
        let passwords = |believed: &FrontEnds, octets: &[u8]| {
            forwarded(octets, believed).passwords(Channel::Plain, PlaintextLogin::Never)
        };
        assert_eq!(passwords(&believed, &octets), Passwords::AfterTls);
        believed.client_tls = FrontEndTls::Believed;
        assert_eq!(passwords(&believed, &octets), Passwords::Accepted);
        let flags = octets.len() - 5;
        octets[flags] = 0;
        assert_eq!(passwords(&believed, &octets), Passwords::AfterTls);
    }
}
