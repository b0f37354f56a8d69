//! Status lines: every wording of the server, and the only place that prints `-ERR`.
//!
//! RESP-CODES is announced, so a text that begins with `[` is a response code (RFC 2449 §8);
//! none begins with one that is not. Nothing that a client has sent comes back, but for a user
//! name of safe letters: what a stranger sends must not be interpreted by somebody else's parser.

use crate::command::Keyword;
use crate::{MessageNumber, Octets};

/// Why a command is refused; each has its response code and wording here and nowhere else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Wrong user name, password or digest, or the account may not log in: `[AUTH]` (RFC 3206 §5).
    Credentials,
    /// Another session holds the maildrop: `[IN-USE]` (RFC 2449 §8.1.2).
    InUse,
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
    /// A number that no message can have, and that no count can be.
    NumberTooLarge,
    /// No message of this number, in any session like this one.
    NoSuchMessage,
    /// The message is marked as deleted (RFC 1939 §5).
    MessageDeleted,
    /// The command needs a login.
    NotLoggedIn,
    /// The command is one of the AUTHORIZATION state.
    LoggedIn,
    /// PASS without USER.
    UserFirst,
    /// The user name is not UTF-8.
    NotUtf8,
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
    /// What the client said is not what its mechanism says.
    MalformedResponse,
    /// The client gave up its own exchange (RFC 5034 §4).
    Cancelled,
    /// STLS cannot work here.
    StlsNotOffered,
    /// STLS inside TLS (RFC 2595 §4).
    AlreadyTls,
}

impl Refusal {
    /// What comes after `-ERR `: the response code, if there is one, and the text.
    pub fn text(self) -> &'static str {
        match self {
            Self::Credentials => {
                "[AUTH] wrong user name or password, or the account may not log in"
            }
            Self::InUse => "[IN-USE] maildrop is in use by another session",
            Self::Unavailable => "[SYS/TEMP] not possible now, please try again later",
            Self::Damaged => "[SYS/PERM] mail is damaged, please tell the operator",
            Self::TooManySessions => "[SYS/TEMP] too many sessions, please try again later",
            Self::NotDeletedNow => "[SYS/TEMP] nothing was deleted, please try again later",
            Self::NotDeleted => "[SYS/PERM] nothing was deleted, please tell the operator",
            Self::UnknownCommand => "unknown command",
            Self::TooManyErrors => "too many errors, closing",
            Self::Http => "this is a POP3 server, closing",
            Self::Usage(keyword) => usage(keyword),
            Self::Nul => "line holds a NUL",
            Self::LineTooLong => "line is too long",
            Self::NumberTooLarge => "number is too large",
            Self::NoSuchMessage => "no such message",
            Self::MessageDeleted => "message is deleted",
            Self::NotLoggedIn => "log in first",
            Self::LoggedIn => "already logged in",
            Self::UserFirst => "USER first",
            Self::NotUtf8 => "user name is not UTF-8",
            Self::PasswordsAfterTls => "passwords are accepted only inside TLS",
            Self::NotBase64 => "not base 64",
            Self::UnknownMechanism => "unknown mechanism",
            Self::MechanismNotHere => "mechanism is not possible on this connection",
            Self::ServerFirst => "this mechanism takes no initial response",
            Self::Binding => "channel binding does not fit this connection",
            Self::MalformedResponse => "not a message of this mechanism",
            Self::Cancelled => "authentication cancelled",
            Self::StlsNotOffered => "TLS is not available here",
            Self::AlreadyTls => "already inside TLS",
        }
    }

    /// Appends the whole status line.
    pub fn print(self, out: &mut Vec<u8>) {
        line(out, &[b"-ERR ", self.text().as_bytes()]);
    }
}

fn usage(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Apop => "APOP takes a user name and an MD5 digest",
        Keyword::Auth => "AUTH takes a mechanism and at most one initial response",
        Keyword::Capa => "CAPA takes no argument",
        Keyword::Dele => "DELE takes a message number",
        Keyword::List => "LIST takes a message number or nothing",
        Keyword::Noop => "NOOP takes no argument",
        Keyword::Pass => "PASS takes a password",
        Keyword::Quit => "QUIT takes no argument",
        Keyword::Retr => "RETR takes a message number",
        Keyword::Rset => "RSET takes no argument",
        Keyword::Stat => "STAT takes no argument",
        Keyword::Stls => "STLS takes no argument",
        Keyword::Top => "TOP takes a message number and a number of lines",
        Keyword::Uidl => "UIDL takes a message number or nothing",
        Keyword::User => "USER takes a user name",
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

/// How the server greets; with a timestamp where APOP may be used (RFC 1939 §7).
pub(crate) fn greeting(timestamp: Option<&str>, out: &mut Vec<u8>) {
    match timestamp {
        Some(timestamp) => line(out, &[b"+OK POP3 server ready ", timestamp.as_bytes()]),
        None => line(out, &[b"+OK POP3 server ready"]),
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
pub(crate) fn opened(name: &str, messages: usize, octets: Octets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    if is_safe(name) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"'s ");
    }
    maildrop_has(messages, octets, out);
}

/// The answer to RSET.
pub(crate) fn reset(messages: usize, octets: Octets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    maildrop_has(messages, octets, out);
}

fn maildrop_has(messages: usize, octets: Octets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"maildrop has ");
    messages_and_octets(messages, octets, out);
}

/// The answer to STAT: the drop listing (RFC 1939 §5).
pub(crate) fn stat(messages: usize, octets: Octets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    decimal(messages as u64, out);
    out.push(b' ');
    decimal(octets.0, out);
    out.extend_from_slice(b"\r\n");
}

/// The first line of LIST.
pub(crate) fn list(messages: usize, octets: Octets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    messages_and_octets(messages, octets, out);
}

/// The first line of UIDL.
pub(crate) fn uidl(messages: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    count(messages, out);
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

/// The first line of RETR. Some clients read the number (RFC 1957).
pub(crate) fn retr(octets: Octets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    decimal(octets.0, out);
    out.extend_from_slice(b" octets\r\n");
}

/// The first line of TOP.
pub(crate) fn top(out: &mut Vec<u8>) {
    line(out, &[b"+OK top of message follows"]);
}

/// The answer to DELE.
pub(crate) fn deleted(number: MessageNumber, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK message ");
    decimal(number.get().into(), out);
    out.extend_from_slice(b" deleted\r\n");
}

/// The first line of CAPA.
pub(crate) fn capa(out: &mut Vec<u8>) {
    line(out, &[b"+OK capability list follows"]);
}

/// The first line of AUTH without an argument.
pub(crate) fn mechanisms(out: &mut Vec<u8>) {
    line(out, &[b"+OK mechanisms follow"]);
}

/// A challenge in base 64. An empty one is `+`, space, CRLF (RFC 5034 §4).
pub(crate) fn challenge(base64: &str, out: &mut Vec<u8>) {
    line(out, &[b"+ ", base64.as_bytes()]);
}

/// The answer to STLS, the last one in clear.
pub(crate) fn start_tls(out: &mut Vec<u8>) {
    line(out, &[b"+OK begin TLS"]);
}

/// How the server signs off when nobody logged in.
pub(crate) fn bye(server: &str, out: &mut Vec<u8>) {
    line(
        out,
        &[b"+OK ", server.as_bytes(), b" POP3 server signing off"],
    );
}

/// How the server signs off after UPDATE.
pub(crate) fn committed(server: &str, messages_left: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK ");
    out.extend_from_slice(server.as_bytes());
    out.extend_from_slice(b" POP3 server signing off (");
    match messages_left {
        0 => out.extend_from_slice(b"maildrop empty"),
        _ => {
            count(messages_left, out);
            out.extend_from_slice(b" left");
        }
    }
    out.extend_from_slice(b")\r\n");
}

/// `2 messages (320 octets)` and the end of the line.
fn messages_and_octets(messages: usize, octets: Octets, out: &mut Vec<u8>) {
    count(messages, out);
    out.extend_from_slice(b" (");
    decimal(octets.0, out);
    out.extend_from_slice(b" octets)\r\n");
}

fn count(messages: usize, out: &mut Vec<u8>) {
    decimal(messages as u64, out);
    out.extend_from_slice(match messages {
        1 => b" message",
        _ => b" messages",
    });
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

    /// Every refusal; a variant that is not here does not compile.
    fn refusals() -> Vec<Refusal> {
        use Refusal::*;
        let mut all = vec![
            Credentials,
            InUse,
            Unavailable,
            Damaged,
            TooManySessions,
            NotDeletedNow,
            NotDeleted,
            UnknownCommand,
            TooManyErrors,
            Http,
            Nul,
            LineTooLong,
            NumberTooLarge,
            NoSuchMessage,
            MessageDeleted,
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
            MalformedResponse,
            Cancelled,
            StlsNotOffered,
            AlreadyTls,
        ];
        all.extend(Keyword::ALL.map(Usage));
        all
    }

    #[test]
    fn a_bracket_is_a_response_code_and_nothing_else() {
        for refusal in refusals() {
            let text = refusal.text();
            let code = text
                .strip_prefix('[')
                .map(|rest| rest.split_once("] ").unwrap().0);
            let known = [None, Some("AUTH"), Some("IN-USE"), Some("SYS/TEMP")];
            assert!(known.contains(&code) || code == Some("SYS/PERM"), "{text}");
            assert_eq!(text.matches('[').count(), usize::from(code.is_some()));
        }
    }

    #[test]
    fn a_refusal_is_one_short_printable_line() {
        for refusal in refusals() {
            let mut out = Vec::new();
            refusal.print(&mut out);
            // RFC 2449 §4: at most 512 octets, and readable by those who cut at 80.
            assert!(out.starts_with(b"-ERR ") && out.ends_with(b"\r\n"));
            assert!(out.len() <= 80, "{}", refusal.text());
            assert!(refusal.text().bytes().all(|b| (0x20..0x7f).contains(&b)));
            assert!(!refusal.text().ends_with('.'));
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
        for name in ["", "a[b", "[AUTH]", "bäb", "a b", "<x>", &"x".repeat(65)] {
            let mut out = Vec::new();
            user(name, &mut out);
            opened(name, 1, Octets(7), &mut out);
            let expected = "+OK\r\n+OK maildrop has 1 message (7 octets)\r\n";
            assert_eq!(out, expected.as_bytes());
        }
    }
}
