//! `restante fetch secret`: passwords in the keyring of the session.

use client::secret::{Entry, SecretError, Source};

use super::settings::{Account, Auth, Deliver, Service, Settings};
use crate::args::SecretCommand;
use crate::failure::{Code, Failure};
use crate::output::{self, note, say};
use crate::user::password;

/// Puts a password there, or removes it.
///
/// # Errors
///
/// When there is no such account, no password, or no keyring.
pub(super) fn secret(settings: &Settings, command: &SecretCommand) -> Result<(), Failure> {
    match command {
        SecretCommand::Set { account, password } => {
            let known = Known::of(settings, account)?;
            let secret = match password::given(password)? {
                Some(secret) => secret,
                None => password::asked_for_once(&known.whose)?,
            };
            known
                .entry()
                .store(&secret)
                .map_err(|error| failed(account, &error))?;
            say!("the keyring has the password of {} now", known.whose)?;
            if !known.is_used {
                note!(
                    "restante: {account}: it is not taken from there; write auth = {{ keyring = true }} in {}",
                    settings.file.display()
                );
            }
            Ok(())
        }
        SecretCommand::Delete { account } => {
            let known = Known::of(settings, account)?;
            let was_there = known
                .entry()
                .delete()
                .map_err(|error| failed(account, &error))?;
            let whose = &known.whose;
            match was_there {
                true => say!("the keyring has no password of {whose} any more"),
                false => say!("the keyring had no password of {whose}"),
            }
        }
    }
}

/// Whose password it is.
struct Known<'a> {
    account: &'a Account,
    service: Service,
    /// The user, and where.
    whose: String,
    /// Whether the configuration takes it from the keyring.
    is_used: bool,
}

impl<'a> Known<'a> {
    /// An account's, or with `-imap` or `-smtp` behind it that of its destination.
    fn of(settings: &'a Settings, name: &str) -> Result<Self, Failure> {
        let of_destination = [Service::Imap, Service::Smtp]
            .into_iter()
            .find_map(|service| {
                let owner = name.strip_suffix(service.suffix())?;
                Self::of_destination(settings.account(owner).ok()?, service)
            });
        match (settings.account(name), of_destination) {
            (Err(_), Some(found)) => Ok(found),
            (account, _) => {
                let account = account?;
                Ok(Self {
                    account,
                    service: Service::Pop,
                    whose: format!("{} at {}", account.user, account.host),
                    is_used: is_keyring(&account.auth),
                })
            }
        }
    }

    fn of_destination(account: &'a Account, service: Service) -> Option<Self> {
        let mut known = account.destinations().filter_map(Deliver::auth);
        let (_, user, auth) = known.find(|it| it.0 == service)?;
        Some(Self {
            account,
            service,
            whose: format!("{user} at the destination of {}", account.name),
            is_used: is_keyring(auth),
        })
    }

    fn entry(&self) -> Entry {
        Entry::of_account(&self.account.name, self.service.password())
    }
}

fn is_keyring(auth: &Auth) -> bool {
    matches!(auth, Auth::Password(Source::Keyring(_)))
}

fn failed(name: &str, error: &SecretError) -> Failure {
    let code = match error.may_pass() {
        true => Code::Temporary,
        false => Code::Unavailable,
    };
    Failure::new(code, output::without_numbers(&error.to_string()))
        .within(name)
        .remedy("without a keyring: auth = { password_file = \"/path\" }, or a password_command")
}
