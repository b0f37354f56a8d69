//! A text as a file of its own: plain, with CRLF, as it was delivered.

use std::io;

use pop3::wire;

use crate::native::media::{Disk, File};
use crate::native::record::{BLOCK, Found};

/// Writes a message's text durably into a new file; makes the directory if it is not there.
pub(super) fn write<D: Disk>(
    disk: &D,
    dir: &str,
    path: &str,
    file: &impl File,
    found: &Found,
) -> io::Result<()> {
    match disk.make_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let out = disk.create(path)?;
    let mut reader = wire::TextReader::new(wire::Form::Plain);
    let mut buffer = vec![0; BLOCK];
    let (mut at, mut written) = (found.body(), 0);
    let mut plain = Vec::with_capacity(BLOCK + 8);
    while at < found.end {
        let want = usize::try_from(found.end - at).unwrap_or(BLOCK).min(BLOCK);
        let got = file.read_at(&mut buffer[..want], at)?;
        if got == 0 {
            break;
        }
        at += got as u64;
        plain.clear();
        // A damaged text may have a line of one dot in it: that line goes, what follows stays.
        let mut rest = &buffer[..got];
        while !rest.is_empty() {
            let read = reader.read(rest, &mut plain);
            rest = &rest[read.consumed..];
            if read.ended {
                reader = wire::TextReader::new(wire::Form::Plain);
            }
        }
        out.write_at(&[&plain], written)?;
        written += plain.len() as u64;
    }
    plain.clear();
    reader.read(wire::TERMINATOR, &mut plain);
    out.write_at(&[&plain], written)?;
    out.sync_all()
}
