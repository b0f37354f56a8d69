//! The sidecar `.rsx`: a large maildrop's index beside its file, so that opening it cold reads
//! megabytes less.
//!
//! A cache, never synced and never needed. It is bound to one file by inode, number and a
//! checksum keyed with the file's salt; whatever does not match is ignored and made anew.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use pop3::UniqueId;

use super::Store;
use super::append::Appending;
use super::bytes::{i64_at, u32_at, u64_at};
use super::grave::Grave;
use super::header::{Header, wide_mac};
use super::index::{Entry, Index};
use super::media::{Disk, File, FileId};
use super::table::Known;
use crate::id::MaildropId;

const MAGIC: &[u8; 8] = b"RSMINDX\n";
const VERSION: u32 = 3;
const HEAD: usize = 128;
const MAC: usize = 16;
/// Maildrops with at most this many messages need none: their headers are read in 3 ms.
const LIVE_MIN: u64 = 512;

/// Where a maildrop's sidecar lies, beside its file.
pub(crate) fn path_of<D: Disk>(drop: MaildropId) -> String {
    let path = Store::<D>::path_of(drop);
    format!("{}x", &path[..path.len() - 1])
}

impl<D: Disk> Appending<'_, D> {
    /// Writes the sidecar if the maildrop is large and the one on disk is `behind` records
    /// behind, or misses a deletion. Best effort.
    pub(crate) fn write_sidecar(&mut self, behind: u64) {
        let drop = self.drop;
        let store = self.store;
        let file = Arc::clone(&self.file);
        let known = self.known();
        if known.wants_sidecar(behind) && write(&*store.disk, drop, known, &*file).is_ok() {
            known.sidecar = known.index.end;
            known.sidecar_commits = known.index.commits;
        }
    }
}

impl Known {
    /// Whether the maildrop is large and its sidecar is `behind` records behind, or misses a deletion.
    pub(crate) fn wants_sidecar(&self, behind: u64) -> bool {
        // 64 octets is the least that a record takes.
        let missing = (self.index.end - self.sidecar) / 64;
        self.index.live > LIVE_MIN
            && self.index.gaps.is_empty()
            && self.durable >= self.index.end
            && (missing > behind.saturating_mul(8) || self.index.commits > self.sidecar_commits)
    }
}

fn write<D: Disk>(disk: &D, drop: MaildropId, known: &Known, of: &D::File) -> io::Result<()> {
    // Under the append lock: nobody changes it between.
    let changed_ns = of.stat()?.changed_ns;
    let path = path_of::<D>(drop);
    let dir = Store::<D>::dir_of(drop);
    let file = disk.create_unnamed(&dir)?;
    file.write_at(&[&encode(known, changed_ns)], 0)?;
    match disk.unlink(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.link(&file, &path)
}

fn encode(known: &Known, changed_ns: i128) -> Vec<u8> {
    let index = &known.index;
    let octets = index.entries.len() * Entry::LEN + index.graves.len() * Grave::LEN;
    let mut out = Vec::with_capacity(HEAD + MAC + octets);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&0_u32.to_le_bytes());
    let numbers = [
        known.header.drop.0,
        known.id.inode,
        known.header.file_seq,
        index.end,
        index.next_uid,
        index.commits,
        index.last,
        index.alive().count() as u64,
        index.graves.len() as u64,
        index.taken().len() as u64,
        index.names.len() as u64,
        index.risen.len() as u64,
        changed_ns as u64,
    ];
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.resize(HEAD, 0);
    index.alive().for_each(|entry| entry.encode(&mut out));
    index.graves.iter().for_each(|grave| grave.encode(&mut out));
    out.extend(index.taken().flat_map(u64::to_le_bytes));
    for (uid, at_us) in &index.risen {
        out.extend_from_slice(&uid.to_le_bytes());
        out.extend_from_slice(&at_us.to_le_bytes());
    }
    for (uid, name) in &index.names {
        out.extend_from_slice(&uid.to_le_bytes());
        out.push(name.as_bytes().len() as u8);
        out.extend_from_slice(name.as_bytes());
    }
    let account = index.account.as_deref().unwrap_or_default();
    out.extend_from_slice(account);
    let mac = wide_mac(&known.header.salt, &[&out]);
    out.extend_from_slice(&mac);
    out
}

/// The index that the sidecar holds, and when its file had changed last; none if there is no sidecar that belongs to this very file.
pub(crate) fn load<D: Disk>(
    disk: &D,
    drop: MaildropId,
    header: &Header,
    id: FileId,
    len: u64,
) -> Option<(Index, i128)> {
    let file = disk.open(&path_of::<D>(drop)).ok()?;
    let size = file.stat().ok()?.len;
    // An entry and its name are smaller than two records; so nothing large is read for nothing.
    // A maildrop that lost its end may have a larger one, hence the constant.
    if size > len.saturating_mul(2).saturating_add(1 << 24) {
        return None;
    }
    let mut octets = vec![0; usize::try_from(size).ok()?];
    let whole = file.read_at(&mut octets, 0).ok()? == octets.len();
    whole.then(|| decode(&octets, header, id))?
}

fn decode(octets: &[u8], header: &Header, id: FileId) -> Option<(Index, i128)> {
    let (octets, mac) = octets.split_at_checked(octets.len().checked_sub(MAC)?)?;
    let head = octets.get(..HEAD)?;
    let belongs = &head[..8] == MAGIC
        && u32_at(head, 8) == VERSION
        && u64_at(head, 16) == header.drop.0
        && u64_at(head, 24) == id.inode
        && u64_at(head, 32) == header.file_seq
        && wide_mac(&header.salt, &[octets]) == mac;
    if !belongs {
        return None;
    }
    let mut rest = &octets[HEAD..];
    let mut table = |at: usize, len: usize| {
        let count = usize::try_from(u64_at(head, at)).ok()?;
        let (table, after) = rest.split_at_checked(count.checked_mul(len)?)?;
        rest = after;
        Some(table.chunks_exact(len))
    };
    let entries = table(72, Entry::LEN)?.map(Entry::decode).collect();
    let graves = table(80, Grave::LEN)?.map(Grave::decode).collect();
    let taken = table(88, 8)?.map(|hash| u64_at(hash, 0)).collect();
    let risen = table(104, 16)?
        .map(|it| (u64_at(it, 0), i64_at(it, 8)))
        .collect();
    let mut names = BTreeMap::new();
    for _ in 0..u64_at(head, 96) {
        let uid = u64_at(rest.get(..8)?, 0);
        let len = usize::from(*rest.get(8)?);
        names.insert(uid, UniqueId::new(rest.get(9..9 + len)?)?);
        rest = &rest[9 + len..];
    }
    let mut index = Index::restored(entries, graves, names, taken);
    index.risen = risen;
    index.end = u64_at(head, 40);
    index.next_uid = u64_at(head, 48);
    index.commits = u64_at(head, 56);
    index.last = u64_at(head, 64);
    index.account = (!rest.is_empty()).then(|| rest.to_vec());
    // Until 2262 it fits.
    Some((index, i128::from(i64_at(head, 112))))
}
