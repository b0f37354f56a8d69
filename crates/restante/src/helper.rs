//! The process that stays root, to reach the files of users of this machine for one that does not.

use std::io;
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

/// That of this process, or why there is none: it is started once, as rights are given up once.
static HELPER: OnceLock<Result<Arc<Helper>, String>> = OnceLock::new();

/// The helper.
///
/// # Errors
///
/// `PermissionDenied`, with the reason, if there is none.
pub(crate) fn running() -> io::Result<Arc<Helper>> {
    let why = match HELPER.get() {
        Some(Ok(helper)) => return Ok(Arc::clone(helper)),
        Some(Err(why)) => why.clone(),
        None => {
            "files of users of this machine are reached by root only: run this as root".to_owned()
        }
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Starts the helper if a command may need it: the maildrops are those of users of this machine, and the caller
/// is root. To be called before root's rights are given up. Whether it can be had matters to those who do need it.
pub(crate) fn start_if_wanted(config: &Config) {
    let Some(wanted) = wanted(config).filter(|_| HELPER.get().is_none()) else {
        return;
    };
    // Nobody waits for the process: it ends when this one does.
    let helper = match start(config, wanted, Stdio::piped()) {
        Ok((helper, _)) => Ok(Arc::new(helper)),
        Err(failure) => Err(failure.to_string()),
    };
    let _ = HELPER.set(helper);
}

/// As [`start_if_wanted`], for the server, which does need it.
///
/// # Errors
///
/// When it cannot be started, or has nothing to work with; it has said why itself, perhaps.
pub(crate) fn start_to_serve(config: &Config) -> Result<Option<Child>, Failure> {
    let Some(wanted) = wanted(config) else {
        return Ok(None);
    };
    let (helper, child) = start(config, wanted, Stdio::inherit())?;
    let _ = HELPER.set(Ok(Arc::new(helper)));
    Ok(Some(child))
}

/// Whose maildrops are to be reached, if they are those of users and the caller may.
fn wanted(config: &Config) -> Option<(&InPlace, &SystemUsers)> {
    let in_place = config.in_place.as_ref()?;
    let users = in_place.users.as_ref()?;
    unistd::geteuid().is_root().then_some((in_place, users))
}

fn start(
    config: &Config,
    (in_place, users): (&InPlace, &SystemUsers),
    errors: Stdio,
) -> Result<(Helper, Child), Failure> {
    let group = group(config, users)?;
    let (ours, theirs) = Helper::sockets().map_err(|error| not_started(&error))?;
    // The same program, even if there is a newer one by now.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("restante")
        .args(["helper", "--path", &in_place.path.to_string()])
        .args(["--first-uid", &users.first_uid.to_string()])
        .args(matches!(in_place.form, Form::Mboxes(_)).then_some("--mbox"));
    if let Some(group) = group {
        command.args(["--group", &group.to_string()]);
    }
    let child = command
        .env_clear()
        .current_dir("/")
        // What is typed on the server's terminal is not for the helper, which ends when the server has.
        .process_group(0)
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .map_err(|error| not_started(&error))?;
    // The other end is open in the child alone now.
    drop(command);
    let helper = Helper::new(ours).map_err(|error| not_started(&error))?;
    if let Err(error) = helper.ready() {
        return Err(why_not(child, &error));
    }
    Ok((helper, child))
}

fn not_started(error: &io::Error) -> Failure {
    let what = format!(
        "the helper for users of this machine cannot be started: {}",
        output::plain(error)
    );
    Failure::new(Code::System, what)
}

/// Why the helper is not at work.
fn why_not(mut child: Child, error: &io::Error) -> Failure {
    // It may hang in a file system, for ever.
    let _ = child.kill();
    let Ok(done) = child.wait_with_output() else {
        return not_started(error);
    };
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.trim().trim_start_matches("restante: ");
    match done.status.code().and_then(Code::of_exit) {
        Some(code) if said.is_empty() => Failure::silent(code),
        Some(code) => Failure::new(code, said),
        None => not_started(error),
    }
}

/// Group id of those who may make files in a directory of mboxes.
fn group(config: &Config, users: &SystemUsers) -> Result<Option<u32>, Failure> {
    let Some(name) = &users.group else {
        return Ok(None);
    };
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(Some(group.gid.as_raw())),
        Err(errno) => Err(Failure::new(
            Code::System,
            format!(
                "the group {name:?} cannot be looked up: {}",
                output::plain(&errno.into())
            ),
        )),
        Ok(None) => Err(Failure::new(
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
    let system = |what: &str, error: &io::Error| {
        Failure::new(Code::System, format!("{what}: {}", output::plain(error)))
    };
    // The server ends it, in its own time, whatever the service manager sends to both.
    SigSet::all()
        .thread_block()
        .map_err(|errno| system("signals cannot be blocked", &errno.into()))?;
    let name = rustix::thread::set_name(c"restante-helper");
    name.map_err(|errno| system("the process cannot be named", &errno.into()))?;
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
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => Code::Config,
            _ => Code::Unavailable,
        };
        Failure::from_text(code, &what)
    })?;
    sandbox::keep_changing_users().map_err(|error| {
        Failure::from_text(Code::NoPermission, &error.to_string()).remedy(
            "the helper needs CAP_SETUID and CAP_SETGID: leave them in CapabilityBoundingSet",
        )
    })?;
    let socket = io::stdin().as_fd().try_clone_to_owned();
    let socket = socket.map_err(|error| system("there is no socket", &error))?;
    helper::serve(&socket, duty).map_err(|error| system("the server cannot be served", &error))
}
