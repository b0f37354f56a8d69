//! The POP3 protocol as values: commands, replies, sessions. No I/O, no clock (RFC 1939, 2449, 2595, 3206).

mod listing;
pub mod reply;
pub mod server;
pub mod wire;

pub use listing::{Deletions, MessageNumber, Octets, Part, ScanListing, UniqueId, WireOctets};
