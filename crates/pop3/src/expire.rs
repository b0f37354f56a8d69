//! How long mail is kept that nobody deletes: the argument of EXPIRE (RFC 2449 §6.7).
//!
//! ```
//! use pop3::Expire;
//!
//! let month = Expire::Days(30.try_into().unwrap());
//! assert_eq!(month.to_string(), "30");
//! // What keeps mail longer is greater, so the least is what may be promised to everybody.
//! assert_eq!([Expire::Never, month].into_iter().min(), Some(month));
//! ```

use std::fmt;
use std::num::NonZeroU32;

/// When a message is deleted that nobody has marked.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Expire {
    /// When a session that retrieved it ends with QUIT.
    Retrieved,
    /// Not before so many days.
    Days(NonZeroU32),
    /// Never.
    #[default]
    Never,
}

impl fmt::Display for Expire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retrieved => f.write_str("0"),
            Self::Days(days) => days.fmt(f),
            Self::Never => f.write_str("NEVER"),
        }
    }
}

/// What can be promised before the login, when nobody knows yet whose mail it will be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// The same for every account.
    All(Expire),
    /// The least, where accounts differ.
    Least(Expire),
    /// Whoever runs the session is asked when a client asks: most never do.
    OnRequest,
    /// The accounts cannot be asked: EXPIRE is left out, since none is better than a wrong one.
    Unknown,
}
