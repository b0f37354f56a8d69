//! The harness of the tests that need more than one crate, or no crate's inside.

pub mod client;
pub mod driver;
pub mod media;
pub mod random;
pub mod showing;
pub mod transcript;
