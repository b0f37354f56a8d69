//! A server in this process and clients that speak to it line by line.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Authenticator, Password};
use maildrop::{Maildrops, NativeSettings};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use sasl::Secret;
use server::{
    Config, Controller, Ended, Keeping, Limits, Listener, LocalAddress, PlaintextLogin, Protocol,
    Services, Stage, Tls,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

pub(crate) const PASSWORD: &str = "redqueen";

/// How long a test waits for what should be there at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Server {
    runtime: Runtime,
    running: Option<JoinHandle<Ended>>,
    pub(crate) controller: Controller,
    pub(crate) config: Config,
    pub(crate) maildrops: Maildrops,
    pub(crate) auth: Arc<Authenticator>,
    addresses: Vec<(Protocol, LocalAddress)>,
    pub(crate) dir: TempDir,
}

/// How a server is to be started.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) native: bool,
    pub(crate) logins: auth::Limits,
    pub(crate) refusal_delay: Duration,
    dir: TempDir,
}

impl Setup {
    /// POP3, POP3S and LMTP on loopback, with a certificate, short waits and two accounts.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tls = certificate(dir.path(), "first");
        let mut plain = Listener::new(Protocol::Pop3, "127.0.0.1:0".parse().unwrap());
        plain.plaintext_login = PlaintextLogin::Loopback;
        let config = Config {
            hostname: "mailgate.dobbs.org".to_owned(),
            name: "dewey".to_owned(),
            domains: vec!["dobbs.org".to_owned()],
            listeners: vec![
                plain,
                Listener::new(Protocol::Pop3s, "127.0.0.1:0".parse().unwrap()),
                Listener::new(Protocol::Lmtp, "127.0.0.1:0".parse().unwrap()),
            ],
            tls: Some(tls),
            limits: Limits {
                session_count_max: 50,
                lmtp_session_count_max: 10,
                ..Limits::default()
            },
            lock_wait: Duration::from_millis(200),
            keeping: Keeping::default(),
            ..Config::default()
        };
        Self {
            config,
            native: false,
            logins: auth::Limits::default(),
            refusal_delay: Duration::from_millis(300),
            dir,
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// On the native store instead of the one in memory.
    pub(crate) fn native(mut self) -> Self {
        self.native = true;
        self
    }

    pub(crate) fn start(self) -> Server {
        let data = self.dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let settings = auth::Settings {
            data: data.clone(),
            scram: true,
            scram_iterations: 4096,
            scram_sha1: false,
            refusal_delay: self.refusal_delay,
        };
        let auth = Authenticator::with_limits(settings, &self.logins);
        let auth = Arc::new(auth.unwrap());
        for name in ["bob", "alice"] {
            let password = Password::Clear(Secret::new(PASSWORD));
            auth.accounts().add(name, &password).unwrap();
        }
        let maildrops = match self.native {
            true => {
                let settings = NativeSettings {
                    allow_volatile: true,
                    grace: self.config.keeping.grace,
                    reserve_octets: 1 << 20,
                    ..NativeSettings::default()
                };
                Maildrops::native(&data, &settings).unwrap()
            }
            false => Maildrops::memory(),
        };
        let bound = server::bind(&self.config).unwrap();
        let addresses = bound.addresses();
        let addresses = addresses.map(|(p, a)| (p, a.clone())).collect();
        let (controller, control) = server::control();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let services = Services {
            auth: Arc::clone(&auth),
            maildrops: maildrops.clone(),
        };
        let running =
            runtime.spawn(async move { server::run(bound, services, control).await.unwrap() });
        assert!(runtime.block_on(controller.reached(Stage::Ready)));
        Server {
            runtime,
            running: Some(running),
            controller,
            config: self.config,
            maildrops,
            auth,
            addresses,
            dir: self.dir,
        }
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Setup::new().start()
    }

    pub(crate) fn address(&self, protocol: Protocol) -> SocketAddr {
        let mut addresses = self.addresses.iter();
        let found = addresses.find_map(|(spoken, address)| match address {
            LocalAddress::Tcp(address) if *spoken == protocol => Some(*address),
            _ => None,
        });
        found.unwrap()
    }

    /// All TCP addresses where this is spoken, in the order of the listeners.
    pub(crate) fn addresses(&self, protocol: Protocol) -> Vec<SocketAddr> {
        let of = |(spoken, address): &(Protocol, LocalAddress)| match address {
            LocalAddress::Tcp(address) if *spoken == protocol => Some(*address),
            _ => None,
        };
        self.addresses.iter().filter_map(of).collect()
    }

    /// A connection in clear whose greeting has been read.
    pub(crate) fn plain(&self) -> Client {
        let mut client = self.connect(Protocol::Pop3);
        client.expect("+OK POP3 server ready");
        client
    }

    /// A connection inside TLS whose greeting has been read.
    pub(crate) fn tls(&self) -> Client {
        let mut client = self.connect(Protocol::Pop3s).start_tls(self);
        client.expect("+OK POP3 server ready");
        client
    }

    pub(crate) fn lmtp(&self) -> Client {
        let mut client = self.connect(Protocol::Lmtp);
        client.expect("220 mailgate.dobbs.org");
        client.say("LHLO test.example");
        client.reply("250");
        client
    }

    pub(crate) fn connect(&self, protocol: Protocol) -> Client {
        Client::new(Stream::Tcp(
            TcpStream::connect(self.address(protocol)).unwrap(),
        ))
    }

    /// Delivers one message to an account, by LMTP.
    pub(crate) fn deliver(&self, account: &str, text: &str) {
        let mut client = self.lmtp();
        client.deliver("sender@example.com", &[account], text.as_bytes());
        client.reply("250");
    }

    pub(crate) fn maildrop(&self, account: &str) -> maildrop::MaildropId {
        maildrop::MaildropId(self.auth.accounts().show(account).unwrap().maildrop)
    }

    /// Number of messages in an account's maildrop, as the store itself says.
    pub(crate) fn messages(&self, account: &str) -> u64 {
        let summary = self.maildrops.summary(self.maildrop(account)).unwrap();
        summary.messages
    }

    pub(crate) fn shutdown(&self) {
        self.runtime.block_on(self.controller.shutdown());
    }

    pub(crate) fn reload(&self, config: Config) {
        self.runtime.block_on(self.controller.reload(config));
    }

    pub(crate) fn reached(&self, stage: Stage) {
        assert!(self.runtime.block_on(self.controller.reached(stage)));
    }

    /// Waits for the end that something else has brought about.
    pub(crate) fn ended(mut self) -> Ended {
        let running = self.running.take().unwrap();
        self.runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(20), running).await })
            .expect("the server ends in time")
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.shutdown();
            self.shutdown();
            let _ = self.runtime.block_on(running);
        }
    }
}

/// Makes a certificate for `localhost` and its key.
pub(crate) fn certificate(dir: &Path, name: &str) -> Tls {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = dir.join(format!("{name}.pem"));
    let key = dir.join(format!("{name}.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    Tls { certificate, key }
}

/// A TLS client that trusts one certificate.
pub(crate) fn tls_client(certificate: &PathBuf, alpn: &[&[u8]]) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(space),
            Self::Unix(stream) => stream.read(space),
            Self::Tls(stream) => stream.read(space),
        }
    }
}

/// A client that waits for what it expects, at most ten seconds.
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) input: Vec<u8>,
}

impl Client {
    pub(crate) fn new(stream: Stream) -> Self {
        let limit = Some(PATIENCE);
        match &stream {
            Stream::Tcp(stream) => stream.set_read_timeout(limit).unwrap(),
            Stream::Unix(stream) => stream.set_read_timeout(limit).unwrap(),
            Stream::Tls(_) => {}
        }
        let input = Vec::new();
        Self { stream, input }
    }

    pub(crate) fn start_tls(self, server: &Server) -> Self {
        let tls = server.config.tls.as_ref().unwrap();
        self.start_tls_with(tls_client(&tls.certificate, &[]))
            .unwrap()
    }

    pub(crate) fn start_tls_with(self, config: rustls::ClientConfig) -> Result<Self, String> {
        assert!(self.input.is_empty(), "octets before the handshake");
        let Stream::Tcp(mut socket) = self.stream else {
            panic!("TLS goes over TCP");
        };
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        while connection.is_handshaking() {
            connection
                .complete_io(&mut socket)
                .map_err(|error| error.to_string())?;
        }
        let stream = rustls::StreamOwned::new(connection, socket);
        Ok(Self::new(Stream::Tls(Box::new(stream))))
    }

    /// What the server says inside TLS before it has the client's last word of the handshake, and the client
    /// when it has said that.
    pub(crate) fn said_early(self, config: rustls::ClientConfig) -> (String, Self) {
        let Stream::Tcp(mut socket) = self.stream else {
            panic!("TLS goes over TCP");
        };
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        connection.write_tls(&mut socket).unwrap();
        let mut said = String::new();
        let mut hear = |connection: &mut rustls::ClientConnection, socket: &mut TcpStream| {
            let octets = connection.read_tls(socket);
            connection.process_new_packets().unwrap();
            // There is no end, so it says that it would have to wait.
            let _ = connection.reader().read_to_string(&mut said);
            octets.unwrap_or(0)
        };
        while connection.is_handshaking() {
            assert_ne!(hear(&mut connection, &mut socket), 0, "the handshake ended");
        }
        let while_silent = Some(Duration::from_millis(300));
        socket.set_read_timeout(while_silent).unwrap();
        while hear(&mut connection, &mut socket) > 0 {}
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let stream = rustls::StreamOwned::new(connection, socket);
        (said, Self::new(Stream::Tls(Box::new(stream))))
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.try_send(octets).unwrap();
    }

    pub(crate) fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(octets),
            Stream::Unix(stream) => stream.write_all(octets),
            Stream::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }

    /// Sends a command line.
    pub(crate) fn say(&mut self, command: &str) {
        self.send(format!("{command}\r\n").as_bytes());
    }

    /// The next line, without CRLF.
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.input.drain(..end + 2).take(end).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(self.fill() > 0, "the server closed; left: {:?}", self.input);
        }
    }

    /// The next line begins so; returns all of it.
    pub(crate) fn expect(&mut self, start: &str) -> String {
        let line = self.line();
        assert!(line.starts_with(start), "{line:?}, not {start:?}");
        line
    }

    /// Says a line and expects how the answer begins.
    pub(crate) fn ask(&mut self, command: &str, start: &str) -> String {
        self.say(command);
        self.expect(start)
    }

    /// An LMTP reply of one or more lines, all with this code.
    pub(crate) fn reply(&mut self, code: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.expect(code);
            let last = line.as_bytes()[3] == b' ';
            lines.push(line);
            if last {
                return lines;
            }
        }
    }

    /// The lines of a multi-line reply up to the terminator, as one text, dots unstuffed.
    pub(crate) fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        loop {
            if self.input.starts_with(b".\r\n") {
                self.input.drain(..3);
                return text;
            }
            match self.input.windows(2).position(|pair| pair == b"\r\n") {
                Some(end) => {
                    let stuffed = usize::from(self.input[0] == b'.');
                    text.extend(self.input.drain(..end + 2).skip(stuffed));
                }
                None => assert!(self.fill() > 0, "closed within a text"),
            }
        }
    }

    /// Everything until the server closes; a reset counts as a close.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.input)
    }

    /// Whether the server has closed a connection in clear; waits a moment only.
    pub(crate) fn closed(&mut self) -> bool {
        let Stream::Tcp(stream) = &mut self.stream else {
            panic!("a connection in clear");
        };
        let moment = Some(Duration::from_millis(20));
        stream.set_read_timeout(moment).unwrap();
        let closed = matches!(stream.peek(&mut [0]), Ok(0));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        closed
    }

    pub(crate) fn log_in(&mut self, user: &str) -> String {
        self.ask(&format!("USER {user}"), "+OK");
        self.ask(&format!("PASS {PASSWORD}"), "+OK")
    }

    pub(crate) fn logged_in(mut self, user: &str) -> Self {
        self.log_in(user);
        self
    }

    /// An LMTP transaction up to the end of the text; the replies to it are the caller's.
    pub(crate) fn deliver(&mut self, sender: &str, recipients: &[&str], text: &[u8]) {
        self.ask(&format!("MAIL FROM:<{sender}>"), "250");
        for recipient in recipients {
            self.ask(&format!("RCPT TO:<{recipient}>"), "250");
        }
        self.ask("DATA", "354");
        let mut wire = Vec::new();
        for line in text.split_inclusive(|&octet| octet == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        wire.extend_from_slice(b".\r\n");
        self.send(&wire);
    }

    fn fill(&mut self) -> usize {
        let mut space = [0; 16384];
        match self.stream.read(&mut space) {
            Ok(octets) => {
                self.input.extend_from_slice(&space[..octets]);
                octets
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => panic!("no word for ten seconds"),
                _ => 0,
            },
        }
    }
}

/// Waits until something is so, at most ten seconds.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
