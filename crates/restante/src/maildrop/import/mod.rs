//! `restante maildrop import`: mail that waits elsewhere comes in, that of one account or of many.
//!
//! Passwords are read first, with the rights of whoever calls; then the command becomes the owner of the
//! data directory, and brings one account's mail after the other's.

mod accounts;
mod address;
mod alone;
mod compare;
mod files;
mod incoming;
mod names;
mod present;
mod remote;
mod source;
mod wanted;

use std::path::PathBuf;

use auth::Accounts;
use client::{Credentials, Transport, Trusted};
use maildrop::{DeliverError, Maildrops, Quota};
use sasl::Secret;

use super::{Owned, named, stock_of};
use crate::args;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note};
use crate::user::password;

use address::{Address, Scheme};
use alone::Alone;

/// Whose mail comes from where.
struct Task {
    account: String,
    source: Source,
}

/// Where mail comes from.
enum Source {
    /// A Maildir, an mbox file, or a directory of .eml files.
    Files(PathBuf),
    /// Another server.
    Pop3(Box<client::Account>),
}

/// What every import works with.
struct Site<'a> {
    config: &'a Config,
    accounts: Accounts,
    maildrops: Maildrops,
    reading: &'a args::Reading,
}

/// Imports or compares what was asked for.
///
/// # Errors
///
/// When an account is unknown, its source cannot be read, or its maildrop does not take a message; also when
/// something had to be left out, or a comparison found a difference: each has been named then.
pub(super) fn import(config: &Config, asked: &args::Import) -> Result<(), Failure> {
    let mut logins = Logins::new(&asked.remote)?;
    match (&asked.accounts, &asked.account, &asked.source) {
        (Some(file), ..) => {
            let tasks = accounts::read(file, &mut logins)?;
            let then = match asked.verify {
                true => "nobody is to be sent here whose maildrop is not what the source has",
                false => "mend that and run this again: what is there already is skipped",
            };
            let site = Site::open(config, asked)?;
            accounts::each(&tasks, &site, |site, task| one(site, task, asked), then)
        }
        (None, Some(account), Some(source)) => {
            let source = match Address::parse(source)? {
                Some(address) => logins.source(address)?,
                None => Source::Files(source.clone()),
            };
            let account = account.clone();
            one(
                &Site::open(config, asked)?,
                &Task { account, source },
                asked,
            )
        }
        // The parser asks for both or for the list.
        _ => Err(Failure::new(Code::Usage, "whose mail, and from where?")),
    }
}

fn one(site: &Site<'_>, task: &Task, asked: &args::Import) -> Result<(), Failure> {
    let Task { account, source } = task;
    if let Source::Pop3(there) = source
        && matches!(there.transport, Transport::InClear)
    {
        note!(
            "{account}: the password of {} and the mail come from {} in clear; whoever is between reads them",
            there.user,
            there.host
        );
    }
    if asked.verify {
        return match source {
            Source::Files(from) => compare::with_files(site, account, from),
            Source::Pop3(there) => compare::with_server(site, account, there),
        };
    }
    let _alone = Alone::with(&site.config.data, &site.owned(account)?)?;
    match source {
        Source::Files(from) => files::bring(site, account, from),
        Source::Pop3(there) => remote::bring(site, account, there),
    }
}

impl<'a> Site<'a> {
    fn open(config: &'a Config, asked: &'a args::Import) -> Result<Self, Failure> {
        let (accounts, maildrops) = stock_of(config)?;
        Ok(Self {
            config,
            accounts,
            maildrops,
            reading: &asked.reading,
        })
    }

    /// The maildrop of an account.
    fn owned(&self, account: &str) -> Result<Owned, Failure> {
        Ok(named(&self.accounts, &[account])?.remove(0))
    }

    /// How much an import may bring an account to hold.
    fn quota(&self, account: &str) -> Result<Quota, Failure> {
        let terms = self.accounts.show(account)?.terms;
        Ok(match self.reading.no_quota {
            true => Quota::default(),
            false => self.config.server.keeping.quota(terms),
        })
    }

    /// So that the first login finds the index of a large maildrop, and need not make it.
    fn tidy(&self, owned: &Owned) {
        if let Err(error) = self.maildrops.tidy(owned.id) {
            note!(
                "no index was written, the first login will: {}",
                output::plain(&error)
            );
        }
    }
}

/// How POP3 servers are logged into.
struct Logins<'a> {
    asked: &'a args::Remote,
    /// The password of whoever has none of his own.
    shared: Option<Secret>,
    /// Read when the first server needs it.
    trusted: Option<Trusted>,
}

impl<'a> Logins<'a> {
    fn new(asked: &'a args::Remote) -> Result<Self, Failure> {
        if let Some(file) = &asked.password.password_file {
            accounts::check_nobody_else_reads(file)?;
        }
        Ok(Self {
            asked,
            shared: password::given(&asked.password)?,
            trusted: None,
        })
    }

    /// A server of which the command line speaks; asks for the password if none was given.
    fn source(&mut self, address: Address) -> Result<Source, Failure> {
        let secret = match &self.shared {
            Some(secret) => secret.clone(),
            None => password::asked_for_once(&format!("{} at {}", address.user, address.host))?,
        };
        self.with(address, secret)
    }

    fn with(&mut self, address: Address, secret: Secret) -> Result<Source, Failure> {
        let is_trust_asked = self.asked.trust.is_some() || self.asked.pin.is_some();
        if address.scheme == Scheme::Pop3 && self.asked.insecure && is_trust_asked {
            let what = format!(
                "--insecure leaves no certificate of {} to look at, and --trust or --pin wants one",
                address.host
            );
            return Err(Failure::new(Code::Usage, what).remedy("leave out one of them"));
        }
        let transport = match (address.scheme, self.asked.insecure) {
            (Scheme::Pop3s, _) => Transport::Tls(self.trusted()?),
            (Scheme::Pop3, false) => Transport::Stls(self.trusted()?),
            (Scheme::Pop3, true) => Transport::InClear,
        };
        let mut account = client::Account::new(
            address.host,
            address.port,
            transport,
            address.user,
            Credentials::Password(secret),
        );
        // The maildrop keeps messages as they are.
        account.headers = client::Headers::Utf8;
        Ok(Source::Pop3(Box::new(account)))
    }

    fn trusted(&mut self) -> Result<Trusted, Failure> {
        if let Some(trusted) = &self.trusted {
            return Ok(trusted.clone());
        }
        let trusted = match (&self.asked.trust, self.asked.pin) {
            (Some(file), _) => Trusted::authorities(file),
            (None, Some(pin)) => Trusted::pinned(pin),
            (None, None) => Trusted::system(),
        };
        let trusted = trusted.map_err(|error| {
            Failure::new(Code::NoInput, output::without_numbers(&error.to_string())).remedy(
                "name a PEM file of certificate authorities (--trust), or pin the server's certificate (--pin)",
            )
        })?;
        self.trusted = Some(trusted.clone());
        Ok(trusted)
    }
}

/// Why a maildrop takes no more.
fn stopped(error: &DeliverError, imported: u64) -> Failure {
    if let DeliverError::OverQuota = error {
        return Failure::new(
            Code::CannotCreate,
            format!(
                "the import stopped after {}: the next is more than the account may hold",
                count(imported, "message", "messages")
            ),
        )
        .remedy(
            "add --no-quota, or give the account more (restante user set ACCOUNT --quota SIZE), and \
             run this again: what is there already is skipped",
        );
    }
    let why = match error {
        DeliverError::NoSpace(_) => "no space is left".to_owned(),
        DeliverError::Unavailable(error) => output::plain(error),
        damaged => damaged.to_string(),
    };
    Failure::new(
        Code::Temporary,
        format!(
            "the import stopped after {}: {why}",
            count(imported, "message", "messages")
        ),
    )
    .remedy("mend that and run this again: what is there already is skipped")
}
