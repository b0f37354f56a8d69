//! Transcripts of the client's side: what a server says, what the client makes of it, what it sends.
//!
//! The first line is a comment that says what is shown and which clause asks for it. Set-up lines
//! follow, then the dialogue:
//!
//! ```text
//! # A busy maildrop is told apart from a wrong password. RFC 2449 §8.1.2.
//! S: +OK ready
//! = greeting: +OK ready
//! C: USER bob
//! S: +OK
//! = accepted USER: +OK
//! ```
//!
//! | dialogue | |
//! |---|---|
//! | `S: TEXT` | a line of the server's, with CRLF |
//! | `S- TEXT` | octets of the server's, without a line end |
//! | `= TEXT` | the next event, as `event.rs` prints it, or `broken: …` |
//! | `C: TEXT` | the client sends this line: by a `do:` before it, or else this very command |
//! | `do: apop USER SECRET` | logs in with APOP |
//! | `do: auth NAME [now TEXT] [later TEXT] [TEXT…]` | begins an exchange: with its initial response on the line or when asked, then these answers; `*` is the one that gives up, `empty` has no octets |
//! | `do: answer` | the exchange answers the last challenge |
//! | `cannot: COMMAND: WHY` | the session does not send it |
//! | `cannot: apop USER SECRET: WHY` | the same |
//! | `* TLS starts` · `* TLS fails: WHY` | the handshake begins, with what is left over |
//! | `* outcome: …` | what is known of the deletions: `nothing deleted`, `unknown`, `deleted`, `refused` |
//! | `* unanswered: 2` | so many commands have no reply |
//!
//! In every TEXT the escapes of the server's transcripts stand for octets.
//!
//! | set-up | what is there without it |
//! |---|---|
//! | `channel: plain` | TLS |
//! | `credentials: in clear too` | inside TLS |
//! | `form: stuffed` | plain |
//! | `line ends: lf too` | CRLF |
//! | `messages max: 3` | 4,000,000 |
//!
//! Each transcript is played with what the server says at once, octet by octet, and split in two at
//! every octet; the events must be the same.

mod event;
mod play;

use std::path::Path;

use pop3::Command;
use pop3::client::{Channel, Credentials, LineEnds, Settings};
use pop3::wire::Form;

use crate::transcript::{headed, unescape};

/// A transcript, read.
pub struct Transcript {
    settings: Settings,
    channel: Channel,
    /// Each with its line, counted from 1.
    steps: Vec<(usize, Step)>,
}

enum Step {
    Server(Vec<u8>),
    Client(Vec<u8>),
    Event(String),
    Apop(String, String),
    Auth(Auth),
    Answer,
    Cannot(Attempt, String),
    TlsStarts,
    TlsFails(String),
    Outcome(String),
    Unanswered(usize),
}

enum Attempt {
    Apop(String, String),
    Send(Command),
}

struct Auth {
    name: String,
    now: Option<Vec<u8>>,
    later: Option<Vec<u8>>,
    answers: Vec<Vec<u8>>,
}

impl Transcript {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and on which line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Self::parse(&text)
    }

    /// Reads the text of a transcript.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and on which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        headed(text)?;
        let mut transcript = Self {
            settings: Settings {
                form: Form::Plain,
                ..Settings::default()
            },
            channel: Channel::Tls,
            steps: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let understood = match step(line) {
                Some(step) => {
                    transcript.steps.push((index + 1, step));
                    Some(())
                }
                None if transcript.steps.is_empty() => transcript.set_up(line),
                None => None,
            };
            understood.ok_or_else(|| format!("line {}: not understood: {line}", index + 1))?;
        }
        Ok(transcript)
    }

    fn set_up(&mut self, line: &str) -> Option<()> {
        match line.split_once(": ")? {
            ("channel", "plain") => self.channel = Channel::Plain,
            ("credentials", "in clear too") => {
                self.settings.credentials = Credentials::InClearToo;
            }
            ("form", "stuffed") => self.settings.form = Form::Stuffed,
            ("line ends", "lf too") => self.settings.line_ends = LineEnds::LfToo,
            ("messages max", count) => self.settings.messages_max = count.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

fn step(line: &str) -> Option<Step> {
    if let Some(text) = line.strip_prefix("S:") {
        let mut octets = octets(text.strip_prefix(' ').unwrap_or(text))?;
        octets.extend_from_slice(b"\r\n");
        return Some(Step::Server(octets));
    }
    if let Some(text) = line.strip_prefix("S- ") {
        return Some(Step::Server(octets(text)?));
    }
    if let Some(text) = line.strip_prefix("C: ") {
        return Some(Step::Client(octets(text)?));
    }
    if let Some(text) = line.strip_prefix("= ") {
        return Some(Step::Event(text.to_owned()));
    }
    if let Some(text) = line.strip_prefix("cannot: ") {
        let (attempt, why) = text.rsplit_once(": ")?;
        let attempt = match attempt.strip_prefix("apop ") {
            Some(words) => {
                let (user, secret) = words.split_once(' ')?;
                Attempt::Apop(user.to_owned(), secret.to_owned())
            }
            None => Attempt::Send(Command::parse(attempt.as_bytes()).ok()?),
        };
        return Some(Step::Cannot(attempt, why.to_owned()));
    }
    if let Some(words) = line.strip_prefix("do: apop ") {
        let (user, secret) = words.split_once(' ')?;
        return Some(Step::Apop(user.to_owned(), secret.to_owned()));
    }
    if let Some(words) = line.strip_prefix("do: auth ") {
        return auth(words).map(Step::Auth);
    }
    if let Some(why) = line.strip_prefix("* TLS fails: ") {
        return Some(Step::TlsFails(why.to_owned()));
    }
    if let Some(outcome) = line.strip_prefix("* outcome: ") {
        return Some(Step::Outcome(outcome.to_owned()));
    }
    if let Some(count) = line.strip_prefix("* unanswered: ") {
        return Some(Step::Unanswered(count.parse().ok()?));
    }
    match line {
        "do: answer" => Some(Step::Answer),
        "* TLS starts" => Some(Step::TlsStarts),
        _ => None,
    }
}

fn auth(words: &str) -> Option<Auth> {
    let mut words = words.split(' ').peekable();
    let mut auth = Auth {
        name: words.next()?.to_owned(),
        now: None,
        later: None,
        answers: Vec::new(),
    };
    if words.next_if_eq(&"now").is_some() {
        auth.now = Some(response(words.next()?)?);
    }
    if words.next_if_eq(&"later").is_some() {
        auth.later = Some(response(words.next()?)?);
    }
    for word in words {
        auth.answers.push(response(word)?);
    }
    Some(auth)
}

fn response(word: &str) -> Option<Vec<u8>> {
    match word {
        "empty" => Some(Vec::new()),
        _ => octets(word),
    }
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    unescape(text, &mut octets)?;
    Some(octets)
}
