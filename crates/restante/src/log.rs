//! Where events go: standard error, as text or as JSON, one line each.
//!
//! `RESTANTE_LOG` chooses levels (`debug`, `info,server=debug`); otherwise `info`. No secret is a
//! field of any event, at any level, so no level is dangerous.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Begins to write events.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("RESTANTE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // The subscriber would tell of an event that it could not write by `eprintln!`, which panics
        // then: a session must not end because the disk below the log is full.
        .log_internal_errors(false)
        .with_ansi(false);
    // A second call changes nothing.
    let _ = match format {
        // systemd's journal and syslog know the time already, but a file does not.
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Begins to write warnings and errors only, one plain line each: for commands that a person or a
/// mail transfer agent runs. That a torn tail was cut, or that a file has a gap, must be told by
/// whoever comes upon it.
pub(crate) fn warnings() {
    // A second call changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(io::stderr)
        // As above.
        .log_internal_errors(false)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .try_init();
}
