//! What a refusal means to whoever reads the log.

use std::io;

use super::message::{Operation, Refusal};

/// No reply. Of no kind that a back end takes for something else: a lock that another has, a file that is not there.
pub(super) fn silent(error: io::Error) -> io::Error {
    let what = match error.kind() {
        io::ErrorKind::WouldBlock => "for half a minute, as if a file system hung".to_owned(),
        _ => format!("any more: {error}"),
    };
    io::Error::other(format!(
        "the helper for users of this machine does not answer {what}"
    ))
}

/// A refusal, as an error of the kind that it would be of without a helper.
pub(super) fn explain(refusal: Refusal, user: &str, operation: Operation<'_>) -> io::Error {
    let path = match operation {
        Operation::Lane => "",
        Operation::At(_, path)
        | Operation::Rename { from: path, .. }
        | Operation::RenameNew { from: path, .. } => path,
    };
    let (kind, what) = match refusal {
        Refusal::System(errno) => {
            let error = io::Error::from_raw_os_error(errno);
            if error.kind() != io::ErrorKind::PermissionDenied {
                return error;
            }
            let what = format!("{user} may not do this with {path}: {error}");
            (error.kind(), what)
        }
        // None of these is about the file, whatever it is asked for.
        Refusal::NotLookedUp => (
            io::ErrorKind::Other,
            format!("it cannot be found out who {user} is: do the machine's name services work?"),
        ),
        Refusal::NoUser => (
            io::ErrorKind::Other,
            format!("this machine has no user {user}: make it, or turn system_users off"),
        ),
        Refusal::SystemUser => (
            io::ErrorKind::Other,
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
            io::ErrorKind::Other,
            "the helper for users of this machine has too much to do".to_owned(),
        ),
    };
    io::Error::new(kind, what)
}
