//! Placeholder.

mod config;
pub mod units;

pub use config::{Address, Config, Limits, Listener, PlaintextLogin, Protocol, Tls};
