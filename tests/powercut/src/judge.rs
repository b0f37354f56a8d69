//! What a power cut left is mounted, read by the real store, and held against the history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use auth::Accounts;
use fastrand::Rng;
use maildrop::{MaildropId, Maildrops, NativeSettings};

use crate::files::Which;
use crate::history::History;
use crate::loss::{Cut, Left, Loss};
use crate::steer::Steer;
use crate::store::{
    Broken, Found, Listings, Stored, causes, deliver, found, marked, open, recognised, texts, whole,
};
use crate::volume::{Kind, Volume};
use crate::workload::{NAMES, UNSYNCED, UNSYNCED_TEXT};

/// Where things are for the one who judges.
pub(crate) struct Judge<'a> {
    /// The disks.
    pub(crate) steer: &'a Steer,
    /// What lies on them.
    pub(crate) kind: Kind,
    /// The crashed disk as a file.
    pub(crate) disk: PathBuf,
    /// Where it is mounted.
    pub(crate) directory: PathBuf,
    /// The data directory below that.
    pub(crate) data: PathBuf,
}

/// What came of one image.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// What is broken; none: every promise is kept.
    pub(crate) broken: Option<String>,
    /// Promises that were held against it.
    pub(crate) promises: usize,
    /// Whether the file that nobody synced is lost or not whole.
    pub(crate) unsynced_lost: bool,
    /// What was lost on the disk.
    pub(crate) left: Left,
    /// The second cut, during the recovery from the first.
    pub(crate) again: Option<Cut>,
}

/// Of how many images one is cut a second time, while it recovers from the first cut.
const AGAIN_EVERY: u8 = 4;

impl Judge<'_> {
    /// Cuts, recovers and judges.
    ///
    /// # Errors
    ///
    /// When the rig itself fails.
    pub(crate) fn judge(&self, history: &History, seed: u64, cut: Cut) -> io::Result<Verdict> {
        let mut dice = Rng::with_seed(cut.seed);
        let mut verdict = Verdict {
            left: self.steer.cut(Which::Live, cut)?,
            ..Verdict::default()
        };
        let mut recovered = None;
        if dice.u8(..AGAIN_EVERY) == 0 && !matches!(cut.loss, Loss::Lie(_)) {
            match self.recovered(seed)? {
                Err(broken) => {
                    verdict.broken = Some(broken.to_string());
                    return Ok(verdict);
                }
                Ok((listings, position)) => {
                    let again = Cut {
                        position: match dice.bool() {
                            true => position,
                            false => dice.usize(..=position),
                        },
                        loss: Loss::honest(&mut dice),
                        seed: dice.u64(..),
                    };
                    self.steer.cut(Which::Crashed, again)?;
                    verdict.again = Some(again);
                    // What was listed before the second cut is promised, too.
                    recovered = (again.position == position).then_some(listings);
                }
            }
        }
        let volume = match Volume::mount(self.kind, &self.disk, &self.directory) {
            Ok(volume) => volume,
            Err(error) => {
                verdict.broken = Some(format!("the file system cannot be mounted: {error}"));
                return Ok(verdict);
            }
        };
        let unsynced = fs::read(volume.path().join(UNSYNCED)).unwrap_or_default();
        verdict.unsynced_lost = unsynced != UNSYNCED_TEXT;
        let lives_on = NAMES[dice.usize(..NAMES.len())];
        let judged = self.judge_mounted(history, seed, cut.position, recovered.as_ref(), lives_on);
        match judged {
            Ok(promises) => verdict.promises = promises,
            Err(broken) => verdict.broken = Some(broken.to_string()),
        }
        volume.unmount()?;
        Ok(verdict)
    }

    /// Mounts, lets the store recover every maildrop, and stops there: what was listed, and the
    /// position of the disk at that moment.
    fn recovered(&self, seed: u64) -> io::Result<Result<(Listings, usize), Broken>> {
        let volume = match Volume::mount(self.kind, &self.disk, &self.directory) {
            Ok(volume) => volume,
            Err(error) => return Ok(Err(error.into())),
        };
        let listings = self.listings(seed);
        let position = self.steer.position(Which::Crashed)?;
        volume.unmount()?;
        Ok(listings.map(|listings| (listings, position)))
    }

    fn listings(&self, seed: u64) -> Result<Listings, Broken> {
        let ids = self.ids()?;
        let maildrops = self.maildrops()?;
        ids.into_iter()
            .map(|(name, id)| {
                let found = found(&maildrops, id, seed)
                    .map_err(|what| format!("{name}: {}", causes(&*what)))?;
                Ok((name, found))
            })
            .collect()
    }

    /// The accounts' maildrops.
    fn ids(&self) -> Result<BTreeMap<String, MaildropId>, Broken> {
        let accounts = Accounts::open(&self.data).and_then(|accounts| accounts.list());
        let accounts = accounts.map_err(|error| format!("accounts: {}", causes(&error)))?;
        Ok(accounts
            .into_iter()
            .map(|account| (account.name, MaildropId(account.maildrop)))
            .collect())
    }

    fn maildrops(&self) -> io::Result<Maildrops> {
        Maildrops::native(&self.data, &NativeSettings::default())
    }

    fn judge_mounted(
        &self,
        history: &History,
        seed: u64,
        cut: usize,
        recovered: Option<&Listings>,
        lives_on: &str,
    ) -> Result<usize, Broken> {
        let ids = self.ids()?;
        let mut promises = 0;
        for name in history.accounts(cut) {
            if !ids.contains_key(name) {
                return Err(format!("the account {name} is lost").into());
            }
            promises += 1;
        }
        let maildrops = self.maildrops()?;
        let ours: BTreeSet<MaildropId> = ids.values().copied().collect();
        if let Some(foreign) = maildrops.ids()?.into_iter().find(|id| !ours.contains(id)) {
            return Err(format!("a maildrop {foreign} that is nobody's").into());
        }
        for (name, id) in &ids {
            let about = |what: Broken| format!("{name}: {}", causes(&*what));
            let found = found(&maildrops, *id, seed).map_err(about)?;
            if let Some(before) = recovered.and_then(|listings| listings.get(name))
                && *before != found
            {
                return Err(format!("{name}: {before:?} was listed, then {found:?}").into());
            }
            let Some(past) = history.maildrop(name) else {
                match found.listing.is_empty() {
                    true => continue,
                    false => return Err(format!("{name}: mail that was never delivered").into()),
                }
            };
            promises += past.promises(cut);
            past.judge(cut, &found.listing, &found.hidden)
                .map_err(|what| about(what.into()))?;
            whole(&maildrops, *id).map_err(about)?;
            let mut fresh = vec![self.takes_mail(name, *id, seed, &found).map_err(about)?];
            if name == lives_on {
                fresh.push(self.lives_on(name, *id).map_err(about)?);
            }
            if fresh.first() == fresh.get(1) {
                return Err(format!("{name}: {fresh:?} are two messages").into());
            }
            if let Some(old) = fresh.iter().find(|id| past.was_shown(id, cut)) {
                return Err(format!("{name}: a new message gets the old {old}").into());
            }
        }
        Ok(promises)
    }

    /// One more delivery, and what was there before it must be as it was. Returns the new
    /// unique-id.
    fn takes_mail(
        &self,
        name: &str,
        id: MaildropId,
        seed: u64,
        found: &Found,
    ) -> Result<String, Broken> {
        let fresh = deliver(&self.maildrops()?, name, id)?;
        let texts = texts(&open(&self.maildrops()?, id)?)?;
        let (probe, before) = texts.split_last().ok_or("the new message is lost")?;
        if *probe != Stored::probe(&fresh) {
            return Err("the new message is another one".into());
        }
        if recognised(before, seed)? != *found {
            return Err("a delivery after the power cut has changed what was there".into());
        }
        match found.listing.iter().any(|(old, _)| *old == fresh) {
            true => Err(format!("{fresh} is used twice").into()),
            false => Ok(fresh),
        }
    }

    /// The rest of a maildrop's life: half of it is deleted and its file rewritten, then all of it
    /// and the file replaced, and mail comes again. Returns the last unique-id.
    fn lives_on(&self, name: &str, id: MaildropId) -> Result<String, Broken> {
        let maildrops = self.maildrops()?;
        let session = open(&maildrops, id)?;
        let mut expected = texts(&session)?;
        let half = marked(expected.len(), 2);
        session.commit(&half)?;
        maildrops.compact(id)?;
        let mut index = 0;
        expected.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        // Another process, which has to read the new file.
        let maildrops = self.maildrops()?;
        let session = open(&maildrops, id)?;
        if texts(&session)? != expected {
            return Err("a rewritten maildrop is another one".into());
        }
        session.commit(&marked(expected.len(), 1))?;
        maildrops.tidy(id)?;
        let last = deliver(&maildrops, name, id)?;
        let maildrops = self.maildrops()?;
        let left = texts(&open(&maildrops, id)?)?;
        if left != [Stored::probe(&last)] {
            return Err(format!("{} messages where one must be", left.len()).into());
        }
        whole(&maildrops, id)?;
        Ok(last)
    }
}

/// The data directory on a volume.
pub(crate) fn data(volume: &Path) -> PathBuf {
    volume.join("data")
}
