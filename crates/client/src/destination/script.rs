//! A server for tests that follows a script, one for each connection, on TCP or on a socket in the file system.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use sasl::Secret;

use super::{Address, Age, Spool, Text, Tokens};
use crate::Trusted;
use crate::ledger::Key;

/// Lines of a script: `S:` is said, `C:` must come, `RAW` is said without a line end added, `FLOOD` said until nobody listens,
/// `DRIP` said an octet at a time until nobody listens, `TEXT` takes all up to the line with the dot, `LITERAL` so many octets,
/// `SOME` so many and forgets them, `TLS` begins TLS, `WAIT` says nothing until the client goes, `DEAF` neither reads nor says. The end of the
/// script closes the connection.
pub(super) struct Server {
    pub(super) address: Address,
    thread: JoinHandle<Vec<Vec<u8>>>,
    directory: tempfile::TempDir,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Server {
    pub(super) fn start(scripts: &[&str]) -> Self {
        Self::start_with(|_| scripts.iter().map(|it| (*it).to_owned()).collect())
    }

    /// Scripts in which the port of the server itself plays a part.
    pub(super) fn start_with(scripts: impl FnOnce(u16) -> Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scripts = scripts(listener.local_addr().unwrap().port());
        let address = Address::Tcp {
            host: "localhost".into(),
            port: listener.local_addr().unwrap().port(),
        };
        Self::serve(
            scripts,
            tempfile::tempdir().unwrap(),
            address,
            Listener::Tcp(listener),
        )
    }

    pub(super) fn start_unix(scripts: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let scripts = scripts.iter().map(|it| (*it).to_owned()).collect();
        Self::serve(
            scripts,
            directory,
            Address::Unix(path),
            Listener::Unix(listener),
        )
    }

    fn serve(
        scripts: Vec<String>,
        directory: tempfile::TempDir,
        address: Address,
        listener: Listener,
    ) -> Self {
        let mut config = identity(&directory.path().join("authority.pem"));
        // It hangs up if a client names protocols and this one is not among them.
        config.alpn_protocols = vec![b"smtp".to_vec()];
        let config = Arc::new(config);
        let thread = spawn(move || {
            let mut texts = Vec::new();
            for script in scripts {
                let socket = match &listener {
                    Listener::Tcp(listener) => Socket::Tcp(listener.accept().unwrap().0),
                    Listener::Unix(listener) => Socket::Unix(listener.accept().unwrap().0),
                };
                follow(&script, socket, &config, &mut texts);
            }
            texts
        });
        Self {
            address,
            thread,
            directory,
        }
    }

    /// All scripts have been followed to their ends; the texts that came.
    pub(super) fn done(self) -> Vec<Vec<u8>> {
        self.thread.join().unwrap()
    }

    pub(super) fn trusted(&self) -> Trusted {
        Trusted::authorities(&self.directory.path().join("authority.pem")).unwrap()
    }

    pub(super) fn port(&self) -> u16 {
        match self.address {
            Address::Tcp { port, .. } => port,
            Address::Unix(_) => panic!("a socket in the file system has no port"),
        }
    }
}

/// Who shows itself as localhost, by a certificate that is its own authority and is written to this file.
pub(super) fn identity(authority: &Path) -> ServerConfig {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(authority, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap()
}

/// Some message; what is known of it plays no part in how its text is handed on.
pub(super) fn message() -> super::Message {
    super::Message {
        key: Key::content("00ff-120", 1),
        name: "0123456789abcdef0123456789abcdef01234567".into(),
        octets: pop3::Octets(0),
        account: "mrose@pop.example.org".into(),
        received: None,
    }
}

/// A text, and where the rest of it is kept.
pub(super) fn text(wire: &[u8]) -> (Text, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let text = Text::whole(&Spool::new(directory.path()), wire).unwrap();
    (text, directory)
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

fn follow(script: &str, socket: Socket, config: &Arc<ServerConfig>, texts: &mut Vec<Vec<u8>>) {
    let limit = Some(Duration::from_secs(20));
    let (mut again, first): (Option<Box<dyn Both>>, Box<dyn Both>) = match socket {
        Socket::Tcp(socket) => {
            socket.set_read_timeout(limit).unwrap();
            (
                Some(Box::new(socket.try_clone().unwrap())),
                Box::new(socket),
            )
        }
        Socket::Unix(socket) => {
            socket.set_read_timeout(limit).unwrap();
            (
                Some(Box::new(socket.try_clone().unwrap())),
                Box::new(socket),
            )
        }
    };
    let mut stream = BufReader::new(first);
    for line in script
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty())
    {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let raw = rest.replace("\\n", "\r\n");
        match kind {
            "S:" => say(&mut stream, format!("{rest}\r\n").as_bytes()).unwrap(),
            "RAW" => say(&mut stream, raw.as_bytes()).unwrap(),
            "FLOOD" => while say(&mut stream, raw.repeat(1000).as_bytes()).is_ok() {},
            "DRIP" => {
                for octet in raw.bytes().cycle() {
                    sleep(Duration::from_millis(10));
                    if say(&mut stream, &[octet]).is_err() {
                        break;
                    }
                }
            }
            "C:" => {
                let mut came = String::new();
                stream.read_line(&mut came).unwrap();
                assert_eq!(came, format!("{rest}\r\n"), "where {line:?} was due");
            }
            "TEXT" => {
                let mut text = Vec::new();
                while !(text == b".\r\n" || text.ends_with(b"\r\n.\r\n")) {
                    assert!(
                        stream.read_until(b'\n', &mut text).unwrap() > 0,
                        "no end came"
                    );
                }
                texts.push(text);
            }
            "LITERAL" | "SOME" => {
                let mut text = vec![0; rest.parse().unwrap()];
                stream.read_exact(&mut text).unwrap();
                if kind == "LITERAL" {
                    texts.push(text);
                }
            }
            "TLS" => {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let inside = StreamOwned::new(connection, again.take().unwrap());
                stream = BufReader::new(Box::new(inside));
            }
            "WAIT" => {
                let _ = stream.read_to_end(&mut Vec::new());
            }
            "DEAF" => sleep(Duration::from_millis(rest.parse().unwrap())),
            _ => panic!("{line:?} is no line of a script"),
        }
    }
}

fn say(stream: &mut BufReader<Box<dyn Both>>, octets: &[u8]) -> io::Result<()> {
    stream.get_mut().write_all(octets)?;
    stream.get_mut().flush()
}

/// Tokens, named by how often a new one was asked for; and how each was asked for.
pub(super) fn tokens(
    named: impl Fn(usize) -> Secret + Send + 'static,
) -> (Tokens, Arc<Mutex<Vec<Age>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&asked);
    let tokens = move |age| {
        let mut asked = all.lock().unwrap();
        asked.push(age);
        Ok(named(asked.iter().filter(|it| **it == Age::New).count()))
    };
    (Box::new(tokens), asked)
}
