//! SASL mechanisms as values (RFC 4422): no I/O, no clock.

mod login;
mod secret;

pub use login::Login;
pub use secret::Secret;
