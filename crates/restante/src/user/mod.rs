//! `restante user`: accounts, while the server runs or not.

mod import;
pub(crate) mod password;
mod removed;
mod terms;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use auth::{Account, Accounts, Change, Password, State};
use maildrop::{MaildropId, Maildrops, Summary};
use serde_json::{Value, json};

use crate::args;
use crate::config::{self, Config};
use crate::date;
use crate::failure::{Code, Failure};
use crate::output::{self, note, say};
use crate::stock;

/// Does what is asked for.
///
/// # Errors
///
/// When the account is unknown or is there already, when the password is none, and when the
/// accounts cannot be used.
pub(crate) fn user(config: Option<&Path>, command: args::User) -> Result<(), Failure> {
    let config = config::load(config)?;
    match command {
        args::User::Add {
            account,
            password,
            apop,
            terms,
        } => add(&config, &account, &password, apop, &terms),
        args::User::Passwd {
            account,
            password,
            apop,
        } => passwd(&config, &account, &password, apop),
        args::User::List {
            removed: true,
            json,
        } => removed::list(&config, json),
        args::User::List {
            removed: false,
            json,
        } => list(&config, json),
        args::User::Show { account, json } => {
            let accounts = stock::accounts(&config)?;
            let account = accounts.show(&account)?;
            show(&config, &accounts, &account, json)
        }
        args::User::Set {
            account,
            change,
            terms,
        } => set(&config, &account, &change, &terms),
        args::User::Remove {
            account,
            delete_mail,
            yes,
        } => removed::remove(&config, &account, delete_mail, yes),
        args::User::Restore { account, maildrop } => {
            removed::restore(&config, &account, maildrop.as_deref())
        }
        args::User::Import { file, apop } => import::import(&config, &file, apop),
        args::User::Rename { account, new_name } => {
            if config.in_place.is_some() {
                return Err(Failure::new(
                    Code::Usage,
                    "where an account's mail is follows from its name, so it cannot have another name",
                )
                .remedy("add an account of the new name, move the mail to its place, and remove the old one"));
            }
            let account = stock::accounts(&config)?.rename(&account, &new_name)?;
            note_name(&stock::maildrops(&config)?, &account);
            say!(
                "The account is {} now; its maildrop is the same.",
                account.name
            )
        }
    }
}

/// Writes an account's name into its maildrop's file, from which a lost `accounts.db` is rebuilt.
fn note_name(maildrops: &Maildrops, account: &Account) {
    if let Err(error) = maildrops.rename(MaildropId(account.maildrop), &account.name) {
        note!(
            "warning: the maildrop's file has the old name: {}\n  \
             `restante maildrop rebuild` would find the account by it",
            output::plain(&error)
        );
    }
}

fn add(
    config: &Config,
    name: &str,
    source: &args::PasswordSource,
    apop: bool,
    asked: &args::Terms,
) -> Result<(), Failure> {
    let change = terms::change(asked)?;
    terms::agree(config, None, &change)?;
    // Before root's rights are given up: the file may be root's.
    let given = password::given(source)?;
    let accounts = stock::new_accounts(config)?;
    // Before anybody is asked for a password in vain.
    accounts.vacant(name)?;
    let secret = password::or_asked_for(given, name)?;
    let account = accounts.add_with(name, &Password::Clear(secret.clone()), &change)?;
    if apop {
        accounts.set_apop(name, &secret)?;
        apop_warning();
    }
    say!("Account {} is made.", account.name)?;
    tell_of_mail_that_is_there(config, &account);
    Ok(())
}

/// In a place that follows from the name there may be mail: of a user of another program, or of somebody who
/// had the name before.
fn tell_of_mail_that_is_there(config: &Config, account: &Account) {
    if config.in_place.is_none() {
        return;
    }
    let path = stock::maildrops(config).map(|all| all.path(MaildropId(account.maildrop)));
    if let Ok(Some(path)) = path
        && path.exists()
    {
        note!(
            "note: {} is there already: its mail is now that of {}",
            path.display(),
            account.name
        );
    }
}

fn passwd(
    config: &Config,
    name: &str,
    source: &args::PasswordSource,
    apop: bool,
) -> Result<(), Failure> {
    let given = password::given(source)?;
    let accounts = stock::accounts(config)?;
    let account = accounts.show(name)?;
    let secret = password::or_asked_for(given, &account.name)?;
    match apop {
        true => {
            accounts.set_apop(name, &secret)?;
            say!(
                "The APOP secret of {} is set; its password is the same.",
                account.name
            )
        }
        false => {
            accounts.set_password(name, &Password::Clear(secret))?;
            say!("The password of {} is set.", account.name)
        }
    }
}

/// APOP needs the secret itself, so it cannot be kept as a hash (RFC 1939 §7).
fn apop_warning() {
    note!(
        "warning: an APOP secret can be read back by whoever has the data directory\n  \
         give APOP a secret of its own: restante user passwd --apop ACCOUNT"
    );
}

fn list(config: &Config, json: bool) -> Result<(), Failure> {
    let accounts = stock::accounts(config)?.list()?;
    if json {
        return accounts
            .iter()
            .try_for_each(|account| say!("{}", object(config, account)));
    }
    if accounts.is_empty() {
        note!("There is no account yet; make one: restante user add NAME");
    }
    let width = accounts
        .iter()
        .map(|account| account.name.len())
        .max()
        .unwrap_or(0);
    for account in &accounts {
        let remarks = remarks(account).join(", ");
        say!(
            "{}",
            format!("{:<width$}  {remarks}", account.name).trim_end()
        )?;
    }
    Ok(())
}

/// What is not as usual.
fn remarks(account: &Account) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if account.state == State::Disabled {
        remarks.push("disabled");
    }
    if account
        .expires
        .is_some_and(|expires| expires <= SystemTime::now())
    {
        remarks.push("expired");
    }
    if account.password.is_none() {
        remarks.push("no password");
    }
    if account.apop {
        remarks.push("APOP");
    }
    remarks
}

/// An account, its aliases, what its maildrop may hold, and what it holds.
fn show(
    config: &Config,
    accounts: &Accounts,
    account: &Account,
    json: bool,
) -> Result<(), Failure> {
    let aliases = accounts.aliases_of(&account.name)?.into_iter();
    let aliases: Vec<_> = aliases.map(|alias| alias.address).collect();
    let summary = stock::maildrops(config).and_then(|maildrops| {
        let summary = maildrops.summary(MaildropId(account.maildrop));
        summary.map_err(|error| unreadable(&account.name, &error))
    });
    // The account is there, whatever became of its mail.
    let held = match &summary {
        Ok(summary) => Some(summary),
        Err(why) => {
            note!("{}", why.to_string().trim_end());
            None
        }
    };
    if !json {
        return describe(config, account, &aliases, held);
    }
    let mut object = object(config, account);
    object["aliases"] = json!(aliases);
    object["used"] = held.map_or(Value::Null, |held| terms::used(config, account, held));
    say!("{object}")
}

fn describe(
    config: &Config,
    account: &Account,
    aliases: &[String],
    held: Option<&Summary>,
) -> Result<(), Failure> {
    let row = |name: &str, value: &str| say!("{name:<9} {value}");
    row("account", &account.name)?;
    if !aliases.is_empty() {
        row("aliases", &aliases.join(", "))?;
    }
    row(
        "state",
        match account.state {
            State::Enabled => "enabled",
            State::Disabled => "disabled",
        },
    )?;
    row(
        "expires",
        &account
            .expires
            .map_or_else(|| "never".to_owned(), date::moment),
    )?;
    row(
        "from",
        &networks(account).map_or_else(|| "everywhere".to_owned(), |all| all.join(", ")),
    )?;
    row(
        "password",
        account.password.map_or("none", auth::Scheme::name),
    )?;
    row(
        "SCRAM",
        if account.scram {
            "verifier stored"
        } else {
            "no"
        },
    )?;
    row("APOP", if account.apop { "secret stored" } else { "no" })?;
    row("maildrop", &format!("{:016x}", account.maildrop))?;
    row("made", &date::moment(account.created))?;
    terms::rows(config, account, held)
        .iter()
        .try_for_each(|(name, value)| row(name, value))
}

fn networks(account: &Account) -> Option<Vec<String>> {
    let networks: Vec<_> = account.networks.iter().map(ToString::to_string).collect();
    (!networks.is_empty()).then_some(networks)
}

fn object(config: &Config, account: &Account) -> Value {
    let mut object = json!({
        "account": account.name,
        "enabled": account.state == State::Enabled,
        "expires": account.expires.map(date::moment),
        "networks": networks(account),
        "password": account.password.map(auth::Scheme::name),
        "scram": account.scram,
        "apop": account.apop,
        "maildrop": format!("{:016x}", account.maildrop),
        "created": date::moment(account.created),
    });
    if let (Some(object), Value::Object(terms)) =
        (object.as_object_mut(), terms::object(config, account))
    {
        object.extend(terms);
    }
    object
}

fn set(
    config: &Config,
    name: &str,
    asked: &args::Change,
    terms: &args::Terms,
) -> Result<(), Failure> {
    let wrong = |what: String, remedy: &str| Failure::new(Code::Usage, what).remedy(remedy);
    let expires = match asked.expires.as_deref() {
        None => None,
        Some("never") => Some(None),
        Some(day) => Some(Some(date::day(day).ok_or_else(|| {
            wrong(
                format!("{day:?} is not a day"),
                "give one such as 2027-01-31, or never",
            )
        })?)),
    };
    let networks = match asked.networks.as_slice() {
        [] => None,
        [one] if one == "everywhere" => Some(Vec::new()),
        all => Some(
            all.iter()
                .map(|network| network.parse())
                .collect::<Result<Vec<_>, auth::NetworkError>>()
                .map_err(|error| wrong(error.to_string(), "or give: everywhere"))?,
        ),
    };
    let state = match (asked.enable, asked.disable) {
        (true, _) => Some(State::Enabled),
        (_, true) => Some(State::Disabled),
        _ => None,
    };
    let accounts = stock::accounts(config)?;
    let change = Change {
        state,
        expires,
        networks,
        ..terms::change(terms)?
    };
    // Only what is about it: whatever else an account says, it can always be disabled.
    if change.expire.is_some() || change.disposition.is_some() {
        terms::agree(config, Some(&accounts.show(name)?), &change)?;
    }
    let mut account = accounts.set(name, &change)?;
    if asked.no_apop {
        accounts.clear_apop(name)?;
        account = accounts.show(name)?;
    }
    show(config, &accounts, &account, false)
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::new(
        Code::InputOutput,
        format!(
            "the maildrop of {name} cannot be read: {}",
            output::plain(error)
        ),
    )
    .remedy("restante maildrop verify tells more")
}
