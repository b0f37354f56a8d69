//! What a session sees of a maildrop: all of it, or less.
//!
//! A view is taken once, at the opening, and holds for the session (RFC 1939 §5). It changes neither
//! the order of the messages nor their unique-ids, and nothing in the maildrop.
//!
//! ```
//! use maildrop::{MaildropId, Maildrops, View};
//!
//! let maildrops = Maildrops::memory();
//! let newest = View { messages_max: Some(1000), ..View::default() };
//! assert!(maildrops.open_view(MaildropId(7), &newest)?.listing().is_empty());
//! # Ok::<(), maildrop::OpenError>(())
//! ```

/// What a session sees. `Default` is every message that is not hidden.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct View {
    /// Only messages that were put here at this moment or later, in µs since 1970; none: however old
    /// they are. One that was brought back counts from then.
    pub since_us: Option<i64>,
    /// Only so many, the newest of those; none: all.
    pub messages_max: Option<u64>,
    /// Whether hidden ones are among them.
    pub hidden: Hidden,
}

/// What becomes of messages that are hidden from sessions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hidden {
    /// They are not there.
    #[default]
    LeftOut,
    /// They are there like others.
    Shown,
}

impl View {
    /// Whether so many messages are all that may be seen.
    pub(crate) fn is_full(&self, messages: usize) -> bool {
        self.messages_max
            .is_some_and(|most| messages as u64 >= most)
    }

    /// The newest of these, ascending, as many as may be seen.
    pub(crate) fn newest<T>(&self, mut seen: Vec<T>) -> Vec<T> {
        let most = self.messages_max.map(usize::try_from);
        let most = most.map_or(seen.len(), |most| most.unwrap_or(usize::MAX));
        match seen.len().saturating_sub(most) {
            0 => seen,
            // What is not seen takes no memory for as long as the session lasts.
            surplus => seen.split_off(surplus),
        }
    }
}
