//! SOCKS5: a server that makes the connection for us (RFC 1928, RFC 1929).
//!
//! The name of the POP3 server goes to the proxy as it is: who uses one may not want his own resolver to
//! hear it, and may not be able to resolve it. TLS is made through the proxy, with the POP3 server.

use std::fmt;
use std::io;
use std::net::IpAddr;

use sasl::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::dial::dial;

/// A SOCKS5 proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its name or address.
    pub host: String,
    /// Its port: 1080 for most, 9050 for Tor.
    pub port: u16,
    /// User name and password, if it wants any. They travel in clear (RFC 1929).
    pub login: Option<(String, Secret)>,
}

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NOTHING_FITS: u8 = 0xff;
/// Version of the exchange of user name and password.
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

impl Proxy {
    /// A connection to that server. Whoever waits for it sets the time.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{self}: {error}"));
        let target = target(host, port)?;
        let mut socket = dial(&self.host, self.port).await.map_err(told)?;
        self.agree(&mut socket).await.map_err(told)?;
        ask(&mut socket, &target).await.map_err(told)?;
        Ok(socket)
    }

    /// Which of us is who.
    async fn agree(&self, socket: &mut TcpStream) -> io::Result<()> {
        let offered = match &self.login {
            Some(_) => &[VERSION, 2, NO_LOGIN, USER_AND_PASSWORD][..],
            None => &[VERSION, 1, NO_LOGIN],
        };
        socket.write_all(offered).await?;
        match (read(socket).await?, &self.login) {
            ([VERSION, NO_LOGIN], _) => Ok(()),
            ([VERSION, USER_AND_PASSWORD], Some((user, password))) => {
                log_in(socket, user, password).await
            }
            ([VERSION, NOTHING_FITS], Some(_)) => Err(wrong("it takes no user name and password")),
            ([VERSION, NOTHING_FITS], None) => Err(wrong("it wants a login")),
            ([VERSION, _], _) => Err(wrong("it wants a login that was not offered")),
            _ => Err(wrong("it is no SOCKS5 proxy")),
        }
    }
}

/// User name and password (RFC 1929 §2).
async fn log_in(socket: &mut TcpStream, user: &str, password: &Secret) -> io::Result<()> {
    let length = |octets: &[u8]| match u8::try_from(octets.len()) {
        Ok(octets @ 1..) => Ok(octets),
        _ => Err(wrong(
            "its user name and password must have 1 to 255 octets",
        )),
    };
    let (user, password) = (user.as_bytes(), password.expose());
    let mut message = Zeroizing::new(Vec::with_capacity(3 + 255 + 255));
    message.extend_from_slice(&[LOGIN_VERSION, length(user)?]);
    message.extend_from_slice(user);
    message.push(length(password)?);
    message.extend_from_slice(password);
    socket.write_all(&message).await?;
    match read(socket).await? {
        [LOGIN_VERSION, 0] => Ok(()),
        [LOGIN_VERSION, _] => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it refuses user name and password",
        )),
        _ => Err(wrong("it is no SOCKS5 proxy")),
    }
}

/// Where to go, as a request holds it (RFC 1928 §5).
fn target(host: &str, port: u16) -> io::Result<Vec<u8>> {
    let mut target = Vec::new();
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            target.push(IPV4);
            target.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            target.push(IPV6);
            target.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let octets = u8::try_from(host.len())
                .map_err(|_| wrong("a server's name has 255 octets at most"))?;
            target.extend_from_slice(&[NAME, octets]);
            target.extend_from_slice(host.as_bytes());
        }
    }
    target.extend_from_slice(&port.to_be_bytes());
    Ok(target)
}

async fn ask(socket: &mut TcpStream, target: &[u8]) -> io::Result<()> {
    let request = [&[VERSION, CONNECT, 0], target].concat();
    socket.write_all(&request).await?;
    let [version, code, _, kind] = read(socket).await?;
    if version != VERSION {
        return Err(wrong("it is no SOCKS5 proxy"));
    }
    if code != 0 {
        return Err(refusal(code));
    }
    // The address that it uses itself is of no interest. Only as much is read, since what comes behind it
    // is the POP3 server's.
    let octets = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(read::<1>(socket).await?[0]),
        _ => return Err(wrong("it is no SOCKS5 proxy")),
    };
    let mut rest = [0; 255 + 2];
    socket.read_exact(&mut rest[..octets + 2]).await?;
    Ok(())
}

/// What its code says (RFC 1928 §6).
fn refusal(code: u8) -> io::Error {
    let (kind, why) = match code {
        1 => (io::ErrorKind::Other, "it failed"),
        2 => (
            io::ErrorKind::PermissionDenied,
            "its rules do not allow this connection",
        ),
        3 => (
            io::ErrorKind::NetworkUnreachable,
            "it cannot reach the server's network",
        ),
        4 => (
            io::ErrorKind::HostUnreachable,
            "it cannot reach the server, or does not know its name",
        ),
        5 => (
            io::ErrorKind::ConnectionRefused,
            "the server refuses its connection",
        ),
        6 => (io::ErrorKind::TimedOut, "the server does not answer it"),
        7 => (
            io::ErrorKind::Unsupported,
            "it does not know how to make connections",
        ),
        8 => (
            io::ErrorKind::Unsupported,
            "it does not know this kind of address",
        ),
        code => return wrong(&format!("it failed with code {code}")),
    };
    io::Error::new(kind, why)
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

async fn read<const OCTETS: usize>(socket: &mut TcpStream) -> io::Result<[u8; OCTETS]> {
    let mut octets = [0; OCTETS];
    socket.read_exact(&mut octets).await?;
    Ok(octets)
}

/// As messages name it.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "the proxy [{}]:{}", self.host, self.port),
            false => write!(f, "the proxy {}:{}", self.host, self.port),
        }
    }
}
