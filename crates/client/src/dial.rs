//! A connection to the first address of a name that answers (RFC 8305).
//!
//! A name with an IPv6 and an IPv4 address is common, and so is a network in which one of the two leads
//! nowhere and says nothing. One after the other would wait for the first until no time is left.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an address may be silent before the next one is tried beside it (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Connects to a name. Whoever waits for it sets the time.
pub(crate) async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await?;
    let addresses = in_turn(addresses.take(ADDRESSES_MAX).collect());
    race(addresses, TcpStream::connect::<SocketAddr>).await
}

/// The system's order, but one of each family after the other.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else {
        return addresses;
    };
    let (mut these, mut those): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|it| it.is_ipv4() == first.is_ipv4());
    let mut mixed = Vec::new();
    while !these.is_empty() || !those.is_empty() {
        mixed.extend(these.pop_front());
        mixed.extend(those.pop_front());
    }
    mixed
}

/// The first connection that is made. If none is, why the first one that failed did.
async fn race<T: Send + 'static, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut rest = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failed = None;
    loop {
        if let Some(address) = rest.next() {
            attempts.spawn(connect(address));
        }
        let done = match rest.len() {
            0 => attempts.join_next().await,
            _ => match timeout(HEAD_START, attempts.join_next()).await {
                Ok(done) => done,
                Err(_) => continue,
            },
        };
        let error = match done {
            Some(Ok(Ok(connection))) => return Ok(connection),
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => io::Error::other(error),
            None => {
                let none = || io::Error::new(io::ErrorKind::NotFound, "it has no address");
                return Err(failed.unwrap_or_else(none));
            }
        };
        failed.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn run(behaviour: &[(&str, Option<io::Result<u16>>)]) -> io::Result<u16> {
        let addresses = behaviour.iter().map(|(text, _)| address(text)).collect();
        let connect = |asked: SocketAddr| {
            let found = behaviour.iter().find(|(text, _)| address(text) == asked);
            let outcome = match &found.unwrap().1 {
                Some(Ok(port)) => Some(Ok(*port)),
                Some(Err(error)) => Some(Err(io::Error::from(error.kind()))),
                None => None,
            };
            async {
                match outcome {
                    Some(outcome) => outcome,
                    None => std::future::pending().await,
                }
            }
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(race(addresses, connect))
    }

    #[test]
    fn an_address_that_says_nothing_is_not_waited_for() {
        let refused = || Some(Err(io::ErrorKind::ConnectionRefused.into()));
        let silent = [("[2001:db8::1]:995", None), ("192.0.2.1:995", Some(Ok(4)))];
        assert_eq!(run(&silent).unwrap(), 4);
        let fails = [
            ("[2001:db8::1]:995", refused()),
            ("192.0.2.1:995", Some(Ok(4))),
        ];
        assert_eq!(run(&fails).unwrap(), 4);
        let behind = [
            ("[2001:db8::1]:995", None),
            ("192.0.2.1:995", refused()),
            ("[2001:db8::2]:995", Some(Ok(6))),
        ];
        assert_eq!(run(&behind).unwrap(), 6);
    }

    #[test]
    fn the_first_failure_is_told() {
        let fails = |kind: io::ErrorKind| Some(Err(kind.into()));
        let all = [
            ("[2001:db8::1]:995", fails(io::ErrorKind::HostUnreachable)),
            ("192.0.2.1:995", fails(io::ErrorKind::ConnectionRefused)),
        ];
        assert_eq!(
            run(&all).unwrap_err().kind(),
            io::ErrorKind::HostUnreachable
        );
        assert_eq!(run(&[]).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn families_take_turns() {
        let of = |texts: &[&str]| texts.iter().map(|text| address(text)).collect::<Vec<_>>();
        let given = of(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let mixed = of(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(in_turn(given), mixed);
        assert_eq!(
            in_turn(of(&["1.1.1.1:1", "[::1]:1"])),
            of(&["1.1.1.1:1", "[::1]:1"])
        );
        assert_eq!(in_turn(Vec::new()), []);
    }
}
