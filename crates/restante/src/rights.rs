//! Whose rights a command works with (design decision 16).
//!
//! A command that root runs must not leave files in the data directory that the server cannot
//! read, and has no business with root's rights: it becomes the owner of the data directory
//! before it opens anything there.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::Path;

use nix::unistd::{self, Gid, Uid, User};

use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::helper;
use crate::output;

/// Makes the data directory if it is not there, and becomes its owner if the caller is root.
///
/// # Errors
///
/// When the directory cannot be made or looked at, when the configured user does not exist, and
/// when the rights cannot be given up.
pub(crate) fn become_owner(config: &Config) -> Result<(), Failure> {
    let data = &config.data;
    let metadata = match fs::metadata(data) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(config)?;
            fs::metadata(data).map_err(|error| unusable(data, &error))?
        }
        Err(error) => return Err(unusable(data, &error)),
    };
    if !metadata.is_dir() {
        return Err(unusable(
            data,
            &io::Error::from(io::ErrorKind::NotADirectory),
        ));
    }
    helper::start_if_wanted(config);
    if !unistd::geteuid().is_root() || metadata.uid() == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    unistd::setgroups(&[gid])
        .and_then(|()| unistd::setgid(gid))
        .and_then(|()| unistd::setuid(uid))
        .map_err(|errno| {
            Failure::new(
                Code::System,
                format!(
                    "root's rights cannot be given up: {}",
                    output::plain(&errno.into())
                ),
            )
            .remedy(format!("run this as the owner of {}", data.display()))
        })
}

/// Makes the data directory if it is not there, and gives it to the configured user.
///
/// # Errors
///
/// When it cannot be made, or the user does not exist.
pub(crate) fn prepare(config: &Config) -> Result<(), Failure> {
    match fs::metadata(&config.data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(config),
        Err(error) => Err(unusable(&config.data, &error)),
        Ok(_) => Ok(()),
    }
}

/// The user of the configuration.
///
/// # Errors
///
/// EX_CONFIG when there is no such user.
pub(crate) fn user(config: &Config) -> Result<Option<User>, Failure> {
    let Some(name) = &config.user else {
        return Ok(None);
    };
    match User::from_name(name) {
        Ok(Some(user)) => Ok(Some(user)),
        Ok(None) => Err(Failure::new(
            Code::Config,
            format!("{}: there is no user {name:?}", config.file.display()),
        )
        .remedy(format!(
            "make it: useradd --system --home-dir {} {name}",
            config.data.display()
        ))),
        Err(errno) => Err(Failure::new(
            Code::System,
            format!(
                "the user {name:?} cannot be looked up: {}",
                output::plain(&errno.into())
            ),
        )),
    }
}

fn make(config: &Config) -> Result<(), Failure> {
    let data = &config.data;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| {
            Failure::new(
                Code::CannotCreate,
                format!(
                    "the data directory {} cannot be made: {}",
                    data.display(),
                    output::plain(&error)
                ),
            )
            .remedy("make it, and give it to the user that the server runs as")
        })?;
    if unistd::geteuid().is_root()
        && let Some(user) = user(config)?
    {
        chown(data, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(|error| unusable(data, &error))?;
    }
    Ok(())
}

fn unusable(data: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => Code::NoPermission,
        _ => Code::CannotCreate,
    };
    Failure::new(
        code,
        format!(
            "the data directory {} cannot be used: {}",
            data.display(),
            output::plain(error)
        ),
    )
    .remedy("run this as root or as the owner of the data directory, or correct `data`")
}
