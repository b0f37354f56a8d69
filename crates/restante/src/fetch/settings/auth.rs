//! `auth = { … }`: by what the user is known.

use client::secret::{Command, Entry, Source};
use sasl::Secret;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Auth, Oauth, values};
use crate::config::{Document, Section};

/// The ways to say where a password is, as messages list them.
const WAYS: &str = "password_command, password_file, keyring = true, credential, environment_file with variable, prompt = true, \
                    password, oauth, token_command, certificate = true";

/// Reads a table; none if it says nothing that can be used.
pub(super) fn read(
    document: &mut Document<'_>,
    whose: Whose<'_>,
    value: &Spanned<DeValue<'_>>,
) -> Option<Auth> {
    let table = table(document, value)?;
    let mut section = Section::new("auth", Some(table));
    let mut found = Vec::new();
    if let Some(source) = source(document, &mut section, whose) {
        found.push(Auth::Password(source));
    }
    if let Some(value) = section.value("token_command") {
        found.extend(secret_command(document, "token_command", value).map(Auth::TokenCommand));
    }
    if section
        .switch(document, "certificate")
        .is_some_and(|it| it.value)
    {
        found.push(Auth::Certificate);
    }
    if section.span("oauth").is_some() {
        found.extend(
            oauth(document, whose.account, &mut section, value)
                .map(|oauth| Auth::Oauth(Box::new(oauth))),
        );
    }
    section.close(document);
    match found.len() {
        1 => found.pop(),
        0 => {
            document.error(
                Some(value.span()),
                "`auth` does not say where the password is",
                format!("say one of {WAYS}"),
            );
            None
        }
        _ => {
            document.error(
                Some(value.span()),
                "`auth` says more than one way",
                "leave one of them",
            );
            None
        }
    }
}

/// Whose secret it is, and which.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) account: &'a str,
    pub(super) kind: &'a str,
}

/// A source of a secret, by one of the keys of a table.
pub(super) fn source(
    document: &mut Document<'_>,
    section: &mut Section<'_, '_>,
    whose: Whose<'_>,
) -> Option<Source> {
    let mut found = None;
    if let Some(value) = section.value("password_command") {
        found = secret_command(document, "password_command", value).map(Source::Command);
    }
    if let Some(file) = section.parsed(document, "password_file", values::path) {
        found = Some(Source::File(file.value));
    }
    if section
        .switch(document, "keyring")
        .is_some_and(|it| it.value)
    {
        found = Some(Source::Keyring(Entry::of_account(
            whose.account,
            whose.kind,
        )));
    }
    if let Some(name) = section.text(document, "credential") {
        found = Some(Source::Credential(name.value));
    }
    let file = section.parsed(document, "environment_file", values::path);
    let name = section.text(document, "variable");
    match (file, name) {
        (Some(file), Some(name)) => {
            found = Some(Source::Environment {
                file: file.value,
                name: name.value,
            });
        }
        (Some(file), None) => document.error(
            Some(file.span),
            "`environment_file` needs the name of a variable",
            "add variable = \"NAME\"",
        ),
        (None, Some(name)) => document.error(
            Some(name.span),
            "`variable` needs the file that it is in",
            "add environment_file = \"/path\"",
        ),
        (None, None) => {}
    }
    if section
        .switch(document, "prompt")
        .is_some_and(|it| it.value)
    {
        found = Some(prompt(whose));
    }
    if let Some(password) = section.text(document, "password") {
        document.warning(
            Some(password.span),
            "whoever reads this file reads the password",
            "put it into a file of mode 0600 (password_file), or into the keyring (restante fetch secret set ACCOUNT)",
        );
        found = Some(Source::Literal(Secret::new(password.value)));
    }
    found
}

/// What is asked at the terminal.
pub(super) fn prompt(whose: Whose<'_>) -> Source {
    Source::Prompt(format!("{} of {}", whose.kind, whose.account))
}

/// A command that writes a secret: a list of words, or a text that is cut as a shell would.
fn secret_command(
    document: &mut Document<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<Command> {
    let command = match value.get_ref() {
        DeValue::String(text) => text.parse(),
        _ => Command::new(values::texts(document, key, value)?),
    };
    command
        .map_err(|error| {
            document.error(
                Some(value.span()),
                format!("`{key}` cannot be run: {error}"),
                "write [\"program\", \"argument\"]",
            );
        })
        .ok()
}

pub(super) fn table<'d, 't>(
    document: &mut Document<'_>,
    value: &'d Spanned<DeValue<'t>>,
) -> Option<&'d DeTable<'t>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => {
            document.error(
                Some(value.span()),
                "here a table belongs",
                "write { key = \"value\" }",
            );
            None
        }
    }
}

fn oauth(
    document: &mut Document<'_>,
    account: &str,
    section: &mut Section<'_, '_>,
    value: &Spanned<DeValue<'_>>,
) -> Option<Oauth> {
    let provider = section.text(document, "oauth");
    let client_id = section.text(document, "client_id");
    let tenant = section.text(document, "tenant").map(|it| it.value);
    let flow = section.parsed(document, "flow", |text| match text {
        "device" | "loopback" | "paste" => Ok(text.to_owned()),
        _ => Err("write \"device\", \"loopback\" or \"paste\"".to_owned()),
    });
    let scopes = section.value("scopes");
    let scopes = scopes.and_then(|value| values::texts(document, "scopes", value));
    let client_secret = match section.value("client_secret") {
        Some(value) => match value.get_ref() {
            DeValue::String(text) => Some(Source::Literal(Secret::new(text.to_string()))),
            DeValue::Table(table) => {
                let mut inner = Section::new("client_secret", Some(table));
                let found = source(
                    document,
                    &mut inner,
                    Whose {
                        account,
                        kind: "client secret",
                    },
                );
                inner.close(document);
                found
            }
            _ => None,
        },
        None => None,
    };
    let mut address = |key| {
        let address = section.parsed(document, key, |text| {
            let is_here =
                |rest: &str| rest.starts_with("127.0.0.1") || rest.starts_with("localhost");
            match text.starts_with("https://") || text.strip_prefix("http://").is_some_and(is_here)
            {
                true => Ok(text.to_owned()),
                false => Err("give an address that begins with https://".to_owned()),
            }
        });
        address.map(|it| it.value)
    };
    let authorization = address("authorization_endpoint");
    let token = address("token_endpoint");
    let device = address("device_authorization_endpoint");
    let revocation = address("revocation_endpoint");
    let port = section.number(document, "port", 1..=65_535);
    if client_id.is_none() {
        document.warning(
            Some(value.span()),
            "`oauth` needs the id of a client before it can be used",
            "register an application with the provider and add client_id = \"…\" (docs/fetching.md says how)",
        );
    }
    Some(Oauth {
        provider: provider?.value,
        client_id: client_id.map(|id| id.value).unwrap_or_default(),
        client_secret,
        tenant,
        flow: flow.map(|flow| flow.value),
        scopes: scopes.unwrap_or_default(),
        authorization,
        token,
        device,
        revocation,
        port: port.and_then(|port| u16::try_from(port).ok()),
    })
}
