//! The server that is to be left: honest, or wrong in one way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// What it has, and how it behaves.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// Unique-ids and texts, as they travel.
    pub(crate) messages: Vec<(String, String)>,
    /// The connection is cut in the middle of the text behind so many.
    pub(crate) cut_after: Option<usize>,
    /// It knows no UIDL.
    pub(crate) no_uidl: bool,
    /// The number of a message that it does not give.
    pub(crate) damaged: Option<usize>,
    /// The number of a message that it does not give now.
    pub(crate) busy: Option<usize>,
    /// What LIST says of a message, by its number.
    pub(crate) lists: Option<(usize, u64)>,
    /// LIST says so many octets more than there are.
    pub(crate) counts_more: usize,
    /// Every command that came, without what comes behind its first word if that is a password.
    pub(crate) heard: Vec<String>,
}

/// A server on loopback, for as long as the test runs.
pub(crate) struct Old {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Old {
    /// With these messages.
    pub(crate) fn with(messages: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let messages = messages
            .iter()
            .map(|(id, text)| (id.to_string(), text.to_string()));
        let state = Arc::new(Mutex::new(State {
            messages: messages.collect(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        spawn(move || {
            for socket in listener.incoming() {
                // Who goes away in the middle is as good as who says QUIT.
                let _ = serve(socket.unwrap(), &shared);
            }
        });
        Self { port, state }
    }

    /// Changes what it has or does, from the next command on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// Every command that came so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().heard)
    }

    /// Where a user's maildrop is.
    pub(crate) fn address(&self, user: &str) -> String {
        format!("pop3://{user}@127.0.0.1:{}", self.port)
    }
}

fn serve(socket: TcpStream, shared: &Mutex<State>) -> std::io::Result<()> {
    let mut out = socket.try_clone()?;
    out.write_all(b"+OK old server\r\n")?;
    let mut texts = 0;
    for line in BufReader::new(socket).lines() {
        let line = line?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let state = {
            let mut state = shared.lock().unwrap();
            state.heard.push(match word {
                "PASS" => word.to_owned(),
                _ => line.clone(),
            });
            state.clone()
        };
        let number = rest.parse::<usize>().unwrap_or(0);
        let size = |text: &str| text.len() - text.matches("\r\n..").count() + state.counts_more;
        let listed = |what: &dyn Fn(&(String, String)) -> String| -> String {
            let lines = state.messages.iter().enumerate();
            let lines =
                lines.map(|(index, message)| format!("{} {}\r\n", index + 1, what(message)));
            format!("+OK\r\n{}.\r\n", lines.collect::<String>())
        };
        let reply = match word {
            "CAPA" => "+OK\r\nUSER\r\nPIPELINING\r\n.\r\n".to_owned(),
            "USER" => "+OK\r\n".to_owned(),
            "PASS" if rest == "redqueen" => "+OK\r\n".to_owned(),
            "PASS" => "-ERR [AUTH] no\r\n".to_owned(),
            "STAT" => {
                let total: usize = state.messages.iter().map(|(_, text)| size(text)).sum();
                format!("+OK {} {total}\r\n", state.messages.len())
            }
            "LIST" => {
                let sizes = state.messages.iter().map(|(_, text)| size(text) as u64);
                let mut sizes: Vec<u64> = sizes.collect();
                if let Some((number, octets)) = state.lists {
                    sizes[number - 1] = octets;
                }
                let lines = (1..)
                    .zip(sizes)
                    .map(|(number, octets)| format!("{number} {octets}\r\n"));
                format!("+OK\r\n{}.\r\n", lines.collect::<String>())
            }
            "UIDL" if state.no_uidl => "-ERR unknown\r\n".to_owned(),
            "UIDL" => listed(&|(id, _)| id.clone()),
            "RETR" if state.busy == Some(number) => "-ERR [SYS/TEMP] later\r\n".to_owned(),
            "RETR" if state.damaged == Some(number) => "-ERR damaged\r\n".to_owned(),
            "RETR" => {
                if state.cut_after == Some(texts) {
                    return out.write_all(b"+OK\r\nSubject: ha");
                }
                texts += 1;
                format!("+OK\r\n{}.\r\n", state.messages[number - 1].1)
            }
            "QUIT" => return out.write_all(b"+OK\r\n"),
            _ => "-ERR unknown\r\n".to_owned(),
        };
        out.write_all(reply.as_bytes())?;
    }
    Ok(())
}
