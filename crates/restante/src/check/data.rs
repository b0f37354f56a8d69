//! The data directory: whose it is, who may look into it, and what a start would find there.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use auth::{Accounts, AliasCounts, Look};
use nix::unistd::{Uid, User};

use super::Findings;
use crate::config::Config;
use crate::output::{self, count, note, say};
use crate::stock;

/// Whether the data directory is the server's.
pub(super) fn owner(config: &Config, user: &User, findings: &mut Findings) {
    let data = config.data.display();
    let Ok(metadata) = fs::metadata(&config.data) else {
        return;
    };
    if metadata.uid() == user.uid.as_raw() {
        return;
    }
    let owner = match User::from_uid(Uid::from_raw(metadata.uid())) {
        Ok(Some(owner)) => owner.name,
        _ => format!("uid {}", metadata.uid()),
    };
    let name = &user.name;
    findings.error(
        format!("the data directory {data} is {owner}'s, and the server runs as {name}"),
        format!("give it to the server's user: chown -R {name} {data}; or correct `user`"),
    );
}

/// Whether the data directory can be used, and what is in it.
pub(super) fn data(config: &Config, findings: &mut Findings) {
    let data = config.data.as_path();
    let remedy = || {
        format!(
            "give it to the server's user: chown -R USER {}",
            data.display()
        )
    };
    match fs::metadata(data) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => findings.warning(
            format!("others may look into the data directory {}", data.display()),
            format!("close it: chmod 700 {}", data.display()),
        ),
        Ok(_) => {}
        Err(error) => findings.error(output::unreadable(data, &error), remedy()),
    }
    if let Err(errno) = nix::unistd::access(
        data,
        nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK,
    ) {
        findings.error(
            format!(
                "{} cannot be written: {}",
                data.display(),
                output::plain(&errno.into())
            ),
            remedy(),
        );
        return;
    }
    // What `serve` would stumble over; what is not there yet is not made by looking.
    accounts(config, findings);
    if let Err(failure) = stock::maildrops(config) {
        findings.failure(&failure);
    }
}

/// Who gets mail beside the accounts; no mistake, whatever it is.
fn addresses(look: &Look) {
    let AliasCounts {
        aliases,
        catch_alls,
    } = look.aliases;
    let aliases = match (aliases, catch_alls) {
        (0, _) => "none".to_owned(),
        (all, 0) => all.to_string(),
        (all, some) => format!("{all}, of them {}", count(some, "catch-all", "catch-alls")),
    };
    // Nobody reads it: what is wrong is told all the same.
    let _ = say!("  {:<11} {aliases}", "aliases");
    if !look.without_postmaster.is_empty() {
        note!(
            "nobody is postmaster of {}, and RFC 5321 wants somebody to be\n  restante alias add postmaster ACCOUNT",
            look.without_postmaster.join(", ")
        );
    }
}

fn accounts(config: &Config, findings: &mut Findings) {
    let look = match Accounts::look(&config.data, &config.server.addressing()) {
        Ok(look) => look.unwrap_or_default(),
        Err(error) => return findings.failure(&error.into()),
    };
    if let Err(failure) = stock::lost_unless(config, || Ok(look.begun)) {
        return findings.failure(&failure);
    }
    if !look.begun {
        findings.warning(
            format!("there are no accounts in {} yet", config.data.display()),
            "make one: restante user add NAME; or is its file system not mounted?",
        );
    }
    if look.begun && !look.is_older {
        addresses(&look);
    }
    if look.is_older {
        findings.warning(
            "accounts.db is of an older version, and the next start or command brings it up to this one",
            "an older program cannot use it then: restante maildrop backup DIR with that one first",
        );
    }
    if let Some(first) = look.apop_lost.first() {
        let lost = look.apop_lost.len() as u64;
        findings.error(
            format!(
                "the APOP secrets of {} ({first}, for one) cannot be read: accounts.key is gone, or \
                 is another key",
                count(lost, "account", "accounts")
            ),
            "put the copy of accounts.key back; or set them anew: restante user passwd --apop ACCOUNT",
        );
    }
}
