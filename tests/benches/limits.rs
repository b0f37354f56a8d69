//! What this machine can do at best: the few system calls that no POP3 server can do without, one thread,
//! nothing else. Whoever is near one of these figures has nothing left to gain there.
//!
//! `cargo bench -p restante-tests --bench limits` prints a table; about half a minute. CPU time is that of
//! the thread that plays the server, kernel time included; another thread plays the client.

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on shall say so"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

/// Octets of the file that is sent, which stays in the page cache.
const FILE: usize = 64 << 20;

/// How often it is sent, and how many connections are made.
const TIMES: usize = 40;
const CONNECTIONS: usize = 20_000;
const HANDSHAKES: usize = 4_000;

/// Octets of one write, as a server would choose them.
const CHUNK: usize = 64 << 10;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let share = if std::env::args().any(|word| word == "--bench") {
        1
    } else {
        200
    };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&text()).unwrap();
    let times = (TIMES / share).max(1);
    let octets = (times * FILE) as f64;
    println!("| limit | CPU |");
    println!("|---|---:|");
    for (name, cpu) in [
        ("sendfile", sendfile(&file, times)),
        ("pread, CRC-32C, write", checked(&file, times)),
        (
            "pread, CRC-32C, TLS record (AES-128-GCM), write",
            records(&file, times),
        ),
    ] {
        println!(
            "| {name} | {:.3} s a GB |",
            cpu.as_secs_f64() * 1e9 / octets
        );
    }
    for (name, count, cpu) in [
        (
            "accept, greet, close",
            CONNECTIONS / share,
            accept(CONNECTIONS / share),
        ),
        (
            "the same with a full TLS handshake",
            HANDSHAKES / share,
            handshakes(HANDSHAKES / share, Resume::No),
        ),
        (
            "the same with a resumed one",
            HANDSHAKES / share,
            handshakes(HANDSHAKES / share, Resume::Yes),
        ),
    ] {
        println!(
            "| {name} | {:.1} µs |",
            cpu.as_secs_f64() * 1e6 / count as f64
        );
    }
}

/// Lines of 76, as attachments have them.
fn text() -> Vec<u8> {
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    line.into_iter().cycle().take(FILE).collect()
}

/// CPU time of this thread while something is done.
fn cpu(work: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let before = now();
    work();
    now() - before
}

/// A connection whose other end reads all there is.
fn sink() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut other, _) = listener.accept().unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        while other.read(&mut buffer).unwrap_or(0) > 0 {}
    });
    stream
}

fn sendfile(file: &File, times: usize) -> Duration {
    let stream = sink();
    cpu(|| {
        for _ in 0..times {
            let mut offset = 0;
            while offset < FILE as u64 {
                rustix::fs::sendfile(&stream, file, Some(&mut offset), CHUNK).unwrap();
            }
        }
    })
}

/// Reads the file chunk by chunk, verifies it, and hands it on.
fn each_chunk(file: &File, times: usize, mut send: impl FnMut(&[u8])) {
    let mut chunk = vec![0; CHUNK];
    let mut checksum = 0;
    for _ in 0..times {
        for at in (0..FILE).step_by(CHUNK) {
            file.read_exact_at(&mut chunk, at as u64).unwrap();
            checksum ^= crc32c::crc32c(&chunk);
            send(&chunk);
        }
    }
    std::hint::black_box(checksum);
}

fn checked(file: &File, times: usize) -> Duration {
    let mut stream = sink();
    cpu(|| each_chunk(file, times, |chunk| stream.write_all(chunk).unwrap()))
}

fn records(file: &File, times: usize) -> Duration {
    let (server, client) = configs(Resume::No);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reader = thread::spawn(move || {
        let mut stream = connect(address, &client);
        let mut buffer = vec![0; 256 << 10];
        while stream.read(&mut buffer).unwrap_or(0) > 0 {}
    });
    let (socket, _) = listener.accept().unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(server).unwrap(), socket);
    // The handshake comes with the first octets, which are not measured.
    stream.write_all(b"+OK\r\n").unwrap();
    let spent = cpu(|| each_chunk(file, times, |chunk| stream.write_all(chunk).unwrap()));
    drop(stream);
    reader.join().unwrap();
    spent
}

fn accept(count: usize) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
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

fn handshakes(count: usize, resume: Resume) -> Duration {
    let (server, client) = configs(resume);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
        for _ in 0..count {
            let mut line = [0; 11];
            connect(address, &client).read_exact(&mut line).unwrap();
        }
    });
    let spent = cpu(|| {
        for _ in 0..count {
            let (socket, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(Arc::clone(&server)).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            stream.write_all(b"+OK ready\r\n").unwrap();
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

fn configs(resume: Resume) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
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
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut suites = provider().as_ref().clone();
    suites
        .cipher_suites
        .retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
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
