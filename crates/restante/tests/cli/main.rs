//! The binary as a user sees it: what it prints, what it answers, how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall say so")]

mod access;
mod accounts;
mod aliases;
mod backups;
mod benchmark;
mod certificates;
mod checking;
mod configuration;
mod delivery;
mod demonstration;
mod export;
mod foreign;
mod keeping;
mod looking;
mod maildirs;
mod maildrops;
mod mboxes;
mod moving;
mod moving_in;
mod pages;
mod removed;
mod run;
mod salvaging;
mod serving;
mod setting_up;
mod space;
mod terminal;
mod unmounted;
