//! Retrieval from other servers: connect, log in, list, retrieve; and [`fetch`](mod@fetch), which delivers what it retrieves, once,
//! and deletes nothing from a server that is not durable where it should be.
//!
//! The session without I/O is [`pop3::client`]; here are the socket, TLS and the waits. Every wait has an
//! end ([`Patience`]), and whatever a server says, no more of it is kept than [`Listing`] and one
//! buffer hold: a text is handed on in pieces as it comes.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use client::{Account, Arrival, Credentials, Patience, Transport, Trusted, connect};
//! use sasl::Secret;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::Tls(Trusted::system()?);
//! let password = Credentials::Password(Secret::new("redqueen"));
//! let account = Account::new("pop.example.org", 995, transport, "mrose", password);
//! let mut maildrop = connect(&account, Patience::default()).await?;
//! let listing = maildrop.listing().await?;
//! let mut retrieval = maildrop.retrieve(listing.numbered());
//! let mut text = Vec::new();
//! while let Some(retrieved) = retrieval
//!     .next(|piece| {
//!         text.extend_from_slice(piece);
//!         ControlFlow::Continue(())
//!     })
//!     .await?
//! {
//!     if retrieved.arrival != Arrival::OutOfStep {
//!         println!("message {} is there", retrieved.number);
//!     }
//!     text.clear();
//! }
//! maildrop.quit().await;
//! # Ok(()) }
//! ```

mod account;
mod ahead;
mod certificate;
mod connect;
mod conversation;
mod date;
pub mod dated;
pub mod destination;
mod dial;
pub mod discover;
mod ending;
mod error;
pub mod fetch;
mod flow;
mod header;
mod hex;
pub mod ledger;
mod listing;
mod login;
mod memory;
pub mod moving;
pub mod oauth;
mod patience;
mod pin;
mod pinned;
mod probe;
mod proxy;
mod reach;
mod retrieve;
pub mod secret;
mod stream;
mod trace;
mod trust;
mod way;

pub use account::{Account, Credentials, Headers, Next, Transport};
pub use certificate::{Certificate, certificate_of};
pub use connect::{Maildrop, connect};
pub use error::{ClientError, Kind};
pub use listing::{Listing, UniqueIds};
pub use memory::{Memory, NotAMemory};
pub use patience::Patience;
pub use pin::{NotAPin, Pin};
pub use proxy::Proxy;
pub use retrieve::{Arrival, HEADER_OCTETS_MAX, Retrieval, Retrieved, Step, TEXT_OCTETS_MAX};
pub use trace::{Heard, Trace};
pub use trust::{OwnCertificate, Trust, TrustError, Trusted};
pub use way::{NotAWay, Way};

#[cfg(test)]
mod tests;
