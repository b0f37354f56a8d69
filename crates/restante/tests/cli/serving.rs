//! `restante serve`, with deliveries beside it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::accounts::with_bob;
use crate::run::{CONFIGURATION, Site, program};

/// A configuration that this process may serve: as root, `user` must be spelled out.
pub(crate) fn servable(site: &Site) {
    if geteuid().is_root() {
        let text = fs::read_to_string(site.config()).unwrap();
        fs::write(site.config(), format!("user = \"root\"\n{text}")).unwrap();
    }
}

pub(crate) struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    /// What has been logged so far.
    said: String,
    pub(crate) pop3: String,
}

impl Server {
    pub(crate) fn start(site: &Site) -> Self {
        Self::start_by(&mut program(), site)
    }

    /// Without a line for each session: a log that nobody reads on would hold thousands of them up.
    pub(crate) fn quiet(site: &Site) -> Self {
        Self::start_by(program().env("RESTANTE_LOG", "info,server::log=warn"), site)
    }

    fn start_by(program: &mut Command, site: &Site) -> Self {
        let mut child = program
            .args(["serve", "-c"])
            .arg(site.config())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut server = Self {
            child,
            log,
            said: String::new(),
            pop3: String::new(),
        };
        let line = server.until("protocol=pop3 ");
        let address = line.split_once("address=\"").unwrap().1;
        server.pop3 = address.split_once('"').unwrap().0.to_owned();
        server.until("protocol=lmtp ");
        server
    }

    /// Reads the log up to a line with these words.
    pub(crate) fn until(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let octets = self.log.read_line(&mut line).unwrap();
            self.said.push_str(&line);
            assert_ne!(
                octets, 0,
                "the server ended before {words:?}:\n{}",
                self.said
            );
            if line.contains(words) {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    /// Ends it; everything it has logged.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::SIGTERM);
        self.log.read_to_string(&mut self.said).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.said);
        let mut stdout = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        assert_eq!(stdout, "");
        std::mem::take(&mut self.said)
    }
}

impl Drop for Server {
    /// A test that fails leaves no server behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let connection = TcpStream::connect(address).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut client = Self(BufReader::new(connection));
        assert!(client.line().starts_with("+OK POP3 server ready <"));
        client
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        write!(self.0.get_mut(), "{command}\r\n").unwrap();
        self.line()
    }
}

#[test]
fn mail_delivered_beside_the_server_is_there_at_the_next_login() {
    let site = with_bob();
    servable(&site);
    let server = Server::start(&site);
    site.run(&["deliver", "bob"], b"Subject: one\n\n").with(0);
    let mut client = Client::connect(&server.pop3);
    assert_eq!(client.ask("USER bob"), "+OK bob");
    assert_eq!(
        client.ask("PASS redqueen"),
        "+OK bob's maildrop has 1 message (16 octets)"
    );
    // A delivery during the session is not seen by it.
    site.run(&["deliver", "bob"], b"Subject: two\n\n").with(0);
    assert_eq!(client.ask("STAT"), "+OK 1 16");
    // The tools say what is the matter, and wait for nobody.
    let busy = site.run(&["maildrop", "list", "bob"], b"").with(75);
    assert_eq!(
        busy.stderr,
        "restante: the maildrop of bob is in use by a session\n  try again when the session is over\n"
    );
    assert_eq!(
        site.run(&["maildrop", "list"], b"").with(0).stdout,
        "bob  2 messages      32 octets\n"
    );
    assert_eq!(client.ask("DELE 1"), "+OK message 1 deleted");
    assert!(
        client
            .ask("QUIT")
            .starts_with("+OK dewey POP3 server signing off (")
    );

    // A new password counts at once; an old one does not.
    site.run(&["user", "passwd", "bob", "--stdin"], b"tweedledee\n")
        .with(0);
    let mut client = Client::connect(&server.pop3);
    client.ask("USER bob");
    assert!(client.ask("PASS redqueen").starts_with("-ERR [AUTH] "));
    client.ask("USER bob");
    assert_eq!(
        client.ask("PASS tweedledee"),
        "+OK bob's maildrop has 1 message (16 octets)"
    );
    client.ask("QUIT");
    let log = server.stop();
    for secret in ["redqueen", "tweedledee", "Subject"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_reload_takes_the_new_configuration_or_keeps_the_old() {
    let site = with_bob();
    servable(&site);
    let mut server = Server::start(&site);
    let text = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), text.replace("\"dewey\"", "\"dew ey\"")).unwrap();
    server.signal(Signal::SIGHUP);
    server.until("the old one stays in force");
    assert_eq!(
        Client::connect(&server.pop3).ask("QUIT"),
        "+OK dewey POP3 server signing off"
    );
    fs::write(site.config(), text.replace("\"dewey\"", "\"louie\"")).unwrap();
    server.signal(Signal::SIGHUP);
    let signed_off = (0..100).find(|_| {
        std::thread::sleep(Duration::from_millis(50));
        Client::connect(&server.pop3).ask("QUIT") == "+OK louie POP3 server signing off"
    });
    assert!(signed_off.is_some());
    server.stop();
}

#[test]
fn quota_and_expiry_follow_a_reload_and_the_store_a_restart() {
    let site = with_bob();
    servable(&site);
    let mut server = Server::start(&site);
    let text = fs::read_to_string(site.config()).unwrap();
    let keeping = "[maildrop]\nquota = \"1 GiB\"\nexpire = \"30 days\"\nsweep_interval = \"1s\"\n";
    fs::write(site.config(), text.replace("[maildrop]\n", keeping)).unwrap();
    server.signal(Signal::SIGHUP);
    server.until("reloaded");
    // Sweeps come as often as the new configuration says.
    let line = server.until("sweep ended");
    assert!(
        line.contains("maildrops=1 messages=0 octets=0 failed=0"),
        "{line}"
    );
    server.until("sweep ended");
    let mut client = Client::connect(&server.pop3);
    client.ask("CAPA");
    while client.line() != "EXPIRE 30" {}
    assert!(!server.said.contains("needs a restart"), "{}", server.said);
    let more = format!("{keeping}undelete = \"7 days\"\nreserve = \"2 MiB\"\n");
    fs::write(site.config(), text.replace("[maildrop]\n", &more)).unwrap();
    server.signal(Signal::SIGHUP);
    for key in ["maildrop.undelete", "maildrop.reserve"] {
        let line = server.until("needs a restart");
        assert!(line.contains(&format!("key=\"{key}\"")), "{line}");
    }
    server.until("reloaded");
    // These two, and no other.
    assert_eq!(server.stop().matches("needs a restart").count(), 2);
}

#[test]
fn the_service_manager_is_told() {
    let site = with_bob();
    servable(&site);
    let socket = site.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let octets = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..octets]).into_owned()
    };
    let mut child = program()
        .args(["serve", "-c"])
        .arg(site.config())
        .env("NOTIFY_SOCKET", &socket)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    assert_eq!(told(), "READY=1\n");
    kill(pid, Signal::SIGHUP).unwrap();
    assert!(told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told(), "READY=1\n");
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(told(), "STOPPING=1\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// `serve` does not start, and says why in these words.
#[track_caller]
fn refuses(site: &Site, code: i32, stderr: &str) {
    let ended = site.run(&["serve"], b"").with(code);
    assert_eq!(ended.stderr, stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn what_cannot_be_served_is_told_before_anything_is_served() {
    let missing = Site::with(
        "data = \"DIR/data\"\n[[listener]]\nprotocol = \"pop3s\"\naddress = \"127.0.0.1:0\"\n\
         [tls]\ncertificate = \"DIR/none.pem\"\nkey = \"DIR/none.pem\"\n",
    );
    servable(&missing);
    let ended = missing.run(&["serve"], b"").with(78);
    assert!(
        ended
            .stderr
            .contains("cannot read the certificate DIR/none.pem"),
        "{}",
        ended.stderr
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let site = Site::with(&CONFIGURATION.replace("127.0.0.1:0", &address));
    servable(&site);
    let ended = site.run(&["serve"], b"").with(69);
    assert!(
        ended
            .stderr
            .contains(&format!("cannot listen on {address} (pop3): ")),
        "{}",
        ended.stderr
    );

    let nothing = Site::with("");
    refuses(
        &nothing,
        78,
        "DIR/restante.toml: warning: there is no [[listener]], so `restante serve` would serve nobody
  add one: [[listener]], protocol = \"pop3s\", address = \"[::]:995\"
",
    );
}

#[test]
fn root_must_say_whom_to_become() {
    if !geteuid().is_root() {
        println!("SKIPPED: only root is refused for being root");
        return;
    }
    let site = Site::new();
    let ended = site.run(&["serve"], b"").with(78);
    assert!(
        ended
            .stderr
            .starts_with("restante: refusing to serve as root"),
        "{}",
        ended.stderr
    );
    let site = Site::with(&format!("user = \"no-such-user\"\n{CONFIGURATION}"));
    let ended = site.run(&["serve"], b"").with(78);
    assert!(ended.stderr.contains("no-such-user"), "{}", ended.stderr);
}

#[test]
fn commands_of_root_leave_files_that_the_server_can_read() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    if !geteuid().is_root() {
        println!("SKIPPED: only root can become somebody else");
        return;
    }
    let site = Site::with(&format!("user = \"nobody\"\n{CONFIGURATION}"));
    fs::set_permissions(site.path(), fs::Permissions::from_mode(0o755)).unwrap();
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    site.run(&["deliver", "bob"], b"x\n").with(0);
    let nobody = nix::unistd::User::from_name("nobody")
        .unwrap()
        .unwrap()
        .uid
        .as_raw();
    let mut left = vec![site.path().join("data")];
    let mut seen = 0;
    while let Some(path) = left.pop() {
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.uid(), nobody, "{}", path.display());
        seen += 1;
        if metadata.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    assert!(seen > 4);
}
