//! Rules on headers, which are looked at before a message is retrieved.

use memchr::memmem;

use crate::header::fields;

/// What is looked for in a header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// The name of a field, in any case.
    pub header: String,
    /// What its value must be.
    pub matches: Matches,
    /// What happens to the message.
    pub action: Action,
}

/// How a value is looked at; upper and lower case are the same, white space around it does not count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Matches {
    /// It is this.
    Equals(String),
    /// It has this in it.
    Contains(String),
    /// There is such a field.
    Present,
}

/// What happens to a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is fetched as all others.
    Fetch,
    /// It stays where it is.
    Skip,
    /// It is deleted from the server without having been fetched.
    Delete,
    /// It goes to these destinations instead, by their places among all.
    Route(Vec<usize>),
}

impl Rule {
    /// Whether it is about a message with this header (in wire form).
    fn is_about(&self, header: &[u8]) -> bool {
        fields(header).any(|field| {
            let Some(colon) = field.iter().position(|&octet| octet == b':') else {
                return false;
            };
            let name = field[..colon].trim_ascii();
            if !name.eq_ignore_ascii_case(self.header.as_bytes()) {
                return false;
            }
            let value = unfolded(&field[colon + 1..]);
            match &self.matches {
                Matches::Present => true,
                Matches::Equals(text) => value == text.trim().to_lowercase(),
                Matches::Contains(text) => {
                    memmem::find(value.as_bytes(), text.to_lowercase().as_bytes()).is_some()
                }
            }
        })
    }
}

/// What the first rule says that is about the message.
pub(super) fn action<'r>(rules: &'r [Rule], header: &[u8]) -> &'r Action {
    let rule = rules.iter().find(|rule| rule.is_about(header));
    rule.map_or(&Action::Fetch, |rule| &rule.action)
}

/// A value in one line and in lower case.
fn unfolded(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value).to_lowercase();
    let lines = text.lines().collect::<String>();
    lines.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_is_about_a_message_decides() {
        let rule = |header: &str, matches, action| Rule {
            header: header.to_owned(),
            matches,
            action,
        };
        let rules = [
            rule("X-Spam-Flag", Matches::Equals("yes ".into()), Action::Skip),
            rule(
                "subject",
                Matches::Contains("Tea at FIVE".into()),
                Action::Delete,
            ),
            rule("List-Id", Matches::Present, Action::Route(vec![1])),
            rule("Subject", Matches::Present, Action::Route(vec![2])),
        ];
        for (header, expected) in [
            (&b"X-Spam-Flag: YES\r\n"[..], Action::Skip),
            (
                b"x-spam-flag : Yes\r\nSubject: tea at five\r\n",
                Action::Skip,
            ),
            (b"Subject: more tea\r\n at five o'clock\r\n", Action::Delete),
            (
                b"Subject: coffee\r\nList-ID: <a>\r\n",
                Action::Route(vec![1]),
            ),
            (b"Subject: coffee\r\n", Action::Route(vec![2])),
            (b"X-Subject: coffee\r\n", Action::Fetch),
            (b"no colon\r\n\xff\xfe: x\r\n", Action::Fetch),
            (b"", Action::Fetch),
        ] {
            assert_eq!(
                action(&rules, header),
                &expected,
                "{}",
                header.escape_ascii()
            );
        }
    }
}
