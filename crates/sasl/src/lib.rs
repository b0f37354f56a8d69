//! SASL mechanisms as values (RFC 4422): no I/O, no clock.

pub mod apop;
pub mod base64;
mod login;
mod mechanism;
pub mod plain;
pub mod prepare;
pub mod scram;
mod secret;
pub mod server;

pub use login::Login;
pub use mechanism::Mechanism;
pub use secret::Secret;
