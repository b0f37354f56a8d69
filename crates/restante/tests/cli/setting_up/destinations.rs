//! A destination that is known by tokens: `restante fetch` hands mail on to a server of IMAP that asks the authorisation server.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use super::authorization::{AuthorizationServer, Misbehaviour::Says};
use super::{Home, Server};

/// A server of IMAP with one mailbox, which believes the tokens of an authorisation server.
struct Mailbox {
    port: u16,
    appended: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mailbox {
    fn start(authorization: &Arc<AuthorizationServer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let appended = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(AtomicBool::new(false));
        let thread = {
            let (authorization, appended) = (Arc::clone(authorization), Arc::clone(&appended));
            let ends = Arc::clone(&ends);
            spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    // One after the other; what goes wrong is seen by the client.
                    let _ = serve(stream, &authorization, &appended);
                }
            })
        };
        Self {
            port,
            appended,
            ends,
            thread: Some(thread),
        }
    }

    fn count(&self) -> usize {
        self.appended.lock().unwrap().len()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    stream: TcpStream,
    authorization: &AuthorizationServer,
    appended: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"* OK ready\r\n")?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or_default();
        let words: Vec<&str> = command.split(' ').collect();
        let answer = match words[..] {
            ["CAPABILITY"] => {
                format!("* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 LITERAL+\r\n{tag} OK a\r\n")
            }
            ["AUTHENTICATE", "XOAUTH2", message] => match believes(authorization, message) {
                true => format!("{tag} OK a\r\n"),
                false => format!("{tag} NO [AUTHENTICATIONFAILED] no\r\n"),
            },
            ["STATUS", ..] => {
                let count = appended.lock().unwrap().len();
                format!("* STATUS \"INBOX\" (MESSAGES {count})\r\n{tag} OK a\r\n")
            }
            ["APPEND", ..] => {
                let digits = command.rsplit_once('{').unwrap().1;
                let octets: u64 = digits.trim_end_matches(['+', '}']).parse().unwrap();
                let mut text = String::new();
                stream.by_ref().take(octets).read_to_string(&mut text)?;
                stream.read_line(&mut String::new())?;
                appended.lock().unwrap().push(text);
                format!("{tag} OK a\r\n")
            }
            ["LOGOUT"] => format!("* BYE a\r\n{tag} OK a\r\n"),
            _ => format!("{tag} BAD a\r\n"),
        };
        stream.get_mut().write_all(answer.as_bytes())?;
    }
}

/// Whether it is the message of XOAUTH2 with a token that is good.
fn believes(authorization: &AuthorizationServer, message: &str) -> bool {
    let message = sasl::base64::decode(message.as_bytes()).unwrap();
    let message = String::from_utf8(message).unwrap();
    let token = message
        .strip_prefix("user=me@example.org\x01auth=Bearer ")
        .and_then(|rest| rest.strip_suffix("\x01\x01"));
    authorization.accepts(token.unwrap())
}

#[test]
fn a_mailbox_that_wants_tokens_gets_them_renewed_until_the_login_has_ended() {
    let server = Server::start();
    let authorization = Arc::new(AuthorizationServer::start());
    authorization.state().device_times = (900, 1);
    let mailbox = Mailbox::start(&authorization);
    let home = Home::new();
    fs::create_dir_all(home.path(".config/restante")).unwrap();
    let text = format!(
        "[account.work]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"bob\"\ntls = \"none\"\ninsecure = true\n\
         auth = {{ password = \"redqueen\" }}\non_auth_needed = [\"sh\", \"-c\", \"echo {{account}} > ~/needed\"]\n\
         [account.work.deliver]\nimap = \"localhost\"\nport = {}\ntls = \"none\"\nuser = \"me@example.org\"\n\
         auth = {{ oauth = \"own\", client_id = \"us\", scopes = [\"mail\"], authorization_endpoint = \"{}\", \
         token_endpoint = \"{}\", device_authorization_endpoint = \"{}\" }}\n",
        server.clear_port(),
        mailbox.port,
        authorization.url("authorize"),
        authorization.url("token"),
        authorization.url("device"),
    );
    fs::write(home.configuration(), text).unwrap();
    let told = home.run(&["fetch", "work"], "").with(79);
    let place = format!("imap:me@example.org@localhost:{}:INBOX", mailbox.port);
    assert!(
        told.stderr.ends_with(&format!(
            "restante: work: {place}: nobody has logged in at own\n  run `restante fetch auth login work-imap`\n"
        )),
        "{}",
        told.stderr
    );
    assert_eq!(fs::read_to_string(home.path("needed")).unwrap(), "work\n");
    home.run(&["fetch", "auth", "login", "work-imap"], "")
        .with(0);
    home.run(&["fetch", "work"], "").with(0);
    assert_eq!(mailbox.count(), 2);

    // A token that the server refuses is renewed once.
    let asked = authorization.asked("token");
    authorization.expire_access();
    server.deliver();
    home.run(&["fetch", "work"], "").with(0);
    assert_eq!(mailbox.count(), 3);
    assert_eq!(authorization.asked("token"), asked + 1);

    // A provider that is away for a while is no reason for a login.
    authorization.expire_access();
    server.deliver();
    let down = || Some(Says(503, "text/html", "<html>".to_owned()));
    authorization.state().next = [down()].into();
    home.run(&["fetch", "work"], "").with(75);

    authorization.revoke_all();
    let told = home.run(&["fetch", "work"], "").with(79);
    assert!(
        told.stderr.ends_with(&format!(
            "restante: work: {place}: the login at own has ended (invalid_grant: the server says invalid_grant)\n  \
             run `restante fetch auth login work-imap`\n"
        )),
        "{}",
        told.stderr
    );
    assert_eq!(mailbox.count(), 3);
    let status = home.run(&["fetch", "status", "work"], "").with(0).stdout;
    let token = status.lines().find(|it| it.starts_with("  token "));
    let token = token.unwrap();
    assert!(
        token.starts_with("  token      work-imap: ended ")
            && token.ends_with("; restante fetch auth login work-imap"),
        "{status}"
    );
    let json = home.run(&["fetch", "status", "--json", "work"], "").with(0);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json["token"].is_null());
    let ended = &json["destination_tokens"]["work-imap"]["ended"];
    assert!(ended.as_str().unwrap().starts_with("invalid_grant"));
    let check = home.run(&["fetch", "check", "work"], "");
    assert!(
        check.stdout.contains("restante fetch auth login work-imap"),
        "{}",
        check.stdout
    );
}
