//! What stands behind the password in a passwd-file of Dovecot or in a shadow file, as far as an
//! account here can have it.
//!
//! Dovecot: `uid:gid:gecos:home:shell:extra fields`, of which the last are words with spaces between
//! and may hold colons. A field that refuses logins counts whatever its value (`nologin=no` is
//! `nologin`). Shadow: seven numbers (shadow(5)): the day of the password's last change, how many days
//! later it may and must be changed, how many before that there are warnings, how many after it the old
//! one is still taken, and the day from which on the account has expired; days count from 1970.
//!
//! What refuses a login there or leads it elsewhere disables the account here, ends it or is a
//! [`FieldProblem`]; only what does neither is left out.

use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::passwd_line::shown;
use super::{Change, Quota, State};
use crate::place::Network;

/// What an account here is to have, and the names of what it cannot.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) change: Change,
    /// See [`ImportLine::change_due`](super::ImportLine::change_due).
    pub(super) change_due: Option<SystemTime>,
    pub(super) left_out: Vec<String>,
}

/// A field that cannot be taken and must not be dropped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FieldProblem {
    /// Networks that we do not know how to write.
    #[error(
        "allow_nets names what is not a network like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7; without it \
         the account could log in from everywhere"
    )]
    Networks,
    /// Dovecot asks for both lists; an account has one.
    #[error(
        "allow_nets is there twice, and only where both allow it may the account log in; write what both \
         have in one"
    )]
    NetworksTwice,
    /// A condition that an account here cannot have, or fields that we do not read and that may be one.
    #[error(
        "{0} can refuse logins there and could not here; take it out if the account may be open without it"
    )]
    Condition(String),
    /// Who logs in is another user there, or at another server.
    #[error(
        "{0} leads the login to another server or account; take it out if the mail is to be here"
    )]
    Elsewhere(String),
    /// Any password is right.
    #[error("nopassword lets anybody log in")]
    NoPassword,
    /// The password of the line is not the one that is asked for.
    #[error("noauthenticate leaves the password to another database; import that one")]
    NotChecked,
}

impl Fields {
    pub(super) fn parse(behind: &str) -> Result<Self, FieldProblem> {
        let mut fields = Self::default();
        match shadow(behind) {
            Some(numbers) => fields.take_shadow(numbers),
            None => fields.take_passwd(behind)?,
        }
        Ok(fields)
    }

    /// Whether these are all fields of a passwd-file with numbers where they belong, so that they
    /// cannot be the rest of a password.
    pub(super) fn are_whole(behind: &str) -> bool {
        let fields: Vec<_> = behind.splitn(6, ':').collect();
        let [uid, gid, _, home, _, _] = fields[..] else {
            return false;
        };
        is_number(uid) && is_number(gid) && (home.is_empty() || home.starts_with('/'))
    }

    fn take_shadow(&mut self, [changed, least, most, warned, inactive, end, _]: [&str; 7]) {
        // An account that has not expired there yet does not expire here because of a bad number.
        let number = |field: &str| field.parse::<u32>().ok().map(u64::from);
        let mut last = number(end);
        match (number(changed), number(most), number(inactive)) {
            // A new password is asked for at the next login, however old this one is.
            (Some(0), _, _) => self.change_due = Some(day(0)),
            (Some(changed), Some(most), Some(inactive)) => {
                let too_old = changed + most + inactive;
                last = Some(last.map_or(too_old, |end| end.min(too_old)));
            }
            (Some(changed), Some(most), None) => self.change_due = Some(day(changed + most)),
            _ => {}
        }
        if let Some(number) = last {
            self.change.expires = Some(Some(day(number)));
        }
        let ages = [changed, least, most, warned, inactive];
        if ages.iter().any(|number| !number.is_empty()) {
            self.left_out.push("age of the password".to_owned());
        }
    }

    fn take_passwd(&mut self, behind: &str) -> Result<(), FieldProblem> {
        let mut fields = behind.splitn(6, ':');
        for name in ["uid", "gid", "gecos", "home", "shell"] {
            if fields.next().is_some_and(|value| !value.is_empty()) {
                self.left_out.push(name.to_owned());
            }
        }
        for word in fields.next().unwrap_or_default().split_ascii_whitespace() {
            self.take_extra(word)?;
        }
        Ok(())
    }

    fn take_extra(&mut self, word: &str) -> Result<(), FieldProblem> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        // What counts only where nothing has set it before counts here, too.
        let name = name.strip_suffix(":protected").unwrap_or(name);
        let name = name.strip_suffix(":default").unwrap_or(name);
        match name {
            "nologin" | "fail" | "userdb_tempfail" => self.change.state = Some(State::Disabled),
            "nopassword" => return Err(FieldProblem::NoPassword),
            "noauthenticate" => return Err(FieldProblem::NotChecked),
            "allow_nets" if self.change.networks.is_some() => {
                return Err(FieldProblem::NetworksTwice);
            }
            "allow_nets" => self.change.networks = Some(networks(value)?),
            "allow_real_nets"
            | "delay_until"
            | "check_client_fp"
            | "check_client_cert_fp"
            | "check_client_pubkey_fp"
            | "passdb_import"
            | "userdb_userdb_import" => return Err(FieldProblem::Condition(name.to_owned())),
            // `proxy_maybe` without a `host` is a login at this server.
            "proxy" | "proxy_always" | "host" | "user" | "username" | "domain" | "login_user"
            | "userdb_user" | "userdb_username" | "userdb_domain" => {
                return Err(FieldProblem::Elsewhere(name.to_owned()));
            }
            "userdb_quota_rule" if self.take_quota(value).is_some() => {}
            _ => self.left_out.push(shown(name)),
        }
        Ok(())
    }

    /// `*:storage=1G:messages=1000`, the rule for the whole of a mailbox; none: it says something else,
    /// and nothing of it is taken.
    fn take_quota(&mut self, rule: &str) -> Option<()> {
        let (mut octets, mut messages) = (None, None);
        for limit in rule.strip_prefix("*:")?.split(':') {
            match limit.split_once('=')? {
                // Without a unit `storage` counts in KiB.
                ("storage", value) => octets = Some(Some(quota(value, 1024)?)),
                ("bytes", value) => octets = Some(Some(quota(value, 1)?)),
                ("messages", value) => messages = Some(Some(quota(value, 1)?)),
                _ => return None,
            }
        }
        self.change.octets = octets.or(self.change.octets);
        self.change.messages = messages.or(self.change.messages);
        Some(())
    }
}

/// The beginning of a day that is counted from 1970.
fn day(number: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(number * 24 * 60 * 60)
}

/// The seven fields of a shadow file, if they are that many numbers.
fn shadow(behind: &str) -> Option<[&str; 7]> {
    let fields: Vec<_> = behind.split(':').collect();
    let fields: [&str; 7] = fields.try_into().ok()?;
    let signed = |field: &&str| is_number(field.strip_prefix('-').unwrap_or(field));
    fields.iter().all(signed).then_some(fields)
}

/// Whether a field is empty or a number.
fn is_number(field: &str) -> bool {
    field.bytes().all(|digit| digit.is_ascii_digit())
}

fn networks(list: &str) -> Result<Vec<Network>, FieldProblem> {
    // `local`, a Unix socket, is no network here either.
    let networks: Result<_, _> = list.split(',').map(|word| word.trim().parse()).collect();
    networks.map_err(|_| FieldProblem::Networks)
}

/// How much, in what `unit` says unless a letter does; 0 is no limit in Dovecot. What is relative to
/// another rule is none.
fn quota(value: &str, unit: u64) -> Option<Quota> {
    let (digits, unit) = match value.strip_suffix(|c: char| c.is_ascii_alphabetic()) {
        None => (value, unit),
        Some(digits) => {
            let power = match value.as_bytes().last()?.to_ascii_uppercase() {
                b'B' => 0,
                b'K' => 1,
                b'M' => 2,
                b'G' => 3,
                b'T' => 4,
                _ => return None,
            };
            (digits, 1 << (10 * power))
        }
    };
    if digits.is_empty() || !is_number(digits) {
        return None;
    }
    let number = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    // The database counts with a sign.
    i64::try_from(number).ok()?;
    Some(NonZeroU64::new(number).map_or(Quota::Unlimited, Quota::AtMost))
}
