//! How much mail an account may hold, for how long, and what its sessions see and do: asked for, and
//! shown.

use std::num::{NonZeroU32, NonZeroU64};

use auth::{Account, Change, Disposition, Expire, Quota};
use maildrop::Summary;
use serde_json::{Value, json};

use crate::args;
use crate::config::{self, Config, EXPIRE_DAYS_MAX, say_kept};
use crate::failure::{Code, Failure};
use crate::output::{count, octets};

/// What is asked for; the rest of the change is nothing.
///
/// # Errors
///
/// When a value is none; nothing has been done then.
pub(super) fn change(asked: &args::Terms) -> Result<Change, Failure> {
    let wrong = |option: &str, value: &str, remedy: &str| {
        Failure::new(Code::Usage, format!("--{option} cannot be {value:?}"))
            .remedy(format!("give {remedy}"))
    };
    let octets = |value: &str| {
        config::quota(value).map_err(|_| {
            let remedy = "a size such as \"500 MiB\", or none, or default";
            wrong("quota", value, remedy)
        })
    };
    let messages = |value: &str| match value {
        "none" => Ok(Quota::Unlimited),
        number => number
            .parse::<NonZeroU64>()
            .map(Quota::AtMost)
            .map_err(|_| wrong("quota-messages", value, "a number, or none, or default")),
    };
    let expire = |value: &str| match value {
        "never" => Ok(Expire::Never),
        "retrieved" => Ok(Expire::Retrieved),
        days => days
            .parse::<NonZeroU32>()
            .ok()
            .filter(|days| days.get() <= EXPIRE_DAYS_MAX)
            .map(Expire::Days)
            .ok_or_else(|| {
                let remedy = "a number of days, or never, or retrieved, or default";
                wrong("expire", value, remedy)
            }),
    };
    let disposition = |value: &str| {
        Disposition::named(value).ok_or_else(|| {
            let remedy = "delete, hide, keep, read-only, or default";
            wrong("disposition", value, remedy)
        })
    };
    let shown = |value: &str| match value {
        "all" => Ok(Quota::Unlimited),
        number => number
            .parse::<NonZeroU64>()
            .map(Quota::AtMost)
            .map_err(|_| wrong("messages-shown", value, "a number, or all, or default")),
    };
    Ok(Change {
        octets: own(asked.quota.as_deref(), octets)?,
        messages: own(asked.quota_messages.as_deref(), messages)?,
        expire: own(asked.expire.as_deref(), expire)?,
        disposition: own(asked.disposition.as_deref(), disposition)?,
        messages_shown: own(asked.messages_shown.as_deref(), shown)?,
        ..Change::default()
    })
}

/// Refuses a change after which mail would go when it is retrieved, and no session could take it away.
/// An account that is only read may be the exception among others whose mail goes so, but not say both
/// for itself.
///
/// # Errors
///
/// When the change says both, or says one and the account or the configuration the other.
pub(super) fn agree(
    config: &Config,
    account: Option<&Account>,
    change: &Change,
) -> Result<(), Failure> {
    let now = account.map(|account| account.terms).unwrap_or_default();
    let server = &config.server;
    let disposition = change.disposition.unwrap_or(now.disposition);
    let expire = change.expire.unwrap_or(now.expire);
    let goes = server.keeping.expire(expire) == Expire::Retrieved;
    let contrary = match server.access.disposition(disposition) {
        Disposition::Keep if goes => {
            "mail cannot be kept when it is deleted and go when it is retrieved"
        }
        Disposition::ReadOnly if expire == Some(Expire::Retrieved) => {
            "mail cannot go when it is retrieved where nothing can be deleted"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(Code::Usage, contrary)
        .remedy("add --expire never, or give --disposition hide"))
}

/// A value of the account's own, or none for the default.
fn own<T>(
    asked: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, Failure>,
) -> Result<Option<Option<T>>, Failure> {
    match asked {
        None => Ok(None),
        Some("default") => Ok(Some(None)),
        Some(value) => read(value).map(|value| Some(Some(value))),
    }
}

/// What an account may hold and holds, for people; a name and a value each.
pub(super) fn rows(
    config: &Config,
    account: &Account,
    held: Option<&Summary>,
) -> Vec<(&'static str, String)> {
    let keeping = &config.server.keeping;
    let quota = keeping.quota(account.terms);
    let of = |is_own: bool| if is_own { "" } else { " (default)" };
    let no_limit = || "no limit".to_owned();
    let access = &config.server.access;
    let disposition = access.disposition(account.terms.disposition);
    let expire = keeping.expire(account.terms.expire);
    let deletions = match disposition {
        Disposition::Delete => "delete mail",
        Disposition::Hide => "hide mail from later sessions",
        Disposition::Keep => "change nothing",
        Disposition::ReadOnly => "are refused",
    };
    let shown = access.messages_shown(account.terms.messages_shown).limit();
    let shown = shown.map_or_else(
        || "all messages".to_owned(),
        |most| format!("the newest {}", count(most, "message", "messages")),
    );
    let mut rows = vec![
        (
            "deletions",
            deletions.to_owned() + of(account.terms.disposition.is_some()),
        ),
        ("shows", shown + of(account.terms.messages_shown.is_some())),
        (
            "quota",
            quota.octets.map_or_else(no_limit, octets) + of(account.terms.octets.is_some()),
        ),
        (
            "messages",
            quota
                .messages
                .map_or_else(no_limit, |most| format!("at most {most}"))
                + of(account.terms.messages.is_some()),
        ),
        (
            "mail",
            match expire {
                // Its own disposition says so, whoever says the other.
                Expire::Retrieved if !disposition.takes_away() => say_kept(expire, disposition),
                _ => say_kept(expire, disposition) + of(account.terms.expire.is_some()),
            },
        ),
    ];
    if let Some(held) = held {
        let counted = Counted::of(config, held);
        let share =
            |held, most| percent(held, most).map_or_else(String::new, |n| format!(" ({n} %)"));
        let used = format!(
            "{}{}, {}{}",
            octets(counted.octets),
            share(counted.octets, quota.octets),
            count(counted.messages, "message", "messages"),
            share(counted.messages, quota.messages),
        );
        rows.push(("used", used));
        if held.hidden_messages > 0 {
            let hidden = count(held.hidden_messages, "message", "messages");
            rows.push(("hidden", format!("{hidden} of them")));
        }
        if held.grace_messages > 0 {
            let deleted = format!(
                "{}, {}, can be brought back",
                octets(held.grace_octets),
                count(held.grace_messages, "message", "messages"),
            );
            rows.push(("deleted", deleted));
        }
    }
    rows
}

/// What an account may hold, for programs: null is no limit, and mail that never expires.
pub(super) fn object(config: &Config, account: &Account) -> Value {
    let keeping = &config.server.keeping;
    let quota = keeping.quota(account.terms);
    let disposition = config.server.access.disposition(account.terms.disposition);
    json!({
        "quota_octets": quota.octets,
        "quota_messages": quota.messages,
        "expire_days": match keeping.expire(account.terms.expire) {
            Expire::Never => None,
            Expire::Retrieved if !disposition.takes_away() => None,
            Expire::Retrieved => Some(0),
            Expire::Days(days) => Some(days.get()),
        },
        "disposition": disposition.name(),
        "messages_shown": config.server.access.messages_shown(account.terms.messages_shown).limit(),
        "default": {
            "quota_octets": account.terms.octets.is_none(),
            "quota_messages": account.terms.messages.is_none(),
            "expire_days": account.terms.expire.is_none(),
            "disposition": account.terms.disposition.is_none(),
            "messages_shown": account.terms.messages_shown.is_none(),
        },
    })
}

/// What an account holds, for programs.
pub(super) fn used(config: &Config, account: &Account, held: &Summary) -> Value {
    let quota = config.server.keeping.quota(account.terms);
    let counted = Counted::of(config, held);
    json!({
        "octets": counted.octets,
        "messages": counted.messages,
        "octets_percent": percent(counted.octets, quota.octets),
        "messages_percent": percent(counted.messages, quota.messages),
        "hidden_messages": held.hidden_messages,
        "deleted_octets": held.grace_octets,
        "deleted_messages": held.grace_messages,
    })
}

/// What counts against the quota.
struct Counted {
    octets: u64,
    messages: u64,
}

impl Counted {
    fn of(config: &Config, held: &Summary) -> Self {
        let (octets, messages) = match config.store.grace_in_quota {
            true => (held.grace_octets, held.grace_messages),
            false => (0, 0),
        };
        Self {
            octets: held.octets.saturating_add(octets),
            messages: held.messages.saturating_add(messages),
        }
    }
}

/// Rounded down, so that only what is full is 100 %.
fn percent(held: u64, most: Option<u64>) -> Option<u64> {
    let share = u128::from(held) * 100 / u128::from(most?.max(1));
    u64::try_from(share).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        for (held, most, share) in [
            (0, Some(10), Some(0)),
            (999, Some(1000), Some(99)),
            (1000, Some(1000), Some(100)),
            // After a quota was lowered.
            (25, Some(10), Some(250)),
            (u64::MAX, Some(u64::MAX), Some(100)),
            (7, None, None),
        ] {
            assert_eq!(percent(held, most), share);
        }
    }
}
