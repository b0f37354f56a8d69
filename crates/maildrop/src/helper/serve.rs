//! The helper itself: one request, one reply, with the rights of the user whose files they are.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::thread;

use rustix::fs::{FileType, fstat};

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
        let metadata = home.root().metadata()?;
        if metadata.mode() & 0o1002 == 0o002 {
            let what = format!(
                "everybody can replace the files of others in {}: give it the mode 1777, or 2775 and the group \
                 of mail",
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
            let done = match request {
                Some(request) => self.perform(&mut rights, &request, received.file),
                None => Err(Refusal::Malformed),
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
        file: Option<OwnedFd>,
    ) -> Result<(Done, Option<OwnedFd>), Refusal> {
        let user = request.user;
        let somebody = self.users.find(user)?;
        let is_theirs = match request.operation {
            Operation::Lane => return Err(Refusal::Malformed),
            Operation::Rename { from, to } => self.home.has(user, from) && self.home.has(user, to),
            Operation::At(Act::Stat | Act::MakeDirectory | Act::SyncDirectory, path) => {
                self.home.has(user, path) || self.home.leads_to(user, path)
            }
            Operation::At(_, path) => self.home.has(user, path),
        };
        if !is_theirs {
            return Err(Refusal::Elsewhere);
        }
        let group = self.group.filter(|_| changes_names(request.operation));
        rights.take(somebody, group)?;
        let mut done = Done {
            uid: somebody.uid,
            ..Done::default()
        };
        let root = &self.root;
        let file = match request.operation {
            Operation::Lane => None,
            Operation::Rename { from, to } => {
                self.spare_others(somebody, from)?;
                self.spare_others(somebody, to)?;
                root.rename(from, to)?;
                None
            }
            Operation::At(act, path) => match act {
                Act::Open => Some(theirs(root.open(path)?, somebody, MayHave::OneName)?),
                Act::OpenToRead => {
                    Some(theirs(root.open_to_read(path)?, somebody, MayHave::Names)?)
                }
                Act::OpenDirectory => Some(root.open_directory(path)?),
                Act::Create => Some(root.create(path)?.into_descriptor()),
                Act::CreateUnnamed => Some(root.create_unnamed(path)?.into_descriptor()),
                Act::Link => {
                    let file = RealFile::of_user(file.ok_or(Refusal::Malformed)?, somebody.uid);
                    let file = theirs(file, somebody, MayHave::OneName)?;
                    root.link(&RealFile::of_user(file, somebody.uid), path)?;
                    None
                }
                Act::Unlink => {
                    self.spare_others(somebody, path)?;
                    root.unlink(path)?;
                    None
                }
                Act::MakeDirectory => {
                    root.make_dir(path)?;
                    None
                }
                Act::SyncDirectory => {
                    root.sync_dir(path)?;
                    None
                }
                Act::Stat => {
                    done.stat = root.stat(path)?;
                    None
                }
            },
        };
        Ok((done, file))
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

/// Whether the right to write into the directory is needed.
fn changes_names(operation: Operation<'_>) -> bool {
    match operation {
        Operation::Lane => false,
        Operation::Rename { .. } => true,
        Operation::At(act, _) => matches!(
            act,
            Act::Create | Act::CreateUnnamed | Act::Link | Act::Unlink | Act::MakeDirectory
        ),
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
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(Refusal::NotRegular);
    }
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
