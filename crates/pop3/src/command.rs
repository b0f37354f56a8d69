//! What a client may say: one line, parsed and printed.
//!
//! A command is a keyword in upper or lower case and its arguments, which spaces separate
//! (RFC 1939 §3). Reading is lenient where nothing can be misunderstood: more spaces than one,
//! spaces at the end, digests in upper case. PASS is the exception: everything after its first
//! space is the password (RFC 1939 §7).
//!
//! ```
//! use pop3::{Command, MessageNumber};
//!
//! let first = MessageNumber::new(1).unwrap();
//! assert_eq!(Command::parse(b"retr 1 "), Ok(Command::Retr(first)));
//! assert_eq!(Command::Retr(first).to_line().unwrap().expose(), b"RETR 1\r\n");
//! ```

use std::fmt;

use sasl::{Secret, base64};

use crate::reply::{Refusal, decimal};
use crate::xclient::{Attributes, Wrong};
use crate::{LanguageRange, MessageNumber, Part};

/// The first word of a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub enum Keyword {
    Apop,
    Auth,
    Capa,
    Dele,
    Lang,
    Last,
    List,
    Noop,
    Pass,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
    Xclient,
}

impl Keyword {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Apop,
        Self::Auth,
        Self::Capa,
        Self::Dele,
        Self::Lang,
        Self::Last,
        Self::List,
        Self::Noop,
        Self::Pass,
        Self::Quit,
        Self::Retr,
        Self::Rset,
        Self::Stat,
        Self::Stls,
        Self::Top,
        Self::Uidl,
        Self::User,
        Self::Utf8,
        Self::Xclient,
    ];

    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apop => "APOP",
            Self::Auth => "AUTH",
            Self::Capa => "CAPA",
            Self::Dele => "DELE",
            Self::Lang => "LANG",
            Self::Last => "LAST",
            Self::List => "LIST",
            Self::Noop => "NOOP",
            Self::Pass => "PASS",
            Self::Quit => "QUIT",
            Self::Retr => "RETR",
            Self::Rset => "RSET",
            Self::Stat => "STAT",
            Self::Stls => "STLS",
            Self::Top => "TOP",
            Self::Uidl => "UIDL",
            Self::User => "USER",
            Self::Utf8 => "UTF8",
            Self::Xclient => "XCLIENT",
        }
    }

    /// The keyword of that name, in upper or lower case.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|keyword| keyword.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A command with its arguments, each as the type that it must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Log in with a digest of the greeting's timestamp and a secret (RFC 1939 §7).
    Apop {
        /// The user name.
        user: String,
        /// MD5(timestamp ‖ secret).
        digest: [u8; 16],
    },
    /// List the mechanisms: AUTH without an argument, which Outlook uses as a probe.
    AuthList,
    /// Begin a SASL exchange (RFC 5034 §4).
    Auth {
        /// The mechanism's name, whether it is known here or not.
        mechanism: String,
        /// The initial response, base 64 removed; `=` stands for an empty one.
        initial_response: Option<Secret>,
    },
    /// List the capabilities (RFC 2449 §5).
    Capa,
    /// Mark a message as deleted.
    Dele(MessageNumber),
    /// Languages: list them, or speak one (RFC 6856 §3.2).
    Lang(Option<LanguageRange>),
    /// The highest message-number that was retrieved or marked (RFC 1460 §5; see
    /// [`Tolerance::Last`](crate::Tolerance::Last)).
    Last,
    /// Sizes: of all messages or of one.
    List(Option<MessageNumber>),
    /// Nothing.
    Noop,
    /// The password that belongs to the USER before it.
    Pass(Secret),
    /// End the session.
    Quit,
    /// The text of a message.
    Retr(MessageNumber),
    /// Unmark everything.
    Rset,
    /// Number of messages and sum of their sizes.
    Stat,
    /// Go on inside TLS (RFC 2595 §4).
    Stls,
    /// The header of a message and so many lines of its body.
    Top(MessageNumber, u64),
    /// Unique-ids: of all messages or of one.
    Uidl(Option<MessageNumber>),
    /// The user name.
    User(String),
    /// UTF-8 from now on (RFC 6856 §2.1).
    Utf8,
    /// A front end names its client (not in an RFC; see [`crate::xclient`]).
    Xclient(Attributes),
}

/// A command that no line can carry: an argument holds an octet that would end it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotALine;

impl fmt::Display for NotALine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("user name or password holds a character that POP3 cannot carry")
    }
}

impl std::error::Error for NotALine {}

impl Command {
    /// Reads a line, its end removed.
    ///
    /// # Errors
    ///
    /// The refusal that the client is to get.
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        // A NUL never means anything here, and programs that take it for the end of the line
        // have deleted the wrong message.
        if memchr::memchr(0, line).is_some() {
            return Err(Refusal::Nul);
        }
        let (name, rest) = match memchr::memchr(b' ', line) {
            Some(space) => (&line[..space], &line[space + 1..]),
            None => (line, &b""[..]),
        };
        let keyword = Keyword::named(name).ok_or(Refusal::UnknownCommand)?;
        if keyword == Keyword::Pass {
            return match rest {
                [] => Err(Refusal::Usage(keyword)),
                password => Ok(Self::Pass(Secret::new(password))),
            };
        }
        if keyword == Keyword::Xclient {
            return match Attributes::parse(rest) {
                Ok(attributes) => Ok(Self::Xclient(attributes)),
                Err(Wrong::Form) => Err(Refusal::Usage(keyword)),
                Err(Wrong::Loop) => Err(Refusal::ForwardedInACircle),
            };
        }
        let mut words = rest.split(|&octet| octet == b' ').filter(|w| !w.is_empty());
        // No command has more than two arguments; a third is an error for each of them.
        let arguments = (words.next(), words.next(), words.next());
        let usage = Refusal::Usage(keyword);
        match (keyword, arguments) {
            (Keyword::Capa, (None, ..)) => Ok(Self::Capa),
            (Keyword::Last, (None, ..)) => Ok(Self::Last),
            (Keyword::Noop, (None, ..)) => Ok(Self::Noop),
            (Keyword::Quit, (None, ..)) => Ok(Self::Quit),
            (Keyword::Rset, (None, ..)) => Ok(Self::Rset),
            (Keyword::Stat, (None, ..)) => Ok(Self::Stat),
            (Keyword::Stls, (None, ..)) => Ok(Self::Stls),
            (Keyword::Utf8, (None, ..)) => Ok(Self::Utf8),
            (Keyword::Auth, (None, ..)) => Ok(Self::AuthList),
            (Keyword::Lang, (None, ..)) => Ok(Self::Lang(None)),
            (Keyword::Lang, (Some(range), None, _)) => {
                Ok(Self::Lang(Some(LanguageRange::parse(range).ok_or(usage)?)))
            }
            (Keyword::List, (None, ..)) => Ok(Self::List(None)),
            (Keyword::Uidl, (None, ..)) => Ok(Self::Uidl(None)),
            (Keyword::List, (Some(n), None, _)) => Ok(Self::List(Some(message(n, usage)?))),
            (Keyword::Uidl, (Some(n), None, _)) => Ok(Self::Uidl(Some(message(n, usage)?))),
            (Keyword::Dele, (Some(n), None, _)) => Ok(Self::Dele(message(n, usage)?)),
            (Keyword::Retr, (Some(n), None, _)) => Ok(Self::Retr(message(n, usage)?)),
            (Keyword::Top, (Some(n), Some(lines), None)) => {
                Ok(Self::Top(message(n, usage)?, number(lines, usage)?))
            }
            (Keyword::User, (Some(name), None, _)) => Ok(Self::User(user(name, usage)?)),
            (Keyword::Apop, (Some(name), Some(hex), None)) => Ok(Self::Apop {
                user: user(name, usage).map_err(|refusal| match refusal {
                    // Unlike that of USER it comes with something that is to prove it: another one is
                    // what is needed (RFC 3206 §5).
                    Refusal::NotUtf8 => Refusal::Credentials,
                    other => other,
                })?,
                digest: digest(hex).ok_or(usage)?,
            }),
            (Keyword::Auth, (Some(name), response, None)) => Ok(Self::Auth {
                mechanism: mechanism(name).ok_or(usage)?,
                initial_response: response.map(initial_response).transpose()?,
            }),
            _ => Err(usage),
        }
    }

    /// The command as a line with CRLF. Secret, since it may hold a password.
    ///
    /// # Errors
    ///
    /// When a user name or password holds an octet that ends it or the line.
    pub fn to_line(&self) -> Result<Secret, NotALine> {
        let mut line = Vec::with_capacity(self.line_octets_max());
        line.extend_from_slice(self.keyword().name().as_bytes());
        match self {
            Self::AuthList
            | Self::Capa
            | Self::Last
            | Self::Noop
            | Self::Quit
            | Self::Rset
            | Self::Stat
            | Self::Stls
            | Self::Utf8
            | Self::Lang(None)
            | Self::List(None)
            | Self::Uidl(None) => {}
            Self::Dele(number)
            | Self::Retr(number)
            | Self::List(Some(number))
            | Self::Uidl(Some(number)) => print_number(number.get().into(), &mut line),
            Self::Top(number, lines) => {
                print_number(number.get().into(), &mut line);
                print_number(*lines, &mut line);
            }
            Self::Lang(Some(range)) => print_word(&range.to_string(), &mut line)?,
            Self::User(user) => print_word(user, &mut line)?,
            Self::Xclient(attributes) => line.extend_from_slice(attributes.to_string().as_bytes()),
            Self::Apop { user, digest } => {
                print_word(user, &mut line)?;
                line.push(b' ');
                for octet in digest {
                    for digit in [octet >> 4, octet & 15] {
                        line.push(b"0123456789abcdef"[usize::from(digit)]);
                    }
                }
            }
            Self::Pass(password) => {
                let password = password.expose();
                if password.is_empty() || password.iter().any(|octet| b"\0\r\n".contains(octet)) {
                    return Err(NotALine);
                }
                line.push(b' ');
                line.extend_from_slice(password);
            }
            Self::Auth {
                mechanism,
                initial_response,
            } => {
                print_word(mechanism, &mut line)?;
                if let Some(response) = initial_response {
                    line.push(b' ');
                    match response.expose() {
                        [] => line.push(b'='),
                        octets => {
                            let text = Secret::new(base64::encode(octets));
                            line.extend_from_slice(text.expose());
                        }
                    }
                }
            }
        }
        line.extend_from_slice(b"\r\n");
        Ok(Secret::new(line))
    }

    /// The first word.
    pub fn keyword(&self) -> Keyword {
        match self {
            Self::Apop { .. } => Keyword::Apop,
            Self::AuthList | Self::Auth { .. } => Keyword::Auth,
            Self::Capa => Keyword::Capa,
            Self::Dele(_) => Keyword::Dele,
            Self::Lang(_) => Keyword::Lang,
            Self::Last => Keyword::Last,
            Self::List(_) => Keyword::List,
            Self::Noop => Keyword::Noop,
            Self::Pass(_) => Keyword::Pass,
            Self::Quit => Keyword::Quit,
            Self::Retr(_) => Keyword::Retr,
            Self::Rset => Keyword::Rset,
            Self::Stat => Keyword::Stat,
            Self::Stls => Keyword::Stls,
            Self::Top(..) => Keyword::Top,
            Self::Uidl(_) => Keyword::Uidl,
            Self::User(_) => Keyword::User,
            Self::Utf8 => Keyword::Utf8,
            Self::Xclient(_) => Keyword::Xclient,
        }
    }

    /// The command that retrieves a part of a message.
    pub fn retrieve(number: MessageNumber, part: Part) -> Self {
        match part {
            Part::Whole => Self::Retr(number),
            Part::Top(lines) => Self::Top(number, lines),
        }
    }

    /// Room for the printed line, so that it is never moved and leaves no copy of a password.
    fn line_octets_max(&self) -> usize {
        64 + match self {
            Self::User(user) => user.len(),
            Self::Apop { user, .. } => user.len(),
            Self::Pass(password) => password.expose().len(),
            Self::Auth {
                mechanism,
                initial_response,
            } => {
                let octets = initial_response.as_ref().map_or(0, |r| r.expose().len());
                mechanism.len() + octets.div_ceil(3) * 4
            }
            _ => 0,
        }
    }
}

/// A message number. 0 is a number, only not one that a message has.
fn message(digits: &[u8], usage: Refusal) -> Result<MessageNumber, Refusal> {
    let number = number(digits, usage)?;
    let number = u32::try_from(number).map_err(|_| Refusal::NumberTooLarge)?;
    MessageNumber::new(number).ok_or(Refusal::NoSuchMessage)
}

fn number(digits: &[u8], usage: Refusal) -> Result<u64, Refusal> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(usage);
    }
    digits
        .iter()
        .try_fold(0u64, |number, digit| {
            number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
        .ok_or(Refusal::NumberTooLarge)
}

fn user(name: &[u8], usage: Refusal) -> Result<String, Refusal> {
    let name = str::from_utf8(name).map_err(|_| Refusal::NotUtf8)?;
    match name.chars().any(char::is_control) {
        true => Err(usage),
        false => Ok(name.to_owned()),
    }
}

/// MD5 in hexadecimal digits.
fn digest(hex: &[u8]) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    let pairs = hex.chunks_exact(2);
    if hex.len() != 32 {
        return None;
    }
    for (octet, pair) in digest.iter_mut().zip(pairs) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *octet = u8::try_from(high << 4 | low).ok()?;
    }
    Some(digest)
}

/// 1 to 20 octets of upper-case letters, digits, `-` and `_` (RFC 4422 §3.1); case is forgiven.
fn mechanism(name: &[u8]) -> Option<String> {
    let well_formed = (1..=20).contains(&name.len())
        && name
            .iter()
            .all(|&octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_');
    well_formed.then(|| String::from_utf8_lossy(name).to_ascii_uppercase())
}

fn initial_response(text: &[u8]) -> Result<Secret, Refusal> {
    match text {
        b"=" => Ok(Secret::new([])),
        _ => match base64::decode(text) {
            Ok(octets) => Ok(Secret::new(octets)),
            Err(_) => Err(Refusal::NotBase64),
        },
    }
}

fn print_number(number: u64, line: &mut Vec<u8>) {
    line.push(b' ');
    decimal(number, line);
}

fn print_word(word: &str, line: &mut Vec<u8>) -> Result<(), NotALine> {
    if word.is_empty() || word.chars().any(|c| c == ' ' || c.is_control()) {
        return Err(NotALine);
    }
    line.push(b' ');
    line.extend_from_slice(word.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::{NonZeroU16, NonZeroU32};

    use super::*;
    use crate::xclient::Transport;
    use proptest::prelude::*;

    fn n(number: u32) -> MessageNumber {
        MessageNumber::new(number).unwrap()
    }

    #[test]
    fn every_command_in_its_plain_form() {
        let digest = *b"\xc4\xc9\x33\x4b\xac\x56\x0e\xcc\x97\x9e\x58\x00\x1b\x3e\x22\xfb";
        let user = || "mrose".to_owned();
        let client = || Attributes {
            address: Some("192.0.2.7".parse().unwrap()),
            ..Attributes::default()
        };
        let plain = |initial_response| Command::Auth {
            mechanism: "PLAIN".into(),
            initial_response,
        };
        for (line, command) in [
            (
                "APOP mrose c4c9334bac560ecc979e58001b3e22fb",
                Command::Apop {
                    user: user(),
                    digest,
                },
            ),
            ("AUTH", Command::AuthList),
            ("AUTH PLAIN", plain(None)),
            ("AUTH PLAIN =", plain(Some(Secret::new("")))),
            ("AUTH PLAIN AGEAYg==", plain(Some(Secret::new("\0a\0b")))),
            ("CAPA", Command::Capa),
            ("DELE 2", Command::Dele(n(2))),
            ("LANG", Command::Lang(None)),
            ("LANG *", Command::Lang(Some(LanguageRange::Any))),
            ("LANG de-AT", Command::Lang(LanguageRange::parse(b"de-AT"))),
            ("LAST", Command::Last),
            ("LIST", Command::List(None)),
            ("LIST 4294967295", Command::List(Some(n(u32::MAX)))),
            ("NOOP", Command::Noop),
            ("PASS tanstaaf", Command::Pass(Secret::new("tanstaaf"))),
            ("QUIT", Command::Quit),
            ("RETR 1", Command::Retr(n(1))),
            ("RSET", Command::Rset),
            ("STAT", Command::Stat),
            ("STLS", Command::Stls),
            ("TOP 1 0", Command::Top(n(1), 0)),
            ("UIDL", Command::Uidl(None)),
            ("UIDL 7", Command::Uidl(Some(n(7)))),
            ("USER mrose", Command::User(user())),
            ("UTF8", Command::Utf8),
            ("XCLIENT ADDR=192.0.2.7", Command::Xclient(client())),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(command.clone()));
            let printed = command.to_line().unwrap();
            assert_eq!(printed.expose(), format!("{line}\r\n").as_bytes());
        }
    }

    #[test]
    fn reading_is_lenient_where_nothing_can_be_misunderstood() {
        for (line, command) in [
            ("stat  ", Command::Stat),
            ("lIsT   007 ", Command::List(Some(n(7)))),
            ("top 1  10", Command::Top(n(1), 10)),
            ("auth plain ", {
                Command::Auth {
                    mechanism: "PLAIN".into(),
                    initial_response: None,
                }
            }),
            ("PASS  two  words ", {
                Command::Pass(Secret::new(" two  words "))
            }),
            ("PASS  ", Command::Pass(Secret::new(" "))),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        use Keyword::*;
        for (line, refusal) in [
            (&b""[..], Refusal::UnknownCommand),
            (b" STAT", Refusal::UnknownCommand),
            (b"STATS", Refusal::UnknownCommand),
            (b"STAT\t", Refusal::UnknownCommand),
            (b"XTND XMIT", Refusal::UnknownCommand),
            (b"DELE 1\x00junk", Refusal::Nul),
            (b"PASS a\0b", Refusal::Nul),
            (b"STAT 1", Refusal::Usage(Stat)),
            (b"NOOP 1", Refusal::Usage(Noop)),
            (b"RSET 1", Refusal::Usage(Rset)),
            (b"QUIT 1", Refusal::Usage(Quit)),
            (b"CAPA 1", Refusal::Usage(Capa)),
            (b"STLS 1", Refusal::Usage(Stls)),
            (b"DELE", Refusal::Usage(Dele)),
            (b"DELE 1 2", Refusal::Usage(Dele)),
            (b"DELE -1", Refusal::Usage(Dele)),
            (b"DELE +1", Refusal::Usage(Dele)),
            (b"DELE 1a", Refusal::Usage(Dele)),
            (b"DELE 1\r", Refusal::Usage(Dele)),
            (b"DELE 0x1", Refusal::Usage(Dele)),
            (b"DELE \xd9\xa1", Refusal::Usage(Dele)),
            (b"DELE 0", Refusal::NoSuchMessage),
            (b"DELE 4294967296", Refusal::NumberTooLarge),
            (b"DELE 18446744073709551617", Refusal::NumberTooLarge),
            (b"RETR", Refusal::Usage(Retr)),
            (b"LANG de fr", Refusal::Usage(Lang)),
            (b"LANG de_AT", Refusal::Usage(Lang)),
            (b"LANG \xff", Refusal::Usage(Lang)),
            (b"LAST 1", Refusal::Usage(Last)),
            (b"LIST 1 2", Refusal::Usage(List)),
            (b"UIDL *", Refusal::Usage(Uidl)),
            (b"TOP 1", Refusal::Usage(Top)),
            (b"TOP 1 -1", Refusal::Usage(Top)),
            (b"TOP 1 2 3", Refusal::Usage(Top)),
            (b"TOP 1 99999999999999999999", Refusal::NumberTooLarge),
            (b"UTF8 1", Refusal::Usage(Utf8)),
            (b"USER", Refusal::Usage(User)),
            (b"USER a b", Refusal::Usage(User)),
            (b"USER a\x1b[2J", Refusal::Usage(User)),
            (b"USER \xff", Refusal::NotUtf8),
            (b"PASS", Refusal::Usage(Pass)),
            (b"PASS ", Refusal::Usage(Pass)),
            (b"APOP mrose", Refusal::Usage(Apop)),
            (b"APOP mrose c4c9", Refusal::Usage(Apop)),
            (
                b"APOP mrose g4c9334bac560ecc979e58001b3e22fb",
                Refusal::Usage(Apop),
            ),
            (b"AUTH PLAIN a b", Refusal::Usage(Auth)),
            (b"AUTH PL*IN", Refusal::Usage(Auth)),
            (b"AUTH A23456789012345678901", Refusal::Usage(Auth)),
            (b"AUTH PLAIN ==", Refusal::NotBase64),
            (b"AUTH PLAIN AA=A", Refusal::NotBase64),
            (b"XCLIENT", Refusal::Usage(Xclient)),
            (b"XCLIENT 192.0.2.7", Refusal::Usage(Xclient)),
            (b"XCLIENT ADDR=a", Refusal::Usage(Xclient)),
            (b"XCLIENT TTL=0", Refusal::ForwardedInACircle),
        ] {
            assert_eq!(Command::parse(line), Err(refusal), "{line:?}");
        }
    }

    #[test]
    fn nothing_is_printed_that_would_be_two_commands() {
        for command in [
            Command::User("a\r\nDELE 1".into()),
            Command::User("a b".into()),
            Command::User(String::new()),
            Command::Pass(Secret::new("a\nDELE 1")),
            Command::Pass(Secret::new("a\0")),
            Command::Pass(Secret::new("")),
        ] {
            assert_eq!(command.to_line(), Err(NotALine));
        }
    }

    fn client() -> impl Strategy<Value = Attributes> {
        let addresses = prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        ];
        let transports = prop_oneof![Just(Transport::Tls), Just(Transport::Insecure)];
        (
            prop::option::of(addresses),
            any::<u16>().prop_map(NonZeroU16::new),
            prop::option::of("[a-z+= ]{1,20}"),
            any::<u32>().prop_map(NonZeroU32::new),
            prop::option::of(transports),
        )
            .prop_map(|(address, port, session, ttl, transport)| Attributes {
                address,
                port,
                session,
                ttl,
                transport,
            })
    }

    fn command() -> impl Strategy<Value = Command> {
        let number = || (1u32..).prop_map(n);
        let name = "[!-~äß]{1,40}";
        let octets = || prop::collection::vec(any::<u8>(), 0..80).prop_map(Secret::new);
        prop_oneof![
            (name, any::<[u8; 16]>()).prop_map(|(user, digest)| Command::Apop { user, digest }),
            Just(Command::AuthList),
            ("[A-Z0-9_-]{1,20}", prop::option::of(octets())).prop_map(
                |(mechanism, initial_response)| Command::Auth {
                    mechanism,
                    initial_response
                }
            ),
            Just(Command::Capa),
            number().prop_map(Command::Dele),
            prop::option::of("\\*|[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8}){0,3}").prop_map(|range| {
                Command::Lang(range.and_then(|it| LanguageRange::parse(it.as_bytes())))
            }),
            Just(Command::Last),
            prop::option::of(number()).prop_map(Command::List),
            Just(Command::Noop),
            "[^\0\r\n]{1,40}".prop_map(|password| Command::Pass(Secret::new(password))),
            Just(Command::Quit),
            number().prop_map(Command::Retr),
            Just(Command::Rset),
            Just(Command::Stat),
            Just(Command::Stls),
            (number(), any::<u64>()).prop_map(|(number, lines)| Command::Top(number, lines)),
            prop::option::of(number()).prop_map(Command::Uidl),
            name.prop_map(Command::User),
            Just(Command::Utf8),
            client().prop_map(Command::Xclient),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(command in command()) {
            let printed = command.to_line().unwrap();
            let line = printed.expose().strip_suffix(b"\r\n").unwrap();
            prop_assert_eq!(Command::parse(line), Ok(command));
        }

        #[test]
        fn what_is_read_is_printed_as_what_is_read_again(
            line in "(?s)((STAT|list|TOP|USER|PASS|AUTH|APOP|dele)( [0-9a=\0\r ]{0,12}){0,3}|.{0,20})"
        ) {
            if let Ok(command) = Command::parse(line.as_bytes())
                && let Ok(printed) = command.to_line()
            {
                let line = printed.expose().strip_suffix(b"\r\n").unwrap();
                prop_assert_eq!(Command::parse(line), Ok(command));
            }
        }
    }
}
