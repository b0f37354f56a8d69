//! `[[account.NAME.rule]]`: what is looked at before a message is fetched.

use client::fetch::Matches;
use toml::Spanned;
use toml::de::DeValue;

use super::{ActionOf, RuleOf, auth, deliver};
use crate::config::{Document, Section};

/// Reads the rules of an account.
pub(super) fn read(
    document: &mut Document<'_>,
    account: &str,
    value: &Spanned<DeValue<'_>>,
) -> Vec<RuleOf> {
    let DeValue::Array(items) = value.get_ref() else {
        document.error(
            Some(value.span()),
            "`rule` cannot be a single table",
            "write [[account.NAME.rule]] in double brackets, once for each",
        );
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| one(document, account, item))
        .collect()
}

fn one(document: &mut Document<'_>, account: &str, value: &Spanned<DeValue<'_>>) -> Option<RuleOf> {
    let table = auth::table(document, value)?;
    let mut section = Section::new("rule", Some(table));
    let condition = section
        .value("match")
        .and_then(|value| condition(document, value));
    let action = section
        .value("action")
        .and_then(|value| action(document, account, value));
    let is_whole = section.span("match").is_some() && section.span("action").is_some();
    section.close(document);
    if !is_whole {
        document.error(
            Some(value.span()),
            "a rule needs `match` and `action`",
            "write match = { header = \"X-Spam-Flag\", equals = \"YES\" } and action = \"skip\"",
        );
    }
    let (header, matches) = condition?;
    Some(RuleOf {
        header,
        matches,
        action: action?,
    })
}

fn condition(
    document: &mut Document<'_>,
    value: &Spanned<DeValue<'_>>,
) -> Option<(String, Matches)> {
    let table = auth::table(document, value)?;
    let mut section = Section::new("match", Some(table));
    let header = section.parsed(document, "header", |text| {
        let is_name = |octet: u8| octet.is_ascii_graphic() && octet != b':';
        match !text.is_empty() && text.bytes().all(is_name) {
            true => Ok(text.to_owned()),
            false => Err("give the name of a header field, such as \"Subject\"".to_owned()),
        }
    });
    let equals = section.text(document, "equals");
    let contains = section.text(document, "contains");
    section.close(document);
    let matches = match (equals, contains) {
        (Some(text), None) => Matches::Equals(text.value),
        (None, Some(text)) => Matches::Contains(text.value),
        (None, None) => Matches::Present,
        (Some(_), Some(text)) => {
            document.error(
                Some(text.span),
                "`match` says both `equals` and `contains`",
                "write two rules",
            );
            return None;
        }
    };
    match header {
        Some(header) => Some((header.value, matches)),
        None => {
            document.error(
                Some(value.span()),
                "`match` names no header field",
                "add header = \"Subject\"",
            );
            None
        }
    }
}

fn action(
    document: &mut Document<'_>,
    account: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<ActionOf> {
    match value.get_ref() {
        DeValue::String(text) => match text.as_ref() {
            "fetch" => Some(ActionOf::Fetch),
            "skip" => Some(ActionOf::Skip),
            "delete" => Some(ActionOf::Delete),
            _ => {
                document.error(
                    Some(value.span()),
                    format!("`action` cannot be {text:?}"),
                    "write \"fetch\", \"skip\", \"delete\" or { deliver = { … } }",
                );
                None
            }
        },
        DeValue::Table(table) => {
            let mut section = Section::new("action", Some(table));
            let found = section
                .value("deliver")
                .map(|value| deliver::read(document, account, value));
            section.close(document);
            found.map(ActionOf::Deliver)
        }
        _ => {
            document.error(
                Some(value.span()),
                "`action` is neither a word nor a table",
                "write \"skip\", or { deliver = { maildir = \"…\" } }",
            );
            None
        }
    }
}
