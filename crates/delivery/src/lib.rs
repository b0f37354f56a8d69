//! A message becomes a record.

pub mod lmtp;
