//! SASL mechanisms as values (RFC 4422): no I/O, no clock.

pub mod apop;
mod login;
pub mod scram;
mod secret;

pub use login::Login;
pub use secret::Secret;
