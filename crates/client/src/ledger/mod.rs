//! What was fetched.

mod key;

pub use key::{Key, NotAKey};
