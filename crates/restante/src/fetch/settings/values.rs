//! What texts of `fetch.toml` mean.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::{Document, values};

/// The home directory of whoever runs this.
pub(in crate::fetch) fn home() -> PathBuf {
    std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())
        .unwrap_or_else(|| PathBuf::from("/"))
}

/// A path from the root, or from the home directory (`~/Mail`).
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    let path = match text.strip_prefix("~/") {
        Some(below) => home().join(below),
        None => PathBuf::from(text),
    };
    match path.is_absolute() && !text.contains('\0') {
        true => Ok(path),
        false => Err("give the whole path, beginning with / or ~/".to_owned()),
    }
}

/// A duration in whole seconds: `14d`, `5m`, `90s`.
pub(in crate::fetch) fn seconds(text: &str) -> Result<u64, String> {
    const WRONG: &str = "give a duration such as \"90s\", \"5m\", \"12h\" or \"14d\"";
    const YEARS: u64 = 100 * 366 * 86_400;
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(WRONG.to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| WRONG.to_owned())?;
    number
        .checked_mul(unit)
        .filter(|seconds| *seconds <= YEARS)
        .ok_or_else(|| WRONG.to_owned())
}

/// The octets of `50 MiB`.
pub(super) fn octets(text: &str) -> Result<u64, String> {
    values::octets(text)
}

/// One text, or a list of them.
pub(super) fn texts(
    document: &mut Document<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<Vec<String>> {
    let wrong = |document: &mut Document<'_>, span| {
        document.error(
            Some(span),
            format!("`{key}` is neither a text nor a list of texts"),
            "write \"one\" or [\"one\", \"two\"]",
        );
        None
    };
    match value.get_ref() {
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Array(items) => {
            let mut texts = Vec::new();
            for item in items.iter() {
                match item.get_ref() {
                    DeValue::String(text) => texts.push(text.to_string()),
                    _ => return wrong(document, item.span()),
                }
            }
            Some(texts)
        }
        _ => wrong(document, value.span()),
    }
}

/// A program and its arguments: a list, or one text that is cut at spaces; no shell looks at it.
pub(super) fn command(
    document: &mut Document<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<Vec<String>> {
    let texts = texts(document, key, value)?;
    let words = match value.get_ref() {
        DeValue::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        _ => texts,
    };
    if words.first().is_none_or(String::is_empty) {
        document.error(
            Some(value.span()),
            format!("`{key}` names no program"),
            "write [\"program\", \"argument\"]",
        );
        return None;
    }
    if let [text] = words.as_slice()
        && matches!(value.get_ref(), DeValue::String(_))
        && text.contains(['|', ';', '$', '`'])
    {
        document.warning(
            Some(value.span()),
            format!("no shell will look at `{key}`"),
            "write [\"sh\", \"-c\", \"…\"] if one shall",
        );
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(seconds("14d"), Ok(14 * 86_400));
        assert_eq!(seconds("5 m"), Ok(300));
        assert_eq!(seconds("90"), Ok(90));
        for wrong in ["", "d", "1y", "-1d", "99999999999999999999", "999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_begin_at_the_root_or_at_home() {
        assert_eq!(path("/var/mail/bob"), Ok(PathBuf::from("/var/mail/bob")));
        assert_eq!(path("~/Mail"), Ok(home().join("Mail")));
        assert!(path("Mail").is_err());
    }
}
