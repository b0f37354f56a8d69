//! The maildrop of an account of the server, as a destination: under a unique-id that is made of the message, so that it is there once.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use client::Headers;
use client::destination::{Destination, Ended, Exactness, Form, Message, NotDelivered, Text};
use delivery::normalise::Dotted;
use maildrop::{Addressee, DeliverError, Envelope, MaildropId, Maildrops};
use pop3::UniqueId;

use crate::config;
use crate::failure::{Code, Failure};
use crate::maildrop::unique_ids;
use crate::stock;

/// The maildrop of an account.
pub(super) struct Store {
    account: String,
    name: String,
    config: Option<PathBuf>,
    open: Option<Open>,
}

struct Open {
    maildrops: Maildrops,
    id: MaildropId,
    account: String,
    quota: maildrop::Quota,
    /// What is there, if the last session has left any in doubt.
    present: HashSet<UniqueId>,
    is_in_doubt: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// That of this account, at the server that this configuration describes.
    pub(super) fn new(account: &str, config: Option<PathBuf>) -> Self {
        Self {
            name: format!("store:{account}"),
            account: account.to_owned(),
            config,
            open: None,
        }
    }

    fn begin(&self, ended: Ended) -> Result<Open, Failure> {
        let config = config::load(Some(&config::file(self.config.as_deref())))?;
        let accounts = stock::accounts(&config)?;
        let maildrops = stock::maildrops(&config)?;
        let account = accounts.show(&self.account)?;
        let id = MaildropId(account.maildrop);
        let quota = config.server.keeping.quota(account.terms);
        let is_in_doubt = ended == Ended::InDoubt;
        let present = match is_in_doubt {
            true => unique_ids(&maildrops, id, &account.name)?,
            false => HashSet::new(),
        };
        Ok(Open {
            maildrops,
            id,
            account: account.name,
            quota,
            present,
            is_in_doubt,
        })
    }
}

impl Open {
    /// Whether it is there, or was until its owner took it.
    fn has(&self, unique_id: &UniqueId) -> Result<bool, NotDelivered> {
        if !self.is_in_doubt {
            return Ok(false);
        }
        if self.present.contains(unique_id) {
            return Ok(true);
        }
        let spent = self
            .maildrops
            .spent(self.id, std::slice::from_ref(unique_id))
            .map_err(|error| NotDelivered::io("the maildrop", &error))?;
        Ok(!spent.is_empty())
    }

    fn put(&self, message: &Message, text: &mut Text) -> Result<(), DeliverError> {
        let mut draft = self.maildrops.draft();
        let mut dotted = Dotted::default();
        let mut stored = Vec::new();
        text.pieces(Form::Wire, |piece| {
            stored.clear();
            dotted.take(piece, &mut stored);
            draft.append(&stored).map_err(Stopped::Store)
        })
        .map_err(|stopped| match stopped {
            Stopped::Store(error) => error,
            Stopped::Spool(error) => DeliverError::Unavailable(error),
        })?;
        let received = message
            .received
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let envelope = Envelope {
            received_us: received.and_then(|since| i64::try_from(since.as_micros()).ok()),
            unique_id: UniqueId::new(message.name.as_bytes()),
            ..Envelope::default()
        };
        let to = Addressee {
            id: self.id,
            account: &self.account,
            quota: self.quota,
        };
        let measure = dotted.gauge().measure();
        self.maildrops
            .deliver(&to, &mut draft, &measure, &envelope)?;
        Ok(())
    }
}

enum Stopped {
    Store(DeliverError),
    Spool(std::io::Error),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Spool(error)
    }
}

impl Destination for Store {
    fn name(&self) -> &str {
        &self.name
    }

    fn exactness(&self) -> Exactness {
        Exactness::Once
    }

    fn headers(&self) -> Headers {
        Headers::Utf8
    }

    fn open(&mut self, ended: Ended) -> Result<(), NotDelivered> {
        match self.begin(ended) {
            Ok(open) => {
                self.open = Some(open);
                Ok(())
            }
            Err(failure) => {
                let what = failure.what().unwrap_or("its configuration cannot be used");
                let text = match failure.advice() {
                    Some(advice) => format!("{what}; {advice}"),
                    None => what.to_owned(),
                };
                Err(match failure.code() {
                    Code::Temporary => NotDelivered::NotNow(text),
                    _ => NotDelivered::Unusable(text),
                })
            }
        }
    }

    fn deliver(&mut self, message: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        let Some(open) = &self.open else {
            return Err(NotDelivered::Unusable(
                "the maildrop is not open".to_owned(),
            ));
        };
        if let Some(unique_id) = UniqueId::new(message.name.as_bytes())
            && open.has(&unique_id)?
        {
            return Ok(());
        }
        open.put(message, text).map_err(|error| match error {
            DeliverError::OverQuota => NotDelivered::NotNow(
                "the maildrop is full (restante user set ACCOUNT --quota SIZE gives it more)"
                    .to_owned(),
            ),
            DeliverError::NoSpace(error) | DeliverError::Unavailable(error) => {
                NotDelivered::io("the maildrop", &error)
            }
            DeliverError::Damaged(what) => {
                NotDelivered::Unusable(format!("the maildrop is damaged: {what}"))
            }
        })
    }
}
