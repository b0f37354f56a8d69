//! `restante maildrop import`: whose mail comes from where, and how it is read.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use client::Pin;
use maildrop::maildir::dovecot::UidlFormat;

use super::PasswordSource;

/// `restante maildrop import`.
#[derive(Args, Debug)]
#[command(
    override_usage = "restante maildrop import [OPTIONS] <ACCOUNT> <SOURCE>\n       \
                            restante maildrop import [OPTIONS] --accounts <FILE>"
)]
pub(crate) struct Import {
    /// The account that gets the messages.
    #[arg(required_unless_present = "accounts", requires = "source")]
    pub(crate) account: Option<String>,
    /// The Maildir (with new/ and cur/), the mbox file, the directory of .eml files; or pop3s://USER@HOST (TLS), or
    /// pop3://USER@HOST (STLS), each with :PORT if it is not the usual one.
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) source: Option<PathBuf>,
    /// Bring in the mail of many accounts: each line of the file has an account, its source, and for a POP3 server the file with the
    /// password, if it is not that of --password-file
    ///
    /// Between them are spaces, or tabs if there is a space in one of them. An account that fails does not keep the others from theirs.
    #[arg(long, value_name = "FILE", conflicts_with = "account", value_hint = ValueHint::FilePath)]
    pub(crate) accounts: Option<PathBuf>,
    /// Bring in nothing, and say whether the maildrop is what the source is: the answers to STAT, LIST and UIDL of a POP3 server,
    /// message by message, or what an import of files would bring. The exit code is 65 if it is not
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// How mail is read and kept.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Reading {
    /// How an mbox file tells a line of a message from the beginning of the next one
    #[arg(long, value_name = "DIALECT", default_value = "mboxrd")]
    pub(crate) mbox: Mbox,
    /// Bring in everything, even if it is more than the account may hold
    #[arg(long)]
    pub(crate) no_quota: bool,
    /// Where unique-ids and order come from
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub(crate) unique_ids: UniqueIds,
    /// Dovecot's setting pop3_uidl_format, if it is not the usual one (see `doveconf pop3_uidl_format`)
    #[arg(long, value_name = "FORMAT", default_value = "%08Xu%08Xv")]
    pub(crate) uidl_format: UidlFormat,
}

/// How a POP3 server is logged into.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Remote {
    /// The password at the POP3 server
    #[command(flatten)]
    pub(crate) password: PasswordSource,
    /// Believe the POP3 server if an authority of this PEM file vouches for it [default: one of the system's]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trust: Option<PathBuf>,
    /// Believe the POP3 server if its certificate has this SHA-256
    #[arg(long, value_name = "SHA256", conflicts_with = "trust")]
    pub(crate) pin: Option<Pin>,
    /// Log into pop3:// in clear, without STLS and hence without --trust and --pin: whoever is between reads passwords and mail
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// The dialect of an mbox file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Mbox {
    /// Lines that begin with `From `, or with that behind some `>`, have one `>` too many
    Mboxrd,
    /// Lines that begin with `From ` have a `>` before it, which stays (Debian's /var/mail)
    Mboxo,
    /// Like mboxo, and Content-Length counts
    Mboxcl,
    /// Content-Length counts, and no line is changed
    Mboxcl2,
    /// Each message is between two lines of four octets 1
    Mmdf,
}

/// Where an import has unique-ids from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum UniqueIds {
    /// From the POP3 server; from the list of Dovecot or Courier that was written last; from a Maildir's names if there is none
    Auto,
    /// From dovecot-uidlist
    Dovecot,
    /// From courierpop3dsizelist
    Courier,
    /// From the names of the files, as qmail-pop3d has them
    Files,
    /// From nowhere: all are new
    New,
}
