//! `deliver = { … }`: where mail goes; one destination or a list of them.

use toml::Spanned;
use toml::de::DeValue;

use super::auth::Whose;
use super::{Auth, Deliver, Gmail, Imap, Service, Smtp, Tls, auth, values};
use crate::config::{Document, Section};

/// The destinations, as messages list them.
const KINDS: &str = "maildir, mbox, store, lmtp, smtp, command, imap, gmail";

/// Reads one destination or a list.
pub(super) fn read(
    document: &mut Document<'_>,
    account: &str,
    value: &Spanned<DeValue<'_>>,
) -> Vec<Deliver> {
    match value.get_ref() {
        DeValue::Array(items) => {
            if items.is_empty() {
                document.error(
                    Some(value.span()),
                    "`deliver` names no destination",
                    format!("name at least one: {KINDS}"),
                );
            }
            items
                .iter()
                .filter_map(|item| one(document, account, item))
                .collect()
        }
        _ => one(document, account, value).into_iter().collect(),
    }
}

fn one(
    document: &mut Document<'_>,
    account: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<Deliver> {
    let table = auth::table(document, value)?;
    let mut section = Section::new("deliver", Some(table));
    let section = &mut section;
    let mut found = Vec::new();
    let maildir = section.parsed(document, "maildir", values::path);
    found.extend(maildir.map(|path| Deliver::Maildir(path.value)));
    let mbox = section.parsed(document, "mbox", values::path);
    found.extend(mbox.map(|path| Deliver::Mbox(path.value)));
    if let Some(account) = section.text(document, "store") {
        let config = section.parsed(document, "config", values::path);
        found.push(Deliver::Store {
            account: account.value,
            config: config.map(|config| config.value),
        });
    }
    if let Some(value) = section.value("command") {
        found.extend(values::command(document, "command", value).map(Deliver::Command));
    }
    let recipients = section.value("recipient");
    let recipients = recipients.and_then(|value| values::texts(document, "recipient", value));
    let sender = section.text(document, "sender").map(|sender| sender.value);
    let needs_recipient = |document: &mut Document<'_>| {
        let missing = recipients.as_ref().is_none_or(Vec::is_empty);
        if missing {
            document.error(
                Some(value.span()),
                "this destination needs a recipient",
                "add recipient = \"bob@example.org\"",
            );
        }
        recipients.clone().unwrap_or_default()
    };
    if let Some(address) = section.text(document, "lmtp") {
        found.push(Deliver::Lmtp {
            address: address.value,
            recipients: needs_recipient(document),
            sender: sender.clone(),
        });
    }
    if section.span("smtp").is_some() {
        let recipients = needs_recipient(document);
        found.extend(smtp(document, account, section, recipients, sender));
    }
    if section.span("imap").is_some() {
        found.extend(imap(document, account, section, value));
    }
    if let Some(gmail) = section.value("gmail") {
        found.extend(self::gmail(document, account, section, gmail));
    }
    std::mem::replace(section, Section::new("deliver", None)).close(document);
    match found.len() {
        1 => found.pop(),
        0 => {
            document.error(
                Some(value.span()),
                "this names no destination",
                format!("name one: {KINDS}"),
            );
            None
        }
        _ => {
            document.error(
                Some(value.span()),
                "this names more than one destination",
                "write a list: deliver = [ { maildir = \"…\" }, { lmtp = \"…\" } ]",
            );
            None
        }
    }
}

/// How octets travel, in the words of the configuration.
pub(super) fn tls(text: &str) -> Result<Tls, String> {
    match text {
        "implicit" => Ok(Tls::Implicit),
        "starttls" => Ok(Tls::Stls),
        "none" => Ok(Tls::None),
        _ => Err("write \"implicit\" (from the first octet), \"starttls\" or \"none\"".to_owned()),
    }
}

fn smtp(
    document: &mut Document<'_>,
    account: &str,
    section: &mut Section<'_, '_>,
    recipients: Vec<String>,
    sender: Option<String>,
) -> Option<Deliver> {
    let address = section.text(document, "smtp")?;
    let user = section.text(document, "user");
    let auth = known_by(document, account, Service::Smtp, section);
    let login = match (user, auth) {
        (Some(user), Some(auth)) => Some((user.value, auth)),
        (None, None) => None,
        _ => {
            document.error(
                Some(address.span.clone()),
                "a login needs both a user and what he is known by",
                format!("add user = \"…\" and {KNOWN_BY}; or leave both out"),
            );
            None
        }
    };
    Some(Deliver::Smtp(Box::new(Smtp {
        address: address.value,
        recipients,
        sender,
        tls: section.parsed(document, "tls", tls).map(|tls| tls.value),
        trust: section
            .parsed(document, "trust", values::path)
            .map(|it| it.value),
        login,
        insecure: section
            .switch(document, "insecure")
            .is_some_and(|it| it.value),
    })))
}

/// As messages say it.
const KNOWN_BY: &str = "password_file = \"/path\", password_command = [\"…\"] or auth = { oauth = \"…\", client_id = \"…\" }";

/// By what a server of mail knows us: one of the keys of a password, or `auth` as an account has it.
fn known_by(
    document: &mut Document<'_>,
    account: &str,
    service: Service,
    section: &mut Section<'_, '_>,
) -> Option<Auth> {
    let kind = service.password();
    let whose = Whose { account, kind };
    let source = auth::source(document, section, whose).map(Auth::Password);
    let Some(value) = section.value("auth") else {
        return source;
    };
    if source.is_some() {
        document.error(
            Some(value.span()),
            "the password is said already, beside `auth`",
            "leave one of them",
        );
        return None;
    }
    match auth::read(document, whose, value)? {
        Auth::Certificate => {
            document.error(
                Some(value.span()),
                "a certificate logs in to POP3 only",
                format!("write {KNOWN_BY}"),
            );
            None
        }
        auth => Some(auth),
    }
}

fn imap(
    document: &mut Document<'_>,
    account: &str,
    section: &mut Section<'_, '_>,
    value: &Spanned<DeValue<'_>>,
) -> Option<Deliver> {
    let host = section.text(document, "imap")?;
    let port = section.number(document, "port", 1..=65_535);
    let tls = section.parsed(document, "tls", tls);
    let trust = section.parsed(document, "trust", values::path);
    let user = section.text(document, "user");
    let auth = known_by(document, account, Service::Imap, section);
    let mailbox = section.text(document, "mailbox");
    let seen = section.switch(document, "seen").is_some_and(|it| it.value);
    let (Some(user), Some(auth)) = (user, auth) else {
        document.error(
            Some(value.span()),
            "`imap` needs a user and what he is known by",
            format!("add user = \"…\" and {KNOWN_BY}"),
        );
        return None;
    };
    Some(Deliver::Imap(Box::new(Imap {
        host: host.value,
        port: port.and_then(|port| u16::try_from(port).ok()),
        tls: tls.map_or(Tls::Implicit, |tls| tls.value),
        trust: trust.map(|it| it.value),
        user: user.value,
        auth,
        mailbox: mailbox.map_or_else(|| "INBOX".to_owned(), |it| it.value),
        seen,
    })))
}

fn gmail(
    document: &mut Document<'_>,
    account: &str,
    section: &mut Section<'_, '_>,
    value: &Spanned<DeValue<'_>>,
) -> Option<Deliver> {
    let kind = Service::Gmail.password();
    let auth = auth::read(document, Whose { account, kind }, value)?;
    if matches!(auth, Auth::Password(_) | Auth::Certificate) {
        document.error(
            Some(value.span()),
            "Gmail's import wants a token",
            "write gmail = { oauth = \"google\", client_id = \"…\" } or gmail = { token_command = [\"…\"] }",
        );
        return None;
    }
    let labels = section.value("labels");
    let labels = labels.and_then(|value| values::texts(document, "labels", value));
    let never_spam = section.switch(document, "never_spam");
    Some(Deliver::Gmail(Box::new(Gmail {
        auth,
        labels: labels.unwrap_or_else(|| vec!["INBOX".to_owned(), "UNREAD".to_owned()]),
        never_spam: never_spam.is_some_and(|it| it.value),
    })))
}
