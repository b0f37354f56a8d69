//! What a client has chosen for its session: how it is spoken to.
//!
//! A login keeps it; STLS, which begins a new session, does not (RFC 2595 §4).

use super::Settings;
use crate::reply::{self, Refusal};
use crate::{Language, LanguageRange};

/// What the client has chosen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// The language of replies.
    pub(super) language: Language,
    /// What its replies may hold.
    pub(super) mode: Mode,
}

/// Whether texts may be sent that are not ASCII in their headers (RFC 6856 §2.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Mode {
    /// As RFC 1939 has it.
    #[default]
    Ascii,
    /// The client has said UTF8.
    Utf8,
}

impl Manner {
    /// Answers LANG (RFC 6856 §3.2). A refusal leaves the language as it was.
    pub(super) fn speak(
        &mut self,
        range: Option<LanguageRange>,
        settings: &Settings,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match range {
            None => reply::languages(self.language, out),
            Some(range) => {
                let found = Language::found(&range, settings.language);
                self.language = found.ok_or(Refusal::UnknownLanguage)?;
                reply::language(self.language, out);
            }
        }
        Ok(())
    }
}
