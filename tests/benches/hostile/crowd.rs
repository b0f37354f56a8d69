//! The crowds: each of its members does one thing that costs a server more than the client, and goes on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::program::{PASSWORD, Program, reader, real};
use crate::wire::{Wire, connect, stranger};

/// What a crowd does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Connects, and sends one octet of a command every ten seconds; when it was cut, it is as slow to
    /// come back.
    Slow,
    /// The same, but back at once.
    SlowAndBack,
    /// The same, inside TLS.
    SlowInsideTls,
    /// Sends a part of a ClientHello and waits; comes back when it is cut.
    StalledHandshake,
    /// Retrieves a large message and stops reading after a little of it.
    StalledReader,
    /// Logs in with wrong passwords, for unknown names and for names of others, again and again.
    WrongPassword,
}

/// What the crowd saw.
pub(crate) struct Report {
    pub(crate) count: usize,
    /// Ends of connections that the server made.
    pub(crate) cut: usize,
    /// Logins that were refused.
    pub(crate) refused: usize,
}

/// Members that are there, and go on until they are dispersed.
pub(crate) struct Crowd {
    members: JoinSet<()>,
    seen: Arc<Seen>,
    count: usize,
}

#[derive(Default)]
struct Seen {
    there: AtomicUsize,
    cut: AtomicUsize,
    refused: AtomicUsize,
}

/// Of its thousands so many do at once what takes the server's CPU, until all are there.
const ENTERING_MAX: usize = 64;
const GATHERING: Duration = Duration::from_secs(120);
const OCTET_EVERY: Duration = Duration::from_secs(10);
/// What one who stops reading has read, and the room that it gives the kernel for more.
const READ_OCTETS: usize = 64 * 1024;

impl Crowd {
    /// Brings all members to where they do harm.
    pub(crate) fn gather(runtime: &Runtime, program: &Program, kind: Kind, count: usize) -> Self {
        let seen = Arc::new(Seen::default());
        let entering = Arc::new(Semaphore::new(ENTERING_MAX));
        let mut members = JoinSet::new();
        let hello = client_hello(program);
        for number in 0..count {
            let member = Member {
                number,
                pop3: program.pop3,
                pop3s: program.pop3s,
                tls: TlsConnector::from(program.tls.clone()),
                hello: hello.clone(),
                seen: Arc::clone(&seen),
                entering: Arc::clone(&entering),
            };
            members.spawn_on(member.live(kind), runtime.handle());
        }
        let crowd = Self {
            members,
            seen,
            count,
        };
        runtime.block_on(async {
            let started = Instant::now();
            while crowd.seen.there.load(Ordering::Relaxed) < count {
                assert!(
                    started.elapsed() < GATHERING,
                    "only {} of {count} came",
                    crowd.there()
                );
                sleep(Duration::from_millis(20)).await;
            }
        });
        crowd
    }

    fn there(&self) -> usize {
        self.seen.there.load(Ordering::Relaxed)
    }

    /// All of them go, and the server gets a moment to notice.
    pub(crate) fn disperse(mut self, runtime: &Runtime) -> Report {
        runtime.block_on(async {
            self.members.shutdown().await;
            sleep(Duration::from_secs(1)).await;
        });
        Report {
            count: self.count,
            cut: self.seen.cut.load(Ordering::Relaxed),
            refused: self.seen.refused.load(Ordering::Relaxed),
        }
    }
}

impl Kind {
    /// How long one who was cut stays away.
    fn away(self) -> Duration {
        match self {
            Self::Slow | Self::SlowInsideTls => OCTET_EVERY,
            // Who is turned away at the door shall not turn in a circle.
            _ => Duration::from_millis(50),
        }
    }
}

struct Member {
    number: usize,
    pop3: std::net::SocketAddr,
    pop3s: std::net::SocketAddr,
    tls: TlsConnector,
    hello: Arc<[u8]>,
    seen: Arc<Seen>,
    entering: Arc<Semaphore>,
}

impl Member {
    /// Does its thing, and comes back when it was cut; an error in between is the server's good right.
    async fn live(self, kind: Kind) {
        let mut first = true;
        loop {
            let ended = match kind {
                Kind::Slow | Kind::SlowAndBack => self.slow(&mut first).await,
                Kind::SlowInsideTls => self.slow_inside_tls(&mut first).await,
                Kind::StalledHandshake => self.stalled_handshake(&mut first).await,
                Kind::StalledReader => self.stalled_reader(&mut first).await,
                Kind::WrongPassword => self.wrong_password(&mut first).await,
            };
            if ended.is_err() {
                self.seen.cut.fetch_add(1, Ordering::Relaxed);
            }
            sleep(kind.away()).await;
        }
    }

    fn there(&self, first: &mut bool) {
        if std::mem::take(first) {
            self.seen.there.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn slow(&self, first: &mut bool) -> io::Result<()> {
        let mut stream = {
            let _entering = self.entering.acquire().await;
            let mut wire = Wire::new(connect(self.pop3, stranger(self.number)).await?);
            wire.line().await?;
            wire.0.into_inner()
        };
        self.there(first);
        drip(&mut stream).await
    }

    async fn slow_inside_tls(&self, first: &mut bool) -> io::Result<()> {
        let mut stream = {
            let _entering = self.entering.acquire().await;
            let stream = connect(self.pop3s, stranger(self.number)).await?;
            let name = ServerName::try_from("localhost").unwrap();
            let mut wire = Wire::new(self.tls.connect(name, stream).await?);
            wire.line().await?;
            wire.0.into_inner()
        };
        self.there(first);
        drip(&mut stream).await
    }

    async fn stalled_handshake(&self, first: &mut bool) -> io::Result<()> {
        let mut stream = connect(self.pop3s, stranger(self.number)).await?;
        // Each at another octet.
        let cut = 1 + self.number * 7 % (self.hello.len() - 1);
        stream.write_all(&self.hello[..cut]).await?;
        self.there(first);
        match stream.read_u8().await {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn stalled_reader(&self, first: &mut bool) -> io::Result<()> {
        let mut wire = {
            let _entering = self.entering.acquire().await;
            let stream = connect(self.pop3, stranger(self.number)).await?;
            let mut wire = Wire::new(stream);
            wire.line().await?;
            wire.ask(&format!("USER {}", reader(self.number))).await?;
            let opened = wire.ask(&format!("PASS {PASSWORD}")).await?;
            if !opened.starts_with("+OK") {
                return Err(io::Error::other(opened));
            }
            wire.ask("RETR 1").await?;
            let mut little = vec![0; READ_OCTETS];
            wire.0.read_exact(&mut little).await?;
            wire
        };
        self.there(first);
        // Never again: until the server, or the end of the crowd, makes an end.
        std::future::pending::<()>().await;
        wire.line().await.map(|_| ())
    }

    async fn wrong_password(&self, first: &mut bool) -> io::Result<()> {
        let stream = connect(self.pop3, stranger(self.number)).await?;
        let mut wire = Wire::new(stream);
        wire.line().await?;
        loop {
            // Half of them are after accounts that are there and in use.
            let user = match self.number % 2 {
                0 => real(self.number),
                _ => format!("nobody{}", self.number),
            };
            wire.ask(&format!("USER {user}")).await?;
            self.there(first);
            let answer = timeout(Duration::from_secs(300), wire.ask("PASS wrong")).await;
            let answer = answer.map_err(|_| io::ErrorKind::TimedOut)??;
            assert!(answer.starts_with("-ERR"), "{answer}");
            self.seen.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn drip<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    stream: &mut S,
) -> io::Result<()> {
    let mut octet = [0];
    loop {
        stream.write_all(b"N").await?;
        stream.flush().await?;
        match timeout(OCTET_EVERY, stream.read(&mut octet)).await {
            Err(_) => {}
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                read?;
            }
        }
    }
}

fn client_hello(program: &Program) -> Arc<[u8]> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(program.tls.clone(), name).unwrap();
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).unwrap();
    }
    hello.into()
}
