//! Lines of a command and its argument, in accounts; an account may begin as a copy of others.

use std::collections::BTreeMap;

use crate::moving::notes::{Notes, shown};

/// The commands of an account, its defaults and what it inherits included.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) name: String,
    /// Where it begins.
    pub(super) line: usize,
    commands: Commands,
    /// Without those that are defaults: another account inherits only these.
    own: Commands,
}

/// By their names, each with its argument and its line.
type Commands = BTreeMap<String, (String, usize)>;

/// More accounts are no configuration of a person.
const ACCOUNT_COUNT_MAX: usize = 500;
/// mpop takes lines of 500.
const ARGUMENT_OCTETS_MAX: usize = 2_000;

/// All commands that an account may have, those of long ago too.
const COMMANDS: [&str; 36] = [
    "host",
    "port",
    "source_ip",
    "proxy_host",
    "proxy_port",
    "socket",
    "timeout",
    "pipelining",
    "auth",
    "user",
    "password",
    "passwordeval",
    "ntlmdomain",
    "tls",
    "tls_starttls",
    "tls_nostarttls",
    "tls_trust_file",
    "tls_crl_file",
    "tls_fingerprint",
    "tls_key_file",
    "tls_cert_file",
    "tls_certcheck",
    "tls_priorities",
    "tls_min_dh_prime_bits",
    "tls_host_override",
    "tls_force_sslv3",
    "delivery",
    "uidls_file",
    "only_new",
    "keep",
    "killsize",
    "skipsize",
    "filter",
    "received_header",
    "logfile",
    "syslog",
];

impl Settings {
    /// The argument of a command, empty if it has none, and its line.
    pub(super) fn command(&self, name: &str) -> Option<(&str, usize)> {
        let (argument, line) = self.commands.get(name)?;
        Some((argument, *line))
    }

    /// The argument of a command, if there is one.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        self.command(name)
            .map(|(argument, _)| argument)
            .filter(|it| !it.is_empty())
    }

    /// All commands that it has.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.commands
            .iter()
            .map(|(name, (argument, line))| (name.as_str(), argument.as_str(), *line))
    }

    fn set(&mut self, command: &str, argument: &str, line: usize) {
        for commands in [&mut self.commands, &mut self.own] {
            commands.insert(command.to_owned(), (argument.to_owned(), line));
        }
    }
}

/// The accounts of a configuration, in their order.
pub(super) fn accounts(text: &str, notes: &mut Notes<'_>) -> Vec<Settings> {
    let mut accounts: Vec<Settings> = Vec::new();
    let mut defaults = Commands::new();
    let mut section = Section::None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (command, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let argument = unquoted(argument);
        match (command, section) {
            ("eval", _) => notes.at(
                number,
                "eval",
                "no commands are run to read a configuration; write what it prints in its place, and move in again",
            ),
            ("defaults", _) => section = Section::Defaults,
            ("account", _) => {
                section = begin(argument, number, &defaults, &mut accounts, notes);
            }
            (_, Section::None) => {
                notes.at(number, shown(command), "it stands before the first account, so it is for none");
            }
            (_, Section::Skipped) => {}
            _ if !COMMANDS.contains(&command) => {
                notes.at(number, shown(command), "mpop has no such command that we know; it is left out");
            }
            _ if argument.len() > ARGUMENT_OCTETS_MAX => {
                notes.at(number, shown(command), "it is longer than mpop takes; it is left out");
            }
            (_, Section::Defaults) => {
                defaults.insert(command.to_owned(), (argument.to_owned(), number));
            }
            (_, Section::Account) => {
                if let Some(account) = accounts.last_mut() {
                    account.set(command, argument, number);
                }
            }
        }
    }
    accounts
}

/// What the next commands are for.
#[derive(Clone, Copy, Debug)]
enum Section {
    None,
    Defaults,
    /// The last of the accounts.
    Account,
    /// An account that cannot be.
    Skipped,
}

/// Begins `NAME` or `NAME : OTHER, OTHER`.
fn begin(
    argument: &str,
    line: usize,
    defaults: &Commands,
    accounts: &mut Vec<Settings>,
    notes: &mut Notes<'_>,
) -> Section {
    let (name, others) = argument.split_once(':').unwrap_or((argument, ""));
    let name = unquoted(name);
    if name.is_empty()
        || accounts.iter().any(|it| it.name == name)
        || accounts.len() == ACCOUNT_COUNT_MAX
    {
        notes.at(
            line,
            format!("account {}", shown(name)),
            "it has no name, or one that another account has; it is left out",
        );
        return Section::Skipped;
    }
    let mut account = Settings {
        name: name.to_owned(),
        line,
        commands: defaults.clone(),
        own: Commands::new(),
    };
    for other in others.split(',').map(unquoted).filter(|it| !it.is_empty()) {
        match accounts.iter().find(|it| it.name == other) {
            Some(other) => {
                for (command, (argument, line)) in &other.own {
                    account.set(command, argument, *line);
                }
            }
            None => notes.at(
                line,
                format!("account {} inherits from {}", shown(name), shown(other)),
                "there is no such account above it; what it would inherit is missing",
            ),
        }
    }
    accounts.push(account);
    Section::Account
}

/// Without space around it, and without quotes if it stands in a pair of them.
fn unquoted(argument: &str) -> &str {
    let argument = argument.trim_matches([' ', '\t']);
    argument
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'))
        .unwrap_or(argument)
}
