//! `[smtp]`: how mail is judged that strangers bring, and what they pay who guess.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use server::judgement::OnFail;
use server::{Smtp, Tolls};
use toml::de::DeTable;

use super::document::{At, Document, Section};
use super::read::one_of;
use super::values;

/// Reads the table.
pub(super) fn read(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> Smtp {
    let mut section = Section::new("[smtp]", table);
    let mut smtp = Smtp::default();
    let judgement = &mut smtp.judgement;
    for (key, on_fail) in [("spf", &mut judgement.spf), ("dmarc", &mut judgement.dmarc)] {
        if let Some(given) = section.parsed(document, key, on_fail_of) {
            *on_fail = given.value;
        }
    }
    smtp.judgement.resolvers = resolvers(document, &mut section);
    if let Some(delay) = section.parsed(document, "greylist", greylist) {
        smtp.greylist = delay.value;
    }
    smtp.tolls = tolls(document, &mut section);
    section.close(document);
    smtp
}

fn on_fail_of(text: &str) -> Result<OnFail, String> {
    match text {
        "mark" => Ok(OnFail::Mark),
        "reject" => Ok(OnFail::Reject),
        other => Err(one_of(other, &["mark", "reject"])),
    }
}

fn resolvers(document: &mut Document<'_>, section: &mut Section<'_, '_>) -> Vec<SocketAddr> {
    let mut resolvers = Vec::new();
    for At { value, span } in section.texts(document, "resolver").unwrap_or_default() {
        match resolver(&value) {
            Some(address) if resolvers.len() < RESOLVERS_MAX => resolvers.push(address),
            Some(_) => document.error(
                Some(span),
                format!("there are more than {RESOLVERS_MAX} resolvers"),
                "name fewer: each is asked in turn while a sender waits",
            ),
            None => document.error(
                Some(span),
                format!("{value:?} is not the address of a DNS server"),
                "give an IP address, with its port if that is not 53: \"127.0.0.1:5353\"",
            ),
        }
    }
    resolvers
}

/// An address with or without a port.
fn resolver(text: &str) -> Option<SocketAddr> {
    let with_port = text
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.port() != 0);
    with_port.or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 53)))
}

/// How long who comes first has to wait: `off`, or from a minute to an hour.
fn greylist(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        text => values::duration(text)
            .ok()
            .filter(|delay| (60..=3600).contains(&delay.as_secs()))
            .map(Some)
            .ok_or_else(|| {
                "give a time from a minute to an hour such as \"5 min\", or \"off\"".to_owned()
            }),
    }
}

fn tolls(document: &mut Document<'_>, section: &mut Section<'_, '_>) -> Tolls {
    let mut tolls = Tolls::default();
    let place = section.span(DELAYED).or_else(|| section.span(REFUSED));
    for (key, least, count) in [
        (DELAYED, 0, &mut tolls.delayed_from),
        (REFUSED, 1, &mut tolls.refused_from),
    ] {
        if let Some(given) = section.number(document, key, least..=1_000_000) {
            *count = u32::try_from(given).unwrap_or(u32::MAX);
        }
    }
    if tolls.delayed_from > 0 && tolls.refused_from <= tolls.delayed_from {
        document.error(
            place,
            format!("`{REFUSED}` must be more than `{DELAYED}`"),
            format!("raise {REFUSED}, or give {DELAYED} = 0 for neither"),
        );
    }
    tolls
}

const DELAYED: &str = "mistakes_delayed_from";
const REFUSED: &str = "mistakes_refused_from";

/// As many as `/etc/resolv.conf` may name.
const RESOLVERS_MAX: usize = 3;
