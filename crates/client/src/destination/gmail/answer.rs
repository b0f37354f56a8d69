//! What Gmail's answers mean for a message.

use serde_json::Value;

use crate::destination::NotDelivered;
use crate::destination::told::told;

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Answer {
    Taken,
    /// The token is not, or no longer, good.
    NotAuthorised(String),
    /// Too much was asked for, or there is trouble; after how many seconds it may be asked again, if it says so.
    Later(String, Option<u64>),
    Not(NotDelivered),
}

/// Of 403 and 429, what passes by itself.
const PASSING: [&str; 5] = [
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "dailyLimitExceeded",
    "quotaExceeded",
    "backendError",
];

/// Reads an answer: its status, its Retry-After field, and its text.
pub(super) fn read(status: u16, retry_after: Option<&str>, text: &[u8]) -> Answer {
    let error = serde_json::from_slice::<Value>(text).unwrap_or_default();
    let said = error["error"]["message"].as_str().unwrap_or_default();
    let why = match said {
        "" => format!("Gmail answers with status {status}"),
        _ => format!("Gmail answers with status {status}: {}", told(said)),
    };
    let reasons = error["error"]["errors"].as_array();
    let passes = reasons.into_iter().flatten().any(|error| {
        let reason = error["reason"].as_str();
        reason.is_some_and(|reason| PASSING.contains(&reason))
    });
    let seconds = retry_after.and_then(|it| it.trim().parse().ok());
    match status {
        200..=299 => Answer::Taken,
        401 => Answer::NotAuthorised(why),
        403 if passes => Answer::Later(why, seconds),
        408 | 429 | 500..=599 => Answer::Later(why, seconds),
        // The labels are ours, and the rest is the message's.
        400 if said.to_ascii_lowercase().contains("label") => {
            Answer::Not(NotDelivered::Unusable(why))
        }
        400 | 413 => Answer::Not(NotDelivered::Refused(why)),
        _ => Answer::Not(NotDelivered::Unusable(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_meaning() {
        let error = |message: &str, reason: &str| {
            format!(r#"{{"error":{{"message":"{message}","errors":[{{"reason":"{reason}"}}]}}}}"#)
        };
        for (status, text, expected) in [
            (200, r#"{"id":"1"}"#.to_owned(), "taken"),
            (
                401,
                error("Invalid Credentials", "authError"),
                "not authorised",
            ),
            (403, error("a", "userRateLimitExceeded"), "later"),
            (403, error("a", "insufficientPermissions"), "unusable"),
            (403, "no JSON".to_owned(), "unusable"),
            (429, String::new(), "later"),
            (503, "<html>".to_owned(), "later"),
            (
                400,
                error("Invalid label: X", "invalidArgument"),
                "unusable",
            ),
            (
                400,
                error("'From' header required", "invalidArgument"),
                "refused",
            ),
            (413, String::new(), "refused"),
            (404, String::new(), "unusable"),
            (302, String::new(), "unusable"),
            (200, "{\"error\":[".repeat(1000), "taken"),
            (500, "[".repeat(60_000), "later"),
        ] {
            let came = match read(status, None, text.as_bytes()) {
                Answer::Taken => "taken",
                Answer::NotAuthorised(_) => "not authorised",
                Answer::Later(..) => "later",
                Answer::Not(NotDelivered::Refused(_)) => "refused",
                Answer::Not(NotDelivered::Unusable(_) | NotDelivered::NoLogin(_)) => "unusable",
                Answer::Not(NotDelivered::NotNow(_)) => "not now",
            };
            assert_eq!(came, expected, "{status} {text}");
        }
        assert!(matches!(
            read(429, Some(" 17 "), b""),
            Answer::Later(_, Some(17))
        ));
        let date = Some("Wed, 21 Oct 2026 07:28:00 GMT");
        assert!(matches!(read(429, date, b""), Answer::Later(_, None)));
    }
}
