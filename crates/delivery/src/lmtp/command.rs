//! One command line: parsed once, into a type that cannot hold the wrong thing.
//!
//! Grammar: RFC 5321 §4.1.1 and §4.1.2 with LHLO for EHLO (RFC 2033 §4.1), SIZE (RFC 1870 §3) and
//! BODY (RFC 6152 §3). Lenient where it harms nobody: letters of any case, spaces behind the colon
//! and at the end, dots of a local part anywhere.

use pop3::xclient::{Attributes, Wrong};

use super::reply::Refusal;

/// What the peer asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Command {
    Lhlo {
        name: String,
    },
    Mail {
        sender: String,
        octets: u64,
    },
    Rcpt {
        address: String,
    },
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    /// What a front end says of its client; from somebody else nothing, whatever it is.
    Xclient(Result<Attributes, Wrong>),
    Http,
}

impl Command {
    /// Parses a line without its CRLF.
    ///
    /// # Errors
    ///
    /// The refusal to answer with.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Refusal> {
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
        let addressed = matches!(&verb[..], b"MAIL" | b"RCPT");
        let printable = |octet: &u8| matches!(octet, b' '..=b'~' | 0x80..);
        if !line.iter().all(printable) || !verb.is_ascii() {
            return Err(Refusal::LineOctets);
        }
        let Ok(argument) = std::str::from_utf8(argument)
            .map_err(drop)
            .and_then(|text| {
                // SMTPUTF8 is not announced (RFC 6531 §3.2).
                text.is_ascii().then_some(text).ok_or(())
            })
        else {
            return Err(match addressed {
                true => Refusal::NotAscii,
                false => Refusal::LineOctets,
            });
        };
        match &verb[..] {
            b"LHLO" => lhlo(argument),
            b"HELO" | b"EHLO" => Err(Refusal::NotLmtp),
            b"MAIL" => mail(argument),
            b"RCPT" => rcpt(argument),
            b"DATA" => alone(Self::Data, argument),
            b"RSET" => alone(Self::Rset, argument),
            b"QUIT" => alone(Self::Quit, argument),
            b"NOOP" => Ok(Self::Noop),
            b"XCLIENT" => Ok(Self::Xclient(Attributes::parse(argument.as_bytes()))),
            b"HELP" => Ok(Self::Help),
            b"VRFY" if argument.is_empty() => Err(Refusal::Argument),
            b"VRFY" => Ok(Self::Vrfy),
            b"EXPN" | b"STARTTLS" | b"AUTH" | b"BDAT" | b"ETRN" | b"TURN" => {
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

fn lhlo(argument: &str) -> Result<Command, Refusal> {
    // What it says is believed by nobody; it only has to fit into a Received field. A name is at
    // most 255 octets (RFC 5321 §4.5.3.1.2).
    match argument.len() {
        1..=255 if !argument.contains(' ') => Ok(Command::Lhlo {
            name: argument.to_owned(),
        }),
        _ => Err(Refusal::HeloArgument),
    }
}

fn mail(argument: &str) -> Result<Command, Refusal> {
    let rest = keyword(argument, "FROM:").ok_or(Refusal::SenderSyntax)?;
    let (sender, parameters) = path(rest).ok_or(Refusal::SenderSyntax)?;
    let (mut octets, mut body, mut auth) = (None, None, None);
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let seen = match name.to_ascii_uppercase().as_str() {
            // Up to 20 digits (RFC 1870 §3); those that no u64 holds are beyond any limit too.
            "SIZE" => {
                let digits = (1..=20).contains(&value.len());
                if !digits || !value.bytes().all(|octet| octet.is_ascii_digit()) {
                    return Err(Refusal::Parameter);
                }
                octets.replace(value.parse().unwrap_or(u64::MAX)).is_some()
            }
            "BODY" => match value.to_ascii_uppercase().as_str() {
                "7BIT" | "8BITMIME" => body.replace(()).is_some(),
                _ => return Err(Refusal::Parameter),
            },
            // Who submitted the message matters to nobody here (RFC 4954 §5).
            "AUTH" => auth.replace(()).is_some(),
            _ => return Err(Refusal::UnknownParameter),
        };
        if seen {
            return Err(Refusal::Parameter);
        }
    }
    Ok(Command::Mail {
        sender,
        octets: octets.unwrap_or(0),
    })
}

fn rcpt(argument: &str) -> Result<Command, Refusal> {
    let rest = keyword(argument, "TO:").ok_or(Refusal::RecipientSyntax)?;
    let (address, parameters) = path(rest).ok_or(Refusal::RecipientSyntax)?;
    match (address.is_empty(), parameters) {
        (true, _) => Err(Refusal::RecipientSyntax),
        (false, "") => Ok(Command::Rcpt { address }),
        (false, _) => Err(Refusal::UnknownParameter),
    }
}

/// What follows the keyword, whatever the case of its letters.
fn keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword)
        .then(|| rest.trim_ascii_start())
}

/// The address of a path in angle brackets, empty for `<>`, and what follows behind a space.
///
/// A source route is dropped (RFC 5321 §4.1.2, appendix C).
fn path(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('<')?;
    if let Some(rest) = inner.strip_prefix('>') {
        return Some((String::new(), parameters(rest)?));
    }
    let inner = match inner.strip_prefix('@') {
        Some(route) => route_end(route)?,
        None => inner,
    };
    let (mut address, rest) = local_part(inner)?;
    let rest = match rest.strip_prefix('@') {
        Some(rest) => {
            let (domain, rest) = domain(rest)?;
            address.push('@');
            address.push_str(domain);
            rest
        }
        None => rest,
    };
    Some((address, parameters(rest.strip_prefix('>')?)?))
}

fn parameters(rest: &str) -> Option<&str> {
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim_ascii())
}

/// Behind `@one,@two:`, given without its first `@`.
fn route_end(route: &str) -> Option<&str> {
    let (_, rest) = domain(route)?;
    match rest.strip_prefix(':') {
        Some(rest) => Some(rest),
        None => route_end(rest.strip_prefix(",@")?),
    }
}

/// A dot-string or quoted-string in its shortest form, and what follows.
fn local_part(text: &str) -> Option<(String, &str)> {
    let is_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let Some(quoted) = text.strip_prefix('"') else {
        let (atom, rest) = text.split_at(text.find(|c| !is_atom(c)).unwrap_or(text.len()));
        return (!atom.is_empty()).then(|| (atom.to_owned(), rest));
    };
    let (mut plain, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => plain.push(chars.next()?),
            c => plain.push(c),
        }
    }
    // `"bob"` and `bob` are the same (RFC 5321 §4.1.2: compare by value, quote only if needed).
    let local_part = match !plain.is_empty() && plain.chars().all(is_atom) {
        true => plain,
        false => format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    Some((local_part, chars.as_str()))
}

/// A domain or an address literal in square brackets, and what follows.
fn domain(text: &str) -> Option<(&str, &str)> {
    let end = match text.starts_with('[') {
        true => text.find(']')? + 1,
        false => {
            // Underscores are not right, but they are there.
            let is_domain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
            text.find(|c| !is_domain(c)).unwrap_or(text.len())
        }
    };
    let (domain, rest) = text.split_at(end);
    let literal = |c: char| !"<>[]\\ ".contains(c);
    let sound = match domain.strip_prefix('[') {
        Some(inner) => inner.trim_end_matches(']').chars().all(literal),
        None => !domain.is_empty(),
    };
    sound.then_some((domain, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, Refusal> {
        Command::parse(line.as_bytes())
    }

    fn rcpt(address: &str) -> Result<Command, Refusal> {
        Ok(Command::Rcpt {
            address: address.to_owned(),
        })
    }

    fn mail(sender: &str, octets: u64) -> Result<Command, Refusal> {
        Ok(Command::Mail {
            sender: sender.to_owned(),
            octets,
        })
    }

    #[test]
    fn commands() {
        let lhlo = |name: &str| Ok(Command::Lhlo { name: name.into() });
        for (line, expected) in [
            ("LHLO mx.dobbs.org", lhlo("mx.dobbs.org")),
            ("lhlo [IPv6:::1] ", lhlo("[IPv6:::1]")),
            ("LHLO", Err(Refusal::HeloArgument)),
            ("LHLO a b", Err(Refusal::HeloArgument)),
            ("EHLO a", Err(Refusal::NotLmtp)),
            ("HELO a", Err(Refusal::NotLmtp)),
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
            ("BDAT 10 LAST", Err(Refusal::NotImplemented)),
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
    fn senders() {
        for (line, expected) in [
            ("MAIL FROM:<>", mail("", 0)),
            ("mail from:<a@b.org>", mail("a@b.org", 0)),
            ("MAIL FROM: <a@b.org>", mail("a@b.org", 0)),
            ("MAIL FROM:<a@b.org> SIZE=1000", mail("a@b.org", 1000)),
            (
                "MAIL FROM:<a@b.org> size=1 BODY=8BITMIME AUTH=<>",
                mail("a@b.org", 1),
            ),
            ("MAIL FROM:<a@b.org> BODY=7bit", mail("a@b.org", 0)),
            ("MAIL FROM:<> SIZE=99999999999999999999", mail("", u64::MAX)),
            (
                "MAIL FROM:<> SIZE=100000000000000000000",
                Err(Refusal::Parameter),
            ),
            ("MAIL FROM:<> SIZE=", Err(Refusal::Parameter)),
            ("MAIL FROM:<> SIZE=+1", Err(Refusal::Parameter)),
            ("MAIL FROM:<> SIZE=1 SIZE=1", Err(Refusal::Parameter)),
            ("MAIL FROM:<> BODY=BINARYMIME", Err(Refusal::Parameter)),
            ("MAIL FROM:<> BODY", Err(Refusal::Parameter)),
            ("MAIL FROM:<> SMTPUTF8", Err(Refusal::UnknownParameter)),
            ("MAIL FROM:<>SIZE=1", Err(Refusal::SenderSyntax)),
            ("MAIL FROM:a@b.org", Err(Refusal::SenderSyntax)),
            ("MAIL FROM", Err(Refusal::SenderSyntax)),
            ("MAIL", Err(Refusal::SenderSyntax)),
            ("MAIL TO:<a@b.org>", Err(Refusal::SenderSyntax)),
            ("MAIL FROM:<é@b.org>", Err(Refusal::NotAscii)),
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
                Err(Refusal::UnknownParameter),
            ),
            ("RCPT TO:<bob@dübbs.org>", Err(Refusal::NotAscii)),
        ] {
            assert_eq!(parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn octets_that_are_no_text_are_refused() {
        for octet in (0..0x20).chain([0x7f, 0xff]) {
            let line = [b"NOOP a", &[octet][..], b"b"].concat();
            assert_eq!(Command::parse(&line), Err(Refusal::LineOctets));
        }
    }
}
