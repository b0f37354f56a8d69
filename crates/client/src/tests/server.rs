//! A server that follows a script.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sasl::base64;

use crate::Pin;

/// One connection, by these lines: `S:` is said, `C:` must come, `RAW` is said without a line end added,
/// `REPEAT` said until nobody listens, `DRIP` the same an octet at a time, `PAUSE` waits so many milliseconds, `TLS` begins TLS, `WAIT` says nothing until the client goes. `SCRAM`
/// takes the beginning of a SCRAM-SHA-256 exchange and answers with the client's nonce, one of its own, and what
/// follows; `PROOF` takes any answer to it. `AUTH` takes any initial response of that mechanism. The end of the script ends the connection.
pub(super) struct Server {
    pub(super) port: u16,
    thread: JoinHandle<()>,
    certificate: Vec<u8>,
    directory: tempfile::TempDir,
}

impl Server {
    pub(super) fn start(script: impl Into<String>) -> Self {
        Self::with(vec![script.into()], false)
    }

    /// The same, for one connection after the other.
    pub(super) fn start_all(scripts: &[String]) -> Self {
        Self::with(scripts.to_vec(), false)
    }

    /// One that wants a certificate of the client, which must be its own one.
    pub(super) fn asking(script: impl Into<String>) -> Self {
        Self::with(vec![script.into()], true)
    }

    fn with(scripts: Vec<String>, asking: bool) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("authority.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        std::fs::write(
            directory.path().join("key.pem"),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match asking {
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(made.cert.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            false => builder.with_no_client_auth(),
        };
        let config = builder
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("localhost:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = spawn(move || {
            let config = Arc::new(config);
            for script in scripts {
                let (socket, _) = listener.accept().unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                follow(&script, socket, Arc::clone(&config));
            }
        });
        Self {
            port,
            thread,
            certificate: made.cert.der().to_vec(),
            directory,
        }
    }

    /// The script has been followed to its end.
    pub(super) fn done(self) {
        self.thread.join().unwrap();
    }

    pub(super) fn pin(&self) -> Pin {
        Pin::of_certificate(&self.certificate)
    }

    /// Its certificate in DER.
    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(super) fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

fn follow(script: &str, socket: TcpStream, config: Arc<ServerConfig>) {
    let mut socket = Some(socket);
    let mut stream: BufReader<Box<dyn Both>> =
        BufReader::new(Box::new(socket.as_ref().unwrap().try_clone().unwrap()));
    for line in script.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "S:" => say(&mut stream, format!("{rest}\r\n").as_bytes()).unwrap(),
            "RAW" => say(&mut stream, rest.replace("\\n", "\r\n").as_bytes()).unwrap(),
            "REPEAT" => {
                let piece = rest.replace("\\n", "\r\n").repeat(10_000);
                while say(&mut stream, piece.as_bytes()).is_ok() {}
                return;
            }
            "DRIP" => {
                for octet in rest.replace("\\n", "\r\n").bytes().cycle() {
                    std::thread::sleep(Duration::from_millis(10));
                    if say(&mut stream, &[octet]).is_err() {
                        return;
                    }
                }
            }
            "C:" => {
                let mut came = String::new();
                stream.read_line(&mut came).unwrap();
                assert_eq!(came, format!("{rest}\r\n"), "where {line:?} was due");
            }
            "SCRAM" => {
                let mut came = String::new();
                stream.read_line(&mut came).unwrap();
                let first = came.trim_end().strip_prefix("AUTH SCRAM-SHA-256 ").unwrap();
                let first = String::from_utf8(base64::decode(first.as_bytes()).unwrap()).unwrap();
                let (_, nonce) = first.split_once(",r=").unwrap();
                let answer = base64::encode(format!("r={nonce}ours,{rest}").as_bytes());
                say(&mut stream, format!("+ {answer}\r\n").as_bytes()).unwrap();
            }
            "AUTH" => {
                let mut came = String::new();
                stream.read_line(&mut came).unwrap();
                let response = came.trim_end().strip_prefix(&format!("AUTH {rest} "));
                base64::decode(response.unwrap().as_bytes()).unwrap();
            }
            "PROOF" => {
                let mut came = String::new();
                stream.read_line(&mut came).unwrap();
                assert_ne!(came, "*\r\n");
            }
            "TLS" => {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let inside = StreamOwned::new(connection, socket.take().unwrap());
                stream = BufReader::new(Box::new(inside));
            }
            "PAUSE" => std::thread::sleep(Duration::from_millis(rest.parse().unwrap())),
            "ALONE" => assert_eq!(stream.buffer(), b"", "nothing was sent ahead"),
            "END" => {
                let mut came = Vec::new();
                let _ = stream.get_mut().flush();
                if let Some(socket) = &socket {
                    socket.shutdown(std::net::Shutdown::Write).unwrap();
                    let _ = stream.read_to_end(&mut came);
                }
                assert_eq!(came, b"");
                return;
            }
            "WAIT" => {
                let _ = stream.read_to_end(&mut Vec::new());
            }
            _ => panic!("{line:?} is no line of a script"),
        }
    }
}

fn say(stream: &mut BufReader<Box<dyn Both>>, octets: &[u8]) -> io::Result<()> {
    stream.get_mut().write_all(octets)?;
    stream.get_mut().flush()
}
