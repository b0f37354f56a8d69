//! What CAPA announces, from what is enabled (RFC 2449 §5 and §6).
//!
//! Clients ask once, often before they log in, and remember; so both states announce the same
//! capabilities, those that need a login and those that make one. STLS alone is announced only
//! where it is allowed, before the login and outside TLS (RFC 2595 §4), and EXPIRE says more when it
//! is known whose mail it is about (RFC 2449 §6.7).

use crate::reply::{self, Said};
use crate::server::{Connection, Passwords, Settings, Stls, offered};
use crate::wire::TERMINATOR;
use crate::{Expire, Language, Promise};

/// Whether somebody has logged in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// In the AUTHORIZATION state.
    BeforeLogin,
    /// In the TRANSACTION state, about a maildrop that is kept like this.
    AfterLogin(Expire),
}

/// Appends the answer to CAPA.
pub(crate) fn list(
    settings: &Settings,
    connection: &Connection,
    asked: Asked,
    language: Language,
    out: &mut Vec<u8>,
) {
    Said::Capabilities.print(language, out);
    reply::line(out, &[b"TOP"]);
    reply::line(out, &[b"UIDL"]);
    if connection.passwords == Passwords::Accepted {
        reply::line(out, &[b"USER"]);
    }
    let mut mechanisms = offered(connection).peekable();
    if mechanisms.peek().is_some() {
        out.extend_from_slice(b"SASL");
        for mechanism in mechanisms {
            out.push(b' ');
            out.extend_from_slice(mechanism.name().as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
    if connection.stls == Stls::Offered && asked == Asked::BeforeLogin {
        reply::line(out, &[b"STLS"]);
    }
    reply::line(out, &[b"RESP-CODES"]);
    reply::line(out, &[b"AUTH-RESP-CODE"]);
    reply::line(out, &[b"PIPELINING"]);
    // USER says that names and passwords may be in UTF-8, so it goes where they go (RFC 6856 §2).
    match connection.passwords {
        Passwords::Accepted => reply::line(out, &[b"UTF8 USER"]),
        Passwords::AfterTls => reply::line(out, &[b"UTF8"]),
    }
    reply::line(out, &[b"LANG"]);
    let (expire, user) = match (asked, connection.expire) {
        (Asked::AfterLogin(expire), _) | (Asked::BeforeLogin, Promise::All(expire)) => {
            (Some(expire), "")
        }
        (Asked::BeforeLogin, Promise::Least(expire)) => (Some(expire), " USER"),
        (Asked::BeforeLogin, Promise::OnRequest | Promise::Unknown) => (None, ""),
    };
    if let Some(expire) = expire {
        let argument = expire.to_string();
        reply::line(out, &[b"EXPIRE ", argument.as_bytes(), user.as_bytes()]);
    }
    // The same for every account, so without USER (RFC 2449 §6.5).
    if let Some(seconds) = settings.login_delay {
        reply::line(out, &[b"LOGIN-DELAY ", seconds.to_string().as_bytes()]);
    }
    // Without a version: it would help only those who look for old ones.
    reply::line(out, &[b"IMPLEMENTATION Restante"]);
    out.extend_from_slice(TERMINATOR);
}
