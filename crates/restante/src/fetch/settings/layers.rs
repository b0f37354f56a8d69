//! An account's own keys, and those of `[defaults]` below them.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{At, Document, Section};

/// Two tables, of which the upper one counts.
pub(super) struct Layers<'d, 't> {
    own: Section<'d, 't>,
    defaults: Section<'d, 't>,
}

impl<'d, 't> Layers<'d, 't> {
    pub(super) fn new(own: &'d DeTable<'t>, defaults: Option<&'d DeTable<'t>>) -> Self {
        Self {
            own: Section::new("[account]", Some(own)),
            defaults: Section::new("[defaults]", defaults),
        }
    }

    fn layer(&mut self, key: &'static str) -> &mut Section<'d, 't> {
        match self.own.value(key) {
            Some(_) => &mut self.own,
            None => &mut self.defaults,
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.own.span(key).is_some()
    }

    pub(super) fn value(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'t>>> {
        self.layer(key).value(key)
    }

    pub(super) fn text(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
    ) -> Option<At<String>> {
        self.layer(key).text(document, key)
    }

    pub(super) fn switch(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
    ) -> Option<bool> {
        self.layer(key).switch(document, key).map(|it| it.value)
    }

    pub(super) fn number(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        self.layer(key).number(document, key, range)
    }

    pub(super) fn parsed<T>(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.layer(key)
            .parsed(document, key, parse)
            .map(|it| it.value)
    }

    /// Keys of the account that nobody has asked for are mistakes; those of the defaults are looked at once.
    pub(super) fn close(self, document: &mut Document<'_>) {
        self.own.close(document);
    }
}
