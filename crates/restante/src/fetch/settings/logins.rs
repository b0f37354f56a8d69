//! By what an account and its destinations are known, and what their logins are called.

use std::collections::BTreeSet;

use super::{Account, ActionOf, Auth, Deliver, Oauth};
use crate::config::Document;

/// What a login by OAuth2 is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::fetch) enum Service {
    Pop,
    Imap,
    Smtp,
    Gmail,
}

/// A login by OAuth2: what it is for, whose, and where.
pub(in crate::fetch) type Login<'a> = (Service, &'a str, &'a Oauth);

impl Service {
    /// Those of destinations.
    pub(in crate::fetch) const OF_DESTINATIONS: [Self; 3] = [Self::Imap, Self::Smtp, Self::Gmail];

    /// What the login of an account is called.
    pub(in crate::fetch) fn login_of(self, account: &str) -> String {
        format!("{account}{}", self.suffix())
    }

    /// What kind of secret its password is, for people and for the keyring.
    pub(in crate::fetch) fn password(self) -> &'static str {
        match self {
            Self::Pop | Self::Gmail => "password",
            Self::Imap => "IMAP password",
            Self::Smtp => "SMTP password",
        }
    }

    pub(in crate::fetch) fn suffix(self) -> &'static str {
        match self {
            Self::Pop => "",
            Self::Imap => "-imap",
            Self::Smtp => "-smtp",
            Self::Gmail => "-gmail",
        }
    }
}

impl Deliver {
    /// By what the destination knows us.
    pub(in crate::fetch) fn auth(&self) -> Option<(Service, &str, &Auth)> {
        match self {
            Self::Imap(imap) => Some((Service::Imap, &imap.user, &imap.auth)),
            Self::Smtp(smtp) => {
                let (user, auth) = smtp.login.as_ref()?;
                Some((Service::Smtp, user, auth))
            }
            Self::Gmail(gmail) => Some((Service::Gmail, "", &gmail.auth)),
            _ => None,
        }
    }
}

/// An account that is called as the login of another one's destination would have that login's tokens and passwords.
pub(super) fn check_names(document: &mut Document<'_>, accounts: &[Account]) {
    for account in accounts {
        let services = account
            .destinations()
            .filter_map(Deliver::auth)
            .map(|it| it.0);
        let names: BTreeSet<String> = services.map(|it| it.login_of(&account.name)).collect();
        for name in names
            .iter()
            .filter(|name| accounts.iter().any(|it| it.name == **name))
        {
            document.error(
                None,
                format!(
                    "account.{name} is called as the login of a destination of account.{}",
                    account.name
                ),
                "give it another name",
            );
        }
    }
}

impl Account {
    /// All destinations, those of rules too.
    pub(in crate::fetch) fn destinations(&self) -> impl Iterator<Item = &Deliver> {
        let routed = self.rules.iter().flat_map(|rule| match &rule.action {
            ActionOf::Deliver(deliver) => deliver.as_slice(),
            _ => &[],
        });
        self.deliver.iter().chain(routed)
    }

    /// All logins by OAuth2: the account's own, and those of its destinations.
    pub(in crate::fetch) fn logins(&self) -> impl Iterator<Item = Login<'_>> {
        let own = (Service::Pop, self.user.as_str(), &self.auth);
        let all = std::iter::once(own).chain(self.destinations().filter_map(Deliver::auth));
        all.filter_map(|(service, user, auth)| match auth {
            Auth::Oauth(oauth) => Some((service, user, &**oauth)),
            _ => None,
        })
    }
}
