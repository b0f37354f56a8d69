//! `restante fetch install-timer`: units of systemd that fetch now and then.
//!
//! Each account has a timer of its own, so that one which fails is seen, and does not hold up the others.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use client::secret::Source;

use super::files;
use super::settings::{self, Auth, Deliver, Settings, home};
use crate::failure::{Code, Failure};
use crate::output::{self, note, say};

/// Whether this user's systemd is there.
pub(super) fn is_of_use() -> bool {
    std::env::var_os("XDG_RUNTIME_DIR")
        .is_some_and(|directory| Path::new(&directory).join("systemd").is_dir())
}

/// Writes the units, and says what to do with them.
///
/// # Errors
///
/// When `every` is no duration, or the units cannot be written.
pub(super) fn install(
    settings: &Settings,
    named: Option<&Path>,
    every: &str,
    directory: Option<&Path>,
) -> Result<(), Failure> {
    let seconds = settings::seconds(every).map_err(|why| {
        Failure::new(Code::Usage, format!("--every {every:?} is no duration")).remedy(why)
    })?;
    if seconds < 60 {
        return Err(
            Failure::new(Code::Usage, "a server is asked once a minute at most")
                .remedy("give at least 1m; most providers want no less than 5m"),
        );
    }
    let directory = directory.map_or_else(of_user, Path::to_owned);
    let program = std::env::current_exe().map_err(|error| {
        let what = format!("this program cannot be found: {}", output::plain(&error));
        Failure::new(Code::System, what)
    })?;
    let named = named
        .map(std::path::absolute)
        .transpose()
        .map_err(|error| {
            let what = format!(
                "the configuration cannot be named: {}",
                output::plain(&error)
            );
            Failure::new(Code::Usage, what)
        })?;
    for directory in written_to(settings) {
        // The units can only write to what is there. What cannot be made is told when something shall be written to it.
        let _ = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
    }
    for (name, text) in [
        (
            "restante-fetch@.service",
            service(settings, &program, named.as_deref()),
        ),
        ("restante-fetch@.timer", timer(seconds)),
    ] {
        let file = directory.join(name);
        files::put(&file, text.as_bytes(), 0o644).map_err(|error| {
            let what = format!(
                "{} cannot be written: {}",
                file.display(),
                output::plain(&error)
            );
            Failure::new(Code::CannotCreate, what).remedy(
                "make room or give rights there, or name another directory: --directory DIR",
            )
        })?;
        say!("written: {}", file.display())?;
    }
    if program
        .components()
        .any(|part| part.as_os_str() == "target")
    {
        note!(
            "restante: {} is where it was built; install the program, and run this again, so that the timer finds it",
            program.display()
        );
    }
    say!("\nNow:\n  systemctl --user daemon-reload")?;
    for account in &settings.accounts {
        say!(
            "  systemctl --user enable --now restante-fetch@{}.timer",
            account.name
        )?;
    }
    say!(
        "\n  # so that it goes on while you are logged out\n  loginctl enable-linger\n  \
         # what it did\n  journalctl --user -u 'restante-fetch@*'\n  systemctl --user list-timers 'restante-fetch@*'"
    )
}

/// Where this user's own units are.
/// The timer of an account, if this user's systemd starts it.
pub(super) fn enabled(account: &str) -> Option<String> {
    let unit = format!("restante-fetch@{account}.timer");
    let link = of_user().join("timers.target.wants").join(&unit);
    link.symlink_metadata().is_ok().then_some(unit)
}

fn of_user() -> PathBuf {
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    named
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| home().join(".config"))
        .join("systemd/user")
}

fn service(settings: &Settings, program: &Path, named: Option<&Path>) -> String {
    // A dollar would be a variable there.
    let word = |path| quoted(path).replace('$', "$$");
    let config = named.map_or_else(String::new, |named| format!(" -c {}", word(named)));
    let program = word(program);
    // What this shell says of it, systemd may not know.
    let environment: String = (["XDG_CONFIG_HOME", "XDG_STATE_HOME"].iter())
        .filter_map(|&name| Some((name, std::env::var_os(name)?)))
        .map(|(name, value)| format!("{name}={}", Path::new(&value).display()))
        .map(|variable| format!("Environment={}\n", quoted(Path::new(&variable))))
        .collect();
    let mut writable = written_to(settings);
    let asks_a_program = |account: &settings::Account| {
        matches!(
            account.auth,
            Auth::TokenCommand(_) | Auth::Password(Source::Command(_))
        )
    };
    if settings.accounts.iter().any(asks_a_program) {
        // What asks GnuPG needs it.
        writable.push(home().join(".gnupg"));
    }
    let lines: String = (writable.iter())
        // One that is not there is no reason not to begin.
        .map(|path| format!("ReadWritePaths=-{}\n", quoted(path)))
        .collect();
    format!(
        "# Written by `restante fetch install-timer`, which writes it again.\n\
         [Unit]\n\
         Description=Fetch mail of %i\n\
         Wants=network-online.target\n\
         After=network-online.target\n\n\
         [Service]\n\
         Type=oneshot\n\
         {environment}\
         ExecStart={program} fetch{config} --verbose %i\n\
         # 75: the server is busy or away, and the next run sees to it.\n\
         SuccessExitStatus=75\n\
         TimeoutStartSec=1h\n\
         UMask=0077\n\
         Nice=10\n\
         # A password from systemd, encrypted if you like (systemd-creds encrypt --user): add here\n\
         #   LoadCredential=%i:%h/.config/restante/%i.password\n\
         # and to the account in fetch.toml\n\
         #   auth = {{ credential = \"NAME OF THE ACCOUNT\" }}\n\n\
         # Written to is where mail goes, and the state, and nothing else. A `command` or a hook that writes elsewhere\n\
         # needs a line more. What needs a keyring or a display works with these, too.\n\
         ProtectSystem=strict\n\
         ProtectHome=read-only\n\
         {lines}\
         PrivateTmp=yes\n\
         NoNewPrivileges=yes\n\
         RestrictSUIDSGID=yes\n\
         LockPersonality=yes\n\
         RestrictRealtime=yes\n\
         RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n\
         SystemCallArchitectures=native\n"
    )
}

/// Where mail goes, and the state: directories that must be there, and what is in them may be changed.
fn written_to(settings: &Settings) -> Vec<PathBuf> {
    let mut found = vec![settings.state.clone()];
    for account in &settings.accounts {
        let routed = account.rules.iter().flat_map(|rule| match &rule.action {
            settings::ActionOf::Deliver(deliver) => deliver.as_slice(),
            _ => &[],
        });
        for deliver in account.deliver.iter().chain(routed) {
            match deliver {
                // It is made below its parent if it is not there.
                Deliver::Maildir(path) | Deliver::Mbox(path) => {
                    found.push(path.parent().unwrap_or(path).to_owned());
                }
                _ => {}
            }
        }
    }
    let metrics = settings.metrics.as_ref().and_then(|file| file.parent());
    found.extend(metrics.map(Path::to_owned));
    found.sort();
    found.dedup();
    found
}

fn timer(seconds: u64) -> String {
    // Not all accounts of all users at the same second.
    let spread = (seconds / 5).clamp(1, 600);
    format!(
        "# Written by `restante fetch install-timer`, which writes it again.\n\
         [Unit]\n\
         Description=Fetch mail of %i now and then\n\n\
         [Timer]\n\
         OnStartupSec=1min\n\
         OnUnitInactiveSec={seconds}s\n\
         RandomizedDelaySec={spread}s\n\
         AccuracySec=10s\n\n\
         [Install]\n\
         WantedBy=timers.target\n"
    )
}

/// A path as systemd reads it in a unit.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%");
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&octet);
    match text.bytes().all(plain) {
        true => text,
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_as_systemd_reads_them() {
        for (path, wanted) in [
            ("/home/bob/Mail", "/home/bob/Mail"),
            ("/home/bob/50% off", "\"/home/bob/50%% off\""),
            ("/a\"b", "\"/a\\\"b\""),
        ] {
            assert_eq!(quoted(Path::new(path)), wanted);
        }
    }

    #[test]
    fn what_mail_is_written_to_is_writable_and_nothing_else() {
        let file = Path::new("/x/fetch.toml");
        let text = "state = \"/s\"\nmetrics = \"/m/fetch.prom\"\n[account.a]\nhost = \"h\"\nuser = \"u\"\n\
                    deliver = [{ maildir = \"/var/a b/in\" }, { command = [\"x\"] }]\n";
        let settings = settings::parse(file, text).0.unwrap();
        let unit = service(&settings, Path::new("/usr/bin/restante"), Some(file));
        for line in [
            "ExecStart=/usr/bin/restante fetch -c /x/fetch.toml --verbose %i",
            "ReadWritePaths=-/m",
            "ReadWritePaths=-/s",
            "ReadWritePaths=-\"/var/a b\"",
        ] {
            assert!(unit.lines().any(|it| it == line), "{line}\n{unit}");
        }
        assert_eq!(unit.matches("ReadWritePaths=").count(), 3);
        assert!(timer(300).contains("RandomizedDelaySec=60s"));
    }
}
