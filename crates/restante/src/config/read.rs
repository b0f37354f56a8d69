//! Which keys there are, and what they must not say together.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeArray, DeTable, DeValue};

use super::document::{At, Document, Section, TOP, nearest};
use super::{
    Address, Config, Level, Limits, Listener, LogFormat, PlaintextLogin, Problem, Protocol, Tls,
    values,
};

/// What every key that is not built yet is told.
const LATER: &str = "is not available in this version";

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
        .parsed(document, "hostname", values::host)
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
    let listener_value = top.value("listener");
    let tls_table = top.table(document, "tls");
    let maildrop_table = top.table(document, "maildrop");
    let limits_table = top.table(document, "limits");
    let auth_table = top.table(document, "auth");
    let log_table = top.table(document, "log");
    for key in ["cluster", "maildir", "mbox", "metrics", "passdb", "fetch"] {
        refuse(document, &mut top, key, "remove the table");
    }
    top.close(document);

    let tls = tls(document, tls_table);
    let listeners = match listener_value.map(|value| (value.get_ref(), value.span())) {
        None => Vec::new(),
        Some((DeValue::Array(tables), _)) => listeners(document, tables, tls_table.is_some()),
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
    let (allow_volatile, lock_wait) = maildrop(document, maildrop_table);
    let limits = limits(document, limits_table);
    let (scram, scram_iterations, refusal_delay) = auth(document, auth_table);
    let log = log(document, log_table);
    Config {
        file: file.to_owned(),
        hostname,
        name,
        data,
        user: user.map(|user| user.value),
        domains,
        listeners,
        tls,
        allow_volatile,
        lock_wait,
        limits,
        scram,
        scram_iterations,
        refusal_delay,
        log,
    }
}

fn domains(document: &mut Document<'_>, top: &mut Section<'_, '_>) -> Vec<String> {
    let mut domains = Vec::new();
    for At { value, span } in top.texts(document, "domains").unwrap_or_default() {
        match values::host(&value) {
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

fn listeners(document: &mut Document<'_>, tables: &DeArray<'_>, tls: bool) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    for item in tables.iter() {
        let DeValue::Table(table) = item.get_ref() else {
            document.error(
                Some(item.span()),
                "a listener must be a table",
                "write [[listener]], then protocol and address in lines of their own",
            );
            continue;
        };
        let mut section = Section::new("[[listener]]", Some(table));
        let protocol = protocol(document, &mut section, item.span());
        let address = section.parsed(document, "address", values::address);
        if section.span("address").is_none() {
            document.error(
                Some(item.span()),
                "this listener has no address",
                "add address = \"[::]:995\" or another, or \"unix:PATH\"",
            );
        }
        let login = plaintext_login(document, &mut section);
        if let Some(networks) = section.texts(document, "proxy_protocol")
            && let Some(first) = networks.first()
        {
            document.error(
                Some(first.span.clone()),
                format!("`proxy_protocol` {LATER}"),
                "remove it, or leave the list empty",
            );
        }
        section.close(document);
        let (Some(protocol), Some(address)) = (protocol, address) else {
            continue;
        };
        let listener = Listener {
            protocol: protocol.value,
            plaintext_login: login
                .as_ref()
                .map_or(PlaintextLogin::Never, |login| login.value),
            address: address.value,
        };
        let told = login.map(|login| login.span);
        fits(document, &listener, tls, protocol.span, &address.span, told);
        if let Some(port) = taken(&listeners, &listener.address) {
            document.error(
                Some(address.span),
                format!("two listeners have the address {port}"),
                "give each its own port or socket",
            );
        }
        listeners.push(listener);
    }
    listeners
}

/// What the keys of one listener must not say together.
fn fits(
    document: &mut Document<'_>,
    listener: &Listener,
    tls: bool,
    protocol: Range<usize>,
    address: &Range<usize>,
    plaintext_login: Option<Range<usize>>,
) {
    let unix = matches!(listener.address, Address::Unix(_));
    let loopback = match &listener.address {
        Address::Tcp(address) => address.ip().is_loopback(),
        Address::Unix(_) => true,
    };
    match (listener.protocol, listener.plaintext_login) {
        (Protocol::Pop3s, _) if !tls => document.error(
            Some(protocol),
            "a pop3s listener needs a certificate",
            "add [tls] with certificate and key, or make it protocol = \"pop3\"",
        ),
        (Protocol::Pop3, PlaintextLogin::Never) if !tls => document.error(
            Some(protocol),
            "nobody could log in here: passwords may not travel in clear, and there is no certificate",
            "add [tls] with certificate and key, or plaintext_login = \"loopback\"",
        ),
        (Protocol::Pop3, PlaintextLogin::Always) if !loopback => document.warning(
            plaintext_login.clone(),
            "passwords may travel in clear over the network",
            "write plaintext_login = \"never\" or \"loopback\" if your users' programs know TLS",
        ),
        (Protocol::Lmtp, _) if !loopback => document.warning(
            Some(address.clone()),
            "whoever reaches this address can deliver mail; LMTP asks for no password",
            "use \"unix:PATH\" or a loopback address, or keep others out by a firewall",
        ),
        _ => {}
    }
    if listener.protocol != Protocol::Pop3 && plaintext_login.is_some() {
        document.error(
            plaintext_login,
            format!(
                "`plaintext_login` means nothing for {}",
                listener.protocol.name()
            ),
            "remove it; it belongs to protocol = \"pop3\"",
        );
    }
    if unix && listener.protocol != Protocol::Lmtp {
        document.error(
            Some(address.clone()),
            format!("{} needs a TCP address", listener.protocol.name()),
            "give host:port; Unix sockets are for lmtp",
        );
    }
}

/// The address that two listeners would share, if they would.
fn taken(listeners: &[Listener], address: &Address) -> Option<String> {
    listeners
        .iter()
        .find(|other| match (&other.address, address) {
            // Port 0 asks the system for a free one, each time another.
            (Address::Tcp(a), Address::Tcp(b)) => a == b && a.port() != 0,
            (a, b) => a == b,
        })
        .map(|other| other.address.to_string())
}

fn protocol(
    document: &mut Document<'_>,
    section: &mut Section<'_, '_>,
    listener: Range<usize>,
) -> Option<At<Protocol>> {
    if section.span("protocol").is_none() {
        // Asked for all the same: it is a known key.
        let _ = section.value("protocol");
        document.error(
            Some(listener),
            "this listener has no protocol",
            "add protocol = \"pop3s\", \"pop3\" or \"lmtp\"",
        );
        return None;
    }
    section.parsed(document, "protocol", |text| match text {
        "pop3" => Ok(Protocol::Pop3),
        "pop3s" => Ok(Protocol::Pop3s),
        "lmtp" => Ok(Protocol::Lmtp),
        "admin" => Err(format!(
            "the admin listener {LATER}; remove this [[listener]]"
        )),
        other => Err(one_of(other, &["pop3s", "pop3", "lmtp"])),
    })
}

fn plaintext_login(
    document: &mut Document<'_>,
    section: &mut Section<'_, '_>,
) -> Option<At<PlaintextLogin>> {
    section.parsed(document, "plaintext_login", |text| match text {
        "never" => Ok(PlaintextLogin::Never),
        "loopback" => Ok(PlaintextLogin::Loopback),
        "always" => Ok(PlaintextLogin::Always),
        other => Err(one_of(other, &["never", "loopback", "always"])),
    })
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

fn maildrop(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> (bool, Duration) {
    let mut section = Section::new("[maildrop]", table);
    section.parsed(document, "store", |text| match text {
        "native" => Ok(()),
        "maildir" | "mbox" | "cluster" => {
            Err(format!("this store {LATER}; write store = \"native\""))
        }
        other => Err(one_of(other, &["native"])),
    });
    refuse(
        document,
        &mut section,
        "quota",
        "remove it; maildrops have no limit yet",
    );
    section.parsed(document, "expire", |text| match text {
        "never" => Ok(()),
        _ => Err(format!("expiry {LATER}; write expire = \"never\"")),
    });
    section.parsed(document, "unique_id", |text| match text {
        "{generation}.{uid}" => Ok(()),
        _ => Err(format!(
            "another form {LATER}; write unique_id = \"{{generation}}.{{uid}}\""
        )),
    });
    let lock_wait = section
        .parsed(document, "lock_wait", |text| {
            values::duration(text).and_then(|wait| match wait <= Duration::from_secs(60) {
                true => Ok(wait),
                false => Err("give at most a minute: the client waits for its reply".to_owned()),
            })
        })
        .map_or(Duration::from_secs(5), |wait| wait.value);
    let allow_volatile = section
        .switch(document, "allow_volatile")
        .is_some_and(|allow| allow.value);
    section.close(document);
    (allow_volatile, lock_wait)
}

fn limits(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> Limits {
    let mut section = Section::new("[limits]", table);
    let mut limits = Limits::default();
    if let Some(count) = section.number(document, "session_count_max", 1..=1_000_000) {
        limits.session_count_max = u32::try_from(count).unwrap_or(u32::MAX);
    }
    if let Some(count) = section.number(document, "sessions_per_address_max", 0..=1_000_000) {
        limits.sessions_per_address_max = u32::try_from(count).unwrap_or(u32::MAX);
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
    if let Some(timeout) = section.parsed(document, "drain_timeout", values::duration) {
        limits.drain_timeout = timeout.value;
    }
    section.close(document);
    limits
}

fn auth(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> (bool, u32, Duration) {
    let mut section = Section::new("[auth]", table);
    let scram = section
        .switch(document, "scram")
        .is_none_or(|scram| scram.value);
    // RFC 7677 §4: at least 4096.
    let iterations = section.number(document, "scram_iterations", 4_096..=10_000_000);
    let iterations = iterations.and_then(|count| u32::try_from(count).ok());
    let delay = section.parsed(document, "refusal_delay", |text| {
        values::duration(text).and_then(|delay| match delay.as_millis() {
            // Below this a slow hash would show through; above it clients give up.
            500..=30_000 => Ok(delay),
            _ => Err("give from \"500 ms\" to \"30s\"".to_owned()),
        })
    });
    section.close(document);
    let delay = delay.map_or(Duration::from_secs(2), |delay| delay.value);
    (scram, iterations.unwrap_or(600_000), delay)
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

fn one_of(given: &str, known: &[&str]) -> String {
    match nearest(given, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("give one of: {}", known.join(", ")),
    }
}

/// What this machine calls itself, if that is a host name.
fn this_machine() -> String {
    let system = rustix::system::uname();
    values::host(&system.nodename().to_string_lossy()).unwrap_or_else(|_| "localhost".to_owned())
}

fn first_label(hostname: &str) -> String {
    hostname.split('.').next().unwrap_or(hostname).to_owned()
}
