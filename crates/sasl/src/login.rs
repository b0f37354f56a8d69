//! A claim to be checked: who somebody says they are, and what they show for it.

use crate::Secret;

/// What a session asks the server to verify. Made by USER/PASS, APOP and the SASL mechanisms.
#[derive(Clone, Debug)]
pub enum Login {
    /// A user name and a password in clear (USER/PASS, SASL PLAIN).
    Password {
        /// The name as it was sent.
        user: String,
        /// The password as it was sent.
        secret: Secret,
    },
    /// A digest over the greeting's timestamp (RFC 1939 §7, APOP).
    Apop {
        /// The name as it was sent.
        user: String,
        /// The greeting's timestamp, angle brackets included.
        timestamp: String,
        /// What the client computed: MD5(timestamp ‖ secret).
        digest: [u8; 16],
    },
}

impl Login {
    /// The name that is claimed.
    pub fn user(&self) -> &str {
        match self {
            Self::Password { user, .. } | Self::Apop { user, .. } => user,
        }
    }
}
