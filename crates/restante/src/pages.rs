//! `restante completions` and `restante man`: made from the definition of the command line.

use std::fs;
use std::io;
use std::path::Path;

use crate::args::Arguments;
use crate::failure::{Code, Failure};
use crate::output::{self, say};

/// Prints the completions for a shell.
///
/// # Errors
///
/// When standard output cannot be written.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::definition(), "restante", &mut script);
    output::write(format_args!("{}", String::from_utf8_lossy(&script)))
}

/// Writes a page for the program and for each command: `restante.1`, `restante-demo.1`, …
///
/// # Errors
///
/// When the directory cannot be made or written.
pub(crate) fn man(directory: &Path) -> Result<(), Failure> {
    let failure = |error: io::Error| {
        Failure::new(
            Code::CannotCreate,
            format!(
                "manual pages cannot be written to {}: {}",
                directory.display(),
                output::plain(&error)
            ),
        )
        .remedy("name a directory that you may write")
    };
    fs::create_dir_all(directory).map_err(failure)?;
    clap_mangen::generate_to(Arguments::definition(), directory).map_err(failure)?;
    say!(
        "Manual pages are in {}; read one with: man {}",
        directory.display(),
        directory.join("restante.1").display()
    )
}
