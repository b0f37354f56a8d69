//! Who may open which maildrop.
//!
//! [`Accounts`] keeps the accounts of a single machine in `accounts.db`; [`Authenticator`] checks a
//! [`sasl::Login`] against them and returns an [`Identity`] or why it is [`Denied`]. Only this crate
//! makes an identity, so nobody opens a maildrop for a session without this check.
//!
//! ```
//! use auth::{Authenticator, Password, Peer, SCRAM_ITERATIONS, Settings};
//! use sasl::{Login, Secret};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! # let dir = tempfile::tempdir().unwrap();
//! let auth = Authenticator::open(Settings {
//!     data: dir.path().into(),
//!     scram: false,
//!     scram_iterations: SCRAM_ITERATIONS,
//!     scram_sha1: false,
//!     refusal_delay: std::time::Duration::from_secs(2),
//! })?;
//! auth.accounts().add("bob", &Password::Clear(Secret::new("redqueen")))?;
//! let login = Login::password("Bob", Secret::new("redqueen"));
//! let identity = auth.verify(login, Peer::Local).await.unwrap();
//! assert_eq!(identity.account(), "bob");
//! # Ok::<(), auth::AccountsError>(())
//! # }).unwrap();
//! ```

mod accounts;
mod address;
mod authenticator;
mod cache;
mod hash;
mod identity;
mod login_delay;
mod name;
mod place;
mod pool;
mod throttle;
mod token;

pub use accounts::{
    ALIAS_ACCOUNTS_MAX, Account, Accounts, AccountsError, Addressing, Alias, AliasCounts,
    AliasLineError, AliasProblem, AliasReport, Apop, BroughtBack, Change, Disposition, Erasing,
    Expire, Expiries, FieldProblem, ImportError, ImportFile, ImportLine, ImportProblem,
    ImportReport, Kept, Look, Missing, NAMES_MAX, Password, Quota, REMOVED_KEPT, Recipient,
    Remembered, Removed, SCRAM_ITERATIONS, State, Terms, parse_import,
};
pub use address::{AddressError, AliasAddress, domain_folded};
pub use authenticator::{Authenticator, Denied, Limits, Settings};
pub use cache::CREDENTIAL_AGE_MAX;
pub use hash::{
    ARGON2_KIB, ARGON2_KIB_MAX, ARGON2_KIB_PASSES_MAX, ARGON2_PASSES, BCRYPT_COST_MAX, HashError,
    PASSWORD_OCTETS_MAX, PBKDF2_ROUNDS_MAX, PasswordHash, SCRYPT_BLOCKS_MAX, SCRYPT_LANES_MAX,
    SCRYPT_WORK_MAX, SHA_CRYPT_ROUNDS_MAX, Scheme,
};
pub use identity::Identity;
pub use login_delay::{LoginDelay, TooSoon};
pub use name::{AccountName, NAME_OCTETS_MAX, NameError};
pub use place::{Network, NetworkError, Peer};
pub use throttle::REFUSAL_DELAY_MAX;
pub use token::{
    JWKS_OCTETS_MAX, JwksError, TOKEN_LEEWAY, TOKEN_OCTETS_MAX, TokenError, TokenIdentity,
    TokenSettings, TokenVerifier,
};
