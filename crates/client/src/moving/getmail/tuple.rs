//! Tuples of strings as Python writes them: `("pass", "show", 'isp')`.

/// The strings of a tuple. None if it is anything else: getmail would evaluate any expression, and we do not.
pub(super) fn strings(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('(')?.trim_start();
    let mut strings = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(')') {
            return end.trim().is_empty().then_some(strings);
        }
        let mut whole = String::new();
        // Strings that stand side by side are one.
        let mut parts = 0;
        while let Some((string, after)) = literal(rest) {
            whole.push_str(&string);
            rest = after.trim_start();
            parts += 1;
        }
        if parts == 0 {
            return None;
        }
        strings.push(whole);
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            // A pair of parentheses around one string is no tuple.
            None if strings.len() == 1 => return None,
            None if rest.starts_with(')') => {}
            None => return None,
        }
    }
}

/// A string, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let (raw, text) = match text.strip_prefix(['r', 'R']) {
        Some(text) => (true, text),
        None => (false, text.strip_prefix(['u', 'U']).unwrap_or(text)),
    };
    let quote = text.chars().next().filter(|it| "\"'".contains(*it))?;
    let three: String = [quote; 3].iter().collect();
    let (end, mut rest) = match text.strip_prefix(&three) {
        Some(rest) => (three, rest),
        None => (quote.to_string(), &text[1..]),
    };
    let mut out = String::new();
    loop {
        if let Some(after) = rest.strip_prefix(&end) {
            return Some((out, after));
        }
        let letter = rest.chars().next()?;
        rest = &rest[letter.len_utf8()..];
        if letter != '\\' || raw {
            out.push(letter);
            continue;
        }
        let escaped = rest.chars().next()?;
        rest = &rest[escaped.len_utf8()..];
        match escaped {
            '\n' => {}
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            '\\' | '\'' | '"' => out.push(escaped),
            'x' => {
                let figures = rest.get(..2)?;
                out.push(char::from(u8::from_str_radix(figures, 16).ok()?));
                rest = &rest[2..];
            }
            // Python leaves what it does not know as it is.
            other => out.extend(['\\', other]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::strings;

    #[test]
    fn tuples_are_those_of_python() {
        for (text, expected) in [
            ("()", Some(vec![])),
            ("(\"a\",)", Some(vec!["a"])),
            ("(\"a\", 'b c', )", Some(vec!["a", "b c"])),
            ("(\n\"a\",\n'''b'c'''\n)", Some(vec!["a", "b'c"])),
            (
                "('a' \"b\", r'\\n', '\\n\\x41\\q\\'')",
                Some(vec!["ab", "\\n", "\nA\\q'"]),
            ),
            ("('\u{e4}', u'x')", Some(vec!["\u{e4}", "x"])),
            ("('a')", None),
            ("('a', b)", None),
            ("('a' + 'b',)", None),
            ("(\"a\",", None),
            ("('a", None),
            ("('\\x4\u{e4}',)", None),
            ("__import__('os').system('x')", None),
            ("('a',) + ('b',)", None),
            ("", None),
        ] {
            let expected =
                expected.map(|it| it.iter().map(|&it| it.to_owned()).collect::<Vec<String>>());
            assert_eq!(strings(text), expected, "{text}");
        }
    }
}
