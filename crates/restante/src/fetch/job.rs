//! From the configuration of an account to a job for the client.

use std::path::Path;

use client::destination::{Destination, Maildir};
use client::fetch::{Action, Destinations, Job, Rule};
use client::{Credentials, Patience, Pin, Transport, Trusted};
use sasl::Secret;

use super::place::Place;
use super::settings::{Account, ActionOf, Auth, Deliver, Tls};
use crate::failure::{Code, Failure};
use crate::output;

/// What one run asks for, beyond the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) dry_run: bool,
    pub(super) count_max: Option<usize>,
    pub(super) takes_foreign: bool,
    pub(super) from_scratch: bool,
}

/// Everything that a session with this account needs.
///
/// # Errors
///
/// When the password cannot be had, or a destination cannot be used as it is configured.
pub(super) fn of(
    account: &Account,
    place: &Place,
    asked: &Asked,
    credentials: Credentials,
) -> Result<(Job, Destinations), Failure> {
    let mut destinations = Vec::new();
    let route = places(&account.deliver, &mut destinations)?;
    let mut rules = Vec::new();
    for rule in &account.rules {
        let action = match &rule.action {
            ActionOf::Fetch => Action::Fetch,
            ActionOf::Skip => Action::Skip,
            ActionOf::Delete => Action::Delete,
            ActionOf::Deliver(deliver) => Action::Route(places(deliver, &mut destinations)?),
        };
        rules.push(Rule {
            header: rule.header.clone(),
            matches: rule.matches.clone(),
            action,
        });
    }
    let job = Job {
        account: remote(account, credentials)?,
        patience: Patience::default(),
        identity: account.identity(),
        route,
        keep: account.keep,
        rules,
        octets_max: account.octets_max,
        count_max: asked.count_max,
        only: None,
        takes_foreign: asked.takes_foreign,
        deletes_at_once: account.delete_at_once,
        dry_run: asked.dry_run,
        spool: place.directory().to_owned(),
        quarantine: place.quarantine(account),
    };
    Ok((job, destinations))
}

/// The account as the protocol knows it.
///
/// # Errors
///
/// When nobody's certificate can be believed as it is configured.
pub(super) fn remote(
    account: &Account,
    credentials: Credentials,
) -> Result<client::Account, Failure> {
    let transport = match account.tls {
        Tls::Implicit => Transport::Tls(trusted(account)?),
        Tls::StartTls => Transport::Stls(trusted(account)?),
        Tls::None => Transport::InClear,
    };
    let mut remote = client::Account::new(
        account.host.clone(),
        account.port(),
        transport,
        account.user.clone(),
        credentials,
    );
    remote.way = account.way;
    Ok(remote)
}

fn trusted(account: &Account) -> Result<Trusted, Failure> {
    let trusted = match (&account.trust, account.pins.as_slice()) {
        (_, [pin, ..]) => {
            let pin: Pin = pin.parse().map_err(|error| {
                Failure::new(Code::Config, format!("{}: `pin`: {error}", account.name))
                    .remedy("restante fetch setup --pin writes the right one")
            })?;
            Trusted::pinned(pin)
        }
        (Some(file), []) => Trusted::authorities(file),
        (None, []) => Trusted::system(),
    };
    trusted.map_err(|error| {
        let what = output::without_numbers(&error.to_string());
        Failure::new(Code::Config, what)
            .remedy("name a PEM file of certificate authorities (trust), or pin the server's certificate (pin)")
    })
}

/// The places of these destinations among all of the job's; the same one is there once.
fn places(deliver: &[Deliver], destinations: &mut Destinations) -> Result<Vec<usize>, Failure> {
    let mut route = Vec::new();
    for one in deliver {
        let destination = destination(one)?;
        let same = destinations
            .iter()
            .position(|it| it.name() == destination.name());
        let place = same.unwrap_or_else(|| {
            destinations.push(destination);
            destinations.len() - 1
        });
        if !route.contains(&place) {
            route.push(place);
        }
    }
    Ok(route)
}

fn destination(deliver: &Deliver) -> Result<Box<dyn Destination>, Failure> {
    match deliver {
        Deliver::Maildir(path) => Ok(Box::new(Maildir::new(path, &host_name()))),
        _ => Err(Failure::new(
            Code::Config,
            "this destination is not built yet",
        )),
    }
}

/// This machine, as names of files have it.
fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// By what the user is known, asked for where the configuration says.
///
/// # Errors
///
/// When it cannot be had.
pub(super) fn credentials(account: &Account, _state: &Path) -> Result<Credentials, Failure> {
    match &account.auth {
        Auth::Password(source) => secret(account, source).map(Credentials::Password),
        Auth::TokenCommand(command) => {
            let token = command.run();
            let token = token.map_err(|error| unknown(account, &error))?;
            Ok(Credentials::Token(token))
        }
        Auth::Certificate => Ok(Credentials::Certificate),
        Auth::Oauth(_) => Err(Failure::new(Code::Config, "OAuth2 is not built yet")),
    }
}

fn secret(account: &Account, source: &client::secret::Source) -> Result<Secret, Failure> {
    let mut ask = |question: &str| {
        crate::user::password::asked_for_once(question)
            .map_err(|failure| std::io::Error::other(failure.what().unwrap_or_default().to_owned()))
    };
    source
        .secret(&mut ask)
        .map_err(|error| unknown(account, &error))
}

fn unknown(account: &Account, error: &client::secret::SecretError) -> Failure {
    let code = match error.may_pass() {
        true => Code::Temporary,
        false => Code::NoPermission,
    };
    let text = output::without_numbers(&error.to_string());
    Failure::from_text(code, &text).within(&account.name)
}
