//! The client's side of LMTP (RFC 2033), as far as a load generator needs it.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::BenchError;

/// Longest reply line (RFC 5321 §4.5.3.1.5 says 512); what is longer is no reply.
const LINE_OCTETS_MAX: u64 = 4096;

/// Where an LMTP server listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// On TCP.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

trait Connection: Read + Write + Send {}
impl Connection for TcpStream {}
impl Connection for UnixStream {}

pub(crate) struct Lmtp {
    stream: BufReader<Box<dyn Connection>>,
    pipelining: bool,
}

impl Lmtp {
    /// Connects and says LHLO.
    pub(crate) fn open(address: &Address, patience: Duration) -> Result<Self, BenchError> {
        let stream: Box<dyn Connection> = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(patience))?;
                Box::new(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(patience))?;
                Box::new(stream)
            }
        };
        let mut lmtp = Self {
            stream: BufReader::new(stream),
            pipelining: false,
        };
        lmtp.reply("a connection", 220)?;
        lmtp.send(b"LHLO localhost\r\n")?;
        let extensions = lmtp.reply("LHLO", 250)?;
        lmtp.pipelining = extensions
            .iter()
            .any(|extension| extension.eq_ignore_ascii_case("PIPELINING"));
        Ok(lmtp)
    }

    /// Delivers one message, dot-stuffed already and with its terminator, to all recipients. Each of
    /// them must be told that it has it.
    pub(crate) fn deliver(&mut self, recipients: &[&str], wire: &[u8]) -> Result<(), BenchError> {
        let mut commands = vec![("MAIL", "MAIL FROM:<sender@example.org>\r\n".to_owned(), 250)];
        for recipient in recipients {
            commands.push(("RCPT", format!("RCPT TO:<{recipient}>\r\n"), 250));
        }
        commands.push(("DATA", "DATA\r\n".to_owned(), 354));
        if self.pipelining {
            let lines: String = commands.iter().map(|(_, line, _)| line.as_str()).collect();
            self.send(lines.as_bytes())?;
        }
        for (name, line, code) in &commands {
            if !self.pipelining {
                self.send(line.as_bytes())?;
            }
            self.reply(name, *code)?;
        }
        self.send(wire)?;
        for _ in recipients {
            self.reply("the message", 250)?;
        }
        Ok(())
    }

    /// Ends the session.
    pub(crate) fn quit(&mut self) -> Result<(), BenchError> {
        self.send(b"QUIT\r\n")?;
        self.reply("QUIT", 221).map(drop)
    }

    fn send(&mut self, octets: &[u8]) -> Result<(), BenchError> {
        let stream = self.stream.get_mut();
        stream.write_all(octets)?;
        Ok(stream.flush()?)
    }

    /// Reads a reply, which must have this code; what its lines say.
    fn reply(&mut self, to: &'static str, code: u16) -> Result<Vec<String>, BenchError> {
        let mut texts = Vec::new();
        loop {
            let mut line = Vec::new();
            (&mut self.stream)
                .take(LINE_OCTETS_MAX)
                .read_until(b'\n', &mut line)?;
            let Some(text) = line.strip_suffix(b"\r\n") else {
                return Err(match line.is_empty() {
                    true => BenchError::Connection(io::ErrorKind::UnexpectedEof.into()),
                    false => BenchError::wrong(format!(
                        "a reply to {to} that does not end with CRLF: {}",
                        line.escape_ascii()
                    )),
                });
            };
            let text = String::from_utf8_lossy(text).into_owned();
            if text.get(..3) != Some(code.to_string().as_str()) {
                return Err(BenchError::Refused {
                    command: to,
                    status: text.escape_debug().to_string(),
                });
            }
            texts.push(text.get(4..).unwrap_or_default().to_owned());
            match text.as_bytes().get(3) {
                Some(b'-') => {}
                _ => return Ok(texts),
            }
        }
    }
}
