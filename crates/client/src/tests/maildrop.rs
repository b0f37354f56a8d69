//! A server with a maildrop in memory, which can be told to go wrong.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// What a server does that it should not, and what it cannot do.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) capabilities: &'static [&'static str],
    pub(crate) knows_uidl: bool,
    /// Cuts the connection after so many RETRs, with half of the text.
    pub(crate) cuts_after: Option<usize>,
    /// Cuts the connection instead of answering QUIT, and deletes or does not.
    pub(crate) cuts_at_quit: Option<bool>,
    /// Answers every second pair of pipelined RETRs the wrong way round.
    pub(crate) swaps: bool,
    /// Does not give this message.
    pub(crate) refuses: Option<usize>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            capabilities: &["USER", "UIDL", "TOP", "PIPELINING"],
            knows_uidl: true,
            cuts_after: None,
            cuts_at_quit: None,
            swaps: false,
            refuses: None,
        }
    }
}

/// What is in the maildrop and what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Unique-ids and texts, which are neither stuffed nor end with the terminator.
    pub(crate) messages: Vec<(String, String)>,
    pub(crate) retrieved: usize,
    pub(crate) commands: Vec<String>,
    pub(crate) manner: Manner,
}

/// The server; it serves until the test ends.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn start(messages: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("localhost:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = |(id, text): &(&str, &str)| ((*id).to_owned(), (*text).to_owned());
        let state = State {
            messages: messages.iter().map(own).collect(),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        spawn(move || {
            for socket in listener.incoming() {
                let served = Arc::clone(&served);
                spawn(move || {
                    // The client may be gone at any time.
                    let _ = serve(&socket.unwrap(), &served);
                });
            }
        });
        Self { port, state }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// The unique-ids of what it holds.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.with(|state| state.messages.iter().map(|(id, _)| id.clone()).collect())
    }
}

fn multi_line(text: &str) -> String {
    let stuffed = text.replace("\r\n.", "\r\n..");
    let first = if text.starts_with('.') { "." } else { "" };
    format!("+OK\r\n{first}{stuffed}.\r\n")
}

fn serve(socket: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut input = BufReader::new(socket.try_clone()?);
    let mut output = socket.try_clone()?;
    let (messages, manner) = {
        let state = state.lock().unwrap();
        (state.messages.clone(), state.manner.clone())
    };
    output.write_all(b"+OK\r\n")?;
    let mut deleted = BTreeSet::new();
    let (mut line, mut held, mut retrieved) = (String::new(), None, 0);
    while input.read_line(&mut line)? > 0 {
        let command = line.trim_end().to_owned();
        line.clear();
        state.lock().unwrap().commands.push(command.clone());
        let mut words = command.split(' ');
        let keyword = words.next().unwrap_or_default();
        let number = words.next().and_then(|word| word.parse::<usize>().ok());
        let message = number.and_then(|number| messages.get(number.checked_sub(1)?));
        let numbered = |show: &dyn Fn(&(String, String)) -> String| {
            let lines = messages.iter().enumerate();
            let lines =
                lines.map(|(place, message)| format!("{} {}\r\n", place + 1, show(message)));
            multi_line(&lines.collect::<String>())
        };
        let reply = match (keyword, message) {
            ("CAPA", _) => multi_line(&(manner.capabilities.join("\r\n") + "\r\n")),
            ("STAT", _) => {
                let octets: usize = messages.iter().map(|(_, text)| text.len()).sum();
                format!("+OK {} {octets}\r\n", messages.len())
            }
            ("LIST", _) => numbered(&|(_, text)| text.len().to_string()),
            ("UIDL", _) if manner.knows_uidl => numbered(&|(id, _)| id.clone()),
            ("RETR", Some(_)) if manner.refuses == number => "-ERR it is gone\r\n".to_owned(),
            ("RETR", Some((_, text))) => {
                retrieved += 1;
                state.lock().unwrap().retrieved += 1;
                let reply = multi_line(text);
                if manner.cuts_after.is_some_and(|after| retrieved > after) {
                    output.write_all(&reply.as_bytes()[..reply.len() / 2])?;
                    return Ok(());
                }
                if manner.swaps && retrieved % 4 == 1 && !input.buffer().is_empty() {
                    held = Some(reply);
                    continue;
                }
                reply + &held.take().unwrap_or_default()
            }
            ("TOP", Some((_, text))) => {
                let header = text
                    .split_inclusive("\r\n")
                    .take_while(|line| *line != "\r\n");
                multi_line(&(header.collect::<String>() + "\r\n"))
            }
            ("DELE", Some(_)) => {
                deleted.insert(number.unwrap() - 1);
                "+OK\r\n".to_owned()
            }
            ("QUIT", _) => {
                if manner.cuts_at_quit != Some(false) {
                    let mut state = state.lock().unwrap();
                    let gone: Vec<_> = deleted
                        .iter()
                        .map(|&place: &usize| &messages[place])
                        .collect();
                    state.messages.retain(|message| !gone.contains(&message));
                }
                if manner.cuts_at_quit.is_none() {
                    output.write_all(b"+OK\r\n")?;
                }
                return Ok(());
            }
            ("USER" | "PASS" | "NOOP", _) => "+OK\r\n".to_owned(),
            _ => "-ERR\r\n".to_owned(),
        };
        output.write_all(reply.as_bytes())?;
    }
    Ok(())
}
