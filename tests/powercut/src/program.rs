//! The real program on the recorded disk: commands, deliveries, a server; some of them killed.

use std::fs;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::volume::tool;

/// Every account's password.
pub(crate) const PASSWORD: &str = "redqueen";

/// sysexits.h: the maildrop is in use, or the message must wait.
const TEMPORARY: i32 = 75;
/// sysexits.h: there is no such message.
const NO_DATA: i32 = 65;

/// How long a server may take until it listens.
const START_MAX: Duration = Duration::from_secs(20);

/// The program and its configuration.
pub(crate) struct Program {
    program: PathBuf,
    configuration: PathBuf,
    log: PathBuf,
    /// Where the server takes mail.
    pub(crate) lmtp_port: u16,
    /// Where it gives it out.
    pub(crate) pop3_port: u16,
}

/// When a process is killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Doom {
    /// So long after it has its input.
    After(Duration),
    /// When it asks for this system call for the n-th time, before the call is made.
    At(&'static str, u32),
}

impl Program {
    /// The program with its data in `data`; its configuration and log go into `directory`.
    ///
    /// # Errors
    ///
    /// When there is no free port, or the configuration cannot be written.
    pub(crate) fn new(program: &Path, directory: &Path, data: &Path) -> io::Result<Self> {
        let probes = [
            TcpListener::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
        ];
        let lmtp_port = probes[0].local_addr()?.port();
        let pop3_port = probes[1].local_addr()?.port();
        let configuration = directory.join("restante.toml");
        let text = format!(
            r#"hostname = "mailgate.dobbs.org"
name = "dewey"
data = "{}"
user = "root"
domains = ["dobbs.org"]

[[listener]]
protocol = "pop3"
address = "127.0.0.1:{pop3_port}"
plaintext_login = "loopback"

[[listener]]
protocol = "lmtp"
address = "127.0.0.1:{lmtp_port}"

[limits]
sessions_per_address_max = 0

[maildrop]
lock_wait = "200ms"

[auth]
scram = false
"#,
            data.display()
        );
        fs::write(&configuration, text)?;
        Ok(Self {
            program: program.to_owned(),
            configuration,
            log: directory.join("log"),
            lmtp_port,
            pop3_port,
        })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.configuration).args(words);
        command
    }

    /// A command that is killed at a system call, if that is said. The process that is started is
    /// the program all the same: strace watches it from a process of its own.
    fn doomed(&self, words: &[&str], doom: Doom) -> Command {
        let Doom::At(call, count) = doom else {
            return self.command(words);
        };
        let mut command = tool("strace");
        command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"]);
        command.arg(format!("trace={call}")).arg("-e");
        command.arg(format!("inject={call}:signal=KILL:when={count}"));
        command
            .arg(&self.program)
            .arg("-c")
            .arg(&self.configuration);
        command.args(words);
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be started or read.
    pub(crate) fn run(&self, words: &[&str], input: &[u8]) -> io::Result<Output> {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        feed(&mut child, input)?;
        child.wait_with_output()
    }

    /// The same, of one that may be killed.
    ///
    /// # Errors
    ///
    /// When it cannot be started or read.
    fn run_doomed(&self, words: &[&str], input: &[u8], doom: Option<Doom>) -> io::Result<Output> {
        let Some(doom) = doom else {
            return self.run(words, input);
        };
        let mut child = self
            .doomed(words, doom)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        feed(&mut child, input)?;
        if let Doom::After(patience) = doom {
            thread::sleep(patience);
            child.kill()?;
        }
        child.wait_with_output()
    }

    /// Runs a command that must succeed.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub(crate) fn must(&self, words: &[&str], input: &[u8]) -> io::Result<Output> {
        let done = self.run(words, input)?;
        match done.status.success() {
            true => Ok(done),
            false => Err(failed(words, &done)),
        }
    }

    /// Makes an account.
    ///
    /// # Errors
    ///
    /// When it is not acknowledged.
    pub(crate) fn add_user(&self, name: &str) -> io::Result<()> {
        let line = format!("{PASSWORD}\n");
        self.must(&["user", "add", name, "--stdin"], line.as_bytes())?;
        Ok(())
    }

    /// Says what deletions come to in the sessions of an account.
    ///
    /// # Errors
    ///
    /// When it is not acknowledged.
    pub(crate) fn set_disposition(&self, name: &str, disposition: &str) -> io::Result<()> {
        self.must(&["user", "set", name, "--disposition", disposition], b"")?;
        Ok(())
    }

    /// Shows messages again that sessions have hidden, in a process that may be killed. Returns
    /// whether it is acknowledged.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub(crate) fn undelete(
        &self,
        name: &str,
        unique_ids: &[String],
        doom: Option<Doom>,
    ) -> io::Result<bool> {
        let mut words = vec!["maildrop", "undelete", name];
        words.extend(unique_ids.iter().map(String::as_str));
        let done = self.run_doomed(&words, b"", doom)?;
        is_acknowledged(&words, &done)
    }

    /// Delivers in a process of its own, which may be killed. Returns whether it is acknowledged.
    ///
    /// # Errors
    ///
    /// When the message is refused.
    pub(crate) fn deliver(&self, name: &str, text: &[u8], doom: Option<Doom>) -> io::Result<bool> {
        let words = ["deliver", name];
        let done = self.run_doomed(&words, text, doom)?;
        is_acknowledged(&words, &done)
    }

    /// The unique-ids of a maildrop, in order, and whether they are hidden from sessions; none: it
    /// is in use by a session.
    ///
    /// # Errors
    ///
    /// When it cannot be listed.
    pub(crate) fn list(&self, name: &str) -> io::Result<Option<Vec<(String, bool)>>> {
        let words = ["maildrop", "list", name, "--json"];
        let done = self.run(&words, b"")?;
        match done.status.code() {
            Some(0) => {}
            Some(TEMPORARY) => return Ok(None),
            _ => return Err(failed(&words, &done)),
        }
        let mut unique_ids = Vec::new();
        for line in String::from_utf8_lossy(&done.stdout).lines() {
            let line: serde_json::Value = serde_json::from_str(line)?;
            let unique_id = line["unique_id"].as_str().map(str::to_owned);
            let listed = unique_id.zip(line["hidden"].as_bool());
            unique_ids.push(listed.ok_or(io::ErrorKind::InvalidData)?);
        }
        Ok(Some(unique_ids))
    }

    /// A message as it was delivered; none: it is not there any more, or in use by a session.
    ///
    /// # Errors
    ///
    /// When it cannot be shown.
    pub(crate) fn show(&self, name: &str, unique_id: &str) -> io::Result<Option<Vec<u8>>> {
        let words = ["maildrop", "show", name, unique_id];
        let done = self.run(&words, b"")?;
        let said = String::from_utf8_lossy(&done.stderr);
        match done.status.code() {
            Some(0) => Ok(Some(done.stdout)),
            Some(TEMPORARY) => Ok(None),
            Some(NO_DATA) if said.contains("has no message") => Ok(None),
            _ => Err(failed(&words, &done)),
        }
    }

    /// Whether this build knows a command of `maildrop`.
    ///
    /// # Errors
    ///
    /// When the program cannot be run.
    pub(crate) fn knows(&self, command: &str) -> io::Result<bool> {
        let help = self.must(&["maildrop", "--help"], b"")?.stdout;
        let help = String::from_utf8_lossy(&help).into_owned();
        let mut words = help
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        Ok(words.any(|word| word == command))
    }

    /// Rewrites a maildrop without what is dead in it, unless it is in use; killed if that is said.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub(crate) fn compact(&self, name: &str, doom: Doom) -> io::Result<()> {
        let words = ["maildrop", "compact", name];
        let done = self.run_doomed(&words, b"", Some(doom))?;
        match done.status.code() {
            Some(TEMPORARY) => Ok(()),
            _ => is_acknowledged(&words, &done).map(drop),
        }
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it ends, or does not listen.
    pub(crate) fn serve(&self, doom: Option<Doom>) -> io::Result<Server> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let command = match doom {
            Some(doom) => self.doomed(&["serve"], doom),
            None => self.command(&["serve"]),
        };
        let child = { command }
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Server(child);
        let began = Instant::now();
        for port in [self.lmtp_port, self.pop3_port] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                if server.0.try_wait()?.is_some() || began.elapsed() > START_MAX {
                    let log = fs::read_to_string(&self.log)?;
                    return Err(io::Error::other(format!("no server:\n{log}")));
                }
                thread::sleep(Duration::from_millis(3));
            }
        }
        Ok(server)
    }

    /// Whether any server said that it panicked.
    ///
    /// # Errors
    ///
    /// When its log cannot be read.
    pub(crate) fn panicked(&self) -> io::Result<bool> {
        Ok(fs::read_to_string(&self.log)?.contains("panicked"))
    }
}

/// Gives a child its input. One that was killed, or wants none, does not read it.
fn feed(child: &mut Child, input: &[u8]) -> io::Result<()> {
    match child.stdin.take().map(|mut stdin| stdin.write_all(input)) {
        Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Whether a command that may have been killed came to say yes; it must not have said no.
fn is_acknowledged(words: &[&str], done: &Output) -> io::Result<bool> {
    match done.status.code() {
        Some(0) => Ok(true),
        None => Ok(false),
        Some(_) => Err(failed(words, done)),
    }
}

fn failed(words: &[&str], done: &Output) -> io::Error {
    let said = String::from_utf8_lossy(&done.stderr);
    io::Error::other(format!("{words:?}: {}: {said}", done.status))
}

/// A running server; killed at the latest when it is dropped.
pub(crate) struct Server(Child);

impl Server {
    /// kill -9, and until it is gone.
    ///
    /// # Errors
    ///
    /// When the system says no.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dead already: that is what was wanted.
        let _ = self.kill();
    }
}
