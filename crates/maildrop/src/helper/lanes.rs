//! The server's side: requests on sockets that each serve one at a time.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::message::{Done, MESSAGE_OCTETS_MAX, Operation, Refusal, Reply, Request};
use super::wire::{receive, send};

/// Most requests at a time; others wait for one of them.
pub(super) const LANES_MAX: usize = 32;
/// A file system that does not answer for longer is taken for one that does not answer.
const REPLY_WAIT: Duration = Duration::from_secs(30);

/// The helper, for whoever asks it.
#[derive(Debug)]
pub struct Helper {
    /// Lanes are begun over this one.
    control: Mutex<OwnedFd>,
    lanes: Mutex<Lanes>,
    freed: Condvar,
    last_id: AtomicU32,
}

/// Sockets, each with a thread of the helper at its other end.
#[derive(Debug, Default)]
struct Lanes {
    free: Vec<OwnedFd>,
    /// How many there are, free or in use.
    count: usize,
}

impl Helper {
    /// Two ends of a socket: for the helper's process, and for [`Helper::new`].
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn sockets() -> io::Result<(OwnedFd, OwnedFd)> {
        let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        Ok(socketpair(AddressFamily::UNIX, kind, flags, None)?)
    }

    /// The helper at the other end.
    pub fn new(control: OwnedFd) -> Self {
        Self {
            control: Mutex::new(control),
            lanes: Mutex::default(),
            freed: Condvar::new(),
            last_id: AtomicU32::new(0),
        }
    }

    /// Waits until the helper is at work.
    ///
    /// # Errors
    ///
    /// When it has ended instead, or says nothing.
    pub fn ready(&self) -> io::Result<()> {
        let lane = self.lane()?;
        self.give_back(Some(lane));
        Ok(())
    }

    /// Asks one thing, and waits for the reply.
    ///
    /// # Errors
    ///
    /// What the helper says; `TimedOut` if it says nothing.
    pub(super) fn ask(
        &self,
        user: &str,
        operation: Operation<'_>,
        file: Option<BorrowedFd<'_>>,
    ) -> io::Result<(Done, Option<OwnedFd>)> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let request = Request {
            id,
            user,
            operation,
        };
        let octets = request.write()?;
        let lane = self.lane()?;
        // What went wrong once has left a reply behind, or nobody to make one: that lane is not used again.
        let answered = exchange(&lane, &octets, file, id);
        self.give_back(answered.is_ok().then_some(lane));
        let (reply, file) = answered.map_err(silent)?;
        match reply.outcome {
            Ok(done) => Ok((done, file)),
            Err(refusal) => Err(explain(refusal, user, operation)),
        }
    }

    /// A lane that nobody uses.
    fn lane(&self) -> io::Result<OwnedFd> {
        let may_begin = |lanes: &mut Lanes| lanes.free.is_empty() && lanes.count >= LANES_MAX;
        let waited = self
            .freed
            .wait_timeout_while(self.lock(), REPLY_WAIT, may_begin);
        let (mut lanes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.free.pop() {
            return Ok(lane);
        }
        if lanes.count >= LANES_MAX {
            return Err(silent(io::ErrorKind::TimedOut.into()));
        }
        lanes.count += 1;
        drop(lanes);
        self.begin().inspect_err(|_| self.give_back(None))
    }

    fn begin(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = Self::sockets()?;
        set_socket_timeout(&ours, Timeout::Recv, Some(REPLY_WAIT))?;
        let operation = Operation::Lane;
        let request = Request {
            id: 0,
            user: "",
            operation,
        };
        let octets = request.write()?;
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let (reply, _) = exchange(&control, &octets, Some(theirs.as_fd()), 0).map_err(silent)?;
        drop(control);
        match reply.outcome {
            Ok(_) => Ok(ours),
            Err(refusal) => Err(explain(refusal, "", operation)),
        }
    }

    fn give_back(&self, lane: Option<OwnedFd>) {
        let mut lanes = self.lock();
        match lane {
            Some(lane) => lanes.free.push(lane),
            None => lanes.count -= 1,
        }
        self.freed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request and its reply.
fn exchange(
    socket: &OwnedFd,
    octets: &[u8],
    file: Option<BorrowedFd<'_>>,
    id: u32,
) -> io::Result<(Reply, Option<OwnedFd>)> {
    send(socket, octets, file)?;
    let mut buffer = [0; MESSAGE_OCTETS_MAX];
    let received = receive(socket, &mut buffer)?.ok_or(io::ErrorKind::BrokenPipe)?;
    let reply = received.octets.and_then(Reply::read);
    let reply = reply.filter(|reply| reply.id == id);
    Ok((reply.ok_or(io::ErrorKind::InvalidData)?, received.file))
}

/// No reply.
fn silent(error: io::Error) -> io::Error {
    let what = format!("the helper for users of this machine does not answer: {error}");
    let kind = match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut,
        other => other,
    };
    io::Error::new(kind, what)
}

fn explain(refusal: Refusal, user: &str, operation: Operation<'_>) -> io::Error {
    let path = match operation {
        Operation::Lane => "",
        Operation::At(_, path) | Operation::Rename { from: path, .. } => path,
    };
    let (kind, what) = match refusal {
        Refusal::System(errno) => return io::Error::from_raw_os_error(errno),
        Refusal::NoUser => (
            io::ErrorKind::PermissionDenied,
            format!("this machine has no user {user}: make it, or turn system_users off"),
        ),
        Refusal::SystemUser => (
            io::ErrorKind::PermissionDenied,
            format!("the user id of {user} is below first_uid, thus one of the system's own"),
        ),
        Refusal::Elsewhere => (
            io::ErrorKind::PermissionDenied,
            format!("{path} is no part of the maildrop of {user}"),
        ),
        Refusal::NotTheirs => (
            io::ErrorKind::PermissionDenied,
            format!("{path} does not belong to {user}, or has a second name (hard link)"),
        ),
        Refusal::NotRegular => (
            io::ErrorKind::InvalidData,
            format!("{path} is not a regular file"),
        ),
        Refusal::Malformed => (
            io::ErrorKind::InvalidInput,
            "the helper for users of this machine did not understand".to_owned(),
        ),
        Refusal::TooMany => (
            io::ErrorKind::WouldBlock,
            "the helper for users of this machine has too much to do".to_owned(),
        ),
    };
    io::Error::new(kind, what)
}
