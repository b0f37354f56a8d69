//! `prefs.js`: a line `user_pref("NAME", VALUE);` for each setting that differs from what is usual.

use std::collections::BTreeMap;

/// A setting's value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
}

/// All settings of mail servers, each with its line.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefs(BTreeMap<String, (Value, usize)>);

impl Prefs {
    /// Reads those whose names begin with `prefix`; there are thousands of others.
    pub(super) fn read(text: &str, prefix: &str) -> Self {
        let mut prefs = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some((name, value)) = pref(line.trim())
                && name.starts_with(prefix)
            {
                prefs.insert(name, (value, number));
            }
        }
        Self(prefs)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.0.get(name)?.0 {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name)?.0 {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        match self.0.get(name)?.0 {
            Value::Truth(truth) => Some(truth),
            _ => None,
        }
    }

    pub(super) fn line(&self, name: &str) -> usize {
        self.0.get(name).map_or(1, |(_, line)| *line)
    }
}

fn pref(line: &str) -> Option<(String, Value)> {
    let rest = line.strip_prefix("user_pref(")?.trim_start();
    let (name, rest) = string(rest)?;
    let rest = rest.trim_start().strip_prefix(',')?.trim_start();
    let value = match string(rest) {
        Some((text, _)) => Value::Text(text),
        None => match rest.split([')', ' ']).next()? {
            "true" => Value::Truth(true),
            "false" => Value::Truth(false),
            figures => Value::Number(figures.parse().ok()?),
        },
    };
    Some((name, value))
}

/// A string of JavaScript, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|it| "\"'".contains(*it))?;
    let mut out = String::new();
    let mut letters = text[1..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            it if it == quote => return Some((out, &text[at + 2..])),
            '\\' => {
                let (at, escaped) = letters.next()?;
                let figures = match escaped {
                    'x' => 2,
                    'u' => 4,
                    'n' => {
                        out.push('\n');
                        continue;
                    }
                    'r' => {
                        out.push('\r');
                        continue;
                    }
                    other => {
                        out.push(other);
                        continue;
                    }
                };
                // `at` counts from behind the quote.
                let digits = text.get(at + 2..at + 2 + figures)?;
                let value = u32::from_str_radix(digits, 16).ok()?;
                out.push(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER));
                letters.nth(figures - 1)?;
            }
            other => out.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_written() {
        for (line, expected) in [
            (
                "user_pref(\"a.b\", \"x\");",
                Some(("a.b", Value::Text("x".into()))),
            ),
            (
                "user_pref(\"a\", \"C:\\\\Mail\\\\\\\"q\\\"\\x41\\u00e4\\n\");",
                Some(("a", Value::Text("C:\\Mail\\\"q\"A\u{e4}\n".into()))),
            ),
            ("user_pref(\"a\", 995);", Some(("a", Value::Number(995)))),
            ("user_pref(\"a\", -1);", Some(("a", Value::Number(-1)))),
            ("user_pref(\"a\", true);", Some(("a", Value::Truth(true)))),
            ("user_pref('a',false )", Some(("a", Value::Truth(false)))),
            ("// user_pref(\"a\", 1);", None),
            ("user_pref(\"a\", \"torn", None),
            ("user_pref(\"a\", \"\\", None),
            ("user_pref(\"a\", \"\\u00\");", None),
            ("user_pref(\"a\"", None),
            ("user_pref(\"a\", maybe);", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value));
            assert_eq!(pref(line), expected, "{line}");
        }
    }
}
