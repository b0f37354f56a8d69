//! Messages on a socket that keeps them apart (`SOCK_SEQPACKET`), each with at most one descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::message::MESSAGE_OCTETS_MAX;
use crate::native::media::retry;

/// What came.
pub(super) struct Received<'b> {
    /// A message; none if it is longer than any of ours, or came with more than one descriptor.
    pub(super) octets: Option<&'b [u8]>,
    pub(super) file: Option<OwnedFd>,
}

/// Sends one message.
///
/// # Errors
///
/// What the system says; `BrokenPipe` if nobody is at the other end.
pub(super) fn send(
    socket: &OwnedFd,
    octets: &[u8],
    file: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let files = file.map(|file| [file]);
    if let Some(files) = &files {
        ancillary.push(SendAncillaryMessage::ScmRights(files));
    }
    let parts = [IoSlice::new(octets)];
    retry(|| sendmsg(socket, &parts, &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Waits for one message; none when nobody is at the other end any more, or says so by a message of no octets.
///
/// # Errors
///
/// What the system says; `WouldBlock` if the socket has a limit for that and it is over.
pub(super) fn receive<'b>(
    socket: &OwnedFd,
    buffer: &'b mut [u8; MESSAGE_OCTETS_MAX],
) -> io::Result<Option<Received<'b>>> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = retry(|| {
        let mut parts = [IoSliceMut::new(buffer)];
        recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    let files = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    let mut files = files.flatten();
    // For one there is room for two.
    let (file, another) = (files.next(), files.next());
    if got.bytes == 0 {
        return Ok(None);
    }
    let cut = ReturnFlags::TRUNC | ReturnFlags::CTRUNC;
    let is_whole = another.is_none() && !got.flags.intersects(cut);
    let octets = is_whole.then(|| &buffer[..got.bytes]);
    Ok(Some(Received { octets, file }))
}
