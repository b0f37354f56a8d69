//! The server: its own process, with accounts, mail and a certificate, in a directory that goes with it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Accounts, Password, PasswordHash};
use bench::Account;
use maildrop::{Addressee, Envelope, MaildropId, Maildrops, Measure, NativeSettings};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use sasl::Secret;
use tempfile::TempDir;

/// Every account's.
pub(crate) const PASSWORD: &str = "redqueen";
/// Accounts of the real sessions: enough that two of them seldom meet at one maildrop.
pub(crate) const REAL: usize = 200;
/// Messages in a real maildrop.
pub(crate) const MESSAGES: usize = 3;

const READY: Duration = Duration::from_secs(20);

pub(crate) struct Program {
    path: PathBuf,
    child: Child,
    pub(crate) pop3: SocketAddr,
    pub(crate) pop3s: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
    directory: TempDir,
}

impl Program {
    /// Starts it with `readers.0` accounts that have one message of `readers.1` octets, beside the real ones.
    pub(crate) fn start(path: &Path, readers: (usize, usize)) -> Self {
        assert!(
            path.exists(),
            "{} is missing: cargo build --release -p restante",
            path.display()
        );
        // Beside the program, on the disk that the store is meant for.
        let directory = tempfile::tempdir_in(path.parent().unwrap()).unwrap();
        let (pop3, pop3s) = (free(), free());
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("certificate.pem"), own.cert.pem()).unwrap();
        fs::write(at("key.pem"), own.signing_key.serialize_pem()).unwrap();
        furnish(&at("data"), readers);
        let user = match rustix::process::geteuid().is_root() {
            true => "user = \"root\"",
            false => "",
        };
        // Every address has only as many sessions as it likes: the crowd shall not be turned away at the door.
        let configuration = format!(
            r#"hostname = "mailgate.dobbs.org"
data = "{data}"
{user}

[[listener]]
protocol = "pop3"
address = "{pop3}"
plaintext_login = "loopback"

[[listener]]
protocol = "pop3s"
address = "{pop3s}"

[tls]
certificate = "{certificate}"
key = "{key}"

[maildrop]
allow_volatile = true

[auth]
scram = false

[limits]
session_count_max = 18000
sessions_per_address_max = 0
"#,
            data = at("data").display(),
            certificate = at("certificate.pem").display(),
            key = at("key.pem").display(),
        );
        fs::write(at("restante.toml"), configuration).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(own.cert.der().to_vec()))
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A whole handshake each time: the dearest kind of client.
        tls.resumption = rustls::client::Resumption::disabled();
        let program = Self {
            path: path.to_owned(),
            child: serve(path, directory.path()),
            pop3,
            pop3s,
            tls: Arc::new(tls),
            directory,
        };
        program.wait();
        program
    }

    /// A new process on the same data: it has no memory left over from the last crowd.
    pub(crate) fn restart(&mut self) {
        self.end();
        self.child = serve(&self.path, self.directory.path());
        self.wait();
    }

    fn wait(&self) {
        let started = Instant::now();
        while TcpStream::connect(self.pop3).is_err() {
            assert!(
                started.elapsed() < READY,
                "the server does not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Proportional memory in octets, without the kernel's part.
    pub(crate) fn memory(&self) -> i64 {
        let memory = self.account().memory().expect("the server runs");
        i64::try_from(memory.proportional).unwrap()
    }

    /// CPU seconds that the server used a second while something was done.
    pub(crate) fn cpu<T>(&self, work: impl FnOnce() -> T) -> (f64, T) {
        let (before, start) = (self.account().cpu_time().unwrap(), Instant::now());
        let value = work();
        let used = self.account().cpu_time().unwrap() - before;
        (used.as_secs_f64() / start.elapsed().as_secs_f64(), value)
    }

    fn account(&self) -> Account {
        Account::Tree(i32::try_from(self.child.id()).unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

fn serve(path: &Path, directory: &Path) -> Child {
    Command::new(path)
        .arg("-c")
        .arg(directory.join("restante.toml"))
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("log")).unwrap())
        .spawn()
        .unwrap()
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn furnish(data: &Path, (readers, octets): (usize, usize)) {
    let accounts = Accounts::open(data).unwrap();
    // One hash for all: a thousand would take half a minute to compute.
    let hash = Password::Hash(PasswordHash::new(&Secret::new(PASSWORD)).unwrap());
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    let maildrops = Maildrops::native(data, &settings).unwrap();
    let add = |name: String, octets: usize, messages: usize| {
        let account = accounts.add(&name, &hash).unwrap();
        for _ in 0..messages {
            deliver(&maildrops, account.maildrop, &name, octets);
        }
    };
    for number in 0..REAL {
        add(real(number), 4096, MESSAGES);
    }
    for number in 0..readers {
        add(reader(number), octets, 1);
    }
}

fn deliver(maildrops: &Maildrops, id: u64, name: &str, octets: usize) {
    const HEADER: &[u8] = b"From: a@example.org\r\nSubject: of the day\r\n\r\n";
    const LINE: &[u8; 64] = b"all work and no play makes jack a dull boy, said the postmaste\r\n";
    let mut draft = maildrops.draft();
    draft.append(HEADER).unwrap();
    let chunk = LINE.repeat(1024);
    let mut written = HEADER.len();
    while written < octets {
        let part = &chunk[..chunk.len().min((octets - written).div_ceil(64) * 64)];
        draft.append(part).unwrap();
        written += part.len();
    }
    let measure = Measure {
        octets: written as u64,
        header_octets: HEADER.len() as u64,
        ..Measure::default()
    };
    let to = Addressee::unlimited(MaildropId(id), name);
    maildrops
        .deliver(&to, &mut draft, &measure, &Envelope::default())
        .unwrap();
}

/// The n-th account of the real sessions.
pub(crate) fn real(number: usize) -> String {
    format!("real{}", number % REAL)
}

/// The n-th account of those who stop reading.
pub(crate) fn reader(number: usize) -> String {
    format!("reader{number}")
}
