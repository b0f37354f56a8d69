//! What to try next: commands that work as they are printed, when pasted into another terminal.

use std::path::Path;

use super::Addresses;
use super::letters::{ACCOUNT, PASSWORD};
use super::place::Place;
use crate::config::Config;
use crate::failure::Failure;
use crate::output::say;

/// Prints them, each below what it does.
///
/// # Errors
///
/// When standard output cannot be written.
pub(super) fn suggest(config: &Config, addresses: &Addresses) -> Result<(), Failure> {
    for (purpose, command) in suggestions(config, addresses) {
        say!("  # {purpose}\n  {command}")?;
    }
    Ok(())
}

fn suggestions(config: &Config, addresses: &Addresses) -> Vec<(&'static str, String)> {
    let Addresses { pop3, pop3s, lmtp } = addresses;
    let certificate = quoted(&Place::certificate(&config.data));
    let program = program();
    let file = quoted(&config.file);
    vec![
        (
            "what waits",
            format!("curl -u {ACCOUNT}:{PASSWORD} pop3://{pop3}/"),
        ),
        (
            "the first message",
            format!("curl -u {ACCOUNT}:{PASSWORD} pop3://{pop3}/1"),
        ),
        (
            "the second one, inside TLS",
            format!("curl -u {ACCOUNT}:{PASSWORD} --cacert {certificate} pop3s://{pop3s}/2"),
        ),
        (
            "by hand, inside TLS",
            format!(
                "printf 'USER {ACCOUNT}\\nPASS {PASSWORD}\\nUIDL\\nQUIT\\n' | \
                 openssl s_client -quiet -crlf -CAfile {certificate} -verify_quiet -connect localhost:{}",
                pop3s.port()
            ),
        ),
        (
            "all of it into a file, by a mail program, leaving it here",
            format!(
                "mpop --host=localhost --port={} --tls=on --tls-starttls=off --tls-trust-file={certificate} \
                 --user={ACCOUNT} --passwordeval='echo {PASSWORD}' --keep=on --uidls-file=bob.uidls \
                 --delivery=mbox,bob.mbox",
                pop3s.port(),
            ),
        ),
        (
            "all of it into ~/Mail/bob, by this program; after that, whatever is new: restante fetch",
            format!(
                "echo {PASSWORD} | {program} fetch setup {ACCOUNT}@localhost:{} --pin --stdin && {program} fetch",
                pop3s.port()
            ),
        ),
        (
            "a new message",
            format!(
                "printf 'Subject: hello\\n\\nHello, bob.\\n' | {program} -c {file} deliver bob"
            ),
        ),
        (
            "another one, as a mail server delivers it",
            format!(
                "printf 'LHLO here\\r\\nMAIL FROM:<>\\r\\nRCPT TO:<bob@dobbs.org>\\r\\nDATA\\r\\n\
                 Subject: hello\\r\\n\\r\\nHello again.\\r\\n.\\r\\nQUIT\\r\\n' | curl -s telnet://{lmtp}"
            ),
        ),
        (
            "what the maildrop holds now",
            format!("{program} -c {file} maildrop list bob"),
        ),
    ]
}

/// How this program can be started from where it was started.
fn program() -> String {
    let Ok(program) = std::env::current_exe() else {
        return "restante".to_owned();
    };
    let here = std::env::current_dir().ok();
    match here.and_then(|here| program.strip_prefix(here).map(Path::to_owned).ok()) {
        Some(relative) => quoted(&Path::new(".").join(relative)),
        None => quoted(&program),
    }
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/._-+,:@".contains(&octet);
    match text.bytes().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_the_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b.c")), "/tmp/a-b.c");
        assert_eq!(
            quoted(Path::new("/tmp/it's $HOME")),
            "'/tmp/it'\\''s $HOME'"
        );
    }
}
