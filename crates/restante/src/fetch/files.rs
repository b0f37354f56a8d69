//! Files that are there whole or not at all, and that nobody else can read.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Puts a file into its place, with this mode; durable when it returns. Its directory is made if it is not there.
///
/// # Errors
///
/// When it cannot be written; then what was there is there still.
pub(super) fn put(path: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    self::directory(directory)?;
    let mut new = tempfile::Builder::new()
        .prefix(".restante-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    new.write_all(octets)?;
    new.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// Makes a directory of ours, and those above it, where they are not there.
///
/// # Errors
///
/// When it cannot be made.
pub(super) fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nobody_else_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a/b/secret");
        put(&file, b"old", 0o600).unwrap();
        put(&file, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(&directory.path().join("a")), 0o700);
        assert_eq!(
            fs::read_dir(directory.path().join("a/b")).unwrap().count(),
            1
        );
    }
}
