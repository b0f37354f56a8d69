//! The account as the protocol knows it: server, trust, proxy, what is remembered of it, and by what the user is known.

use std::fs;
use std::time::Duration;

use client::{
    Credentials, Heard, Memory, OwnCertificate, Patience, Pin, Proxy, Trace, Transport, Trust,
    Trusted,
};
use sasl::Secret;

use super::place::Place;
use super::settings::{Account, Tls};
use crate::failure::{Code, Failure};
use crate::output::{self, note};

/// The account as the protocol knows it.
///
/// # Errors
///
/// When nobody's certificate can be believed as it is configured, or the proxy is none.
pub(super) fn of(
    account: &Account,
    place: &Place,
    traced: bool,
    credentials: Credentials,
) -> Result<client::Account, Failure> {
    let transport = match account.tls {
        Tls::Implicit => Transport::Tls(trusted(account)?),
        Tls::Stls => Transport::Stls(trusted(account)?),
        Tls::None => Transport::InClear,
    };
    let mut remote = client::Account::new(
        account.host.clone(),
        account.port(),
        transport,
        account.user.clone(),
        credentials,
    );
    remote.way = account.way;
    remote.proxy = account.proxy.as_deref().map(proxy).transpose()?;
    remote.memory = memory(account, place);
    remote.trace = traced.then(|| trace(&account.name));
    Ok(remote)
}

/// How long its server is waited for.
pub(super) fn patience(account: &Account) -> Patience {
    let Some(seconds) = account.timeout else {
        return Patience::default();
    };
    let silence = Duration::from_secs(seconds);
    Patience {
        connect: silence,
        login: silence,
        // A server may read every message for its size.
        listing: silence * 5,
        silence,
        span: Patience::default().span.max(silence * 2),
        ..Patience::default()
    }
}

/// Whose certificates are believed.
///
/// # Errors
///
/// When a file or a pin is none.
pub(super) fn trusted(account: &Account) -> Result<Trusted, Failure> {
    let mut trust = Trust {
        authorities: account.trust.clone(),
        ..Trust::default()
    };
    for pin in &account.pins {
        let pin: Pin = pin.parse().map_err(|error| {
            Failure::new(Code::Config, format!("{}: `pin`: {error}", account.name))
                .remedy("restante fetch setup --pin writes the right one")
        })?;
        trust.pins.push(pin);
    }
    trust.own = account
        .client_certificate
        .clone()
        .map(|(certificate, key)| OwnCertificate { certificate, key });
    Trusted::new(&trust).map_err(|error| {
        let what = output::without_numbers(&error.to_string());
        Failure::new(Code::Config, what).within(&account.name).remedy(
            "name a PEM file of certificate authorities (trust), or pin the server's certificate (pin)",
        )
    })
}

/// `socks5://[user:password@]host:port`.
fn proxy(text: &str) -> Result<Proxy, Failure> {
    let wrong = || {
        Failure::new(Code::Config, "`proxy` is none").remedy("write proxy = \"socks5://host:port\"")
    };
    let rest = text.strip_prefix("socks5://").ok_or_else(wrong)?;
    let (login, address) = match rest.rsplit_once('@') {
        Some((login, address)) => {
            let (user, password) = login.split_once(':').ok_or_else(wrong)?;
            (Some((user.to_owned(), Secret::new(password))), address)
        }
        None => (None, rest),
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    Ok(Proxy {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.parse().map_err(|_| wrong())?,
        login,
    })
}

/// What is remembered of the server; nothing if that cannot be read.
pub(super) fn memory(account: &Account, place: &Place) -> Memory {
    let text = fs::read_to_string(place.of(account, "server")).unwrap_or_default();
    let (identity, line) = text.split_once('\n').unwrap_or_default();
    match identity == whose(account) {
        true => line.trim_end().parse().unwrap_or_default(),
        false => Memory::default(),
    }
}

/// Remembers it. That this fails costs round trips.
pub(super) fn remember(account: &Account, place: &Place, memory: &Memory) {
    if *memory == self::memory(account, place) {
        return;
    }
    let text = format!("{}\n{memory}\n", whose(account));
    let _ = place.note(account, "server", &text);
}

fn whose(account: &Account) -> String {
    format!("{}:{}", account.host, account.port())
}

fn trace(name: &str) -> Trace {
    let name = name.to_owned();
    Trace::new(move |heard, line| match heard {
        Heard::Client => note!("{name} C: {line}"),
        Heard::Server => note!("{name} S: {line}"),
    })
}
