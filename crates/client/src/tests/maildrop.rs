//! A server with a maildrop in memory, which can be told to go wrong.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// What a server does that it should not, and what it cannot do.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) capabilities: &'static [&'static str],
    pub(crate) knows_uidl: bool,
    pub(crate) knows_top: bool,
    /// Cuts the connection after so many RETRs, with half of the text.
    pub(crate) cuts_after: Option<usize>,
    /// Cuts the connection instead of answering QUIT, and deletes or does not.
    pub(crate) cuts_at_quit: Option<bool>,
    /// Answers every second pair of pipelined RETRs the wrong way round.
    pub(crate) swaps: bool,
    /// Does not give this message.
    pub(crate) refuses: Option<usize>,
    /// Cuts the connection after so many octets, wherever that is.
    pub(crate) cuts_after_octets: Option<usize>,
    /// Cuts the connection when a second command comes before the first is answered, once the maildrop is open.
    pub(crate) cuts_when_ahead: bool,
    /// What LIST says of a message that has so many octets.
    pub(crate) lists: Option<fn(usize) -> u64>,
    /// Answers every second pair of pipelined TOPs the wrong way round.
    pub(crate) swaps_headers: bool,
    /// Gives nothing instead of texts, as if they were empty.
    pub(crate) gives_nothing: bool,
    /// What it does with DELE and QUIT.
    pub(crate) deletes: Deletes,
    /// This message's text never ends.
    pub(crate) endless: Option<usize>,
    /// Cuts the connection where this message is due.
    pub(crate) cuts_at: Option<usize>,
    /// What it says to QUIT, and when.
    pub(crate) quits: Quits,
    /// Gives no message whose text is not ASCII to whom has not said UTF8.
    pub(crate) needs_utf8: bool,
    /// Gives all of a message to whom asks for its header.
    pub(crate) shows_all: bool,
}

/// How it takes its leave.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Quits {
    #[default]
    Well,
    /// After half a second.
    Late,
    /// It deletes, and says nothing until the client goes.
    Never,
}

/// What becomes of deletions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Deletes {
    #[default]
    Well,
    /// DELE is refused.
    Refused,
    /// All is accepted and nothing done.
    Never,
    /// QUIT is refused, and nothing done.
    NotAtQuit,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            capabilities: &["USER", "UIDL", "TOP", "PIPELINING"],
            knows_uidl: true,
            knows_top: true,
            cuts_after: None,
            cuts_at_quit: None,
            swaps: false,
            refuses: None,
            cuts_after_octets: None,
            cuts_when_ahead: false,
            lists: None,
            swaps_headers: false,
            gives_nothing: false,
            deletes: Deletes::default(),
            endless: None,
            cuts_at: None,
            quits: Quits::default(),
            needs_utf8: false,
            shows_all: false,
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
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

/// Messages as a server keeps them: each its unique-id and its text.
pub(crate) fn own(messages: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(id, text): &(&str, &str)| ((*id).to_owned(), (*text).to_owned());
    messages.iter().map(own).collect()
}

impl Server {
    pub(crate) fn start(messages: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("localhost:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            messages: own(messages),
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
    // Small replies would wait for acknowledgements.
    socket.set_nodelay(true)?;
    let mut input = BufReader::new(socket.try_clone()?);
    let (messages, manner) = {
        let state = state.lock().unwrap();
        (state.messages.clone(), state.manner.clone())
    };
    let mut output = Output {
        socket: socket.try_clone()?,
        left: manner.cuts_after_octets.unwrap_or(usize::MAX),
    };
    output.say("+OK\r\n")?;
    let mut deleted = BTreeSet::new();
    let (mut line, mut held, mut retrieved, mut shown) = (String::new(), None, 0, 0);
    let (mut is_open, mut said_utf8) = (false, false);
    while input.read_line(&mut line)? > 0 {
        let command = line.trim_end().to_owned();
        line.clear();
        if manner.cuts_when_ahead && is_open && input.buffer().contains(&b'\n') {
            return Ok(());
        }
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
            ("LIST", _) => numbered(&|(_, text)| match manner.lists {
                Some(lists) => lists(text.len()).to_string(),
                None => text.len().to_string(),
            }),
            ("UIDL", _) if manner.knows_uidl => numbered(&|(id, _)| id.clone()),
            ("RETR", Some(_)) if manner.refuses == number => "-ERR it is gone\r\n".to_owned(),
            ("RETR" | "TOP", Some((_, text)))
                if manner.needs_utf8 && !said_utf8 && !text.is_ascii() =>
            {
                "-ERR [UTF8] it needs UTF8\r\n".to_owned()
            }
            ("RETR", Some(_)) if manner.cuts_at == number => return Ok(()),
            ("RETR", Some(_)) if manner.endless == number => {
                output.say("+OK\r\n")?;
                let more = "and so on\r\n".repeat(1000);
                while output.say(&more).is_ok() {}
                return Ok(());
            }
            ("RETR", Some(_)) if manner.gives_nothing => multi_line(""),
            ("RETR", Some((_, text))) => {
                retrieved += 1;
                state.lock().unwrap().retrieved += 1;
                let reply = multi_line(text);
                if manner.cuts_after.is_some_and(|after| retrieved > after) {
                    output.say(&reply[..reply.len() / 2])?;
                    return Ok(());
                }
                if manner.swaps && retrieved % 4 == 1 && !input.buffer().is_empty() {
                    held = Some(reply);
                    continue;
                }
                reply + &held.take().unwrap_or_default()
            }
            ("TOP", Some((_, text))) if manner.knows_top => {
                let header = text
                    .split_inclusive("\r\n")
                    .take_while(|line| manner.shows_all || *line != "\r\n");
                shown += 1;
                let reply = multi_line(&(header.collect::<String>() + "\r\n"));
                if manner.swaps_headers && shown % 4 == 1 && !input.buffer().is_empty() {
                    held = Some(reply);
                    continue;
                }
                reply + &held.take().unwrap_or_default()
            }
            ("DELE", Some(_)) if manner.deletes == Deletes::Refused => "-ERR no\r\n".to_owned(),
            ("DELE", Some(_)) => {
                deleted.insert(number.unwrap() - 1);
                "+OK\r\n".to_owned()
            }
            ("QUIT", _) if manner.deletes == Deletes::NotAtQuit => {
                return output.say("-ERR some were not deleted\r\n");
            }
            ("QUIT", _) if manner.deletes == Deletes::Never => return output.say("+OK\r\n"),
            ("QUIT", _) => {
                if manner.cuts_at_quit != Some(false) {
                    let mut state = state.lock().unwrap();
                    let gone: Vec<_> = deleted
                        .iter()
                        .map(|&place: &usize| &messages[place])
                        .collect();
                    state.messages.retain(|message| !gone.contains(&message));
                }
                match manner.quits {
                    Quits::Well => {}
                    Quits::Late => sleep(Duration::from_millis(500)),
                    Quits::Never => {
                        let _ = input.read_line(&mut line);
                        return Ok(());
                    }
                }
                if manner.cuts_at_quit.is_none() {
                    output.say("+OK\r\n")?;
                }
                return Ok(());
            }
            ("UTF8", _) if !is_open => {
                said_utf8 = true;
                "+OK\r\n".to_owned()
            }
            ("PASS", _) => {
                is_open = true;
                "+OK\r\n".to_owned()
            }
            ("USER" | "NOOP", _) => "+OK\r\n".to_owned(),
            _ => "-ERR\r\n".to_owned(),
        };
        output.say(&reply)?;
    }
    Ok(())
}

/// What a server says, which may end anywhere.
struct Output {
    socket: TcpStream,
    left: usize,
}

impl Output {
    fn say(&mut self, text: &str) -> std::io::Result<()> {
        let octets = text.len().min(self.left);
        self.left -= octets;
        self.socket.write_all(&text.as_bytes()[..octets])?;
        match octets == text.len() {
            true => Ok(()),
            false => Err(std::io::ErrorKind::ConnectionAborted.into()),
        }
    }
}
