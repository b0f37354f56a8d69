//! `restante fetch daemon`: what it tells systemd, what it does at signals, and what it writes.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::authorization::AuthorizationServer;
use super::{Home, Server, count, logins};
use crate::run::{CONFIGURATION, Site};
use crate::serving::{Server as Serving, servable};

/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Daemon {
    child: Child,
    /// What systemd was told.
    heard: Arc<Mutex<String>>,
}

impl Daemon {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        let socket = home.path("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        let heard = Arc::new(Mutex::new(String::new()));
        let hears = Arc::clone(&heard);
        // Always, as systemd does: who is not heard has to wait.
        std::thread::spawn(move || {
            let mut octets = [0; 1024];
            while let Ok(read) = manager.recv(&mut octets) {
                let told = std::str::from_utf8(&octets[..read]).unwrap();
                hears.lock().unwrap().push_str(&format!("{told}\n"));
            }
        });
        let child = home
            .program()
            .args(["fetch", "daemon"])
            .args(arguments)
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "400000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, heard }
    }

    /// Waits until systemd has been told this.
    fn tells(&self, wanted: &str) {
        wait_for(wanted, || self.heard.lock().unwrap().contains(wanted));
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// Ends it in order; standard output and standard error.
    fn end(self) -> (String, String) {
        self.signal(Signal::SIGTERM);
        self.ends()
    }

    /// Waits until it has ended, as it was told to.
    fn ends(mut self) -> (String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{stderr}");
        self.tells("STOPPING=1");
        (stdout, stderr)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A configuration that polls as often as may be, with metrics.
fn configure(home: &Home) {
    let text = fs::read_to_string(home.configuration()).unwrap();
    let metrics = home.path("fetch.prom");
    let text = format!(
        "metrics = \"{}\"\n{text}poll = \"10s\"\n",
        metrics.display()
    );
    fs::write(home.configuration(), text).unwrap();
}

#[test]
fn it_fetches_tells_and_ends_in_order() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    configure(&home);
    let daemon = Daemon::start(&home, &[]);
    daemon.tells("READY=1");
    daemon.tells("STATUS=fetching from 1 account");
    daemon.tells("WATCHDOG=1");
    wait_for("the mail", || count(&home.path("Mail/bob")) == 2);
    server.deliver();
    wait_for("the new mail", || count(&home.path("Mail/bob")) == 3);
    // A configuration that is wrong changes nothing, one that is right counts.
    let good = fs::read_to_string(home.configuration()).unwrap();
    fs::write(home.configuration(), "nonsense = 1\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.tells("RELOADING=1");
    fs::write(home.configuration(), good.replace("Mail/bob", "Mail/other")).unwrap();
    daemon.heard.lock().unwrap().clear();
    daemon.signal(Signal::SIGHUP);
    daemon.tells("RELOADING=1");
    daemon.tells("READY=1");
    server.deliver();
    wait_for("mail elsewhere", || count(&home.path("Mail/other")) == 1);
    wait_for("metrics", || {
        fs::read_to_string(home.path("fetch.prom")).is_ok_and(|text| {
            text.contains("restante_fetch_messages_total{account=\"bob\"} 4\n")
                && text.contains("restante_fetch_last_success_timestamp_seconds{account=\"bob\"} ")
        })
    });
    let (stdout, stderr) = daemon.end();
    assert_eq!(stdout, "");
    for text in [
        "INFO fetching begins accounts=1",
        "INFO fetched account=\"bob\" new=2 octets=320 ",
        "the configuration is wrong, and the old one stays",
        "INFO the configuration was read again accounts=1",
        "INFO sessions come to their end",
    ] {
        assert!(stderr.contains(text), "{text}\n{stderr}");
    }
    let status = home.run(&["fetch", "check"], "").with(0);
    assert!(!status.stdout.contains("was cut off"), "{}", status.stdout);
}

#[test]
fn a_refused_login_is_told_once_and_programs_get_events() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    configure(&home);
    fs::write(home.state("bob.password"), "wrong\n").unwrap();
    let text = fs::read_to_string(home.configuration()).unwrap();
    let hook = format!(
        "{text}on_error = [\"sh\", \"-c\", \"echo told >>{}\"]\n",
        home.path("told").display()
    );
    fs::write(home.configuration(), hook).unwrap();
    let daemon = Daemon::start(&home, &["--json"]);
    daemon.tells("STATUS=fetching from 1 account; not from bob");
    wait_for("the hook", || home.path("told").exists());
    let (stdout, stderr) = daemon.end();
    let events: Vec<&str> = stdout.lines().collect();
    assert_eq!(events.len(), 1, "{stdout}");
    for text in ["\"event\":\"error\"", "\"code\":77", "\"account\":\"bob\""] {
        assert!(events[0].contains(text), "{stdout}");
    }
    assert_eq!(stderr.matches("WARN not fetched").count(), 1, "{stderr}");
    // Not before an hour is over: a password that is wrong is wrong again.
    let next = stderr.split("next=").nth(1).unwrap();
    let next: u64 = next.split_whitespace().next().unwrap().parse().unwrap();
    assert!((3600..=3960).contains(&next), "{stderr}");
}

#[test]
fn a_server_is_left_alone_as_long_as_it_announces() {
    let site = Site::with(&format!(
        "{CONFIGURATION}\n[pop3]\nlogin_delay = \"15 min\"\n"
    ));
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    servable(&site);
    let server = Serving::start(&site);
    let home = Home::new();
    fs::create_dir_all(home.path(".config/restante")).unwrap();
    let text = format!(
        "[account.bob]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"bob\"\ntls = \"none\"\ninsecure = true\npoll = \"10s\"\n\
         auth = {{ password_command = \"echo redqueen\" }}\ndeliver = {{ maildir = \"~/Mail\" }}\n",
        server.pop3.rsplit(':').next().unwrap()
    );
    fs::write(home.configuration(), text).unwrap();
    let daemon = Daemon::start(&home, &[]);
    wait_for("a session", || home.state("bob.last").exists());
    let (_, stderr) = daemon.end();
    let next = stderr
        .split("next=")
        .nth(1)
        .unwrap_or_else(|| panic!("{stderr}"));
    let next: u64 = next.split_whitespace().next().unwrap().parse().unwrap();
    assert!((900..=990).contains(&next), "{stderr}");
}

#[test]
fn a_second_signal_cuts_a_session_that_would_not_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    fs::create_dir_all(home.path(".config/restante")).unwrap();
    let text = format!(
        "[account.bob]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"bob\"\ntls = \"none\"\ninsecure = true\npoll = \"10s\"\n\
         auth = {{ password_command = \"echo redqueen\" }}\ndeliver = {{ maildir = \"~/Mail\" }}\n",
        silent.local_addr().unwrap().port()
    );
    fs::write(home.configuration(), text).unwrap();
    let daemon = Daemon::start(&home, &[]);
    let (_held, _) = silent.accept().unwrap();
    daemon.signal(Signal::SIGTERM);
    daemon.tells("STOPPING=1");
    let (_, stderr) = daemon.end();
    assert!(
        stderr.contains("WARN sessions that go on are cut"),
        "{stderr}"
    );
}

/// An account of this name, at a port where nobody speaks POP3.
fn account(name: &str, port: u16) -> String {
    format!(
        "[account.{name}]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"bob\"\ntls = \"none\"\ninsecure = true\npoll = \"10s\"\n\
         auth = {{ password_command = \"echo redqueen\" }}\ndeliver = {{ maildir = \"~/Mail\" }}\n"
    )
}

#[test]
fn the_session_of_an_account_that_is_gone_comes_to_its_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let home = Home::new();
    fs::create_dir_all(home.path(".config/restante")).unwrap();
    fs::write(home.configuration(), account("bob", port)).unwrap();
    let daemon = Daemon::start(&home, &[]);
    let (held, _) = silent.accept().unwrap();
    daemon.heard.lock().unwrap().clear();
    fs::write(home.configuration(), account("alice", 1)).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.tells("READY=1");
    daemon.signal(Signal::SIGTERM);
    daemon.tells("STOPPING=1");
    drop(held);
    let (_, stderr) = daemon.ends();
    let (_, end) = stderr.split_once("sessions come to their end").unwrap();
    assert!(end.contains("WARN not fetched account=\"bob\""), "{stderr}");
    assert!(!stderr.contains("are cut"), "{stderr}");
}

#[test]
fn a_login_that_is_there_again_is_tried_at_once() {
    let server = AuthorizationServer::start();
    server.state().device_times = (900, 1);
    let home = logins::configured(&server);
    let daemon = Daemon::start(&home, &[]);
    let last = || fs::read_to_string(home.state("work.last")).unwrap_or_default();
    wait_for("a session without a token", || {
        last().contains("\"code\":79")
    });
    home.run(&["fetch", "auth", "login", "work"], "").with(0);
    // There is no server at that port, which is found out only by who has a token.
    wait_for("another session", || last().contains("\"code\":69"));
    let (_, stderr) = daemon.end();
    let next = stderr.split("code=79").nth(1).unwrap();
    let next = next.split("next=").nth(1).unwrap();
    let next: u64 = next.split_whitespace().next().unwrap().parse().unwrap();
    assert!(next >= 3600, "{stderr}");
}

#[test]
fn without_accounts_there_is_nothing_to_do() {
    let home = Home::new();
    let ended = home.run(&["fetch", "daemon"], "").with(78);
    assert!(
        ended
            .stderr
            .contains("restante fetch setup ADDRESS writes one"),
        "{}",
        ended.stderr
    );
}
