//! The Received field up to `for` (RFC 5321 §4.4): what the client called itself, where it really is,
//! and who we are.

use std::net::{IpAddr, SocketAddr};

use super::{Client, Dialect, Encryption, Settings};

/// How the client greeted, and what the transaction has made of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    /// LHLO or EHLO, as against HELO.
    pub(super) extended: bool,
    /// SMTPUTF8 (RFC 6531 §4.3).
    pub(super) utf8: bool,
}

pub(super) fn received(
    name: Option<&str>,
    client: &Client,
    settings: &Settings,
    spoken: Spoken,
) -> String {
    let name: String = match name {
        // Only what a domain or an address literal may hold: no comment, no field of its own.
        Some(name) => name.chars().map(domain_char).collect(),
        None => String::from("unknown"),
    };
    let address = match client.address.parse().or_else(|_| {
        let address: Result<SocketAddr, _> = client.address.parse();
        address.map(|address| address.ip())
    }) {
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => client.address.chars().map(domain_char).collect(),
    };
    let protocol = protocol(settings.dialect, spoken, client.encryption);
    format!(
        "from {name} ({address}) by {} with {protocol}",
        settings.hostname
    )
}

/// The names of RFC 3848 and of RFC 6531 §4.3.
fn protocol(dialect: Dialect, spoken: Spoken, encryption: Encryption) -> &'static str {
    let inside_tls = encryption == Encryption::Active;
    match (dialect, spoken.utf8, spoken.extended, inside_tls) {
        (Dialect::Lmtp, false, _, false) => "LMTP",
        (Dialect::Lmtp, false, _, true) => "LMTPS",
        (Dialect::Lmtp, true, _, false) => "UTF8LMTP",
        (Dialect::Lmtp, true, _, true) => "UTF8LMTPS",
        (Dialect::Smtp, true, _, false) => "UTF8SMTP",
        (Dialect::Smtp, true, _, true) => "UTF8SMTPS",
        (Dialect::Smtp, false, false, false) => "SMTP",
        // STARTTLS is an extension, so who has used it speaks ESMTP.
        (Dialect::Smtp, false, true, false) => "ESMTP",
        (Dialect::Smtp, false, _, true) => "ESMTPS",
    }
}

fn domain_char(c: char) -> char {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ':' | '[' | ']' => c,
        _ => '?',
    }
}
