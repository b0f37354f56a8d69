//! Transcripts: dialogues as the RFCs print them, played against the server's session.
//!
//! The first line is a comment that says what is shown and which clause asks for it. Set-up lines
//! follow, then the dialogue:
//!
//! ```text
//! # DELE hides a message from LIST. RFC 1939 §5.
//! maildrop mrose: 120 200
//! S: +OK POP3 server ready <1.2@mailgate.dobbs.org>
//! C: USER mrose
//! ```
//!
//! | dialogue | |
//! |---|---|
//! | `S: TEXT` | a line of the server's, with CRLF |
//! | `S: <the text of message 1>` | the lines of that message, dot-stuffed |
//! | `C: TEXT` | a line of the client's, with CRLF |
//! | `C- TEXT` | octets of the client's, without a line end |
//! | `* TLS starts` | the handshake; all input up to here was consumed |
//! | `* closed` | the server closes the connection |
//! | `* cut` | the server cuts it in the middle of a text |
//! | `* lost` | the client is gone without QUIT |
//! | `* client: ADDR=192.0.2.7` | a front end has said this of its client; nothing: it has not |
//! | `* hidden: 2` | these are hidden from sessions, by the same numbers |
//! | `* left: 1 3` | these messages are in the maildrop, by their numbers at the beginning |
//!
//! In every TEXT `\r`, `\n`, `\0`, `\\` and `\xHH` stand for octets and `\(600 a)` for six hundred
//! times `a`.
//!
//! | set-up | what is there without it |
//! |---|---|
//! | `maildrop USER: 120 200` | no account; texts of these sizes are made up |
//! | `message 1:`, then lines `\| TEXT` | the made-up text |
//! | `message 1 octets: 5000000000` | the size of the text |
//! | `message 1 fails: SYS/TEMP` | it can be read |
//! | `message 1 fails after: 40` | it can be read |
//! | `unique-ids: a b` | `id-1 id-2` and so on |
//! | `password: TEXT` | `secret` |
//! | `digest: HEX` | no APOP |
//! | `token: TEXT` | no token is good for the account |
//! | `opening fails: IN-USE` | the maildrop can be opened |
//! | `commit fails: SYS/TEMP` | messages can be deleted |
//! | `disposition: hide` | what is deleted is deleted; else it is hidden, `keep`, or `read-only` |
//! | `shown: 2` | a session sees all messages, not the newest so many |
//! | `hidden: 1 3` | sessions see all messages |
//! | `expire: 30` | `NEVER`; for the account, by its own CAPA |
//! | `least expire: 30` | accounts do not differ; before a login |
//! | `accounts unreadable` | it can be said how long mail is kept |
//! | `channel: tls` | plain |
//! | `passwords: after tls` | accepted |
//! | `stls: offered` | not offered |
//! | `front end` | the other side speaks for itself |
//! | `forwarded passwords: after tls` | as before: `accepted` or not |
//! | `forwarded client is turned away` | there is a place for it |
//! | `mechanisms: SCRAM-SHA-256 PLAIN` | `PLAIN` |
//! | `tls-exporter: TEXT` | the TLS channel has no such name |
//! | `tls-server-end-point: TEXT` | nor such a one |
//! | `certificate: USER` | the client shows no certificate inside TLS |
//! | `scope: TEXT`, `openid-configuration: TEXT` | nothing is said about tokens |
//! | `lookup fails: SYS/TEMP` | SCRAM verifiers can be looked up |
//! | `timestamp: <…>` | `<1.2@mailgate.dobbs.org>` |
//! | `command octets: 255` | 512 |
//! | `utf8 messages: refuse` | surrogates are sent |
//! | `tolerances: +last -bare_lf` | as by default |
//! | `login delay: 300` | clients may log in as often as they like |
//! | `language: de` | what `LANG *` chooses is English |
//! | `crlf only` | played with bare LF too |
//!
//! SCRAM verifiers are made of the password with 4096 iterations and the salt `the salt of USER`;
//! the nonces are those of a seed of zeros: `83UYCrqSiIQB8ZGb5KhxWmJ2`, `pKEc5fvo+WvzAoA1KGwsknTN` and so on.
//!
//! What belongs to an account or a message belongs to the last `maildrop` line before it. Each
//! transcript is played line by line, octet by octet, all at once, split in two at every octet,
//! with bare LF, and with little room for output; the octets that come back must be the same.
//! All at once ends at each `*` line, since what follows STLS must wait for the handshake
//! (RFC 2595 §4).

use std::fmt::Write as _;
use std::path::Path;

use pop3::reply::Refusal;
use pop3::server::{Channel, Connection, Passwords, Rules, Sasl, Settings, Stls, Utf8Messages};
use pop3::xclient::Speaker;
use pop3::{Disposition, Expire, Language, Promise, Tolerance, UniqueId, wire};
use sasl::nonce::Nonces;
use sasl::{Mechanism, Secret};

use crate::driver::{Account, Conduct, Driver, Message, Reading, Standing, settings};

/// A transcript, read.
pub struct Transcript {
    settings: Settings,
    connection: Connection,
    accounts: Vec<Account>,
    conduct: Option<Conduct>,
    looking_up: Option<Refusal>,
    crlf_only: bool,
    steps: Vec<Step>,
}

enum Step {
    Server(Vec<u8>),
    Client { octets: Vec<u8>, is_line: bool },
    Mark(Mark),
}

#[derive(Clone, Debug)]
enum Mark {
    TlsStarts,
    Closed,
    Cut,
    Lost,
    Hidden(Vec<usize>),
    Left(Vec<usize>),
    Client(String),
}

/// In which pieces the client's octets come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pieces {
    Lines,
    LinesWithBareLf,
    Octets,
    AtOnce,
    /// Two, each segment between marks split here.
    Split(usize),
}

/// Whether a transcript says in its first line what it shows, and which clause asks for it.
pub(crate) fn headed(text: &str) -> Result<(), String> {
    let first = text.lines().next().unwrap_or_default();
    match first.starts_with("# ") && first.contains("RFC ") && first.ends_with('.') {
        true => Ok(()),
        false => Err("line 1: must say what is shown and which clause of an RFC asks".into()),
    }
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
            settings: settings(),
            connection: Connection {
                channel: Channel::Plain,
                passwords: Passwords::Accepted,
                stls: Stls::NotOffered,
                speaker: Speaker::Client,
                timestamp: "<1.2@mailgate.dobbs.org>".into(),
                expire: Promise::All(Expire::Never),
                sasl: Sasl::new(Nonces::new([0; 32])),
            },
            accounts: Vec::new(),
            conduct: None,
            looking_up: None,
            crlf_only: false,
            steps: Vec::new(),
        };
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            // The text of a message is on the lines after its set-up line.
            let mut text = Vec::new();
            while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with('|')) {
                let line = &line[1..];
                unescape(line.strip_prefix(' ').unwrap_or(line), &mut text)
                    .ok_or_else(|| format!("line {}: escape", index + 2))?;
                text.extend_from_slice(b"\r\n");
            }
            transcript
                .line(line, text)
                .ok_or_else(|| format!("line {}: not understood: {line}", index + 1))?;
        }
        Ok(transcript)
    }

    fn line(&mut self, line: &str, text: Vec<u8>) -> Option<()> {
        if line.is_empty() || line.starts_with('#') {
            return Some(());
        }
        if let Some(line) = line.strip_prefix("S:") {
            let line = line.strip_prefix(' ').unwrap_or(line);
            let mut octets = Vec::new();
            match line.strip_prefix("<the text of message ") {
                Some(rest) => {
                    let number: usize = rest.strip_suffix('>')?.parse().ok()?;
                    let message = self.accounts.last()?.messages.get(number.checked_sub(1)?)?;
                    wire::stuff(&message.text, &mut octets);
                }
                None => {
                    unescape(line, &mut octets)?;
                    octets.extend_from_slice(b"\r\n");
                }
            }
            self.steps.push(Step::Server(octets));
            return Some(());
        }
        if let Some(line) = line.strip_prefix("C:") {
            let mut octets = Vec::new();
            unescape(line.strip_prefix(' ').unwrap_or(line), &mut octets)?;
            octets.extend_from_slice(b"\r\n");
            let is_line = true;
            self.steps.push(Step::Client { octets, is_line });
            return Some(());
        }
        if let Some(line) = line.strip_prefix("C- ") {
            let mut octets = Vec::new();
            unescape(line, &mut octets)?;
            let is_line = false;
            self.steps.push(Step::Client { octets, is_line });
            return Some(());
        }
        if let Some(mark) = line.strip_prefix("* ") {
            self.steps.push(Step::Mark(match mark {
                "TLS starts" => Mark::TlsStarts,
                "closed" => Mark::Closed,
                "cut" => Mark::Cut,
                "lost" => Mark::Lost,
                _ if mark.starts_with("client:") => {
                    Mark::Client(mark.trim_start_matches("client:").to_owned())
                }
                _ => match mark.split_once(':')? {
                    ("hidden", list) => Mark::Hidden(numbers(list)?),
                    ("left", list) => Mark::Left(numbers(list)?),
                    _ => return None,
                },
            }));
            return Some(());
        }
        self.steps.is_empty().then_some(())?;
        self.set_up(line, text)
    }

    fn set_up(&mut self, line: &str, text: Vec<u8>) -> Option<()> {
        let (key, value) = match line.split_once(':') {
            Some((key, value)) => (key, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        let words: Vec<&str> = key.split(' ').collect();
        match words[..] {
            ["maildrop", user] => {
                let messages = value
                    .split_whitespace()
                    .enumerate()
                    .map(|(index, octets)| {
                        let octets = octets.parse().ok()?;
                        Some(Message {
                            text: made_up(index + 1, octets)?,
                            octets: octets as u64,
                            unique_id: UniqueId::new(format!("id-{}", index + 1).into_bytes())?,
                            reading: Reading::Works,
                            hidden: false,
                        })
                    })
                    .collect::<Option<_>>()?;
                self.accounts.push(Account {
                    user: user.to_owned(),
                    password: Secret::new("secret"),
                    digest: None,
                    token: None,
                    opening: None,
                    committing: None,
                    rules: Rules::default(),
                    shown: usize::MAX,
                    messages,
                });
            }
            ["message", number, ref rest @ ..] => {
                let index = number.parse::<usize>().ok()?.checked_sub(1)?;
                let message = self.accounts.last_mut()?.messages.get_mut(index)?;
                match *rest {
                    [] => {
                        message.octets = text.len() as u64;
                        message.text = text;
                    }
                    ["octets"] => message.octets = value.parse().ok()?,
                    ["fails"] => message.reading = Reading::Fails(refusal(value)?),
                    ["fails", "after"] => {
                        message.reading = Reading::FailsAfter(value.parse().ok()?);
                    }
                    _ => return None,
                }
            }
            ["unique-ids"] => {
                let messages = &mut self.accounts.last_mut()?.messages;
                for (message, id) in messages.iter_mut().zip(value.split_whitespace()) {
                    message.unique_id = UniqueId::new(id.as_bytes())?;
                }
            }
            ["password"] => {
                self.accounts.last_mut()?.password = Secret::new(octets(value)?);
            }
            ["digest"] => {
                let digest = u128::from_str_radix(value, 16).ok()?.to_be_bytes();
                self.accounts.last_mut()?.digest = Some(digest);
            }
            ["opening", "fails"] => self.accounts.last_mut()?.opening = Some(refusal(value)?),
            ["commit", "fails"] => self.accounts.last_mut()?.committing = Some(refusal(value)?),
            ["expire"] => {
                let expire = expire(value)?;
                // One account alone does not differ from the others.
                if let Promise::All(_) = self.connection.expire {
                    self.connection.expire = Promise::All(expire);
                }
                self.accounts.last_mut()?.rules.expire = expire;
            }
            ["disposition"] => {
                self.accounts.last_mut()?.rules.disposition = match value {
                    "delete" => Disposition::Delete,
                    "hide" => Disposition::Hide,
                    "keep" => Disposition::Keep,
                    "read-only" => Disposition::ReadOnly,
                    _ => return None,
                };
            }
            ["shown"] => self.accounts.last_mut()?.shown = value.parse().ok()?,
            ["hidden"] => {
                let messages = &mut self.accounts.last_mut()?.messages;
                for number in value.split_whitespace() {
                    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
                    messages.get_mut(index)?.hidden = true;
                }
            }
            ["token"] => self.accounts.last_mut()?.token = Some(Secret::new(octets(value)?)),
            ["mechanisms"] => {
                self.connection.sasl.mechanisms = value
                    .split_whitespace()
                    .map(|name| Mechanism::named(name.as_bytes()))
                    .collect::<Option<_>>()?;
            }
            ["tls-exporter"] => {
                self.connection.sasl.bindings.tls_exporter = Some(octets(value)?);
            }
            ["tls-server-end-point"] => {
                self.connection.sasl.bindings.tls_server_end_point = Some(octets(value)?);
            }
            ["certificate"] => self.connection.sasl.certificate = Some(value.to_owned()),
            ["scope"] => self.connection.sasl.hints.scope = Some(value.to_owned()),
            ["openid-configuration"] => {
                self.connection.sasl.hints.openid_configuration = Some(value.to_owned());
            }
            ["lookup", "fails"] => self.looking_up = Some(refusal(value)?),
            ["least", "expire"] => self.connection.expire = Promise::Least(expire(value)?),
            ["accounts", "unreadable"] => self.connection.expire = Promise::Unknown,
            ["channel"] if value == "tls" => self.connection.channel = Channel::Tls,
            ["passwords"] if value == "after tls" => {
                self.connection.passwords = Passwords::AfterTls;
            }
            ["stls"] if value == "offered" => self.connection.stls = Stls::Offered,
            ["timestamp"] => self.connection.timestamp = value.to_owned(),
            ["command", "octets"] => self.settings.command_octets_max = value.parse().ok()?,
            ["utf8", "messages"] if value == "refuse" => {
                self.settings.utf8_messages = Utf8Messages::Refuse;
            }
            ["tolerances"] => {
                for word in value.split_whitespace() {
                    let (switch, name) = word.split_at_checked(1)?;
                    let tolerance = Tolerance::named(name)?;
                    self.settings.tolerances = match switch {
                        "+" => self.settings.tolerances.with(tolerance),
                        "-" => self.settings.tolerances.without(tolerance),
                        _ => return None,
                    };
                }
            }
            ["login", "delay"] => self.settings.login_delay = Some(value.parse().ok()?),
            ["language"] => self.settings.language = Language::tagged(value)?,
            ["crlf", "only"] => self.crlf_only = true,
            ["front", "end"] => self.connection.speaker = Speaker::FrontEnd,
            ["forwarded", "passwords"] => {
                self.conduct = Some(Conduct::Admit(match value {
                    "accepted" => Passwords::Accepted,
                    "after tls" => Passwords::AfterTls,
                    _ => return None,
                }));
            }
            ["forwarded", "client", "is", "turned", "away"] => {
                self.conduct = Some(Conduct::TurnAway);
            }
            _ => return None,
        }
        Some(())
    }

    /// Plays it every way. Returns how often that was.
    ///
    /// # Errors
    ///
    /// What came back that should not have, or did not that should have.
    pub fn play(&self) -> Result<usize, String> {
        let mut pieces = vec![Pieces::Lines, Pieces::Octets, Pieces::AtOnce];
        if !self.crlf_only {
            pieces.push(Pieces::LinesWithBareLf);
        }
        let longest = self.longest_segment();
        // Every octet of an ordinary dialogue; every so many of one with very long lines.
        let stride = longest.div_ceil(600).max(1);
        pieces.extend((1..longest).step_by(stride).map(Pieces::Split));
        for &pieces in &pieces {
            self.play_in(pieces, self.settings.output_octets_max)
                .map_err(|what| format!("{pieces:?}: {what}"))?;
        }
        self.play_in(Pieces::AtOnce, 0)
            .map_err(|what| format!("AtOnce, little output: {what}"))?;
        Ok(pieces.len() + 1)
    }

    fn play_in(&self, pieces: Pieces, output_octets_max: usize) -> Result<(), String> {
        let settings = Settings {
            output_octets_max,
            ..self.settings.clone()
        };
        let mut driver = Driver::new(settings, self.connection.clone(), self.accounts.clone());
        if let Some(conduct) = self.conduct {
            driver.set_conduct(conduct);
        }
        driver.fail_lookups(self.looking_up);
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for step in &self.steps {
            match step {
                Step::Server(octets) => expected.extend_from_slice(octets),
                Step::Client { octets, is_line } => match pieces {
                    Pieces::AtOnce | Pieces::Split(_) => sent.extend_from_slice(octets),
                    Pieces::Lines | Pieces::LinesWithBareLf | Pieces::Octets => {
                        compare(&driver.said(), &std::mem::take(&mut expected))?;
                        if pieces == Pieces::LinesWithBareLf && *is_line {
                            driver.receive(&octets[..octets.len() - 2]);
                            driver.receive(b"\n");
                        } else if pieces == Pieces::Octets {
                            for octet in octets {
                                driver.receive(&[*octet]);
                            }
                        } else {
                            driver.receive(octets);
                        }
                    }
                },
                Step::Mark(mark) => {
                    receive(&mut driver, &std::mem::take(&mut sent), pieces);
                    compare(&driver.said(), &std::mem::take(&mut expected))?;
                    self.check(mark, &mut driver)?;
                }
            }
        }
        receive(&mut driver, &sent, pieces);
        compare(&driver.said(), &expected)
    }

    fn check(&self, mark: &Mark, driver: &mut Driver) -> Result<(), String> {
        let standing = driver.standing();
        let fits = match mark {
            Mark::TlsStarts if standing == Standing::BeforeTls => {
                driver.start_tls();
                true
            }
            Mark::TlsStarts => false,
            Mark::Closed => standing == Standing::Closed,
            Mark::Cut => standing == Standing::Cut,
            Mark::Lost => standing == Standing::Open,
            Mark::Client(said) => driver.client() == *said,
            Mark::Left(numbers) | Mark::Hidden(numbers) => {
                let before = self.accounts.last().map_or(&[][..], |a| &a.messages);
                let after = driver.accounts().last().map_or(&[][..], |a| &a.messages);
                let counts = |message: &&Message| message.hidden || matches!(mark, Mark::Left(_));
                let expected: Vec<_> = numbers
                    .iter()
                    .filter_map(|number| before.get(number - 1))
                    .map(|message| &message.unique_id)
                    .collect();
                let found = after.iter().filter(counts);
                let found: Vec<_> = found.map(|message| &message.unique_id).collect();
                numbers.len() == expected.len() && found == expected
            }
        };
        match fits {
            true => Ok(()),
            false => Err(format!("{mark:?} expected; the connection is {standing:?}")),
        }
    }

    /// Octets of the longest piece that may be sent at once.
    fn longest_segment(&self) -> usize {
        let (mut longest, mut octets) = (0, 0);
        for step in &self.steps {
            match step {
                Step::Server(_) => {}
                Step::Client { octets: more, .. } => octets += more.len(),
                Step::Mark(_) => octets = 0,
            }
            longest = longest.max(octets);
        }
        longest
    }

    /// Every line that the server is expected to say.
    pub fn server_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.steps.iter().filter_map(|step| match step {
            Step::Server(octets) => Some(&octets[..]),
            _ => None,
        })
    }
}

/// Feeds what is sent at once, or in two.
fn receive(driver: &mut Driver, sent: &[u8], pieces: Pieces) {
    match pieces {
        Pieces::Split(place) => {
            let (first, second) = sent.split_at(place.min(sent.len()));
            driver.receive(first);
            driver.receive(second);
        }
        _ => driver.receive(sent),
    }
}

fn compare(found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let mut what = String::from("not the same octets\n");
    let found: Vec<_> = found.split_inclusive(|&octet| octet == b'\n').collect();
    let expected: Vec<_> = expected.split_inclusive(|&octet| octet == b'\n').collect();
    let differing = (0..)
        .find(|&index| found.get(index) != expected.get(index))
        .unwrap_or(0);
    for (name, lines) in [("expected", &expected), ("found", &found)] {
        let line = lines
            .get(differing)
            .map_or_else(|| "nothing".into(), |line| line.escape_ascii().to_string());
        let _ = writeln!(what, "{name:>8}, line {}: {line}", differing + 1);
    }
    Err(what)
}

/// The response code's refusal.
fn refusal(code: &str) -> Option<Refusal> {
    match code {
        "AUTH" => Some(Refusal::Credentials),
        "IN-USE" => Some(Refusal::InUse),
        "LOGIN-DELAY" => Some(Refusal::TooSoon),
        "SYS/TEMP" => Some(Refusal::Unavailable),
        "SYS/PERM" => Some(Refusal::Damaged),
        _ => None,
    }
}

/// The argument of EXPIRE.
fn expire(text: &str) -> Option<Expire> {
    match text {
        "0" => Some(Expire::Retrieved),
        "NEVER" => Some(Expire::Never),
        days => Some(Expire::Days(days.parse().ok()?)),
    }
}

/// A text of exactly so many octets, in lines; nothing of a single octet is one.
pub fn made_up(number: usize, octets: usize) -> Option<Vec<u8>> {
    let mut text = format!("Subject: message {number}\r\n\r\n").into_bytes();
    if octets < text.len() {
        text.clear();
    }
    while text.len() < octets {
        let left = octets - text.len();
        // No line may leave a single octet over, which could not be a line.
        let line = match left {
            1 => return None,
            73 => 40,
            _ => left.min(72),
        };
        text.extend((0..line - 2).map(|place| b'a' + (place % 26) as u8));
        text.extend_from_slice(b"\r\n");
    }
    Some(text)
}

/// Numbers with spaces between.
fn numbers(list: &str) -> Option<Vec<usize>> {
    list.split_whitespace().map(|it| it.parse().ok()).collect()
}

/// The octets of a value.
fn octets(value: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    unescape(value, &mut octets)?;
    Some(octets)
}

pub(crate) fn unescape(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first != b'\\' {
            out.push(*first);
            rest = after;
            continue;
        }
        let (octet, after) = match after {
            [b'r', after @ ..] => (b'\r', after),
            [b'n', after @ ..] => (b'\n', after),
            [b'0', after @ ..] => (0, after),
            [b'\\', after @ ..] => (b'\\', after),
            [b'x', high, low, after @ ..] => {
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).ok()?;
                (u8::from_str_radix(digits, 16).ok()?, after)
            }
            [b'(', after @ ..] => {
                let end = after.iter().position(|&octet| octet == b')')?;
                let (count, what) = str::from_utf8(&after[..end]).ok()?.split_once(' ')?;
                out.extend_from_slice(what.repeat(count.parse().ok()?).as_bytes());
                rest = &after[end + 1..];
                continue;
            }
            _ => return None,
        };
        out.push(octet);
        rest = after;
    }
    Some(())
}
