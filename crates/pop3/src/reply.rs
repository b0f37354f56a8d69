//! Status lines: what they can say, and the only place that prints `-ERR`. How they say it is in
//! the tables of [`language`](crate::Language).
//!
//! RESP-CODES is announced, so a text that begins with `[` is a response code (RFC 2449 §8);
//! none begins with one that is not. Nothing that a client has sent comes back, but for a user
//! name of safe letters: what a stranger sends must not be interpreted by somebody else's parser.

use crate::command::Keyword;
use crate::wire::TERMINATOR;
use crate::xclient::Speaker;
use crate::{Language, MessageNumber, Octets, ScanListing};

/// Why a command is refused; each has its response code here and its wordings in the languages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Wrong user name, password or digest, or the account may not log in: `[AUTH]` (RFC 3206 §5).
    Credentials,
    /// Another session holds the maildrop: `[IN-USE]` (RFC 2449 §8.1.2).
    InUse,
    /// The account has logged in too often of late: `[LOGIN-DELAY]` (RFC 2449 §8.1.1). Only for who
    /// has proved who he is.
    TooSoon,
    /// May pass by itself: `[SYS/TEMP]` (RFC 3206 §4).
    Unavailable,
    /// Needs an operator: `[SYS/PERM]` (RFC 3206 §4).
    Damaged,
    /// More sessions than the server will hold: `[SYS/TEMP]`. Instead of the greeting.
    TooManySessions,
    /// UPDATE failed, but may succeed later: `[SYS/TEMP]`. Nothing was deleted (RFC 1939 §6).
    NotDeletedNow,
    /// UPDATE failed and needs an operator: `[SYS/PERM]`. Nothing was deleted (RFC 1939 §6).
    NotDeleted,
    /// The same where messages are hidden: nothing was.
    NotHiddenNow,
    /// Likewise.
    NotHidden,
    /// No such keyword.
    UnknownCommand,
    /// The last of too many commands that make no sense; the connection ends.
    TooManyErrors,
    /// The client takes us for a web server; the connection ends.
    Http,
    /// The arguments are not those of the command.
    Usage(Keyword),
    /// A NUL in the line.
    Nul,
    /// The line has more octets than allowed.
    LineTooLong,
    /// The line ends with LF alone (RFC 1939 §3).
    BareLf,
    /// A number that no message can have, and that no count can be.
    NumberTooLarge,
    /// No message of this number, in any session like this one.
    NoSuchMessage,
    /// The message is marked as deleted (RFC 1939 §5).
    MessageDeleted,
    /// The same where QUIT hides what is marked.
    MessageHidden,
    /// The same where QUIT keeps what is marked.
    MessageKept,
    /// DELE where nothing is deleted.
    ReadOnly,
    /// The command needs a login.
    NotLoggedIn,
    /// The command is one of the AUTHORIZATION state.
    LoggedIn,
    /// PASS without USER.
    UserFirst,
    /// The user name is not UTF-8.
    NotUtf8,
    /// The password is not UTF-8, or SASLprep does not allow it: `[AUTH]`, since another one is
    /// what is needed (RFC 6856 §2.2).
    Password,
    /// Passwords travel only inside TLS.
    PasswordsAfterTls,
    /// The line is not base 64 (RFC 5034 §4).
    NotBase64,
    /// The mechanism is not spoken here.
    UnknownMechanism,
    /// The mechanism stands on something that this connection has not.
    MechanismNotHere,
    /// An initial response where the server speaks first (RFC 5034 §4).
    ServerFirst,
    /// The channel binding does not fit, or is missing though it was offered (RFC 5802 §6).
    Binding,
    /// The channel's `tls-exporter` has been bound to once already (RFC 9266 §4.1).
    BindingSpent,
    /// What the client said is not what its mechanism says.
    MalformedResponse,
    /// The client gave up its own exchange (RFC 5034 §4).
    Cancelled,
    /// STLS cannot work here.
    StlsNotOffered,
    /// STLS inside TLS (RFC 2595 §4).
    AlreadyTls,
    /// STLS after UTF8, which no client may say (RFC 6856 §2.1).
    StlsAfterUtf8,
    /// UTF8 in the TRANSACTION state, where it is borne with, but after the size of a surrogate was
    /// told: sizes do not change (RFC 1939 §5).
    Utf8AfterSize,
    /// The header of the message is not ASCII, and the client has not said UTF8: `[UTF8]`
    /// (RFC 6856 §5).
    NeedsUtf8,
    /// No language of that range (RFC 6856 §3.2).
    UnknownLanguage,
    /// XCLIENT after a login has begun.
    ForwardedLate,
    /// XCLIENT says again what has been said.
    ForwardedTwice,
    /// XCLIENT with a TTL of 0.
    ForwardedInACircle,
}

impl Refusal {
    /// The response code, where there is one (RFC 2449 §8, RFC 3206).
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::Credentials | Self::Password => Some("AUTH"),
            Self::InUse => Some("IN-USE"),
            Self::TooSoon => Some("LOGIN-DELAY"),
            Self::Unavailable | Self::TooManySessions | Self::NotDeletedNow | Self::NotHiddenNow => {
                Some("SYS/TEMP")
            }
            Self::NeedsUtf8 => Some("UTF8"),
            Self::Damaged | Self::NotDeleted | Self::NotHidden => Some("SYS/PERM"),
            Self::UnknownCommand
            | Self::TooManyErrors
            | Self::Http
            | Self::Usage(_)
            | Self::Nul
            | Self::LineTooLong
            | Self::BareLf
            | Self::NumberTooLarge
            | Self::NoSuchMessage
            | Self::MessageDeleted
            | Self::MessageHidden
            | Self::MessageKept
            // A rule, not a failure: SYS/PERM would send its owner to the operator (RFC 3206 §4).
            | Self::ReadOnly
            | Self::NotLoggedIn
            | Self::LoggedIn
            | Self::UserFirst
            | Self::NotUtf8
            | Self::PasswordsAfterTls
            | Self::NotBase64
            | Self::UnknownMechanism
            | Self::MechanismNotHere
            | Self::ServerFirst
            | Self::Binding
            | Self::BindingSpent
            | Self::MalformedResponse
            | Self::Cancelled
            | Self::StlsNotOffered
            | Self::AlreadyTls
            | Self::StlsAfterUtf8
            | Self::Utf8AfterSize
            | Self::UnknownLanguage
            | Self::ForwardedLate
            | Self::ForwardedTwice
            | Self::ForwardedInACircle => None,
        }
    }

    /// What it says in a language, without the response code.
    pub fn text(self, language: Language) -> &'static str {
        language.refusal(self)
    }

    /// Appends the whole status line in English, for those who have chosen no language yet.
    pub fn print(self, out: &mut Vec<u8>) {
        self.print_in(Language::English, out);
    }

    /// Appends the whole status line in a language.
    pub(crate) fn print_in(self, language: Language, out: &mut Vec<u8>) {
        out.extend_from_slice(b"-ERR ");
        if let Some(code) = self.code() {
            out.push(b'[');
            out.extend_from_slice(code.as_bytes());
            out.extend_from_slice(b"] ");
        }
        line(out, &[self.text(language).as_bytes()]);
    }
}

/// What a positive reply says to people; each has its wording in each language.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'a> {
    /// The answer to a login; a name only if it is safe.
    Opened {
        name: Option<&'a str>,
        messages: usize,
        octets: Octets,
    },
    /// The answer to RSET.
    Reset { messages: usize, octets: Octets },
    /// The answer to a login, or to RSET, where the maildrop has messages that are not shown.
    Shown { messages: usize, octets: Octets },
    /// The first line of TOP.
    Top,
    /// The answer to DELE.
    Deleted(MessageNumber),
    /// The answer to DELE where the message stays in the maildrop, but is not shown again.
    Hidden(MessageNumber),
    /// The answer to DELE where the message is there again in the next session.
    Kept(MessageNumber),
    /// The first line of CAPA.
    Capabilities,
    /// The first line of AUTH without an argument.
    Mechanisms,
    /// The answer to STLS, the last one in clear.
    BeginTls,
    /// How the server of this name signs off when nobody logged in, or what is left is not all shown.
    Bye(&'a str),
    /// How it signs off after UPDATE, with so many messages left.
    Committed { server: &'a str, left: usize },
    /// The first line of LANG without an argument, with the tag of the language that is spoken.
    Languages(&'static str),
    /// The answer to UTF8.
    Utf8,
    /// The answer to LANG, in the new language, behind its tag.
    Language,
}

impl Said<'_> {
    /// Appends the whole status line.
    pub(crate) fn print(self, language: Language, out: &mut Vec<u8>) {
        out.extend_from_slice(b"+OK ");
        language.say(&self, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// A positive reply of nothing but numbers, each with the word that belongs to it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tally {
    /// The first line of LIST.
    List { messages: usize, octets: Octets },
    /// The first line of UIDL.
    UniqueIds(usize),
    /// The first line of RETR. Some clients read the number, so it comes first (RFC 1957).
    Text(Octets),
}

impl Tally {
    /// Appends the whole status line.
    pub(crate) fn print(self, language: Language, out: &mut Vec<u8>) {
        out.extend_from_slice(b"+OK ");
        language.count(self, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends a line made of parts, with CRLF.
pub(crate) fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal digits. A listing of 100,000 lines is nearly nothing else, so it
/// goes without the machinery of formatting.
pub(crate) fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// How the server greets; with a timestamp where APOP may be used (RFC 1939 §7). Dovecot's proxies
/// look for `[XCLIENT]`; nobody else is told.
pub(crate) fn greeting(speaker: Speaker, timestamp: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(match speaker {
        Speaker::Client => b"+OK POP3 server ready",
        Speaker::FrontEnd => b"+OK [XCLIENT] POP3 server ready",
    });
    match timestamp {
        Some(timestamp) => line(out, &[b" ", timestamp.as_bytes()]),
        None => line(out, &[]),
    }
}

/// `+OK` and nothing else.
pub(crate) fn ok(out: &mut Vec<u8>) {
    line(out, &[b"+OK"]);
}

/// The answer to every USER; says nothing about whether there is such a user.
pub(crate) fn user(name: &str, out: &mut Vec<u8>) {
    match is_safe(name) {
        true => line(out, &[b"+OK ", name.as_bytes()]),
        false => ok(out),
    }
}

/// The answer to a login.
pub(crate) fn opened(name: &str, listing: &ScanListing, language: Language, out: &mut Vec<u8>) {
    let (messages, octets) = (listing.len(), listing.total());
    let said = match listing.is_partial() {
        true => Said::Shown { messages, octets },
        false => Said::Opened {
            name: is_safe(name).then_some(name),
            messages,
            octets,
        },
    };
    said.print(language, out);
}

/// The answer to STAT: the drop listing (RFC 1939 §5).
pub(crate) fn stat(messages: usize, octets: Octets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    decimal(messages as u64, out);
    out.push(b' ');
    decimal(octets.0, out);
    out.extend_from_slice(b"\r\n");
}

/// The answer to LAST: a message-number, or 0 (RFC 1460 §5).
pub(crate) fn last(number: Option<MessageNumber>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    decimal(number.map_or(0, |number| number.get().into()), out);
    out.extend_from_slice(b"\r\n");
}

/// A scan listing: a line of LIST, or the answer to LIST with a number after `+OK `.
pub(crate) fn scan_line(number: MessageNumber, octets: Octets, out: &mut Vec<u8>) {
    decimal(number.get().into(), out);
    out.push(b' ');
    decimal(octets.0, out);
    out.extend_from_slice(b"\r\n");
}

/// A unique-id listing, likewise.
pub(crate) fn unique_id_line(number: MessageNumber, unique_id: &[u8], out: &mut Vec<u8>) {
    decimal(number.get().into(), out);
    out.push(b' ');
    out.extend_from_slice(unique_id);
    out.extend_from_slice(b"\r\n");
}

/// What begins the answer to LIST and UIDL with a number.
pub(crate) fn one(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
}

/// The answer to LANG without an argument: all languages, each by its own name (RFC 6856 §3.2).
pub(crate) fn languages(active: Language, out: &mut Vec<u8>) {
    Said::Languages(active.tag()).print(active, out);
    for language in Language::ALL {
        line(
            out,
            &[language.tag().as_bytes(), b" ", language.name().as_bytes()],
        );
    }
    out.extend_from_slice(TERMINATOR);
}

/// The answer to LANG: the tag and the text in the language (RFC 6856 §3.2).
pub(crate) fn language(language: Language, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    out.extend_from_slice(language.tag().as_bytes());
    out.push(b' ');
    language.say(&Said::Language, out);
    out.extend_from_slice(b"\r\n");
}

/// A challenge in base 64. An empty one is `+`, space, CRLF (RFC 5034 §4).
pub(crate) fn challenge(base64: &str, out: &mut Vec<u8>) {
    line(out, &[b"+ ", base64.as_bytes()]);
}

/// Whether a user name may come back in a reply: 1 to 64 ASCII letters, digits and `._@+-`.
fn is_safe(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"._@+-".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UniqueId;

    /// Every refusal; a variant that is not here does not compile.
    fn refusals() -> Vec<Refusal> {
        use Refusal::*;
        let mut all = vec![
            Credentials,
            InUse,
            TooSoon,
            Unavailable,
            Damaged,
            TooManySessions,
            NotDeletedNow,
            NotDeleted,
            NotHiddenNow,
            NotHidden,
            UnknownCommand,
            TooManyErrors,
            Http,
            Nul,
            LineTooLong,
            BareLf,
            NumberTooLarge,
            NoSuchMessage,
            MessageDeleted,
            MessageHidden,
            MessageKept,
            ReadOnly,
            NotLoggedIn,
            LoggedIn,
            UserFirst,
            NotUtf8,
            PasswordsAfterTls,
            NotBase64,
            UnknownMechanism,
            MechanismNotHere,
            ServerFirst,
            Binding,
            BindingSpent,
            MalformedResponse,
            Cancelled,
            StlsNotOffered,
            AlreadyTls,
            Password,
            StlsAfterUtf8,
            Utf8AfterSize,
            NeedsUtf8,
            UnknownLanguage,
        ];
        all.extend(Keyword::ALL.map(Usage));
        all
    }

    /// Every positive reply, in its forms.
    fn said() -> Vec<Said<'static>> {
        let mut all = vec![
            Said::Top,
            Said::Deleted(MessageNumber::new(u32::MAX).unwrap()),
            Said::Hidden(MessageNumber::new(u32::MAX).unwrap()),
            Said::Kept(MessageNumber::new(u32::MAX).unwrap()),
            Said::Capabilities,
            Said::Mechanisms,
            Said::BeginTls,
            Said::Bye("dewey"),
            Said::Languages("en"),
            Said::Utf8,
            Said::Language,
        ];
        for number in [0, 1, 2, 5, usize::MAX] {
            let octets = Octets(number as u64);
            let (messages, name) = (number, Some("mrose"));
            all.extend([
                Said::Opened {
                    name,
                    messages,
                    octets,
                },
                Said::Opened {
                    name: None,
                    messages,
                    octets,
                },
                Said::Reset { messages, octets },
                Said::Shown { messages, octets },
                Said::Committed {
                    server: "dewey",
                    left: number,
                },
            ]);
        }
        all
    }

    /// Every reply of numbers, in its forms.
    fn tallies() -> Vec<Tally> {
        let mut all = Vec::new();
        for number in [0, 1, 2, 5, usize::MAX] {
            let octets = Octets(number as u64);
            let messages = number;
            all.extend([
                Tally::List { messages, octets },
                Tally::UniqueIds(messages),
                Tally::Text(octets),
            ]);
        }
        all
    }

    /// All status lines of a language.
    fn lines(language: Language) -> Vec<String> {
        let refusals = refusals().into_iter().map(|refusal| {
            let mut out = Vec::new();
            refusal.print_in(language, &mut out);
            out
        });
        let said = said().into_iter().map(|said| {
            let mut out = Vec::new();
            said.print(language, &mut out);
            out
        });
        let tallies = tallies().into_iter().map(|tally| {
            let mut out = Vec::new();
            tally.print(language, &mut out);
            out
        });
        refusals
            .chain(said)
            .chain(tallies)
            .map(|line| String::from_utf8(line).unwrap())
            .collect()
    }

    #[test]
    fn a_bracket_is_a_response_code_and_nothing_else() {
        for language in Language::ALL {
            for refusal in refusals() {
                assert!(!refusal.text(language).contains(['[', ']']));
                let mut out = Vec::new();
                refusal.print_in(language, &mut out);
                let coded = out.starts_with(b"-ERR [");
                assert_eq!(coded, refusal.code().is_some());
            }
            for line in lines(language) {
                assert!(!line.starts_with("+OK ["), "{line}");
            }
        }
    }

    #[test]
    fn a_status_line_is_short_and_printable() {
        for language in Language::ALL {
            for line in lines(language) {
                let text = line.strip_suffix("\r\n").unwrap();
                assert!(!text.ends_with(['.', '。', ' ']), "{text}");
                assert!(!text.chars().any(char::is_control), "{text}");
                // RFC 2449 §4: at most 512 octets; and readable by those who cut at so many letters.
                assert!(line.len() <= 200 && text.chars().count() <= 100, "{text}");
            }
        }
        for refusal in refusals() {
            let text = refusal.text(Language::English);
            assert!(text.len() <= 73 && text.is_ascii(), "{text}");
        }
    }

    #[test]
    fn no_two_refusals_say_the_same_and_every_language_says_them_in_its_own_way() {
        for language in Language::ALL {
            let mut texts: Vec<_> = refusals().iter().map(|it| it.text(language)).collect();
            texts.sort_unstable();
            texts.dedup();
            assert_eq!(texts.len(), refusals().len(), "{language:?}");
            if language != Language::English {
                let english = lines(Language::English);
                for (line, english) in lines(language).iter().zip(english) {
                    let same = *line == english;
                    // In French they are the same words.
                    let octets = english.ends_with(" octets\r\n")
                        || english.ends_with("message\r\n")
                        || english.ends_with("messages\r\n")
                        || english.contains("octets)");
                    assert!(!same || octets, "{line}");
                }
            }
        }
    }

    #[test]
    fn numbers_come_first_and_unchanged_where_clients_read_them() {
        for language in Language::ALL {
            for (tally, beginning) in [
                (Tally::Text(Octets(120)), "+OK 120 "),
                (Tally::UniqueIds(7), "+OK 7 "),
                (
                    Tally::List {
                        messages: 7,
                        octets: Octets(120),
                    },
                    "+OK 7 ",
                ),
            ] {
                let mut out = Vec::new();
                tally.print(language, &mut out);
                assert!(out.starts_with(beginning.as_bytes()), "{language:?}");
            }
        }
    }

    #[test]
    fn numbers_are_printed_as_formatting_prints_them() {
        for number in [0, 1, 9, 10, 99, 100, 4_294_967_296, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            decimal(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn only_safe_names_come_back() {
        for name in ["bob", "bob@dobbs.org", "a.b_c+d-e", &"x".repeat(64)] {
            let mut out = Vec::new();
            user(name, &mut out);
            assert_eq!(out, format!("+OK {name}\r\n").as_bytes());
        }
        let mut listing = ScanListing::default();
        listing.push(Octets(7), &UniqueId::new(*b"a.1").unwrap());
        for name in ["", "a[b", "[AUTH]", "bäb", "a b", "<x>", &"x".repeat(65)] {
            let mut out = Vec::new();
            user(name, &mut out);
            opened(name, &listing, Language::English, &mut out);
            let expected = "+OK\r\n+OK maildrop has 1 message (7 octets)\r\n";
            assert_eq!(out, expected.as_bytes());
        }
    }
}
