//! `restante fetch secret`: passwords in the keyring of the session.

use client::secret::{Entry, SecretError, Source};

use super::settings::{Account, Auth, Settings};
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
            let account = settings.account(account)?;
            let secret = match password::given(password)? {
                Some(secret) => secret,
                None => password::asked_for_once(&whose(account))?,
            };
            entry(account)
                .store(&secret)
                .map_err(|error| failed(account, &error))?;
            say!("the keyring has the password of {} now", whose(account))?;
            if !matches!(account.auth, Auth::Password(Source::Keyring(_))) {
                note!(
                    "restante: {}: it is not taken from there; write auth = {{ keyring = true }} in {}",
                    account.name,
                    settings.file.display()
                );
            }
            Ok(())
        }
        SecretCommand::Delete { account } => {
            let account = settings.account(account)?;
            match entry(account)
                .delete()
                .map_err(|error| failed(account, &error))?
            {
                true => say!("the keyring has no password of {} any more", whose(account)),
                false => say!("the keyring had no password of {}", whose(account)),
            }
        }
    }
}

fn entry(account: &Account) -> Entry {
    Entry::of_account(&account.name, "password")
}

fn whose(account: &Account) -> String {
    format!("{} at {}", account.user, account.host)
}

fn failed(account: &Account, error: &SecretError) -> Failure {
    let code = match error.may_pass() {
        true => Code::Temporary,
        false => Code::Unavailable,
    };
    Failure::new(code, output::without_numbers(&error.to_string()))
        .within(&account.name)
        .remedy("without a keyring: auth = { password_file = \"/path\" }, or a password_command")
}
