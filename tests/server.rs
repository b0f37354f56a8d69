//! The running server over real sockets: what a client sees, and what is in the maildrop after.
//!
//! Every test starts servers of its own inside this process, on ports that the system chooses.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "server/harness.rs"]
mod harness;

#[path = "server/access.rs"]
mod access;
#[path = "server/certificates.rs"]
mod certificates;
#[path = "server/delivery.rs"]
mod delivery;
#[path = "server/end.rs"]
mod end;
#[path = "server/eviction.rs"]
mod eviction;
#[path = "server/keeping.rs"]
mod keeping;
#[path = "server/limits.rs"]
mod limits;
#[path = "server/log.rs"]
mod log;
#[path = "server/login_delay.rs"]
mod login_delay;
#[path = "server/proxy.rs"]
mod proxy;
#[path = "server/sasl.rs"]
mod sasl;
#[path = "server/session.rs"]
mod session;
#[path = "server/stls.rs"]
mod stls;
#[path = "server/strangers.rs"]
mod strangers;
#[path = "server/timing.rs"]
mod timing;
#[path = "server/tls.rs"]
mod tls;
#[path = "server/tls_floods.rs"]
mod tls_floods;
#[path = "server/transfer.rs"]
mod transfer;
#[path = "server/utf8.rs"]
mod utf8;
#[path = "server/xclient.rs"]
mod xclient;
