//! Why a session failed, for people and as an exit code.

use client::ClientError;
use client::fetch::FetchError;

use super::place;
use super::settings::Account;
use crate::failure::{Code, Failure};
use crate::output;

/// Why fetching from an account failed, and what to do about it.
pub(super) fn fetch(account: &Account, error: &FetchError) -> Failure {
    let what = output::without_numbers(&error.to_string());
    let name = &account.name;
    let failure = match error {
        FetchError::Server(error) => return server(account, error),
        FetchError::Ledger(error) => place::failed(account, error),
        FetchError::Destination { may_pass, .. } => match may_pass {
            true => Failure::new(Code::Temporary, what)
                .remedy("what was delivered counts; the rest is fetched with the next run"),
            false => Failure::new(Code::CannotCreate, what)
                .remedy(format!("mend that and run this again; restante fetch check {name} tells more")),
        },
        FetchError::NoLogin { destination, .. } => {
            let failure = Failure::from_text(Code::TokenNeeded, &what);
            match failure.advice() {
                Some(_) => failure,
                // The kind of a destination is the first word of its name, and ends the name of its login.
                None => {
                    let kind = destination.split(':').next().unwrap_or_default();
                    failure.remedy(format!("restante fetch auth login {name}-{kind} gets a new token"))
                }
            }
        }
        FetchError::Foreign(_) => Failure::new(Code::Config, what).remedy(format!(
            "restante fetch adopt {name} PATH looks which of it is there already; restante fetch {name} --accept-new-ids fetches all of it"
        )),
        FetchError::Nameless => Failure::new(Code::Protocol, what).remedy(format!(
            "restante fetch list {name} and show {name} N look at what is there; delete {name} N, at a terminal, deletes what you have"
        )),
        FetchError::Ageless => Failure::new(Code::Protocol, what)
            .remedy("run this without --since; --limit N fetches only so many at a time"),
        FetchError::NotThere { .. } => Failure::new(Code::Data, what)
            .remedy(format!("see what it has: restante fetch list {name}")),
        FetchError::Spool { .. } => Failure::new(Code::InputOutput, what).remedy(
            "make room there, and see that it may be written; `state` in fetch.toml names another directory",
        ),
        FetchError::Stopped(_) => Failure::new(Code::Software, what)
            .remedy("what was delivered counts, and the next run goes on there; please report this"),
    };
    failure.within(name)
}

/// Why a server was not of use.
pub(super) fn server(account: &Account, error: &ClientError) -> Failure {
    let what = output::without_numbers(&error.to_string());
    let name = &account.name;
    let (code, remedy) = match error {
        ClientError::Unreachable { .. } => (
            Code::Unavailable,
            format!("is the network up, and is {} right? restante fetch check {name}", account.host),
        ),
        _ if error.may_pass() => (Code::Temporary, "the next run goes on where this one stopped".to_owned()),
        ClientError::Refused { command: "QUIT", .. } => (
            Code::Protocol,
            "what came is kept; what was to be deleted may still be there, and the next run deletes it".to_owned(),
        ),
        ClientError::Endless { .. } => (
            Code::Protocol,
            "it stays on the server, and the next run goes on behind it".to_owned(),
        ),
        ClientError::LoginRefused(_) | ClientError::Unfit { .. } => (
            Code::NoPermission,
            "check user and password; many providers want an app password or OAuth2, and POP3 switched on in their settings".to_owned(),
        ),
        ClientError::TokenRefused { .. } => (
            Code::TokenNeeded,
            format!("restante fetch auth login {name} gets a new one"),
        ),
        ClientError::NoTls { .. } => (
            Code::Unavailable,
            "name who vouches for its certificate (trust = \"/file.pem\"), or pin it: restante fetch setup … --pin".to_owned(),
        ),
        ClientError::NoMechanism(_) => (
            Code::NoPermission,
            "the server wants another kind of login; see `auth` and `mechanism` in docs/fetching.md".to_owned(),
        ),
        ClientError::Impostor(_) => (
            Code::NoPermission,
            "make sure that it is the server that you mean".to_owned(),
        ),
        _ => (
            Code::Protocol,
            format!("restante fetch {name} --trace shows what the server says"),
        ),
    };
    Failure::new(code, what).remedy(remedy).within(name)
}
