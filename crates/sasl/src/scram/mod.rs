//! SCRAM: a proof that the password is known, which shows it to nobody (RFC 5802, RFC 7677).
//!
//! The server keeps a [`Verifier`] and never the password; the client learns that the server has
//! one; who listens can only guess, at the price of the iterations. The `-PLUS` forms prove as well
//! that both ends are on the same TLS channel (RFC 5929, RFC 9266).
//!
//! ```
//! use sasl::client::{self, ChannelBinding};
//! use sasl::scram::{Hash, Verifier};
//! use sasl::server::{Ending, Exchange, Ground, Step};
//! use sasl::{Mechanism, Secret};
//!
//! let verifier = Verifier::derive(Hash::Sha256, &Secret::new("pencil"), b"salt", 4096).unwrap();
//! let mut client = client::Exchange::scram(
//!     Hash::Sha256, ChannelBinding::Unsupported, "user", &Secret::new("pencil"), "clientnonce").unwrap();
//!
//! let first = client.initial_response().unwrap();
//! let ground = Ground { nonce: "servernonce".into(), ..Ground::default() };
//! let Step::Lookup(lookup) = Exchange::start(Mechanism::ScramSha256, Some(first.expose()), &ground)
//!     else { panic!("the client has said its name") };
//! let Step::Challenge(salt, server) = lookup.found(verifier) else { panic!() };
//! let proof = client.step(&salt).unwrap();
//! let Step::Verify(login, Ending::IfRight(signature)) = server.step(proof.expose())
//!     else { panic!("it is right") };
//! assert_eq!(login.user(), "user");
//! let nothing = client.step(&signature).unwrap();
//! assert!(nothing.expose().is_empty());
//! assert!(client.finish().is_ok());
//! ```

pub(crate) mod client;
mod hash;
mod message;
pub(crate) mod server;
mod verifier;

pub use hash::{Hash, Key};
pub use verifier::{SALT_OCTETS, Unpreparable, Verifier, salted_password};

/// Fewest iterations that a server may use (RFC 7677 §4).
pub const ITERATIONS_MIN: u32 = 4096;

/// Most iterations that a client computes. Whoever answers in the server's place could else keep it
/// busy for hours; this is some seconds of one core, and sixteen times what we store.
pub const ITERATIONS_MAX: u32 = 10_000_000;
