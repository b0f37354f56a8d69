//! An mbox: messages one behind the other in a file, each after a [`Postmark`].
//!
//! There are several dialects, which a file does not name ([`Variant`]): they differ in how a line of a
//! message that looks like a postmark is told from one. [`index()`] finds the messages of a file, and
//! [`Shown`] makes of each what a client shall see of it: without the quoting, and without the header
//! fields in which programs keep notes of their own. [`Mboxes`] serves such files and delivers to them,
//! beside those programs.

mod commit;
mod deliver;
mod index;
mod journal;
mod lines;
mod locks;
mod postmark;
mod recover;
mod session;
mod shown;
mod store;
mod survey;
mod written;

pub use index::{IndexError, Message, index};
pub use lines::ReadAt;
pub use locks::Locking;
pub use postmark::Postmark;
pub use session::{Session, Text};
pub use shown::Shown;
pub use store::{Mboxes, Settings};
pub use survey::Names;

/// A dialect of mbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Variant {
    /// Lines of `From `, with any number of `>` before it, have one `>` more than in the message.
    Mboxrd,
    /// Lines of `From ` have a `>` before it; whether that was there before, nobody knows, so it stays.
    Mboxo,
    /// As `Mboxo`, and `Content-Length` says where a message ends.
    Mboxcl,
    /// Nothing is quoted; `Content-Length` says where a message ends.
    Mboxcl2,
    /// Each message is between two lines of four octets 1.
    Mmdf,
}

impl Variant {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Mboxrd,
        Self::Mboxo,
        Self::Mboxcl,
        Self::Mboxcl2,
        Self::Mmdf,
    ];

    /// Whether a message's own header may say where it ends. Where whoever delivers does not write that
    /// field, a sender could, and would take the next messages into his own.
    fn has_lengths(self) -> bool {
        matches!(self, Self::Mboxcl | Self::Mboxcl2)
    }
}
