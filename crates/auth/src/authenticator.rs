//! Checks logins: throttle, account, place, cache, hash, in that order, every time.
//!
//! A refusal comes at an instant that is fixed when the login arrives, whatever was computed: an
//! unknown user, a wrong password, a disabled or expired account and a wrong place look alike and
//! take the same. One slow hash is computed for each of them, so that they also weigh the same on
//! the pool: when it is full, all are told to try again later.

mod scram;
mod token;
mod upgrade;

use std::borrow::Cow;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sasl::scram::Hash;
use sasl::{Login, Secret, apop, cram_md5};
use tokio::time::sleep_until;
use tracing::{error, info};
use zeroize::Zeroizing;

use crate::accounts::apop_key::ApopKey;
use crate::accounts::row::{Directory, Row};
use crate::accounts::{Accounts, AccountsError, Expiries};
use crate::cache::{Credential, Credentials};
use crate::hash::{self, PasswordHash};
use crate::identity::Identity;
use crate::login_delay::LoginDelays;
use crate::name::AccountName;
use crate::place::Peer;
use crate::pool::Pool;
use crate::throttle::{Attempt, Throttle};
use crate::token::TokenVerifier;

/// Why a login is refused.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Unknown user, wrong password, disabled or expired account, wrong place: all look alike.
    #[error("wrong user name or password, or the account may not log in")]
    Credentials,
    /// Too much work waits, or the accounts cannot be read: try again later. The text is for the log.
    #[error("logins cannot be checked now: {0}")]
    Unavailable(String),
}

/// Settings of the authenticator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `accounts.db` and its keys lie here.
    pub data: PathBuf,
    /// Whether SCRAM verifiers are stored.
    pub scram: bool,
    /// Iterations of a SCRAM verifier.
    pub scram_iterations: u32,
    /// Whether verifiers of SCRAM-SHA-1 are stored, too.
    pub scram_sha1: bool,
    /// A refused login is answered so long after it arrived, at least.
    pub refusal_delay: Duration,
}

/// What bounds the authenticator's work and memory. `Default` is for a server of usual size.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Hashes that are computed at once; each takes 19 MiB (65 at most, for imported ones) meanwhile.
    /// Default: the number of cores.
    pub hash_threads: NonZeroUsize,
    /// Logins that wait for a hash; one address holds a quarter of them at most. A quarter more may
    /// wait from addresses that logged in to the account within a day. Others are told to try again
    /// later. Default 512: some 6 s of two cores.
    pub hash_queue_max: usize,
    /// Better hashes and SCRAM verifiers that wait to be made. Default 256.
    pub upgrade_queue_max: usize,
    /// Verified credentials that are remembered, some 120 octets each. Default 250,000.
    pub credentials_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hash_threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            hash_queue_max: 512,
            upgrade_queue_max: 256,
            credentials_max: 250_000,
        }
    }
}

/// Checks logins. One for a process; all methods take `&self`.
pub struct Authenticator {
    shared: Arc<Shared>,
    pool: Pool,
    throttle: Throttle,
    pub(crate) login_delays: LoginDelays,
    /// What imaginary SCRAM verifiers follow from.
    scram_secret: Zeroizing<Vec<u8>>,
    /// None: no token is right.
    tokens: Option<Arc<TokenVerifier>>,
}

/// What work on other threads needs, too.
struct Shared {
    accounts: Accounts,
    directory: Directory,
    credentials: Credentials,
    /// Accounts whose upgrade waits or runs.
    upgrading: Mutex<HashSet<i64>>,
}

/// What came of a login.
enum Verdict {
    Right(Arc<Row>, Proof),
    Wrong(Refused),
}

/// How a right login was found right.
enum Proof {
    /// Its credential was verified a short time ago.
    Cached,
    /// The password's hash was computed.
    Hash(Credential, Secret),
    /// What was shown is good once: there is nothing to remember and nothing to hash.
    Exchange,
}

/// Why, for the log, and what the throttle may know of it.
struct Refused {
    why: Cow<'static, str>,
    /// Only the name of an account that exists is logged: people type passwords as names.
    row: Option<Arc<Row>>,
    fingerprint: Option<u32>,
}

impl Authenticator {
    /// Opens the accounts and starts the hashing pool.
    ///
    /// # Errors
    ///
    /// When the accounts cannot be opened, or threads cannot be started.
    pub fn open(settings: Settings) -> Result<Self, AccountsError> {
        Self::with_limits(settings, &Limits::default())
    }

    /// The same, with limits of one's own.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn with_limits(settings: Settings, limits: &Limits) -> Result<Self, AccountsError> {
        let iterations = settings.scram.then_some(settings.scram_iterations);
        let accounts = Accounts::open(&settings.data)?.scram(iterations)?;
        let accounts = match settings.scram_sha1 {
            true => accounts.with_scram_sha1(),
            false => accounts,
        };
        let system = |source| AccountsError::Io {
            path: settings.data.clone(),
            source,
        };
        Ok(Self {
            throttle: Throttle::new(settings.refusal_delay),
            login_delays: LoginDelays::default(),
            scram_secret: accounts.scram_secret()?,
            tokens: None,
            pool: Pool::new(
                limits.hash_threads,
                limits.hash_queue_max,
                limits.upgrade_queue_max,
            )
            .map_err(system)?,
            shared: Arc::new(Shared {
                directory: Directory::open(accounts.data())?,
                credentials: Credentials::new(limits.credentials_max).map_err(system)?,
                upgrading: Mutex::default(),
                accounts,
            }),
        })
    }

    /// The accounts. Their methods block.
    pub fn accounts(&self) -> &Accounts {
        &self.shared.accounts
    }

    /// For how long the mail of all accounts is kept, as fresh as the last commit. It costs no query
    /// while nothing has changed.
    ///
    /// # Errors
    ///
    /// [`Denied::Unavailable`] when the accounts cannot be read.
    pub async fn expiries(&self) -> Result<Expiries, Denied> {
        if let Some(expiries) = self.shared.directory.expiries_in_memory() {
            return Ok(expiries);
        }
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.directory.read_expiries())
            .await?
            .map_err(|why| Denied::Unavailable(why.to_string()))
    }

    /// Checks a login. A refusal comes at a fixed instant after the call: 2 s by default, more for an
    /// address or an account that has failed before. That it cannot be checked now is told no sooner
    /// than the first refusal. Dropping the future gives up its place in the queue.
    ///
    /// # Errors
    ///
    /// See [`Denied`].
    pub async fn verify(&self, login: Login, peer: Peer) -> Result<Identity, Denied> {
        let attempt = self.throttle.arrive(&claimed(&login), peer);
        let verdict = match self.check(login, peer, &attempt).await {
            Ok(verdict) => verdict,
            Err(unavailable) => {
                sleep_until(self.throttle.unavailable_instant(&attempt)).await;
                return Err(unavailable);
            }
        };
        match verdict {
            Verdict::Right(row, proof) => {
                let cached = matches!(proof, Proof::Cached);
                if let Some(instant) = self.throttle.success_instant(&attempt, cached) {
                    sleep_until(instant).await;
                }
                // Remembered only now: who does not wait for the answer must not find, at a second
                // try, that it comes at once.
                self.throttle.succeeded(&attempt);
                if let Proof::Hash(credential, secret) = proof {
                    self.shared.credentials.insert(credential);
                    self.upgrade(&row, secret);
                }
                Ok(Identity::new(&row))
            }
            Verdict::Wrong(refused) => {
                // Counted before the wait, so that logins side by side do not all get the first delay.
                let instant = self.throttle.refusal_instant(&attempt);
                self.throttle.failed(&attempt, refused.fingerprint);
                let account = refused.row.as_ref().map(|row| row.name.as_str());
                info!(account, %peer, why = &*refused.why, "login refused");
                sleep_until(instant).await;
                Err(Denied::Credentials)
            }
        }
    }

    async fn check(&self, login: Login, peer: Peer, attempt: &Attempt) -> Result<Verdict, Denied> {
        let row = self.row(login.user()).await?;
        let obstacle = match &row {
            Some(row) => row.obstacle(peer),
            None => Some("no such account"),
        };
        // Who may act for whom: everybody for himself, and nobody else.
        let for_another = login
            .authzid()
            .filter(|authzid| !is_same(authzid, login.user()))
            .map(|_| "acts for somebody else");
        let obstacle = obstacle.or(for_another);
        match login {
            Login::Password { user, secret, .. } => {
                let fingerprint = Some(self.shared.credentials.fingerprint(&user, &secret));
                self.check_password(row, obstacle, secret, attempt, fingerprint)
                    .await
            }
            Login::Apop {
                timestamp, digest, ..
            } => {
                let proves = |secret: &Secret| apop::proves(&digest, &timestamp, secret);
                self.check_digest(row, obstacle, proves).await
            }
            Login::CramMd5 {
                challenge, digest, ..
            } => {
                let proves = |secret: &Secret| cram_md5::proves(&digest, &challenge, secret);
                self.check_digest(row, obstacle, proves).await
            }
            Login::Proved { verifier, .. } => Ok(Self::check_proved(row, obstacle, &verifier)),
            Login::Disproved { .. } => Ok(Verdict::Wrong(Refused {
                why: obstacle.unwrap_or("wrong SCRAM proof").into(),
                row,
                // A proof is new with each exchange.
                fingerprint: None,
            })),
            // TLS has checked the certificate, and the server has found whose it is.
            Login::External { .. } => Ok(match (row, obstacle) {
                (Some(row), None) => Verdict::Right(row, Proof::Exchange),
                (row, obstacle) => Verdict::Wrong(Refused {
                    why: obstacle.unwrap_or("no such account").into(),
                    row,
                    fingerprint: None,
                }),
            }),
            Login::Token { user, token, .. } => {
                self.check_token(token::Shown { user, token }, peer).await
            }
        }
    }

    async fn check_password(
        &self,
        row: Option<Arc<Row>>,
        obstacle: Option<&'static str>,
        secret: Secret,
        attempt: &Attempt,
        fingerprint: Option<u32>,
    ) -> Result<Verdict, Denied> {
        let shared = &self.shared;
        let account = match (&row, obstacle) {
            (Some(row), None) => Some(Arc::clone(row)),
            _ => None,
        };
        let credential = account.as_ref().map(|row| {
            let stored = row.password.as_ref().map_or("", PasswordHash::text);
            let credentials = &shared.credentials;
            credentials.credential(row.id, row.version, stored, &secret)
        });
        if let (Some(row), Some(credential)) = (&account, &credential)
            && shared.credentials.contains(credential)
        {
            return Ok(Verdict::Right(Arc::clone(row), Proof::Cached));
        }
        let (checked, password) = (account.clone(), secret.clone());
        let right = self
            .pool
            .run(attempt.asker, attempt.standing, move || {
                match checked.as_ref().and_then(|row| row.password.as_ref()) {
                    Some(hash) => hash.verify(&password),
                    None => {
                        hash::spend(&password);
                        false
                    }
                }
            })
            .await
            .map_err(|why| Denied::Unavailable(why.to_string()))?;
        match (account, credential) {
            (Some(row), Some(credential)) if right => {
                Ok(Verdict::Right(row, Proof::Hash(credential, secret)))
            }
            _ => Ok(Verdict::Wrong(Refused {
                why: obstacle.unwrap_or("wrong password").into(),
                row,
                fingerprint,
            })),
        }
    }

    /// APOP and CRAM-MD5, whose digests are of the same secret.
    async fn check_digest(
        &self,
        row: Option<Arc<Row>>,
        obstacle: Option<&'static str>,
        proves: impl FnOnce(&Secret) -> bool,
    ) -> Result<Verdict, Denied> {
        let wrong = |why: &'static str, row| {
            Ok(Verdict::Wrong(Refused {
                why: why.into(),
                row,
                // A digest is new with each greeting, so one stale client cannot be told from a guesser.
                fingerprint: None,
            }))
        };
        let (Some(account), None) = (&row, obstacle) else {
            return wrong(obstacle.unwrap_or_default(), row);
        };
        if account.apop.is_none() {
            return wrong("account has no APOP secret", row);
        }
        let shared = Arc::clone(&self.shared);
        let owner = Arc::clone(account);
        let secret = blocking(move || shared.apop_secret(&owner)).await?;
        match secret {
            Ok(secret) if proves(&secret) => {
                Ok(Verdict::Right(Arc::clone(account), Proof::Exchange))
            }
            Ok(_) => wrong("wrong digest", row),
            // An operator must see to it; to the client it looks like any refusal, since only an
            // account that exists can get here.
            Err(why) => {
                error!(account = %account.name, %why, "APOP secret cannot be read");
                wrong("APOP secret cannot be read", row)
            }
        }
    }

    /// The account's row, as fresh as the last commit. A text that is no name is nobody's.
    async fn row(&self, user: &str) -> Result<Option<Arc<Row>>, Denied> {
        let Ok(name) = AccountName::parse(user) else {
            return Ok(None);
        };
        if let Some(row) = self.shared.directory.in_memory(&name) {
            return Ok(Some(row));
        }
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.directory.read(&name))
            .await?
            .map_err(|why| {
                error!(%why, "accounts cannot be read");
                Denied::Unavailable(why.to_string())
            })
    }
}

impl Shared {
    fn apop_secret(&self, row: &Row) -> Result<Secret, AccountsError> {
        let stored = row.apop.as_deref().unwrap_or_default();
        ApopKey::read(self.accounts.data())?
            .and_then(|key| key.decrypt(row.id, stored))
            .ok_or_else(|| AccountsError::ApopSecret(row.name.to_string()))
    }
}

/// Whose failures a login's would be. A token without a name is its own: what strangers try must
/// not slow down everybody whose program gives no name.
fn claimed(login: &Login) -> Cow<'_, str> {
    match login {
        Login::Token {
            user: None, token, ..
        } => {
            let digest = Hash::Sha256.digest(token.expose());
            Cow::Owned(sasl::base64::encode(digest.expose()))
        }
        _ => Cow::Borrowed(login.user()),
    }
}

/// Whether two texts name the same account.
fn is_same(one: &str, other: &str) -> bool {
    match (AccountName::parse(one), AccountName::parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// What may wait for the disk does so on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Denied> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|why| Denied::Unavailable(why.to_string()))
}

#[cfg(test)]
mod tests;
