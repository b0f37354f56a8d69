//! Running the program, and a site to run it on.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The run ended with this code; otherwise everything it said is shown.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }
}

/// The program, not yet started, with an environment of its own.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
    command
        .env_remove("RESTANTE_CONFIG")
        .env_remove("RESTANTE_LOG")
        .env_remove("NOTIFY_SOCKET")
        // Help wraps at the width of the terminal; tests have none.
        .env("COLUMNS", "100");
    command
}

/// Runs the program with standard input.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: &[S], input: &[u8]) -> Ended {
    finish(program().args(arguments), input)
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // The program may end without reading all of it.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory with a configuration and, later, data.
pub(crate) struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    /// A site with this configuration; `DIR` in it becomes the site's directory.
    pub(crate) fn with(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let site = Self { directory };
        fs::write(site.config(), site.place(configuration)).unwrap();
        site
    }

    /// A working site that listens on ports of the system's choice.
    pub(crate) fn new() -> Self {
        Self::with(CONFIGURATION)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("restante.toml")
    }

    /// Runs the program with this site's configuration.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut ended = finish(
            program().arg("-c").arg(self.config()).args(arguments),
            input,
        );
        ended.stdout = self.unplace(&ended.stdout);
        ended.stderr = self.unplace(&ended.stderr);
        ended
    }

    /// The file of an account's maildrop.
    pub(crate) fn maildrop(&self, account: &str) -> String {
        let told = self.run(&["maildrop", "path", account], b"").with(0);
        self.place(told.stdout.trim())
    }

    pub(crate) fn place(&self, text: &str) -> String {
        text.replace("DIR", &self.path().display().to_string())
    }

    fn unplace(&self, text: &str) -> String {
        text.replace(&self.path().display().to_string(), "DIR")
    }
}

/// A file system of its own, which can be full; unmounted when dropped.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None, and a word about it, where that cannot be.
    pub(crate) fn mounted(size: &str) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(place.path())
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            println!("SKIPPED: a full disk needs a small tmpfs, and mounting one needs root");
            return None;
        }
        Some(Self(place))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

/// Loopback only, ports chosen by the system, hashes as cheap as they may be.
pub(crate) const CONFIGURATION: &str = r#"
hostname = "mailgate.dobbs.org"
name = "dewey"
data = "DIR/data"
domains = ["dobbs.org"]

[[listener]]
protocol = "pop3"
address = "127.0.0.1:0"
plaintext_login = "loopback"

[[listener]]
protocol = "lmtp"
address = "unix:DIR/lmtp"

[maildrop]
allow_volatile = true

[auth]
scram_iterations = 4096
refusal_delay = "500 ms"
"#;
