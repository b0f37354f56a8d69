//! `[pop3]`: how the server speaks to clients.

use pop3::server::Utf8Messages;
use pop3::{Language, Tolerance, Tolerances};
use toml::de::DeTable;

use super::document::{Document, Section};
use super::read::one_of;

/// What the table says.
pub(super) struct Pop3 {
    pub(super) language: Language,
    pub(super) utf8_messages: Utf8Messages,
    pub(super) tolerances: Tolerances,
}

/// Reads the table.
pub(super) fn read(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> Pop3 {
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
    section.close(document);
    Pop3 {
        language: language.map(|it| it.value).unwrap_or_default(),
        utf8_messages: utf8_messages.map(|it| it.value).unwrap_or_default(),
        tolerances: tolerances.unwrap_or_default(),
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
