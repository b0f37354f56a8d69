//! A list of accounts: each with its source, one to a line.
//!
//! ```text
//! # account    source                            password
//! mrose        pop3s://mrose@old.dobbs.org       /root/passwords/mrose
//! bob          pop3s://bob*master@old.dobbs.org
//! alice        /var/mail/alice/Maildir
//! ```
//!
//! The whole list is read before the first account's mail, and every password with it; a line that is
//! wrong stops everything. After that an account that fails is told, and the next one comes.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::address::Address;
use super::{Logins, Site, Source, Task};
use crate::args::PasswordSource;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};
use crate::user::password;

/// As much as a million accounts need.
const LIST_OCTETS_MAX: u64 = 256 << 20;

/// Reads a list.
///
/// # Errors
///
/// When it, or a password that it names, cannot be read, or a line is wrong.
pub(super) fn read(file: &Path, logins: &mut Logins<'_>) -> Result<Vec<Task>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(Code::NoInput, output::unreadable(file, &error)).remedy(
            "name a file with an account, its source and perhaps a password file in each line",
        )
    };
    let mut text = String::new();
    File::open(file)
        .and_then(|open| open.take(LIST_OCTETS_MAX).read_to_string(&mut text))
        .map_err(unreadable)?;
    let mut tasks = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let task = task(line, logins)
            .map_err(|failure| failure.within(&format!("{}, line {number}", file.display())))?;
        tasks.push(task);
    }
    match tasks.is_empty() {
        true => Err(Failure::new(
            Code::Data,
            format!("{} names no account", file.display()),
        )),
        false => Ok(tasks),
    }
}

fn task(line: &str, logins: &mut Logins<'_>) -> Result<Task, Failure> {
    // Paths may have spaces in them.
    let words: Vec<&str> = match line.contains('\t') {
        true => line.split('\t').filter(|word| !word.is_empty()).collect(),
        false => line.split_ascii_whitespace().collect(),
    };
    let (account, source, file) = match words[..] {
        [account, source] => (account, source, None),
        [account, source, file] => (account, source, Some(file)),
        _ => {
            return Err(Failure::new(
                Code::Data,
                "not an account, a source and perhaps a password file",
            )
            .remedy("separate them by tabs if there is a space in one of them"));
        }
    };
    let source = match (Address::parse(Path::new(source))?, file) {
        (Some(address), Some(file)) => {
            let secret = secret(Path::new(file))?;
            logins.with(address, secret)?
        }
        (Some(address), None) => {
            let secret = logins.shared.clone().ok_or_else(|| {
                Failure::new(Code::Usage, format!("no password for {}", address.user)).remedy(
                    "name a file with it behind the source, or one for all by --password-file",
                )
            })?;
            logins.with(address, secret)?
        }
        (None, None) => Source::Files(PathBuf::from(source)),
        (None, Some(_)) => {
            let what = format!("{source} is no POP3 server and needs no password");
            return Err(Failure::new(Code::Data, what));
        }
    };
    Ok(Task {
        account: account.to_owned(),
        source,
    })
}

/// The password in a file that nobody else reads.
fn secret(file: &Path) -> Result<sasl::Secret, Failure> {
    check_nobody_else_reads(file)?;
    let source = PasswordSource {
        stdin: false,
        password_file: Some(file.to_owned()),
    };
    let given = password::given(&source)?;
    given.ok_or_else(|| Failure::new(Code::Data, "the password is empty"))
}

/// A file with a password, which is perhaps that of all maildrops.
///
/// # Errors
///
/// When others than its owner can read it. One that is not there is left to whoever opens it.
pub(super) fn check_nobody_else_reads(file: &Path) -> Result<(), Failure> {
    let mode = fs::metadata(file).map_or(0, |metadata| metadata.mode());
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(Failure::new(
            Code::NoPermission,
            format!("{} can be read by others", file.display()),
        )
        .remedy(format!("chmod 600 {}", file.display()))),
    }
}

/// Does the same for each account, and says at the end for which it failed, and what is to be done then.
///
/// # Errors
///
/// When it failed for one of them.
pub(super) fn each(
    tasks: &[Task],
    site: &Site<'_>,
    one: impl Fn(&Site<'_>, &Task) -> Result<(), Failure>,
    then: &str,
) -> Result<(), Failure> {
    let mut failures = Vec::new();
    // What is to be done is the same for many, and is said to the first of them.
    let mut advised = HashSet::new();
    for (number, task) in (1..).zip(tasks) {
        let Err(failure) = one(site, task) else {
            continue;
        };
        // Nobody reads any more what comes of it.
        let Some(what) = failure.what() else {
            return Err(failure);
        };
        note!(
            "{} ({number} of {}) failed: {what}",
            task.account,
            tasks.len()
        );
        if let Some(advice) = failure.advice()
            && advised.insert(advice.to_owned())
        {
            note!("  {advice}");
        }
        failures.push((task, failure));
    }
    let done = tasks.len() - failures.len();
    say!(
        "{} done, {} failed.",
        count(done as u64, "account", "accounts"),
        failures.len()
    )?;
    for (task, failure) in &failures {
        say!("{}: {}", task.account, failure.what().unwrap_or_default())?;
    }
    let Some((_, first)) = failures.first() else {
        return Ok(());
    };
    // One code for all, if it is one: 75 says that the whole may be tried again as it is.
    let code = match failures
        .iter()
        .all(|(_, failure)| failure.code() == first.code())
    {
        true => first.code(),
        false => Code::Data,
    };
    Err(Failure::new(
        code,
        format!(
            "{} failed",
            count(failures.len() as u64, "account", "accounts")
        ),
    )
    .remedy(then))
}
