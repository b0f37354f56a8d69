//! Real sessions at a fixed rate: connect, log in, STAT, QUIT.
//!
//! A session's time counts from the instant at which it was due, so a server that holds up one session is not
//! forgiven those that could not begin meanwhile.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use crate::program::{MESSAGES, PASSWORD, Program, REAL, real};
use crate::wire::{Wire, connect};

/// Sessions begun a second.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) plain: u32,
    pub(crate) tls: u32,
}

/// How long sessions took, the shortest first.
pub(crate) struct Times {
    pub(crate) plain: Vec<Duration>,
    pub(crate) tls: Vec<Duration>,
}

/// What takes longer is not served.
const PATIENCE: Duration = Duration::from_secs(60);

/// Each account once, so that its credential is known, as it is with clients that come every few minutes.
pub(crate) fn introduce(program: &Program) {
    runtime().block_on(async {
        for number in 0..REAL {
            let stream = connect(program.pop3, Ipv4Addr::LOCALHOST).await.unwrap();
            session(stream, &real(number)).await.unwrap();
        }
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

pub(crate) fn measure(program: &Program, rates: Rates, length: Duration) -> Times {
    runtime().block_on(async {
        let (mut plain, mut tls) = (JoinSet::new(), JoinSet::new());
        let start = Instant::now();
        let total = rates.plain + rates.tls;
        let count = total * u32::try_from(length.as_secs()).unwrap();
        let (pop3, pop3s) = (program.pop3, program.pop3s);
        for number in 0..count {
            let due = start + Duration::from_secs(1) * number / total;
            sleep_until(due).await;
            let user = real(number as usize);
            let from = Ipv4Addr::LOCALHOST;
            // Those inside TLS are spread evenly among the others.
            if number * rates.tls / total == (number + 1) * rates.tls / total {
                plain.spawn(timed(due, async move {
                    session(connect(pop3, from).await?, &user).await
                }));
            } else {
                let connector = TlsConnector::from(program.tls.clone());
                tls.spawn(timed(due, async move {
                    let name = ServerName::try_from("localhost").unwrap();
                    let stream = connect(pop3s, from).await?;
                    session(connector.connect(name, stream).await?, &user).await
                }));
            }
        }
        Times {
            plain: sorted(plain).await,
            tls: sorted(tls).await,
        }
    })
}

async fn timed(due: Instant, session: impl Future<Output = io::Result<()>>) -> Duration {
    match timeout(PATIENCE, session).await {
        Ok(Ok(())) => due.elapsed(),
        Ok(Err(error)) => panic!("a real session was not served: {error}"),
        Err(_) => panic!("a real session was not served in {PATIENCE:?}"),
    }
}

async fn sorted(sessions: JoinSet<Duration>) -> Vec<Duration> {
    let mut times = sessions.join_all().await;
    times.sort_unstable();
    times
}

async fn session(stream: impl AsyncRead + AsyncWrite + Unpin, user: &str) -> io::Result<()> {
    let mut wire = Wire::new(stream);
    let good = |line: String, beginning: &str| match line.starts_with(beginning) {
        true => Ok(()),
        false => Err(io::Error::other(format!("{line:?} and not {beginning:?}"))),
    };
    good(wire.line().await?, "+OK POP3 server ready")?;
    good(wire.ask(&format!("USER {user}")).await?, "+OK")?;
    good(wire.ask(&format!("PASS {PASSWORD}")).await?, "+OK")?;
    good(wire.ask("STAT").await?, &format!("+OK {MESSAGES} "))?;
    good(wire.ask("QUIT").await?, "+OK")
}
