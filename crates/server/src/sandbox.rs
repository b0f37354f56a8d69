//! Giving up rights, for ever: between binding the sockets and serving the first stranger.
//!
//! Started as root, the process becomes an unprivileged user with that user's groups and no
//! others, without capabilities. However it was started, it can gain no rights by executing
//! something (`no_new_privs`), other processes of its user cannot look into it (not dumpable),
//! and a crash writes no core, which would hold passwords.

use std::ffi::CString;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, User, geteuid, getuid, initgroups, setgid, setuid};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use tracing::warn;

/// Why rights could not be given up. The server must not start then.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Started as root, and no user is named.
    #[error(
        "refusing to serve as root; add `user = \"restante\"` (an account of this machine that \
         owns the data directory) to the configuration, or start as that user"
    )]
    Root,
    /// The named user does not exist.
    #[error("user {0:?} does not exist on this machine: make it with `useradd --system {0}`")]
    NoSuchUser(String),
    /// Started as one user, configured for another.
    #[error(
        "cannot become user {wanted:?}: started as {current:?}, not as root; leave `user` out, or start as root or as {wanted:?}"
    )]
    NotRoot {
        /// The configured user.
        wanted: String,
        /// Who started the process.
        current: String,
    },
    /// The system refused a step.
    #[error("cannot give up rights ({step}): {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Becomes `user` if the process was started as root, and gives up everything else.
///
/// Call it before any other thread exists, thus before the runtime is built: two of the rights are
/// a thread's own.
///
/// # Errors
///
/// See [`SandboxError`]; the process may then have given up part of its rights and must end.
pub fn become_user(user: Option<&str>) -> Result<(), SandboxError> {
    let root = geteuid().is_root() || getuid().is_root();
    match (user, root) {
        (None, true) => return Err(SandboxError::Root),
        (Some("root"), true) => warn!(
            "serving as root, as the configuration asks: a fault in this program would be root's"
        ),
        (Some(name), true) => change_user(name)?,
        (Some(name), false) => {
            let wanted = find(name)?;
            if wanted.uid != geteuid() {
                let current = User::from_uid(geteuid()).ok().flatten();
                return Err(SandboxError::NotRoot {
                    wanted: name.to_owned(),
                    current: current.map_or_else(|| geteuid().to_string(), |user| user.name),
                });
            }
        }
        (None, false) => {}
    }
    if !geteuid().is_root() {
        // Started with ambient capabilities, say to bind port 110: they have done their work.
        keep(CapabilitySet::empty())?;
    }
    close_doors()
}

/// Stays root but can do nothing more than work with the rights of users: what the helper is that reaches
/// their files. It can be asked for nothing that only root may read, or write.
///
/// Call it before any other thread exists.
///
/// # Errors
///
/// See [`SandboxError`].
pub fn keep_changing_users() -> Result<(), SandboxError> {
    keep(CapabilitySet::SETUID | CapabilitySet::SETGID)?;
    close_doors()
}

fn keep(capabilities: CapabilitySet) -> Result<(), SandboxError> {
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(system("capabilities"))
}

/// No way to more rights, and nothing to be seen from outside.
fn close_doors() -> Result<(), SandboxError> {
    set_no_new_privs(true).map_err(system("no_new_privs"))?;
    // After the change of user, which would set it anew.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(system("dumpable"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(system("core"))
}

/// Raises the limit of open descriptors to the hard limit, or to `wanted` if that is more and the
/// system lets us (root may), and returns how many the process may open now.
pub(crate) fn raise_descriptors(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let asked = hard.max(wanted);
    if asked > hard && setrlimit(Resource::RLIMIT_NOFILE, asked, asked).is_ok() {
        return Ok(asked);
    }
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

fn change_user(name: &str) -> Result<(), SandboxError> {
    let user = find(name)?;
    if user.uid.is_root() {
        // Another name for root: what is written must be what it is.
        return Err(SandboxError::Root);
    }
    let c_name =
        CString::new(name).map_err(|_| SandboxError::NoSuchUser(name.replace('\0', "\\0")))?;
    initgroups(&c_name, user.gid).map_err(system("groups"))?;
    setgid(user.gid).map_err(system("group"))?;
    setuid(user.uid).map_err(system("user"))?;
    // The way back must be closed; if it is open, something above did not do what it says.
    if setuid(Uid::from_raw(0)).is_ok() || geteuid() != user.uid || getuid() != user.uid {
        let source = io::Error::other("the process can still become root");
        return Err(SandboxError::System {
            step: "user",
            source,
        });
    }
    Ok(())
}

fn find(name: &str) -> Result<User, SandboxError> {
    User::from_name(name)
        .map_err(system("look up the user"))?
        .ok_or_else(|| SandboxError::NoSuchUser(name.to_owned()))
}

fn system<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |error| SandboxError::System {
        step,
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs one of the tests below in a process of its own, since rights do not come back.
    fn in_a_child(test: &str) {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--test-threads=1"])
            .arg(format!("sandbox::tests::{test}"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    }

    fn status(key: &str) -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line[key.len()..].trim().to_owned()
    }

    #[test]
    fn rights_are_gone_for_ever() {
        match geteuid().is_root() {
            true => in_a_child("as_root"),
            false => in_a_child("as_somebody"),
        }
    }

    #[test]
    #[ignore = "run by rights_are_gone_for_ever, in a process of its own"]
    fn as_root() {
        assert!(matches!(become_user(None), Err(SandboxError::Root)));
        let error = become_user(Some("no-such-user")).unwrap_err().to_string();
        assert!(error.contains("no-such-user"), "{error}");
        become_user(Some("nobody")).unwrap();
        let nobody = find("nobody").unwrap();
        let ids = [nobody.uid; 4].map(|uid| uid.to_string()).join("\t");
        assert_eq!(status("Uid:"), ids);
        assert_eq!(status("Groups:"), nobody.gid.to_string());
        locked_down();
        assert!(setuid(Uid::from_raw(0)).is_err());
        // Once more changes nothing; another user is out of reach now.
        become_user(Some("nobody")).unwrap();
        let error = become_user(Some("root")).unwrap_err();
        assert!(matches!(error, SandboxError::NotRoot { .. }), "{error}");
    }

    #[test]
    #[ignore = "run by rights_are_gone_for_ever, in a process of its own"]
    fn as_somebody() {
        become_user(None).unwrap();
        locked_down();
        let error = become_user(Some("root")).unwrap_err();
        assert!(matches!(error, SandboxError::NotRoot { .. }), "{error}");
    }

    fn locked_down() {
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(status(set), "0000000000000000", "{set}");
        }
        assert_eq!(status("NoNewPrivs:"), "1");
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        let dumpable = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(dumpable, DumpableBehavior::NotDumpable);
    }
}
