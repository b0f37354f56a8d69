//! SCRAM verifiers of an account: which are kept, how they are made, and their columns.
//!
//! SHA-256 (RFC 7677) if SCRAM is on; SHA-1 (RFC 5802) beside it only if that is asked for, since it
//! is one more thing to guess at for who steals the database.

use rusqlite::types::Value;
use sasl::Secret;
use sasl::scram::{Hash, Key, SALT_OCTETS, Verifier};
use zeroize::Zeroizing;

use super::{Accounts, AccountsError, SCRAM_ITERATIONS};

/// What is kept of a password for SCRAM.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verifiers {
    pub(crate) sha256: Option<Verifier>,
    pub(crate) sha1: Option<Verifier>,
}

impl Verifiers {
    /// The one of a hash.
    pub(crate) fn of(&self, hash: Hash) -> Option<&Verifier> {
        match hash {
            Hash::Sha256 => self.sha256.as_ref(),
            Hash::Sha1 => self.sha1.as_ref(),
        }
    }

    fn set(&mut self, verifier: Verifier) {
        match verifier.hash() {
            Hash::Sha256 => self.sha256 = Some(verifier),
            Hash::Sha1 => self.sha1 = Some(verifier),
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.sha1.is_none()
    }
}

impl Accounts {
    /// Stores SCRAM-SHA-1 verifiers, too, if verifiers are stored at all.
    #[must_use]
    pub fn with_scram_sha1(self) -> Self {
        Self {
            scram_sha1: true,
            ..self
        }
    }

    /// The hashes of which an account should have a verifier.
    pub(crate) fn scram_hashes(&self) -> &'static [Hash] {
        match (self.scram_iterations, self.scram_sha1) {
            (None, _) => &[],
            (Some(_), false) => &[Hash::Sha256],
            (Some(_), true) => &[Hash::Sha256, Hash::Sha1],
        }
    }

    /// How many iterations a verifier has that is made now.
    pub(crate) fn scram_iterations(&self) -> u32 {
        self.scram_iterations.unwrap_or(SCRAM_ITERATIONS)
    }

    /// The verifiers that are missing. None of them either if SASLprep refuses the password: such an
    /// account has no SCRAM, but PASS.
    pub(super) fn missing_verifiers(
        &self,
        there: &Verifiers,
        password: &Secret,
    ) -> Result<Verifiers, AccountsError> {
        let mut made = Verifiers::default();
        for &hash in self.scram_hashes() {
            if there.of(hash).is_some() {
                continue;
            }
            let mut salt = [0; SALT_OCTETS];
            getrandom::fill(&mut salt)
                .map_err(|error| AccountsError::io(&self.data)(error.into()))?;
            if let Ok(verifier) = Verifier::derive(hash, password, &salt, self.scram_iterations()) {
                made.set(verifier);
            }
        }
        Ok(made)
    }

    /// What salts follow from that belong to nobody; as old as the database.
    pub(crate) fn scram_secret(&self) -> Result<Zeroizing<Vec<u8>>, AccountsError> {
        let octets = self.lock().query_row(
            "SELECT octets FROM secret WHERE name = 'scram salts'",
            [],
            |row| row.get(0),
        )?;
        Ok(Zeroizing::new(octets))
    }
}

/// Where they are kept; each change of a row is one statement, so that its version rises by one.
pub(super) const COLUMNS: [&str; 8] = [
    "scram_salt",
    "scram_iterations",
    "scram_stored_key",
    "scram_server_key",
    "scram_sha1_salt",
    "scram_sha1_iterations",
    "scram_sha1_stored_key",
    "scram_sha1_server_key",
];

/// `?5, ?6, …`: a parameter for each column.
pub(super) fn parameters(first: usize) -> String {
    let parameters = (first..first + COLUMNS.len()).map(|number| format!("?{number}"));
    parameters.collect::<Vec<_>>().join(", ")
}

/// The same, where a parameter that is null leaves the column as it was.
pub(super) fn additions(first: usize) -> String {
    let additions = COLUMNS.iter().zip(first..);
    let additions = additions.map(|(column, number)| format!("coalesce(?{number}, {column})"));
    additions.collect::<Vec<_>>().join(", ")
}

/// What the columns hold.
pub(super) fn values(verifiers: &Verifiers) -> [Value; 8] {
    let of = |verifier: &Option<Verifier>| match verifier {
        Some(verifier) => [
            Value::Blob(verifier.salt().to_vec()),
            Value::Integer(verifier.iterations().into()),
            Value::Blob(verifier.stored_key().expose().to_vec()),
            Value::Blob(verifier.server_key().expose().to_vec()),
        ],
        None => [const { Value::Null }; 4],
    };
    let [a, b, c, d] = of(&verifiers.sha256);
    let [e, f, g, h] = of(&verifiers.sha1);
    [a, b, c, d, e, f, g, h]
}

/// The verifiers of a row, in the eight columns from this one on. What no client could use is none.
pub(super) fn read(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Verifiers> {
    let verifier = |hash, column: usize| -> rusqlite::Result<Option<Verifier>> {
        let salt: Option<Vec<u8>> = row.get(column)?;
        let iterations: Option<u32> = row.get(column + 1)?;
        let key = |column| -> rusqlite::Result<Option<Key>> {
            let octets = row.get::<_, Option<Vec<u8>>>(column)?.map(Zeroizing::new);
            Ok(octets.and_then(|octets| Key::new(hash, &octets)))
        };
        let keys = (key(column + 2)?, key(column + 3)?);
        Ok(match (salt, iterations, keys) {
            (Some(salt), Some(iterations), (Some(stored), Some(server))) => {
                Verifier::new(salt, iterations, stored, server)
            }
            _ => None,
        })
    };
    Ok(Verifiers {
        sha256: verifier(Hash::Sha256, column)?,
        sha1: verifier(Hash::Sha1, column + 4)?,
    })
}
