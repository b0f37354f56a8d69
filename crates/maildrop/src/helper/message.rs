//! What the server asks its helper, and what it is told: at most 4 KiB, in one fixed form.
//!
//! A request is a version, an operation, a number that the reply repeats, and three texts, each with its
//! length before it: the user, a path, and a second path or nothing. A reply has always the same length.
//! Numbers are little-endian.

use std::io;

use crate::native::media::{FileId, Stat};

/// Longest message. A path of the system is no longer either.
pub(super) const MESSAGE_OCTETS_MAX: usize = 4096;
/// Length of every reply.
pub(super) const REPLY_OCTETS: usize = 64;

const VERSION: u8 = 1;

/// What to do with a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    /// Open for reading and writing; the reply has the file.
    Open = 1,
    /// Open for reading; likewise.
    OpenToRead,
    /// Open a directory, to read its names; likewise.
    OpenDirectory,
    /// Make a file; likewise.
    Create,
    /// Remove a name.
    Unlink,
    /// Make a directory.
    MakeDirectory,
    /// Make the names in a directory durable.
    SyncDirectory,
    /// Say what the file system knows.
    Stat,
}

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation<'m> {
    /// Serve requests on the socket that comes with this one as well.
    Lane,
    At(Act, &'m str),
    Rename {
        from: &'m str,
        to: &'m str,
    },
    /// To a name that nothing has.
    RenameNew {
        from: &'m str,
        to: &'m str,
    },
}

/// One request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Request<'m> {
    pub(super) id: u32,
    /// Name of a user of this machine.
    pub(super) user: &'m str,
    /// Paths are relative to the one root.
    pub(super) operation: Operation<'m>,
}

const LANE: u8 = 64;
const RENAME: u8 = 65;
const RENAME_NEW: u8 = 66;

const ACTS: [Act; 8] = [
    Act::Open,
    Act::OpenToRead,
    Act::OpenDirectory,
    Act::Create,
    Act::Unlink,
    Act::MakeDirectory,
    Act::SyncDirectory,
    Act::Stat,
];

impl<'m> Request<'m> {
    /// As octets.
    ///
    /// # Errors
    ///
    /// `InvalidFilename` if that is more than [`MESSAGE_OCTETS_MAX`].
    pub(super) fn write(&self) -> io::Result<Vec<u8>> {
        let (code, path, to) = match self.operation {
            Operation::Lane => (LANE, "", ""),
            Operation::At(act, path) => (act as u8, path, ""),
            Operation::Rename { from, to } => (RENAME, from, to),
            Operation::RenameNew { from, to } => (RENAME_NEW, from, to),
        };
        let mut octets = vec![VERSION, code];
        octets.extend_from_slice(&self.id.to_le_bytes());
        for text in [self.user, path, to] {
            let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
            octets.extend_from_slice(&len.to_le_bytes());
            octets.extend_from_slice(text.as_bytes());
        }
        match octets.len() <= MESSAGE_OCTETS_MAX {
            true => Ok(octets),
            false => Err(io::ErrorKind::InvalidFilename.into()),
        }
    }

    /// Reads a request; none if it is not one to the last octet.
    pub(super) fn read(octets: &'m [u8]) -> Option<Self> {
        let (&[version, code], rest) = octets.split_first_chunk()?;
        let (id, mut rest) = rest.split_first_chunk()?;
        let mut texts = [""; 3];
        for text in &mut texts {
            let (len, behind) = rest.split_first_chunk()?;
            let (octets, behind) = behind.split_at_checked(u16::from_le_bytes(*len).into())?;
            *text = std::str::from_utf8(octets).ok()?;
            rest = behind;
        }
        let [user, path, to] = texts;
        let operation = match code {
            LANE if path.is_empty() && to.is_empty() => Operation::Lane,
            RENAME => Operation::Rename { from: path, to },
            RENAME_NEW => Operation::RenameNew { from: path, to },
            _ => {
                let act = ACTS.into_iter().find(|act| *act as u8 == code)?;
                Operation::At(act, to.is_empty().then_some(path)?)
            }
        };
        let id = u32::from_le_bytes(*id);
        (version == VERSION && rest.is_empty()).then_some(Self {
            id,
            user,
            operation,
        })
    }
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// The file system has said so: a number of errno(3).
    System(i32),
    /// It cannot be found out who the user is.
    NotLookedUp,
    /// The machine has no such user.
    NoUser,
    /// It has, but one of those that the system itself works with, who get no mail here.
    SystemUser,
    /// The path is not one of that user's maildrop.
    Elsewhere,
    /// What is there belongs to another user, or has a second name.
    NotTheirs,
    /// What is there is no regular file.
    NotRegular,
    /// The request was none.
    Malformed,
    /// So much is asked at once that this must wait.
    TooMany,
}

const REFUSALS: [Refusal; 8] = [
    Refusal::NotLookedUp,
    Refusal::NoUser,
    Refusal::SystemUser,
    Refusal::Elsewhere,
    Refusal::NotTheirs,
    Refusal::NotRegular,
    Refusal::Malformed,
    Refusal::TooMany,
];

/// What was done. A file may come with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Done {
    /// User id of the user.
    pub(super) uid: u32,
    /// Zeros if nobody asked.
    pub(super) stat: Stat,
}

/// One reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reply {
    pub(super) id: u32,
    pub(super) outcome: Result<Done, Refusal>,
}

impl Reply {
    /// As octets.
    pub(super) fn write(&self) -> [u8; REPLY_OCTETS] {
        let (mut refusal, mut errno) = (0_u32, 0_i32);
        let mut done = Done::default();
        match self.outcome {
            Ok(it) => done = it,
            Err(Refusal::System(number)) => (refusal, errno) = (1, number),
            Err(other) => {
                let index = REFUSALS.iter().position(|it| *it == other);
                refusal = index.map_or(1, |index| 2 + index as u32);
            }
        }
        let mut octets = [0; REPLY_OCTETS];
        let mut rest = &mut octets[..];
        let mut put = |field: &[u8]| {
            let (place, behind) = std::mem::take(&mut rest).split_at_mut(field.len());
            place.copy_from_slice(field);
            rest = behind;
        };
        put(&self.id.to_le_bytes());
        put(&refusal.to_le_bytes());
        put(&errno.to_le_bytes());
        put(&done.uid.to_le_bytes());
        put(&done.stat.id.device.to_le_bytes());
        put(&done.stat.id.inode.to_le_bytes());
        put(&done.stat.len.to_le_bytes());
        put(&done.stat.disk_octets.to_le_bytes());
        put(&done.stat.changed_ns.to_le_bytes());
        octets
    }

    /// Reads a reply; none if it is not one.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let (id, rest) = octets.split_first_chunk()?;
        let (refusal, rest) = rest.split_first_chunk()?;
        let (errno, rest) = rest.split_first_chunk()?;
        let (uid, rest) = rest.split_first_chunk()?;
        let (device, rest) = rest.split_first_chunk()?;
        let (inode, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (disk_octets, rest) = rest.split_first_chunk()?;
        let changed_ns: &[u8; 16] = rest.try_into().ok()?;
        let outcome = match u32::from_le_bytes(*refusal) {
            0 => Ok(Done {
                uid: u32::from_le_bytes(*uid),
                stat: Stat {
                    id: FileId {
                        device: u64::from_le_bytes(*device),
                        inode: u64::from_le_bytes(*inode),
                    },
                    len: u64::from_le_bytes(*len),
                    disk_octets: u64::from_le_bytes(*disk_octets),
                    changed_ns: i128::from_le_bytes(*changed_ns),
                },
            }),
            1 => Err(Refusal::System(i32::from_le_bytes(*errno))),
            other => Err(*REFUSALS.get(usize::try_from(other).ok()? - 2)?),
        };
        let id = u32::from_le_bytes(*id);
        Some(Self { id, outcome })
    }
}

impl Default for Done {
    fn default() -> Self {
        let id = FileId {
            device: 0,
            inode: 0,
        };
        let stat = Stat {
            id,
            len: 0,
            disk_octets: 0,
            changed_ns: 0,
        };
        Self { uid: 0, stat }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn operation<'t>(code: usize, path: &'t str, to: &'t str) -> Operation<'t> {
        match code.checked_sub(3) {
            None if code == 0 => Operation::Lane,
            None if code == 1 => Operation::Rename { from: path, to },
            None => Operation::RenameNew { from: path, to },
            Some(index) => Operation::At(ACTS[index], path),
        }
    }

    #[test]
    fn what_is_longer_than_a_message_is_not_sent() {
        let path = "p".repeat(MESSAGE_OCTETS_MAX);
        let operation = Operation::At(Act::Open, &path);
        let request = Request {
            id: 1,
            user: "bob",
            operation,
        };
        assert!(request.write().is_err());
    }

    proptest! {
        #[test]
        fn a_request_is_what_was_sent(
            id: u32, user in ".{0,40}", path in ".{0,200}", to in ".{0,200}",
            code in 0..3 + ACTS.len(),
        ) {
            let operation = operation(code, &path, &to);
            let request = Request { id, user: &user, operation };
            let octets = request.write().unwrap();
            prop_assert_eq!(Request::read(&octets), Some(request));
            // Neither less nor more of it is one.
            for end in 0..octets.len() {
                prop_assert_eq!(Request::read(&octets[..end]), None);
            }
            let more = [&octets[..], b"x"].concat();
            prop_assert_eq!(Request::read(&more), None);
        }

        #[test]
        fn a_reply_is_what_was_sent(
            id: u32, which in 0..2 + REFUSALS.len(), errno: i32, uid: u32, numbers: (u64, u64, u64, u64, i128),
        ) {
            let (device, inode, len, disk_octets, changed_ns) = numbers;
            let stat = Stat { id: FileId { device, inode }, len, disk_octets, changed_ns };
            let outcome = match which.checked_sub(2) {
                None if which == 0 => Ok(Done { uid, stat }),
                None => Err(Refusal::System(errno)),
                Some(index) => Err(REFUSALS[index]),
            };
            let reply = Reply { id, outcome };
            prop_assert_eq!(Reply::read(&reply.write()), Some(reply));
        }

        #[test]
        fn any_octets_are_read(octets: Vec<u8>) {
            let _ = Request::read(&octets);
            let _ = Reply::read(&octets);
        }
    }
}
