//! The UPDATE state, seen by the client: what became of what was marked (RFC 1939 §6).
//!
//! Only QUIT deletes, and only its `+OK` tells that it did. A client that keeps a ledger needs to know
//! the difference between *not deleted* and *perhaps deleted*.

use super::status::Status;

/// What is known of the messages that were marked as deleted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing was deleted: UPDATE was not asked for, and a connection that ends now deletes nothing.
    NothingDeleted,
    /// QUIT was sent and nothing came back: all of them may be deleted, or none.
    Unknown,
    /// The server says that they are deleted.
    Deleted,
    /// The server says that some or all are not (RFC 1939 §6).
    Refused(Status),
}
