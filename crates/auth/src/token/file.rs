//! The file that a key set is read from, and read again from when it has changed.
//!
//! There is no network here: whoever runs the issuer's side puts its key set here (`curl` and `mv`
//! from a timer will do), so that no login waits for another machine and nobody can lead us to
//! another's keys. One `stat` a token finds a new file. A new file that is broken leaves the keys
//! as they were, and the log says so: a write that was cut short must not lock everybody out. A set
//! that is whole and empty counts: that is how every key is taken back.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use tracing::{error, info, warn};

use super::error::JwksError;
use super::keys::KeySet;

/// The most octets that a key set may have.
pub const JWKS_OCTETS_MAX: u64 = 1 << 20;

pub(super) struct KeyFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// What the keys were read from.
    stamp: Stamp,
    keys: Arc<KeySet>,
    /// What could not be used, and was told: `Some(None)` is a file that is not there.
    told: Option<Option<Stamp>>,
    /// The file that was read and was no key set.
    hopeless: Option<Stamp>,
}

/// Which file it was, and when it changed last; renaming over it and writing into it both show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl KeyFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    ///
    /// When there is no key in it that could have signed a token.
    pub(super) fn open(path: &Path) -> Result<Self, JwksError> {
        let (stamp, keys) = load(path)?;
        if keys.len() == 0 {
            return Err(JwksError::NoKey);
        }
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                stamp,
                keys: Arc::new(keys),
                told: None,
                hopeless: None,
            }),
        })
    }

    /// The keys as they are now.
    pub(super) fn current(&self) -> Arc<KeySet> {
        let seen = std::fs::metadata(&self.path)
            .ok()
            .map(|metadata| Stamp::of(&metadata));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let hopeless = seen.is_some() && state.hopeless == seen;
        if seen != Some(state.stamp) && !hopeless {
            match load(&self.path) {
                Ok((stamp, keys)) => {
                    tell(&self.path, &keys);
                    *state = State {
                        stamp,
                        keys: Arc::new(keys),
                        told: None,
                        hopeless: None,
                    };
                }
                Err(reason) => {
                    if state.told != Some(seen) {
                        error!(
                            jwks = %self.path.display(),
                            reason = %chain(&reason),
                            "key set of tokens not replaced, the old keys stay"
                        );
                        state.told = Some(seen);
                    }
                    // What the system could not read now it may read soon; what is no key set stays none
                    // until it changes, and is not read again for each token.
                    state.hopeless = match reason {
                        JwksError::Unreadable(_) => None,
                        _ => seen,
                    };
                }
            }
        }
        Arc::clone(&state.keys)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            octets: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn load(path: &Path) -> Result<(Stamp, KeySet), JwksError> {
    // Without NONBLOCK a pipe in its place would stop us here for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| JwksError::Unreadable(error.into()))?;
    let metadata = file.metadata().map_err(JwksError::Unreadable)?;
    if !metadata.is_file() {
        return Err(JwksError::NotAFile);
    }
    if metadata.mode() & 0o002 != 0 {
        return Err(JwksError::Writable);
    }
    let text = bounded(file).map_err(JwksError::Unreadable)?;
    if text.len() as u64 > JWKS_OCTETS_MAX {
        return Err(JwksError::TooLong);
    }
    Ok((Stamp::of(&metadata), KeySet::parse(&text)?))
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(JWKS_OCTETS_MAX + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn tell(path: &Path, keys: &KeySet) {
    let (path, count, ignored) = (path.display(), keys.len(), keys.ignored());
    if count == 0 {
        warn!(jwks = %path, ignored, "key set of tokens replaced by one without a usable key");
    } else {
        info!(jwks = %path, keys = count, ignored, "key set of tokens replaced");
    }
}

fn chain(error: &JwksError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
