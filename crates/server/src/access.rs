//! What a session sees of its maildrop, and what becomes of what it deletes.
//!
//! The configuration says it for all; an account may say otherwise for itself, and then that counts.
//! A client that logs in as `recent:NAME` is shown the messages of the last days, whatever another
//! client has had hidden: so several clients get the same mail, as users of Gmail know it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::pop3::server::Rules;
use auth::{Disposition, Identity, Quota};
use maildrop::{Hidden, View};
use sasl::Login;

use crate::config::Config;

/// What sessions see and do, unless an account says otherwise. A reload changes it for connections
/// that come in afterwards.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Access {
    /// What becomes of what a client deletes.
    pub disposition: Disposition,
    /// How many messages a session sees, the newest.
    pub messages_shown: Quota,
    /// How old a message may be that `recent:NAME` sees; none: nobody is called that.
    pub recent: Option<Duration>,
}

impl Access {
    /// What becomes of what the client of an account deletes that says this for itself.
    pub fn disposition(&self, own: Option<Disposition>) -> Disposition {
        own.unwrap_or(self.disposition)
    }

    /// How many messages a session of an account sees that says this for itself.
    pub fn messages_shown(&self, own: Option<Quota>) -> Quota {
        own.unwrap_or(self.messages_shown)
    }
}

/// Which messages a client has asked for by the name that it gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// Those of its maildrop.
    All,
    /// Those that came so lately.
    Recent(Duration),
}

impl Asked {
    /// What a login asks for. It is the account's own from now on: whatever is checked, counted and
    /// remembered of it is the same as without the prefix, and so is what a stranger can learn.
    ///
    /// Every name counts: with EXTERNAL the only one that a client can choose is for whom it acts.
    pub(crate) fn by(login: &mut Login, access: &Access) -> Self {
        let is_recent = [Some(login.user()), login.authzid()]
            .into_iter()
            .flatten()
            .any(|name| without_prefix(name).is_some());
        match access.recent {
            Some(recent) if is_recent => {
                login.rename(|name| without_prefix(name).unwrap_or(name).to_owned());
                Self::Recent(recent)
            }
            _ => Self::All,
        }
    }

    /// What the session is shown.
    pub(crate) fn view(self, identity: &Identity, access: &Access, now: SystemTime) -> View {
        let (since, hidden) = match self {
            Self::All => (None, Hidden::LeftOut),
            Self::Recent(recent) => (now.checked_sub(recent), Hidden::Shown),
        };
        let since = since.map(|since| since.duration_since(UNIX_EPOCH).unwrap_or_default());
        View {
            since_us: since.map(|since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            messages_max: access.messages_shown(identity.messages_shown()).limit(),
            hidden,
        }
    }
}

/// Whose verifier a client asks for that goes on with SCRAM.
pub(crate) fn account_of<'a>(user: &'a str, access: &Access) -> &'a str {
    match access.recent {
        Some(_) => without_prefix(user).unwrap_or(user),
        None => user,
    }
}

/// What a session is told that opens the maildrop of somebody.
pub(crate) fn rules(identity: &Identity, config: &Config) -> Rules {
    let disposition = config.access.disposition(identity.disposition());
    Rules {
        expire: crate::pop3::announced(config.keeping.expire(identity.expire())),
        disposition: match disposition {
            Disposition::Delete => ::pop3::Disposition::Delete,
            Disposition::Hide => ::pop3::Disposition::Hide,
            Disposition::Keep => ::pop3::Disposition::Keep,
            Disposition::ReadOnly => ::pop3::Disposition::ReadOnly,
        },
    }
}

/// No account name has a colon, so the prefix is never part of one.
const PREFIX: &str = "recent:";

fn without_prefix(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sasl::Secret;

    const DAY: Duration = Duration::from_secs(86_400);

    fn access(recent: Option<Duration>) -> Access {
        Access {
            recent,
            ..Access::default()
        }
    }

    #[test]
    fn the_prefix_is_no_part_of_the_name() {
        let on = access(Some(DAY));
        for (name, account, asked) in [
            ("bob", "bob", Asked::All),
            ("recent:bob", "bob", Asked::Recent(DAY)),
            ("Recent:Bob@dobbs.org", "Bob@dobbs.org", Asked::Recent(DAY)),
            ("recent:", "", Asked::Recent(DAY)),
            // Once is enough; the rest is nobody's name.
            ("recent:recent:bob", "recent:bob", Asked::Recent(DAY)),
            ("recentbob", "recentbob", Asked::All),
            ("r\u{e9}cent:bob", "r\u{e9}cent:bob", Asked::All),
            ("recen\u{e9}:bob", "recen\u{e9}:bob", Asked::All),
        ] {
            let mut login = Login::password(name, Secret::new("redqueen"));
            assert_eq!(Asked::by(&mut login, &on), asked, "{name}");
            assert_eq!((login.user(), account_of(name, &on)), (account, account));
            let mut login = Login::password(name, Secret::new("redqueen"));
            assert_eq!(Asked::by(&mut login, &access(None)), Asked::All);
            assert_eq!(
                (login.user(), account_of(name, &access(None))),
                (name, name)
            );
        }
    }

    #[test]
    fn for_whom_a_client_acts_may_have_it_too() {
        for (user, authzid) in [
            ("bob", "recent:bob"),
            ("recent:bob", "bob"),
            ("recent:bob", "recent:bob"),
        ] {
            let mut login = Login::External {
                user: user.into(),
                authzid: Some(authzid.into()),
            };
            let asked = Asked::by(&mut login, &access(Some(DAY)));
            assert_eq!(asked, Asked::Recent(DAY));
            assert_eq!((login.user(), login.authzid()), ("bob", Some("bob")));
        }
    }
}
