//! `[account.NAME]`, with `[defaults]` below it.

use std::ops::Range;

use client::Way;
use client::fetch::{Keep, QUARANTINE_OCTETS};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::auth::Whose;
use super::layers::Layers;
use super::{Account, RESERVED, Service, Tls, auth, deliver, rules, values};
use crate::config::{Document, Section};

/// Whether an account may be called so.
///
/// # Errors
///
/// What to call it instead.
pub(in crate::fetch) fn check_name(name: &str) -> Result<(), String> {
    let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    if RESERVED.contains(&name) {
        return Err(format!("{name} is a command; call the account otherwise"));
    }
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|octet| octet.is_ascii_alphanumeric());
    match starts_well && name.len() <= 64 && name.bytes().all(is_letter) {
        true => Ok(()),
        false => Err("use up to 64 letters, digits, - and _".to_owned()),
    }
}

/// Keys that are of one account and cannot be defaults.
const OWN: [&str; 2] = ["host", "user"];

/// Looks at `[defaults]` once, as if it were an account.
pub(super) fn check_defaults(document: &mut Document<'_>, defaults: Option<&DeTable<'_>>) {
    let Some(table) = defaults else {
        return;
    };
    let mut section = Section::new("[defaults]", Some(table));
    for key in KEYS {
        if !OWN.contains(&key) {
            let _ = section.value(key);
        }
    }
    section.close(document);
}

/// All keys of an account.
const KEYS: [&str; 24] = [
    "host",
    "port",
    "user",
    "tls",
    "insecure",
    "trust",
    "pin",
    "client_certificate",
    "client_key",
    "proxy",
    "mechanism",
    "auth",
    "deliver",
    "rule",
    "keep",
    "max_size",
    "quarantine_max",
    "timeout",
    "poll",
    "on_new",
    "on_error",
    "on_auth_needed",
    "notify",
    "delete_at_once",
];

/// Reads one account; none if it cannot be used, which has been told then.
pub(super) fn read<'t>(
    document: &mut Document<'_>,
    name: &str,
    table: &DeTable<'t>,
    defaults: Option<&DeTable<'t>>,
    place: Range<usize>,
) -> Option<Account> {
    let mut keys = Layers::new(table, defaults);
    let keys = &mut keys;
    let host = keys.parsed(document, "host", host);
    let port = keys.number(document, "port", 1..=65_535);
    let user = keys.text(document, "user").map(|user| user.value);
    let tls = keys
        .parsed(document, "tls", deliver::tls)
        .unwrap_or(Tls::Implicit);
    let insecure = keys.switch(document, "insecure").unwrap_or_default();
    let trust = keys.parsed(document, "trust", values::path);
    let pins = keys
        .value("pin")
        .and_then(|value| values::texts(document, "pin", value));
    let certificate = keys.parsed(document, "client_certificate", values::path);
    let key = keys.parsed(document, "client_key", values::path);
    let proxy = keys.parsed(document, "proxy", |text| {
        match text.starts_with("socks5://") {
            true => Ok(text.to_owned()),
            false => Err("write \"socks5://host:port\"".to_owned()),
        }
    });
    let way = keys.parsed(document, "mechanism", |text| {
        text.parse::<Way>().map_err(|error| error.to_string())
    });
    let whose = Whose {
        account: name,
        kind: Service::Pop.password(),
    };
    let auth = match keys.value("auth") {
        Some(value) => auth::read(document, whose, value),
        None => Some(super::Auth::Password(auth::prompt(whose))),
    };
    let deliver = keys
        .value("deliver")
        .map(|value| deliver::read(document, name, value));
    let rules = keys
        .value("rule")
        .map(|value| rules::read(document, name, value));
    let keep = keys.value("keep").and_then(|value| keep(document, value));
    let octets_max = keys.parsed(document, "max_size", values::octets);
    let quarantine_octets_max = keys.parsed(document, "quarantine_max", values::octets);
    let timeout = keys.parsed(document, "timeout", timeout);
    let poll = keys
        .parsed(document, "poll", values::seconds)
        .unwrap_or(300);
    let mut hook = |key| {
        let value = keys.value(key)?;
        values::command(document, key, value)
    };
    let (on_new, on_error) = (hook("on_new"), hook("on_error"));
    let on_auth_needed = hook("on_auth_needed");
    let notify = keys.switch(document, "notify").unwrap_or_default();
    let at_once = keys.switch(document, "delete_at_once").unwrap_or_default();
    let missing = [
        ("host", host.is_none() && !keys.has("host")),
        ("deliver", deliver.is_none()),
    ];
    for (key, is_missing) in missing {
        if is_missing {
            let example = match key {
                "host" => "host = \"pop.example.org\"",
                _ => "deliver = { maildir = \"~/Mail\" }",
            };
            document.error(
                Some(place.clone()),
                format!("account.{name} has no `{key}`"),
                format!("add {example}"),
            );
        }
    }
    let is_by_certificate = matches!(auth, Some(super::Auth::Certificate));
    if user.is_none() && !is_by_certificate {
        document.error(
            Some(place.clone()),
            format!("account.{name} has no `user`"),
            "add user = \"…\"",
        );
    }
    if (tls == Tls::None) != insecure {
        let (what, remedy) = match insecure {
            true => ("`insecure` is for tls = \"none\" only", "leave it out"),
            false => (
                "without TLS whoever is between reads the password and the mail",
                "leave tls = \"none\" out; or add insecure = true if nobody is between",
            ),
        };
        document.error(
            Some(place.clone()),
            format!("account.{name}: {what}"),
            remedy,
        );
    }
    let client_certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            document.error(
                Some(place.clone()),
                format!("account.{name}: a certificate of its own needs both files"),
                "say client_certificate and client_key",
            );
            None
        }
    };
    if is_by_certificate && client_certificate.is_none() {
        document.error(
            Some(place.clone()),
            format!("account.{name} has no certificate to log in with"),
            "add client_certificate and client_key",
        );
    }
    std::mem::replace(keys, Layers::new(table, None)).close(document);
    let account = Account {
        name: name.to_owned(),
        host: host?,
        port: port.and_then(|port| u16::try_from(port).ok()),
        user: user.unwrap_or_default(),
        tls,
        trust,
        pins: pins.unwrap_or_default(),
        client_certificate,
        proxy,
        way,
        auth: auth?,
        deliver: deliver?,
        rules: rules.unwrap_or_default(),
        keep: keep.unwrap_or_default(),
        delete_at_once: at_once,
        octets_max,
        quarantine_octets_max: quarantine_octets_max.unwrap_or(QUARANTINE_OCTETS),
        timeout,
        poll: poll.max(10),
        on_new: on_new.unwrap_or_default(),
        on_error: on_error.unwrap_or_default(),
        on_auth_needed: on_auth_needed.unwrap_or_default(),
        notify,
    };
    check_logins(document, &account, place);
    Some(account)
}

/// Tokens are kept by account and service, so there is one login for each.
fn check_logins(document: &mut Document<'_>, account: &Account, place: Range<usize>) {
    for service in Service::OF_DESTINATIONS {
        let mut logins = (account.logins().filter(|it| it.0 == service))
            .map(|(_, user, it)| (user, &it.provider, &it.client_id, &it.token, &it.scopes));
        let first = logins.next();
        if logins.any(|it| Some(it) != first) {
            document.error(
                Some(place.clone()),
                format!(
                    "account.{} has destinations of one kind with different logins by OAuth2",
                    account.name
                ),
                "write another account for one of them, or use token_command",
            );
        }
    }
}

fn host(text: &str) -> Result<String, String> {
    let is_letter = |c: char| c.is_alphanumeric() || "-._:[]%".contains(c);
    match !text.is_empty() && text.len() <= 255 && text.chars().all(is_letter) {
        true => Ok(text.trim_matches(['[', ']']).to_owned()),
        false => Err("give a name such as \"pop.example.org\", or an address".to_owned()),
    }
}

/// How long the server may be silent, in seconds.
fn timeout(text: &str) -> Result<u64, String> {
    let seconds = values::seconds(text)?;
    match (1..=3600).contains(&seconds) {
        true => Ok(seconds),
        false => Err("give something between \"1s\" and \"1h\"".to_owned()),
    }
}

/// How long messages stay: true, false, a duration, `{ newest = 100 }`, or `until-deleted`.
fn keep(document: &mut Document<'_>, value: &Spanned<DeValue<'_>>) -> Option<Keep> {
    const REMEDY: &str = "write true, false, \"14d\", { newest = 100 } or \"until-deleted\"";
    let found = match value.get_ref() {
        DeValue::Boolean(true) => Some(Keep::Always),
        DeValue::Boolean(false) => Some(Keep::Never),
        DeValue::String(text) if text == "until-deleted" => Some(Keep::UntilDeleted),
        DeValue::String(text) => values::seconds(text)
            .ok()
            .and_then(|seconds| i64::try_from(seconds).ok())
            .map(Keep::Seconds),
        DeValue::Table(table) => {
            let mut section = Section::new("keep", Some(table));
            let newest = section.number(document, "newest", 1..=1_000_000);
            section.close(document);
            newest
                .and_then(|newest| usize::try_from(newest).ok())
                .map(Keep::Newest)
        }
        _ => None,
    };
    if found.is_none() {
        document.error(
            Some(value.span()),
            "`keep` says nothing that is known",
            REMEDY,
        );
    }
    found
}
