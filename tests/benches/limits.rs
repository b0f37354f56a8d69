//! What this machine can do at best: the few system calls that no POP3 server can do without, one thread,
//! nothing else. Whoever is near one of these figures has nothing left to gain there.
//!
//! `cargo bench -p restante-tests --bench limits` prints a table; about ten seconds. `--json` prints a line
//! of JSON for each limit instead, `--suite NAME` asks for a cipher suite of TLS. CPU time is that of the
//! threads that play the server, kernel time included, on the first core; others play the clients on the
//! second one, as server and load generator are pinned where servers are compared. They read as the load
//! generator does, into a buffer of 256 KiB.
//!
//! A file is sent on two connections at once, by a thread each: with one, the server sleeps whenever the
//! client is slower and is woken by another core, which costs more than a server ever pays that always has
//! something to do.

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on shall say so"
)]

use std::fs::File;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

/// Octets of the file that is sent, which stays in the page cache and not in the processor's: as much as
/// a maildrop of the case that is held against it.
const FILE: usize = 180 << 20;

/// How often it is sent on each of how many connections, and how many connections are made otherwise.
const TIMES: usize = 5;
const AT_ONCE: usize = 2;
const CONNECTIONS: usize = 20_000;
const HANDSHAKES: usize = 4_000;

/// What is read and verified at once, and so the least that is written at once.
const BLOCK: usize = 64 << 10;

/// The most that is written at once: eight blocks, one after the other in one buffer.
const BLOCKS: usize = 512 << 10;

/// What the client reads at once.
const READ: usize = 256 << 10;

/// Core of the thread that plays the server, and of the one that plays the client.
const SERVER: usize = 0;
const CLIENT: usize = 1;

/// One figure.
struct Limit {
    name: String,
    value: f64,
    unit: &'static str,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let after = |word: &str| {
        let at = words.iter().position(|other| other == word)?;
        words.get(at + 1)
    };
    // `cargo test --benches` only wants to know that it runs.
    let share = if words.iter().any(|word| word == "--bench") {
        1
    } else {
        200
    };
    pin(SERVER);
    let limits = measure(share, after("--suite").map(String::as_str));
    if words.iter().any(|word| word == "--json") {
        for Limit { name, value, unit } in limits {
            let line = serde_json::json!({ "name": name, "value": value, "unit": unit });
            println!("{line}");
        }
    } else {
        println!("| limit | CPU |");
        println!("|---|---:|");
        for Limit { name, value, unit } in limits {
            println!("| {name} | {value:.3} {unit} |");
        }
    }
}

fn measure(share: usize, suite: Option<&str>) -> Vec<Limit> {
    let file = Text::new(FILE / share / BLOCKS * BLOCKS, (TIMES / share).max(1));
    let octets = (AT_ONCE * file.times * file.octets) as f64;
    let a_gigabyte = |name: String, cpu: Duration| Limit {
        name,
        value: cpu.as_secs_f64() * 1e9 / octets,
        unit: "s a GB",
    };
    let mut limits = vec![a_gigabyte(
        "sendfile, 512 KiB".to_owned(),
        on_each(|| sendfile(&file)),
    )];
    for at_once in [BLOCK, BLOCKS] {
        let name = format!("pread, CRC-32C, write; {} KiB", at_once >> 10);
        limits.push(a_gigabyte(name, on_each(|| checked(&file, at_once))));
    }
    for at_once in [BLOCK, BLOCKS] {
        let negotiated = OnceLock::new();
        let cpu = on_each(|| {
            let (suite, cpu) = records(&file, at_once, suite);
            negotiated.get_or_init(|| suite);
            cpu
        });
        let suite = negotiated.get().unwrap();
        let name = format!("pread, CRC-32C, {suite}, write; {} KiB", at_once >> 10);
        limits.push(a_gigabyte(name, cpu));
    }
    let (connections, shaken) = (CONNECTIONS / share, HANDSHAKES / share);
    for (name, count, cpu) in [
        ("accept, greet, close", connections, accept(connections)),
        (
            "the same with a full TLS handshake",
            shaken,
            handshakes(shaken, suite, Resume::No),
        ),
        (
            "the same with a resumed one",
            shaken,
            handshakes(shaken, suite, Resume::Yes),
        ),
    ] {
        limits.push(Limit {
            name: name.to_owned(),
            value: cpu.as_secs_f64() * 1e6 / count as f64,
            unit: "µs",
        });
    }
    limits
}

/// Keeps this thread on a core. A machine that has no second one measures both on the first.
fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    // Where it may not be pinned it is measured as it runs.
    let _ = sched_setaffinity(None, &set);
}

/// Starts what plays the client.
fn client<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        pin(CLIENT);
        work()
    })
}

/// A file that is sent some times.
struct Text {
    file: File,
    octets: usize,
    times: usize,
}

impl Text {
    fn new(octets: usize, times: usize) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&text(octets)).unwrap();
        // What the system has to write is not written while something else is measured.
        file.sync_all().unwrap();
        Self {
            file,
            octets,
            times,
        }
    }

    /// Reads the file block by block, verifies each, and hands on so many octets at once.
    fn each(&self, at_once: usize, mut send: impl FnMut(&[u8])) {
        let mut buffer = vec![0; at_once];
        let mut checksum = 0;
        for _ in 0..self.times {
            for start in (0..self.octets).step_by(at_once) {
                for at in (0..at_once).step_by(BLOCK) {
                    let block = &mut buffer[at..at + BLOCK];
                    self.file.read_exact_at(block, (start + at) as u64).unwrap();
                    checksum ^= crc32c::crc32c(block);
                }
                send(&buffer);
            }
        }
        std::hint::black_box(checksum);
    }
}

/// Lines of 76, as attachments have them.
fn text(octets: usize) -> Vec<u8> {
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    line.into_iter().cycle().take(octets).collect()
}

/// CPU time of this thread while something is done.
fn cpu(work: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let before = now();
    work();
    now() - before
}

/// The same for threads that serve a connection each.
fn on_each(work: impl Fn() -> Duration + Sync) -> Duration {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    pin(SERVER);
                    work()
                })
            })
            .collect();
        let spent = threads.into_iter().map(|thread| thread.join().unwrap());
        spent.sum()
    })
}

/// A connection whose other end reads all there is.
fn sink() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    client(|| read_all(other));
    stream
}

fn read_all(mut stream: impl Read) {
    let mut buffer = vec![0; READ];
    while stream.read(&mut buffer).unwrap_or(0) > 0 {}
}

fn sendfile(text: &Text) -> Duration {
    let stream = sink();
    cpu(|| {
        for _ in 0..text.times {
            let mut offset = 0;
            while offset < text.octets as u64 {
                rustix::fs::sendfile(&stream, &text.file, Some(&mut offset), BLOCKS).unwrap();
            }
        }
    })
}

fn checked(text: &Text, at_once: usize) -> Duration {
    let mut stream = sink();
    cpu(|| text.each(at_once, |octets| stream.write_all(octets).unwrap()))
}

/// The suite, and what it takes. rustls takes 64 KiB of text at once, however much there is, and writes
/// the records of them together.
fn records(text: &Text, at_once: usize, suite: Option<&str>) -> (String, Duration) {
    let (server, config) = configs(suite, Resume::No);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reader = client(move || read_all(connect(address, &config)));
    let (socket, _) = listener.accept().unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(server).unwrap(), socket);
    // The handshake comes with the first octets, which are not measured.
    stream.write_all(b"+OK\r\n").unwrap();
    let spent = cpu(|| text.each(at_once, |octets| stream.write_all(octets).unwrap()));
    let suite = stream.conn.negotiated_cipher_suite().unwrap().suite();
    drop(stream);
    reader.join().unwrap();
    (suite.as_str().unwrap().to_owned(), spent)
}

fn accept(count: usize) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = client(move || {
        for _ in 0..count {
            let mut text = Vec::new();
            let mut stream = TcpStream::connect(address).unwrap();
            stream.read_to_end(&mut text).unwrap();
        }
    });
    let spent = cpu(|| {
        for _ in 0..count {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"+OK ready\r\n").unwrap();
        }
    });
    client.join().unwrap();
    spent
}

/// Whether a client comes back with a ticket.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Resume {
    No,
    Yes,
}

fn handshakes(count: usize, suite: Option<&str>, resume: Resume) -> Duration {
    let (server, config) = configs(suite, resume);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = client(move || {
        for _ in 0..count {
            let mut line = [0; 11];
            connect(address, &config).read_exact(&mut line).unwrap();
        }
    });
    let spent = cpu(|| {
        for _ in 0..count {
            let (mut socket, _) = listener.accept().unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&server)).unwrap();
            // It leaves with the server's half of the handshake.
            connection.writer().write_all(b"+OK ready\r\n").unwrap();
            while connection.is_handshaking() {
                connection.complete_io(&mut socket).unwrap();
            }
        }
    });
    client.join().unwrap();
    spent
}

fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::clone(config), name).unwrap(),
        socket,
    )
}

/// Both sides, with the suites that the library prefers, or the one that is named.
fn configs(suite: Option<&str>, resume: Resume) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = CertificateDer::from(own.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    // As many as a client needs that comes back.
    server.send_tls13_tickets = 1;
    server.send_half_rtt_data = true;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut suites = provider().as_ref().clone();
    suites
        .cipher_suites
        .retain(|known| suite.is_none_or(|name| known.suite().as_str() == Some(name)));
    let mut client = ClientConfig::builder_with_provider(Arc::new(suites))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    if resume == Resume::No {
        client.resumption = Resumption::disabled();
    }
    (Arc::new(server), Arc::new(client))
}
