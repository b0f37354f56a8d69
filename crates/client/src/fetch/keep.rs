//! How long a message that was fetched stays on the server.

use std::collections::HashSet;

use crate::ledger::{Entry, Fate};

/// How long a message that was fetched stays on the server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Keep {
    /// For ever.
    #[default]
    Always,
    /// Not at all.
    Never,
    /// For so many seconds from when it was first known.
    Seconds(i64),
    /// The newest so many of the maildrop stay.
    Newest(usize),
    /// Until its owner has deleted it where it was delivered.
    UntilDeleted,
}

impl Keep {
    /// Whether a message that its owner has is deleted now. `newer` messages come behind it; `name` is that of its file, which is
    /// worked out only where it matters, and `present` are those that are still there.
    pub(super) fn is_over(
        self,
        entry: &Entry,
        newer: usize,
        now: i64,
        name: impl FnOnce() -> String,
        present: Option<&HashSet<String>>,
    ) -> bool {
        match self {
            Self::Always => false,
            Self::Never => true,
            // A clock that was set back must not delete anything sooner.
            Self::Seconds(seconds) => now.saturating_sub(entry.at) >= seconds,
            Self::Newest(number) => newer >= number,
            // One that was never delivered there has not been deleted there.
            Self::UntilDeleted => {
                entry.fate == Fate::Delivered
                    && present.is_some_and(|present| !present.contains(&name()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_deletes_what_it_says() {
        let day = 86_400;
        let seen = Entry::new(Fate::Seen, 100 * day);
        let fetched = Entry {
            fate: Fate::Delivered,
            ..seen
        };
        let here = HashSet::from(["a".to_owned()]);
        let over = |keep: Keep, entry: &Entry, newer, now, name: &str| {
            keep.is_over(entry, newer, now, || name.to_owned(), Some(&here))
        };
        assert!(!over(Keep::Always, &fetched, 1000, i64::MAX, "b"));
        assert!(over(Keep::Never, &seen, 0, 0, "a"));
        let two_days = Keep::Seconds(2 * day);
        assert!(!over(two_days, &seen, 9, 101 * day, "a"));
        assert!(over(two_days, &seen, 0, 102 * day, "a"));
        assert!(!over(two_days, &seen, 0, 0, "a"));
        assert!(!over(Keep::Newest(3), &seen, 2, 0, "a"));
        assert!(over(Keep::Newest(3), &seen, 3, 0, "a"));
        assert!(!over(Keep::UntilDeleted, &fetched, 0, 0, "a"));
        assert!(over(Keep::UntilDeleted, &fetched, 0, 0, "b"));
        assert!(!over(Keep::UntilDeleted, &seen, 0, 0, "b"));
        assert!(!Keep::UntilDeleted.is_over(&fetched, 0, 0, || "b".to_owned(), None));
    }
}
