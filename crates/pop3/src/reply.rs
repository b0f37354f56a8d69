//! Status lines; the only place that prints `-ERR`.

/// Why a command is refused; each has its response code and wording here and nowhere else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Wrong user name, password or digest, or the account may not log in: `[AUTH]` (RFC 3206 §4).
    Credentials,
    /// Another session holds the maildrop: `[IN-USE]` (RFC 2449 §8.1.2).
    InUse,
    /// May pass by itself: `[SYS/TEMP]` (RFC 3206 §4).
    Unavailable,
    /// Needs an operator: `[SYS/PERM]` (RFC 3206 §4).
    Damaged,
}
