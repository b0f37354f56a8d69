//! `[[listener]]`: what is spoken where, and what one listener must not say.

use std::ops::Range;

use server::{Address, FrontEndTls, Listener, PlaintextLogin, Protocol};
use toml::de::{DeArray, DeValue};

use super::document::{At, Document, Section};
use super::read::{LATER, one_of};
use super::{client_certificates, front_ends, values};

/// Reads every `[[listener]]`; `tls`: whether there is a table `[tls]`.
pub(super) fn read(document: &mut Document<'_>, tables: &DeArray<'_>, tls: bool) -> Vec<Listener> {
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
        let address = section.parsed(document, "address", str::parse);
        if section.span("address").is_none() {
            document.error(
                Some(item.span()),
                "this listener has no address",
                "add address = \"[::]:995\" or another, or \"unix:PATH\"",
            );
        }
        let login = plaintext_login(document, &mut section);
        let front_ends = front_ends::read(document, &mut section);
        let certificates = client_certificates::read(document, &mut section);
        let mode = section.parsed(document, "mode", values::mode);
        let group = section.text(document, "group");
        section.close(document);
        let (Some(protocol), Some(address)) = (protocol, address) else {
            continue;
        };
        let mut listener = Listener::new(protocol.value, address.value);
        if let Some(login) = &login {
            listener.plaintext_login = login.value;
        }
        front_ends.settle(document, &mut listener);
        certificates.settle(document, &mut listener, tls);
        socket_rights(document, &mut listener, mode, group);
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

/// Who may connect to a Unix socket; a TCP listener has no such keys.
fn socket_rights(
    document: &mut Document<'_>,
    listener: &mut Listener,
    mode: Option<At<u32>>,
    group: Option<At<String>>,
) {
    let told = mode.as_ref().map(|mode| mode.span.clone());
    let told = told.or_else(|| group.as_ref().map(|group| group.span.clone()));
    if told.is_some() && matches!(listener.address, Address::Tcp(_)) {
        document.error(
            told,
            "`mode` and `group` mean nothing for a TCP address",
            "remove them; they belong to address = \"unix:PATH\"",
        );
    }
    listener.mode = mode.map_or(listener.mode, |mode| mode.value);
    listener.group = group.map(|group| group.value);
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
    match (listener.protocol, listener.plaintext_login) {
        (Protocol::Pop3s, _) if !tls => document.error(
            Some(protocol),
            "a pop3s listener needs a certificate",
            "add [tls] with certificate and key, or make it protocol = \"pop3\"",
        ),
        (Protocol::Pop3, PlaintextLogin::Never)
            if !tls && listener.front_ends.client_tls == FrontEndTls::Ignored => document.error(
            Some(protocol),
            "nobody could log in here: passwords may not travel in clear, and there is no certificate",
            "add [tls] with certificate and key, or plaintext_login = \"loopback\"",
        ),
        (Protocol::Pop3, PlaintextLogin::Always) if !listener.address.is_local() => document.warning(
            plaintext_login.clone(),
            "passwords may travel in clear over the network",
            "write plaintext_login = \"never\" or \"loopback\" if your users' programs know TLS",
        ),
        (Protocol::Smtp, _) if !tls => document.warning(
            Some(protocol),
            "mail comes in in clear here: there is no certificate, so senders are not offered STARTTLS",
            "add [tls] with certificate and key",
        ),
        (Protocol::Lmtp, _) if !listener.address.is_local() => document.warning(
            Some(address.clone()),
            "whoever reaches this address can deliver mail; LMTP asks for no password",
            "use \"unix:PATH\" or a loopback address, or keep others out by a firewall",
        ),
        _ => {}
    }
    if listener.protocol != Protocol::Pop3 && plaintext_login.is_some() {
        document.error(
            plaintext_login,
            format!("`plaintext_login` means nothing for {}", listener.protocol),
            "remove it; it belongs to protocol = \"pop3\"",
        );
    }
    if unix && listener.protocol != Protocol::Lmtp {
        document.error(
            Some(address.clone()),
            format!("{} needs a TCP address", listener.protocol),
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
            (Address::Tcp(a), Address::Tcp(b)) => a == b && !a.ends_with(":0"),
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
            "add protocol = \"pop3s\", \"pop3\", \"lmtp\" or \"smtp\"",
        );
        return None;
    }
    section.parsed(document, "protocol", |text| match text {
        "pop3" => Ok(Protocol::Pop3),
        "pop3s" => Ok(Protocol::Pop3s),
        "lmtp" => Ok(Protocol::Lmtp),
        "smtp" => Ok(Protocol::Smtp),
        "admin" => Err(format!(
            "the admin listener {LATER}; remove this [[listener]]"
        )),
        other => Err(one_of(other, &["pop3s", "pop3", "lmtp", "smtp"])),
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
