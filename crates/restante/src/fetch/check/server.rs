//! What is at the other end: its name, its certificate, what it can do, whether it lets us in.

use std::time::{Duration, SystemTime};

use client::secret::Source;
use client::{Certificate, ClientError, Credentials, Maildrop, UniqueIds};
use pop3::client::Capability;
use tokio::runtime::Runtime;

use super::report::Report;
use crate::failure::{Code, Failure};
use crate::fetch::credentials::Origin;
use crate::fetch::place::Place;
use crate::fetch::settings::{Account, Auth, Tls};
use crate::fetch::{auth, certificates, failed, remote};
use crate::output;

/// For a name to be resolved.
const NAME_TIMEOUT: Duration = Duration::from_secs(20);

/// A certificate that ends within so many days is told.
const DAYS_MIN: u64 = 14;

/// Looks at all of it.
pub(super) fn check(
    account: &Account,
    place: &Place,
    runtime: &Runtime,
    report: &mut Report,
) -> Result<(), Failure> {
    if account.proxy.is_none() && !resolves(account, runtime, report)? {
        return Ok(());
    }
    if !is_believed(account, place, runtime, report)? {
        return Ok(());
    }
    if !tokens(account, place, report)? {
        return Ok(());
    }
    let Some(credentials) = credentials(account, place, report)? else {
        return Ok(());
    };
    log_in(account, place, runtime, credentials, report)
}

/// Whether its name leads anywhere.
fn resolves(account: &Account, runtime: &Runtime, report: &mut Report) -> Result<bool, Failure> {
    let place = (account.host.as_str(), account.port());
    let found = runtime.block_on(async {
        tokio::time::timeout(NAME_TIMEOUT, tokio::net::lookup_host(place)).await
    });
    let failure = |why: &str| {
        let what = format!("{}: {why}", account.host);
        Failure::new(Code::Unavailable, what).remedy("is the network up, and the name right?")
    };
    let mut addresses: Vec<String> = match found {
        Err(_) => {
            report.wrong("name", &failure("nobody says its addresses in time"))?;
            return Ok(false);
        }
        Ok(Err(error)) => {
            report.wrong("name", &failure(&output::plain(&error)))?;
            return Ok(false);
        }
        Ok(Ok(addresses)) => addresses.map(|address| address.ip().to_string()).collect(),
    };
    addresses.dedup();
    report.ok(
        "name",
        &format!("{} is {}", account.host, addresses.join(", ")),
    )?;
    Ok(true)
}

/// Whether it is there, and the one that it should be.
fn is_believed(
    account: &Account,
    place: &Place,
    runtime: &Runtime,
    report: &mut Report,
) -> Result<bool, Failure> {
    if account.tls == Tls::None {
        report.warning(
            "TLS",
            "none: whoever is between reads the password and the mail",
            "leave tls = \"none\" out if the server is not on this machine",
        )?;
        return Ok(true);
    }
    let remote = match remote::of(account, place, false, Credentials::Certificate) {
        Ok(remote) => remote,
        Err(failure) => {
            report.wrong("certificate", &failure)?;
            return Ok(false);
        }
    };
    let shown = runtime.block_on(client::certificate_of(&remote, remote::patience(account)));
    match shown {
        Err(error) => {
            report.wrong("connection", &failed::server(account, &error))?;
            Ok(false)
        }
        Ok(certificate) => certificate_of(account, &certificate, report),
    }
}

fn certificate_of(
    account: &Account,
    certificate: &Certificate,
    report: &mut Report,
) -> Result<bool, Failure> {
    let names = certificates::names(certificate);
    let until = certificates::end(certificate);
    if let Some(distrust) = &certificate.distrust {
        let failure = match account.pins.is_empty() {
            true => {
                let why = certificates::why(certificate, distrust, &account.host);
                Failure::new(Code::Unavailable, format!("not believed: {why}")).remedy(format!(
                    "if its owner tells you this SHA-256, add pin = \"{}\"; or name who vouches for it: trust = \"/file.pem\"",
                    certificate.pin
                ))
            }
            false => Failure::new(
                Code::Unavailable,
                format!("it is another than the pinned one; its SHA-256 is {}", certificate.pin),
            )
            .remedy("if its owner tells you this SHA-256, put it into `pin`; if not, somebody is between"),
        };
        report.wrong("certificate", &failure)?;
        return Ok(false);
    }
    if !account.pins.is_empty() {
        report.ok("certificate", &format!("pinned, for {names}"))?;
        return Ok(true);
    }
    match certificates::days_left(certificate, SystemTime::now()) {
        Some(days) if days < DAYS_MIN => report.warning(
            "certificate",
            &format!(
                "for {names}; it ends on {until}, in {}",
                output::count(days, "day", "days")
            ),
            "the server's owner must renew it before then",
        )?,
        _ => report.ok("certificate", &format!("for {names}, good until {until}"))?,
    }
    Ok(true)
}

/// Logins by OAuth2; whether the account has its own, if it needs one.
fn tokens(account: &Account, place: &Place, report: &mut Report) -> Result<bool, Failure> {
    let now = SystemTime::now();
    let held = match auth::held(account) {
        Ok(held) => held,
        Err(failure) => {
            report.wrong("token", &failure)?;
            return Ok(false);
        }
    };
    let mut is_there = true;
    for held in held {
        let remedy = format!("restante fetch auth login {}", held.name);
        match held.tokens(place).status() {
            Ok(Some(status)) if auth::is_good(&status, now) => {
                report.ok("token", &auth::told(&status, now))?;
            }
            found => {
                let what = match found {
                    Ok(Some(status)) => auth::told(&status, now),
                    Ok(None) => format!("nobody has logged in at {}", held.provider.name()),
                    Err(error) => output::without_numbers(&error.to_string()),
                };
                is_there &= held.name != account.name;
                report.wrong(
                    "token",
                    &Failure::new(Code::TokenNeeded, what).remedy(remedy),
                )?;
            }
        }
    }
    Ok(is_there)
}

/// By what the user is known, if it can be had.
fn credentials(
    account: &Account,
    place: &Place,
    report: &mut Report,
) -> Result<Option<Credentials>, Failure> {
    let found =
        Origin::of(account, place).and_then(|mut origin| origin.credentials(&account.name, false));
    match found {
        Ok(credentials) => {
            match &account.auth {
                Auth::Password(Source::Prompt(_)) => report.warning(
                    "password",
                    "asked for at each run",
                    "so no timer and no daemon can fetch; name a password_file, a password_command or keyring = true",
                )?,
                Auth::Password(source) => report.ok("password", &format!("{source}"))?,
                Auth::TokenCommand(_) | Auth::Oauth(_) | Auth::Certificate => {}
            }
            Ok(Some(credentials))
        }
        Err(failure) => {
            let what = match &account.auth {
                Auth::Password(_) | Auth::Certificate => "password",
                Auth::TokenCommand(_) | Auth::Oauth(_) => "token",
            };
            report.wrong(what, &failure)?;
            Ok(None)
        }
    }
}

/// Logs in, and sees what the server can do.
fn log_in(
    account: &Account,
    place: &Place,
    runtime: &Runtime,
    credentials: Credentials,
    report: &mut Report,
) -> Result<(), Failure> {
    let remote = remote::of(account, place, false, credentials)?;
    runtime.block_on(async {
        let mut maildrop = match client::connect(&remote, remote::patience(account)).await {
            Ok(maildrop) => maildrop,
            Err(error) => return report.wrong("login", &failed::server(account, &error)),
        };
        report.ok(
            "login",
            &format!("as {}, by {}", account.user, maildrop.way()),
        )?;
        let listing = match maildrop.listing().await {
            Ok(listing) => listing,
            Err(error) => return report.wrong("maildrop", &failed::server(account, &error)),
        };
        let messages = output::count(listing.sizes.len() as u64, "message", "messages");
        report.ok(
            "maildrop",
            &format!("{messages} ({})", output::octets(listing.total.0)),
        )?;
        if let UniqueIds::Refused(status) = &listing.unique_ids {
            report.warning(
                "UIDL",
                &format!("the server has none: {status}"),
                "messages are told apart by their texts, so each is looked at every time",
            )?;
        }
        capabilities(&maildrop, report)?;
        pipelining(account, place, maildrop, report).await
    })
}

fn capabilities(maildrop: &Maildrop, report: &Report) -> Result<(), Failure> {
    let told = maildrop.capabilities();
    let mut words: Vec<String> = [Capability::Uidl, Capability::Top, Capability::Pipelining]
        .iter()
        .filter(|it| told.offers(it))
        .map(ToString::to_string)
        .collect();
    let mechanisms: Vec<&str> = told.mechanisms().collect();
    if !mechanisms.is_empty() {
        words.push(format!("SASL {}", mechanisms.join(" ")));
    }
    if let Some(delay) = maildrop.login_delay() {
        words.push(format!("LOGIN-DELAY {}", delay.as_secs()));
    }
    match words.is_empty() {
        true => report.ok("CAPA", "the server does not say what it can do"),
        false => report.ok("CAPA", &words.join(", ")),
    }
}

/// Whether it can be spoken to ahead, and keeps what it has said of that.
async fn pipelining(
    account: &Account,
    place: &Place,
    mut maildrop: Maildrop,
    report: &mut Report,
) -> Result<(), Failure> {
    if !maildrop.capabilities().offers(&Capability::Pipelining) {
        report.ok(
            "pipelining",
            "not announced: each message is asked for alone",
        )?;
        maildrop.quit().await;
        return Ok(());
    }
    if maildrop.memory().is_broken(SystemTime::now()) {
        report.warning(
            "pipelining",
            "announced, but it failed within the last month: each message is asked for alone",
            &format!(
                "if the server was mended: rm {}",
                place.of(account, "server").display()
            ),
        )?;
        maildrop.quit().await;
        return Ok(());
    }
    match maildrop.answers_in_order().await {
        Ok(true) => {
            report.ok(
                "pipelining",
                "three commands at once were answered in order",
            )?;
            maildrop.quit().await;
            Ok(())
        }
        Ok(false)
        | Err(ClientError::Lost { .. } | ClientError::TooSlow { .. } | ClientError::Broken(_)) => {
            maildrop.pipelining_broke(SystemTime::now());
            remote::remember(account, place, &maildrop.memory());
            report.warning(
                "pipelining",
                "announced, but three commands at once were not answered in order",
                "from now on each message is asked for alone, for a month; tell the server's owner",
            )
        }
        Err(error) => report.wrong("pipelining", &failed::server(account, &error)),
    }
}
