//! The names of a disk: as everybody sees them, and as a power cut would leave them.

use std::collections::BTreeMap;
use std::io;

use super::octets::Sieve;

/// What a name leads to; a file by its key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Node {
    Dir,
    File(u64),
}

/// All names. The root `""` is always there.
#[derive(Clone, Default)]
pub(super) struct Names {
    seen: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// What is still to be synced, oldest first.
    changes: Vec<NameChange>,
    /// How often names in a directory have changed.
    versions: BTreeMap<String, u64>,
}

/// One step: a name that goes and a name that comes (a rename is both).
#[derive(Clone)]
pub(super) struct NameChange {
    pub(super) gone: Option<String>,
    pub(super) come: Option<(String, Node)>,
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, node)) = &self.come {
            names.insert(name.clone(), *node);
        }
    }

    fn touches(&self, dir: &str) -> bool {
        self.dirs().any(|touched| touched == dir)
    }

    /// The directories that it changes.
    fn dirs(&self) -> impl Iterator<Item = &str> {
        let come = self.come.as_ref().map(|(name, _)| name);
        self.gone.iter().chain(come).map(|path| parent(path))
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Names {
    pub(super) fn change(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        for dir in change.dirs() {
            *self.versions.entry(dir.to_owned()).or_default() += 1;
        }
        self.changes.push(change);
    }

    /// Another number whenever a name in the directory has come or gone.
    pub(super) fn version(&self, dir: &str) -> u64 {
        self.versions.get(dir).copied().unwrap_or(0)
    }

    /// Makes the names of a directory durable.
    pub(super) fn sync(&mut self, dir: &str) {
        let durable = &mut self.durable;
        self.changes.retain(|change| {
            let now = change.touches(dir);
            if now {
                change.apply(durable);
            }
            !now
        });
    }

    /// What a power cut leaves.
    pub(super) fn cut(&mut self, sieve: &mut Sieve) {
        for change in self.changes.drain(..) {
            if sieve.keeps() {
                change.apply(&mut self.durable);
            }
        }
        // What lies in a directory whose own name was lost is lost with it; parents sort first.
        let mut reachable: BTreeMap<String, Node> = BTreeMap::new();
        for (path, node) in std::mem::take(&mut self.durable) {
            let above = parent(&path);
            if above.is_empty() || reachable.get(above) == Some(&Node::Dir) {
                reachable.insert(path, node);
            }
        }
        self.durable = reachable;
        self.seen.clone_from(&self.durable);
    }

    pub(super) fn dir(&self, path: &str) -> io::Result<()> {
        match path.is_empty() || self.seen.get(path) == Some(&Node::Dir) {
            true => Ok(()),
            false => Err(not_found()),
        }
    }

    /// Whether something can be made under that name.
    pub(super) fn free(&self, path: &str) -> io::Result<()> {
        self.dir(parent(path))?;
        match self.seen.contains_key(path) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(()),
        }
    }

    pub(super) fn file(&self, path: &str) -> io::Result<u64> {
        match self.seen.get(path) {
            Some(Node::File(key)) => Ok(*key),
            _ => Err(not_found()),
        }
    }

    /// Whether a file can be moved there.
    pub(super) fn room(&self, path: &str) -> io::Result<()> {
        self.dir(parent(path))
    }

    pub(super) fn list(&self, dir: &str) -> Vec<String> {
        self.seen
            .keys()
            .filter(|path| !path.is_empty() && parent(path) == dir)
            .map(|path| path.rsplit('/').next().unwrap_or(path).to_owned())
            .collect()
    }

    /// Whether any name leads to the file, or may do so after a power cut.
    pub(super) fn lead_to(&self, key: u64) -> bool {
        let node = Node::File(key);
        let come = self
            .changes
            .iter()
            .filter_map(|change| change.come.as_ref());
        self.are_seen(key)
            || self.durable.values().any(|it| *it == node)
            || come.into_iter().any(|(_, it)| *it == node)
    }

    /// Whether a name leads to the file now.
    pub(super) fn are_seen(&self, key: u64) -> bool {
        self.seen.values().any(|it| *it == Node::File(key))
    }
}
