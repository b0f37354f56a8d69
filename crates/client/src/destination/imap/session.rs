//! One connection to a server of IMAP: the greeting, STARTTLS, a login, and messages appended to one mailbox.

mod login;

use std::io;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use super::Settings;
use super::response::{NotAResponse, Response, Status, code};
use super::words;
use crate::destination::known::{Age, NotBegun, Shown};
use crate::destination::link::{Link, Protection, Unsaid};
use crate::destination::told::told;
use crate::destination::{Limits, NotDelivered, Text};

/// A text up to this size is sent before the server asks for it, where the server knows that (RFC 7888).
const UNASKED_OCTETS_MAX: u64 = 64 << 10;

/// How long it takes to say goodbye, or to hear why a connection was closed, at most.
const SHORT: Duration = Duration::from_secs(2);

/// A connection that takes messages.
#[derive(Debug)]
pub(super) struct Session {
    link: Link,
    input: Vec<u8>,
    server: String,
    limits: Limits,
    /// What the server can do, in capitals.
    capabilities: Vec<String>,
    commands: u32,
    /// Whether the mailbox is selected, to be searched.
    selected: bool,
}

/// Why a message was not delivered, and what that means for the connection.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was gone before anything of the text was said: the same may be tried over another one.
    Gone(NotDelivered),
    /// It may be used again.
    Refused(NotDelivered),
    /// It is not to be used again.
    Over(NotDelivered),
    /// The same, and the message may have been delivered.
    InDoubt(NotDelivered),
}

/// How a command ended, in the server's words.
struct Ended {
    status: Status,
    text: String,
}

/// What a server answers to a command, or to a part of one.
enum Heard {
    Ended(Ended),
    /// It waits for more, and says this.
    Asked(String),
}

/// Why no response came.
#[derive(Debug, thiserror::Error)]
enum NoResponse {
    #[error("{0}")]
    Lost(#[from] io::Error),
    #[error("{0}")]
    Wrong(#[from] NotAResponse),
    #[error("it says goodbye: {0}")]
    Bye(String),
}

impl Session {
    /// Connects and logs in; once more if a token is refused and there is another one.
    pub(super) fn begin(settings: &mut Settings) -> Result<Self, NotDelivered> {
        let mut age = Age::Any;
        loop {
            let shown = settings.by.shown(age)?;
            match Self::begin_by(settings, &shown) {
                Ok(session) => return Ok(session),
                Err(NotBegun::Refused(_)) if shown.renews(age) => age = Age::New,
                Err(failed) => return Err(failed.by(Some(&shown))),
            }
        }
    }

    fn begin_by(settings: &Settings, shown: &Shown) -> Result<Self, NotBegun> {
        let (address, limits) = (&settings.address, settings.limits);
        let link = Link::open(address, &settings.protection, limits.connect)?;
        let mut session = Self::new(link, settings);
        let logged_in = session.greeted()?;
        if let Protection::StartTls(trusted) = &settings.protection {
            if logged_in {
                // STARTTLS is impossible then (RFC 9051 §7.1.4).
                let why = "it knows us before STARTTLS, so there cannot be TLS";
                return Err(session.unusable(why).into());
            }
            session.start_tls()?;
            // What was said in clear is forgotten.
            let link = session.link.begin_tls(address, trusted, limits.connect)?;
            session = Self::new(link, settings);
        }
        if !logged_in {
            session.log_in(settings, shown)?;
        }
        session.ask_capabilities()?;
        Ok(session)
    }

    fn new(link: Link, settings: &Settings) -> Self {
        Self {
            link,
            input: Vec::new(),
            server: settings.address.to_string(),
            limits: settings.limits,
            capabilities: Vec::new(),
            commands: 0,
            selected: false,
        }
    }

    /// Whether the server knows us without a login.
    fn greeted(&mut self) -> Result<bool, NotDelivered> {
        let until = Instant::now() + self.limits.reply;
        let greeting = self.response(until).map_err(|why| self.lost(&why))?;
        let Response::Untagged(text) = greeting else {
            return Err(self.unusable(&NotAResponse::Form.to_string()));
        };
        let (status, _) = text.split_once(' ').unwrap_or((&text, ""));
        match status.to_ascii_uppercase().as_str() {
            "OK" => Ok(false),
            "PREAUTH" => Ok(true),
            _ => Err(self.unusable(&NotAResponse::Form.to_string())),
        }
    }

    fn start_tls(&mut self) -> Result<(), NotDelivered> {
        self.ask_capabilities()?;
        if !self.can("STARTTLS") {
            return Err(self.unusable("it offers no STARTTLS, and mail must not travel in clear"));
        }
        let ended = self
            .ask("STARTTLS", |_| ())
            .map_err(|why| self.lost(&why))?;
        if ended.status != Status::Ok {
            return Err(self.unusable(&format!("it refuses STARTTLS: {}", told(&ended.text))));
        }
        match self.input.is_empty() {
            true => Ok(()),
            false => Err(self.unusable("something came in clear behind its answer to STARTTLS")),
        }
    }

    fn ask_capabilities(&mut self) -> Result<(), NotDelivered> {
        let mut capabilities = Vec::new();
        let ended = self.ask("CAPABILITY", |text| {
            let mut words = text.split_ascii_whitespace().map(str::to_ascii_uppercase);
            if words.next().as_deref() == Some("CAPABILITY") {
                capabilities = words.collect();
            }
        });
        let ended = ended.map_err(|why| self.lost(&why))?;
        match ended.status {
            Status::Ok => self.capabilities = capabilities,
            _ => return Err(self.unusable(&format!("it has no CAPABILITY: {}", told(&ended.text)))),
        }
        Ok(())
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|it| it == capability)
    }

    /// How many messages the mailbox has.
    pub(super) fn messages(&mut self, mailbox: &str) -> Result<u64, NotDelivered> {
        let mut messages = None;
        let ended = self.ask(&format!("STATUS {mailbox} (MESSAGES)"), |text| {
            let upper = text.to_ascii_uppercase();
            if let (true, Some((_, count))) = (
                upper.starts_with("STATUS "),
                upper.rsplit_once("(MESSAGES "),
            ) {
                messages = count.strip_suffix(')').and_then(|it| it.parse().ok());
            }
        });
        let ended = ended.map_err(|why| self.lost(&why))?;
        match (ended.status, messages) {
            (Status::Ok, Some(messages)) => Ok(messages),
            (Status::Ok, None) => {
                Err(self.unusable("it does not say how many messages the mailbox has"))
            }
            _ if passes(&ended) => Err(verdict(&self.server, &ended)),
            // It is not made here: its name is perhaps a slip.
            _ => Err(self.unusable(&format!(
                "is there a mailbox {mailbox}? it answers {}",
                told(&ended.text)
            ))),
        }
    }

    /// Whether the mailbox is known to have a message of this Message-ID and of one of these sizes.
    pub(super) fn has(
        &mut self,
        mailbox: &str,
        id: &str,
        octets: RangeInclusive<u64>,
    ) -> Result<bool, NotDelivered> {
        let Some(id) = words::quoted(id.as_bytes()) else {
            return Ok(false);
        };
        if !self.selected {
            let ended = self.ask(&format!("EXAMINE {mailbox}"), |_| ());
            let ended = ended.map_err(|why| self.lost(&why))?;
            self.selected = ended.status == Status::Ok;
        }
        let mut found = false;
        let command = format!(
            "UID SEARCH HEADER Message-ID {id} LARGER {} SMALLER {}",
            octets.start().saturating_sub(1),
            octets.end() + 1
        );
        let ended = self.ask(&command, |text| {
            let mut words = text.split_ascii_whitespace();
            let is_search = words
                .next()
                .is_some_and(|it| it.eq_ignore_ascii_case("SEARCH"));
            found |= is_search && words.next().is_some();
        });
        let ended = ended.map_err(|why| self.lost(&why))?;
        // A server that cannot search is none that cannot take mail.
        Ok(found && ended.status == Status::Ok)
    }

    /// Appends a message.
    pub(super) fn append(
        &mut self,
        mailbox: &str,
        flags: &str,
        received: Option<SystemTime>,
        text: &mut Text,
    ) -> Result<(), Trouble> {
        let octets = text.octets().0;
        let unasked = self.can("LITERAL+") && octets <= UNASKED_OCTETS_MAX;
        let date = received.and_then(words::date_time);
        let date = date.map(|date| format!("{date} ")).unwrap_or_default();
        let plus = if unasked { "+" } else { "" };
        let command = format!("APPEND {mailbox} {flags}{date}{{{octets}{plus}}}");
        let tag = self
            .say(&command)
            .map_err(|why| Trouble::Gone(self.lost(&why)))?;
        if !unasked {
            let until = Instant::now() + self.limits.reply;
            match self.ended(&tag, until, |_| ()) {
                Ok(None) => {}
                Ok(Some(ended)) => return Err(Trouble::Refused(verdict(&self.server, &ended))),
                Err(why) => return Err(Trouble::Gone(self.lost(&why))),
            }
        }
        self.text(&tag, text)?;
        let until = Instant::now() + self.limits.end;
        let ended = match self.ended(&tag, until, |_| ()) {
            Ok(Some(ended)) => ended,
            Ok(None) => return Err(self.in_doubt("it wants more than was promised")),
            Err(why) => return Err(self.in_doubt(&why.to_string())),
        };
        match ended.status {
            Status::Ok => Ok(()),
            _ => Err(Trouble::Refused(verdict(&self.server, &ended))),
        }
    }

    /// The literal, and the end of the command.
    fn text(&mut self, tag: &str, text: &mut Text) -> Result<(), Trouble> {
        let said = (self.link).say(text, self.limits.block, |block, out| {
            out.extend_from_slice(block)
        });
        let mut out = match said {
            Ok(out) => out,
            Err(Unsaid::Spool(error)) => {
                let why = NotDelivered::io("the spool cannot be read", &error);
                return Err(Trouble::Over(why));
            }
            // A server that closes in the middle of a text may have said why.
            Err(Unsaid::Link(error)) => {
                let said = self.ended(tag, Instant::now() + SHORT, |_| ());
                return Err(Trouble::Over(match said {
                    Ok(Some(ended)) if ended.status != Status::Ok => verdict(&self.server, &ended),
                    _ => self.lost(&error.into()),
                }));
            }
        };
        out.extend_from_slice(b"\r\n");
        // Whatever happens from here on, the end may have arrived.
        self.link
            .write(&out, self.limits.block)
            .map_err(|error| self.in_doubt(&error.to_string()))
    }

    fn in_doubt(&self, why: &str) -> Trouble {
        Trouble::InDoubt(NotDelivered::NotNow(format!(
            "{}: no answer to the message came, so it may have been delivered: {why}",
            self.server
        )))
    }

    /// For how long nothing was said.
    pub(super) fn idle(&self) -> Duration {
        self.link.idle()
    }

    /// Says goodbye, whether anybody listens or not.
    pub(super) fn quit(&mut self) {
        if let Ok(tag) = self.say("LOGOUT") {
            let until = Instant::now() + SHORT;
            // The first answer is BYE, which ends the wait as well as any.
            let _ = self.ended(&tag, until, |_| ());
        }
    }

    /// A whole command that no literal is in.
    fn ask(&mut self, command: &str, untagged: impl FnMut(&str)) -> Result<Ended, NoResponse> {
        let tag = self.say(command)?;
        let until = Instant::now() + self.limits.reply;
        match self.ended(&tag, until, untagged)? {
            Some(ended) => Ok(ended),
            None => Err(NotAResponse::Form.into()),
        }
    }

    /// Sends a command; its tag.
    fn say(&mut self, command: &str) -> Result<String, NoResponse> {
        self.commands = self.commands.wrapping_add(1);
        let tag = format!("r{}", self.commands);
        let line = Zeroizing::new(format!("{tag} {command}\r\n"));
        self.link.write(line.as_bytes(), self.limits.reply)?;
        Ok(tag)
    }

    /// Waits for the end of a command, or for the server to wait for more of it: none then.
    fn ended(
        &mut self,
        tag: &str,
        until: Instant,
        untagged: impl FnMut(&str),
    ) -> Result<Option<Ended>, NoResponse> {
        Ok(match self.heard(tag, until, untagged)? {
            Heard::Ended(ended) => Some(ended),
            Heard::Asked(_) => None,
        })
    }

    /// The same, with what the server asks.
    fn heard(
        &mut self,
        tag: &str,
        until: Instant,
        mut untagged: impl FnMut(&str),
    ) -> Result<Heard, NoResponse> {
        loop {
            match self.response(until)? {
                Response::Untagged(text) => untagged(&text),
                Response::Continue(text) => return Ok(Heard::Asked(text)),
                Response::Tagged {
                    tag: whose,
                    status,
                    text,
                } if whose == tag => {
                    return Ok(Heard::Ended(Ended { status, text }));
                }
                Response::Tagged { .. } => return Err(NotAResponse::Form.into()),
            }
        }
    }

    fn response(&mut self, until: Instant) -> Result<Response, NoResponse> {
        loop {
            match Response::take(&mut self.input)? {
                Some(Response::Untagged(text)) if is_bye(&text) => {
                    return Err(NoResponse::Bye(told(text.get(4..).unwrap_or_default())));
                }
                Some(response) => return Ok(response),
                // A server that talks without end is read up to the instant, and no further.
                None => self.link.read(&mut self.input, until)?,
            }
        }
    }

    fn lost(&self, why: &NoResponse) -> NotDelivered {
        match why {
            NoResponse::Lost(_) | NoResponse::Bye(_) => {
                NotDelivered::NotNow(format!("{}: {why}", self.server))
            }
            NoResponse::Wrong(_) => self.unusable(&why.to_string()),
        }
    }

    fn unusable(&self, why: &str) -> NotDelivered {
        NotDelivered::Unusable(format!("{}: {why}", self.server))
    }
}

fn is_bye(text: &str) -> bool {
    let (word, _) = text.split_once(' ').unwrap_or((text, ""));
    word.eq_ignore_ascii_case("BYE")
}

/// Whether a refusal says that it passes (RFC 5530 §3, RFC 9208 §4.3).
fn passes(ended: &Ended) -> bool {
    let code = code(&ended.text);
    let passing = [
        "UNAVAILABLE",
        "INUSE",
        "SERVERBUG",
        "OVERQUOTA",
        "EXPUNGEISSUED",
        "CONTACTADMIN",
    ];
    code.is_some_and(|code| passing.contains(&code.as_str()))
}

/// What a refusal means for a message.
fn verdict(server: &str, ended: &Ended) -> NotDelivered {
    let why = format!("{server}: it answers {}", told(&ended.text));
    match (ended.status, code(&ended.text).as_deref()) {
        (
            _,
            Some("TRYCREATE" | "NONEXISTENT" | "NOPERM" | "PRIVACYREQUIRED" | "CANNOT" | "EXPIRED"),
        ) => NotDelivered::Unusable(why),
        (_, Some("TOOBIG" | "LIMIT" | "UNKNOWN-CTE" | "CLIENTBUG")) => NotDelivered::Refused(why),
        // It cannot make anything of this message; mailbox and flags were understood before.
        (Status::Bad, _) => NotDelivered::Refused(why),
        (Status::No | Status::Ok, _) => NotDelivered::NotNow(why),
    }
}
