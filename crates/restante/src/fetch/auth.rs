//! `restante fetch auth`: logins by OAuth2, of accounts and of their destinations.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use client::oauth::{
    LoggedOut, Login, OauthError, Provider, Status, Tokens, login_device, login_loopback,
    login_pasted,
};

use super::place::Place;
use super::settings::{Account, Auth, Oauth, Service, Settings};
use super::{ask, credentials, run};
use crate::args::{FetchAuth, Flow};
use crate::date;
use crate::failure::{Code, Failure};
use crate::output::{self, note, say};

/// Logs in, tells, or logs out.
///
/// # Errors
///
/// When nothing is to be logged in to, or the provider refuses.
pub(super) fn auth(settings: &Settings, command: &FetchAuth) -> Result<(), Failure> {
    let place = Place::new(&settings.state)?;
    match command {
        FetchAuth::Login { account, flow } => log_in(settings, &place, account, *flow),
        FetchAuth::Status { accounts } => status(settings, &place, accounts),
        FetchAuth::Logout { account } => log_out(settings, &place, account),
    }
}

/// Something that has a login: an account's server, or a destination.
#[derive(Debug)]
pub(super) struct Held<'a> {
    /// As the file of its tokens is called.
    pub(super) name: String,
    pub(super) oauth: &'a Oauth,
    pub(super) provider: Provider,
}

impl Held<'_> {
    pub(super) fn tokens(&self, place: &Place) -> Tokens {
        Tokens::open(place.directory(), &self.name, &self.provider)
    }
}

/// What of an account has a login.
///
/// # Errors
///
/// When a provider is none.
pub(super) fn held(account: &Account) -> Result<Vec<Held<'_>>, Failure> {
    let mut found: Vec<Held<'_>> = Vec::new();
    for (service, user, oauth) in account.logins() {
        let name = service.login_of(&account.name);
        if found.iter().any(|it| it.name == name) {
            continue;
        }
        let provider = credentials::provider(&name, user, oauth, service)?;
        found.push(Held {
            name,
            oauth,
            provider,
        });
    }
    Ok(found)
}

/// Those of an account that is named; `NAME-gmail` means the destination of NAME alone, and so on.
fn named<'a>(settings: &'a Settings, name: &str) -> Result<Vec<Held<'a>>, Failure> {
    let suffixes = Service::OF_DESTINATIONS.map(Service::suffix);
    let owner = suffixes.iter().find_map(|it| name.strip_suffix(it));
    let (account, only) = match (settings.account(name), owner) {
        (Err(_), Some(owner)) => (settings.account(owner)?, Some(name)),
        (found, _) => (found?, None),
    };
    let mut found = held(account)?;
    found.retain(|it| only.is_none_or(|only| it.name == only));
    if found.is_empty() {
        let what = format!("{name} has no login by OAuth2");
        return Err(Failure::new(Code::Usage, what).remedy(format!(
            "write auth = {{ oauth = \"microsoft\", client_id = \"…\" }} in [account.{}] (docs/fetching.md)",
            account.name
        )));
    }
    Ok(found)
}

fn log_in(
    settings: &Settings,
    place: &Place,
    name: &str,
    flow: Option<Flow>,
) -> Result<(), Failure> {
    for held in named(settings, name)? {
        let flow = flow.unwrap_or_else(|| usual(held.oauth, &held.provider));
        let login = by(flow, &held).map_err(|error| failed(&held.name, &error))?;
        let mut tokens = held.tokens(place);
        tokens
            .log_in(login)
            .map_err(|error| failed(&held.name, &error))?;
        let status = tokens
            .status()
            .map_err(|error| failed(&held.name, &error))?;
        let told = status.map(|status| told(&status, SystemTime::now()));
        say!("{}: {}", held.name, told.unwrap_or_default())?;
    }
    Ok(())
}

/// How the first token is got: as configured, or as the provider allows it.
fn usual(oauth: &Oauth, provider: &Provider) -> Flow {
    match oauth.flow.as_deref() {
        Some("device") => Flow::Device,
        Some("loopback") => Flow::Loopback,
        Some("paste") => Flow::Paste,
        _ if provider.has_device_flow() => Flow::Device,
        _ => Flow::Loopback,
    }
}

/// A person logs in.
fn by(flow: Flow, held: &Held<'_>) -> Result<Login, OauthError> {
    match flow {
        Flow::Device => login_device(&held.provider, |prompt| {
            note!(
                "{}: open {}\n  and enter the code {}\n  within {}; a browser on any machine will do.",
                held.name,
                prompt.address,
                prompt.code,
                span(prompt.expires_in)
            );
            if let Some(complete) = &prompt.complete_address {
                note!("  Or open {complete}");
            }
        }),
        Flow::Loopback => login_loopback(&held.provider, held.oauth.port.unwrap_or(0), |url| {
            note!("{}: open {url}", held.name);
            if is_remote() {
                let port = port_of(url).unwrap_or_default();
                note!(
                    "  This machine is far from the browser, so let it come back through the connection: in another terminal\n  \
                         ssh -L {port}:127.0.0.1:{port} THIS-MACHINE\n  or begin again with --flow paste."
                );
            } else {
                open(url);
            }
        }),
        Flow::Paste => login_pasted(
            &held.provider,
            |url| {
                note!(
                    "{}: open {url}\n  The browser will end at an address that cannot be reached: paste that whole address here.",
                    held.name
                );
                if std::io::stdin().is_terminal() {
                    output::tell(format_args!("Address: "));
                }
            },
            ask::line,
        ),
    }
}

/// Whether somebody sits at another machine.
fn is_remote() -> bool {
    std::env::var_os("SSH_CONNECTION").is_some() && !has_display()
}

fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

/// Opens an address in the browser, if there is one; it has been told in any case.
fn open(url: &str) {
    if !has_display() {
        return;
    }
    let child = Command::new("xdg-open")
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Ok(mut child) = child {
        // It may stay as long as the browser does.
        std::thread::spawn(move || child.wait());
    }
}

/// The port that a browser comes back to, out of the address that it is sent to.
fn port_of(url: &str) -> Option<u16> {
    let (_, redirect) = url.split_once("redirect_uri=http%3A%2F%2F")?;
    let redirect = redirect.split('&').next()?;
    let (_, rest) = redirect.split_once("%3A")?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

fn status(settings: &Settings, place: &Place, accounts: &[String]) -> Result<(), Failure> {
    let now = SystemTime::now();
    let mut needed = false;
    for account in run::chosen(settings, accounts)? {
        let name = &account.name;
        let found = held(&account)?;
        if found.is_empty() {
            let how = match &account.auth {
                Auth::TokenCommand(_) => "tokens of a command, which looks after them",
                Auth::Certificate => "a certificate",
                Auth::Password(_) | Auth::Oauth(_) => "a password",
            };
            say!("{name}: {how}")?;
        }
        for held in found {
            match held.tokens(place).status() {
                Ok(Some(status)) => {
                    needed |= !is_good(&status, now);
                    say!("{}: {}", held.name, told(&status, now))?;
                }
                Ok(None) => {
                    needed = true;
                    say!(
                        "{0}: nobody has logged in at {1}; restante fetch auth login {0}",
                        held.name,
                        held.provider.name()
                    )?;
                }
                Err(error) => {
                    needed = true;
                    say!(
                        "{}: {}",
                        held.name,
                        output::without_numbers(&error.to_string())
                    )?;
                }
            }
        }
    }
    match needed {
        true => Err(Failure::silent(Code::TokenNeeded)),
        false => Ok(()),
    }
}

/// Whether tokens come without a person.
pub(super) fn is_good(status: &Status, now: SystemTime) -> bool {
    status.ended.is_none() && (status.has_refresh_token || status.expires > now)
}

/// What is known of a login, in a line.
pub(super) fn told(status: &Status, now: SystemTime) -> String {
    if let Some((at, why)) = &status.ended {
        return format!(
            "the login at {} has ended on {} ({why})",
            status.provider,
            date::moment(*at)
        );
    }
    let good = match status.expires.duration_since(now) {
        Ok(left) => format!("token good for {} more", span(left)),
        Err(_) => "token over".to_owned(),
    };
    let renewal = match status.has_refresh_token {
        true => "renewed without you",
        false => "no refresh token: you must log in again then",
    };
    format!(
        "logged in at {}; {good} (obtained {}), {renewal}",
        status.provider,
        date::moment(status.obtained)
    )
}

fn span(left: Duration) -> String {
    match left.as_secs() {
        0..120 => output::count(left.as_secs(), "second", "seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn log_out(settings: &Settings, place: &Place, name: &str) -> Result<(), Failure> {
    for held in named(settings, name)? {
        let out = held.tokens(place).log_out();
        let name = &held.name;
        let provider = held.provider.name();
        match out.map_err(|error| failed(name, &error))? {
            LoggedOut::NoLogin => say!("{name}: nobody was logged in"),
            LoggedOut::Revoked => say!("{name}: logged out, here and at {provider}"),
            LoggedOut::NotRevocable => say!(
                "{name}: the tokens are deleted here; {provider} ends the login in the settings of your account there"
            ),
            LoggedOut::NotRevoked(error) => {
                note!(
                    "restante: {name}: {provider} has not said that it ended the login: {}",
                    output::without_numbers(&error.to_string())
                );
                say!(
                    "{name}: the tokens are deleted here; end the login in the settings of your account there"
                )
            }
        }?;
    }
    Ok(())
}

/// Why a login, or its end, failed.
fn failed(name: &str, error: &OauthError) -> Failure {
    let failure = credentials::no_token(name, error);
    match (failure.advice().is_some(), error) {
        (false, OauthError::NoDeviceFlow(_)) => {
            failure.remedy(format!("restante fetch auth login {name} --flow loopback"))
        }
        (false, OauthError::Denied(_) | OauthError::Expired) => {
            failure.remedy(format!("begin again: restante fetch auth login {name}"))
        }
        (false, OauthError::Refused(_)) => failure.remedy(
            "see that client_id, client_secret and scopes are those of the application that you registered",
        ),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_in_the_address() {
        let url = "https://id.example/a?redirect_uri=http%3A%2F%2F127.0.0.1%3A49200%2F&state=x";
        assert_eq!(port_of(url), Some(49_200));
        let url = "https://id.example/a?x=1&redirect_uri=http%3A%2F%2Flocalhost%3A8083";
        assert_eq!(port_of(url), Some(8083));
        assert_eq!(port_of("https://id.example/a"), None);
    }

    #[test]
    fn a_login_is_told_in_a_line() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_316_800);
        let status = Status {
            provider: "microsoft".to_owned(),
            obtained: now - Duration::from_secs(60),
            expires: now + Duration::from_secs(3540),
            has_refresh_token: true,
            scope: None,
            ended: None,
        };
        assert_eq!(
            told(&status, now),
            "logged in at microsoft; token good for 59 minutes more (obtained 2025-11-28T07:59:00Z), renewed without you"
        );
        assert!(is_good(&status, now));
        let ended = Status {
            ended: Some((now, "invalid_grant".to_owned())),
            ..status
        };
        assert_eq!(
            told(&ended, now),
            "the login at microsoft has ended on 2025-11-28T08:00:00Z (invalid_grant)"
        );
        assert!(!is_good(&ended, now));
    }
}
