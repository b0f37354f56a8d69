//! A small POP3 server that is told what to answer, and so can go wrong.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// What is answered to a command; the greeting is the answer to none.
pub(super) enum Answer {
    /// What a good server says.
    Usual,
    /// These octets.
    Say(String),
    /// These octets, and the end of the connection.
    Close(String),
    /// These octets again and again, as long as somebody reads them.
    Endless(&'static str),
    /// An octet now and then, and never a whole line.
    Drip,
}

/// Says what is answered to a command line.
pub(super) type Manner = fn(&str) -> Answer;

/// A maildrop, of unique-ids and texts with CRLF, that is served until the test ends.
pub(super) struct Foreign {
    pub(super) port: u16,
    messages: Arc<Mutex<Vec<(String, String)>>>,
}

impl Foreign {
    pub(super) fn start(messages: &[(&str, &str)], manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let messages = Arc::new(Mutex::new(own(messages)));
        let served = Arc::clone(&messages);
        spawn(move || {
            for socket in listener.incoming() {
                let served = Arc::clone(&served);
                // The client may be gone at any time.
                spawn(move || serve(&socket.unwrap(), &served, manner));
            }
        });
        Self { port, messages }
    }

    /// Later sessions find these.
    pub(super) fn replace(&self, messages: &[(&str, &str)]) {
        *self.messages.lock().unwrap() = own(messages);
    }

    /// The unique-ids of what it holds.
    pub(super) fn ids(&self) -> Vec<String> {
        let messages = self.messages.lock().unwrap();
        messages.iter().map(|(id, _)| id.clone()).collect()
    }
}

fn own(messages: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(id, text): &(&str, &str)| ((*id).to_owned(), (*text).to_owned());
    messages.iter().map(own).collect()
}

/// A reply of several lines.
pub(super) fn lines(text: &str) -> String {
    let stuffed = text.replace("\r\n.", "\r\n..");
    format!("+OK\r\n{stuffed}.\r\n")
}

fn serve(
    socket: &TcpStream,
    held: &Mutex<Vec<(String, String)>>,
    manner: Manner,
) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut input = BufReader::new(socket.try_clone()?);
    let mut output = socket.try_clone()?;
    let messages = held.lock().unwrap().clone();
    let mut deleted = Vec::new();
    let mut line = String::new();
    loop {
        let command = line.trim_end();
        match manner(command) {
            Answer::Usual => {
                let reply = usual(command, &messages, &mut deleted);
                output.write_all(reply.as_bytes())?;
                if command == "QUIT" {
                    let is_kept = |(id, _): &(String, String)| !deleted.contains(id);
                    held.lock().unwrap().retain(is_kept);
                    return Ok(());
                }
            }
            Answer::Say(reply) => output.write_all(reply.as_bytes())?,
            Answer::Close(reply) => return output.write_all(reply.as_bytes()),
            Answer::Endless(octets) => loop {
                output.write_all(octets.as_bytes())?;
            },
            Answer::Drip => loop {
                output.write_all(b"+")?;
                sleep(Duration::from_millis(100));
            },
        }
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
}

fn usual(command: &str, messages: &[(String, String)], deleted: &mut Vec<String>) -> String {
    let mut words = command.split(' ');
    let keyword = words.next().unwrap_or_default();
    let number = words.next().and_then(|word| word.parse::<usize>().ok());
    let message = number.and_then(|number| messages.get(number.checked_sub(1)?));
    let numbered = |show: &dyn Fn(&(String, String)) -> String| {
        let numbered = (1..).zip(messages);
        let all: String = numbered
            .map(|(number, message)| format!("{number} {}\r\n", show(message)))
            .collect();
        lines(&all)
    };
    match (keyword, message) {
        ("CAPA", _) => lines("USER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n"),
        ("STAT", _) => {
            let octets: usize = messages.iter().map(|(_, text)| text.len()).sum();
            format!("+OK {} {octets}\r\n", messages.len())
        }
        ("LIST", None) => numbered(&|(_, text)| text.len().to_string()),
        ("UIDL", None) => numbered(&|(id, _)| id.clone()),
        ("RETR", Some((_, text))) => lines(text),
        ("TOP", Some((_, text))) => lines(&format!(
            "{}\r\n\r\n",
            text.split("\r\n\r\n").next().unwrap()
        )),
        ("DELE", Some((id, _))) => {
            deleted.push(id.clone());
            "+OK\r\n".to_owned()
        }
        ("" | "USER" | "PASS" | "NOOP" | "QUIT", _) => "+OK\r\n".to_owned(),
        _ => "-ERR no\r\n".to_owned(),
    }
}
