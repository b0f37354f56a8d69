//! The server's side: requests on sockets that each serve one at a time.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::message::{Done, MESSAGE_OCTETS_MAX, Operation, Reply, Request};
use super::refusal::{explain, silent};
use super::wire::{receive, send};

/// Most requests at a time; others wait for one of them.
pub(super) const LANES_MAX: usize = 32;
/// Most of them for one user, so that a home that does not answer holds up nobody else.
pub(super) const LANES_OF_USER_MAX: usize = 4;
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
    /// Those whose reply was not waited for any longer. It comes when the file system answers, and until then
    /// the helper's thread works for that user.
    late: Vec<(OwnedFd, Box<str>)>,
    /// How many there are, whatever they do.
    count: usize,
    /// How many work for each user.
    busy: HashMap<Box<str>, usize>,
}

/// What becomes of a lane that was used.
enum Used {
    /// It can be used again.
    Well(OwnedFd),
    /// Its reply has not come.
    Late(OwnedFd),
    /// Nobody is at its other end, or nobody who is understood.
    Badly,
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
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(control: OwnedFd) -> io::Result<Self> {
        set_socket_timeout(&control, Timeout::Recv, Some(REPLY_WAIT))?;
        Ok(Self {
            control: Mutex::new(control),
            lanes: Mutex::default(),
            freed: Condvar::new(),
            last_id: AtomicU32::new(0),
        })
    }

    /// Waits until the helper is at work.
    ///
    /// # Errors
    ///
    /// When it has ended instead, or says nothing.
    pub fn ready(&self) -> io::Result<()> {
        let lane = self.lane("")?;
        self.give_back("", Used::Well(lane));
        Ok(())
    }

    /// Asks one thing, and waits for the reply.
    ///
    /// # Errors
    ///
    /// What the helper says, or that it says nothing.
    pub(super) fn ask(
        &self,
        user: &str,
        operation: Operation<'_>,
    ) -> io::Result<(Done, Option<OwnedFd>)> {
        let id = self.next_id();
        let request = Request {
            id,
            user,
            operation,
        };
        let octets = request.write()?;
        let lane = self.lane(user)?;
        let answered = exchange(&lane, &octets, None, id);
        self.give_back(
            user,
            match &answered {
                Ok(_) => Used::Well(lane),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Used::Late(lane),
                Err(_) => Used::Badly,
            },
        );
        let (reply, file) = answered.map_err(silent)?;
        match reply.outcome {
            Ok(done) => Ok((done, file)),
            Err(refusal) => Err(explain(refusal, user, operation)),
        }
    }

    /// A lane that nobody uses.
    fn lane(&self, user: &str) -> io::Result<OwnedFd> {
        let deadline = Instant::now() + REPLY_WAIT;
        let mut lanes = self.lock();
        loop {
            lanes.look_after_late();
            let is_there_room = !lanes.free.is_empty() || lanes.count < LANES_MAX;
            let of_user = lanes.busy.get(user).copied().unwrap_or_default();
            if is_there_room && of_user < LANES_OF_USER_MAX {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(silent(io::ErrorKind::WouldBlock.into()));
            }
            let waited = self.freed.wait_timeout(lanes, left.min(LATE_AGAIN));
            (lanes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *lanes.busy.entry(user.into()).or_default() += 1;
        if let Some(lane) = lanes.free.pop() {
            return Ok(lane);
        }
        lanes.count += 1;
        drop(lanes);
        self.begin()
            .inspect_err(|_| self.give_back(user, Used::Badly))
    }

    fn begin(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = Self::sockets()?;
        set_socket_timeout(&ours, Timeout::Recv, Some(REPLY_WAIT))?;
        let id = self.next_id();
        let operation = Operation::Lane;
        let request = Request {
            id,
            user: "",
            operation,
        };
        let octets = request.write()?;
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = exchange(&control, &octets, Some(theirs.as_fd()), id);
        drop(control);
        match begun.map_err(silent)?.0.outcome {
            Ok(_) => Ok(ours),
            Err(refusal) => Err(explain(refusal, "", operation)),
        }
    }

    fn give_back(&self, user: &str, used: Used) {
        let mut lanes = self.lock();
        match used {
            Used::Well(lane) => {
                lanes.free.push(lane);
                lanes.is_done_for(user);
            }
            Used::Late(lane) => lanes.late.push((lane, user.into())),
            Used::Badly => {
                lanes.count -= 1;
                lanes.is_done_for(user);
            }
        }
        // Not one: whoever is woken may be of a user who has as many as he may.
        self.freed.notify_all();
    }

    fn next_id(&self) -> u32 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often somebody who waits looks whether a late reply has come.
const LATE_AGAIN: Duration = Duration::from_secs(1);

impl Lanes {
    /// Frees the lanes whose reply has come after all.
    fn look_after_late(&mut self) {
        for (lane, user) in std::mem::take(&mut self.late) {
            let mut ready = [PollFd::new(&lane, PollFlags::IN)];
            let at_once = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let has_come = poll(&mut ready, Some(&at_once)).is_ok_and(|count| count > 0);
            if !has_come {
                self.late.push((lane, user));
                continue;
            }
            let mut buffer = [0; MESSAGE_OCTETS_MAX];
            match receive(&lane, &mut buffer) {
                Ok(Some(_)) => self.free.push(lane),
                Ok(None) | Err(_) => self.count -= 1,
            }
            self.is_done_for(&user);
        }
    }

    fn is_done_for(&mut self, user: &str) {
        match self.busy.get_mut(user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.busy.remove(user)),
        }
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
    loop {
        let received = receive(socket, &mut buffer)?.ok_or(io::ErrorKind::BrokenPipe)?;
        let reply = received.octets.and_then(Reply::read);
        let reply = reply.ok_or(io::ErrorKind::InvalidData)?;
        // What was not waited for any longer may come first, over the socket that all share.
        if reply.id == id {
            return Ok((reply, received.file));
        }
    }
}
