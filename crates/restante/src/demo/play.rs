//! The client of the demo: plays the session of RFC 1939 §10 over TCP and prints every line.
//!
//! It prints what really travels. The lines of a message are printed as they are on the wire, so
//! a dot that was stuffed would be seen doubled.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::letters::{ACCOUNT, PASSWORD};
use crate::failure::{Code, Failure};
use crate::output::{self, say};

/// Longest line of a reply; RFC 2449 §4 allows 512 octets, RFC 5322 §2.1.1 1000 in a message.
const LINE_OCTETS_MAX: u64 = 1000;

/// Nothing on this machine takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a reply ends.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Reply {
    OneLine,
    /// With a line that holds a single dot (RFC 1939 §3).
    MultiLine,
}

/// Plays the session and prints it.
///
/// # Errors
///
/// When the connection fails, or when the server refuses anything.
pub(super) fn play(server: SocketAddr) -> Result<(), Failure> {
    let mut client = Client::connect(server).map_err(lost)?;
    client.reply(Reply::OneLine)?;
    for (command, reply) in [
        (format!("USER {ACCOUNT}"), Reply::OneLine),
        (format!("PASS {PASSWORD}"), Reply::OneLine),
        ("STAT".to_owned(), Reply::OneLine),
        ("LIST".to_owned(), Reply::MultiLine),
        ("RETR 1".to_owned(), Reply::MultiLine),
        ("DELE 1".to_owned(), Reply::OneLine),
        ("RETR 2".to_owned(), Reply::MultiLine),
        ("DELE 2".to_owned(), Reply::OneLine),
        ("QUIT".to_owned(), Reply::OneLine),
    ] {
        say!("C: {command}")?;
        client.send(&command).map_err(lost)?;
        client.reply(reply)?;
    }
    Ok(())
}

struct Client {
    connection: BufReader<TcpStream>,
}

impl Client {
    fn connect(server: SocketAddr) -> io::Result<Self> {
        let connection = TcpStream::connect_timeout(&server, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        connection.set_nodelay(true)?;
        Ok(Self {
            connection: BufReader::new(connection),
        })
    }

    fn send(&mut self, command: &str) -> io::Result<()> {
        self.connection.get_mut().write_all(format!("{command}\r\n").as_bytes())
    }

    /// Reads and prints one reply.
    fn reply(&mut self, reply: Reply) -> Result<(), Failure> {
        let status = self.line().map_err(lost)?;
        say!("S: {status}")?;
        if !status.starts_with("+OK") {
            return Err(Failure::new(
                Code::Software,
                "the demo's own server refused its client",
            )
            .remedy("please report this, with the lines above"));
        }
        while reply == Reply::MultiLine {
            let line = self.line().map_err(lost)?;
            say!("S: {line}")?;
            if line == "." {
                break;
            }
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.connection).take(LINE_OCTETS_MAX).read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn lost(error: io::Error) -> Failure {
    Failure::new(
        Code::Software,
        format!("the demo's client lost its server: {}", output::plain(&error)),
    )
    .remedy("please report this, with the lines above")
}
