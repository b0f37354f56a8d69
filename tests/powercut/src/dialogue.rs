//! The client's side of LMTP and POP3, as plain as can be, so that it shares nothing with the
//! program but the RFCs.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::history::Deed;
use crate::program::PASSWORD;

/// How long a reply may take.
const REPLY_MAX: Duration = Duration::from_secs(20);

/// A connection of lines.
struct Line {
    stream: BufReader<TcpStream>,
}

impl Line {
    fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(REPLY_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    fn octets(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        match line.ends_with(b"\r\n") {
            true => Ok(line),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn text(&mut self) -> io::Result<String> {
        self.octets()
            .map(|line| String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

fn refused(what: &str, reply: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{what}: {reply}"))
}

/// Whether it is the peer's answer, and not a connection that is gone.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// A POP3 session in the TRANSACTION state.
pub(crate) struct Session(Line);

impl Session {
    /// Logs in; none: the maildrop is in use.
    ///
    /// # Errors
    ///
    /// When the server is gone or refuses.
    pub(crate) fn login(port: u16, name: &str) -> io::Result<Option<Self>> {
        let mut line = Line::connect(port)?;
        line.text()?;
        line.send(format!("USER {name}\r\nPASS {PASSWORD}\r\n").as_bytes())?;
        line.text()?;
        let reply = line.text()?;
        if reply.contains("[IN-USE]") {
            return Ok(None);
        }
        match reply.starts_with("+OK") {
            true => Ok(Some(Self(line))),
            false => Err(refused("PASS", &reply)),
        }
    }

    fn ask(&mut self, command: &str) -> io::Result<String> {
        self.0.send(format!("{command}\r\n").as_bytes())?;
        let reply = self.0.text()?;
        match reply.starts_with("+OK") {
            true => Ok(reply),
            false => Err(refused(command, &reply)),
        }
    }

    /// Everything up to the terminator line, as it is on the wire.
    fn lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        loop {
            let line = self.0.octets()?;
            if line == b".\r\n" {
                return Ok(lines);
            }
            lines.push(line);
        }
    }

    /// The unique-ids, in order.
    ///
    /// # Errors
    ///
    /// When the server is gone or refuses; so with everything else here.
    pub(crate) fn unique_ids(&mut self) -> io::Result<Vec<String>> {
        self.ask("UIDL")?;
        let lines = self.lines()?;
        let id = |line: &Vec<u8>| {
            let line = String::from_utf8_lossy(line);
            line.trim_end().split(' ').nth(1).unwrap_or("").to_owned()
        };
        Ok(lines.iter().map(id).collect())
    }

    /// A message in stored form; `index` counts from 0.
    pub(crate) fn retrieve(&mut self, index: usize) -> io::Result<Vec<u8>> {
        self.ask(&format!("RETR {}", index + 1))?;
        Ok(self.lines()?.concat())
    }

    /// Marks a message, and returns what QUIT will do to it; `index` counts from 0.
    pub(crate) fn delete(&mut self, index: usize) -> io::Result<Deed> {
        let reply = self.ask(&format!("DELE {}", index + 1))?;
        Ok(match reply.contains("hidden, not deleted") {
            true => Deed::Hide,
            false => Deed::Delete,
        })
    }

    /// Sends QUIT; `between` is called before the reply is read.
    pub(crate) fn quit(mut self, between: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.0.send(b"QUIT\r\n")?;
        between()?;
        let reply = self.0.text()?;
        match reply.starts_with("+OK") {
            true => Ok(()),
            false => Err(refused("QUIT", &reply)),
        }
    }
}

/// An LMTP connection.
pub(crate) struct Lmtp(Line);

impl Lmtp {
    /// Connects and says hello.
    ///
    /// # Errors
    ///
    /// When the server is gone or refuses; so with everything else here.
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let mut lmtp = Self(Line::connect(port)?);
        lmtp.expect("220")?;
        lmtp.ask("LHLO rig.example.org", "250")?;
        Ok(lmtp)
    }

    fn ask(&mut self, command: &str, code: &str) -> io::Result<()> {
        self.0.send(format!("{command}\r\n").as_bytes())?;
        self.expect(code)
    }

    fn expect(&mut self, code: &str) -> io::Result<()> {
        loop {
            let line = self.0.text()?;
            if !line.starts_with(code) {
                return Err(refused(code, &line));
            }
            if !line[code.len()..].starts_with('-') {
                return Ok(());
            }
        }
    }

    /// Delivers a stuffed text. `announce` is called before the text goes out, `between` before
    /// the replies are read, `replied` for each recipient whose delivery is acknowledged.
    pub(crate) fn deliver(
        &mut self,
        names: &[&str],
        stuffed: &[u8],
        announce: impl FnOnce() -> io::Result<()>,
        between: impl FnOnce() -> io::Result<()>,
        mut replied: impl FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        self.ask("MAIL FROM:<rig@example.org>", "250")?;
        for name in names {
            self.ask(&format!("RCPT TO:<{name}@dobbs.org>"), "250")?;
        }
        self.ask("DATA", "354")?;
        announce()?;
        self.0.send(stuffed)?;
        self.0.send(b".\r\n")?;
        between()?;
        for name in names {
            self.expect("250")?;
            replied(name)?;
        }
        Ok(())
    }
}
