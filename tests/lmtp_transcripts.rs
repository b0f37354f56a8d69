//! Every file of `transcripts/lmtp` and `transcripts/smtp`, played three ways: line by line, octet by octet, and all at
//! once. The same octets must come out, and the same messages must lie in the maildrops.
//!
//! A transcript begins with `#` lines that say what it shows. Then, one a line:
//!
//! ```text
//! tls offered                         STARTTLS is announced; also: active
//! front end                          the other side may name its client by XCLIENT
//! account bob: bob@dobbs.org bob      an account and the addresses that reach it
//! alias all@dobbs.org: ann bob        with one of these, addresses are looked up as the accounts say,
//!                                    dobbs.org is a domain of ours, and `+` begins a detail
//! disabled joe: joe@dobbs.org         an account that is disabled
//! away ann: ann@dobbs.org             the accounts cannot be asked for these
//! nospace full: full@dobbs.org        delivering to it fails; also: damaged, unavailable
//! quota bob 300                       octets that its maildrop may hold (default: no limit)
//! exceeded permanent                  what is told of more (default: temporary)
//! size 100                            largest message (default 1000000)
//! recipients 2                        most recipients (default 100)
//! C: NOOP                             what the client sends, with CRLF
//! X: NOOP\n                           the same with escapes and without CRLF; \{600 a}: 600 times a
//! S: 250 2.0.0 OK                     what the server says, with CRLF
//! end closed                          the server has closed (default: it has not)
//! = bob 1 of 2                        the first of bob's two messages as it is stored
//! | Return-Path: <>                   a line of it, with CRLF
//! > a\rb\r\n                          the same with escapes, without CRLF
//! = bob 0 of 0                        bob has none
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "a transcript that cannot be read fails the test"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io, mem};

use auth::{Accounts, Addressing, AliasAddress, Password, PasswordHash, Scheme};
use delivery::lmtp::{
    Client, Dialect, Encryption, Message, Next, QuotaExceeded, Recipient, RecipientRefusal,
    Session, Settings,
};
use delivery::{Account, Arrival, NotDelivered, Trace};
use maildrop::{DeliverError, Delivered, MaildropId, Quota};
use pop3::xclient::Speaker;
use pop3::{Octets, UniqueId};

/// Mon, 23 Nov 2026 08:24:39 +0000.
const AT_US: i64 = 1_795_422_279_000_000;

const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/// How an account behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Sound,
    Disabled,
    Away,
    NoSpace,
    Damaged,
    Unavailable,
}

/// A file, read.
struct Transcript {
    settings: Arc<Settings>,
    accounts: BTreeMap<String, (Kind, Vec<String>)>,
    /// The same accounts with the aliases, if there are any.
    book: Option<Book>,
    quotas: BTreeMap<String, u64>,
    speaker: Speaker,
    encryption: Encryption,
    /// What is said, in order.
    lines: Vec<Line>,
    /// Account → stored texts, of those that are spoken of.
    maildrops: BTreeMap<String, Vec<Vec<u8>>>,
    closed: bool,
}

/// Real accounts, for who looks addresses up as the server does.
struct Book {
    accounts: Accounts,
    _data: tempfile::TempDir,
}

impl Book {
    /// The accounts of these names, and aliases: each an address and names.
    fn new<'n>(names: impl Iterator<Item = &'n String>, aliases: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(data.path()).unwrap();
        for name in names {
            let hash = PasswordHash::parse(Scheme::BlfCrypt, BCRYPT).unwrap();
            accounts.add(name, &Password::Hash(hash)).unwrap();
        }
        for (address, names) in aliases {
            let names: Vec<_> = names.split_whitespace().map(String::from).collect();
            let address = AliasAddress::parse(address).unwrap();
            accounts.add_alias(&address, &names).unwrap();
        }
        Self {
            accounts,
            _data: data,
        }
    }

    fn names(&self, address: &str) -> Vec<String> {
        let addressing = Addressing {
            hostname: "mailgate.dobbs.org",
            domains: &["dobbs.org".to_owned()],
            detail_separator: "+",
        };
        let found = self.accounts.recipients(address, &addressing).unwrap();
        found.into_iter().map(|one| one.account).collect()
    }
}

#[derive(Debug)]
enum Line {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// What came of playing one.
#[derive(Debug, Default, Eq, PartialEq)]
struct Outcome {
    out: Vec<u8>,
    maildrops: BTreeMap<String, Vec<Vec<u8>>>,
    closed: bool,
}

impl Transcript {
    fn read(text: &str, dialect: Dialect) -> Self {
        assert!(text.starts_with("# "), "says what it shows");
        let mut settings = Settings {
            dialect,
            hostname: "mailgate.dobbs.org".into(),
            message_octets_max: 1_000_000,
            recipients_max: 100,
            quota_exceeded: QuotaExceeded::Temporary,
        };
        let (mut accounts, mut lines) = (BTreeMap::new(), Vec::new());
        let mut aliases = Vec::new();
        let mut quotas = BTreeMap::new();
        let (mut maildrops, mut closed) = (BTreeMap::<String, Vec<Vec<u8>>>::new(), false);
        let (mut shown, mut speaker) = (String::new(), Speaker::Client);
        let mut encryption = Encryption::None;
        for line in text.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let kind = match key {
                "account" => Some(Kind::Sound),
                "disabled" => Some(Kind::Disabled),
                "away" => Some(Kind::Away),
                "nospace" => Some(Kind::NoSpace),
                "damaged" => Some(Kind::Damaged),
                "unavailable" => Some(Kind::Unavailable),
                _ => None,
            };
            match key {
                _ if kind.is_some() => {
                    let (name, addresses) = value.split_once(':').unwrap();
                    let addresses = addresses.split_whitespace().map(String::from).collect();
                    accounts.insert(name.to_owned(), (kind.unwrap(), addresses));
                }
                "alias" => aliases.push(value.split_once(':').unwrap()),
                "quota" => {
                    let (name, octets) = value.split_once(' ').unwrap();
                    quotas.insert(name.to_owned(), octets.parse().unwrap());
                }
                "tls" if value == "offered" => encryption = Encryption::Offered,
                "tls" if value == "active" => encryption = Encryption::Active,
                "front" if value == "end" => speaker = Speaker::FrontEnd,
                "exceeded" if value == "permanent" => {
                    settings.quota_exceeded = QuotaExceeded::Permanent;
                }
                "size" => settings.message_octets_max = value.parse().unwrap(),
                "recipients" => settings.recipients_max = value.parse().unwrap(),
                "C:" => lines.push(Line::Client(format!("{value}\r\n").into())),
                "X:" => lines.push(Line::Client(unescape(value))),
                "S:" => lines.push(Line::Server(format!("{value}\r\n").into())),
                "end" => closed = value == "closed",
                "=" => {
                    let [name, number, "of", count] = value.split(' ').collect::<Vec<_>>()[..]
                    else {
                        panic!("{line}");
                    };
                    shown = name.to_owned();
                    let texts = maildrops.entry(shown.clone()).or_default();
                    if number != "0" {
                        texts.push(Vec::new());
                    }
                    assert_eq!(texts.len().to_string(), number, "{line}");
                    assert!(number.parse::<u32>().unwrap() <= count.parse().unwrap());
                }
                "|" | ">" => {
                    let texts = maildrops.get_mut(&shown).unwrap();
                    texts.last_mut().unwrap().extend(match key {
                        "|" => format!("{value}\r\n").into_bytes(),
                        _ => unescape(value),
                    });
                }
                "" | "#" => {}
                _ => panic!("not understood: {line}"),
            }
        }
        Self {
            settings: Arc::new(settings),
            book: (!aliases.is_empty()).then(|| Book::new(accounts.keys(), &aliases)),
            accounts,
            quotas,
            speaker,
            encryption,
            lines,
            maildrops,
            closed,
        }
    }

    fn expected(&self) -> Outcome {
        let said = self.lines.iter().filter_map(|line| match line {
            Line::Server(octets) => Some(&octets[..]),
            Line::Client(_) => None,
        });
        Outcome {
            out: said.collect::<Vec<_>>().concat(),
            maildrops: self.maildrops.clone(),
            closed: self.closed,
        }
    }

    fn sent(&self) -> Vec<u8> {
        let sent = self.lines.iter().filter_map(|line| match line {
            Line::Client(octets) => Some(&octets[..]),
            Line::Server(_) => None,
        });
        sent.collect::<Vec<_>>().concat()
    }

    /// Line by line: what is expected of the server before a line is sent must have been said.
    fn play_lines(&self) -> Outcome {
        let (mut driver, mut expected) = (Driver::new(self), Vec::new());
        for line in &self.lines {
            match line {
                Line::Client(octets) => driver.feed(octets),
                Line::Server(octets) => {
                    expected.extend_from_slice(octets);
                    assert!(
                        driver.outcome.out.starts_with(&expected),
                        "expected so far:\n{}\nsaid:\n{}",
                        show(&expected),
                        show(&driver.outcome.out)
                    );
                }
            }
        }
        driver.end()
    }

    fn play(&self, octets: usize) -> Outcome {
        let mut driver = Driver::new(self);
        let sent = self.sent();
        // A client waits for the answer before it begins TLS, however it cuts what it sends.
        let mut rest = &sent[..];
        while let Some(at) = memmem(rest, b"\r\nSTARTTLS\r\n") {
            let (before, behind) = rest.split_at(at + STARTTLS_OCTETS);
            before.chunks(octets).for_each(|piece| driver.feed(piece));
            rest = behind;
        }
        rest.chunks(octets).for_each(|piece| driver.feed(piece));
        driver.end()
    }
}

const STARTTLS_OCTETS: usize = b"\r\nSTARTTLS\r\n".len();

/// Where `needle` begins.
fn memmem(octets: &[u8], needle: &[u8]) -> Option<usize> {
    octets
        .windows(needle.len())
        .position(|window| window == needle)
}

/// The octets that a line with escapes means.
fn unescape(text: &str) -> Vec<u8> {
    let (mut octets, mut rest) = (Vec::new(), text);
    while let Some((plain, escape)) = rest.split_once('\\') {
        octets.extend_from_slice(plain.as_bytes());
        let (kind, after) = escape.split_at(1);
        rest = after;
        match kind {
            "r" => octets.push(b'\r'),
            "n" => octets.push(b'\n'),
            "0" => octets.push(0),
            "\\" => octets.push(b'\\'),
            "x" => {
                let (digits, after) = rest.split_at(2);
                octets.push(u8::from_str_radix(digits, 16).unwrap());
                rest = after;
            }
            "{" => {
                let (inner, after) = rest.split_once('}').unwrap();
                let (count, what) = inner.split_once(' ').unwrap();
                octets.extend(unescape(what).repeat(count.parse().unwrap()));
                rest = after;
            }
            _ => panic!("not an escape: {text}"),
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

/// What the server does around a session, in memory.
struct Driver<'a> {
    transcript: &'a Transcript,
    session: Session,
    input: Vec<u8>,
    text: Vec<u8>,
    draft: Vec<u8>,
    outcome: Outcome,
}

impl<'a> Driver<'a> {
    fn new(transcript: &'a Transcript) -> Self {
        let client = Client {
            address: "192.0.2.1".into(),
            speaker: transcript.speaker,
            encryption: transcript.encryption,
        };
        let session = Session::new(transcript.settings.clone(), client);
        let mut outcome = Outcome::default();
        session.greeting(&mut outcome.out);
        Self {
            transcript,
            session,
            input: Vec::new(),
            text: Vec::new(),
            draft: Vec::new(),
            outcome,
        }
    }

    fn feed(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        while !self.outcome.closed {
            let out = &mut self.outcome.out;
            let step = self.session.handle(&self.input, out, &mut self.text);
            self.input.drain(..step.consumed);
            self.draft.append(&mut self.text);
            match step.next {
                Next::Read => return,
                // What the session makes of it shows in what it delivers.
                Next::Text | Next::Forwarded(_) => {}
                Next::Discard => self.draft.clear(),
                // What came in clear behind it counts for nothing.
                Next::StartTls if !self.input.is_empty() => self.outcome.closed = true,
                Next::StartTls => {
                    let client = Client {
                        address: String::new(),
                        speaker: Speaker::Client,
                        encryption: Encryption::None,
                    };
                    let other = Session::new(self.transcript.settings.clone(), client);
                    self.session = mem::replace(&mut self.session, other).secured();
                }
                Next::Close => self.outcome.closed = true,
                Next::Resolve { address, octets } => {
                    let recipient = self.resolve(&address, octets);
                    self.session.resolved(recipient, &mut self.outcome.out);
                }
                Next::Deliver(message) => {
                    let results = self.deliver(&message);
                    self.session.delivered(&results, &mut self.outcome.out);
                }
            }
        }
    }

    fn resolve(&self, address: &str, octets: u64) -> Result<Recipient, RecipientRefusal> {
        let all = &self.transcript.accounts;
        let names = match &self.transcript.book {
            Some(book) => book.names(address),
            None => all
                .iter()
                .filter(|(_, (_, addresses))| addresses.iter().any(|a| a == address))
                .map(|(name, _)| name.clone())
                .collect(),
        };
        let mut accounts = Vec::new();
        for name in names {
            match all[&name].0 {
                Kind::Disabled => return Err(RecipientRefusal::Disabled),
                Kind::Away => return Err(RecipientRefusal::Unavailable),
                _ if !self.fits(&name, octets) => return Err(RecipientRefusal::Full),
                _ => accounts.push(Account {
                    maildrop: MaildropId(accounts.len() as u64),
                    quota: Quota {
                        octets: self.transcript.quotas.get(&name).copied(),
                        messages: None,
                    },
                    name,
                }),
            }
        }
        let address = address.into();
        match accounts.is_empty() {
            true => Err(RecipientRefusal::Unknown),
            false => Ok(Recipient { address, accounts }),
        }
    }

    fn fits(&self, account: &str, octets: u64) -> bool {
        let texts = self.outcome.maildrops.get(account);
        // No text of a transcript with a quota begins a line with a dot.
        let held: usize = texts.into_iter().flatten().map(Vec::len).sum();
        let quota = self.transcript.quotas.get(account);
        quota.is_none_or(|most| held as u64 + octets <= *most)
    }

    fn deliver(&mut self, message: &Message) -> Vec<Result<Delivered, DeliverError>> {
        let text = mem::take(&mut self.draft);
        let measure = message.measure;
        assert_eq!(
            measure.octets + u64::from(measure.stuffed),
            text.len() as u64
        );
        let arrival = Arrival {
            sender: Some(&message.sender),
            trace: Trace::Transfer {
                received: &message.received,
                authentication_results: "",
            },
            at_us: AT_US,
        };
        let mut results = Vec::new();
        for recipient in &message.recipients {
            let stored = [&arrival.prefix(&recipient.address)[..], &text].concat();
            let octets = stored.len() as u64 - u64::from(measure.stuffed);
            let mut accounts = recipient.accounts.iter().map(|account| &account.name);
            results.push(match accounts.all(|name| self.fits(name, octets)) {
                true => self.deliver_to(recipient, &stored, octets),
                false => Err(DeliverError::OverQuota),
            });
        }
        results
    }

    /// To each account of one recipient, as `delivery::deliver` does it.
    fn deliver_to(
        &mut self,
        recipient: &Recipient,
        stored: &[u8],
        octets: u64,
    ) -> Result<Delivered, DeliverError> {
        let (mut first, mut failures) = (None, Vec::new());
        for account in &recipient.accounts {
            let disk = || io::Error::other("disk");
            match self.transcript.accounts[&account.name].0 {
                Kind::NoSpace => failures.push((account.clone(), DeliverError::NoSpace(disk()))),
                Kind::Damaged => {
                    failures.push((account.clone(), DeliverError::Damaged("disk".into())));
                }
                Kind::Unavailable => {
                    failures.push((account.clone(), DeliverError::Unavailable(disk())));
                }
                Kind::Sound | Kind::Disabled | Kind::Away => {
                    let maildrops = &mut self.outcome.maildrops;
                    let texts = maildrops.entry(account.name.clone()).or_default();
                    texts.push(stored.to_vec());
                    let uid = texts.len() as u64;
                    first.get_or_insert_with(|| Delivered {
                        uid,
                        unique_id: UniqueId::new(format!("1.{uid}").into_bytes()).unwrap(),
                        octets: Octets(octets),
                    });
                }
            }
        }
        match (first, failures.is_empty()) {
            (Some(first), true) => Ok(first),
            _ => Err(NotDelivered {
                failures,
                delivered: Vec::new(),
            }
            .worst()),
        }
    }

    fn end(self) -> Outcome {
        let mut outcome = self.outcome;
        // Only maildrops that the transcript speaks of.
        let spoken_of = &self.transcript.maildrops;
        for name in spoken_of.keys() {
            outcome.maildrops.entry(name.clone()).or_default();
        }
        outcome
            .maildrops
            .retain(|name, _| spoken_of.contains_key(name));
        outcome
    }
}

fn show(octets: &[u8]) -> String {
    let lines = octets.split_inclusive(|&octet| octet == b'\n');
    lines.fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "  {}", line.escape_ascii());
        text
    })
}

fn compare(how: &str, got: &Outcome, expected: &Outcome) -> Result<(), String> {
    let mut text = String::new();
    if got.out != expected.out {
        let (expected, got) = (show(&expected.out), show(&got.out));
        let _ = write!(text, "{how}: expected\n{expected}said\n{got}");
    }
    for (name, texts) in &expected.maildrops {
        let show_all = |texts: &[Vec<u8>]| -> String { texts.iter().map(|t| show(t)).collect() };
        if got.maildrops.get(name) != Some(texts) {
            let got = got
                .maildrops
                .get(name)
                .map_or(String::new(), |t| show_all(t));
            let expected = show_all(texts);
            let _ = write!(
                text,
                "{how}: maildrop {name}: expected\n{expected}has\n{got}"
            );
        }
    }
    if got.closed != expected.closed {
        let _ = writeln!(text, "{how}: closed is {}", got.closed);
    }
    match text.is_empty() {
        true => Ok(()),
        false => Err(text),
    }
}

#[test]
fn every_transcript_of_lmtp() {
    play_all("lmtp", Dialect::Lmtp, 70);
}

#[test]
fn every_transcript_of_smtp() {
    play_all("smtp", Dialect::Smtp, 20);
}

fn play_all(folder: &str, dialect: Dialect, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("transcripts")
        .join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= least, "transcripts are missing");
    let mut failures = String::new();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let transcript = Transcript::read(&fs::read_to_string(&path).unwrap(), dialect);
        let expected = transcript.expected();
        let whole = transcript.sent().len().max(1);
        let played = std::panic::catch_unwind(|| transcript.play_lines());
        let outcomes = [
            (
                "line by line",
                played.map_err(|why| why.downcast_ref::<String>().cloned()),
            ),
            ("octet by octet", Ok(transcript.play(1))),
            ("all at once", Ok(transcript.play(whole))),
        ];
        for (how, outcome) in outcomes {
            let result = match outcome {
                Ok(outcome) => compare(how, &outcome, &expected),
                Err(why) => Err(format!("{how}: {}", why.unwrap_or_default())),
            };
            if let Err(why) = result {
                let _ = writeln!(failures, "{name}: {why}");
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}
