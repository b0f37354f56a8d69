//! The replies: the only place that prints a reply code.
//!
//! Codes are those of RFC 5321 §4.2, each with its enhanced status code (RFC 2034, RFC 3463). What
//! a peer said comes back only as an address that has passed the strict parser.

use maildrop::{DeliverError, Delivered};
use pop3::xclient::{Speaker, Wrong};

use super::{Client, Dialect, Encryption, Rejection, Settings};
use crate::{QuotaExceeded, RecipientRefusal};

/// A "no" to a command, or to one recipient of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    UnknownCommand,
    OtherDialect,
    NotImplemented,
    LineTooLong,
    LineOctets,
    NoArgument,
    Argument,
    HeloArgument,
    SenderSyntax,
    RecipientSyntax,
    NotAscii,
    Parameter,
    UnknownParameter,
    HelloFirst,
    SenderFirst,
    SenderTwice,
    RecipientFirst,
    WithinChunks,
    TlsAlready,
    RecipientUnknown,
    RecipientDisabled,
    AccountsUnavailable,
    TooManyRecipients,
    TooLarge,
    Loop,
    NoSpace,
    FullNow,
    Full,
    Unavailable,
    NotDelivered,
    NoFrontEnd,
    Attributes,
    InACircle,
    WithinTransaction,
    Greylisted,
    Forbidden,
}

impl Refusal {
    fn text(self) -> &'static str {
        match self {
            Self::UnknownCommand => "500 5.5.1 unknown command",
            // RFC 2033 §4.1.
            Self::OtherDialect => "500 5.5.1 LMTP says LHLO, SMTP says EHLO: this is the other one",
            Self::NotImplemented => "502 5.5.1 not offered here",
            Self::LineTooLong => "500 5.5.2 command line too long",
            Self::LineOctets => {
                "500 5.5.2 a command line is printable ASCII, but for addresses in UTF-8"
            }
            Self::NoArgument => "501 5.5.4 this command takes no argument",
            Self::Argument => "501 5.5.4 an argument is missing",
            Self::HeloArgument => "501 5.5.4 say who you are: one name or address",
            Self::SenderSyntax => "501 5.1.7 say MAIL FROM:<address>",
            Self::RecipientSyntax => "501 5.1.3 say RCPT TO:<address>",
            Self::NotAscii => "553 5.6.7 an address that is not ASCII needs SMTPUTF8",
            Self::Parameter => "501 5.5.4 bad or repeated parameter",
            Self::UnknownParameter => "555 5.5.4 unknown parameter",
            Self::HelloFirst => "503 5.5.1 say LHLO or EHLO first",
            Self::SenderFirst => "503 5.5.1 say MAIL first",
            Self::SenderTwice => "503 5.5.1 a sender is named already",
            // RFC 2033 §4.2: no successful RCPT, no DATA.
            Self::RecipientFirst => "503 5.5.1 no valid recipients",
            Self::WithinChunks => "503 5.5.1 the text has begun: say BDAT, or RSET to begin anew",
            Self::TlsAlready => "503 5.5.1 TLS is there already",
            Self::RecipientUnknown => "550 5.1.1 no such account",
            Self::RecipientDisabled => "550 5.2.1 account is disabled",
            Self::AccountsUnavailable => "451 4.3.0 accounts are unavailable, try again later",
            Self::TooManyRecipients => "452 4.5.3 too many recipients",
            Self::TooLarge => "552 5.3.4 message is too large",
            Self::Loop => "554 5.4.6 too many hops, this message is in a loop",
            Self::NoSpace => "452 4.3.1 no space left, try again later",
            Self::FullNow => "452 4.2.2 maildrop is full, try again later",
            Self::Full => "552 5.2.2 maildrop is full",
            Self::Unavailable => "451 4.3.0 maildrop is unavailable, try again later",
            Self::NotDelivered => "451 4.3.0 not delivered, try again later",
            Self::NoFrontEnd => "550 5.7.0 XCLIENT is for front ends that are named here",
            Self::Attributes => "501 5.5.4 say XCLIENT ADDR=192.0.2.7",
            Self::InACircle => "550 5.4.6 front ends pass this connection on in a circle",
            Self::WithinTransaction => "503 5.5.1 not within a mail transaction: say RSET first",
            Self::Greylisted => "451 4.7.1 not seen before, try again in some minutes",
            // RFC 7372 §3.2.
            Self::Forbidden => "550 5.7.23 SPF: the sender's domain does not let you send for it",
        }
    }
}

impl Refusal {
    /// Whether what was refused is no command of LMTP at all.
    pub(super) fn is_nonsense(self) -> bool {
        matches!(
            self,
            Self::UnknownCommand
                | Self::OtherDialect
                | Self::NotImplemented
                | Self::LineTooLong
                | Self::LineOctets
                | Self::NoFrontEnd
        )
    }
}

impl Refusal {
    /// Of a recipient, before there is a text.
    pub(super) fn of_recipient(why: RecipientRefusal, settings: &Settings) -> Self {
        match why {
            RecipientRefusal::Unknown => Self::RecipientUnknown,
            RecipientRefusal::Disabled => Self::RecipientDisabled,
            RecipientRefusal::Unavailable => Self::AccountsUnavailable,
            RecipientRefusal::Full => Self::full(settings),
            RecipientRefusal::Broken => Self::Unavailable,
            RecipientRefusal::Later => Self::Greylisted,
            RecipientRefusal::Forbidden => Self::Forbidden,
        }
    }

    /// Whether the message may be taken at another time.
    pub(super) fn is_temporary(self) -> bool {
        self.text().starts_with('4')
    }

    /// Of what a front end says of its client.
    pub(super) fn of_attributes(why: Wrong) -> Self {
        match why {
            Wrong::Form => Self::Attributes,
            Wrong::Loop => Self::InACircle,
        }
    }

    /// Of a message.
    pub(super) fn of_message(why: &DeliverError, settings: &Settings) -> Self {
        match why {
            DeliverError::OverQuota => Self::full(settings),
            DeliverError::NoSpace(_) => Self::NoSpace,
            // A damaged maildrop is for the operator to mend; the message waits at the sender.
            DeliverError::Unavailable(_) | DeliverError::Damaged(_) => Self::Unavailable,
        }
    }

    fn full(settings: &Settings) -> Self {
        match settings.quota_exceeded {
            QuotaExceeded::Temporary => Self::FullNow,
            QuotaExceeded::Permanent => Self::Full,
        }
    }
}

/// Why the session ends without QUIT: 421, as RFC 5321 §3.8 wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Farewell {
    BareLf,
    Http,
    BdatWithoutSize,
    TooManyRefusals,
    TooManyStrangers,
}

pub(super) fn greeting(out: &mut Vec<u8>, settings: &Settings) {
    let protocol = match settings.dialect {
        Dialect::Lmtp => " LMTP server ready",
        Dialect::Smtp => " ESMTP server ready",
    };
    line(out, &["220 ", &settings.hostname, protocol]);
}

pub(super) fn refusal(out: &mut Vec<u8>, why: Refusal) {
    line(out, &[why.text()]);
}

/// A refusal for one recipient of a message whose end has come (RFC 2033 §4.2).
pub(super) fn recipient_refusal(out: &mut Vec<u8>, address: &str, why: Refusal) {
    line(out, &[why.text(), " <", address, ">"]);
}

pub(super) fn delivered(out: &mut Vec<u8>, address: &str, delivered: &Delivered) {
    let unique_id = delivered.unique_id.to_string();
    line(
        out,
        &["250 2.0.0 delivered to <", address, "> as ", &unique_id],
    );
}

/// The extensions: only what is made something of.
pub(super) fn extensions(out: &mut Vec<u8>, settings: &Settings, client: &Client) {
    let size = settings.message_octets_max.to_string();
    line(out, &["250-", &settings.hostname]);
    line(out, &["250-PIPELINING"]);
    line(out, &["250-ENHANCEDSTATUSCODES"]);
    line(out, &["250-8BITMIME"]);
    line(out, &["250-SMTPUTF8"]);
    line(out, &["250-CHUNKING"]);
    if client.encryption == Encryption::Offered {
        line(out, &["250-STARTTLS"]);
    }
    // A front end says no more than is announced.
    if client.speaker == Speaker::FrontEnd {
        line(out, &["250-XCLIENT ADDR PORT TTL"]);
    }
    // 0 says that there is no fixed limit (RFC 1870 §3), as it does in the settings.
    line(out, &["250 SIZE ", &size]);
}

/// The answer to HELO, who wants no extensions.
pub(super) fn no_extensions(out: &mut Vec<u8>, settings: &Settings) {
    line(out, &["250 ", &settings.hostname]);
}

pub(super) fn chunk(out: &mut Vec<u8>, octets: u64) {
    line(
        out,
        &["250 2.0.0 ", &octets.to_string(), " octets received"],
    );
}

pub(super) fn start_tls(out: &mut Vec<u8>) {
    line(out, &["220 2.0.0 begin TLS"]);
}

/// A refusal of a message that is decided on outside of the session.
pub(super) fn rejection(out: &mut Vec<u8>, why: &Rejection) {
    let code = why.code.to_string();
    line(out, &[&code, " ", why.status, " ", &why.why]);
}

/// The one reply of SMTP for all recipients.
pub(super) fn delivered_to_all(out: &mut Vec<u8>) {
    line(out, &["250 2.0.0 delivered"]);
}

pub(super) fn sender(out: &mut Vec<u8>) {
    line(out, &["250 2.1.0 sender accepted"]);
}

pub(super) fn recipient(out: &mut Vec<u8>) {
    line(out, &["250 2.1.5 recipient accepted"]);
}

pub(super) fn go_ahead(out: &mut Vec<u8>) {
    // RFC 2034 §4: 3xx replies have no enhanced code.
    line(out, &["354 end the text with <CRLF>.<CRLF>"]);
}

pub(super) fn ok(out: &mut Vec<u8>) {
    line(out, &["250 2.0.0 OK"]);
}

pub(super) fn vrfy(out: &mut Vec<u8>) {
    // Says nothing about who exists; RCPT does, to the one who delivers (RFC 5321 §3.5.3).
    line(out, &["252 2.5.0 cannot verify, but RCPT will tell"]);
}

pub(super) fn help(out: &mut Vec<u8>, dialect: Dialect) {
    let (hello, source) = match dialect {
        Dialect::Lmtp => ("LHLO", "RFC 2033"),
        Dialect::Smtp => ("EHLO HELO", "RFC 5321"),
    };
    let commands = " MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS QUIT (";
    line(out, &["214 2.0.0 ", hello, commands, source, ")"]);
}

pub(super) fn bye(out: &mut Vec<u8>, settings: &Settings) {
    line(out, &["221 2.0.0 ", &settings.hostname, " signing off"]);
}

pub(super) fn farewell(out: &mut Vec<u8>, settings: &Settings, why: Farewell) {
    let (code, why) = match why {
        Farewell::BareLf => ("421 4.5.2 ", ": command lines end with CRLF, closing"),
        Farewell::Http => ("421 4.7.0 ", ": this is not a web server, closing"),
        Farewell::BdatWithoutSize => ("421 5.5.4 ", ": say BDAT size, or BDAT size LAST, closing"),
        Farewell::TooManyRefusals => ("421 4.7.0 ", ": too many bad commands, closing"),
        Farewell::TooManyStrangers => ("421 4.7.0 ", ": too many unknown recipients, closing"),
    };
    line(out, &[code, &settings.hostname, why]);
}

fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_an_enhanced_code_of_its_class() {
        use Refusal::*;
        for why in [
            UnknownCommand,
            OtherDialect,
            NotImplemented,
            LineTooLong,
            LineOctets,
            NoArgument,
            Argument,
            HeloArgument,
            SenderSyntax,
            RecipientSyntax,
            NotAscii,
            Parameter,
            UnknownParameter,
            HelloFirst,
            SenderFirst,
            SenderTwice,
            RecipientFirst,
            WithinChunks,
            TlsAlready,
            RecipientUnknown,
            RecipientDisabled,
            AccountsUnavailable,
            TooManyRecipients,
            TooLarge,
            Loop,
            NoSpace,
            FullNow,
            Full,
            Unavailable,
            NotDelivered,
            NoFrontEnd,
            Attributes,
            InACircle,
            WithinTransaction,
            Greylisted,
            Forbidden,
        ] {
            let text = why.text();
            let (code, rest) = text.split_at(3);
            let (enhanced, words) = rest[1..].split_once(' ').unwrap();
            assert!(matches!(code.as_bytes(), [b'4' | b'5', b'0'..=b'5', _]));
            assert_eq!(enhanced[..1], code[..1], "{text}");
            assert_eq!(enhanced.split('.').count(), 3, "{text}");
            assert!(words.len() > 5 && words.is_ascii());
        }
    }
}
