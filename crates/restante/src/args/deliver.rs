//! `restante deliver`: options of its own, and those of the programs in whose place it is called.
//!
//! Addresses come from strangers, so no octet in one is a mistake of the command line: what is not UTF-8 is
//! replaced, and is nobody's address then.

use std::ffi::OsString;

use clap::{Args, ValueHint};

/// `restante deliver`.
#[derive(Args, Debug)]
pub(crate) struct Deliver {
    /// The envelope sender; adds Return-Path and Delivered-To. Empty or `<>`: the null sender
    #[arg(
        short = 'f',
        visible_short_alias = 'r',
        long = "from",
        value_name = "SENDER",
        allow_hyphen_values = true
    )]
    pub(crate) sender: Option<OsString>,
    /// A recipient, as if it stood at the end (may be repeated)
    #[arg(
        short = 'd',
        long = "recipient",
        value_name = "RECIPIENT",
        allow_hyphen_values = true
    )]
    pub(crate) named: Vec<OsString>,
    /// Which address Delivered-To shall have, if that is not the recipient
    #[arg(
        short = 'a',
        long = "address",
        value_name = "ADDRESS",
        allow_hyphen_values = true,
        requires = "sender"
    )]
    pub(crate) address: Option<OsString>,
    /// Drop a leading `From ` line, as in an mbox
    #[arg(long)]
    pub(crate) from_line: bool,
    /// Asks for what is done anyway: -e (reasons on standard error), -t (failures are temporary), -Y (no Content-Length)
    #[arg(
        short = 'e',
        short_aliases = ['t', 'Y'],
        action = clap::ArgAction::Count,
        hide = true
    )]
    pub(crate) done_anyway: u8,
    /// The mailbox of an IMAP server
    #[arg(short = 'm', value_name = "MAILBOX", hide = true)]
    pub(crate) mailbox: Option<OsString>,
    /// The message's file
    #[arg(short = 'p', value_name = "FILE", hide = true, value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<OsString>,
    /// Accounts or addresses; behind `--` they may begin with a dash
    #[arg(required_unless_present = "named", value_name = "RECIPIENT")]
    pub(crate) recipients: Vec<OsString>,
}

/// Whether the command of a command line that could not be read is this one.
pub(super) fn is_meant(words: &[OsString]) -> bool {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        match word.to_string_lossy().as_ref() {
            "-c" | "--config" => _ = words.next(),
            option if option.starts_with('-') => {}
            command => return command == "deliver",
        }
    }
    false
}

/// Whether its help is asked for, and nothing else.
pub(super) fn asks_for_help(words: &[OsString]) -> bool {
    matches!(words, [.., command, help] if command == "deliver" && help == "--help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_behind_options() {
        let meant = |line: &str| {
            is_meant(
                &line
                    .split_whitespace()
                    .map(OsString::from)
                    .collect::<Vec<_>>(),
            )
        };
        assert!(meant("restante deliver --wrong"));
        assert!(meant("restante -c serve deliver -x"));
        assert!(meant("restante --config=x deliver"));
        assert!(!meant("restante -c deliver serve --wrong"));
        assert!(!meant("restante user add deliver --wrong"));
        assert!(!meant("restante"));
    }

    #[test]
    fn only_a_question_for_help_is_no_delivery() {
        let asks = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
            asks_for_help(&words)
        };
        assert!(asks("restante deliver --help"));
        for line in [
            "deliver -h",
            "deliver -h@dobbs.org",
            "deliver -d bob --help",
            "-V deliver bob",
        ] {
            assert!(!asks(&format!("restante {line}")), "{line}");
        }
    }
}
