//! The words of a `.fetchmailrc`: strings, quoted or not, numbers, `*` and `=`; commas, semicolons and colons are noise.
//!
//! As fetchmail's scanner has it, the longest match counts: `"a"b` is one word with quotes in it.

/// A word, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) line: usize,
}

/// What a word may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// In quotes: never a keyword.
    Quoted,
    /// A keyword, a number or a string: that depends on where it stands.
    Bare,
    /// `=`
    Equals,
}

/// All words of a text.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(letter) = rest.chars().next() {
        let bare = rest
            .find(|it| "=;:, \t\r\n".contains(it))
            .unwrap_or(rest.len());
        let (length, word) = match letter {
            '\n' => (1, None),
            ' ' | '\t' | '\r' | ';' | ':' | ',' => (1, None),
            '=' => (1, Some((Kind::Equals, "="))),
            '#' => (rest.find('\n').unwrap_or(rest.len()), None),
            '"' | '\'' => match rest[1..].find(letter) {
                Some(end) if end + 2 >= bare => (end + 2, Some((Kind::Quoted, &rest[1..=end]))),
                _ => (bare, Some((Kind::Bare, &rest[..bare]))),
            },
            // A backslash at the end of a line joins it to the next one.
            '\\' if rest[1..].starts_with(['\n', '\r']) => (1, None),
            _ => (bare, Some((Kind::Bare, &rest[..bare]))),
        };
        if let Some((kind, text)) = word {
            words.push(Word {
                text: unescaped(text),
                kind,
                line,
            });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    words
}

/// What backslashes mean: `\n`, `\t`, `\b`, `\r`, `\233` (decimal), `\077` (octal), `\xff`; a line end goes.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else {
            return out;
        };
        let (base, skipped, figures_max) = match letter {
            'x' | 'X' => (16, 1, 2),
            // The 0 is one of the three, whatever the manual says.
            '0' => (8, 0, 3),
            '1'..='9' => (10, 0, 3),
            _ => {
                match letter {
                    '\n' => {}
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'b' => out.push('\u{8}'),
                    'r' => out.push('\r'),
                    other => out.push(other),
                }
                rest = &rest[letter.len_utf8()..];
                continue;
            }
        };
        let figures: String = rest[skipped..]
            .chars()
            .take(figures_max)
            .take_while(|it| it.is_digit(base))
            .collect();
        let value = u32::from_str_radix(&figures, base).unwrap_or(0);
        // An octet of C's; NUL would end the string there.
        out.extend(
            u8::try_from(value & 0xff)
                .ok()
                .filter(|&it| it != 0)
                .map(char::from),
        );
        rest = &rest[skipped + figures.len()..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_fetchmail() {
        for (text, expected) in [
            (
                "poll a.example,with;proto:pop3",
                "poll|a.example|with|proto|pop3",
            ),
            ("user \"m rose\" 'is' \"\"", "user|<m rose>|<is>|<>"),
            ("a=b # no\nc#d #", "a|=|b|c#d"),
            ("\"a\"b \"a b\"c", "\"a\"b|<a b>|c"),
            ("\"open to the end", "\"open|to|the|end"),
            ("\"a\\\nb\\x41\\075\\66\\n\\q\\\\\"", "<abA=B\nq\\>"),
            ("a \\\n b", "a|b"),
            ("\\", ""),
            ("", ""),
        ] {
            let shown: Vec<String> = words(text)
                .iter()
                .map(|it| match it.kind {
                    Kind::Quoted => format!("<{}>", it.text),
                    _ => it.text.clone(),
                })
                .collect();
            assert_eq!(shown.join("|"), expected, "{text}");
        }
    }

    #[test]
    fn lines_are_counted_inside_of_quotes_too() {
        let lines: Vec<usize> = words("a\n\"b\nc\" d # e\n\nf")
            .iter()
            .map(|it| it.line)
            .collect();
        assert_eq!(lines, [1, 2, 3, 5]);
    }
}
