//! The login that is tried before an account is written.

use client::secret::{Command, Source};
use client::{ClientError, Credentials, Listing, Maildrop, Patience, UniqueIds, Way, connect};
use pop3::client::Capability;
use sasl::Secret;

use super::entry::Entry;
use super::{Setup, line, not_there};
use crate::failure::{Code, Failure};
use crate::fetch::settings::Account;
use crate::fetch::{credentials, failed, remote};
use crate::output::{self, note};
use crate::user::password;

/// How often a password is asked for that is refused.
const TRIES: usize = 3;

/// What a login has shown.
#[derive(Debug)]
pub(super) struct Login {
    way: Way,
    pipelines: bool,
    listing: Listing,
}

impl Login {
    /// Says it.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub(super) fn tell(&self, user: &str) -> Result<(), Failure> {
        line("login", &format!("as {user}, by {}", self.way))?;
        line(
            "",
            match self.listing.unique_ids {
                UniqueIds::Told(_) => "UIDL: each message has a name",
                UniqueIds::Refused(_) => {
                    "no UIDL: messages are told apart by their texts, so each is looked at every time"
                }
            },
        )?;
        line(
            "",
            match self.pipelines {
                true => "PIPELINING: messages come without a pause between them",
                false => "no PIPELINING: each message is asked for alone",
            },
        )?;
        let messages = self.listing.sizes.len() as u64;
        line(
            "maildrop",
            &format!(
                "{} ({})",
                output::count(messages, "message", "messages"),
                output::octets(self.listing.total.0)
            ),
        )
    }
}

/// Logs in by the names of the user that may be right, one after the other; the entry has the right one then.
///
/// # Errors
///
/// When there is no password, or no login.
pub(super) fn log_in(
    setup: &Setup<'_>,
    entry: &mut Entry,
    names: &[String],
) -> Result<(Secret, Login), Failure> {
    let given = given(setup, entry)?;
    for rest in (0..TRIES).rev() {
        let secret = match &given {
            Some(secret) => secret.clone(),
            None if setup.asked.yes => {
                return Err(Failure::new(
                    Code::Usage,
                    "nothing is asked, and there is no password",
                )
                .remedy("give it by --stdin or --password-file FILE, or leave --yes out"));
            }
            None => password::asked_for_once(&format!("{} at {}", entry.user, entry.host))?,
        };
        let mut refused = None;
        for name in names {
            entry.user.clone_from(name);
            let account = entry.account(setup.present)?;
            match once(setup, &account, &secret) {
                Ok(login) => return Ok((secret, login)),
                Err(error @ ClientError::LoginRefused(_)) => {
                    refused.get_or_insert_with(|| failed::server(&account, &error));
                }
                Err(error) => return Err(why(setup, &account, &error)),
            }
        }
        let failure =
            refused.unwrap_or_else(|| Failure::new(Code::Usage, "there is no name to log in with"));
        if given.is_some() || rest == 0 || !setup.asks() {
            return Err(failure);
        }
        note!("restante: {}", failure.what().unwrap_or_default());
    }
    Err(Failure::silent(Code::NoPermission))
}

/// The password, if it need not be asked for.
fn given(setup: &Setup<'_>, entry: &Entry) -> Result<Option<Secret>, Failure> {
    let Some(command) = &setup.asked.password_command else {
        return password::given(&setup.asked.password);
    };
    let command: Command = command.parse().map_err(|error| {
        Failure::from_text(
            Code::Usage,
            &format!("--password-command cannot be run: {error}"),
        )
    })?;
    credentials::secret(&entry.name, &Source::Command(command)).map(Some)
}

fn once(setup: &Setup<'_>, account: &Account, secret: &Secret) -> Result<Login, ClientError> {
    let credentials = Credentials::Password(secret.clone());
    let remote = remote::of(account, setup.place, false, credentials)
        .map_err(|failure| ClientError::Wrong(failure.what().unwrap_or_default().to_owned()))?;
    setup.runtime.block_on(async {
        let mut maildrop: Maildrop = connect(&remote, Patience::default()).await?;
        let listing = maildrop.listing().await?;
        let login = Login {
            way: maildrop.way(),
            pipelines: maildrop.capabilities().offers(&Capability::Pipelining),
            listing,
        };
        maildrop.quit().await;
        Ok(login)
    })
}

/// Why the login did not come to its end.
fn why(setup: &Setup<'_>, account: &Account, error: &ClientError) -> Failure {
    match error {
        ClientError::Unreachable { .. } | ClientError::NoTls { .. } => {
            let servers = setup.target.servers(setup.asked);
            match servers.ok().and_then(|it| it.into_iter().next()) {
                Some(server) => not_there(account, &server, error),
                None => failed::server(account, error),
            }
        }
        _ => failed::server(account, error),
    }
}
