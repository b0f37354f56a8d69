//! The client of the demo: plays the session of RFC 1939 §10 over TCP and prints every line.
//!
//! It prints what really travels: the lines of a message are printed as they are on the wire, so a
//! dot that was stuffed would be seen doubled.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pop3::client::{Dialogue, Follows, Said, Settings, Status};
use pop3::{Command, MessageNumber};
use sasl::Secret;

use super::letters::{ACCOUNT, PASSWORD};
use crate::failure::{Code, Failure};
use crate::output::{self, say};

/// Nothing on this machine takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// So much is read at once.
const PIECE_OCTETS: usize = 4096;

/// Plays the session and prints it.
///
/// # Errors
///
/// When the connection fails, or when the server refuses anything.
pub(super) fn play(server: SocketAddr) -> Result<(), Failure> {
    let mut client = Client::connect(server).map_err(|error| lost(&error))?;
    client.listen()?;
    let message = |number| MessageNumber::new(number).ok_or_else(|| failed("0 is no message"));
    for command in [
        Command::User(ACCOUNT.to_owned()),
        Command::Pass(Secret::new(PASSWORD)),
        Command::Stat,
        Command::List(None),
        Command::Retr(message(1)?),
        Command::Dele(message(1)?),
        Command::Retr(message(2)?),
        Command::Dele(message(2)?),
        Command::Quit,
    ] {
        client.say(&command)?;
        client.listen()?;
    }
    Ok(())
}

struct Client {
    connection: TcpStream,
    dialogue: Dialogue,
    input: Vec<u8>,
}

impl Client {
    fn connect(server: SocketAddr) -> io::Result<Self> {
        let connection = TcpStream::connect_timeout(&server, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        connection.set_nodelay(true)?;
        Ok(Self {
            connection,
            // Messages in the form in which they travel.
            dialogue: Dialogue::new(Settings::default()),
            input: Vec::new(),
        })
    }

    /// Prints a command and sends it.
    fn say(&mut self, command: &Command) -> Result<(), Failure> {
        let mut line = Vec::new();
        self.dialogue
            .send(command, &mut line)
            .map_err(|error| failed(&error.to_string()))?;
        say!("C: {}", String::from_utf8_lossy(&line).trim_end())?;
        self.connection
            .write_all(&line)
            .map_err(|error| lost(&error))
    }

    /// Reads and prints what the server says, to the end of one reply.
    fn listen(&mut self) -> Result<(), Failure> {
        let mut text = Vec::new();
        loop {
            let (consumed, said) = self
                .dialogue
                .read(&self.input, &mut text)
                .map_err(|error| failed(&error.to_string()))?;
            let complete = match &said {
                None => None,
                Some(Said::Greeting(status)) => Some(told(status, Follows::Nothing)?),
                Some(Said::Reply {
                    status, follows, ..
                }) => Some(told(status, *follows)?),
                Some(Said::Line(line)) => {
                    say!("S: {}", String::from_utf8_lossy(line))?;
                    Some(false)
                }
                Some(Said::Text(_)) => Some(false),
                Some(Said::End(_)) => {
                    for line in String::from_utf8_lossy(&text).lines() {
                        say!("S: {line}")?;
                    }
                    say!("S: .")?;
                    Some(true)
                }
                Some(Said::Challenge(_)) => return Err(failed("it was not asked to challenge")),
            };
            self.input.drain(..consumed);
            match complete {
                Some(true) => return Ok(()),
                Some(false) => {}
                None => self.more()?,
            }
        }
    }

    fn more(&mut self) -> Result<(), Failure> {
        let mut piece = [0; PIECE_OCTETS];
        match self.connection.read(&mut piece) {
            Ok(0) => Err(lost(&io::ErrorKind::UnexpectedEof.into())),
            Ok(octets) => {
                self.input.extend_from_slice(&piece[..octets]);
                Ok(())
            }
            Err(error) => Err(lost(&error)),
        }
    }
}

/// Prints a status line; whether the reply is complete with it.
fn told(status: &Status, follows: Follows) -> Result<bool, Failure> {
    say!("S: {status}")?;
    match status.is_ok() {
        true => Ok(follows == Follows::Nothing),
        false => Err(failed("it refused")),
    }
}

fn failed(why: &str) -> Failure {
    Failure::new(
        Code::Software,
        format!("the demo's own server does not play along: {why}"),
    )
    .remedy("please report this, with the lines above")
}

fn lost(error: &io::Error) -> Failure {
    Failure::new(
        Code::Software,
        format!(
            "the demo's client lost its server: {}",
            output::plain(error)
        ),
    )
    .remedy("please report this, with the lines above")
}
