//! The keyring of the session: Secret Service over D-Bus, as GNOME, KDE and KeePassXC offer it.
//!
//! An entry is found by its attributes, all of which must be the same. Ours has `application` = `restante`,
//! `account` and `kind`, so `secret-tool lookup application restante account work kind password` finds it too.
//! The secret is encrypted on the bus. A keyring that is locked asks for its password by itself.

use std::collections::BTreeMap;
use std::fmt;

use sasl::Secret;

use super::SecretError;

/// One entry of the keyring.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    attributes: BTreeMap<String, String>,
}

impl Entry {
    /// Our own entry of an account: what kind of secret it is, such as `password` or `client-secret`.
    pub fn of_account(account: &str, kind: &str) -> Self {
        Self::new([
            ("application", "restante"),
            ("account", account),
            ("kind", kind),
        ])
    }

    /// Any entry, such as one that another program stored.
    pub fn new<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            attributes: attributes.into_iter().map(owned).collect(),
        }
    }

    /// The secret that is stored.
    ///
    /// # Errors
    ///
    /// When there is no keyring, it does not open, or it has no such entry.
    pub fn secret(&self) -> Result<Secret, SecretError> {
        imp::secret(self)
    }

    /// Stores a secret, in place of the one that is there.
    ///
    /// # Errors
    ///
    /// When there is no keyring, or it does not open.
    pub fn store(&self, secret: &Secret) -> Result<(), SecretError> {
        imp::store(self, secret)
    }

    /// Deletes the entry; whether there was one.
    ///
    /// # Errors
    ///
    /// When there is no keyring, or it does not open.
    pub fn delete(&self) -> Result<bool, SecretError> {
        imp::delete(self)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.attributes.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}

#[cfg(not(feature = "keyring"))]
mod imp {
    use super::{Entry, Secret, SecretError};

    fn none<T>() -> Result<T, SecretError> {
        let why = "this program was built without it (feature keyring)";
        Err(SecretError::Keyring(why.to_owned()))
    }

    pub(super) fn secret(_: &Entry) -> Result<Secret, SecretError> {
        none()
    }

    pub(super) fn store(_: &Entry, _: &Secret) -> Result<(), SecretError> {
        none()
    }

    pub(super) fn delete(_: &Entry) -> Result<bool, SecretError> {
        none()
    }
}

#[cfg(feature = "keyring")]
mod imp {
    use std::collections::HashMap;
    use std::sync::mpsc;
    use std::time::Duration;

    use secret_service::blocking::{Item, SecretService};
    use secret_service::{EncryptionType, Error};

    use super::{Entry, Secret, SecretError};

    /// Time for a person to type the keyring's password.
    const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

    pub(super) fn secret(entry: &Entry) -> Result<Secret, SecretError> {
        let found = on_the_bus(entry, |keyring, entry| {
            let items = items(keyring, entry)?;
            let item = items.first().ok_or(Error::NoResult)?;
            item.unlock()?;
            Ok(Secret::new(item.get_secret()?))
        });
        match found {
            Err(Failed::NoEntry) => Err(SecretError::NoEntry(entry.to_string())),
            Err(Failed::Other(error)) => Err(error),
            Ok(secret) => Ok(secret),
        }
    }

    pub(super) fn store(entry: &Entry, secret: &Secret) -> Result<(), SecretError> {
        let secret = secret.clone();
        let stored = on_the_bus(entry, move |keyring, entry| {
            let collection = keyring.get_any_collection()?;
            collection.unlock()?;
            let label = format!("Restante: {entry}");
            let octets = secret.expose();
            collection.create_item(&label, attributes(entry), octets, true, "text/plain")?;
            Ok(())
        });
        stored.map_err(|failed| failed.or("there is no collection to store it in"))
    }

    pub(super) fn delete(entry: &Entry) -> Result<bool, SecretError> {
        let deleted = on_the_bus(entry, |keyring, entry| {
            let items = items(keyring, entry)?;
            for item in &items {
                item.unlock()?;
                item.delete()?;
            }
            Ok(!items.is_empty())
        });
        deleted.map_err(|failed| failed.or("the entry went away"))
    }

    /// What the keyring has of these attributes, open or locked.
    fn items<'a>(keyring: &'a SecretService<'a>, entry: &Entry) -> Result<Vec<Item<'a>>, Error> {
        let found = keyring.search_items(attributes(entry))?;
        Ok(found.unlocked.into_iter().chain(found.locked).collect())
    }

    fn attributes(entry: &Entry) -> HashMap<&str, &str> {
        let attributes = entry.attributes.iter();
        attributes
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    enum Failed {
        NoEntry,
        Other(SecretError),
    }

    impl Failed {
        fn or(self, none: &str) -> SecretError {
            match self {
                Self::NoEntry => SecretError::Keyring(none.to_owned()),
                Self::Other(error) => error,
            }
        }
    }

    /// On a thread of its own: the bus needs a runtime, and a person who does not answer has to be left.
    fn on_the_bus<T: Send + 'static>(
        entry: &Entry,
        act: impl FnOnce(&SecretService<'_>, &Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failed> {
        let (tell, told) = mpsc::sync_channel(1);
        let entry = entry.clone();
        let started = std::thread::Builder::new()
            .name("keyring".to_owned())
            .spawn(move || {
                let done = SecretService::connect(EncryptionType::Dh)
                    .and_then(|keyring| act(&keyring, &entry));
                // Nobody listens any more when it took too long.
                let _ = tell.send(done);
            });
        let failed = |why: String| Failed::Other(SecretError::Keyring(why));
        started.map_err(|error| failed(error.to_string()))?;
        match told.recv_timeout(ANSWER_TIMEOUT) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Error::NoResult)) => Err(Failed::NoEntry),
            Ok(Err(error)) => Err(failed(explained(&error))),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(Failed::Other(SecretError::TooSlow(
                "the keyring".to_owned(),
            ))),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(failed("the connection to it broke".to_owned()))
            }
        }
    }

    fn explained(error: &Error) -> String {
        match error {
            Error::Unavailable | Error::Zbus(_) | Error::ZbusFdo(_) => format!(
                "no Secret Service answers on the session's D-Bus ({error}); is \
                 DBUS_SESSION_BUS_ADDRESS set, and does a keyring run?"
            ),
            Error::Prompt => "it stayed locked: nobody gave its password".to_owned(),
            other => other.to_string(),
        }
    }
}

#[cfg(all(test, feature = "keyring"))]
mod tests {
    use super::*;

    #[test]
    #[ignore = "run by interop/checks/keyring.py, in a session with a keyring that is open"]
    fn what_is_stored_is_found_by_its_attributes_until_it_is_deleted() {
        let entry = Entry::of_account("a test's own", "password");
        let other = Entry::of_account("a test's own", "client-secret");
        entry.delete().unwrap();
        let none = entry.secret().unwrap_err();
        assert!(matches!(none, SecretError::NoEntry(_)), "{none}");
        entry.store(&Secret::new("first")).unwrap();
        entry.store(&Secret::new("red queen \u{e4}")).unwrap();
        assert_eq!(entry.secret().unwrap(), Secret::new("red queen \u{e4}"));
        assert!(matches!(other.secret(), Err(SecretError::NoEntry(_))));
        assert!(entry.delete().unwrap());
        assert!(!entry.delete().unwrap());
        assert!(entry.secret().is_err());
    }
}

#[cfg(all(test, not(feature = "keyring")))]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_it_says_so() {
        let why = Entry::of_account("work", "password").secret().unwrap_err();
        let why = why.to_string();
        assert!(why.contains("built without it (feature keyring)"), "{why}");
    }
}
