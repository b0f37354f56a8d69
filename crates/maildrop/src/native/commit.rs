//! One record that deletes, or brings back, any number of messages.

use std::io;

use super::Store;
use super::append::{Appending, Purpose};
use super::bytes::tlv;
use super::header::ACCOUNT_MAX;
use super::media::Disk;
use super::now_us;
use super::record::{Counters, Kind, Ranges, Record, encode_ranges, ext};
use crate::id::MaildropId;

impl<D: Disk> Store<D> {
    /// Notes the account's new name in a maildrop's file, so that a lost account database can be
    /// rebuilt.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn rename(&self, drop: MaildropId, account: &str) -> io::Result<()> {
        let shared = self.table.entry(drop);
        let Some(mut appending) = self.append_if_there(drop, &shared, Purpose::Write)? else {
            // The first delivery will write it.
            return Ok(());
        };
        let mut tlvs = Vec::new();
        if account.len() <= ACCOUNT_MAX {
            tlv(ext::ACCOUNT, account.as_bytes(), &mut tlvs);
        }
        let number = appending.known().index.commits.saturating_add(1);
        let record = Record::other(Kind::Note, number, now_us(), &[]);
        appending.append(record, tlvs, &[])
    }
}

impl<D: Disk> Appending<'_, D> {
    /// Deletes messages durably, all or nothing. `uids` ascend; some may be gone already.
    pub(crate) fn delete(&mut self, uids: impl Iterator<Item = u64> + Clone) -> io::Result<()> {
        let index = &self.known().index;
        let mut dying = uids.clone().peekable();
        let (mut live, mut octets) = (index.live, index.octets);
        for entry in index.alive() {
            while dying.next_if(|&uid| uid < entry.uid).is_some() {}
            if dying.next_if_eq(&entry.uid).is_some() {
                live -= 1;
                octets -= u64::from(entry.octets);
            }
        }
        let ranges = ranges(uids, index.alive().map(|entry| entry.uid));
        self.commit(Kind::Delete, live, octets, &ranges)?;
        self.known().index.pack();
        Ok(())
    }

    /// Brings messages back durably, all or nothing. `uids` ascend and are those of graves, of
    /// which the caller has made sure that they are whole.
    pub(crate) fn undelete(&mut self, uids: &[u64]) -> io::Result<()> {
        let index = &self.known().index;
        let (mut live, mut octets) = (index.live, index.octets);
        for grave in &index.graves {
            if uids.binary_search(&grave.entry.uid).is_ok() {
                live += 1;
                octets += u64::from(grave.entry.octets);
            }
        }
        let mut others: Vec<u64> = index
            .graves
            .iter()
            .map(|grave| grave.entry.uid)
            .filter(|uid| uids.binary_search(uid).is_err())
            .collect();
        others.sort_unstable();
        let ranges = ranges(uids.iter().copied(), others.into_iter());
        self.commit(Kind::Undelete, live, octets, &ranges)
    }

    fn commit(
        &mut self,
        kind: Kind,
        live: u64,
        octets: u64,
        ranges: &[(u64, u64)],
    ) -> io::Result<()> {
        let index = &self.known().index;
        let counters = Counters {
            next_uid: index.next_uid,
            live,
            octets,
        };
        let number = index.commits.saturating_add(1);
        let body = encode_ranges(counters, ranges);
        let record = Record::other(kind, number, now_us(), &body);
        self.append(record, Vec::new(), &[&body])
    }
}

/// Ranges that hold all `uids` and none of `others` that is not one of them; both ascend. A range
/// runs over uids that nobody has, so that all messages of a maildrop are one range.
pub(crate) fn ranges(uids: impl Iterator<Item = u64>, others: impl Iterator<Item = u64>) -> Ranges {
    let mut ranges: Ranges = Vec::new();
    let mut others = others.peekable();
    for uid in uids {
        let mut between = false;
        while let Some(other) = others.next_if(|&other| other <= uid) {
            between |= other < uid;
        }
        match ranges.last_mut().filter(|_| !between) {
            Some(range) => range.1 = uid,
            None => ranges.push((uid, uid)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_range_runs_over_what_is_gone_and_stops_at_what_stays() {
        let ranges =
            |uids: &[u64], others: &[u64]| ranges(uids.iter().copied(), others.iter().copied());
        assert_eq!(ranges(&[1, 5, 9], &[1, 5, 9]), [(1, 9)]);
        assert_eq!(ranges(&[1, 5, 9], &[1, 5, 7, 9]), [(1, 5), (9, 9)]);
        assert_eq!(ranges(&[2, 3], &[1, 4]), [(2, 3)]);
        assert_eq!(ranges(&[], &[1]), []);
    }

    proptest! {
        #[test]
        fn ranges_hold_these_and_no_others(uids: BTreeSet<u8>, others: BTreeSet<u8>) {
            let ranges = ranges(
                uids.iter().map(|&uid| uid.into()),
                others.iter().map(|&uid| uid.into()),
            );
            let held = |uid: u8| ranges.iter().any(|&(a, b)| (a..=b).contains(&uid.into()));
            prop_assert!(uids.iter().all(|&uid| held(uid)));
            prop_assert!(others.difference(&uids).all(|&uid| !held(uid)));
            prop_assert!(ranges.is_sorted_by(|a, b| a.1 < b.0));
        }
    }
}
