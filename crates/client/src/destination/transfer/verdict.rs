//! What a reply to each step means for a message.

use super::reply::Reply;
use crate::destination::NotDelivered;

/// What was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step<'a> {
    Greeting,
    /// EHLO, LHLO, STARTTLS or AUTH, as they are named to people.
    Beginning(&'static str),
    /// MAIL; whether the message has named the sender.
    Mail {
        of_the_message: bool,
    },
    Rcpt(&'a str),
    Data,
    /// The text, and for whom.
    Text(&'a str),
}

impl Step<'_> {
    fn told(self) -> String {
        match self {
            Self::Greeting => "it greets with".to_owned(),
            Self::Beginning(command) => format!("it answers {command} with"),
            Self::Mail { .. } => "it answers MAIL with".to_owned(),
            Self::Rcpt(recipient) => format!("it answers the recipient {recipient} with"),
            Self::Data => "it answers DATA with".to_owned(),
            Self::Text("") => "it answers the message with".to_owned(),
            Self::Text(recipient) => format!("it answers the message for {recipient} with"),
        }
    }
}

/// Why a message is not delivered that got this reply; none if all is well.
pub(super) fn verdict(server: &str, step: Step<'_>, reply: &Reply) -> Option<NotDelivered> {
    let told = || format!("{server}: {} {reply}", step.told());
    let expected = match step {
        Step::Data => reply.code == 354,
        _ => reply.code / 100 == 2,
    };
    if expected {
        return None;
    }
    Some(match (reply.code / 100, reply.detail()) {
        (4, _) => NotDelivered::NotNow(told()),
        // A mailbox that is full passes, whatever the server thinks.
        (5, Some((2, 2))) => NotDelivered::NotNow(told()),
        (5, detail) => match step {
            Step::Data
            | Step::Text(_)
            | Step::Mail {
                of_the_message: true,
            } => NotDelivered::Refused(told()),
            // It is too large, or its parameters are not liked.
            Step::Mail { .. } if detail == Some((3, 4)) || matches!(reply.code, 552 | 555) => {
                NotDelivered::Refused(told())
            }
            // Too many recipients, in the words of RFC 821 (RFC 5321 §4.5.3.1.10).
            Step::Rcpt(_) if reply.code == 552 => NotDelivered::NotNow(told()),
            _ => NotDelivered::Unusable(told()),
        },
        _ => NotDelivered::Unusable(told()),
    })
}

/// What becomes of a message that some recipients have got and others not; `refused` is what the others' replies mean.
///
/// While any of them may still get it, it is tried again, and those who have it get it once more: LMTP knows no better.
pub(super) fn together(
    server: &str,
    mut refused: Vec<NotDelivered>,
    taken: usize,
) -> Result<(), NotDelivered> {
    if refused.is_empty() {
        return Ok(());
    }
    let passes = |it: &NotDelivered| matches!(it, NotDelivered::NotNow(_));
    let worst = refused.iter().position(passes).unwrap_or(0);
    let why = refused.swap_remove(worst);
    Err(match (why, taken) {
        (why, 0) => why,
        (NotDelivered::NotNow(why), _) => NotDelivered::NotNow(format!(
            "{why} ({taken} other recipients of {server} have it, and will get it again)"
        )),
        (NotDelivered::Refused(why), _) => NotDelivered::Refused(format!(
            "{why} ({taken} other recipients of {server} have it)"
        )),
        (NotDelivered::Unusable(why) | NotDelivered::NoLogin(why), _) => NotDelivered::Unusable(
            format!("{why} ({taken} other recipients of {server} have it)"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_its_verdicts() {
        let all = Step::Mail {
            of_the_message: false,
        };
        let named = Step::Mail {
            of_the_message: true,
        };
        for (step, said, expected) in [
            (Step::Greeting, "220 a", "well"),
            (Step::Greeting, "554 go away", "unusable"),
            (Step::Greeting, "421 later", "not now"),
            (Step::Beginning("EHLO"), "502 no", "unusable"),
            (Step::Beginning("AUTH"), "535 no", "unusable"),
            (Step::Beginning("AUTH"), "454 later", "not now"),
            (all, "250 ok", "well"),
            (all, "550 no", "unusable"),
            (all, "530 5.7.0 log in first", "unusable"),
            (all, "552 too large", "refused"),
            (all, "554 5.3.4 too large", "refused"),
            (named, "550 no", "refused"),
            (named, "451 no", "not now"),
            (Step::Rcpt("a"), "251 moved", "well"),
            (Step::Rcpt("a"), "550 5.1.1 no", "unusable"),
            (Step::Rcpt("a"), "552 5.2.2 full", "not now"),
            (Step::Rcpt("a"), "552 many", "not now"),
            (Step::Rcpt("a"), "450 later", "not now"),
            (Step::Data, "354 go", "well"),
            (Step::Data, "250 go", "unusable"),
            (Step::Data, "554 no", "refused"),
            (Step::Text("a"), "250 ok", "well"),
            (Step::Text("a"), "354 ok", "unusable"),
            (Step::Text("a"), "550 spam", "refused"),
            (Step::Text("a"), "552 5.2.2 full", "not now"),
            (Step::Text("a"), "452 full", "not now"),
        ] {
            let mut input = format!("{said}\r\n").into_bytes();
            let reply = Reply::take(&mut input).unwrap().unwrap();
            let came = match verdict("mail:25", step, &reply) {
                None => "well",
                Some(NotDelivered::Refused(_)) => "refused",
                Some(NotDelivered::NotNow(_)) => "not now",
                Some(NotDelivered::Unusable(_) | NotDelivered::NoLogin(_)) => "unusable",
            };
            assert_eq!(came, expected, "{step:?} {said}");
        }
    }
}
