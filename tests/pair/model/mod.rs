//! A server as RFC 1939 words it: a list of messages, lines in, lines out, and nothing of ours but
//! the wordings. It knows what reached the server, and says what came of it.

mod transaction;

use pop3::client::{Challenge, Event, Status};
use pop3::reply::Refusal;
use pop3::{Keyword, Language, MessageNumber};
use restante_tests::driver::Account;
use sasl::{Secret, base64};

use crate::both::{Heard, TIMESTAMP};

pub(crate) struct Model {
    accounts: Vec<Account>,
    lines: Vec<u8>,
    state: State,
    pub(crate) said: Vec<u8>,
    pub(crate) heard: Vec<Heard>,
    /// Texts that were retrieved whole, and their octets.
    pub(crate) retrieved: (u64, u64),
    /// How many messages QUIT has deleted, once it has.
    pub(crate) deleted: Option<usize>,
    pub(crate) logged_in: Option<usize>,
}

enum State {
    /// With the name that USER gave.
    Authorization(Option<String>),
    Exchange,
    /// Which account, and which of its messages are marked.
    Transaction(usize, Vec<bool>),
    Over,
}

/// What a refusal says in English, its response code before it.
pub(super) fn told(why: Refusal) -> String {
    let code = why.code().map(|code| format!("[{code}] "));
    code.unwrap_or_default() + why.text(Language::English)
}

impl Model {
    pub(crate) fn new(accounts: Vec<Account>) -> Self {
        let mut model = Self {
            accounts,
            lines: Vec::new(),
            state: State::Authorization(None),
            said: Vec::new(),
            heard: Vec::new(),
            retrieved: (0, 0),
            deleted: None,
            logged_in: None,
        };
        model.ok(&format!("POP3 server ready {TIMESTAMP}"), Event::Greeting);
        model
    }

    /// The maildrops as they are now.
    pub(crate) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    pub(crate) fn receive(&mut self, octets: &[u8]) {
        self.lines.extend_from_slice(octets);
        while let Some(end) = self.lines.iter().position(|&octet| octet == b'\n') {
            let line: Vec<u8> = self.lines.drain(..=end).collect();
            let line = String::from_utf8(line).unwrap();
            self.line(line.strip_suffix("\r\n").unwrap());
        }
    }

    fn line(&mut self, line: &str) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => {}
            State::Exchange => self.response(line),
            State::Authorization(user) => {
                self.state = State::Authorization(None);
                self.authorization(line, user);
            }
            State::Transaction(account, marks) => {
                self.state = self.transaction(line, account, marks);
            }
        }
    }

    fn authorization(&mut self, line: &str, user: Option<String>) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "USER" => {
                self.state = State::Authorization(Some(rest.to_owned()));
                self.accepted(Keyword::User, rest);
            }
            "PASS" => match user {
                Some(user) => self.log_in(Keyword::Pass, &user, |account| {
                    account.password.expose() == rest.as_bytes()
                }),
                None => self.refused(Keyword::Pass, None, "USER first"),
            },
            "APOP" => {
                let (user, digest) = rest.split_once(' ').unwrap();
                let digest = u128::from_str_radix(digest, 16).unwrap().to_be_bytes();
                self.log_in(Keyword::Apop, user, |account| {
                    account.digest == Some(digest)
                });
            }
            "AUTH" => match rest.split_once(' ') {
                Some(("PLAIN", message)) => self.response(message),
                None if rest == "PLAIN" => {
                    self.say("+ ");
                    let challenge = Challenge::Octets(Secret::new(""));
                    self.hear(Event::Challenge(challenge));
                    self.state = State::Exchange;
                }
                _ => panic!("{line}"),
            },
            "QUIT" => {
                self.state = State::Over;
                self.ok("dewey POP3 server signing off", Event::SignedOff);
            }
            // What is sent behind a login that was refused.
            _ => {
                self.state = State::Authorization(user);
                let number = rest.split(' ').next().and_then(|word| word.parse().ok());
                let keyword = Keyword::named(word.as_bytes()).unwrap();
                self.refused(keyword, number.and_then(MessageNumber::new), "log in first");
            }
        }
    }

    fn response(&mut self, text: &str) {
        self.state = State::Authorization(None);
        let message = match text {
            "*" => return self.refused(Keyword::Auth, None, "authentication cancelled"),
            _ => base64::decode(text.as_bytes()).unwrap(),
        };
        let message = String::from_utf8(message).unwrap();
        let parts: Vec<&str> = message.split('\0').collect();
        match parts[..] {
            ["", user, password] if !user.is_empty() && !password.is_empty() => {
                self.log_in(Keyword::Auth, user, |account| {
                    account.password.expose() == password.as_bytes()
                });
            }
            _ => self.refused(Keyword::Auth, None, "not a message of this mechanism"),
        }
    }

    fn log_in(&mut self, keyword: Keyword, user: &str, is_right: impl Fn(&Account) -> bool) {
        let found = self
            .accounts
            .iter()
            .position(|account| account.user == user);
        let right = found.filter(|&place| is_right(&self.accounts[place]));
        let Some(place) = right else {
            return self.refused(keyword, None, &told(Refusal::Credentials));
        };
        if let Some(why) = self.accounts[place].opening {
            return self.refused(keyword, None, &told(why));
        }
        let marks = vec![false; self.accounts[place].messages.len()];
        let has = self.has(place, &marks);
        self.state = State::Transaction(place, marks);
        self.logged_in = Some(place);
        self.ok(&format!("{user}'s {has}"), Event::LoggedIn);
    }

    fn ok(&mut self, text: &str, event: impl FnOnce(Status) -> Event) {
        let line = match text {
            "" => "+OK".to_owned(),
            _ => format!("+OK {text}"),
        };
        self.say(&line);
        let status = Status::parse(line.as_bytes()).unwrap();
        self.hear(event(status));
    }

    fn accepted(&mut self, to: Keyword, text: &str) {
        self.ok(text, |status| Event::Accepted { to, status });
    }

    fn refused(&mut self, to: Keyword, number: Option<MessageNumber>, text: &str) {
        let line = format!("-ERR {text}");
        self.say(&line);
        let status = Status::parse(line.as_bytes()).unwrap();
        self.hear(Event::Refused { to, number, status });
    }

    fn say(&mut self, line: &str) {
        self.said.extend_from_slice(line.as_bytes());
        self.said.extend_from_slice(b"\r\n");
    }

    fn hear(&mut self, event: Event) {
        let text = Vec::new();
        self.heard.push(Heard { event, text });
    }
}
