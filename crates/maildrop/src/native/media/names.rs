//! The names in a directory, without a piece of memory for each.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::RawDir;
use tracing::warn;

/// Octets of names that are asked for at once.
const ROOM: usize = 128 << 10;

/// Most names of a directory: somebody whose it is could make as many as fill our memory.
const NAMES_MAX: usize = 2_000_000;

/// Shows the names in an open directory, without `.` and `..`. `dir`: what the log calls it.
///
/// # Errors
///
/// `FileTooLarge` if there are more than [`NAMES_MAX`]; what the file system says.
pub(crate) fn visit(
    directory: OwnedFd,
    dir: &str,
    visitor: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let mut room = Vec::with_capacity(ROOM);
    // Of this descriptor itself: to open it again may be interrupted.
    let mut entries = RawDir::new(directory, room.spare_capacity_mut());
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        count += 1;
        if count > NAMES_MAX {
            let what = format!("{dir} has more than {NAMES_MAX} files in it");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        match entry.file_name().to_str() {
            Ok("." | "..") => {}
            Ok(name) => visitor(name),
            // None of ours. In a Maildir it could be a message, which nobody sees as long as it is called so.
            Err(_) => {
                let file = entry.file_name();
                warn!(
                    dir,
                    ?file,
                    "a file is passed over, since its name is not UTF-8"
                );
            }
        }
    }
    Ok(())
}

/// The names in an open directory, as [`visit`] shows them.
///
/// # Errors
///
/// Those of [`visit`].
pub(crate) fn names(directory: OwnedFd, dir: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    visit(directory, dir, &mut |name| names.push(name.to_owned()))?;
    Ok(names)
}
