//! What a call of the store meets: the plans of simple tests, and whoever conducts a whole life.

use std::io;

/// What happens at the n-th call, counted from 0.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Plan {
    /// Nothing.
    #[default]
    Calm,
    /// The power goes: this call may have happened, none after it does.
    Crash(u64),
    /// This call fails.
    Fail(u64, io::ErrorKind),
    /// As `Fail`, but if the call syncs, all of that reaches the disk before it fails.
    FailLate(u64, io::ErrorKind),
    /// This call and all that change something after it fail.
    FailFrom(u64, io::ErrorKind),
    /// As `FailFrom`, but what the syncs should have saved reaches the disk.
    FailFromLate(u64, io::ErrorKind),
    /// From this call on no sync of a file succeeds; at this call all of it reaches the disk.
    SyncsFail(u64),
    /// This call, if it writes, writes half and fails for lack of space.
    ShortWrite(u64),
    /// The disk is full until so many octets were cut off its files; then there is room.
    FullUntil(u64),
}

/// What a power cut does to what was not synced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// All of it is lost.
    Everything,
    /// The disk had written it all.
    Nothing,
    /// Any part of it, chosen by this seed.
    Some(u64),
}

/// How much of a call happens although its caller never hears that it did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Nothing.
    None,
    /// A write is half done; anything else is not.
    Half,
    /// All; but a sync made nothing durable.
    Unsynced,
    /// All of it.
    Whole,
}

/// What one call meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It succeeds.
    Go,
    /// It fails. A sync that fails loses track of what was not durable; the loss says how much of
    /// that reaches the disk all the same.
    Fail(io::ErrorKind, Loss),
    /// It fails for lack of space, a write in the middle.
    Half,
    /// The process dies.
    Die(Part),
    /// The power goes while the call is under way.
    Cut(Loss),
}

/// Which call it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "named as the methods of the traits are")]
pub enum Call {
    Open,
    Create,
    CreateUnnamed,
    Link,
    Rename,
    Unlink,
    MakeDir,
    SyncDir,
    StatName,
    List,
    Stat,
    Read,
    Write,
    Truncate,
    Allocate,
    Punch,
    Free,
    Sync,
    Lock,
}

impl Call {
    /// Whether it changes something, or makes a change last.
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Self::Open
                | Self::StatName
                | Self::List
                | Self::Stat
                | Self::Read
                | Self::Free
                | Self::Lock
        )
    }

    /// Whether it needs space that a full disk has not got.
    pub fn needs_space(self) -> bool {
        self.changes() && !matches!(self, Self::Unlink | Self::Truncate | Self::Punch)
    }
}

/// Whoever decides what the calls of several processes meet.
pub trait Conductor: Send + Sync {
    /// Called before each call of a process, while nothing of the disk is locked: other processes
    /// may be let go on here.
    fn before(&self, process: u32, call: Call) -> Fate;

    /// A process wants to wait for a lock that another one holds, which does not go on before this
    /// one has. So it waits in vain.
    fn waits_in_vain(&self, process: u32);
}

impl Plan {
    /// What the n-th call meets.
    pub(super) fn fate(self, n: u64, call: Call) -> Fate {
        let changes = call.changes();
        match self {
            Self::Crash(at) if at == n => Fate::Die(Part::Unsynced),
            Self::Fail(at, kind) if at == n => Fate::Fail(kind, Loss::Everything),
            Self::FailLate(at, kind) if at == n => Fate::Fail(kind, Loss::Nothing),
            Self::FailFrom(at, kind) if changes && at <= n => Fate::Fail(kind, Loss::Everything),
            Self::FailFromLate(at, kind) if changes && at <= n => Fate::Fail(kind, Loss::Nothing),
            Self::SyncsFail(at) if call == Call::Sync && at <= n => Fate::Fail(
                io::ErrorKind::Other,
                match at == n {
                    true => Loss::Nothing,
                    false => Loss::Everything,
                },
            ),
            Self::ShortWrite(at) if changes && at == n => Fate::Half,
            _ => Fate::Go,
        }
    }
}
