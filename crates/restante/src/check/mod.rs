//! `restante check`: what the configuration means, and what is wrong with it and around it.
//!
//! Everything is told at once: the file's mistakes with line and column, then what this machine
//! makes impossible: a user that does not exist, files that cannot be read, ports that are taken.
//! Run by root it becomes the server's user first, so that it sees what the server will see.

mod data;
mod describe;
mod machine;

use std::path::Path;

use crate::config::{self, Level};
use crate::failure::{Code, Failure};
use crate::output::{count, note, say};

/// What was found wrong so far.
#[derive(Default)]
struct Findings {
    errors: u64,
    warnings: u64,
}

impl Findings {
    fn error(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.errors += 1;
        note!("{what}\n  {remedy}");
    }

    fn failure(&mut self, failure: &Failure) {
        self.errors += 1;
        note!("{}", failure.to_string().trim_end());
    }

    fn warning(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.warnings += 1;
        note!("warning: {what}\n  {remedy}");
    }
}

/// Checks a configuration.
///
/// # Errors
///
/// EX_CONFIG if something is wrong; it has been told then.
pub(crate) fn check(named: Option<&Path>) -> Result<(), Failure> {
    let (config, problems) = config::read(&config::file(named))?;
    let mut findings = Findings::default();
    for problem in &problems {
        note!("{problem}");
        match problem.level {
            Level::Error => findings.errors += 1,
            Level::Warning => findings.warnings += 1,
        }
    }
    if let Some(config) = config {
        describe::describe(&config)?;
        machine::machine(&config, &mut findings);
    }
    let warnings = match findings.warnings {
        0 => String::new(),
        warnings => format!(", {}", count(warnings, "warning", "warnings")),
    };
    match findings.errors {
        0 => say!("\nNothing is wrong{warnings}."),
        errors => {
            let errors = count(errors, "mistake", "mistakes");
            Err(Failure::new(Code::Config, format!("{errors}{warnings}")))
        }
    }
}
