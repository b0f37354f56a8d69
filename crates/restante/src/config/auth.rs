//! `[auth]`: which ways to log in there are, and how passwords are kept.

use std::time::Duration;

use auth::TokenSettings;
use sasl::Mechanism;
use toml::de::DeTable;

use super::document::{Document, Section};
use super::{oauth, values};

/// What the section means.
pub(super) struct Auth {
    pub(super) mechanisms: Vec<Mechanism>,
    pub(super) scram: bool,
    pub(super) scram_iterations: u32,
    pub(super) scram_sha1: bool,
    pub(super) refusal_delay: Duration,
    pub(super) tokens: Option<TokenSettings>,
}

/// Reads the section; `certificates`: whether a listener asks its clients for some.
pub(super) fn read(
    document: &mut Document<'_>,
    table: Option<&DeTable<'_>>,
    certificates: bool,
) -> Auth {
    let mut section = Section::new("[auth]", table);
    let scram = section
        .switch(document, "scram")
        .is_none_or(|scram| scram.value);
    // RFC 7677 §4: at least 4096.
    let iterations = section.number(document, "scram_iterations", 4_096..=10_000_000);
    let iterations = iterations.and_then(|count| u32::try_from(count).ok());
    let scram_sha1 = section
        .switch(document, "scram_sha1")
        .filter(|scram_sha1| scram_sha1.value);
    if let (false, Some(scram_sha1)) = (scram, &scram_sha1) {
        document.error(
            Some(scram_sha1.span.clone()),
            "`scram_sha1` is of no use while `scram` is false",
            "set scram = true, or leave scram_sha1 out",
        );
    }
    let mut on = |key| section.switch(document, key).is_some_and(|on| on.value);
    let (login, cram_md5) = (on("login"), on("cram_md5"));
    let delay = section.parsed(document, "refusal_delay", |text| {
        values::duration(text).and_then(|delay| match delay.as_millis() {
            // Below this a slow hash would show through; above it clients give up.
            500..=30_000 => Ok(delay),
            _ => Err("give from \"500 ms\" to \"30s\"".to_owned()),
        })
    });
    let tokens = section
        .table(document, "oauth")
        .and_then(|table| oauth::read(document, table));
    section.close(document);
    let scram_sha1 = scram_sha1.is_some();
    let mechanisms = Mechanism::ALL
        .into_iter()
        .filter(|mechanism| match mechanism {
            Mechanism::ScramSha256Plus | Mechanism::ScramSha256 => scram,
            Mechanism::ScramSha1Plus | Mechanism::ScramSha1 => scram && scram_sha1,
            Mechanism::OauthBearer | Mechanism::XOauth2 => tokens.is_some(),
            Mechanism::Plain => true,
            Mechanism::Login => login,
            Mechanism::CramMd5 => cram_md5,
            Mechanism::External => certificates,
        });
    Auth {
        mechanisms: mechanisms.collect(),
        scram,
        scram_iterations: iterations.unwrap_or(600_000),
        scram_sha1,
        refusal_delay: delay.map_or(Duration::from_secs(2), |delay| delay.value),
        tokens,
    }
}
