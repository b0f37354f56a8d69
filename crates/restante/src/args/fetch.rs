//! `restante fetch`: mail is pulled from other servers.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use client::fetch::Wanted;

/// `restante fetch`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 also without new mail (--exit-code-new tells), 64 usage, 69 unreachable or no TLS, 73 not delivered,\n\
                  74 disk, 75 later, 76 protocol, 77 login refused, 78 configuration, 79 `auth login` is needed; of several accounts\n\
                  the worst."
)]
pub(crate) struct Fetch {
    /// Which accounts [default: all]
    #[arg(value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,
    #[command(flatten)]
    pub(crate) run: Run,
    /// What else to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How one run goes.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(crate) struct Run {
    /// All accounts (as without any name)
    #[arg(long, conflicts_with = "accounts")]
    pub(crate) all: bool,
    /// Fetch at most so many messages of each account, the oldest first
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Fetch only what came in since then, by its header: 30d, 12h, or a day (UTC) such as 2026-01-31; older mail stays on the server
    #[arg(long, value_name = "AGE")]
    pub(crate) since: Option<String>,
    /// Say what would be fetched and deleted, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object a line for everything that happens
    #[arg(long)]
    pub(crate) json: bool,
    /// Say nothing but what goes wrong
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Say what came of each account even if this is no terminal
    #[arg(short, long, conflicts_with_all = ["json", "quiet"])]
    pub(crate) verbose: bool,
    /// Show on standard error what is said to and by the server, without secrets
    #[arg(long)]
    pub(crate) trace: bool,
    /// End with 1 if there was no new mail, for scripts
    #[arg(long)]
    pub(crate) exit_code_new: bool,
    /// Fetch everything although there is mail where it goes, and no ledger that says which
    #[arg(long)]
    pub(crate) from_scratch: bool,
    /// Fetch everything although none of the unique-ids is known that the server gives
    #[arg(long)]
    pub(crate) accept_new_ids: bool,
}

/// What `restante fetch` does beside fetching.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set an account up: find its server, try the login, write the configuration
    Setup(Setup),
    /// Say what is known of each account: last run, what is kept, what was left
    Status {
        /// Which accounts [default: all]
        #[arg(value_name = "ACCOUNT")]
        accounts: Vec<String>,
        /// As JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// See whether everything is as it should be: name, certificate, login, destinations, ledger
    Check {
        /// Which accounts [default: all]
        #[arg(value_name = "ACCOUNT")]
        accounts: Vec<String>,
    },
    /// List what is on the server, without fetching
    List(List),
    /// Show a message without fetching it
    Show(ShowMessage),
    /// Fetch these messages now, whatever their size and whatever rules say
    Get(Get),
    /// Delete messages from the server
    Delete(Delete),
    /// Count messages as fetched that were not
    MarkSeen(MarkSeen),
    /// Make a ledger of the mail that is there: what of the server's is in it, is not fetched again
    Adopt(Adopt),
    /// Take over configuration and seen messages of another program
    Import {
        /// Of which
        program: Program,
        /// Its configuration or profile [default: where the program has it]
        #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
        path: Option<PathBuf>,
        /// Say what would be taken over, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// OAuth2: log in with a provider, see what is held, log out
    #[command(subcommand)]
    Auth(Auth),
    /// Passwords in the keyring of the session
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Fetch again and again, for systemd (Type=notify) or a terminal
    Daemon {
        /// One JSON object a line for everything that happens
        #[arg(long)]
        json: bool,
    },
    /// Write units for systemd that fetch now and then
    InstallTimer {
        /// How often
        #[arg(long, value_name = "DURATION", default_value = "5m")]
        every: String,
        /// Where to [default: ~/.config/systemd/user]
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: Option<PathBuf>,
    },
}

/// `restante fetch list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Which account
    pub(crate) account: String,
    /// Sender, subject and date too, as on a terminal
    #[arg(long)]
    pub(crate) headers: bool,
    /// As JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `restante fetch show`.
#[derive(Args, Debug)]
pub(crate) struct ShowMessage {
    /// Which account
    pub(crate) account: String,
    /// Its message-number or its unique-id (u:…), as `list` tells
    #[arg(value_name = "N")]
    pub(crate) message: Wanted,
    /// Its header only
    #[arg(long)]
    pub(crate) header: bool,
}

/// `restante fetch get`.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// Which account
    pub(crate) account: String,
    /// Their message-numbers or unique-ids (u:…), as `list` tells
    #[arg(value_name = "N", required = true)]
    pub(crate) messages: Vec<Wanted>,
    /// Deliver once more what was delivered before
    #[arg(long)]
    pub(crate) again: bool,
    /// Fetch them although none of the unique-ids is known that the server gives; all the others are new from then on
    #[arg(long)]
    pub(crate) accept_new_ids: bool,
}

/// `restante fetch delete`.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// Which account
    pub(crate) account: String,
    /// Their message-numbers or unique-ids (u:…), as `list` tells
    #[arg(value_name = "N", required = true)]
    pub(crate) messages: Vec<Wanted>,
    /// Do not ask, even if they were never fetched
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `restante fetch mark-seen`.
#[derive(Args, Debug)]
pub(crate) struct MarkSeen {
    /// Which account
    pub(crate) account: String,
    /// These messages, by their message-numbers or unique-ids (u:…)
    #[arg(value_name = "N")]
    pub(crate) messages: Vec<Wanted>,
    /// All that are on the server
    #[arg(long, conflicts_with = "messages")]
    pub(crate) all: bool,
    /// All that came in before that day (UTC), by their headers
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["messages", "all"])]
    pub(crate) before: Option<String>,
}

/// `restante fetch adopt`.
#[derive(Args, Debug)]
pub(crate) struct Adopt {
    /// Which account
    pub(crate) account: String,
    /// A Maildir or an mbox [default: where the account's mail goes]
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) path: Option<PathBuf>,
    /// Say what is there, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `restante fetch setup`.
#[derive(Args, Debug, Default)]
pub(crate) struct Setup {
    /// An address (bob@example.org) or user@host:port
    pub(crate) address: String,
    /// What the account is called [default: the user]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The server, if it cannot be found by the address
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) server: Option<String>,
    /// Who logs in, if it is not the address or what stands before its @
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Look at the server's certificate and believe it from now on, and no other
    #[arg(long)]
    pub(crate) pin: bool,
    /// Begin TLS by STLS, at port 110
    #[arg(long)]
    pub(crate) starttls: bool,
    /// No TLS, where nobody is between
    #[arg(long, conflicts_with_all = ["pin", "starttls"])]
    pub(crate) insecure: bool,
    /// Deliver into this Maildir [default: ~/Mail/NAME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) maildir: Option<PathBuf>,
    /// How long messages stay on the server: true, false, or a duration such as 14d
    #[arg(long, default_value = "true")]
    pub(crate) keep: String,
    /// Take the password from this command at each login instead of keeping it
    #[arg(long, value_name = "COMMAND")]
    pub(crate) password_command: Option<String>,
    /// Keep the password in the keyring of the session instead of a file
    #[arg(long, conflicts_with = "password_command")]
    pub(crate) keyring: bool,
    /// Log in by OAuth2 as this client, which you have registered with Microsoft or Google
    #[arg(long, value_name = "ID", conflicts_with_all = ["password_command", "keyring"])]
    pub(crate) client_id: Option<String>,
    #[command(flatten)]
    pub(crate) password: super::PasswordSource,
    /// Ask nothing: take what was found
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Programs whose users move in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Program {
    /// mpop
    Mpop,
    /// fetchmail
    Fetchmail,
    /// getmail6
    Getmail,
    /// Mozilla Thunderbird
    Thunderbird,
}

/// `restante fetch auth`.
#[derive(Debug, Subcommand)]
pub(crate) enum Auth {
    /// Get a token from the provider
    Login {
        /// Which account
        account: String,
        /// How, if not as configured
        #[arg(long)]
        flow: Option<Flow>,
    },
    /// What is held for each account
    Status {
        /// Which accounts [default: all]
        #[arg(value_name = "ACCOUNT")]
        accounts: Vec<String>,
    },
    /// Give the token back, and forget it
    Logout {
        /// Which account
        account: String,
    },
}

/// How a first token is got.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Flow {
    /// A code that is typed in at another device (RFC 8628)
    Device,
    /// A browser on this machine (RFC 8252)
    Loopback,
    /// A browser elsewhere, whose last address is pasted here
    Paste,
}

/// `restante fetch secret`.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Put the password of an account into the keyring
    Set {
        /// Which account; ACCOUNT-imap and ACCOUNT-smtp are its destinations
        account: String,
        #[command(flatten)]
        password: super::PasswordSource,
    },
    /// Remove it
    Delete {
        /// Which account; ACCOUNT-imap and ACCOUNT-smtp are its destinations
        account: String,
    },
}
