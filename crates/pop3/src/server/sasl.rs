//! What a connection offers to AUTH: the mechanisms, and what they stand on (RFC 5034 §3).

use sasl::nonce::Nonces;
use sasl::oauth::Hints;
use sasl::server::Ground;
use sasl::{Bindings, Binds, Mechanism};

use super::{Connection, Passwords};

/// What the driver says about AUTH on a connection.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// The mechanisms whose logins can be verified here. Which of them are announced depends on the
    /// connection as well.
    pub mechanisms: Vec<Mechanism>,
    /// What a client may be told about tokens.
    pub hints: Hints,
    /// Where nonces come from; a seed of its own for each connection.
    pub nonces: Nonces,
    /// The names of the TLS channel; none in clear.
    pub bindings: Bindings,
    /// Whom the client's certificate stands for, if it has shown one.
    pub certificate: Option<String>,
}

impl Sasl {
    /// PLAIN, and whatever else is in `mechanisms` later; nothing to bind to.
    pub fn new(nonces: Nonces) -> Self {
        Self {
            mechanisms: vec![Mechanism::Plain],
            hints: Hints::default(),
            nonces,
            bindings: Bindings::default(),
            certificate: None,
        }
    }

    /// What an exchange that begins now stands on.
    pub(super) fn ground(&self, timestamp: &str, nonce: String) -> Ground {
        Ground {
            nonce,
            timestamp: timestamp.to_owned(),
            bindings: self.bindings.clone(),
            certificate: self.certificate.clone(),
            hints: self.hints.clone(),
        }
    }
}

/// The mechanisms that may be used on a connection, the best first.
pub(crate) fn offered(connection: &Connection) -> impl Iterator<Item = Mechanism> {
    Mechanism::ALL.into_iter().filter(|mechanism| {
        let sasl = &connection.sasl;
        let allowed = connection.passwords == Passwords::Accepted || !mechanism.needs_tls();
        let possible = match mechanism {
            Mechanism::External => sasl.certificate.is_some(),
            mechanism => mechanism.binds() == Binds::No || !sasl.bindings.is_empty(),
        };
        sasl.mechanisms.contains(mechanism) && allowed && possible
    })
}
