//! Which keys there are, and what they must not say together.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use server::{Limits, Tls};
use toml::de::{DeTable, DeValue};

use super::document::{At, Document, Section, TOP, nearest};
use super::{
    Config, Level, LogFormat, Problem, auth, in_place, keeping, listeners, pop3, smtp, values,
};

/// What every key that is not built yet is told.
pub(super) const LATER: &str = "is not available in this version";

/// Reads a whole file. No configuration comes back if one of the problems is a mistake.
pub(super) fn read(file: &Path, text: &str) -> (Option<Config>, Vec<Problem>) {
    let (mut document, table) = Document::parse(file, text);
    let config = whole(file, &mut document, &table);
    let problems = document.finish();
    let usable = problems
        .iter()
        .all(|problem| problem.level == Level::Warning);
    (usable.then_some(config), problems)
}

fn whole(file: &Path, document: &mut Document<'_>, table: &DeTable<'_>) -> Config {
    let mut top = Section::new(TOP, Some(table));
    let hostname = top
        .parsed(document, "hostname", server::host_name)
        .map(|hostname| hostname.value)
        .unwrap_or_else(this_machine);
    let name = top
        .parsed(document, "name", values::sign_off)
        .map(|name| name.value)
        .unwrap_or_else(|| first_label(&hostname));
    let data = match top.parsed(document, "data", values::path) {
        Some(data) => data.value,
        None => PathBuf::from("/var/lib/restante"),
    };
    let user = top.text(document, "user");
    if let Some(root) = user.as_ref().filter(|user| user.value == "root") {
        document.warning(
            Some(root.span.clone()),
            "the server would keep all rights of root",
            "make a user for it: useradd --system --home-dir /var/lib/restante restante",
        );
    }
    let domains = domains(document, &mut top);
    let delivery_table = top.table(document, "delivery");
    let listener_value = top.value("listener");
    let tls_table = top.table(document, "tls");
    let maildrop_table = top.table(document, "maildrop");
    let maildir_table = top.table(document, "maildir");
    let mbox_table = top.table(document, "mbox");
    let pop3_table = top.table(document, "pop3");
    let smtp_table = top.table(document, "smtp");
    let limits_table = top.table(document, "limits");
    let auth_table = top.table(document, "auth");
    let log_table = top.table(document, "log");
    for key in ["cluster", "metrics", "passdb", "fetch"] {
        refuse(document, &mut top, key, "remove the table");
    }
    top.close(document);

    let detail_separator = detail_separator(document, delivery_table);
    let tls = tls(document, tls_table);
    let listeners = match listener_value.map(|value| (value.get_ref(), value.span())) {
        None => Vec::new(),
        Some((DeValue::Array(tables), _)) => listeners::read(document, tables, tls_table.is_some()),
        Some((_, span)) => {
            document.error(
                Some(span),
                "`listener` cannot be a single table",
                "write [[listener]] in double brackets, once for each",
            );
            Vec::new()
        }
    };
    if listener_value.is_none() {
        document.warning(
            None,
            "there is no [[listener]], so `restante serve` would serve nobody",
            "add one: [[listener]], protocol = \"pop3s\", address = \"[::]:995\"",
        );
    }
    let maildrop = keeping::read(document, maildrop_table);
    let tables = (maildir_table, mbox_table);
    let in_place = in_place::read(document, tables, &maildrop, &hostname);
    let pop3 = pop3::read(document, pop3_table, &maildrop.keeping);
    let smtp = smtp::read(document, smtp_table);
    let limits = limits(document, limits_table);
    let certificates = listeners.iter().any(|l| l.client_certificates.is_some());
    let auth = auth::read(document, auth_table, certificates);
    let log = log(document, log_table);
    Config {
        file: file.to_owned(),
        data,
        user: user.map(|user| user.value),
        server: server::Config {
            hostname,
            name,
            domains,
            detail_separator,
            listeners,
            tls,
            limits,
            lock_wait: maildrop.lock_wait,
            keeping: maildrop.keeping,
            access: pop3.access,
            language: pop3.language,
            utf8_messages: pop3.utf8_messages,
            tolerances: pop3.tolerances,
            login_delay: pop3.login_delay,
            smtp,
            mechanisms: auth.mechanisms,
        },
        store: maildrop.store,
        in_place,
        unique_id: maildrop.unique_id,
        scram: auth.scram,
        scram_iterations: auth.scram_iterations,
        scram_sha1: auth.scram_sha1,
        tokens: auth.tokens,
        refusal_delay: auth.refusal_delay,
        log,
    }
}

fn detail_separator(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> String {
    let mut section = Section::new("[delivery]", table);
    let separator = section.parsed(document, "detail_separator", |text| {
        let separates = |c: char| c.is_ascii_punctuation() && !"@\"(),:;<>[\\].".contains(c);
        match text.chars().all(separates) {
            true => Ok(text.to_owned()),
            false => {
                Err("give characters such as \"+\" or \"+-\", or \"\" for no detail".to_owned())
            }
        }
    });
    section.close(document);
    separator.map_or_else(|| "+".to_owned(), |separator| separator.value)
}

fn domains(document: &mut Document<'_>, top: &mut Section<'_, '_>) -> Vec<String> {
    let mut domains = Vec::new();
    for At { value, span } in top.texts(document, "domains").unwrap_or_default() {
        // An internationalized one is known by its A-labels (RFC 5890 §2.3.2.1).
        let ascii = match value.is_ascii() {
            true => value.clone(),
            false => ::auth::domain_folded(&value).unwrap_or_else(|_| value.clone()),
        };
        match server::host_name(&ascii) {
            Ok(domain) if !domains.contains(&domain) => domains.push(domain),
            Ok(domain) => document.error(
                Some(span),
                format!("the domain {domain} is named twice"),
                "name it once",
            ),
            Err(remedy) => {
                document.error(Some(span), format!("{value:?} is not a domain"), remedy);
            }
        }
    }
    domains
}

fn tls(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> Option<Tls> {
    let mut section = Section::new("[tls]", table);
    let certificate = section.parsed(document, "certificate", values::path);
    let key = section.parsed(document, "key", values::path);
    for (name, file) in [("certificate", "fullchain.pem"), ("key", "privkey.pem")] {
        if table.is_some() && section.span(name).is_none() {
            let place = table
                .and_then(|table| table.iter().next())
                .map(|(key, _)| key.span());
            document.error(
                place,
                format!("[tls] has no `{name}`"),
                format!("add {name} = \"/etc/restante/{file}\""),
            );
        }
    }
    section.close(document);
    Some(Tls {
        certificate: certificate?.value,
        key: key?.value,
    })
}

fn limits(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> Limits {
    let mut section = Section::new("[limits]", table);
    let mut limits = Limits::default();
    let counts: [(&'static str, &mut usize, RangeInclusive<u64>); 10] = [
        (
            "session_count_max",
            &mut limits.session_count_max,
            1..=1_000_000,
        ),
        (
            "sessions_per_address_max",
            &mut limits.sessions_per_address_max,
            0..=1_000_000,
        ),
        (
            "sessions_per_network_max",
            &mut limits.sessions_per_network_max,
            0..=1_000_000,
        ),
        (
            "sessions_per_account_max",
            &mut limits.sessions_per_account_max,
            0..=1_000_000,
        ),
        (
            "lmtp_session_count_max",
            &mut limits.lmtp_session_count_max,
            1..=100_000,
        ),
        (
            "smtp_session_count_max",
            &mut limits.smtp_session_count_max,
            1..=100_000,
        ),
        (
            "smtp_sessions_per_address_max",
            &mut limits.smtp_sessions_per_address_max,
            0..=100_000,
        ),
        (
            "smtp_sessions_per_network_max",
            &mut limits.smtp_sessions_per_network_max,
            0..=100_000,
        ),
        // RFC 2449 §4 asks for at least 255; above 64 KiB strangers would fill memory.
        (
            "command_octets_max",
            &mut limits.command_octets_max,
            255..=65_536,
        ),
        // RFC 5321 §4.5.3.1.8 asks for at least 100.
        ("recipients_max", &mut limits.recipients_max, 100..=100_000),
    ];
    for (key, limit, range) in counts {
        if let Some(count) = section.number(document, key, range) {
            *limit = usize::try_from(count).unwrap_or(usize::MAX);
        }
    }
    if let Some(octets) = section.parsed(document, "message_octets_max", values::octets) {
        match octets.value {
            // RFC 5321 §4.5.3.1.7: 64 KiB is the least that anybody may refuse.
            65_536.. => limits.message_octets_max = octets.value,
            _ => document.error(
                Some(octets.span),
                "`message_octets_max` is below the 64 KiB that RFC 5321 asks for",
                "give \"64 KiB\" or more",
            ),
        }
    }
    let seconds = Duration::from_secs;
    let timeouts: [(&'static str, &mut Duration, Duration, &str); 9] = [
        (
            "authorization_timeout",
            &mut limits.authorization_timeout,
            seconds(1),
            "",
        ),
        (
            "authorization_timeout_crowded",
            &mut limits.authorization_timeout_crowded,
            seconds(1),
            "",
        ),
        (
            "idle_timeout",
            &mut limits.idle_timeout,
            seconds(600),
            " (RFC 1939 §3)",
        ),
        ("write_timeout", &mut limits.write_timeout, seconds(1), ""),
        (
            "dead_peer_timeout",
            &mut limits.dead_peer_timeout,
            seconds(1),
            "",
        ),
        (
            "handshake_timeout",
            &mut limits.handshake_timeout,
            seconds(1),
            "",
        ),
        (
            "lmtp_timeout",
            &mut limits.lmtp_timeout,
            seconds(300),
            " (RFC 5321 §4.5.3.2.7)",
        ),
        (
            "smtp_timeout",
            &mut limits.smtp_timeout,
            seconds(300),
            " (RFC 5321 §4.5.3.2.7)",
        ),
        (
            "drain_timeout",
            &mut limits.drain_timeout,
            Duration::ZERO,
            "",
        ),
    ];
    for (key, limit, least, source) in timeouts {
        let Some(timeout) = section.parsed(document, key, values::duration) else {
            continue;
        };
        if timeout.value >= least {
            *limit = timeout.value;
        } else {
            document.error(
                Some(timeout.span),
                format!("`{key}` is too short"),
                format!("give {:?} or more{source}", values::say_duration(least)),
            );
        }
    }
    section.close(document);
    limits
}

fn log(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> LogFormat {
    let mut section = Section::new("[log]", table);
    let format = section.parsed(document, "format", |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(one_of(other, &["text", "json"])),
    });
    section.close(document);
    format.map_or(LogFormat::Text, |format| format.value)
}

/// Refuses a key that is known, but whose effect is not built yet.
fn refuse(
    document: &mut Document<'_>,
    section: &mut Section<'_, '_>,
    key: &'static str,
    remedy: &str,
) {
    if section.value(key).is_some() {
        document.error(section.span(key), format!("`{key}` {LATER}"), remedy);
    }
}

pub(super) fn one_of(given: &str, known: &[&str]) -> String {
    match nearest(given, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("give one of: {}", known.join(", ")),
    }
}

/// What this machine calls itself, if that is a host name.
fn this_machine() -> String {
    let system = rustix::system::uname();
    server::host_name(&system.nodename().to_string_lossy())
        .unwrap_or_else(|_| "localhost".to_owned())
}

fn first_label(hostname: &str) -> String {
    hostname.split('.').next().unwrap_or(hostname).to_owned()
}
