//! Between a right login and its `+OK`: the client looks whether the server is who it should be.
//!
//! SCRAM proves the server, too (RFC 5802 §3), and in POP3 that takes one challenge more
//! (RFC 5034 §4). The maildrop is open by then. A client that does not consent has nothing to do
//! here, so the session ends.

use crate::Language;
use crate::reply::Refusal;

use super::authorization::response;
use super::transaction::Transaction;

/// The login is right, and the client has the server's proof.
#[derive(Debug)]
pub(super) struct Confirmation {
    transaction: Transaction,
    /// The answer to the login.
    welcome: Vec<u8>,
    language: Language,
}

impl Confirmation {
    pub(super) fn new(transaction: Transaction, welcome: Vec<u8>, language: Language) -> Self {
        Self {
            transaction,
            welcome,
            language,
        }
    }

    /// Reads the client's answer; none: it does not consent, and has been told that it is not logged
    /// in.
    pub(super) fn handle(
        self,
        line: Result<&[u8], Refusal>,
        out: &mut Vec<u8>,
    ) -> Option<Transaction> {
        let refusal = match line.and_then(response) {
            Ok(answer) if answer.expose().is_empty() => {
                out.extend_from_slice(&self.welcome);
                return Some(self.transaction);
            }
            Ok(_) => Refusal::MalformedResponse,
            Err(refusal) => refusal,
        };
        refusal.print_in(self.language, out);
        None
    }
}
