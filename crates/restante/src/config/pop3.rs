//! `[pop3]`: how the server speaks to clients, and what it shows them.

use auth::{Disposition, Expire, Quota};
use pop3::Language;
use pop3::server::Utf8Messages;
use server::{Access, Keeping};
use toml::de::DeTable;

use super::document::{At, Document, Section};
use super::read::one_of;
use super::values;

/// What the table says.
pub(super) struct Pop3 {
    pub(super) language: Language,
    pub(super) utf8_messages: Utf8Messages,
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
    let access = access(document, &mut section, keeping);
    section.close(document);
    Pop3 {
        language: language.map(|it| it.value).unwrap_or_default(),
        utf8_messages: utf8_messages.map(|it| it.value).unwrap_or_default(),
        access,
    }
}

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
