//! Names of accounts: letters, digits, `-` and `_`, each once.

/// The names that are no longer free.
#[derive(Debug)]
pub(super) struct Names(Vec<String>);

/// A longer name is cut; it is typed by people.
const LETTERS_MAX: usize = 40;

impl Names {
    pub(super) fn taken(names: &[String]) -> Self {
        Self(names.to_vec())
    }

    /// A name like the wanted one that nothing else has; it is taken from now on.
    pub(super) fn like(&mut self, wanted: &str) -> String {
        let mut name = String::new();
        for letter in wanted.chars() {
            match letter {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => name.push(letter),
                // One for any number of others.
                _ if name.ends_with('-') || name.is_empty() => {}
                _ => name.push('-'),
            }
            if name.len() == LETTERS_MAX {
                break;
            }
        }
        let name = match name.trim_end_matches('-') {
            "" => "account",
            name => name,
        };
        let free = |it: &String| !self.0.iter().any(|taken| taken.eq_ignore_ascii_case(it));
        let name = std::iter::once(name.to_owned())
            .chain((2u32..).map(|number| format!("{name}-{number}")))
            .find(free)
            .unwrap_or_default();
        self.0.push(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_each_is_there_once() {
        let mut names = Names::taken(&["status".to_owned()]);
        for (wanted, expected) in [
            ("work", "work"),
            ("Work", "Work-2"),
            ("work", "work-3"),
            ("status", "status-2"),
            ("mrose@dobbs.org", "mrose-dobbs-org"),
            ("--a  b..c--", "a-b-c"),
            ("\u{e4}\u{f6}", "account"),
            ("", "account-2"),
        ] {
            assert_eq!(names.like(wanted), expected, "{wanted}");
        }
        assert_eq!(names.like(&"x".repeat(999)).len(), LETTERS_MAX);
    }
}
