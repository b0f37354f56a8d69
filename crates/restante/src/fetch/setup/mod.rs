//! `restante fetch setup ADDRESS`: from an address to an account that fetches.
//!
//! Everything is tried before anything is written: the server is found, its certificate looked at, and the login done
//! with the very section that is going to be written.

mod entry;
mod login;
mod provider;
mod target;

use std::path::{Path, PathBuf};

use client::discover::Standing;
use client::ledger::LedgerError;
use client::secret::Entry as KeyringEntry;
use client::{Credentials, Patience, Pin, certificate_of};
use sasl::Secret;

use super::place::{self, Place};
use super::present::Present;
use super::settings::{self, Account, Tls, home};
use super::{ask, certificates, failed, files, remote, run, timer};
use crate::args;
use crate::failure::{Code, Failure};
use crate::output::{self, note, say};
use entry::Entry;
use provider::Provider;
use target::{Server, Target};

/// Sets an account up.
///
/// # Errors
///
/// When the server cannot be found, is not believed, or does not let us in; nothing is written then.
pub(super) fn setup(named: Option<&Path>, asked: &args::Setup) -> Result<(), Failure> {
    let target = Target::read(asked)?;
    let present = Present::read(named)?;
    if present.settings.account(&target.name).is_ok() {
        let what = format!(
            "there is an account {} in {} already",
            target.name,
            present.settings.file.display()
        );
        return Err(Failure::new(Code::Usage, what).remedy(format!(
            "give this one another name (--name NAME), or remove [account.{}] there and run this again",
            target.name
        )));
    }
    let place = Place::new(&present.settings.state)?;
    let kept = entry::keep(&asked.keep)?;
    let setup = Setup {
        asked,
        target: &target,
        present: &present,
        place: &place,
        password_file: place.directory().join(format!("{}.password", target.name)),
        keep: kept,
        runtime: run::runtime(1)?,
    };
    let mut entry = setup.server()?;
    let secret = match setup.provider(&entry)? {
        Some(oauth) => {
            entry.auth = oauth;
            None
        }
        None => Some(setup.log_in(&mut entry)?),
    };
    // First, since one of another account is a reason to stop.
    setup.ledger(&entry.account(&present)?)?;
    if let Some(secret) = secret {
        setup.keep_password(&secret)?;
    }
    present.write(&entry.section())?;
    setup.conclude(named, &entry)
}

struct Setup<'a> {
    asked: &'a args::Setup,
    target: &'a Target,
    present: &'a Present,
    place: &'a Place,
    password_file: PathBuf,
    keep: String,
    runtime: tokio::runtime::Runtime,
}

impl Setup<'_> {
    /// Whether somebody is asked.
    fn asks(&self) -> bool {
        !self.asked.yes && ask::somebody_is_there()
    }

    /// The first server that is there, and is believed.
    fn server(&self) -> Result<Entry, Failure> {
        let servers = self.target.servers(self.asked)?;
        let mut why_not = None;
        for server in &servers {
            self.may_be_used(server)?;
            match self.look(server) {
                Ok(entry) => return Ok(entry),
                // The next one may be there.
                Err(failure) if failure.code() == Code::Unavailable && servers.len() > 1 => {
                    note!("restante: {}", failure.what().unwrap_or_default());
                    why_not = Some(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        let what = format!(
            "none of the servers that {} may have can be used",
            self.target.domain
        );
        let code = why_not.map_or(Code::Unavailable, |failure| failure.code());
        Err(Failure::new(code, what)
            .remedy("ask the provider which server it is, and name it with --server HOST"))
    }

    /// Whether a password may be shown there: whoever answers for the DNS could lead it anywhere (RFC 6186 §6).
    fn may_be_used(&self, server: &Server) -> Result<(), Failure> {
        line(
            "server",
            &format!(
                "{}, {}; {}",
                server.place(),
                server.security(),
                server.says()
            ),
        )?;
        if server.standing == Standing::Sure || self.asked.yes {
            return Ok(());
        }
        let what = format!(
            "{} is of another domain than {}, and only DNS leads there",
            server.host, self.target.domain
        );
        if self.asks() && ask::yes(&format!("{what}. Is it your provider's?"))? {
            return Ok(());
        }
        Err(Failure::new(Code::Usage, what).remedy(format!(
            "if it is your provider's: restante fetch setup {} --server {}",
            self.target.address,
            server.place()
        )))
    }

    fn entry(&self, server: &Server) -> Result<Entry, Failure> {
        let auth = match &self.asked.password_command {
            Some(command) => format!("{{ password_command = {} }}", entry::quoted(command)),
            None if self.asked.keyring => "{ keyring = true }".to_owned(),
            None => format!(
                "{{ password_file = {} }}",
                entry::quoted(&utf8(&self.password_file)?)
            ),
        };
        Ok(Entry {
            name: self.target.name.clone(),
            host: server.host.clone(),
            port: server.port,
            user: server.users.first().cloned().unwrap_or_default(),
            tls: server.tls,
            pin: None,
            auth,
            maildir: self.maildir()?,
            keep: self.keep.clone(),
        })
    }

    fn maildir(&self) -> Result<String, Failure> {
        let Some(directory) = &self.asked.maildir else {
            return Ok(format!("~/Mail/{}", self.target.name));
        };
        let whole = std::path::absolute(directory)
            .map_err(|error| Failure::new(Code::Usage, output::unreadable(directory, &error)))?;
        utf8(&whole)
    }

    /// The entry for a server, if it is there and its certificate is believed, or will be.
    fn look(&self, server: &Server) -> Result<Entry, Failure> {
        let mut entry = self.entry(server)?;
        if server.tls == Tls::None {
            return Ok(entry);
        }
        let account = entry.account(self.present)?;
        let nobody = Credentials::Certificate;
        let remote = match remote::of(&account, self.place, false, nobody.clone()) {
            // Who pins needs no list of authorities, and a system without one is a reason to.
            Err(_) if self.asked.pin => {
                entry.pin = Some(Pin::of_certificate(b""));
                let account = entry.account(self.present)?;
                remote::of(&account, self.place, false, nobody)?
            }
            remote => remote?,
        };
        let shown = self
            .runtime
            .block_on(certificate_of(&remote, Patience::default()))
            .map_err(|error| not_there(&account, server, &error))?;
        let until = certificates::end(&shown);
        let names = certificates::names(&shown);
        let Some(distrust) = &shown.distrust else {
            line("certificate", &format!("for {names}, good until {until}"))?;
            if self.asked.pin {
                line("", &format!("pinned: SHA-256 {}", shown.pin))?;
                entry.pin = Some(shown.pin);
            }
            return Ok(entry);
        };
        let why = certificates::why(&shown, distrust, &server.host);
        line("certificate", &format!("not believed: {why}"))?;
        line("", &format!("for {names}, good until {until}"))?;
        line("", &format!("SHA-256 {}", shown.pin))?;
        let pins = self.asked.pin
            || (self.asks()
                && ask::yes(
                    "Is that the SHA-256 which the server's owner tells? Then it is believed from now on, and no other.",
                )?);
        if !pins {
            let what = format!(
                "the certificate of {} is not believed: {why}",
                server.place()
            );
            return Err(Failure::new(Code::Unavailable, what).remedy(format!(
                "if its owner tells you the same SHA-256: restante fetch setup {} --pin",
                self.target.address
            )));
        }
        line("", "pinned: this one is believed from now on, and no other")?;
        entry.pin = Some(shown.pin);
        Ok(entry)
    }

    /// What is special about large providers; the value of `auth` if tokens are the way.
    fn provider(&self, entry: &Entry) -> Result<Option<String>, Failure> {
        let provider = Provider::of(&self.target.domain, &entry.host);
        let secret_file = self
            .place
            .directory()
            .join(format!("{}.client-secret", entry.name));
        let Some(provider) = provider else {
            return match &self.asked.client_id {
                None => Ok(None),
                Some(_) => Err(Failure::new(
                    Code::Usage,
                    format!("{} is neither Microsoft's nor Google's", entry.host),
                )
                .remedy("leave --client-id out, and write auth = { oauth = … } by hand (docs/fetching.md)")),
            };
        };
        let template = |id: &str| Ok::<_, Failure>(provider.auth(id, &utf8(&secret_file)?));
        if let Some(id) = &self.asked.client_id {
            line("login", &format!("by OAuth2 at {}", provider.name()))?;
            return template(id).map(Some);
        }
        say!("\n{}\n", provider.advice())?;
        let source = &self.asked.password;
        let has_password =
            source.stdin || source.password_file.is_some() || self.asked.password_command.is_some();
        if provider == Provider::Microsoft && !has_password {
            let mut entry = entry.clone();
            entry.auth = template("ID")?;
            say!(
                "The account in {}:\n\n{}",
                self.present.settings.file.display(),
                entry.section()
            )?;
            return Err(
                Failure::new(Code::Config, "a password would be refused here").remedy(format!(
                    "when you have the id of a client: restante fetch setup {} --client-id ID",
                    self.target.address
                )),
            );
        }
        Ok(None)
    }

    /// Logs in as the account will, and says what is there. The user's name that led in is the entry's then.
    fn log_in(&self, entry: &mut Entry) -> Result<Secret, Failure> {
        let mut names = vec![entry.user.clone()];
        names.extend(
            self.target
                .users
                .iter()
                .filter(|it| **it != entry.user)
                .cloned(),
        );
        if self.asked.user.is_some() {
            names.truncate(1);
        }
        let (secret, login) = login::log_in(self, entry, &names)?;
        login.tell(&entry.user)?;
        Ok(secret)
    }

    fn keep_password(&self, secret: &Secret) -> Result<(), Failure> {
        if self.asked.password_command.is_some() {
            return Ok(());
        }
        if self.asked.keyring {
            return KeyringEntry::of_account(&self.target.name, "password")
                .store(secret)
                .map_err(|error| {
                    Failure::from_text(Code::Unavailable, &error.to_string())
                        .remedy("leave --keyring out: then a file keeps the password that only you can read")
                });
        }
        let mut text = zeroize::Zeroizing::new(Vec::with_capacity(secret.expose().len() + 1));
        text.extend_from_slice(secret.expose());
        text.push(b'\n');
        files::put(&self.password_file, &text, 0o600).map_err(|error| {
            let what = format!(
                "{} cannot be written: {}",
                self.password_file.display(),
                output::plain(&error)
            );
            Failure::new(Code::CannotCreate, what)
        })
    }

    /// An empty ledger: a Maildir with other mail in it is no reason not to begin.
    fn ledger(&self, account: &Account) -> Result<(), Failure> {
        match self.place.ledger_or_new(account) {
            Ok(ledger) if ledger.iter().next().is_some() => line(
                "ledger",
                &format!(
                    "{} is there already; what it knows is not fetched again",
                    ledger.path().display()
                ),
            ),
            Ok(_) => Ok(()),
            Err(error @ LedgerError::Foreign { .. }) => {
                let what = output::without_numbers(&error.to_string());
                Err(Failure::new(Code::Config, what).remedy(format!(
                    "give this account another name (--name NAME), or move {} away",
                    self.place.ledger_path(account).display()
                )))
            }
            Err(error) => Err(place::failed(account, &error)),
        }
    }

    fn conclude(&self, named: Option<&Path>, entry: &Entry) -> Result<(), Failure> {
        let file = &self.present.settings.file;
        line(
            "written",
            &format!("[account.{}] in {}", entry.name, file.display()),
        )?;
        let kept_in_file = entry.auth.contains("password_file") && self.password_file.exists();
        if kept_in_file && self.asked.client_id.is_none() {
            let kept = self.password_file.display();
            line(
                "",
                &format!("the password in {kept}, which only you can read"),
            )?;
        }
        let config = match named {
            Some(named) => format!(" -c {}", named.display()),
            None => String::new(),
        };
        let name = &entry.name;
        if self.asks()
            && self.asked.client_id.is_none()
            && timer::is_of_use()
            && named.is_none()
            && ask::yes("Fetch every 5 minutes from now on, by a timer of systemd?")?
        {
            // With the account that has just been written.
            timer::install(&settings::load(None)?, None, "5m", None)?;
        }
        say!("\nNow:")?;
        if self.asked.client_id.is_some() {
            if entry.auth.contains("client_secret") {
                say!(
                    "  # the client's secret, into a file that only you can read\n  install -m 600 /dev/stdin {}/{name}.client-secret",
                    self.place.directory().display()
                )?;
            }
            say!("  # log in with the provider, once\n  restante fetch{config} auth login {name}")?;
        }
        say!(
            "  # fetch into {}\n  restante fetch{config} {name}",
            entry.maildir
        )?;
        say!("  # and from then on every 5 minutes\n  restante fetch{config} install-timer")
    }
}

/// Why a server cannot be looked at.
fn not_there(account: &Account, server: &Server, error: &client::ClientError) -> Failure {
    let failure = failed::server(account, error);
    let what = output::without_numbers(&error.to_string());
    let remedy = match error {
        client::ClientError::Unreachable { .. } => {
            format!("is the network up, and {} the right server?", server.place())
        }
        client::ClientError::NoTls { .. } | client::ClientError::Lost { .. } => match server.tls {
            Tls::Implicit => {
                "if TLS begins there after STLS, add --starttls; if there is none and nobody is between, --insecure".to_owned()
            }
            _ => "if TLS begins there with the first octet, leave --starttls out and name port 995".to_owned(),
        },
        _ => failure.advice().unwrap_or("try again later").to_owned(),
    };
    let code = match error.may_pass() {
        true => Code::Unavailable,
        false => failure.code(),
    };
    Failure::new(code, what).remedy(remedy)
}

/// One line of what was found.
fn line(what: &str, text: &str) -> Result<(), Failure> {
    say!("{what:<12} {text}")
}

fn utf8(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().ok_or_else(|| {
        Failure::new(Code::Usage, format!("{} is not UTF-8", path.display()))
            .remedy("name another directory")
    })?;
    // As people write it.
    Ok(match path.strip_prefix(home()) {
        Ok(below) if home() != Path::new("/") => format!("~/{}", below.display()),
        _ => text.to_owned(),
    })
}
