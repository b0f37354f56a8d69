//! `[pop3]`: how the server speaks to clients, and what it shows them.

use std::num::NonZeroU32;

use auth::{Disposition, Expire, LoginDelay, Quota};
use pop3::server::Utf8Messages;
use pop3::{Language, Tolerance, Tolerances};
use server::{Access, Keeping};
use toml::de::DeTable;

use super::document::{At, Document, Section};
use super::read::one_of;
use super::values;

/// What the table says.
pub(super) struct Pop3 {
    pub(super) language: Language,
    pub(super) utf8_messages: Utf8Messages,
    pub(super) tolerances: Tolerances,
    pub(super) login_delay: Option<LoginDelay>,
    pub(super) access: Access,
}

/// Reads the table. How mail is kept has been read, and must not say the contrary.
pub(super) fn read(
    document: &mut Document<'_>,
    table: Option<&DeTable<'_>>,
    keeping: &Keeping,
) -> Pop3 {
    let mut section = Section::new("[pop3]", table);
    let language = section.parsed(document, "language", |text| {
        Language::tagged(text).ok_or_else(|| one_of(text, &Language::ALL.map(Language::tag)))
    });
    let utf8_messages = section.parsed(document, "utf8_messages", |text| match text {
        "surrogate" => Ok(Utf8Messages::Surrogate),
        "refuse" => Ok(Utf8Messages::Refuse),
        other => Err(one_of(other, &["surrogate", "refuse"])),
    });
    let tolerances = section
        .table(document, "tolerances")
        .map(|table| tolerances(document, table));
    let login_delay = login_delay(document, &mut section);
    let access = access(document, &mut section, keeping);
    section.close(document);
    Pop3 {
        language: language.map(|it| it.value).unwrap_or_default(),
        utf8_messages: utf8_messages.map(|it| it.value).unwrap_or_default(),
        tolerances: tolerances.unwrap_or_default(),
        login_delay,
        access,
    }
}

/// Reads `[pop3.tolerances]`: a switch for each departure from the RFCs.
fn tolerances(document: &mut Document<'_>, table: &DeTable<'_>) -> Tolerances {
    let mut section = Section::new("[pop3.tolerances]", Some(table));
    let mut tolerances = Tolerances::default();
    for tolerance in Tolerance::ALL {
        let switch = section.switch(document, tolerance.name());
        tolerances = match switch.map(|it| it.value) {
            Some(true) => tolerances.with(tolerance),
            Some(false) => tolerances.without(tolerance),
            None => tolerances,
        };
    }
    section.close(document);
    tolerances
}

fn login_delay(document: &mut Document<'_>, section: &mut Section<'_, '_>) -> Option<LoginDelay> {
    let is_wrong = section.span("login_delay").is_some();
    let delay = section.parsed(document, "login_delay", values::login_delay);
    let is_wrong = is_wrong && delay.is_none();
    let delay = delay.and_then(|delay| delay.value);
    let place = section.span(LOGINS);
    let logins_max = section.number(document, LOGINS, 1..=1_000);
    let logins_max = logins_max.and_then(|logins| u32::try_from(logins).ok());
    if let (Some(place), None, false) = (place, delay, is_wrong) {
        document.error(
            Some(place),
            format!("`{LOGINS}` means nothing without a login delay"),
            "set login_delay to a duration such as \"5 min\", or remove it",
        );
    }
    Some(LoginDelay {
        delay: delay?,
        logins_max: logins_max.and_then(NonZeroU32::new).unwrap_or(LOGINS_MAX),
    })
}

const LOGINS: &str = "logins_per_delay_max";

/// Two programs of one user, each of which logs in once to retrieve and once more to delete.
const LOGINS_MAX: NonZeroU32 = NonZeroU32::new(4).expect("not 0");

fn access(document: &mut Document<'_>, section: &mut Section<'_, '_>, keeping: &Keeping) -> Access {
    let mut access = Access::default();
    let disposition = section.parsed(document, "disposition", |text| {
        Disposition::named(text)
            .ok_or_else(|| one_of(text, &Disposition::ALL.map(Disposition::name)))
    });
    if let Some(At { value, span }) = disposition {
        access.disposition = value;
        if !value.takes_away() && keeping.expire == Expire::Retrieved {
            document.error(
                Some(span),
                format!(
                    "`disposition` cannot be {:?} while mail expires after retrieval",
                    value.name()
                ),
                "give \"delete\" or \"hide\", or another `expire` in [maildrop]",
            );
        }
    }
    if let Some(most) = section.number(document, "messages_shown_max", 1..=u64::from(u32::MAX)) {
        access.messages_shown = most.try_into().map_or(Quota::Unlimited, Quota::AtMost);
    }
    if let Some(recent) = section.parsed(document, "recent", values::recent) {
        access.recent = recent.value;
    }
    access
}
