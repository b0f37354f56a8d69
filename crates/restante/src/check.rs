//! `restante check`: what the configuration means, and what is wrong with it and around it.
//!
//! Everything is told at once: the file's mistakes with line and column, then what this machine
//! makes impossible: a user that does not exist, files that cannot be read, ports that are taken.
//! Run by root it becomes the server's user first, so that it sees what the server will see.

use std::fs;
use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use auth::{Accounts, Disposition, Network, TokenSettings};
use delivery::QuotaExceeded;
use nix::unistd::{Group, Uid, User};
use pop3::server::Utf8Messages;
use sasl::Mechanism;
use server::{
    Access, Address, ClientAccount, ClientCertificates, FrontEndTls, FrontEnds, PlaintextLogin,
    Protocol, Tls,
};

use crate::config::{self, Config, Level, say_duration, say_kept};
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, octets, say};
use crate::serve::token_verifier;
use crate::{rights, stock};

/// What was found wrong so far.
#[derive(Default)]
struct Findings {
    errors: u64,
    warnings: u64,
}

impl Findings {
    fn error(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.errors += 1;
        note!("{what}\n  {remedy}");
    }

    fn failure(&mut self, failure: &Failure) {
        self.errors += 1;
        note!("{}", failure.to_string().trim_end());
    }

    fn warning(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.warnings += 1;
        note!("warning: {what}\n  {remedy}");
    }
}

/// Checks a configuration.
///
/// # Errors
///
/// EX_CONFIG if something is wrong; it has been told then.
pub(crate) fn check(named: Option<&Path>) -> Result<(), Failure> {
    let (config, problems) = config::read(&config::file(named))?;
    let mut findings = Findings::default();
    for problem in &problems {
        note!("{problem}");
        match problem.level {
            Level::Error => findings.errors += 1,
            Level::Warning => findings.warnings += 1,
        }
    }
    if let Some(config) = config {
        describe(&config)?;
        machine(&config, &mut findings);
    }
    let warnings = match findings.warnings {
        0 => String::new(),
        warnings => format!(", {}", count(warnings, "warning", "warnings")),
    };
    match findings.errors {
        0 => say!("\nNothing is wrong{warnings}."),
        errors => {
            let errors = count(errors, "mistake", "mistakes");
            Err(Failure::new(Code::Config, format!("{errors}{warnings}")))
        }
    }
}

/// Prints what the configuration means.
fn describe(config: &Config) -> Result<(), Failure> {
    let server = &config.server;
    say!("{}", config.file.display())?;
    let mut domains = vec![server.hostname.clone()];
    domains.extend(
        server
            .domains
            .iter()
            .filter(|domain| **domain != server.hostname)
            .cloned(),
    );
    let row = |name: &str, value: &str| say!("  {name:<11} {value}");
    row("greets as", &server.hostname)?;
    row("signs off", &server.name)?;
    row("mail for", &domains.join(", "))?;
    row("data", &config.data.display().to_string())?;
    let user = match &config.user {
        Some(user) => format!("{user}, after binding"),
        None => "whoever starts it, but not root".to_owned(),
    };
    row("runs as", &user)?;
    for listener in &server.listeners {
        let how = match (listener.protocol, listener.plaintext_login) {
            (Protocol::Pop3, PlaintextLogin::Never) => ", passwords only inside TLS",
            (Protocol::Pop3, PlaintextLogin::Loopback) => {
                ", passwords in clear only from this machine"
            }
            (Protocol::Pop3, PlaintextLogin::Always) => ", passwords in clear from everywhere",
            (Protocol::Pop3s | Protocol::Lmtp, _) => "",
        };
        row(
            "listens",
            &format!(
                "{:<5} {}{how}",
                listener.protocol.to_string(),
                listener.address
            ),
        )?;
        front_ends(&listener.front_ends)?;
        certificates(listener.client_certificates.as_ref())?;
    }
    match &server.tls {
        Some(tls) => row("certificate", &tls.certificate.display().to_string())?,
        None => row("certificate", "none: no TLS")?,
    }
    row("language", &format!("{} for LANG *", server.language.tag()))?;
    row(
        "utf8",
        match server.utf8_messages {
            Utf8Messages::Surrogate => "headers that need it get surrogates for other clients",
            Utf8Messages::Refuse => "messages that need it are refused to other clients",
        },
    )?;
    for tolerance in server.tolerances.iter() {
        let (name, client, noted) = (tolerance.name(), tolerance.client(), tolerance.noted());
        row("tolerates", &format!("{name:<16} for {client} ({noted})"))?;
    }
    if let Some(allowed) = server.login_delay {
        let most = allowed.logins_max.get().into();
        let logins = count(most, "login", "logins");
        row(
            "logins",
            &format!("{logins} of an account in {}", say_duration(allowed.delay)),
        )?;
    }
    access(&server.access)?;
    row("store", "native")?;
    keeping(config)?;
    let limits = &server.limits;
    row(
        "limits",
        &format!(
            "{}, {} an address, {} an IPv6 /64, {} an account, messages of {}",
            count(limits.session_count_max as u64, "session", "sessions"),
            most(limits.sessions_per_address_max),
            most(limits.sessions_per_network_max),
            most(limits.sessions_per_account_max),
            octets(limits.message_octets_max),
        ),
    )?;
    row(
        "waits",
        &format!(
            "{} for a busy maildrop, {} before a refusal, {} to drain",
            say_duration(server.lock_wait),
            say_duration(config.refusal_delay),
            say_duration(limits.drain_timeout),
        ),
    )?;
    row(
        "scram",
        &match config.scram {
            true => format!(
                "verifiers of {} iterations are stored{}",
                config.scram_iterations,
                if config.scram_sha1 {
                    ", of SHA-1 too"
                } else {
                    ""
                }
            ),
            false => "no verifiers are stored".to_owned(),
        },
    )?;
    if let Some(tokens) = &config.tokens {
        let TokenSettings { issuer, jwks, .. } = tokens;
        row(
            "tokens",
            &format!("of {issuer}, by the keys in {}", jwks.display()),
        )?;
    }
    row("sasl", &mechanisms(&server.mechanisms))
}

/// The mechanisms that can be used; whether a connection has what they stand on is another question.
/// A limit of which 0 is none.
fn most(limit: usize) -> String {
    match limit {
        0 => "no limit for".to_owned(),
        most => most.to_string(),
    }
}

fn mechanisms(allowed: &[Mechanism]) -> String {
    let names: Vec<_> = Mechanism::ALL
        .into_iter()
        .filter(|mechanism| allowed.contains(mechanism))
        .map(Mechanism::name)
        .collect();
    names.join(" ")
}

/// Whom a listener believes about its clients, a line for each thing that is believed.
fn front_ends(believed: &FrontEnds) -> Result<(), Failure> {
    let list = |networks: &[Network]| {
        let texts: Vec<_> = networks.iter().map(Network::to_string).collect();
        texts.join(", ")
    };
    if !believed.proxy_protocol.is_empty() {
        let networks = list(&believed.proxy_protocol);
        say!("              from {networks} only with a PROXY header, which names the client")?;
    }
    if !believed.xclient.is_empty() {
        let networks = list(&believed.xclient);
        say!("              {networks} may name the client by XCLIENT")?;
    }
    match believed.client_tls {
        FrontEndTls::Believed => {
            say!("              a client's TLS may end there: passwords travel on in clear")
        }
        FrontEndTls::Ignored => Ok(()),
    }
}

/// Which certificates a listener asks its clients for, and whom they name.
fn certificates(asked: Option<&ClientCertificates>) -> Result<(), Failure> {
    let Some(asked) = asked else {
        return Ok(());
    };
    let part = match asked.account {
        ClientAccount::Email => "e-mail address",
        ClientAccount::CommonName => "common name",
    };
    let authorities = asked.authorities.display();
    say!(
        "              asks for client certificates of {authorities}; the {part} names the account"
    )?;
    match &asked.revoked {
        Some(revoked) => say!("              but for those in {}", revoked.display()),
        None => say!("              no client_crl: none of them is ever taken back"),
    }
}

/// What clients see and do, unless an account says otherwise for itself.
fn access(access: &Access) -> Result<(), Failure> {
    let row = |name: &str, value: &str| say!("  {name:<11} {value}");
    row(
        "deletions",
        match access.disposition {
            Disposition::Delete => "of a client delete mail",
            Disposition::Hide => "of a client hide mail from its later sessions",
            Disposition::Keep => "of a client are accepted, and change nothing",
            Disposition::ReadOnly => "of a client are refused",
        },
    )?;
    if let Some(most) = access.messages_shown.limit() {
        let newest = count(most, "message", "messages");
        row("shows", &format!("the newest {newest} of a maildrop"))?;
    }
    if let Some(recent) = access.recent {
        let recent = say_duration(recent);
        row("recent", &format!("recent:NAME is shown the last {recent}"))?;
    }
    Ok(())
}

/// How mail is kept, unless an account says otherwise for itself.
fn keeping(config: &Config) -> Result<(), Failure> {
    let row = |name: &str, value: &str| say!("  {name:<11} {value}");
    let keeping = &config.server.keeping;
    let limits: Vec<_> = [
        keeping.octets.limit().map(octets),
        keeping
            .messages
            .limit()
            .map(|most| count(most, "message", "messages")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let more = match keeping.quota_exceeded {
        QuotaExceeded::Temporary => "more waits at the sender",
        QuotaExceeded::Permanent => "more goes back to the sender",
    };
    row(
        "quota",
        &match limits.is_empty() {
            true => format!("none; of an account that has one, {more}"),
            false => format!("{} a maildrop; {more}", limits.join(" or ")),
        },
    )?;
    row(
        "mail",
        &say_kept(keeping.expire, config.server.access.disposition),
    )?;
    row(
        "undelete",
        &match keeping.grace.is_zero() {
            true => "off".to_owned(),
            false => format!(
                "for {}, {} in the quota",
                say_duration(keeping.grace),
                match config.store.grace_in_quota {
                    true => "counted",
                    false => "not counted",
                }
            ),
        },
    )?;
    row(
        "sweeps",
        &format!("every {}", say_duration(keeping.sweep_interval)),
    )?;
    row("unique-ids", &config.unique_id)?;
    row(
        "reserve",
        &match config.store.reserve_octets {
            0 => "none".to_owned(),
            reserve => format!(
                "{}, so that a full disk lets mail be deleted",
                octets(reserve)
            ),
        },
    )
}

/// What this machine makes impossible.
fn machine(config: &Config, findings: &mut Findings) {
    for listener in &config.server.listeners {
        match &listener.address {
            Address::Tcp(address) => tcp(address, findings),
            Address::Unix(path) => unix(path, findings),
        }
        if let Some(name) = &listener.group
            && !matches!(Group::from_name(name), Ok(Some(_)))
        {
            findings.error(
                format!("there is no group {name:?} for {}", listener.address),
                "name the group of the programs that deliver, or leave `group` out",
            );
        }
    }
    match rights::user(config) {
        Ok(Some(user)) => owner(config, &user, findings),
        Ok(None) => {}
        Err(failure) => findings.failure(&failure),
    }
    if !config.data.exists() {
        findings.warning(
            format!(
                "the data directory {} is not there yet",
                config.data.display()
            ),
            "it is made by: restante user add NAME; or is its file system not mounted?",
        );
    } else if let Err(failure) = rights::become_owner(config) {
        findings.failure(&failure);
    } else {
        data(config, findings);
        file(config, findings);
    }
    if let Some(Err(failure)) = config.tokens.as_ref().map(token_verifier) {
        findings.failure(&failure);
    }
    match config.server.tls.as_ref().map(Tls::check) {
        None => {}
        Some(Ok(doubts)) => doubts.iter().for_each(|doubt| {
            let text = doubt.to_string();
            let (what, remedy) = text.split_once("; ").unwrap_or((&text, ""));
            match doubt.is_refused() {
                true => findings.error(what, remedy),
                false => findings.warning(what, remedy),
            }
        }),
        Some(Err(error)) => {
            findings.failure(&Failure::from_text(Code::Config, &error.to_string()));
        }
    }
    let listeners = config.server.listeners.iter();
    for asked in listeners.filter_map(|listener| listener.client_certificates.as_ref()) {
        match asked.check() {
            Ok(doubts) => doubts.iter().for_each(|doubt| {
                let (what, remedy) = doubt.split_once("; ").unwrap_or((doubt, ""));
                findings.warning(what, remedy);
            }),
            Err(error) => {
                findings.failure(&Failure::from_text(Code::Config, &error.to_string()));
            }
        }
    }
}

fn tcp(address: &str, findings: &mut Findings) {
    let resolved = match address.to_socket_addrs() {
        Ok(resolved) => resolved,
        Err(error) => {
            findings.error(
                format!("{address} cannot be resolved: {}", output::plain(&error)),
                "give the address in numbers, such as \"[::]:995\"",
            );
            return;
        }
    };
    for address in resolved {
        let Err(error) = TcpListener::bind(address) else {
            continue;
        };
        match error.kind() {
            // Most often our own server, which runs while its configuration is checked.
            io::ErrorKind::AddrInUse => findings.warning(
                format!("{address} is in use"),
                "if that is not the running server, choose another port",
            ),
            io::ErrorKind::PermissionDenied => findings.warning(
                format!("{address} may be bound by root only"),
                "start the server as root with `user`, or by a service manager with CAP_NET_BIND_SERVICE",
            ),
            _ => findings.error(
                format!("{address} cannot be bound: {}", output::plain(&error)),
                "give an address that this machine has; \"[::]:PORT\" stands for all of them",
            ),
        }
    }
}

fn unix(path: &Path, findings: &mut Findings) {
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    if !directory.is_dir() {
        findings.error(
            format!(
                "the directory {} of the socket is not there",
                directory.display()
            ),
            format!("make it: mkdir -p {}", directory.display()),
        );
    }
}

/// Whether the data directory is the server's.
fn owner(config: &Config, user: &User, findings: &mut Findings) {
    let data = config.data.display();
    let Ok(metadata) = fs::metadata(&config.data) else {
        return;
    };
    if metadata.uid() == user.uid.as_raw() {
        return;
    }
    let owner = match User::from_uid(Uid::from_raw(metadata.uid())) {
        Ok(Some(owner)) => owner.name,
        _ => format!("uid {}", metadata.uid()),
    };
    let name = &user.name;
    findings.error(
        format!("the data directory {data} is {owner}'s, and the server runs as {name}"),
        format!("give it to the server's user: chown -R {name} {data}; or correct `user`"),
    );
}

/// Whether the configuration can be read again after a SIGHUP, by the user that this process is now.
fn file(config: &Config, findings: &mut Findings) {
    let file = config.file.display();
    if let (Some(user), Err(error)) = (&config.user, fs::File::open(&config.file)) {
        findings.warning(
            format!(
                "the server's user cannot read {file} again after a SIGHUP: {}",
                output::plain(&error)
            ),
            format!("let it: chgrp {user} {file} && chmod g+r {file}; and x on its directories"),
        );
    }
}

fn data(config: &Config, findings: &mut Findings) {
    let data = config.data.as_path();
    let remedy = || {
        format!(
            "give it to the server's user: chown -R USER {}",
            data.display()
        )
    };
    match fs::metadata(data) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => findings.warning(
            format!("others may look into the data directory {}", data.display()),
            format!("close it: chmod 700 {}", data.display()),
        ),
        Ok(_) => {}
        Err(error) => findings.error(
            format!(
                "{} cannot be read: {}",
                data.display(),
                output::plain(&error)
            ),
            remedy(),
        ),
    }
    if let Err(errno) = nix::unistd::access(
        data,
        nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK,
    ) {
        findings.error(
            format!(
                "{} cannot be written: {}",
                data.display(),
                output::plain(&errno.into())
            ),
            remedy(),
        );
        return;
    }
    // What `serve` would stumble over; what is not there yet is not made by looking.
    accounts(config, findings);
    if let Err(failure) = stock::maildrops(config) {
        findings.failure(&failure);
    }
}

fn accounts(config: &Config, findings: &mut Findings) {
    let look = match Accounts::look(&config.data) {
        Ok(look) => look.unwrap_or_default(),
        Err(error) => return findings.failure(&error.into()),
    };
    if let Err(failure) = stock::lost_unless(config, || Ok(look.begun)) {
        return findings.failure(&failure);
    }
    if !look.begun {
        findings.warning(
            format!("there are no accounts in {} yet", config.data.display()),
            "make one: restante user add NAME; or is its file system not mounted?",
        );
    }
    if look.is_older {
        findings.warning(
            "accounts.db is of an older version, and the next start or command brings it up to this one",
            "an older program cannot use it then: restante maildrop backup DIR with that one first",
        );
    }
    if let Some(first) = look.apop_lost.first() {
        let lost = look.apop_lost.len() as u64;
        findings.error(
            format!(
                "the APOP secrets of {} ({first}, for one) cannot be read: accounts.key is gone, or \
                 is another key",
                count(lost, "account", "accounts")
            ),
            "put the copy of accounts.key back; or set them anew: restante user passwd --apop ACCOUNT",
        );
    }
}
