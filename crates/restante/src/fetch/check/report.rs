//! What was found, a line each.

use crate::failure::{Code, Failure};
use crate::output::say;

/// What was found of one account.
#[derive(Debug)]
pub(super) struct Report {
    whose: String,
    worst: Option<Code>,
}

impl Report {
    pub(super) fn new(whose: &str) -> Self {
        Self {
            whose: whose.to_owned(),
            worst: None,
        }
    }

    /// The worst exit code of what is wrong; none: nothing is.
    pub(super) fn worst(&self) -> Option<Code> {
        self.worst
    }

    pub(super) fn ok(&self, what: &str, text: &str) -> Result<(), Failure> {
        self.line("ok", what, text, None)
    }

    /// Something that works, and may not for long, or not as well as it could.
    pub(super) fn warning(&self, what: &str, text: &str, remedy: &str) -> Result<(), Failure> {
        self.line("warning", what, text, Some(remedy))
    }

    /// Something that keeps mail from coming.
    pub(super) fn wrong(&mut self, what: &str, failure: &Failure) -> Result<(), Failure> {
        self.worst = Some(match self.worst {
            Some(before) => worse(Some(before), failure.code()),
            None => failure.code(),
        });
        let text = failure.what().unwrap_or_default();
        let text = text
            .strip_prefix(&format!("{}: ", self.whose))
            .unwrap_or(text);
        self.line("WRONG", what, text, failure.advice())
    }

    fn line(
        &self,
        level: &str,
        what: &str,
        text: &str,
        remedy: Option<&str>,
    ) -> Result<(), Failure> {
        say!("{level:<8} {}: {what}: {text}", self.whose)?;
        match remedy {
            Some(remedy) => say!("         {remedy}"),
            None => Ok(()),
        }
    }
}

/// Of two exit codes the one that needs somebody more: what passes by itself is the least.
pub(super) fn worse(before: Option<Code>, code: Code) -> Code {
    let weight = |code: Code| match code {
        Code::Temporary => 0,
        Code::Unavailable => 1,
        other => 2 + other as u8,
    };
    match before {
        Some(before) if weight(before) >= weight(code) => before,
        _ => code,
    }
}
