//! A command in one string, split into words as a shell splits it, without a shell.
//!
//! Quotes and backslashes mean what they mean there (POSIX.1-2024, Shell Command Language §2.2). What only a
//! shell could do is refused: it would reach the program as a word, and that is never what was meant.

/// Why a text is no command.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotACommand {
    /// No word in it, or an empty first one.
    #[error("the command has no word")]
    Empty,
    /// A quote that nothing ends, or a backslash at the end.
    #[error("a quote in the command is not ended")]
    Unended,
    /// Something that only a shell does.
    #[error(
        "no shell runs the command, so {0:?} must be quoted; for a shell write [\"sh\", \"-c\", \"…\"]"
    )]
    ForAShell(char),
}

/// The words of a command.
pub(super) fn split(text: &str) -> Result<Vec<String>, NotACommand> {
    let mut words = Vec::new();
    // None between words: an empty pair of quotes is a word too.
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(NotACommand::Unended)? {
                        '\'' => break,
                        inside => word.push(inside),
                    }
                }
            }
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '\\' => {
                let next = rest.next().ok_or(NotACommand::Unended)?;
                word.get_or_insert_default().push(next);
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' => {
                return Err(NotACommand::ForAShell(character));
            }
            '~' | '#' if word.is_none() => return Err(NotACommand::ForAShell(character)),
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

fn double_quoted(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), NotACommand> {
    loop {
        match rest.next().ok_or(NotACommand::Unended)? {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(NotACommand::Unended)? {
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            expanded @ ('$' | '`') => return Err(NotACommand::ForAShell(expanded)),
            inside => word.push(inside),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        for (text, words) in [
            ("", &[][..]),
            (" \t\n", &[]),
            ("pass show mail/work", &["pass", "show", "mail/work"]),
            ("  a   b ", &["a", "b"]),
            ("a 'b c' \"d e\"", &["a", "b c", "d e"]),
            ("a '' \"\"", &["a", "", ""]),
            ("a'b'\"c\"d", &["abcd"]),
            (r#"a 'b\' "c\"d\\e\f""#, &["a", r"b\", r#"c"d\e\f"#]),
            (r"a\ b \|", &["a b", "|"]),
            ("a '$b|c;~' d~ e#f", &["a", "$b|c;~", "d~", "e#f"]),
            ("a \"x;y\"", &["a", "x;y"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn what_only_a_shell_does_is_refused() {
        use NotACommand::{ForAShell, Unended};
        for (text, why) in [
            ("a | b", ForAShell('|')),
            ("a $B", ForAShell('$')),
            ("a \"$B\"", ForAShell('$')),
            ("a `b`", ForAShell('`')),
            ("a > b", ForAShell('>')),
            ("~/bin/a", ForAShell('~')),
            ("a; b", ForAShell(';')),
            ("a 'b", Unended),
            ("a \"b", Unended),
            ("a \"b\\", Unended),
            ("a\\", Unended),
        ] {
            assert_eq!(split(text), Err(why), "{text}");
        }
    }
}
