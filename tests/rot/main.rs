//! Bits that flip, files that end too soon, bodies that imitate records: nothing wrong ever
//! leaves, nothing forged is ever believed, and what is whole stays readable.
//!
//! `make rot` runs [`fifty`] and [`forged`] for as long as it is told; here they are short.

#![allow(clippy::unwrap_used, reason = "tests")]

mod bits;
mod fifty;
mod forged;
mod judge;
mod shop;
mod sidecar;
mod specimen;
mod tail;
mod work;
