//! One command line: parsed once, into a type that cannot hold the wrong thing.
//!
//! Grammar: RFC 5321 §4.1.1 with LHLO for EHLO in LMTP (RFC 2033 §4.1), BDAT (RFC 3030 §2) and STARTTLS
//! (RFC 3207 §4). Lenient where it harms nobody: letters of any case, spaces behind the colon and at the
//! end. Which commands a dialect has is the session's to say.

use pop3::xclient::{Attributes, Wrong};

use super::parameters::{MailParameters, rcpt_parameters};
use super::reply::Refusal;
use super::{Dialect, address};

/// What the peer asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Command {
    /// LHLO, EHLO or HELO.
    Hello {
        name: String,
        greeting: Greeting,
    },
    Mail {
        sender: String,
        parameters: MailParameters,
    },
    Rcpt {
        address: String,
    },
    Data,
    Bdat(Chunk),
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    StartTls,
    /// What a front end says of its client; from somebody else nothing, whatever it is.
    Xclient(Result<Attributes, Wrong>),
    /// BDAT without a size: where the chunk ends, and the next command begins, nobody can tell.
    BdatWithoutSize,
    Http,
}

/// Whether extensions are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Greeting {
    /// LHLO or EHLO.
    Extended,
    /// HELO.
    Plain,
}

/// A chunk of a text, of which only the command has come (RFC 3030 §2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Chunk {
    /// Octets that follow the command's line.
    pub(super) octets: u64,
    /// Whether the text ends with it.
    pub(super) last: bool,
}

impl Command {
    /// Parses a line without its CRLF.
    ///
    /// # Errors
    ///
    /// The refusal to answer with.
    pub(super) fn parse(line: &[u8], dialect: Dialect) -> Result<Self, Refusal> {
        // White space at the end is forgiven (RFC 5321 §4.1.1), but a CR is no white space: what is a
        // line end to one program and none to another is how commands are smuggled.
        let trailing = |octet: &u8| matches!(octet, b' ' | b'\t');
        let octets = line.iter().rposition(|octet| !trailing(octet));
        let line = &line[..octets.map_or(0, |last| last + 1)];
        let (verb, argument) = match line.iter().position(|&octet| octet == b' ') {
            Some(space) => (&line[..space], line[space..].trim_ascii_start()),
            None => (line, &line[line.len()..]),
        };
        let verb = verb.to_ascii_uppercase();
        let printable = |octet: &u8| matches!(octet, b' '..=b'~' | 0x80..);
        // Behind this one octets follow that are no commands: it is told apart before anything else.
        if verb == b"BDAT" {
            return Ok(bdat(argument));
        }
        if !line.iter().all(printable) || !verb.is_ascii() {
            return Err(Refusal::LineOctets);
        }
        let addressed = matches!(&verb[..], b"MAIL" | b"RCPT");
        let argument = match std::str::from_utf8(argument) {
            Ok(argument) if addressed || argument.is_ascii() => argument,
            _ => return Err(Refusal::LineOctets),
        };
        match &verb[..] {
            b"LHLO" | b"EHLO" => hello(argument, Greeting::Extended, dialect.extended(&verb)),
            b"HELO" => hello(argument, Greeting::Plain, dialect == Dialect::Smtp),
            b"MAIL" => mail(argument),
            b"RCPT" => rcpt(argument),
            b"DATA" => alone(Self::Data, argument),
            b"RSET" => alone(Self::Rset, argument),
            b"QUIT" => alone(Self::Quit, argument),
            b"STARTTLS" => alone(Self::StartTls, argument),
            b"NOOP" => Ok(Self::Noop),
            b"XCLIENT" => Ok(Self::Xclient(Attributes::parse(argument.as_bytes()))),
            b"HELP" => Ok(Self::Help),
            b"VRFY" if argument.is_empty() => Err(Refusal::Argument),
            b"VRFY" => Ok(Self::Vrfy),
            b"EXPN" | b"AUTH" | b"ETRN" | b"TURN" | b"SEND" | b"SAML" | b"SOML" => {
                Err(Refusal::NotImplemented)
            }
            // A web browser that was talked into speaking to this port: its request may carry
            // commands in its body, so nothing more of it is read.
            b"GET" | b"HEAD" | b"POST" | b"PUT" | b"OPTIONS" | b"CONNECT" => Ok(Self::Http),
            _ => Err(Refusal::UnknownCommand),
        }
    }
}

fn alone(command: Command, argument: &str) -> Result<Command, Refusal> {
    match argument {
        "" => Ok(command),
        _ => Err(Refusal::NoArgument),
    }
}

fn hello(argument: &str, greeting: Greeting, spoken: bool) -> Result<Command, Refusal> {
    if !spoken {
        return Err(Refusal::OtherDialect);
    }
    // What it says is believed by nobody; it only has to fit into a Received field. A name is at
    // most 255 octets (RFC 5321 §4.5.3.1.2).
    match argument.len() {
        1..=255 if !argument.contains(' ') => Ok(Command::Hello {
            name: argument.to_owned(),
            greeting,
        }),
        _ => Err(Refusal::HeloArgument),
    }
}

fn mail(argument: &str) -> Result<Command, Refusal> {
    let rest = keyword(argument, "FROM:").ok_or(Refusal::SenderSyntax)?;
    let (sender, parameters) = address::path(rest).ok_or(Refusal::SenderSyntax)?;
    let parameters = MailParameters::parse(parameters)?;
    match sender.is_ascii() || parameters.utf8 {
        true => Ok(Command::Mail { sender, parameters }),
        false => Err(Refusal::NotAscii),
    }
}

fn rcpt(argument: &str) -> Result<Command, Refusal> {
    let rest = keyword(argument, "TO:").ok_or(Refusal::RecipientSyntax)?;
    let (address, parameters) = address::path(rest).ok_or(Refusal::RecipientSyntax)?;
    rcpt_parameters(parameters)?;
    match address.is_empty() {
        true => Err(Refusal::RecipientSyntax),
        false => Ok(Command::Rcpt { address }),
    }
}

fn bdat(argument: &[u8]) -> Command {
    let mut words = argument.split(|&octet| octet == b' ');
    let digits = words.next().unwrap_or_default();
    // So many digits always fit into 64 bits.
    let sound = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let octets = digits.iter().fold(0, |sum: u64, digit| {
        sum.wrapping_mul(10).wrapping_add(u64::from(digit & 15))
    });
    let last = match words.find(|word| !word.is_empty()) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
        Some(_) => return Command::BdatWithoutSize,
    };
    match sound && words.all(<[u8]>::is_empty) {
        true => Command::Bdat(Chunk { octets, last }),
        false => Command::BdatWithoutSize,
    }
}

/// What follows the keyword, whatever the case of its letters.
fn keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword)
        .then(|| rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, Refusal> {
        Command::parse(line.as_bytes(), Dialect::Lmtp)
    }

    fn rcpt(address: &str) -> Result<Command, Refusal> {
        Ok(Command::Rcpt {
            address: address.to_owned(),
        })
    }

    fn mail(sender: &str, octets: u64, utf8: bool) -> Result<Command, Refusal> {
        Ok(Command::Mail {
            sender: sender.to_owned(),
            parameters: MailParameters { octets, utf8 },
        })
    }

    fn bdat(octets: u64, last: bool) -> Result<Command, Refusal> {
        Ok(Command::Bdat(Chunk { octets, last }))
    }

    #[test]
    fn commands() {
        let lhlo = |name: &str| {
            Ok(Command::Hello {
                name: name.into(),
                greeting: Greeting::Extended,
            })
        };
        for (line, expected) in [
            ("LHLO mx.dobbs.org", lhlo("mx.dobbs.org")),
            ("lhlo [IPv6:::1] ", lhlo("[IPv6:::1]")),
            ("LHLO", Err(Refusal::HeloArgument)),
            ("LHLO a b", Err(Refusal::HeloArgument)),
            ("EHLO a", Err(Refusal::OtherDialect)),
            ("HELO a", Err(Refusal::OtherDialect)),
            ("DATA", Ok(Command::Data)),
            ("data  ", Ok(Command::Data)),
            ("DATA now", Err(Refusal::NoArgument)),
            ("RSET", Ok(Command::Rset)),
            ("RSET x", Err(Refusal::NoArgument)),
            ("QUIT", Ok(Command::Quit)),
            ("QUIT x", Err(Refusal::NoArgument)),
            ("NOOP", Ok(Command::Noop)),
            ("NOOP anything", Ok(Command::Noop)),
            ("HELP me", Ok(Command::Help)),
            ("VRFY bob", Ok(Command::Vrfy)),
            ("VRFY", Err(Refusal::Argument)),
            ("EXPN list", Err(Refusal::NotImplemented)),
            ("STARTTLS", Ok(Command::StartTls)),
            ("STARTTLS x", Err(Refusal::NoArgument)),
            ("BDAT 10", bdat(10, false)),
            ("bdat  10  last ", bdat(10, true)),
            ("BDAT 0 LAST", bdat(0, true)),
            (
                "BDAT 999999999999999999",
                bdat(999_999_999_999_999_999, false),
            ),
            ("BDAT 1000000000000000000", Ok(Command::BdatWithoutSize)),
            ("BDAT", Ok(Command::BdatWithoutSize)),
            ("BDAT LAST", Ok(Command::BdatWithoutSize)),
            ("BDAT 10 LAST LAST", Ok(Command::BdatWithoutSize)),
            ("BDAT 10 FIRST", Ok(Command::BdatWithoutSize)),
            ("BDAT -1", Ok(Command::BdatWithoutSize)),
            ("BDAT 1\0", Ok(Command::BdatWithoutSize)),
            ("BDAT 0x10", Ok(Command::BdatWithoutSize)),
            ("XCLIENT", Ok(Command::Xclient(Err(Wrong::Form)))),
            ("xclient TTL=0", Ok(Command::Xclient(Err(Wrong::Loop)))),
            (
                "XCLIENT NAME=x",
                Ok(Command::Xclient(Ok(Attributes::default()))),
            ),
            ("POST / HTTP/1.1", Ok(Command::Http)),
            ("", Err(Refusal::UnknownCommand)),
            (" NOOP", Err(Refusal::UnknownCommand)),
            ("NOOPS", Err(Refusal::UnknownCommand)),
            ("NOOP \t ", Ok(Command::Noop)),
            ("NOOP\tx", Err(Refusal::LineOctets)),
            ("DATA\r", Err(Refusal::LineOctets)),
            ("QUIT \u{c}", Err(Refusal::LineOctets)),
            ("NO\0OP", Err(Refusal::LineOctets)),
            ("NOOP \u{7f}", Err(Refusal::LineOctets)),
            ("NOOP é", Err(Refusal::LineOctets)),
        ] {
            assert_eq!(parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn each_dialect_has_its_greeting() {
        for (line, lmtp, smtp) in [
            ("LHLO a", Some(Greeting::Extended), None),
            ("EHLO a", None, Some(Greeting::Extended)),
            ("HELO a", None, Some(Greeting::Plain)),
        ] {
            for (dialect, expected) in [(Dialect::Lmtp, lmtp), (Dialect::Smtp, smtp)] {
                let expected = match expected {
                    Some(greeting) => Ok(Command::Hello {
                        name: "a".into(),
                        greeting,
                    }),
                    None => Err(Refusal::OtherDialect),
                };
                assert_eq!(Command::parse(line.as_bytes(), dialect), expected, "{line}");
            }
        }
    }

    #[test]
    fn senders() {
        for (line, expected) in [
            ("MAIL FROM:<>", mail("", 0, false)),
            ("mail from:<a@b.org>", mail("a@b.org", 0, false)),
            ("MAIL FROM: <a@b.org>", mail("a@b.org", 0, false)),
            (
                "MAIL FROM:<a@b.org> SIZE=1000",
                mail("a@b.org", 1000, false),
            ),
            ("MAIL FROM:<a@b.org> SMTPUTF8", mail("a@b.org", 0, true)),
            ("MAIL FROM:<é@b.org> SMTPUTF8", mail("é@b.org", 0, true)),
            (
                r#"MAIL FROM:<"é x"@bösch.org> SMTPUTF8"#,
                mail("\"é x\"@bösch.org", 0, true),
            ),
            (
                "MAIL FROM:<a@b.org> BODY=8BITMIME é=1",
                Err(Refusal::UnknownParameter),
            ),
            ("MAIL FROM:<>SIZE=1", Err(Refusal::SenderSyntax)),
            ("MAIL FROM:a@b.org", Err(Refusal::SenderSyntax)),
            ("MAIL FROM", Err(Refusal::SenderSyntax)),
            ("MAIL", Err(Refusal::SenderSyntax)),
            ("MAIL TO:<a@b.org>", Err(Refusal::SenderSyntax)),
            ("MAIL FROM:<é@b.org>", Err(Refusal::NotAscii)),
            (
                "MAIL FROM:<\u{85}@b.org> SMTPUTF8",
                Err(Refusal::SenderSyntax),
            ),
        ] {
            assert_eq!(parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn recipients() {
        for (line, expected) in [
            ("RCPT TO:<bob@dobbs.org>", rcpt("bob@dobbs.org")),
            ("RCPT TO:<bob>", rcpt("bob")),
            ("RCPT TO:<Postmaster>", rcpt("Postmaster")),
            ("RCPT TO:<a+b/c=d@dobbs.org>", rcpt("a+b/c=d@dobbs.org")),
            ("RCPT TO:<a..b.@dobbs.org>", rcpt("a..b.@dobbs.org")),
            ("RCPT TO:<bob@[192.0.2.1]>", rcpt("bob@[192.0.2.1]")),
            (
                "RCPT TO:<bob@[IPv6:2001:db8::1]>",
                rcpt("bob@[IPv6:2001:db8::1]"),
            ),
            (
                "RCPT TO:<@a.org,@[IPv6:::1]:bob@dobbs.org>",
                rcpt("bob@dobbs.org"),
            ),
            (r#"RCPT TO:<"bob"@dobbs.org>"#, rcpt("bob@dobbs.org")),
            (r#"RCPT TO:<"b\ob"@dobbs.org>"#, rcpt("bob@dobbs.org")),
            (r#"RCPT TO:<"a b>"@dobbs.org>"#, rcpt(r#""a b>"@dobbs.org"#)),
            (
                r#"RCPT TO:<"a\"\\"@dobbs.org>"#,
                rcpt(r#""a\"\\"@dobbs.org"#),
            ),
            (r#"RCPT TO:<""@dobbs.org>"#, rcpt(r#"""@dobbs.org"#)),
            (r#"RCPT TO:<"a@dobbs.org>"#, Err(Refusal::RecipientSyntax)),
            (r#"RCPT TO:<"a"b@dobbs.org>"#, Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<>", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<@dobbs.org>", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<bob@>", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<bob@[>", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<bob@[a[]>", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<bob@dobbs.org", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<bob@dobbs.org>>", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<bob@a@b>", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:<bob dobbs@a>", Err(Refusal::RecipientSyntax)),
            ("RCPT TO:bob@dobbs.org", Err(Refusal::RecipientSyntax)),
            ("RCPT", Err(Refusal::RecipientSyntax)),
            (
                "RCPT TO:<bob@dobbs.org> NOTIFY=NEVER",
                rcpt("bob@dobbs.org"),
            ),
            (
                "RCPT TO:<bob@dobbs.org> SIZE=1",
                Err(Refusal::UnknownParameter),
            ),
            // Whether it may be so is the transaction's to say.
            ("RCPT TO:<bob@dübbs.org>", rcpt("bob@dübbs.org")),
            ("RCPT TO:<bob@[dübbs]>", Err(Refusal::RecipientSyntax)),
        ] {
            assert_eq!(parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn octets_that_are_no_text_are_refused() {
        for octet in (0..0x20).chain([0x7f, 0xff]) {
            let line = [b"NOOP a", &[octet][..], b"b"].concat();
            assert_eq!(
                Command::parse(&line, Dialect::Lmtp),
                Err(Refusal::LineOctets)
            );
        }
    }
}
