//! What an exit status says of a message, by the numbers of `sysexits.h`.
//!
//! | status | meaning | what becomes of the message |
//! |---|---|---|
//! | 0 | | it is delivered |
//! | 65, 67, 68 | its data are wrong, there is no such user, no such host | refused for ever |
//! | 64, 77, 78, 126, 127 | wrong usage, no permission, wrong configuration, cannot be run, not found | kept; somebody must look at the command |
//! | 75, and every other one | not now | kept, and tried again |
//! | a signal | it was killed, or has crashed | kept, and tried again |
//!
//! 69 (a service is missing), 73 (a file cannot be made) and 76 (the other side breaks a protocol) may pass, so they are among the others.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::destination::NotDelivered;

/// What becomes of a message.
pub(super) fn verdict(program: &str, status: ExitStatus, said: &str) -> Result<(), NotDelivered> {
    let why = |what: String| with(format!("{program} {what}"), said);
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => {
            let why = why(format!("ended with status {code}"));
            Err(match code {
                65 | 67 | 68 => NotDelivered::Refused(why),
                64 | 77 | 78 | 126 | 127 => NotDelivered::Unusable(why),
                _ => NotDelivered::NotNow(why),
            })
        }
        (None, Some(signal)) => Err(NotDelivered::NotNow(why(format!(
            "was killed by signal {signal}"
        )))),
        (None, None) => Err(NotDelivered::NotNow(why("has not ended".to_owned()))),
    }
}

/// Adds what the command has said.
pub(super) fn with(why: String, said: &str) -> String {
    match said {
        "" => why,
        _ => format!("{why}: {said}"),
    }
}
