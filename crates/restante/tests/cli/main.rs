//! The binary as a user sees it: what it prints, what it answers, how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall say so")]

mod accounts;
mod benchmark;
mod configuration;
mod delivery;
mod demonstration;
mod keeping;
mod maildrops;
mod pages;
mod run;
mod serving;
mod terminal;
