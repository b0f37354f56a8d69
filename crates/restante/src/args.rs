//! The command line. Help, man pages and completions all come from this one definition.

mod bench;
mod deliver;
mod fetch;
mod import;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, CommandFactory as _, Parser, Subcommand, ValueHint};

use crate::failure::{Code, Failure};

pub(crate) use bench::{
    Accounts, Bench, Corpus, Deliver as BenchDeliver, Format as CorpusFormat, Measured, Server,
    Sizes,
};
pub(crate) use deliver::Deliver;
pub(crate) use fetch::{
    Adopt as FetchAdopt, Auth as FetchAuth, Command as FetchCommand, Delete as FetchDelete, Fetch,
    Flow, Get as FetchGet, List as FetchList, MarkSeen as FetchMarkSeen, Program, Run,
    SecretCommand, Setup, ShowMessage as FetchShow,
};
pub(crate) use import::{Import, Mbox, Reading, Remote, UniqueIds};

/// The post office that keeps your mail until you call for it: a POP3 mail drop.
#[derive(Debug, Parser)]
#[command(
    name = "restante",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "New here? `restante demo` needs nothing and shows everything in a minute.\n\
                  Exit codes are those of sysexits.h: 64 usage, 67 no such account, 75 try again, 78 configuration."
)]
pub(crate) struct Arguments {
    /// The configuration [default: $RESTANTE_CONFIG, then /etc/restante/restante.toml]
    #[arg(short, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a throw-away server on loopback and show a session with it
    Demo(Demo),
    /// Run the server
    ///
    /// SIGHUP reads configuration and certificate again, SIGTERM lets sessions end within
    /// `drain_timeout`, a second SIGTERM cuts them.
    Serve,
    /// Say what the configuration means, and what is wrong with it
    Check,
    /// Accounts: who may log in, and who gets mail
    #[command(subcommand)]
    User(User),
    /// Addresses that stand for accounts
    ///
    /// Mail for an address goes to the first of these that there is, be it an account or an alias: the full address; the local part,
    /// if the domain is ours; both of them without their detail (`bob+lists`); the catch-all of the domain.
    #[command(subcommand)]
    Alias(Alias),
    /// Deliver one message from standard input
    ///
    /// For mail transfer agents and for programs that fetch mail, in the place of dovecot-lda, maildrop or procmail.
    /// 0: the message is on disk. 67: a recipient is unknown. 65, 69 and 73: too large, in a loop, does not fit into
    /// the maildrop. 75: try again; also when the command line or the configuration is wrong, so that no mail goes
    /// back for that.
    Deliver(Deliver),
    /// Maildrops: where messages wait
    #[command(subcommand)]
    Maildrop(Maildrop),
    /// Fetch mail from other servers by POP3, each message once
    ///
    /// Accounts are in $XDG_CONFIG_HOME/restante/fetch.toml, or in the file that -c names; `restante fetch setup` writes it. What was
    /// fetched is in a ledger for each account, so nothing is fetched twice, and nothing is deleted that was not delivered.
    Fetch(Box<Fetch>),
    /// Measure any POP3 server, and compare servers
    ///
    /// Every answer and every octet is verified while it is measured; the first wrong one ends the
    /// run. Only `drain` deletes messages.
    #[command(subcommand)]
    Bench(Bench),
    /// Reach files of users for the process at the other end of standard input
    #[command(hide = true)]
    Helper(Helper),
    /// Print completions for a shell
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// Where to; made if it is not there.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// `restante helper`, which the program starts itself.
#[derive(Args, Debug)]
pub(crate) struct Helper {
    /// Where maildrops of users are
    #[arg(long)]
    pub(crate) path: String,
    /// Each is a file
    #[arg(long)]
    pub(crate) mbox: bool,
    /// The first user id of people
    #[arg(long)]
    pub(crate) first_uid: u32,
    /// Id of the group that may make files in the directory of mboxes
    #[arg(long)]
    pub(crate) group: Option<u32>,
}

/// `restante demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Keep the data here instead of throwing it away at the end
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// Listen on ports that are free instead of 1110, 1995 and 1024
    #[arg(long)]
    pub(crate) free_ports: bool,
}

/// Where a password comes from. Never the command line: everybody on the machine can read it there.
#[derive(Args, Debug, Default)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE", conflicts_with = "stdin", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

/// `restante user`.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account; asks for the password
    Add {
        /// `local` or `local@domain`.
        account: String,
        #[command(flatten)]
        password: PasswordSource,
        /// Also use the password as APOP secret (kept so that it can be read back; think twice)
        #[arg(long)]
        apop: bool,
        #[command(flatten)]
        terms: Terms,
    },
    /// Set a new password
    Passwd {
        /// The account's name.
        account: String,
        #[command(flatten)]
        password: PasswordSource,
        /// Set the separate APOP secret instead
        #[arg(long)]
        apop: bool,
    },
    /// List the accounts
    List {
        /// Those that were removed and can be brought back
        #[arg(long)]
        removed: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show an account
    Show {
        /// The account's name.
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change an account
    #[command(group(ArgGroup::new("what").required(true).multiple(true).args([
        "enable", "disable", "expires", "networks", "no_apop", "quota", "quota_messages", "expire",
        "disposition", "messages_shown",
    ])))]
    Set {
        /// The account's name.
        account: String,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        terms: Terms,
    },
    /// Remove an account; for 30 days it can be brought back with its mail
    Remove {
        /// The account's name.
        account: String,
        /// Delete account and mail at once; of an account that was removed before, the mail
        #[arg(long)]
        delete_mail: bool,
        /// Do not ask before mail is deleted
        #[arg(long, requires = "delete_mail")]
        yes: bool,
    },
    /// Bring a removed account back as it was, with its mail
    Restore {
        /// The name that it had.
        account: String,
        /// Which one, if several of that name were removed (`user list --removed`)
        #[arg(long, value_name = "ID")]
        maildrop: Option<String>,
    },
    /// Make accounts from a passwd-file of Dovecot, a shadow file, or lines `name:{SCHEME}secret`
    ///
    /// Schemes: PLAIN, CRYPT, ARGON2ID, ARGON2I, YESCRYPT, SCRYPT, BLF-CRYPT, SHA512-CRYPT, SHA256-CRYPT,
    /// PBKDF2, MD5-CRYPT; hashes that begin like `$6$` need none. Who is locked is disabled, or left out
    /// if there is no hash. Networks, quotas and ends are taken over; what else is left out is told. Nothing
    /// is imported while a line is wrong; accounts that exist already stay as they are.
    Import {
        /// The file; `-` is standard input.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Also keep PLAIN secrets for APOP (they can be read back; think twice)
        #[arg(long)]
        apop: bool,
    },
    /// Give an account another name; its maildrop and unique-ids stay
    Rename {
        /// The name now.
        account: String,
        /// The name from now on.
        new_name: String,
    },
}

/// `restante alias`.
#[derive(Debug, Subcommand)]
pub(crate) enum Alias {
    /// Give the mail for an address to accounts, beside those that get it already
    Add {
        /// `local`, `local@domain`, or `@domain` for everybody else of a domain.
        address: String,
        /// Who gets its mail; at most 100 for an address.
        #[arg(required = true, value_name = "ACCOUNT")]
        accounts: Vec<String>,
    },
    /// Do not give the mail for an address to accounts any more
    Remove {
        /// The alias.
        address: String,
        /// Who gets its mail no more [default: all, and the alias is gone]
        #[arg(value_name = "ACCOUNT")]
        accounts: Vec<String>,
    },
    /// List the aliases
    List {
        /// The account whose aliases are listed; none: all aliases.
        account: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make aliases from a table such as /etc/aliases, or Postfix's virtual table
    ///
    /// Lines are `address: account, account` or `address account, account`. A name of the table that is no account stands for whom the
    /// table gives its mail to. Programs, files, `:include:` and addresses elsewhere are told, and nothing is imported while
    /// a line is wrong. Aliases that exist already keep their accounts beside those of the table.
    Import {
        /// The file; `-` is standard input.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// What `user set` changes; what is not named stays as it is.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Change {
    /// May log in
    #[arg(long)]
    pub(crate) enable: bool,
    /// May not log in
    #[arg(long, conflicts_with = "enable")]
    pub(crate) disable: bool,
    /// May not log in from this day on (2027-01-31, UTC), or never
    #[arg(long, value_name = "DAY")]
    pub(crate) expires: Option<String>,
    /// May log in from this network only (192.0.2.0/24; may be repeated), or from everywhere
    #[arg(long = "from", value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Forget the APOP secret
    #[arg(long)]
    pub(crate) no_apop: bool,
}

/// How much mail an account may hold, for how long, and what its sessions see and do, where it differs
/// from the configuration.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Terms {
    /// May hold so much mail (500 MiB), none: no limit, or default: what the configuration says
    #[arg(long, value_name = "SIZE")]
    pub(crate) quota: Option<String>,
    /// May hold so many messages, none: no limit, or default
    #[arg(long, value_name = "N")]
    pub(crate) quota_messages: Option<String>,
    /// Mail is deleted after so many days, never, when it is retrieved: retrieved, or default
    #[arg(long, value_name = "DAYS")]
    pub(crate) expire: Option<String>,
    /// What a client's deletions come to: delete, hide (from later sessions), keep, read-only (they
    /// are refused), or default
    #[arg(long, value_name = "WHAT")]
    pub(crate) disposition: Option<String>,
    /// Sessions see so many messages, the newest, or all, or default
    #[arg(long, value_name = "N")]
    pub(crate) messages_shown: Option<String>,
}

/// `restante maildrop`.
#[derive(Debug, Subcommand)]
pub(crate) enum Maildrop {
    /// List the maildrops, or the messages of one
    List {
        /// The account whose messages are listed; none: all maildrops.
        account: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print a message as it was delivered, a hidden one too
    Show {
        /// The account's name.
        account: String,
        /// The message's number in `maildrop list ACCOUNT`, or its unique-id.
        message: String,
    },
    /// Read every octet and compare it with its checksum
    Verify {
        /// The account whose maildrop is read; none: all.
        account: Option<String>,
        /// One JSON object for each maildrop
        #[arg(long)]
        json: bool,
    },
    /// Print where a maildrop lies
    Path {
        /// The account's name.
        account: String,
    },
    /// Bring in a Maildir, an mbox file, a directory of .eml files, or what another POP3 server has
    ///
    /// An interrupted import can be started again: messages that are in the maildrop already are recognised and skipped, those of a
    /// POP3 server by their unique-ids, others by their octets.
    ///
    /// Clients know messages by their unique-ids, and retrieve everything again if those change. Those of a POP3 server stay what
    /// they were, as do those of a Maildir that Dovecot or Courier has served, and so does the order of the messages. Nothing is
    /// changed or deleted where they come from.
    Import(Box<Import>),
    /// Write all messages into a file or directory that other mail programs read
    ///
    /// Hidden messages are among them. The maildrop stays as it is. Lines end with LF, as local programs expect; the date is that
    /// of receipt. A message that is damaged is named and left out; the exit code is 65 then.
    Export {
        /// The account whose messages are written.
        account: String,
        /// Where to; must not be there yet.
        #[arg(value_hint = ValueHint::AnyPath)]
        destination: PathBuf,
        /// What is made
        #[arg(long, value_enum)]
        format: Format,
    },
    /// Save maildrops and accounts into another directory; may run while the server runs
    ///
    /// Only what is new since the last time is copied, and compared with its checksums. An
    /// interrupted backup leaves the one before. The copies hold mail, password hashes and sealed
    /// APOP secrets, readable for their owner only; the key of the latter, accounts.key, is not
    /// copied: keep it elsewhere.
    Backup {
        /// Where to, on another disk; made if it is not there.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
        /// Whose maildrops [default: all]
        #[arg(value_name = "ACCOUNT")]
        accounts: Vec<String>,
        /// Forget maildrops that are not there any more
        #[arg(long, conflicts_with = "accounts")]
        prune: bool,
        /// One JSON object for each maildrop
        #[arg(long)]
        json: bool,
    },
    /// Bring maildrops back from a backup
    ///
    /// What a maildrop has now stays; messages of the backup that it has not come back with their
    /// unique-ids, deleted ones too. No unique-id is ever used again. The file that is replaced is
    /// kept in `replaced/`. Accounts that are gone come back; others stay as they are.
    // Of a group that must be given the parser makes its first word, as if DIR came behind it.
    #[command(
        override_usage = "restante maildrop restore [OPTIONS] <DIR> <ACCOUNT>...\n       \
                                restante maildrop restore [OPTIONS] <DIR> --all"
    )]
    #[command(group = clap::ArgGroup::new("which").required(true).multiple(false))]
    Restore {
        /// Where the backup is.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
        /// Whose maildrops
        #[arg(value_name = "ACCOUNT", group = "which")]
        accounts: Vec<String>,
        /// All maildrops that the backup has
        #[arg(long, group = "which")]
        all: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// One JSON object for each maildrop
        #[arg(long)]
        json: bool,
    },
    /// Save what can be saved of a damaged file into another directory
    ///
    /// The file stays as it is. Messages whose checksums hold become a file that `maildrop restore`
    /// puts into place. What was deleted, what is damaged, and what only looks like a message (anybody
    /// can write such a thing into a text) are written as .eml files, each kind in a directory of its
    /// own; report.json says what is what.
    Salvage {
        /// Whose file, or the file itself (a path, or a name that ends with .rsm).
        #[arg(value_name = "ACCOUNT|FILE", value_hint = ValueHint::FilePath)]
        from: String,
        /// Where to; made if it is not there, and must be empty.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Bring back what a user deleted, as long as the maildrop's file holds it, or had hidden
    ///
    /// Without a message: list what there is. Within the grace period of the configuration
    /// nothing goes; after it, space is given back when that pays.
    Undelete {
        /// The account's name.
        account: String,
        /// Unique-ids of the messages that shall come back.
        #[arg(value_name = "UNIQUE-ID", conflicts_with = "all")]
        messages: Vec<String>,
        /// Bring back everything
        #[arg(long)]
        all: bool,
        /// List as one JSON object a line
        #[arg(long, conflicts_with_all = ["all", "messages"])]
        json: bool,
    },
    /// Give back at once what the server gives back when it pays
    ///
    /// A maildrop that somebody uses is left alone, and so is one that is damaged.
    Compact {
        /// Whose maildrops [default: all]
        #[arg(value_name = "ACCOUNT")]
        accounts: Vec<String>,
    },
    /// Make accounts for maildrops that have none, after accounts.db was lost
    ///
    /// Each file names the account that it belongs to. The accounts have no password: mail comes
    /// in, and nobody logs in before `user passwd`. Aliases are lost: mail for them is refused until
    /// they are made again. If there is a backup, `maildrop restore` in place of this brings passwords
    /// and aliases back, too.
    Rebuild {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// What `restante maildrop export` makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One file; lines that begin with `From ` are quoted with `>`, and those with `>From ` again
    Mboxrd,
    /// A directory with one file for each message
    Maildir,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// EX_USAGE, with clap's text printed; EX_TEMPFAIL if it was `deliver`: the operator mends that, and mail waits
    /// meanwhile. Help and version are printed and end with success: that is the inner `None`.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, Failure> {
        let words: Vec<OsString> = words.into_iter().collect();
        let error = match Self::try_parse_from(&words) {
            Ok(arguments) => return Ok(Some(arguments)),
            Err(error) => error,
        };
        // Nobody reads it: nothing else can be done about that.
        let _ = error.print();
        match error.use_stderr() {
            true if deliver::is_meant(&words) => Err(Failure::silent(Code::Temporary)),
            true => Err(Failure::silent(Code::Usage)),
            // 0 means on disk, whatever a stranger's address may look like.
            false if deliver::is_meant(&words) && !deliver::asks_for_help(&words) => {
                Err(Failure::silent(Code::Temporary))
            }
            false => Ok(None),
        }
    }

    /// The whole definition, for man pages and completions.
    pub(crate) fn definition() -> clap::Command {
        Self::command()
    }
}

/// Whether this process was called to deliver a message.
pub(crate) fn means_deliver() -> bool {
    let words: Vec<OsString> = std::env::args_os().collect();
    deliver::is_meant(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Arguments::definition().debug_assert();
    }

    #[test]
    fn the_configuration_is_named_before_or_after_the_command() {
        for words in [
            ["restante", "-c", "x", "serve"],
            ["restante", "serve", "-c", "x"],
        ] {
            let arguments = Arguments::try_parse_from(words).unwrap();
            assert_eq!(arguments.config, Some(PathBuf::from("x")));
        }
    }

    #[test]
    fn no_password_on_the_command_line() {
        assert!(Arguments::try_parse_from(["restante", "user", "add", "bob", "secret"]).is_err());
    }
}
