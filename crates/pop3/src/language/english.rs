//! English, in which a session begins.

use super::{Counted, put};
use crate::Octets;
use crate::command::Keyword;
use crate::reply::{Refusal, Said};

pub(super) fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Credentials => "wrong user name or password, or the account may not log in",
        Refusal::InUse => "maildrop is in use by another session",
        Refusal::TooSoon => "too many logins of late, please wait before the next one",
        Refusal::Unavailable => "not possible now, please try again later",
        Refusal::Damaged => "mail is damaged, please tell the operator",
        Refusal::TooManySessions => "too many sessions, please try again later",
        Refusal::NotDeletedNow => "nothing was deleted, please try again later",
        Refusal::NotDeleted => "nothing was deleted, please tell the operator",
        Refusal::NotHiddenNow => "nothing was hidden, please try again later",
        Refusal::NotHidden => "nothing was hidden, please tell the operator",
        Refusal::MechanismNotHere => "mechanism is not possible on this connection",
        Refusal::ServerFirst => "this mechanism takes no initial response",
        Refusal::Binding => "channel binding does not fit this connection",
        Refusal::BindingSpent => {
            "the channel binding of this connection is used up, please connect again"
        }
        Refusal::UnknownCommand => "unknown command",
        Refusal::TooManyErrors => "too many errors, closing",
        Refusal::Http => "this is a POP3 server, closing",
        Refusal::Usage(keyword) => usage(keyword),
        Refusal::Nul => "line holds a NUL",
        Refusal::LineTooLong => "line is too long",
        Refusal::BareLf => "a line must end with CRLF",
        Refusal::NumberTooLarge => "number is too large",
        Refusal::NoSuchMessage => "no such message",
        Refusal::MessageDeleted => "message is deleted",
        Refusal::MessageHidden => "message is hidden, not deleted",
        Refusal::MessageKept => "message is left out until QUIT, not deleted",
        Refusal::ReadOnly => "nothing can be deleted in this maildrop",
        Refusal::NotLoggedIn => "log in first",
        Refusal::LoggedIn => "already logged in",
        Refusal::UserFirst => "USER first",
        Refusal::NotUtf8 => "user name is not UTF-8",
        Refusal::Password => "password must be UTF-8 without control characters",
        Refusal::PasswordsAfterTls => "passwords are accepted only inside TLS",
        Refusal::NotBase64 => "not base 64",
        Refusal::UnknownMechanism => "unknown mechanism",
        Refusal::MalformedResponse => "not a message of this mechanism",
        Refusal::Cancelled => "authentication cancelled",
        Refusal::StlsNotOffered => "TLS is not available here",
        Refusal::AlreadyTls => "already inside TLS",
        Refusal::StlsAfterUtf8 => "no STLS after UTF8",
        Refusal::Utf8AfterSize => "no UTF8 once a size was told",
        Refusal::NeedsUtf8 => "message has a header that needs UTF8",
        Refusal::UnknownLanguage => "this language is not spoken here",
        Refusal::ForwardedLate => "XCLIENT comes before a login",
        Refusal::ForwardedTwice => "XCLIENT says each thing once",
        Refusal::ForwardedInACircle => "front ends pass this connection on in a circle",
    }
}

fn usage(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Apop => "APOP takes a user name and an MD5 digest",
        Keyword::Auth => "AUTH takes a mechanism and at most one initial response",
        Keyword::Capa => "CAPA takes no argument",
        Keyword::Dele => "DELE takes a message number",
        Keyword::Lang => "LANG takes a language or nothing",
        Keyword::Last => "LAST takes no argument",
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
        Keyword::Utf8 => "UTF8 takes no argument",
        Keyword::Xclient => "XCLIENT takes attributes such as ADDR=192.0.2.7",
    }
}

pub(super) fn say(said: &Said<'_>, out: &mut Vec<u8>) {
    match *said {
        Said::Opened {
            name,
            messages,
            octets,
        } => {
            if let Some(name) = name {
                put(out, format_args!("{name}'s "));
            }
            let (messages, octets) = (counted(messages), sized(octets));
            put(out, format_args!("maildrop has {messages} ({octets})"));
        }
        Said::Reset { messages, octets } => {
            let (messages, octets) = (counted(messages), sized(octets));
            put(out, format_args!("maildrop has {messages} ({octets})"));
        }
        Said::Shown { messages, octets } => {
            let messages = counted(messages);
            put(
                out,
                format_args!("maildrop shows {messages} ({octets} octets)"),
            );
        }
        Said::Top => put(out, format_args!("top of message follows")),
        Said::Deleted(number) => put(out, format_args!("message {number} deleted")),
        Said::Hidden(number) => put(out, format_args!("message {number} hidden, not deleted")),
        Said::Kept(number) => put(
            out,
            format_args!("message {number} left out until QUIT, not deleted"),
        ),
        Said::Capabilities => put(out, format_args!("capability list follows")),
        Said::Mechanisms => put(out, format_args!("mechanisms follow")),
        Said::BeginTls => put(out, format_args!("begin TLS")),
        Said::Bye(server) => put(out, format_args!("{server} POP3 server signing off")),
        Said::Committed { server, left: 0 } => {
            put(
                out,
                format_args!("{server} POP3 server signing off (maildrop empty)"),
            );
        }
        Said::Committed { server, left } => {
            let left = counted(left);
            put(
                out,
                format_args!("{server} POP3 server signing off ({left} left)"),
            );
        }
        Said::Languages(tag) => {
            put(
                out,
                format_args!("language is {tag}, all that are spoken follow"),
            );
        }
        Said::Utf8 => put(out, format_args!("UTF-8 from now on")),
        Said::Language => put(out, format_args!("language is English now")),
    }
}

pub(super) fn counted(messages: usize) -> Counted {
    let word = match messages {
        1 => "message",
        _ => "messages",
    };
    Counted(messages as u64, word)
}

pub(super) fn sized(octets: Octets) -> Counted {
    Counted(octets.0, "octets")
}
