//! A disk in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

/// What a page of memory holds, and a block of a file system.
pub(crate) const PAGE: usize = 4096;
const ZEROS: [u8; PAGE] = [0; PAGE];

/// Octets, of which those never written are zeros and cost nothing. Copies share their pages.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
}

impl Disk {
    /// A disk full of zeros; `octets` is rounded down to a whole page.
    pub(crate) fn new(octets: u64) -> Self {
        let pages = usize::try_from(octets).unwrap_or(0) / PAGE;
        Self {
            pages: vec![None; pages],
        }
    }

    /// Its size in octets.
    pub(crate) fn octets(&self) -> u64 {
        (self.pages.len() * PAGE) as u64
    }

    /// Octets from `at` on: as many as are asked for, fewer at the end of the disk.
    pub(crate) fn read(&self, at: u64, count: usize) -> Vec<u8> {
        let end = self.octets().min(at.saturating_add(count as u64));
        let mut out = Vec::with_capacity(count);
        let mut at = at;
        while at < end {
            let (page, from) = place(at);
            let to = PAGE.min(from + usize::try_from(end - at).unwrap_or(PAGE));
            out.extend_from_slice(&self.pages[page].as_deref().unwrap_or(&ZEROS)[from..to]);
            at += (to - from) as u64;
        }
        out
    }

    /// Writes octets at `at`.
    ///
    /// # Errors
    ///
    /// Beyond the end of the disk; nothing is written then.
    pub(crate) fn write(&mut self, at: u64, octets: &[u8]) -> io::Result<()> {
        if at.saturating_add(octets.len() as u64) > self.octets() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let (mut at, mut rest) = (at, octets);
        while !rest.is_empty() {
            let (page, from) = place(at);
            let (piece, after) = rest.split_at(rest.len().min(PAGE - from));
            let page = &mut self.pages[page];
            if page.is_some() || piece != &ZEROS[..piece.len()] {
                let octets = Arc::make_mut(page.get_or_insert_with(|| Arc::new(ZEROS)));
                octets[from..from + piece.len()].copy_from_slice(piece);
            }
            at += piece.len() as u64;
            rest = after;
        }
        Ok(())
    }

    /// Writes the disk into a file with holes, to be mounted and looked at.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.octets())?;
        for (number, page) in self.pages.iter().enumerate() {
            if let Some(page) = page {
                file.write_all_at(&page[..], (number * PAGE) as u64)?;
            }
        }
        Ok(())
    }
}

/// A page and an offset in it. A disk that does not fit into memory was never made.
fn place(at: u64) -> (usize, usize) {
    let page = usize::try_from(at / PAGE as u64).unwrap_or(usize::MAX);
    (page, (at % PAGE as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_cross_pages_and_end_with_the_disk() {
        let mut disk = Disk::new(2 * PAGE as u64);
        disk.write(PAGE as u64 - 3, b"across").unwrap();
        assert_eq!(disk.read(PAGE as u64 - 4, 8), b"\0across\0");
        assert_eq!(disk.read(2 * PAGE as u64 - 2, 8), b"\0\0");
        assert!(disk.write(2 * PAGE as u64 - 2, b"over").is_err());
        let copy = disk.clone();
        disk.write(PAGE as u64 - 3, &[0; 6]).unwrap();
        assert_eq!(copy.read(PAGE as u64 - 3, 6), b"across");
        assert_eq!(disk.read(PAGE as u64 - 3, 6), [0; 6]);
    }
}
