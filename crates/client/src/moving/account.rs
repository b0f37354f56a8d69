//! An account of another program, as one of ours.

use std::path::PathBuf;

use sasl::Secret;

use super::seen::{Seen, Spelling};
use super::table::{Auth, Table};
use super::{Surroundings, provider};

/// An account of another program, as one of ours.
#[derive(Clone, Debug)]
pub struct MovedAccount {
    /// Its name: letters, digits, `-` and `_`; no other account has it.
    pub name: String,
    /// Its server and its user there.
    pub host: String,
    /// See `host`.
    pub user: String,
    /// The text of its `[account.NAME]` table. There is no secret in it.
    pub toml: String,
    /// Where its password will come from.
    pub password: Password,
    /// What the other program knows of its maildrop. Each unique-id is there once.
    pub seen: Vec<Seen>,
    /// How the unique-ids of `seen` are written.
    pub spelling: Spelling,
}

/// Where the password of an account will come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Password {
    /// The other program had it in clear. The table names this file, which does not exist yet: whoever uses the table writes
    /// the secret there first, for the owner's eyes only (mode 0600).
    ToStore {
        /// Where the table says that it is.
        file: PathBuf,
        /// What it will hold.
        secret: Secret,
    },
    /// It is in a file of its own already, which the table names.
    InFile,
    /// The same command as before prints it.
    Command,
    /// The same command as before prints an access token.
    TokenCommand,
    /// A provider gives tokens, once somebody has logged in there.
    OAuth,
    /// The client certificate is enough.
    Certificate,
    /// It is asked for at the terminal, since it is not in these files.
    Asked,
}

/// Where another program has the password.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Literal(Secret),
    File(PathBuf),
    Command(Vec<String>),
    Token(Vec<String>),
    /// Some provider's, by its server.
    OAuth,
    Certificate,
    Nowhere,
}

/// Makes an account of what was found. `found` decides its `auth`.
pub(super) fn account(
    name: String,
    mut table: Table,
    found: Found,
    (seen, spelling): (Vec<Seen>, Spelling),
    around: &Surroundings,
) -> MovedAccount {
    let (auth, password) = match found {
        Found::Literal(secret) => {
            let file = around.secrets.join(format!("{name}.password"));
            (
                Auth::PasswordFile(file.clone()),
                Password::ToStore { file, secret },
            )
        }
        Found::File(file) => (Auth::PasswordFile(file), Password::InFile),
        Found::Command(words) => (Auth::PasswordCommand(words), Password::Command),
        Found::Token(words) => (Auth::TokenCommand(words), Password::TokenCommand),
        Found::OAuth => match provider::of(&table.host) {
            Some(provider) => (Auth::Provider(provider), Password::OAuth),
            None => (Auth::Prompt, Password::Asked),
        },
        Found::Certificate => (Auth::Certificate, Password::Certificate),
        Found::Nowhere => (Auth::Prompt, Password::Asked),
    };
    table.auth = auth;
    MovedAccount {
        toml: table.text(&name),
        name,
        host: table.host,
        user: table.user,
        password,
        seen,
        spelling,
    }
}
