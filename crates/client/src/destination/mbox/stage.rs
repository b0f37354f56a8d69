//! The stage: what goes into the mbox, and where, durable before the mbox is touched.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Behind the text: where it goes, how long it is, and a checksum of all of that.
const SEAL_OCTETS: usize = 8 + 8 + 8 + 4;
const MAGIC: &[u8; 8] = b"restmbox";
const PIECE_OCTETS: usize = 128 << 10;
/// What may stand before the text.
const GLUES: [&[u8]; 3] = [b"", b"\n", b"\n\n"];

/// How much of a stage is whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    octets: u64,
    checksum: u32,
}

/// A stage.
#[derive(Debug)]
pub(super) struct Stage {
    path: PathBuf,
    file: BufWriter<File>,
    octets: u64,
    checksum: u32,
    /// Where it goes in the mbox, once that is known; and the empty line that is missing there.
    sealed: Option<(u64, &'static [u8])>,
}

impl Stage {
    /// An empty one.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(PIECE_OCTETS, file),
            octets: 0,
            checksum: 0,
            sealed: None,
        })
    }

    /// One that a session has left behind that was stopped while it wrote the mbox. One that was not sealed is nothing.
    pub(super) fn left(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(octets) = file.metadata()?.len().checked_sub(SEAL_OCTETS as u64) else {
            return Ok(None);
        };
        let checksum = checksum_of(&mut file, octets)?;
        let mut seal = [0; SEAL_OCTETS];
        file.read_exact(&mut seal)?;
        let (place, glue) = (number(&seal[8..16]) >> 2, number(&seal[8..16]) & 3);
        let glue = usize::try_from(glue).ok().and_then(|glue| GLUES.get(glue));
        let expected = crc32c::crc32c_append(checksum, &seal[..SEAL_OCTETS - 4]).to_be_bytes();
        let is_whole = seal.starts_with(MAGIC)
            && number(&seal[16..24]) == octets
            && seal[SEAL_OCTETS - 4..] == expected;
        let (true, Some(glue)) = (is_whole, glue) else {
            return Ok(None);
        };
        Ok(Some(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            octets,
            checksum,
            sealed: Some((place, glue)),
        }))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.octets == 0
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)?;
        self.octets += octets.len() as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, octets);
        Ok(())
    }

    /// What is whole now, before a message is written.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            octets: self.octets,
            checksum: self.checksum,
        }
    }

    /// Takes back what was written since the mark: a write of it has failed, and half a message is none.
    pub(super) fn back_to(&mut self, mark: Mark) -> io::Result<()> {
        let same = self.file.get_ref().try_clone()?;
        let failed = std::mem::replace(&mut self.file, BufWriter::new(same));
        // What was not written must not be written when this is dropped.
        let (mut file, waiting) = failed.into_parts();
        let waiting = waiting.map_err(io::Error::other)?;
        let written = file.stream_position()?;
        let end = mark.octets.min(written);
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        let whole = usize::try_from(mark.octets - end).unwrap_or(usize::MAX);
        let whole = waiting
            .get(..whole)
            .ok_or_else(|| io::Error::other("the stage is shorter than what was written"))?;
        self.file = BufWriter::with_capacity(PIECE_OCTETS, file);
        self.file.write_all(whole)?;
        (self.octets, self.checksum) = (mark.octets, mark.checksum);
        Ok(())
    }

    /// Says where it goes; durable when it returns.
    pub(super) fn seal(&mut self, place: u64, glue: &'static [u8]) -> io::Result<()> {
        let mut seal = Vec::with_capacity(SEAL_OCTETS);
        seal.extend_from_slice(MAGIC);
        seal.extend_from_slice(&(place << 2 | glue.len() as u64).to_be_bytes());
        seal.extend_from_slice(&self.octets.to_be_bytes());
        let checksum = crc32c::crc32c_append(self.checksum, &seal);
        seal.extend_from_slice(&checksum.to_be_bytes());
        self.file.write_all(&seal)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        if let Some(parent) = self.path.parent() {
            File::open(parent)?.sync_all()?;
        }
        self.sealed = Some((place, glue));
        Ok(())
    }

    /// Writes what belongs into the mbox, without the first so many octets of it.
    pub(super) fn copy(&mut self, without: u64, mbox: &mut File) -> io::Result<()> {
        let (place, glue) = self.place()?;
        mbox.seek(SeekFrom::Start(place + without))?;
        self.pieces(without, glue, |piece| mbox.write_all(piece))
    }

    /// How much of it the mbox has, if the rest must be written; none if it has all of it, or if it is not what it was.
    pub(super) fn missing_in(&mut self, mbox: &mut File) -> io::Result<Option<u64>> {
        let (place, glue) = self.place()?;
        let end = mbox.metadata()?.len();
        let whole = glue.len() as u64 + self.octets;
        let Some(there) = end.checked_sub(place).filter(|there| *there < whole) else {
            return Ok(None);
        };
        mbox.seek(SeekFrom::Start(place))?;
        let mut rest = mbox.take(there);
        let mut same = true;
        let mut found = Vec::new();
        self.pieces(0, glue, |piece| {
            found.resize(piece.len(), 0);
            let mut read = 0;
            while same && read < piece.len() {
                match rest.read(&mut found[read..])? {
                    0 => break,
                    octets => read += octets,
                }
            }
            same &= found[..read] == piece[..read];
            Ok(())
        })?;
        Ok(same.then_some(there))
    }

    fn place(&self) -> io::Result<(u64, &'static [u8])> {
        self.sealed
            .ok_or_else(|| io::Error::other("the stage has no place"))
    }

    fn pieces(
        &mut self,
        without: u64,
        glue: &[u8],
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let skipped = usize::try_from(without)
            .unwrap_or(usize::MAX)
            .min(glue.len());
        take(&glue[skipped..])?;
        let from = without - skipped as u64;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(from))?;
        let mut left = self.octets.saturating_sub(from);
        let mut piece = vec![0; PIECE_OCTETS];
        while left > 0 {
            let most = usize::try_from(left)
                .unwrap_or(PIECE_OCTETS)
                .min(PIECE_OCTETS);
            file.read_exact(&mut piece[..most])?;
            take(&piece[..most])?;
            left -= most as u64;
        }
        Ok(())
    }

    pub(super) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

fn number(octets: &[u8]) -> u64 {
    octets
        .iter()
        .fold(0, |number, &octet| number << 8 | u64::from(octet))
}

fn checksum_of(file: &mut File, octets: u64) -> io::Result<u32> {
    let mut checksum = 0;
    let mut piece = vec![0; PIECE_OCTETS];
    let mut left = octets;
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(PIECE_OCTETS)
            .min(PIECE_OCTETS);
        file.read_exact(&mut piece[..most])?;
        checksum = crc32c::crc32c_append(checksum, &piece[..most]);
        left -= most as u64;
    }
    Ok(checksum)
}
