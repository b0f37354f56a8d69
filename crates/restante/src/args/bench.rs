//! `restante bench`: what is measured, on which server, and how it is told.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use super::PasswordSource;
use crate::config;

/// What `restante bench` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Connect, log in, STAT, QUIT, again and again
    Poll {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        measured: Measured,
        /// Begin so many sessions a second, whether the server keeps up or not; what a session takes
        /// counts from when it was due
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        rate: Option<f64>,
    },
    /// Retrieve all messages again and again
    Retrieve {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        measured: Measured,
        /// Commands sent ahead of their replies
        #[arg(long, value_name = "N", default_value_t = 1)]
        window: usize,
    },
    /// Log in, STAT, LIST, UIDL, three TOP, one RETR, QUIT, again and again
    List {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        measured: Measured,
    },
    /// Retrieve and delete all messages of the accounts, once
    Drain {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        measured: Measured,
        /// Commands sent ahead of their replies
        #[arg(long, value_name = "N", default_value_t = 1)]
        window: usize,
        /// All mail of these accounts may be deleted
        #[arg(long)]
        yes: bool,
    },
    /// Hold sessions that say nothing
    Idle {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        measured: Measured,
    },
    /// Deliver generated mail by LMTP
    Deliver(Deliver),
    /// Write generated mail as files
    ///
    /// Each message says in its header (X-Corpus) what its octets must be, so that every workload
    /// can verify it on every server, whatever header fields the server adds.
    Corpus(Corpus),
    /// Write a page that compares servers, from what `--record` or `--json` gave
    ///
    /// Outcomes with the same `--case` are compared, and several with the same `--label` are runs
    /// of which the medians are shown. The page is HTML and needs no other file.
    Report {
        /// Files with outcomes, one after the other.
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// The label that the others are compared with [default: the first]
        #[arg(long, value_name = "LABEL")]
        baseline: Option<String>,
    },
}

/// The server, and who logs in to it.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Server {
    /// Where the server listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1110")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) accounts: Accounts,
    #[command(flatten)]
    pub(crate) password: PasswordSource,
    /// Speak TLS from the first octet on, and trust the certificates of this PEM file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tls: Option<PathBuf>,
    /// The name that the server's certificate must have
    #[arg(
        long,
        value_name = "NAME",
        default_value = "localhost",
        requires = "tls"
    )]
    pub(crate) tls_name: String,
    /// Resume TLS from the session before; without it each connection pays a full handshake
    #[arg(long, requires = "tls")]
    pub(crate) resume: bool,
    /// Connect from so many loopback addresses in turn, for servers that limit sessions of one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) sources: u32,
}

/// Accounts by name.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("accounts").required(true).multiple(true).args(["users", "users_file"])))]
#[group(skip)]
pub(crate) struct Accounts {
    /// An account; with several, connections take them in turn
    #[arg(long = "user", value_name = "NAME")]
    pub(crate) users: Vec<String>,
    /// Accounts, one on each line of this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) users_file: Option<PathBuf>,
}

/// How much, and how it is told.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Measured {
    /// Connections at once [default: 4, with --rate 64]
    #[arg(long, value_name = "N")]
    pub(crate) connections: Option<usize>,
    /// How long to measure, in seconds; a drain ends when the mail does
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Silence after which the server counts as hung, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) patience: u64,
    /// The server's first process on this machine: what it and its descendants cost is measured too
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<i32>,
    /// The server's control group, below /sys/fs/cgroup, likewise
    #[arg(long, value_name = "DIR", conflicts_with = "pid", value_hint = ValueHint::DirPath)]
    pub(crate) cgroup: Option<PathBuf>,
    /// How reports call the server [default: its address]
    #[arg(long, value_name = "LABEL")]
    pub(crate) label: Option<String>,
    /// How reports call what is measured [default: made from the workload]
    #[arg(long, value_name = "CASE")]
    pub(crate) case: Option<String>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Also append the outcome to this file, for `bench report`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) record: Option<PathBuf>,
}

/// `restante bench deliver`.
#[derive(Args, Debug)]
pub(crate) struct Deliver {
    /// Where the LMTP server listens: host:port, or the path of a Unix socket
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1024")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) accounts: Accounts,
    /// Recipients of each message
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) copies: usize,
    /// Deliver so many messages, however long it takes
    #[arg(long, value_name = "N")]
    pub(crate) messages: Option<u64>,
    #[command(flatten)]
    pub(crate) sizes: Sizes,
    #[command(flatten)]
    pub(crate) measured: Measured,
}

/// `restante bench corpus`.
#[derive(Args, Debug)]
pub(crate) struct Corpus {
    /// The directory or file that is made; must not be there yet.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) place: PathBuf,
    /// What is made
    #[arg(long, value_enum)]
    pub(crate) format: Format,
    /// How many messages
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) messages: u64,
    #[command(flatten)]
    pub(crate) sizes: Sizes,
    /// Name of the corpus, from which its octets are made [default: the name of the place]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// How large generated messages are.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Sizes {
    /// Size of a message; half are smaller, where there is a mean too
    #[arg(long, value_name = "SIZE", default_value = "4 KiB", value_parser = config::octets)]
    pub(crate) size: u64,
    /// Sizes differ as those of real mail do (log-normal), and this is their mean
    #[arg(long, value_name = "SIZE", value_parser = config::octets)]
    pub(crate) mean: Option<u64>,
}

/// What `restante bench corpus` makes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// A directory of .eml files, for `restante maildrop import`
    Eml,
    /// A Maildir
    Maildir,
    /// A Maildir with sizes in its names (S= and W=)
    MaildirSizes,
    /// An mbox file
    Mbox,
}
