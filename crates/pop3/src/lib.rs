//! The POP3 protocol as values: commands, replies, sessions. No I/O, no clock.
//!
//! RFC 1939 with the capabilities and response codes of RFC 2449 and RFC 3206, STLS of RFC 2595
//! and AUTH of RFC 5034, UTF8 and LANG of RFC 6856.

mod capability;
pub mod client;
mod command;
mod disposition;
mod expire;
mod language;
mod listing;
pub mod reply;
pub mod server;
pub mod surrogate;
mod tolerance;
pub mod wire;
pub mod xclient;

pub use command::{Command, Keyword, NotALine};
pub use disposition::Disposition;
pub use expire::{Expire, Promise};
pub use language::{Language, LanguageRange};
pub use listing::{
    Deletions, Header, MessageNumber, Naming, Octets, Part, ScanListing, UniqueId, WireOctets,
};
pub use tolerance::{Tolerance, Tolerances};
