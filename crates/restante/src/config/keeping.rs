//! `[maildrop]`: how much mail is kept, for how long, and in which form.

use std::time::Duration;

use auth::Quota;
use delivery::QuotaExceeded;
use maildrop::{NativeSettings, Template};
use server::Keeping;
use toml::de::DeTable;

use super::document::{At, Document, Section};
use super::read::{LATER, one_of};
use super::values;

/// Which back end keeps mail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Native,
    Maildir,
    Mbox,
}

/// What the table says.
pub(super) struct Maildrop {
    pub(super) kind: At<Kind>,
    pub(super) lock_wait: Duration,
    /// That files belong to users of this machine, and to whom none does.
    pub(super) system_users: Option<At<u32>>,
    pub(super) keeping: Keeping,
    pub(super) store: NativeSettings,
    pub(super) unique_id: String,
}

/// Reads the table.
pub(super) fn read(document: &mut Document<'_>, table: Option<&DeTable<'_>>) -> Maildrop {
    let mut section = Section::new("[maildrop]", table);
    let kind = section.parsed(document, "store", |text| match text {
        "native" => Ok(Kind::Native),
        "maildir" => Ok(Kind::Maildir),
        "mbox" => Ok(Kind::Mbox),
        "cluster" => Err(format!("this store {LATER}; write store = \"native\"")),
        other => Err(one_of(other, &["native", "maildir", "mbox"])),
    });
    let lock_wait = section
        .parsed(document, "lock_wait", |text| {
            values::duration(text).and_then(|wait| match wait <= Duration::from_secs(60) {
                true => Ok(wait),
                false => Err("give at most a minute: the client waits for its reply".to_owned()),
            })
        })
        .map_or(Duration::from_secs(5), |wait| wait.value);
    let system_users = system_users(document, &mut section);
    let keeping = keeping(document, &mut section);
    let (store, unique_id) = store(document, &mut section, keeping.grace);
    section.close(document);
    let kind = kind.unwrap_or(At {
        value: Kind::Native,
        span: 0..0,
    });
    Maildrop {
        kind,
        lock_wait,
        system_users,
        keeping,
        store,
        unique_id,
    }
}

/// The first user id of people, if maildrops belong to users of this machine.
fn system_users(document: &mut Document<'_>, section: &mut Section<'_, '_>) -> Option<At<u32>> {
    let first_uid = section.number(document, "first_uid", 1..=u64::from(u32::MAX - 1));
    let switch = section.switch(document, "system_users");
    let switch = switch.filter(|switch| switch.value);
    if first_uid.is_some() && switch.is_none() {
        document.warning(
            section.span("first_uid"),
            "`first_uid` means nothing while maildrops belong to the server",
            "add system_users = true, or remove it",
        );
    }
    let first_uid = first_uid.and_then(|uid| uid.try_into().ok());
    switch.map(|switch| At {
        value: first_uid.unwrap_or(FIRST_UID),
        span: switch.span,
    })
}

/// Below it are the users of the system itself, on Debian and elsewhere (`UID_MIN` of login.defs(5)).
const FIRST_UID: u32 = 1000;

fn keeping(document: &mut Document<'_>, section: &mut Section<'_, '_>) -> Keeping {
    let mut keeping = Keeping::default();
    if let Some(octets) = section.parsed(document, "quota", values::quota) {
        keeping.octets = octets.value;
    }
    if let Some(most) = section.number(document, "quota_messages", 1..=u64::from(u32::MAX)) {
        keeping.messages = most.try_into().map_or(Quota::Unlimited, Quota::AtMost);
    }
    let exceeded = section.parsed(document, "quota_exceeded", |text| match text {
        "temporary" => Ok(QuotaExceeded::Temporary),
        "permanent" => Ok(QuotaExceeded::Permanent),
        other => Err(one_of(other, &["temporary", "permanent"])),
    });
    if let Some(exceeded) = exceeded {
        keeping.quota_exceeded = exceeded.value;
    }
    if let Some(expire) = section.parsed(document, "expire", values::expire) {
        keeping.expire = expire.value;
    }
    if let Some(grace) = section.parsed(document, "undelete", values::undelete) {
        keeping.grace = grace.value;
    }
    let interval = section.parsed(document, "sweep_interval", |text| {
        values::duration(text)
            .ok()
            .filter(|interval| SWEEP_INTERVAL.contains(interval))
            .ok_or_else(|| "give from \"1s\" to \"24 h\"".to_owned())
    });
    if let Some(interval) = interval {
        keeping.sweep_interval = interval.value;
    }
    keeping
}

/// What the store is told, and the form of unique-ids as it was written.
fn store(
    document: &mut Document<'_>,
    section: &mut Section<'_, '_>,
    grace: Duration,
) -> (NativeSettings, String) {
    let mut store = NativeSettings {
        grace,
        ..NativeSettings::default()
    };
    if let Some(allow) = section.switch(document, "allow_volatile") {
        store.allow_volatile = allow.value;
    }
    if let Some(counted) = section.switch(document, "undelete_in_quota") {
        store.grace_in_quota = counted.value;
        if counted.value && grace.is_zero() {
            document.warning(
                Some(counted.span),
                "`undelete_in_quota` means nothing while deleted mail is not kept",
                "add undelete = \"7 days\", or remove it",
            );
        }
    }
    let mut unique_id = "{generation}.{uid}".to_owned();
    let template = section.parsed(document, "unique_id", |text| {
        let template: Template = text.parse()?;
        Ok((template, text.to_owned()))
    });
    if let Some(template) = template {
        (store.unique_id, unique_id) = template.value;
    }
    if let Some(reserve) = section.parsed(document, "reserve", values::octets) {
        store.reserve_octets = reserve.value;
    }
    (store, unique_id)
}

/// Shorter is for tests; longer would let mail stay for days after its time, and a restart would
/// not know any more whether the clock is right.
const SWEEP_INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(86_400);
