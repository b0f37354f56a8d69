//! SASL mechanisms as values, both sides (RFC 4422): no I/O, no clock, no randomness.
//!
//! A [`server::Exchange`] turns what a client says into a [`Login`] to be verified; a
//! [`client::Exchange`] says it. Nonces ([`nonce`]) and the names of the TLS channel ([`Bindings`])
//! are arguments. Each mechanism is one module: [`scram`] shows a whole exchange.

pub mod apop;
pub mod base64;
mod binding;
pub mod client;
pub mod cram_md5;
pub mod external;
mod gs2;
mod login;
mod mechanism;
pub mod nonce;
pub mod oauth;
pub mod plain;
pub mod prepare;
pub mod prompted;
pub mod scram;
mod secret;
pub mod server;

pub use binding::{BindingType, Bindings};
pub use login::Login;
pub use mechanism::{Binds, Mechanism};
pub use secret::Secret;
