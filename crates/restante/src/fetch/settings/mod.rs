//! `fetch.toml`: from which accounts mail is fetched, how, and where it goes.
//!
//! Read like the server's configuration: every mistake is told with its place and with what to write instead, and no key is ignored.

mod account;
mod auth;
mod deliver;
mod layers;
mod logins;
mod rules;
#[cfg(test)]
mod tests;
mod values;

use std::path::{Path, PathBuf};

use client::Way;
use client::fetch::Keep;
use client::secret::{Command, Source};
use toml::de::DeValue;

use crate::config::{Document, Level, Problem, Section, TOP};
use crate::failure::{Code, Failure};
use crate::output::{self, note};

pub(super) use account::check_name;
pub(super) use logins::Service;
pub(super) use values::{home, seconds};

/// Subcommands, which cannot be names of accounts, and words that may become some.
pub(super) const RESERVED: [&str; 20] = [
    "setup",
    "status",
    "check",
    "auth",
    "import",
    "list",
    "show",
    "get",
    "delete",
    "mark-seen",
    "adopt",
    "daemon",
    "install-timer",
    "secret",
    "fetch",
    "run",
    "help",
    "all",
    "defaults",
    "trace",
];

/// No configuration is larger.
const FILE_OCTETS_MAX: u64 = 4 << 20;

/// All of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The file.
    pub(super) file: PathBuf,
    /// Where ledgers are.
    pub(super) state: PathBuf,
    /// Most accounts that are fetched from at once.
    pub(super) parallel: usize,
    /// Where metrics are written after each run, for node_exporter's textfile collector.
    pub(super) metrics: Option<PathBuf>,
    /// In the order of the file.
    pub(super) accounts: Vec<Account>,
}

/// One account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) host: String,
    /// None: what is usual for `tls`.
    pub(super) port: Option<u16>,
    pub(super) user: String,
    pub(super) tls: Tls,
    pub(super) trust: Option<PathBuf>,
    pub(super) pins: Vec<String>,
    pub(super) client_certificate: Option<(PathBuf, PathBuf)>,
    pub(super) proxy: Option<String>,
    pub(super) way: Option<Way>,
    pub(super) auth: Auth,
    pub(super) deliver: Vec<Deliver>,
    pub(super) rules: Vec<RuleOf>,
    pub(super) keep: Keep,
    /// A first session deletes as well.
    pub(super) delete_at_once: bool,
    pub(super) octets_max: Option<u64>,
    /// Octets of messages that no destination takes.
    pub(super) quarantine_octets_max: u64,
    /// How long the server may be silent; none: what is usual.
    pub(super) timeout: Option<u64>,
    pub(super) poll: u64,
    pub(super) on_new: Vec<String>,
    pub(super) on_error: Vec<String>,
    pub(super) on_auth_needed: Vec<String>,
    pub(super) notify: bool,
}

/// How octets travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tls {
    Implicit,
    Stls,
    None,
}

/// By what the user is known.
#[derive(Clone, Debug)]
pub(super) enum Auth {
    Password(Source),
    /// Each login has a token of this command.
    TokenCommand(Command),
    Oauth(Box<Oauth>),
    Certificate,
}

/// Whose tokens, and how the first one is got.
#[derive(Clone, Debug)]
pub(super) struct Oauth {
    pub(super) provider: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<Source>,
    pub(super) tenant: Option<String>,
    pub(super) flow: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) authorization: Option<String>,
    pub(super) token: Option<String>,
    pub(super) device: Option<String>,
    pub(super) revocation: Option<String>,
    pub(super) port: Option<u16>,
}

/// Where mail goes.
#[derive(Clone, Debug)]
pub(super) enum Deliver {
    Maildir(PathBuf),
    Mbox(PathBuf),
    Store {
        account: String,
        config: Option<PathBuf>,
    },
    Command(Vec<String>),
    Lmtp {
        address: String,
        recipients: Vec<String>,
        sender: Option<String>,
    },
    Smtp(Box<Smtp>),
    Imap(Box<Imap>),
    Gmail(Box<Gmail>),
}

/// A server that mail is sent to.
#[derive(Clone, Debug)]
pub(super) struct Smtp {
    pub(super) address: String,
    pub(super) recipients: Vec<String>,
    pub(super) sender: Option<String>,
    pub(super) tls: Option<Tls>,
    pub(super) trust: Option<PathBuf>,
    /// Who logs in, and by what.
    pub(super) login: Option<(String, Auth)>,
    pub(super) insecure: bool,
}

/// A mailbox at another server.
#[derive(Clone, Debug)]
pub(super) struct Imap {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) tls: Tls,
    pub(super) trust: Option<PathBuf>,
    pub(super) user: String,
    pub(super) auth: Auth,
    pub(super) mailbox: String,
    pub(super) seen: bool,
}

/// Gmail's import.
#[derive(Clone, Debug)]
pub(super) struct Gmail {
    pub(super) auth: Auth,
    pub(super) labels: Vec<String>,
    pub(super) never_spam: bool,
}

/// A rule, before its destinations have places.
#[derive(Clone, Debug)]
pub(super) struct RuleOf {
    pub(super) header: String,
    pub(super) matches: client::fetch::Matches,
    pub(super) action: ActionOf,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(super) enum ActionOf {
    Fetch,
    Skip,
    Delete,
    Deliver(Vec<Deliver>),
}

impl Account {
    /// Whose the ledger is.
    pub(super) fn identity(&self) -> String {
        let user = match self.user.as_str() {
            "" => "-",
            user => user,
        };
        let identity = format!("{user}@{}", self.host.to_ascii_lowercase());
        identity.split_whitespace().collect::<Vec<_>>().join("_")
    }

    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Implicit => 995,
            Tls::Stls | Tls::None => 110,
        })
    }
}

impl Settings {
    pub(super) fn account(&self, name: &str) -> Result<&Account, Failure> {
        let found = self.accounts.iter().find(|account| account.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.accounts.iter().map(|it| it.name.as_str()).collect();
            let what = format!("there is no account {name:?} in {}", self.file.display());
            Failure::new(Code::Usage, what).remedy(match names.is_empty() {
                true => "restante fetch setup ADDRESS writes one".to_owned(),
                false => format!("it has: {}", names.join(", ")),
            })
        })
    }
}

/// The file that `-c` or the default names.
pub(super) fn file(named: Option<&Path>) -> PathBuf {
    named.map_or_else(
        || base("XDG_CONFIG_HOME", ".config").join("restante/fetch.toml"),
        Path::to_owned,
    )
}

/// One of the directories of the XDG Base Directory Specification.
fn base(variable: &str, below_home: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    named
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| home().join(below_home))
}

/// Where ledgers are unless somebody says otherwise.
pub(super) fn default_state() -> PathBuf {
    // What systemd makes for a unit (StateDirectory=).
    let of_unit = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
    of_unit.unwrap_or_else(|| base("XDG_STATE_HOME", ".local/state").join("restante/fetch"))
}

/// Reads a configuration; what is doubtful is told.
///
/// # Errors
///
/// EX_CONFIG, with everything printed that is wrong.
pub(super) fn load(named: Option<&Path>) -> Result<Settings, Failure> {
    let file = file(named);
    let text = text(&file)?;
    let (settings, problems) = parse(&file, &text);
    let mut told = Vec::new();
    for problem in problems {
        let line = problem.to_string();
        // One mistake in [defaults] is one mistake.
        if !told.contains(&line) {
            note!("{line}");
            told.push(line);
        }
    }
    settings.ok_or_else(|| Failure::silent(Code::Config))
}

fn text(file: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let unreadable = |error: &std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "restante fetch setup ADDRESS writes one; restante fetch import takes over that of mpop, fetchmail, getmail or Thunderbird"
            }
            _ => "name a readable file with -c FILE",
        };
        Failure::new(Code::Config, output::unreadable(file, error)).remedy(remedy)
    };
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|open| open.take(FILE_OCTETS_MAX).read_to_string(&mut text))
        .map_err(|error| unreadable(&error))?;
    Ok(text)
}

/// What a text means, and what is wrong with it.
pub(super) fn parse(file: &Path, text: &str) -> (Option<Settings>, Vec<Problem>) {
    let (mut parsed, table) = Document::parse(file, text);
    let document = &mut parsed;
    let mut top = Section::new(TOP, Some(&table));
    let state = top.parsed(document, "state", values::path);
    let metrics = top.parsed(document, "metrics", values::path);
    let parallel = top.number(document, "parallel", 1..=64);
    let defaults = top.table(document, "defaults");
    let accounts = top.table(document, "account");
    top.close(document);
    let mut settings = Settings {
        file: file.to_owned(),
        state: state.map_or_else(default_state, |state| state.value),
        parallel: parallel.map_or(4, |parallel| usize::try_from(parallel).unwrap_or(4)),
        metrics: metrics.map(|metrics| metrics.value),
        accounts: Vec::new(),
    };
    account::check_defaults(document, defaults);
    for (name, value) in accounts.into_iter().flat_map(|table| table.iter()) {
        let place = name.span();
        let name = name.get_ref().to_string();
        if let Err(remedy) = check_name(&name) {
            document.error(
                Some(place),
                format!("no account can be called {name:?}"),
                remedy,
            );
            continue;
        }
        match value.get_ref() {
            DeValue::Table(table) => {
                let read = account::read(document, &name, table, defaults, place);
                settings.accounts.extend(read);
            }
            _ => document.error(
                Some(place),
                format!("account.{name} is no table"),
                format!("write [account.{name}] and its keys below that"),
            ),
        }
    }
    logins::check_names(document, &settings.accounts);

    let problems = parsed.finish();
    let usable = problems
        .iter()
        .all(|problem| problem.level == Level::Warning);
    (usable.then_some(settings), problems)
}
