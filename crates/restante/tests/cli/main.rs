//! The binary as a user sees it: what it prints, what it answers, how it ends.

mod configuration;
mod pages;
mod run;
