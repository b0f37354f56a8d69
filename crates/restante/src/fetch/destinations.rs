//! From `deliver = …` to destinations.

use client::destination::transfer::{Dialect, Sender, Settings as TransferSettings};
use client::destination::{
    Address, Age, Command, Destination, Gmail, Imap, KnownBy, Limits, Maildir, Mbox, NotDelivered,
    Protection, Transfer, command, gmail, imap,
};
use client::fetch::Destinations;
use client::oauth::{OauthError, Tokens};
use client::{Trust, Trusted};
use sha2::{Digest as _, Sha256};

use super::credentials;
use super::place::Place;
use super::settings::{Auth, Deliver, Gmail as GmailOf, Imap as ImapOf, Service, Smtp, Tls};
use super::store::Store;
use crate::failure::{Code, Failure};
use crate::output;

/// Makes destinations of one account.
pub(super) struct Maker<'a> {
    pub(super) account: &'a str,
    pub(super) place: &'a Place,
    pub(super) made: Destinations,
}

impl Maker<'_> {
    /// The places of these destinations among all that are made; the same one is there once.
    ///
    /// # Errors
    ///
    /// When one cannot be used as it is configured.
    pub(super) fn places(&mut self, deliver: &[Deliver]) -> Result<Vec<usize>, Failure> {
        let mut places = Vec::new();
        for one in deliver {
            let destination = self.destination(one)?;
            let same = self
                .made
                .iter()
                .position(|it| it.name() == destination.name());
            let place = same.unwrap_or_else(|| {
                self.made.push(destination);
                self.made.len() - 1
            });
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(places)
    }

    fn destination(&self, deliver: &Deliver) -> Result<Box<dyn Destination>, Failure> {
        Ok(match deliver {
            Deliver::Maildir(path) => Box::new(Maildir::new(path, &host_name())),
            Deliver::Command(words) => {
                Box::new(self.usable(Command::new(words, command::TIME_LIMIT))?)
            }
            Deliver::Lmtp {
                address,
                recipients,
                sender,
            } => {
                let address = self.address(address)?;
                // LMTP goes to a server of the same site (RFC 2033 §5).
                let mut settings =
                    TransferSettings::new(address, Protection::InClear, recipients.clone());
                settings.sender = self::sender(sender.as_deref());
                Box::new(self.usable(Transfer::new(Dialect::Lmtp, settings))?)
            }
            Deliver::Smtp(smtp) => Box::new(self.smtp(smtp)?),
            Deliver::Imap(imap) => Box::new(self.imap(imap)?),
            Deliver::Gmail(gmail) => Box::new(self.gmail(gmail)?),
            Deliver::Mbox(path) => {
                let mut hash = Sha256::new();
                hash.update(path.as_os_str().as_encoded_bytes());
                let print: [u8; 32] = hash.finalize().into();
                let stage = format!(
                    "{}-{:02x}{:02x}{:02x}{:02x}.stage",
                    self.account, print[0], print[1], print[2], print[3]
                );
                Box::new(Mbox::new(path, &self.place.directory().join(stage)))
            }
            Deliver::Store { account, config } => Box::new(Store::new(account, config.clone())),
        })
    }

    fn smtp(&self, smtp: &Smtp) -> Result<Transfer, Failure> {
        let address = self.address(&smtp.address)?;
        let is_here = match &address {
            Address::Unix(_) => true,
            Address::Tcp { host, .. } => ["localhost", "127.0.0.1", "::1"].contains(&host.as_str()),
        };
        let protection = match (smtp.tls, smtp.insecure, is_here) {
            (Some(Tls::Implicit), ..) => Protection::Tls(self.trusted(smtp.trust.as_ref())?),
            (Some(Tls::None) | None, _, true) => Protection::OnThisMachine,
            (Some(Tls::None), true, _) => Protection::InClear,
            (Some(Tls::None), false, _) => {
                return Err(self.wrong(
                    "smtp without TLS to another machine; add insecure = true if nobody is between"
                        .to_owned(),
                ));
            }
            (Some(Tls::Stls) | None, ..) => {
                Protection::StartTls(self.trusted(smtp.trust.as_ref())?)
            }
        };
        let mut settings = TransferSettings::new(address, protection, smtp.recipients.clone());
        settings.sender = sender(smtp.sender.as_deref());
        settings.login = match &smtp.login {
            Some((user, auth)) => Some((user.clone(), self.known_by(Service::Smtp, user, auth)?)),
            None => None,
        };
        self.usable(Transfer::new(Dialect::Smtp, settings))
    }

    fn imap(&self, imap: &ImapOf) -> Result<Imap, Failure> {
        let port = imap.port.unwrap_or(match imap.tls {
            Tls::Implicit => 993,
            Tls::Stls | Tls::None => 143,
        });
        let protection = match imap.tls {
            Tls::Implicit => Protection::Tls(self.trusted(imap.trust.as_ref())?),
            Tls::Stls => Protection::StartTls(self.trusted(imap.trust.as_ref())?),
            Tls::None => Protection::OnThisMachine,
        };
        self.usable(Imap::new(imap::Settings {
            address: Address::Tcp {
                host: imap.host.clone(),
                port,
            },
            protection,
            user: imap.user.clone(),
            by: self.known_by(Service::Imap, &imap.user, &imap.auth)?,
            mailbox: imap.mailbox.clone(),
            seen: match imap.seen {
                true => imap::Seen::Yes,
                false => imap::Seen::No,
            },
            limits: Limits::default(),
        }))
    }

    fn gmail(&self, gmail: &GmailOf) -> Result<Gmail, Failure> {
        let KnownBy::Tokens(tokens) = self.known_by(Service::Gmail, "", &gmail.auth)? else {
            let why = "Gmail's import wants a token; write token_command or oauth";
            return Err(self.wrong(why.to_owned()));
        };
        let mut settings = gmail::Settings::new(self.account);
        settings.labels.clone_from(&gmail.labels);
        settings.spam = match gmail.never_spam {
            true => gmail::Spam::Never,
            false => gmail::Spam::Judged,
        };
        self.usable(Gmail::new(settings, tokens))
    }

    /// By what a server knows us.
    fn known_by(&self, service: Service, user: &str, auth: &Auth) -> Result<KnownBy, Failure> {
        let mut tokens = match auth {
            Auth::Password(source) => {
                let secret = credentials::secret(&service.login_of(self.account), source)?;
                return Ok(KnownBy::Password(secret));
            }
            Auth::Certificate => {
                return Err(self.wrong("a certificate logs in to POP3 only".to_owned()));
            }
            Auth::TokenCommand(command) => Tokens::of_command(command.clone()),
            Auth::Oauth(oauth) => {
                let name = service.login_of(self.account);
                let provider = credentials::provider(&name, user, oauth, service)?;
                Tokens::open(self.place.directory(), &name, &provider)
            }
        };
        let given = move |age| tokens.access(age == Age::New).map_err(no_token);
        Ok(KnownBy::Tokens(Box::new(given)))
    }

    fn trusted(&self, authorities: Option<&std::path::PathBuf>) -> Result<Trusted, Failure> {
        let trust = Trust {
            authorities: authorities.cloned(),
            ..Trust::default()
        };
        Trusted::new(&trust).map_err(|error| self.wrong(error.to_string()))
    }

    fn address(&self, text: &str) -> Result<Address, Failure> {
        text.parse()
            .map_err(|error| self.wrong(format!("{text:?}: {error}")))
    }

    fn usable<T>(&self, made: Result<T, NotDelivered>) -> Result<T, Failure> {
        made.map_err(|error| self.wrong(error.to_string()))
    }

    fn wrong(&self, text: String) -> Failure {
        let text = output::without_numbers(&text);
        Failure::from_text(Code::Config, &text).within(self.account)
    }
}

/// Why there is no token for a destination.
fn no_token(error: OauthError) -> NotDelivered {
    let why = error.to_string();
    match (error.needs_login(), error.may_pass()) {
        (true, _) => NotDelivered::NoLogin(why),
        (_, true) => NotDelivered::NotNow(why),
        _ => NotDelivered::Unusable(why),
    }
}

fn sender(configured: Option<&str>) -> Sender {
    match configured {
        None | Some("") | Some("<>") => Sender::Nobody,
        Some("return-path") => Sender::ReturnPath,
        Some(address) => Sender::Address(address.to_owned()),
    }
}

/// This machine, as names of files have it.
fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}
