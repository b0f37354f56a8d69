//! What a configuration means, line by line: what is set and what is not, in words.

use std::net::SocketAddr;

use auth::{Disposition, Network, TokenSettings};
use delivery::QuotaExceeded;
use maildrop::{UniqueIds, mbox};
use pop3::server::Utf8Messages;
use sasl::Mechanism;
use server::judgement::OnFail;
use server::{
    Access, ClientAccount, ClientCertificates, FrontEndTls, FrontEnds, PlaintextLogin, Protocol,
    Smtp,
};

use crate::config::{Config, Form, InPlace, say_duration, say_kept};
use crate::failure::Failure;
use crate::output::{count, octets, say};

/// Prints what the configuration means.
pub(super) fn describe(config: &Config) -> Result<(), Failure> {
    let server = &config.server;
    say!("{}", config.file.display())?;
    let mut domains = vec![server.hostname.clone()];
    domains.extend(
        server
            .domains
            .iter()
            .filter(|domain| **domain != server.hostname)
            .cloned(),
    );
    let row = |name: &str, value: &str| say!("  {name:<11} {value}");
    row("greets as", &server.hostname)?;
    row("signs off", &server.name)?;
    row("mail for", &domains.join(", "))?;
    row(
        "detail",
        &match detailed(&server.detail_separator).as_slice() {
            [] => "none: the whole local part counts".to_owned(),
            [one] => format!("{one} is NAME's"),
            several => format!("{} are NAME's", several.join(", ")),
        },
    )?;
    row("data", &config.data.display().to_string())?;
    let user = match &config.user {
        Some(user) => format!("{user}, after binding"),
        None => "whoever starts it, but not root".to_owned(),
    };
    row("runs as", &user)?;
    for listener in &server.listeners {
        let how = match (listener.protocol, listener.plaintext_login) {
            (Protocol::Pop3, PlaintextLogin::Never) => ", passwords only inside TLS",
            (Protocol::Pop3, PlaintextLogin::Loopback) => {
                ", passwords in clear only from this machine"
            }
            (Protocol::Pop3, PlaintextLogin::Always) => ", passwords in clear from everywhere",
            (Protocol::Smtp, _) => ", from the world for the accounts here",
            (Protocol::Pop3s | Protocol::Lmtp, _) => "",
        };
        row(
            "listens",
            &format!(
                "{:<5} {}{how}",
                listener.protocol.to_string(),
                listener.address
            ),
        )?;
        front_ends(&listener.front_ends)?;
        certificates(listener.client_certificates.as_ref())?;
    }
    match &server.tls {
        Some(tls) => row("certificate", &tls.certificate.display().to_string())?,
        None => row("certificate", "none: no TLS")?,
    }
    row("language", &format!("{} for LANG *", server.language.tag()))?;
    row(
        "utf8",
        match server.utf8_messages {
            Utf8Messages::Surrogate => "headers that need it get surrogates for other clients",
            Utf8Messages::Refuse => "messages that need it are refused to other clients",
        },
    )?;
    for tolerance in server.tolerances.iter() {
        let (name, client, noted) = (tolerance.name(), tolerance.client(), tolerance.noted());
        row("tolerates", &format!("{name:<16} for {client} ({noted})"))?;
    }
    if let Some(allowed) = server.login_delay {
        let most = allowed.logins_max.get().into();
        let logins = count(most, "login", "logins");
        row(
            "logins",
            &format!("{logins} of an account in {}", say_duration(allowed.delay)),
        )?;
    }
    access(&server.access)?;
    strangers(server)?;
    let store = match &config.in_place {
        None => "native".to_owned(),
        Some(InPlace { path, form, users }) => {
            let what = match form {
                Form::Maildirs(_) => "Maildirs",
                Form::Mboxes(_) => "mboxes",
            };
            let whose = users.as_ref().map_or(String::new(), |users| {
                format!(", of users from id {} on", users.first_uid)
            });
            format!("{what} in place, {path}{whose}")
        }
    };
    row("store", &store)?;
    keeping(config)?;
    let limits = &server.limits;
    row(
        "limits",
        &format!(
            "{}, {} an address, {} an IPv6 /64, {} an account, messages of {}",
            count(limits.session_count_max as u64, "session", "sessions"),
            most(limits.sessions_per_address_max),
            most(limits.sessions_per_network_max),
            most(limits.sessions_per_account_max),
            octets(limits.message_octets_max),
        ),
    )?;
    row(
        "waits",
        &format!(
            "{} for a busy maildrop, {} before a refusal, {} to drain",
            say_duration(server.lock_wait),
            say_duration(config.refusal_delay),
            say_duration(limits.drain_timeout),
        ),
    )?;
    row(
        "scram",
        &match config.scram {
            true => format!(
                "verifiers of {} iterations are stored{}",
                config.scram_iterations,
                if config.scram_sha1 {
                    ", of SHA-1 too"
                } else {
                    ""
                }
            ),
            false => "no verifiers are stored".to_owned(),
        },
    )?;
    if let Some(tokens) = &config.tokens {
        let TokenSettings { issuer, jwks, .. } = tokens;
        row(
            "tokens",
            &format!("of {issuer}, by the keys in {}", jwks.display()),
        )?;
    }
    row("sasl", &mechanisms(&server.mechanisms))
}

/// How mail is treated that strangers bring, if they can or anything is said of it.
fn strangers(server: &server::Config) -> Result<(), Failure> {
    let smtp = &server.smtp;
    let mut listeners = server.listeners.iter();
    let listens = listeners.any(|listener| listener.protocol == Protocol::Smtp);
    if !listens && *smtp == Smtp::default() {
        return Ok(());
    }
    let does = |on_fail| match on_fail {
        OnFail::Mark => "marked",
        OnFail::Reject => "refused",
    };
    let judgement = &smtp.judgement;
    let asked = match judgement.resolvers.as_slice() {
        [] => "the DNS servers of this machine".to_owned(),
        servers => join(servers),
    };
    say!(
        "  {:<11} what fails SPF is {}, what fails DMARC {}; asks {asked}",
        "judges",
        does(judgement.spf),
        does(judgement.dmarc),
    )?;
    if let Some(delay) = smtp.greylist {
        let delay = say_duration(delay);
        say!(
            "  {:<11} who is not known comes again after {delay}",
            "greylist"
        )?;
    }
    let tolls = &smtp.tolls;
    match tolls.delayed_from {
        0 => say!("  {:<11} cost nothing", "mistakes"),
        from => say!(
            "  {:<11} of an address cost it time from {from} on in {}; from {} on it is refused",
            "mistakes",
            say_duration(tolls.period),
            tolls.refused_from,
        ),
    }
}

fn join(servers: &[SocketAddr]) -> String {
    let servers: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
    servers.join(", ")
}

/// A name with a detail behind each separator.
fn detailed(separators: &str) -> Vec<String> {
    let separators = separators.chars();
    separators.map(|one| format!("NAME{one}detail")).collect()
}

/// A limit of which 0 is none.
fn most(limit: usize) -> String {
    match limit {
        0 => "no limit for".to_owned(),
        most => most.to_string(),
    }
}

/// The mechanisms that can be used; whether a connection has what they stand on is another question.
fn mechanisms(allowed: &[Mechanism]) -> String {
    let names: Vec<_> = Mechanism::ALL
        .into_iter()
        .filter(|mechanism| allowed.contains(mechanism))
        .map(Mechanism::name)
        .collect();
    names.join(" ")
}

/// Whom a listener believes about its clients, a line for each thing that is believed.
fn front_ends(believed: &FrontEnds) -> Result<(), Failure> {
    let list = |networks: &[Network]| {
        let texts: Vec<_> = networks.iter().map(Network::to_string).collect();
        texts.join(", ")
    };
    if !believed.proxy_protocol.is_empty() {
        let networks = list(&believed.proxy_protocol);
        say!("              from {networks} only with a PROXY header, which names the client")?;
    }
    if !believed.xclient.is_empty() {
        let networks = list(&believed.xclient);
        say!("              {networks} may name the client by XCLIENT")?;
    }
    match believed.client_tls {
        FrontEndTls::Believed => {
            say!("              a client's TLS may end there: passwords travel on in clear")
        }
        FrontEndTls::Ignored => Ok(()),
    }
}

/// Which certificates a listener asks its clients for, and whom they name.
fn certificates(asked: Option<&ClientCertificates>) -> Result<(), Failure> {
    let Some(asked) = asked else {
        return Ok(());
    };
    let part = match asked.account {
        ClientAccount::Email => "e-mail address",
        ClientAccount::CommonName => "common name",
    };
    let authorities = asked.authorities.display();
    say!(
        "              asks for client certificates of {authorities}; the {part} names the account"
    )?;
    match &asked.revoked {
        Some(revoked) => say!("              but for those in {}", revoked.display()),
        None => say!("              no client_crl: none of them is ever taken back"),
    }
}

/// What clients see and do, unless an account says otherwise for itself.
fn access(access: &Access) -> Result<(), Failure> {
    let row = |name: &str, value: &str| say!("  {name:<11} {value}");
    row(
        "deletions",
        match access.disposition {
            Disposition::Delete => "of a client delete mail",
            Disposition::Hide => "of a client hide mail from its later sessions",
            Disposition::Keep => "of a client are accepted, and change nothing",
            Disposition::ReadOnly => "of a client are refused",
        },
    )?;
    if let Some(most) = access.messages_shown.limit() {
        let newest = count(most, "message", "messages");
        row("shows", &format!("the newest {newest} of a maildrop"))?;
    }
    if let Some(recent) = access.recent {
        let recent = say_duration(recent);
        row("recent", &format!("recent:NAME is shown the last {recent}"))?;
    }
    Ok(())
}

/// How mail is kept, unless an account says otherwise for itself.
fn keeping(config: &Config) -> Result<(), Failure> {
    let row = |name: &str, value: &str| say!("  {name:<11} {value}");
    let keeping = &config.server.keeping;
    let limits: Vec<_> = [
        keeping.octets.limit().map(octets),
        keeping
            .messages
            .limit()
            .map(|most| count(most, "message", "messages")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let more = match keeping.quota_exceeded {
        QuotaExceeded::Temporary => "more waits at the sender",
        QuotaExceeded::Permanent => "more goes back to the sender",
    };
    row(
        "quota",
        &match limits.is_empty() {
            true => format!("none; of an account that has one, {more}"),
            false => format!("{} a maildrop; {more}", limits.join(" or ")),
        },
    )?;
    row(
        "mail",
        &say_kept(keeping.expire, config.server.access.disposition),
    )?;
    row(
        "undelete",
        &match keeping.grace.is_zero() {
            true => "off".to_owned(),
            false => format!(
                "for {}, {} in the quota",
                say_duration(keeping.grace),
                match config.store.grace_in_quota {
                    true => "counted",
                    false => "not counted",
                }
            ),
        },
    )?;
    row(
        "sweeps",
        &format!("every {}", say_duration(keeping.sweep_interval)),
    )?;
    if let Some(InPlace { form, .. }) = &config.in_place {
        return row("unique-ids", said_by(form));
    }
    row("unique-ids", &config.unique_id)?;
    row(
        "reserve",
        &match config.store.reserve_octets {
            0 => "none".to_owned(),
            reserve => format!(
                "{}, so that a full disk lets mail be deleted",
                octets(reserve)
            ),
        },
    )
}

/// Who says what messages are called that other programs see as well.
fn said_by(form: &Form) -> &'static str {
    match form {
        Form::Maildirs(settings) => match settings.unique_ids {
            UniqueIds::Auto(_) => {
                "those of dovecot-uidlist or courierpop3dsizelist, else the names of the files"
            }
            UniqueIds::Dovecot(_) => "those of dovecot-uidlist",
            UniqueIds::Courier => "those of courierpop3dsizelist",
            UniqueIds::Files => "the names of the files",
        },
        Form::Mboxes(settings) => match settings.names {
            mbox::Names::Own => "hashes of the messages",
            mbox::Names::XUidl => {
                "those of X-UIDL, which whoever writes into the files is trusted for"
            }
        },
    }
}
