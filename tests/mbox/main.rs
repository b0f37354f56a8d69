//! Maildrops that are mboxes, beside other programs: crashes, forged text, locks.

#![allow(clippy::unwrap_used, reason = "tests")]

mod crash;
mod forged;
mod locks;
mod served;
mod site;
