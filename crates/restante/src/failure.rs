//! Why a command ends without success: one line what happened, one line what to do, one exit code.
//!
//! The codes are those of sysexits.h, because mail transfer agents act on them: 75 is tried
//! again, 67 goes back to the sender.

use std::fmt;
use std::process::ExitCode;

use crate::output;

/// Exit codes of sysexits.h.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Code {
    /// There was nothing new, and whoever asked wanted to know (not of sysexits.h).
    NothingNew = 1,
    /// The command line is wrong.
    Usage = 64,
    /// What was read is wrong.
    Data = 65,
    /// A file to be read is not there or cannot be read.
    NoInput = 66,
    /// There is no such account.
    NoUser = 67,
    /// Something that the program needs is not there (a port in use).
    Unavailable = 69,
    /// The program contradicts itself.
    Software = 70,
    /// The operating system refuses something basic.
    System = 71,
    /// A file or directory cannot be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    InputOutput = 74,
    /// May pass by itself; try again.
    Temporary = 75,
    /// The other side does not speak as it should.
    Protocol = 76,
    /// Not allowed.
    NoPermission = 77,
    /// The configuration is wrong.
    Config = 78,
    /// Somebody must log in with the provider once more (not of sysexits.h).
    TokenNeeded = 79,
}

impl Code {
    /// That with which another process of this program has ended.
    pub(crate) fn of_exit(status: i32) -> Option<Self> {
        let all = [
            Self::Usage,
            Self::Unavailable,
            Self::Software,
            Self::System,
            Self::NoPermission,
            Self::Config,
        ];
        all.into_iter().find(|code| *code as i32 == status)
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    what: Option<String>,
    remedy: Option<String>,
}

impl Failure {
    /// What happened.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: Some(what.into()),
            remedy: None,
        }
    }

    /// What another crate's error says: what happened, and after a semicolon what to do.
    pub(crate) fn from_text(code: Code, text: &str) -> Self {
        let text = output::without_numbers(text);
        match text.split_once("; ") {
            Some((what, remedy)) => Self::new(code, what).remedy(remedy),
            None => Self::new(code, text),
        }
    }

    /// Everything has been said already; only the exit code is left.
    pub(crate) fn silent(code: Code) -> Self {
        Self {
            code,
            what: None,
            remedy: None,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, with the place where it happened before it.
    pub(crate) fn within(self, place: &str) -> Self {
        let what = self.what.map(|what| format!("{place}: {what}"));
        Self { what, ..self }
    }

    /// What happened; none if everything has been said already.
    pub(crate) fn what(&self) -> Option<&str> {
        self.what.as_deref()
    }

    /// What to do about it, if that is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// The same, with another exit code.
    pub(crate) fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(what) = &self.what else {
            return Ok(());
        };
        writeln!(f, "restante: {what}")?;
        match &self.remedy {
            Some(remedy) => writeln!(f, "  {remedy}"),
            None => Ok(()),
        }
    }
}
