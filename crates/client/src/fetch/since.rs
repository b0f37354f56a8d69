//! Only what is not older than a moment. Of older messages nothing is noted: a session that asks for all of them fetches them.

use std::collections::HashSet;
use std::time::SystemTime;

use pop3::MessageNumber;

use super::identify::Headers;
use super::report::FetchError;
use super::rule::Rule;
use crate::connect::Maildrop;

/// Those of these messages that came in before a moment. A message whose header tells no date is not known to be older.
///
/// # Errors
///
/// [`FetchError::Ageless`] where the server shows no headers, or when the connection fails.
pub(super) async fn older(
    since: SystemTime,
    numbers: &[MessageNumber],
    maildrop: &mut Maildrop,
    rules: &[Rule],
    headers: &mut Headers,
) -> Result<HashSet<MessageNumber>, FetchError> {
    if !headers.are_shown(maildrop, rules, numbers).await? {
        return Err(FetchError::Ageless);
    }
    headers
        .ask(maildrop, rules, numbers.iter().copied())
        .await?;
    let is_older = |number: &MessageNumber| {
        let received = headers.of(*number).and_then(|seen| seen.received);
        received.is_some_and(|received| received < since)
    };
    Ok(numbers.iter().copied().filter(is_older).collect())
}
