//! The process that stays root, to reach the files of users of this machine for one that does not.

use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use maildrop::helper::{self, Duty, Helper, Home, Kept};
use nix::sys::signal::SigSet;
use nix::unistd::{self, Group};
use server::sandbox;

use crate::args;
use crate::config::{Config, Form, InPlace, SystemUsers};
use crate::failure::{Code, Failure};
use crate::output;

/// That of this process: it is started once, as rights are given up once.
static HELPER: OnceLock<Arc<Helper>> = OnceLock::new();

/// The helper, if there is one.
pub(crate) fn running() -> Option<Arc<Helper>> {
    HELPER.get().cloned()
}

/// Starts the helper if the maildrops are those of users of this machine and the caller is root. To be called
/// before root's rights are given up.
///
/// # Errors
///
/// When it cannot be started, or has nothing to work with; it has said why then.
pub(crate) fn start(config: &Config) -> Result<Option<Child>, Failure> {
    let Some(InPlace {
        path,
        form,
        users: Some(users),
    }) = &config.in_place
    else {
        return Ok(None);
    };
    if !unistd::geteuid().is_root() || HELPER.get().is_some() {
        return Ok(None);
    }
    let group = group(config, users)?;
    let system = |error: std::io::Error| {
        let what = format!(
            "the helper for users of this machine cannot be started: {}",
            output::plain(&error)
        );
        Failure::new(Code::System, what)
    };
    let (ours, theirs) = Helper::sockets().map_err(system)?;
    // The same program, even if there is a newer one by now.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("restante")
        .args(["helper", "--path", &path.to_string()])
        .args(["--first-uid", &users.first_uid.to_string()])
        .args(matches!(form, Form::Mboxes(_)).then_some("--mbox"));
    if let Some(group) = group {
        command.args(["--group", &group.to_string()]);
    }
    let mut child = command
        .env_clear()
        .current_dir("/")
        // What is typed on the server's terminal is not for the helper, which ends when the server has.
        .process_group(0)
        .stdin(theirs)
        .stdout(Stdio::null())
        .spawn()
        .map_err(system)?;
    // The other end is open in the child alone now.
    drop(command);
    let helper = Helper::new(ours);
    if let Err(error) = helper.ready() {
        drop(helper);
        return Err(match child.wait() {
            // It has said why.
            Ok(status) if !status.success() => Failure::silent(Code::Config),
            _ => system(error),
        });
    }
    let _ = HELPER.set(Arc::new(helper));
    Ok(Some(child))
}

/// Group id of those who may make files in a directory of mboxes.
fn group(config: &Config, users: &SystemUsers) -> Result<Option<u32>, Failure> {
    let Some(name) = &users.group else {
        return Ok(None);
    };
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(Some(group.gid.as_raw())),
        _ => Err(Failure::new(
            Code::Config,
            format!("{}: there is no group {name:?}", config.file.display()),
        )
        .remedy("name the group of the directory that the mboxes are in, or leave `group` out")),
    }
}

/// `restante helper`: serves the process at the other end of standard input until that ends.
///
/// # Errors
///
/// When there is nothing to serve, or not the right to.
pub(crate) fn work(arguments: &args::Helper) -> Result<(), Failure> {
    let kept = match arguments.mbox {
        true => Kept::Mbox,
        false => Kept::Maildir,
    };
    let home = Home::new(&arguments.path, kept)
        .map_err(|error| Failure::from_text(Code::Config, &error.to_string()))?;
    let root = home.root().to_owned();
    let duty = Duty::new(home, arguments.first_uid, arguments.group).map_err(|error| {
        let what = format!(
            "the maildrops of users, below {}, cannot be reached: {}",
            root.display(),
            output::plain(&error)
        );
        Failure::from_text(Code::Unavailable, &what)
    })?;
    sandbox::keep_changing_users()
        .map_err(|error| Failure::from_text(Code::NoPermission, &error.to_string()))?;
    let system = |what: &str, error: &std::io::Error| {
        Failure::new(Code::System, format!("{what}: {}", output::plain(error)))
    };
    // The server ends it, in its own time, whatever the service manager sends to both.
    SigSet::all()
        .thread_block()
        .map_err(|errno| system("signals cannot be blocked", &errno.into()))?;
    let name = rustix::thread::set_name(c"restante-helper");
    name.map_err(|errno| system("the process cannot be named", &errno.into()))?;
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let socket = socket.map_err(|error| system("there is no socket", &error))?;
    helper::serve(&socket, duty).map_err(|error| system("the server cannot be served", &error))
}
