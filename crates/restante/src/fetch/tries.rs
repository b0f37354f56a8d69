//! What is tried again in a run, and how.
//!
//! A connection that is lost once proves nothing: the session is begun again as it was. One that is lost again, or before anything has
//! come, may be lost because commands are sent ahead: from then on one at a time. One message that a server cannot give, and ends the
//! connection for, must not keep back all behind it, nor what is to be deleted: it comes last, and is left out if it does so again.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use client::fetch::{FetchError, Summary};
use client::ledger::Key;
use client::{ClientError, Memory};
use pop3::client::ResponseCode;

/// A maildrop that is in use is tried again after so long, and then later again; whoever runs this wants mail, not an excuse.
const BUSY_WAITS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];

/// So many sessions may break at some message in a run; then one more goes without all of these.
const BREAKS_MAX: usize = 4;

/// The tries of one run.
#[derive(Debug, Default)]
pub(super) struct Tries {
    busy: usize,
    lost: usize,
    /// Commands are no longer sent ahead.
    is_alone: bool,
    was_token_refused: bool,
    /// The messages at which sessions broke, in order, and whether they had been asked for alone.
    broke_at: Vec<(Key, bool)>,
    /// How many of them the last session added.
    added: usize,
    /// Whether the last session left messages out.
    leaves_out: bool,
}

/// How a session goes about it.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Manner {
    /// Messages are asked for one after the other.
    pub(super) is_alone: bool,
    /// These come behind all others.
    pub(super) last: HashSet<Key>,
    /// These are left out.
    pub(super) without: HashSet<Key>,
}

/// What has come in this run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Come {
    /// No message was asked for.
    NotBegun,
    /// None of those that were.
    None,
    /// Some.
    Some,
}

/// What is done after a session.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Another one, after a wait.
    Again(Duration),
    /// That was all.
    End,
}

impl Tries {
    /// Whether the server has refused a token in this run.
    pub(super) fn was_token_refused(&self) -> bool {
        self.was_token_refused
    }

    /// How the next session goes about it, by what those before have shown.
    pub(super) fn manner(&mut self) -> Manner {
        let mut manner = Manner {
            is_alone: self.is_alone,
            ..Manner::default()
        };
        let without_all = self.broke_at.len() >= BREAKS_MAX;
        for (place, (key, was_alone)) in self.broke_at.iter().enumerate() {
            let is_again = self.broke_at[..place].iter().any(|(it, _)| it == key);
            match without_all || (is_again && *was_alone) {
                true => manner.without.insert(key.clone()),
                false => manner.last.insert(key.clone()),
            };
        }
        self.added = 0;
        self.leaves_out = !manner.without.is_empty();
        manner
    }

    /// The session has broken at this message.
    pub(super) fn broke_at(&mut self, key: Key) {
        self.broke_at.push((key, self.is_alone));
        self.added += 1;
    }

    /// Whether what a session has learned of its server is to be remembered. That it does not go away where it is asked for one
    /// message after the other proves that it cannot do more, unless it was not asked for all of them.
    pub(super) fn has_proved(
        &self,
        learned: &Memory,
        result: &Result<Summary, FetchError>,
    ) -> bool {
        let is_broken = learned.is_broken(SystemTime::now());
        !is_broken || (result.is_ok() && !self.leaves_out)
    }

    /// What is done after a session that ended so. `learned` is what it has learned of its server; `renews`: whether another token can
    /// be had.
    pub(super) fn next(
        &mut self,
        error: &FetchError,
        learned: Option<&Memory>,
        come: Come,
        renews: bool,
    ) -> Next {
        let FetchError::Server(error) = error else {
            return Next::End;
        };
        let is_blamed = learned.is_some_and(|it| it.is_broken(SystemTime::now()));
        let again = match error {
            ClientError::TokenRefused { .. } => {
                !std::mem::replace(&mut self.was_token_refused, true) && renews
            }
            ClientError::NotNow(status) if status.code == Some(ResponseCode::InUse) => {
                let wait = BUSY_WAITS.get(self.busy);
                self.busy += 1;
                return wait.map_or(Next::End, |&wait| Next::Again(wait));
            }
            ClientError::Lost { .. }
            | ClientError::Broken(_)
            | ClientError::TooSlow { .. }
            | ClientError::Wrong(_)
            | ClientError::Endless { .. }
                if is_blamed && !self.is_alone =>
            {
                self.is_alone = true;
                true
            }
            ClientError::Lost { .. } | ClientError::Broken(_) | ClientError::TooSlow { .. } => {
                self.lost += 1;
                // The third session is the first that is another one.
                self.is_alone |= self.lost > 1;
                come != Come::NotBegun && (self.lost <= 2 || self.is_worth_another(come))
            }
            ClientError::NotNow(_) => self.is_worth_another(come),
            _ => false,
        };
        match again {
            true => Next::Again(Duration::ZERO),
            false => Next::End,
        }
    }

    /// Whether the last session broke at a message, and the next will be another one for that. A server that gives nothing, whichever
    /// message it is asked for, has no bad message.
    fn is_worth_another(&self, come: Come) -> bool {
        let first = self.broke_at.first().map(|(key, _)| key);
        let is_one = self.broke_at.iter().all(|(key, _)| Some(key) == first);
        self.added > 0 && self.broke_at.len() <= BREAKS_MAX && (is_one || come == Come::Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use pop3::client::Status;

    fn lost() -> FetchError {
        FetchError::Server(ClientError::Lost {
            awaited: "a message",
            source: std::io::ErrorKind::UnexpectedEof.into(),
        })
    }

    fn not_now(line: &str) -> FetchError {
        FetchError::Server(ClientError::NotNow(Status::parse(line.as_bytes()).unwrap()))
    }

    fn keys(ids: &[&str]) -> HashSet<Key> {
        ids.iter().map(|id| key(id)).collect()
    }

    fn key(id: &str) -> Key {
        format!("u:{id}").parse().unwrap()
    }

    fn broken() -> Memory {
        let mut memory = Memory::default();
        memory.pipelining_broke(SystemTime::now());
        memory
    }

    const NOW: Next = Next::Again(Duration::ZERO);

    #[test]
    fn a_line_that_fails_once_changes_nothing() {
        let mut tries = Tries::default();
        assert_eq!(tries.manner(), Manner::default());
        assert_eq!(tries.next(&lost(), None, Come::Some, false), NOW);
        assert!(!tries.manner().is_alone);
        // Nor does it if nothing was asked for.
        assert_eq!(
            Tries::default().next(&lost(), None, Come::NotBegun, false),
            Next::End
        );
    }

    #[test]
    fn the_third_session_asks_for_one_message_after_the_other_and_proves_something() {
        let mut tries = Tries::default();
        for is_alone in [false, false, true] {
            assert_eq!(tries.manner().is_alone, is_alone);
            let next = tries.next(&lost(), None, Come::Some, false);
            assert_eq!(next, if is_alone { Next::End } else { NOW });
        }
        assert!(tries.has_proved(&broken(), &Ok(Summary::default())));
        assert!(!tries.has_proved(&broken(), &Err(lost())));
        assert!(tries.has_proved(&Memory::default(), &Err(lost())));
    }

    #[test]
    fn a_server_that_gives_nothing_ahead_is_asked_otherwise_at_once() {
        let mut tries = Tries::default();
        assert_eq!(
            tries.next(&lost(), Some(&broken()), Come::NotBegun, false),
            NOW
        );
        assert!(tries.manner().is_alone);
        assert_eq!(
            tries.next(&lost(), Some(&broken()), Come::NotBegun, false),
            Next::End
        );
    }

    #[test]
    fn messages_that_end_sessions_come_last_and_are_left_out_then() {
        let mut tries = Tries::default();
        // Each session: the message at which it breaks, those that come last, and those that are left out.
        let sessions = [
            ("a", &[][..], &[][..]),
            ("b", &["a"][..], &[][..]),
            ("a", &["a", "b"][..], &[][..]),
            ("b", &["a", "b"][..], &["a"][..]),
        ];
        for (number, (breaks_at, last, without)) in sessions.into_iter().enumerate() {
            let manner = tries.manner();
            assert_eq!(manner.is_alone, number > 1);
            assert_eq!((manner.last, manner.without), (keys(last), keys(without)));
            tries.broke_at(key(breaks_at));
            assert_eq!(tries.next(&lost(), None, Come::Some, false), NOW);
        }
        assert_eq!(tries.manner().without, keys(&["a", "b"]));
        // It went well, but without them.
        assert!(!tries.has_proved(&broken(), &Ok(Summary::default())));
        tries.broke_at(key("c"));
        assert_eq!(tries.next(&lost(), None, Come::Some, false), Next::End);
    }

    #[test]
    fn a_server_that_gives_nothing_at_all_has_no_bad_messages() {
        let mut tries = Tries::default();
        for (breaks_at, next) in [("a", NOW), ("b", NOW), ("c", Next::End)] {
            assert!(tries.manner().without.is_empty());
            tries.broke_at(key(breaks_at));
            assert_eq!(tries.next(&lost(), None, Come::None, false), next);
        }
        // The only one that is asked for is one.
        let mut tries = Tries::default();
        for without in [&[][..], &[], &[], &["a"]] {
            assert_eq!(tries.manner().without, keys(without));
            tries.broke_at(key("a"));
            assert_eq!(tries.next(&lost(), None, Come::None, false), NOW);
        }
    }

    #[test]
    fn what_passes_by_itself_is_waited_for_and_not_for_ever() {
        let mut tries = Tries::default();
        let busy = not_now("-ERR [IN-USE] another one is reading");
        for wait in BUSY_WAITS {
            assert_eq!(
                tries.next(&busy, None, Come::NotBegun, false),
                Next::Again(wait)
            );
        }
        assert_eq!(tries.next(&busy, None, Come::NotBegun, false), Next::End);
        // A message that a server cannot read now is one like those.
        let unreadable = not_now("-ERR [SYS/TEMP] cannot read it");
        tries.manner();
        assert_eq!(tries.next(&unreadable, None, Come::Some, false), Next::End);
        tries.broke_at(key("a"));
        assert_eq!(tries.next(&unreadable, None, Come::Some, false), NOW);
        assert_eq!(tries.manner().last, keys(&["a"]));
    }

    #[test]
    fn a_token_is_renewed_once() {
        let refused = FetchError::Server(ClientError::TokenRefused {
            explanation: "{}".to_owned(),
        });
        for (renews, first) in [(true, NOW), (false, Next::End)] {
            let mut tries = Tries::default();
            assert_eq!(tries.next(&refused, None, Come::NotBegun, renews), first);
            assert!(tries.was_token_refused());
            assert_eq!(
                tries.next(&refused, None, Come::NotBegun, renews),
                Next::End
            );
        }
        let other = FetchError::Foreign("x".to_owned());
        assert_eq!(
            Tries::default().next(&other, None, Come::Some, true),
            Next::End
        );
    }
}
