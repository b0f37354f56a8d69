//! The helper itself: one request, one reply, with the rights of the user whose files they are.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::thread;

use rustix::fs::fstat;

use super::home::Home;
use super::lanes::LANES_MAX;
use super::message::{Act, Done, MESSAGE_OCTETS_MAX, Operation, Refusal, Reply, Request};
use super::rights::{Rights, Somebody, Users};
use super::wire::{receive, send};
use crate::native::media::{Beneath, Disk as _, RealFile};

/// What a helper is there for.
pub struct Duty {
    home: Home,
    root: Beneath,
    users: Users,
    /// The group that may make and remove files in a directory that is shared.
    group: Option<u32>,
}

impl Duty {
    /// To serve the maildrops of users from `first_uid` on. `group` is the group id of those who may write into
    /// the directory of mboxes, if it is not for everybody.
    ///
    /// # Errors
    ///
    /// When the directory cannot be opened; `PermissionDenied` if everybody may replace what others have there.
    pub fn new(home: Home, first_uid: u32, group: Option<u32>) -> io::Result<Self> {
        let mode = home.root().metadata()?.mode();
        // Where mboxes lie together each keeps his own; where homes do, somebody could make that of another.
        let is_kept = mode & 0o1000 != 0 && home.is_shared();
        if mode & 0o002 != 0 && !is_kept {
            let wanted = match home.is_shared() {
                true => "1777, or 2775 and the group of mail",
                false => "755",
            };
            let what = format!(
                "everybody can make or replace what is another's in {}; give it the mode {wanted}",
                home.root().display()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        let root = Beneath::existing(home.root())?;
        Ok(Self {
            // Where each user has a directory of his own, the rights of that are enough.
            group: group.filter(|_| home.is_shared()),
            home,
            root,
            users: Users::new(first_uid),
        })
    }
}

/// Serves what is asked on this socket, and on those that come over it, until the other end is closed.
///
/// # Errors
///
/// When the socket cannot be read or written.
pub fn serve(socket: &OwnedFd, duty: Duty) -> io::Result<()> {
    let duty = Arc::new(duty);
    let mut buffer = [0; MESSAGE_OCTETS_MAX];
    while let Some(received) = receive(socket, &mut buffer)? {
        let request = received.octets.and_then(Request::read);
        let outcome = match (request, received.file) {
            (Some(request), Some(lane)) if request.operation == Operation::Lane => {
                begin(&duty, lane)
            }
            _ => Err(Refusal::Malformed),
        };
        let id = request.map_or(0, |request| request.id);
        send(socket, &Reply { id, outcome }.write(), None)?;
    }
    Ok(())
}

/// Serves another socket in a thread of its own.
fn begin(duty: &Arc<Duty>, lane: OwnedFd) -> Result<Done, Refusal> {
    // One is held by each thread, and by whoever began.
    if Arc::strong_count(duty) > LANES_MAX {
        return Err(Refusal::TooMany);
    }
    let duty = Arc::clone(duty);
    // What goes wrong is at an end with the lane, by which the server learns of it.
    match thread::Builder::new().spawn(move || drop(duty.serve_lane(&lane))) {
        Ok(_) => Ok(Done::default()),
        Err(_) => Err(Refusal::TooMany),
    }
}

impl Duty {
    fn serve_lane(&self, lane: &OwnedFd) -> io::Result<()> {
        let mut rights = Rights::default();
        let mut buffer = [0; MESSAGE_OCTETS_MAX];
        while let Some(received) = receive(lane, &mut buffer)? {
            let request = received.octets.and_then(Request::read);
            let id = request.map_or(0, |request| request.id);
            let done = match (request, received.file) {
                (Some(request), None) => self.perform(&mut rights, &request),
                // What comes from there is never worked with.
                _ => Err(Refusal::Malformed),
            };
            let (outcome, file) = match done {
                Ok((done, file)) => (Ok(done), file),
                Err(refusal) => (Err(refusal), None),
            };
            let file = file.as_ref().map(|file| file.as_fd());
            send(lane, &Reply { id, outcome }.write(), file)?;
        }
        Ok(())
    }

    fn perform(
        &self,
        rights: &mut Rights,
        request: &Request<'_>,
    ) -> Result<(Done, Option<OwnedFd>), Refusal> {
        let somebody = self.users.find(request.user, rights)?;
        if !self.is_theirs(request) {
            return Err(Refusal::Elsewhere);
        }
        let group = self.group.filter(|_| changes_names(request.operation));
        rights.take(somebody, group)?;
        let mut done = Done {
            uid: somebody.uid,
            ..Done::default()
        };
        let file = match request.operation {
            Operation::Lane => return Err(Refusal::Malformed),
            Operation::Rename { from, to } => {
                self.spare_others(somebody, from)?;
                self.spare_others(somebody, to)?;
                self.root.rename(from, to)?;
                None
            }
            Operation::RenameNew { from, to } => {
                self.spare_others(somebody, from)?;
                self.root.rename_new(from, to)?;
                None
            }
            Operation::At(act, path) => self.act(act, path, somebody, &mut done)?,
        };
        Ok((done, file))
    }

    /// Whether all of it is of the user's maildrop.
    fn is_theirs(&self, request: &Request<'_>) -> bool {
        let (home, user) = (&self.home, request.user);
        match request.operation {
            Operation::Lane => false,
            Operation::Rename { from, to } | Operation::RenameNew { from, to } => {
                home.is_file(user, from) && home.is_file(user, to)
            }
            Operation::At(act, path) => match act {
                Act::Open | Act::OpenToRead | Act::Create | Act::Unlink => home.is_file(user, path),
                Act::OpenDirectory => home.is_directory(user, path),
                Act::MakeDirectory | Act::SyncDirectory => {
                    home.is_directory(user, path) || home.leads_to(user, path)
                }
                Act::Stat => {
                    home.is_file(user, path)
                        || home.is_directory(user, path)
                        || home.leads_to(user, path)
                }
            },
        }
    }

    fn act(
        &self,
        act: Act,
        path: &str,
        somebody: Somebody,
        done: &mut Done,
    ) -> Result<Option<OwnedFd>, Refusal> {
        let root = &self.root;
        Ok(Some(match act {
            Act::Open => theirs(root.open(path)?, somebody, MayHave::OneName)?,
            Act::OpenToRead => theirs(root.open_to_read(path)?, somebody, MayHave::Names)?,
            Act::OpenDirectory => root.open_directory(path)?,
            Act::Create => root.create(path)?.into_descriptor(),
            Act::Unlink => {
                self.spare_others(somebody, path)?;
                root.unlink(path)?;
                return Ok(None);
            }
            Act::MakeDirectory => {
                root.make_dir(path)?;
                return Ok(None);
            }
            Act::SyncDirectory => {
                root.sync_dir(path)?;
                return Ok(None);
            }
            Act::Stat => {
                done.stat = root.stat(path)?;
                return Ok(None);
            }
        }))
    }

    /// Where the group of the directory could replace files of anybody, it replaces none of somebody else's.
    fn spare_others(&self, somebody: Somebody, path: &str) -> Result<(), Refusal> {
        if self.group.is_none() {
            return Ok(());
        }
        match self.root.owner(path) {
            Ok(uid) if uid == somebody.uid => Ok(()),
            Ok(_) => Err(Refusal::NotTheirs),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the right to write into the directory is needed, or to read all of it.
fn changes_names(operation: Operation<'_>) -> bool {
    match operation {
        Operation::Lane => false,
        Operation::Rename { .. } | Operation::RenameNew { .. } => true,
        Operation::At(act, _) => matches!(act, Act::Create | Act::Unlink | Act::SyncDirectory),
    }
}

/// How many names a file may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum MayHave {
    /// At most one: what is written there is read nowhere else.
    OneName,
    /// Any: programs keep one file of a user in two of his folders.
    Names,
}

/// The file, if it belongs to the user: whatever somebody has put there, no file of another is handed out.
fn theirs(file: RealFile, somebody: Somebody, names: MayHave) -> Result<OwnedFd, Refusal> {
    let file = file.into_descriptor();
    let found = fstat(&file).map_err(io::Error::from)?;
    let has_other_names = names == MayHave::OneName && found.st_nlink > 1;
    match found.st_uid == somebody.uid && !has_other_names {
        true => Ok(file),
        false => Err(Refusal::NotTheirs),
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::System(errno),
            // What the system did not say: `Beneath` has found something else than a file.
            None if error.kind() == io::ErrorKind::InvalidData => Self::NotRegular,
            None => Self::System(rustix::io::Errno::IO.raw_os_error()),
        }
    }
}
