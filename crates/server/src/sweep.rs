//! The sweep: deletes mail that has expired, and the maildrops of accounts that were removed long
//! ago, gives space back, and fills up what was set aside.
//!
//! It goes through the accounts one by one, asks for each anew on which terms its mail is kept, and
//! works a twentieth of the time at most, so that a million maildrops cost nobody anything. It ends
//! at once when the server drains, between two maildrops. Nothing is deleted while the accounts
//! cannot be read, or while the clock is not to be believed ([`crate::trust`]).

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use auth::{AccountsError, Erasing, Expire, Kept};
use maildrop::MaildropId;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use crate::connection::draining;
use crate::control::Phase;
use crate::keeping::Keeping;
use crate::server::{Live, Server};
use crate::trust::{Reading, Trust};

/// Sweeps again and again, until the server drains. `alive` is held until the last maildrop is done.
pub(crate) async fn keep_swept(
    server: Arc<Server>,
    mut live: watch::Receiver<Arc<Live>>,
    phase: watch::Receiver<Phase>,
    alive: mpsc::Sender<()>,
) {
    let interval = live.borrow_and_update().config.keeping.sweep_interval;
    let mut due = Instant::now() + somewhere_in(interval.min(FIRST_WITHIN));
    let mut trust = None;
    refill_reserve(&server).await;
    loop {
        tokio::select! {
            () = draining(&phase) => break,
            Ok(()) = live.changed() => {
                let interval = live.borrow_and_update().config.keeping.sweep_interval;
                due = due.min(Instant::now() + interval);
                continue;
            }
            () = sleep_until(due) => {}
        }
        let keeping = live.borrow().config.keeping;
        sweep(&server, keeping, &mut trust, &phase).await;
        due = Instant::now() + keeping.sweep_interval;
    }
    drop(alive);
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    maildrops: u64,
    messages: u64,
    octets: u64,
    purged: u64,
    failed: u64,
}

/// One sweep, from the first account to the last.
async fn sweep(
    server: &Arc<Server>,
    keeping: Keeping,
    trust: &mut Option<Trust>,
    phase: &watch::Receiver<Phase>,
) {
    let reading = Reading::now();
    let shared = Arc::clone(server);
    let known = trust.take();
    let looked = blocking(move || look(&shared, known, reading)).await;
    let mut to_come = None;
    match looked {
        Some(Ok((known, believed))) => {
            *trust = Some(known);
            to_come = believed.then(|| Pass {
                server: Arc::clone(server),
                keeping,
                now: reading.wall,
                phase: phase.clone(),
                behind: 0,
                done: Done::default(),
            });
        }
        Some(Err(why)) => error!(%why, "accounts cannot be read: no mail is expired"),
        None => {}
    }
    while let Some(mut pass) = to_come.take() {
        let begun = Instant::now();
        let Some((passed, on)) = blocking(move || {
            let on = pass.some();
            (pass, on)
        })
        .await
        else {
            return;
        };
        match on {
            On::Later => {
                tokio::select! {
                    () = sleep(begun.elapsed() * REST) => {}
                    () = draining(phase) => return,
                }
                to_come = Some(passed);
            }
            On::Never => passed.tell(),
        }
    }
    refill_reserve(server).await;
}

/// Sets aside what is missing for the day when the disk is full.
async fn refill_reserve(server: &Arc<Server>) {
    let maildrops = server.maildrops.clone();
    if let Some(Err(cause)) = blocking(move || maildrops.refill_reserve()).await {
        warn!(%cause, "what is set aside for a full disk cannot be filled up");
    }
}

/// Whether the clock is believed; then that is noted for the time after a restart.
fn look(
    server: &Server,
    trust: Option<Trust>,
    reading: Reading,
) -> Result<(Trust, bool), AccountsError> {
    let accounts = server.auth.accounts();
    let mut trust = match trust {
        Some(trust) => trust,
        None => Trust::new(reading, accounts.swept()?),
    };
    match trust.look(reading) {
        Ok(()) => {
            // On a full disk it is the more important that mail expires.
            if let Err(why) = accounts.set_swept(reading.wall) {
                warn!(%why, "the time of the sweep is not noted");
            }
            Ok((trust, true))
        }
        Err(jumped) => {
            error!(
                days_forward = jumped.forward.as_secs() / DAY.as_secs(),
                hours_to_wait = jumped.wait.as_secs().div_ceil(3600),
                "the clock has jumped forward: no mail is expired, and no removed account's deleted, \
                 before it has gone evenly for a day; if it is wrong, set it right"
            );
            Ok((trust, false))
        }
    }
}

/// A sweep under way.
struct Pass {
    server: Arc<Server>,
    keeping: Keeping,
    now: SystemTime,
    phase: watch::Receiver<Phase>,
    /// The last account that is done.
    behind: i64,
    done: Done,
}

/// Whether a sweep goes on.
enum On {
    Later,
    Never,
}

impl Pass {
    /// Does some of the accounts. Blocks, for not much longer than one of them takes.
    fn some(&mut self) -> On {
        let begun = Instant::now();
        loop {
            if *self.phase.borrow() != Phase::Serving {
                return On::Never;
            }
            // One by one: what an operator has just changed counts.
            let kept = match self.server.auth.accounts().kept(self.behind, 1) {
                Ok(mut kept) => kept.pop(),
                Err(why) => {
                    error!(%why, "accounts cannot be read: the sweep ends");
                    return On::Never;
                }
            };
            let Some(kept) = kept else {
                return On::Never;
            };
            self.behind = kept.id;
            self.one(&kept);
            if begun.elapsed() >= AT_A_TIME {
                return On::Later;
            }
        }
    }

    fn one(&mut self, kept: &Kept) {
        match kept.purge_due {
            Some(due) if due <= self.now => self.purge(kept),
            Some(_) => {}
            None => self.keep(kept),
        }
    }

    /// Deletes the maildrop of an account that was removed, then the last that is known of it. First of
    /// all the account is claimed, so that nobody gives it back meanwhile: if the sweep ends before the
    /// last step, the next one finds the claim and does the rest.
    fn purge(&mut self, kept: &Kept) {
        let id = MaildropId(kept.maildrop);
        let erasing = match self.claim(kept) {
            Ok(Some(erasing)) => erasing,
            // It was given back since it was read.
            Ok(None) => return,
            Err(why) => return self.not_forgotten(kept, &why),
        };
        if let Err(cause) = self.server.maildrops.erase(id) {
            return self.failed(kept, &cause);
        }
        match self.server.auth.accounts().purge(erasing) {
            Ok(()) => {
                let what = match self.server.maildrops.is_in_place() {
                    true => "the account was removed: its mail stays where it is",
                    false => "the account was removed: its maildrop is deleted",
                };
                info!(account = kept.account, maildrop = %id, "{what}");
                self.done.purged += 1;
            }
            Err(why) => self.not_forgotten(kept, &why),
        }
    }

    fn claim(&self, kept: &Kept) -> Result<Option<Erasing>, AccountsError> {
        let claim = || {
            let accounts = self.server.auth.accounts();
            accounts.claim(kept.maildrop, Some(self.now))
        };
        let spend = |purpose| self.server.maildrops.spend_reserve(purpose);
        match claim() {
            // On a full disk this is what makes room, and it needs a little to begin with.
            Err(full) if full.is_full() && spend("a removed account").unwrap_or(false) => claim(),
            other => other,
        }
    }

    fn not_forgotten(&mut self, kept: &Kept, why: &AccountsError) {
        self.done.failed += 1;
        let id = MaildropId(kept.maildrop);
        error!(account = kept.account, maildrop = %id, %why, "a removed account is not forgotten");
    }

    fn keep(&mut self, kept: &Kept) {
        let expire = self.keeping.expire(kept.expire);
        let days = match expire {
            Expire::Days(days) => Some(DAY * days.get()),
            Expire::Retrieved | Expire::Never => None,
        };
        if days.is_none() && self.keeping.grace.is_zero() {
            // Nothing of it can be due, so its file is not even looked at.
            return;
        }
        let id = MaildropId(kept.maildrop);
        let maildrops = &self.server.maildrops;
        self.done.maildrops += 1;
        if let Some(days) = days {
            match maildrops.expire(id, before_us(self.now, days)) {
                Ok(expired) if expired.messages > 0 => {
                    info!(
                        account = kept.account,
                        maildrop = %id,
                        messages = expired.messages,
                        octets = expired.octets,
                        "mail has expired and is deleted"
                    );
                    self.done.messages += expired.messages;
                    self.done.octets += expired.octets;
                }
                Ok(_) => {}
                Err(cause) => return self.failed(kept, &cause),
            }
        }
        if let Err(cause) = maildrops.tidy(id) {
            self.failed(kept, &cause);
        }
    }

    fn failed(&mut self, kept: &Kept, cause: &std::io::Error) {
        self.done.failed += 1;
        warn!(account = kept.account, maildrop = %MaildropId(kept.maildrop), %cause, "maildrop not swept");
    }

    fn tell(&self) {
        let Done {
            maildrops,
            messages,
            octets,
            purged,
            failed,
        } = self.done;
        info!(maildrops, messages, octets, failed, purged, "sweep ended");
    }
}

/// What was put into a maildrop before this has been there for so long, in µs since 1970.
fn before_us(now: SystemTime, kept: Duration) -> i64 {
    let before = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .saturating_sub(kept);
    i64::try_from(before.as_micros()).unwrap_or(i64::MAX)
}

/// A moment of this time that is another one for each process, so that servers that start together
/// do not sweep together.
fn somewhere_in(time: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    time.mul_f64((random >> 32) as f64 / f64::from(u32::MAX))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work)
        .await
        .inspect_err(|fault| error!(%fault, "a fault in this program ended the sweep"))
        .ok()
}

const DAY: Duration = Duration::from_secs(86_400);

/// The first sweep begins within this time of the start.
const FIRST_WITHIN: Duration = Duration::from_secs(600);

/// A thread that may block is used for so long at a time, and for one maildrop at least.
const AT_A_TIME: Duration = Duration::from_millis(10);

/// Then the sweep rests for so many times as long: less than 5 % of a core, however much there is.
const REST: u32 = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_before_now() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_422_279);
        assert_eq!(before_us(now, DAY * 30), 1_792_830_279_000_000);
        assert_eq!(before_us(now, DAY * u32::MAX), 0);
        assert_eq!(before_us(UNIX_EPOCH - DAY, DAY), 0);
    }

    #[test]
    fn starts_are_spread() {
        let moments: Vec<_> = (0..100).map(|_| somewhere_in(FIRST_WITHIN)).collect();
        assert!(moments.iter().all(|moment| *moment <= FIRST_WITHIN));
        let early = moments.iter().filter(|m| **m < FIRST_WITHIN / 2).count();
        assert!((10..90).contains(&early), "{early}");
    }
}
