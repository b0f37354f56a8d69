//! On which terms an account's mail is kept: how much of it, for how long, and what its owner's
//! sessions see and do.
//!
//! Plain values for whoever keeps mail; nothing here counts or deletes any. What an account does not
//! say for itself is none, and the configuration says it.

use std::num::{NonZeroU32, NonZeroU64};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// How much of something an account may have: octets, or messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Quota {
    /// No limit.
    #[default]
    Unlimited,
    /// So much, and no more.
    AtMost(NonZeroU64),
}

impl Quota {
    /// The limit, if there is one.
    pub fn limit(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(most) => Some(most.get()),
        }
    }
}

/// When mail is deleted that its owner leaves. What keeps it longer is greater.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Expire {
    /// At the end of the session that retrieved it.
    Retrieved,
    /// So many days after it came.
    Days(NonZeroU32),
    /// Never.
    #[default]
    Never,
}

/// What becomes of what a client deletes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Disposition {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays, and sessions do not see it any more.
    Hide,
    /// It stays as it is.
    Keep,
    /// Nothing can be deleted.
    ReadOnly,
}

impl Disposition {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Delete, Self::Hide, Self::Keep, Self::ReadOnly];

    /// The word for it, in the configuration and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Hide => "hide",
            Self::Keep => "keep",
            Self::ReadOnly => "read-only",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Whether a session can take a message away, so that mail can expire when it is retrieved.
    pub fn takes_away(self) -> bool {
        matches!(self, Self::Delete | Self::Hide)
    }
}

/// What an account says for itself; none: what the configuration says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// How many octets it may hold.
    pub octets: Option<Quota>,
    /// How many messages it may hold.
    pub messages: Option<Quota>,
    /// How long its mail is kept.
    pub expire: Option<Expire>,
    /// What becomes of what a client deletes.
    pub disposition: Option<Disposition>,
    /// How many messages a session sees, the newest.
    pub messages_shown: Option<Quota>,
}

/// For how long the mail of all accounts is kept, taken together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Expiries {
    /// Whether some account leaves it to the configuration.
    pub(super) default: bool,
    /// The least that an account says for itself.
    pub(super) least: Option<Expire>,
    /// The greatest.
    pub(super) greatest: Option<Expire>,
    /// Whether some account says for itself that no session takes anything away.
    pub(super) kept: bool,
}

impl Expiries {
    /// The least over all accounts, if the configuration says `default`. Without any account that is
    /// the default itself.
    pub fn least(self, default: Expire) -> Expire {
        let own = self.least.unwrap_or(default);
        match self.default {
            true => own.min(default),
            false => own,
        }
    }

    /// Whether accounts differ, if the configuration says `default`.
    pub fn differ(self, default: Expire) -> bool {
        let own = self.greatest.unwrap_or(default);
        let greatest = match self.default {
            true => own.max(default),
            false => own,
        };
        let least = self.least(default);
        // Where nothing is taken away, it is not at retrieval either.
        least != greatest || (self.kept && least == Expire::Retrieved)
    }
}

/// In the database, a limit that is none, and mail that is kept for ever.
pub(super) const NONE: i64 = -1;

impl ToSql for Quota {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number = match self {
            Self::Unlimited => NONE,
            // More than the column holds is no limit that anybody would meet.
            Self::AtMost(most) => i64::try_from(most.get()).unwrap_or(i64::MAX),
        };
        Ok(number.into())
    }
}

impl FromSql for Quota {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            NONE => Ok(Self::Unlimited),
            number => u64::try_from(number)
                .ok()
                .and_then(NonZeroU64::new)
                .map(Self::AtMost)
                .ok_or(FromSqlError::OutOfRange(number)),
        }
    }
}

impl ToSql for Expire {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number = match self {
            Self::Retrieved => 0,
            Self::Days(days) => i64::from(days.get()),
            Self::Never => NONE,
        };
        Ok(number.into())
    }
}

impl FromSql for Expire {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            NONE => Ok(Self::Never),
            0 => Ok(Self::Retrieved),
            number => u32::try_from(number)
                .ok()
                .and_then(NonZeroU32::new)
                .map(Self::Days)
                .ok_or(FromSqlError::OutOfRange(number)),
        }
    }
}

impl ToSql for Disposition {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for Disposition {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::named(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(number: u32) -> Expire {
        Expire::Days(NonZeroU32::new(number).unwrap())
    }

    #[test]
    fn what_all_accounts_come_to() {
        let all = |default, own: &[Expire]| Expiries {
            default,
            least: own.iter().min().copied(),
            greatest: own.iter().max().copied(),
            kept: false,
        };
        // (accounts that leave it to the configuration, others, what the configuration says)
        for (left, own, default, least, differ) in [
            (false, &[][..], days(30), days(30), false),
            (true, &[], days(30), days(30), false),
            (true, &[], Expire::Never, Expire::Never, false),
            (true, &[], Expire::Retrieved, Expire::Retrieved, false),
            (true, &[days(7)], days(30), days(7), true),
            (true, &[days(60)], days(30), days(30), true),
            (true, &[days(30)], days(30), days(30), false),
            (true, &[Expire::Never], days(30), days(30), true),
            (
                true,
                &[Expire::Retrieved],
                Expire::Never,
                Expire::Retrieved,
                true,
            ),
            // Nobody is left for whom the default counts.
            (false, &[days(60)], days(30), days(60), false),
            (false, &[days(60), Expire::Never], days(30), days(60), true),
        ] {
            let expiries = all(left, own);
            assert_eq!(expiries.least(default), least, "{own:?} {default:?}");
            assert_eq!(expiries.differ(default), differ, "{own:?} {default:?}");
            let kept = Expiries {
                kept: true,
                ..expiries
            };
            assert_eq!(kept.least(default), least, "{own:?} {default:?}");
            let differ = differ || least == Expire::Retrieved;
            assert_eq!(kept.differ(default), differ, "{own:?} {default:?}");
        }
    }
}
