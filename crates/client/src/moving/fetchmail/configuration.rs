//! A `.fetchmailrc`: servers, each with its users (fetchmail(1), *The run control file*).

use super::options::{self, Follows, Meaning, Options};
use super::words::{Kind, Word};
use crate::moving::notes::{Notes, shown};

/// What a `.fetchmailrc` says.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) servers: Vec<Server>,
    /// `set daemon`: seconds between two polls.
    pub(super) daemon: Option<u64>,
    /// `set idfile`.
    pub(super) id_file: Option<String>,
}

/// One `poll` or `skip`.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) skipped: bool,
    pub(super) users: Vec<User>,
}

/// A user of a server, with the options of both and the defaults.
#[derive(Clone, Debug, Default)]
pub(super) struct User {
    /// Nobody's name means the name of whoever runs fetchmail.
    pub(super) name: Option<String>,
    pub(super) line: usize,
    pub(super) options: Options,
}

/// Of several hosts and several local users the first counts, and that there are several.
const LIST_COUNT_MAX: usize = 2;
/// More users are no configuration of a person.
const USER_COUNT_MAX: usize = 1_000;

/// Reads the words of a configuration.
pub(super) fn configuration(words: Vec<Word>, notes: &mut Notes<'_>) -> Configuration {
    let mut reader = Reader {
        words,
        at: 0,
        configuration: Configuration::default(),
        defaults: Options::default(),
        entry: Entry::None,
        users: 0,
    };
    reader.read(notes);
    reader.configuration
}

struct Reader {
    words: Vec<Word>,
    at: usize,
    configuration: Configuration,
    defaults: Options,
    entry: Entry,
    users: usize,
}

/// What options are for.
enum Entry {
    None,
    Defaults,
    /// A server; the options of it before the first user, and the user.
    Server(Box<Server>, Box<Options>, Option<Box<User>>),
}

impl Reader {
    fn read(&mut self, notes: &mut Notes<'_>) {
        while let Some(word) = self.next() {
            match (word.kind, word.text.as_str()) {
                (Kind::Bare, "with" | "and" | "has" | "wants" | "options" | "here" | "there") => {}
                (Kind::Bare, "set") => self.global(notes),
                (Kind::Bare, "defaults") => {
                    self.end_server();
                    self.entry = Entry::Defaults;
                }
                (Kind::Bare, "poll" | "server" | "skip") => self.begin_server(&word, notes),
                (Kind::Bare, "user" | "username") => self.begin_user(word.line, notes),
                (Kind::Bare, "is" | "to") => self.locals(),
                (Kind::Bare, text) => {
                    let (text, negated) = match options::negated(text) {
                        Some(rest) => (rest.to_owned(), true),
                        None if text == "no" => {
                            (self.next().map(|it| it.text).unwrap_or_default(), true)
                        }
                        None => (text.to_owned(), false),
                    };
                    self.option(&text, negated, word.line, notes);
                }
                // It may be half of a password.
                (Kind::Quoted | Kind::Equals, _) => stray(word.line, notes),
            }
        }
        self.end_server();
    }

    fn next(&mut self) -> Option<Word> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }

    /// The next word, whatever it is; nothing if there is none.
    fn word(&mut self) -> Option<String> {
        self.next()
            .filter(|it| it.kind != Kind::Equals)
            .map(|it| it.text)
    }

    fn peek(&self, ahead: usize) -> Option<&Word> {
        self.words.get(self.at + ahead)
    }

    fn number(&mut self) -> Option<u64> {
        let number = self.peek(0)?.text.parse::<i64>().ok()?;
        self.at += 1;
        Some(number.max(0).unsigned_abs())
    }

    /// As many words as are no keywords.
    fn list(&mut self) -> Vec<String> {
        let mut list = Vec::new();
        while let Some(word) = self.peek(0) {
            if word.kind == Kind::Equals || word.kind == Kind::Bare && is_keyword(&word.text) {
                break;
            }
            if list.len() < LIST_COUNT_MAX {
                list.push(word.text.clone());
            }
            self.at += 1;
        }
        list
    }

    fn global(&mut self, notes: &mut Notes<'_>) {
        let Some(word) = self.next() else { return };
        let name = match word.text.as_str() {
            "no" => self.word().unwrap_or_default(),
            text => options::negated(text).unwrap_or(text).to_owned(),
        };
        if self.peek(0).is_some_and(|it| it.kind == Kind::Equals) {
            self.at += 1;
        }
        match name.as_str() {
            "daemon" => self.configuration.daemon = self.number().filter(|&it| it > 0),
            "idfile" => self.configuration.id_file = self.word(),
            "logfile" | "pidfile" | "properties" | "postmaster" => drop(self.word()),
            "syslog" | "invisible" | "showdots" | "bouncemail" | "spambounce" | "softbounce" => {}
            _ => stray(word.line, notes),
        }
    }

    fn begin_server(&mut self, word: &Word, notes: &mut Notes<'_>) {
        self.end_server();
        let Some(name) = self.word() else {
            notes.at(word.line, "a server without a name", "it is left out");
            return;
        };
        let server = Server {
            name,
            line: word.line,
            skipped: word.text == "skip",
            users: Vec::new(),
        };
        self.entry = Entry::Server(Box::new(server), Box::default(), None);
    }

    /// `user A`, `user A there`, or `user B here`.
    fn begin_user(&mut self, line: usize, notes: &mut Notes<'_>) {
        let Some(name) = self.word() else { return };
        self.users += 1;
        if self.users > USER_COUNT_MAX {
            if self.users == USER_COUNT_MAX + 1 {
                notes.at(
                    line,
                    format!("more than {USER_COUNT_MAX} users"),
                    "they are left out",
                );
            }
            return;
        }
        let mut user = User {
            line,
            ..User::default()
        };
        let rest = self.at;
        let more = self.list();
        if self
            .peek(0)
            .is_some_and(|it| it.kind == Kind::Bare && it.text == "here")
        {
            user.options.locals = [vec![name], more].concat();
        } else {
            self.at = rest;
            user.name = Some(name);
        }
        self.end_user();
        match &mut self.entry {
            Entry::Server(_, _, of) => *of = Some(Box::new(user)),
            Entry::Defaults | Entry::None => notes.at(
                line,
                "a user without a server",
                "fetchmail would not take it; it is left out",
            ),
        }
    }

    /// `is A B here`, `to *`, `is A=B`, or `is A there`.
    fn locals(&mut self) {
        let mut names = Vec::new();
        let mut multidrop = false;
        // The first may be any word.
        names.extend(self.word());
        loop {
            if self.peek(0).is_some_and(|it| it.kind == Kind::Equals) {
                self.at += 1;
                self.word();
                multidrop = true;
            }
            match self.peek(0) {
                Some(word)
                    if word.kind == Kind::Quoted
                        || word.kind == Kind::Bare && !is_keyword(&word.text) =>
                {
                    if names.len() < LIST_COUNT_MAX {
                        names.push(word.text.clone());
                    }
                    self.at += 1;
                }
                _ => break,
            }
        }
        if self
            .peek(0)
            .is_some_and(|it| it.kind == Kind::Bare && it.text == "there")
        {
            if let Entry::Server(_, _, Some(user)) = &mut self.entry {
                user.name = names.pop();
            }
            return;
        }
        multidrop |= names.iter().any(|it| it == "*");
        names.retain(|it| it != "*");
        if let Some(options) = self.options() {
            options.locals.extend(names);
            options.multidrop |= multidrop;
        }
    }

    /// Those that the next option is for.
    fn options(&mut self) -> Option<&mut Options> {
        match &mut self.entry {
            Entry::None => None,
            Entry::Defaults => Some(&mut self.defaults),
            Entry::Server(_, _, Some(user)) => Some(&mut user.options),
            Entry::Server(_, options, None) => Some(options),
        }
    }

    fn option(&mut self, text: &str, negated: bool, line: usize, notes: &mut Notes<'_>) {
        let Some((name, follows, meaning)) = options::keyword(text) else {
            stray(line, notes);
            return;
        };
        if negated {
            match name {
                "keep" | "ssl" => {}
                "sslcertck" => notes.at(
                    line,
                    "no sslcertck",
                    "certificates are always verified here; for one that no authority vouches for write pin = [\"its SHA-256\"]",
                ),
                _ => return,
            }
        } else if let Meaning::NoEqual(advice) = meaning {
            notes.at(line, shown(name), advice);
        }
        let (mut word, mut number, mut list) = (None, None, Vec::new());
        match follows {
            _ if negated => {}
            Follows::Nothing => {}
            Follows::Word => word = self.word(),
            Follows::Number => number = self.number(),
            Follows::Words => list = self.list(),
            Follows::Numbers => while self.number().is_some() {},
            Follows::NumberAndWord => {
                self.number();
                word = self.word();
            }
        }
        let Some(options) = self.options() else {
            notes.at(
                line,
                shown(name),
                "it stands before the first server, so it is for none",
            );
            return;
        };
        match name {
            "via" => options.via = word,
            "protocol" => options.protocol = word.map(|it| (it.to_ascii_lowercase(), line)),
            "service" => options.service = word.map(|it| (it, line)),
            "interval" => options.interval = number,
            "auth" => options.auth = word.map(|it| (it, line)),
            "password" => options.password = word,
            "passwordfile" => options.password_file = word,
            "keep" => options.keep = Some(!negated),
            "limit" => options.limit = number,
            "ssl" => options.ssl = Some(!negated),
            "sslproto" => options.ssl_protocol = word,
            "sslcertfile" => options.authorities = word,
            "sslcert" => options.certificate = word,
            "sslkey" => options.key = word,
            "smtphost" => options.smtp_hosts.extend(list),
            "lmtp" => options.lmtp = Some(true),
            "smtpaddress" => options.smtp_domain = word,
            "smtpname" => options.smtp_name = word,
            "mda" => options.command = word,
            "bsmtp" => options.batch = word,
            _ => {}
        }
    }

    fn end_user(&mut self) {
        if let Entry::Server(server, options, user) = &mut self.entry
            && let Some(mut user) = user.take()
        {
            user.options = user.options.or(options).or(&self.defaults);
            server.users.push(*user);
        }
    }

    fn end_server(&mut self) {
        self.end_user();
        if let Entry::Server(mut server, options, _) =
            std::mem::replace(&mut self.entry, Entry::None)
        {
            if server.users.is_empty() {
                server.users.push(User {
                    name: None,
                    line: server.line,
                    options: options.or(&self.defaults),
                });
            }
            self.configuration.servers.push(*server);
        }
    }
}

fn is_keyword(text: &str) -> bool {
    options::keyword(text).is_some()
        || options::negated(text).is_some()
        || [
            "with", "and", "has", "wants", "options", "here", "there", "set", "defaults", "poll",
            "server", "skip", "user", "username", "is", "to", "no",
        ]
        .contains(&text)
}

/// Its text is not shown: it may be half of a password.
fn stray(line: usize, notes: &mut Notes<'_>) {
    notes.at(
        line,
        "a word where an option should be",
        "it is left out, and so may be what belongs to it; has a string no quotes?",
    );
}
