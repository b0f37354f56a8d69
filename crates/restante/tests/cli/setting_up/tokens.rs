//! Tokens from the first login to the last refusal: `restante fetch` between an authorisation server and `restante serve`,
//! which believes its tokens.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::authorization::AuthorizationServer;
use super::issuer::{self, Issuer};
use super::relay::Relay;
use super::{Home, count};
use crate::run::{CONFIGURATION, Ended, Site};
use crate::serving::{Server, servable};

/// Everybody who has a part in it.
struct Stage {
    site: Site,
    _server: Server,
    authorization: AuthorizationServer,
    issuer: Issuer,
    relay: Relay,
    home: Home,
}

impl Stage {
    fn new() -> Self {
        let site = Site::with(&format!(
            "{CONFIGURATION}[auth.oauth]\njwks = \"DIR/jwks.json\"\nissuer = \"{}\"\naudience = \"pop3\"\nscope = \"mail\"\n\
             [tls]\ncertificate = \"DIR/cert.pem\"\nkey = \"DIR/key.pem\"\n",
            issuer::NAME
        ));
        servable(&site);
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(site.path().join("cert.pem"), own.cert.pem()).unwrap();
        fs::write(site.path().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
        let issuer = Issuer::new(site.path().join("jwks.json"));
        site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
            .with(0);
        let server = Server::start(&site);
        let relay = Relay::to(&server.pop3);
        let authorization = AuthorizationServer::start();
        {
            let mut state = authorization.state();
            state.mint = issuer.mint();
            state.device_times = (900, 1);
        }
        let stage = Self {
            site,
            _server: server,
            authorization,
            issuer,
            relay,
            home: Home::new(),
        };
        stage.configure();
        stage
    }

    /// Two accounts of the same maildrop: one takes the mechanism that the server likes best, the other one XOAUTH2.
    fn configure(&self) {
        let url = |endpoint| self.authorization.url(endpoint);
        let account = |name: &str, more: &str| {
            format!(
                "[account.{name}]\nhost = \"localhost\"\nport = {}\ntls = \"starttls\"\ntrust = \"{}\"\nuser = \"bob\"\n\
                 deliver = {{ maildir = \"~/{name}\" }}\n{more}\
                 on_auth_needed = [\"sh\", \"-c\", \"printf '%s|%s' $RESTANTE_ACCOUNT \\\"$1\\\" > ~/needed; cat > ~/json\", \"sh\", \"{{what}}\"]\n\
                 auth = {{ oauth = \"own\", client_id = \"us\", scopes = [\"mail\"], authorization_endpoint = \"{}\", \
                 token_endpoint = \"{}\", device_authorization_endpoint = \"{}\", revocation_endpoint = \"{}\" }}\n",
                self.relay.port,
                self.site.path().join("cert.pem").display(),
                url("authorize"),
                url("token"),
                url("device"),
                url("revoke"),
            )
        };
        fs::create_dir_all(self.home.path(".config/restante")).unwrap();
        let text = account("work", "") + &account("old", "mechanism = \"xoauth2\"\n");
        fs::write(self.home.configuration(), text).unwrap();
    }

    fn deliver(&self, text: &str) {
        self.site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.home.run(&[&["fetch"], arguments].concat(), "")
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        let mut program = self.home.program();
        program.arg("fetch").args(arguments);
        program.stdout(Stdio::null()).stderr(Stdio::piped());
        program.spawn().unwrap()
    }

    /// How often the authorisation server was asked for tokens.
    fn asked(&self) -> usize {
        self.authorization.asked("token")
    }

    fn kept(&self) -> Kept {
        let file = self.home.state("work.json");
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        Kept {
            inode: metadata.ino(),
            grant: serde_json::from_slice(&fs::read(&file).unwrap()).unwrap(),
        }
    }

    /// Two hours pass, as far as the kept token goes.
    fn age(&self) {
        let mut grant = self.kept().grant;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        grant["obtained_at"] = (now.as_secs() - 7200).into();
        grant["expires_at"] = (now.as_secs() - 3600).into();
        fs::write(self.home.state("work.json"), grant.to_string()).unwrap();
    }
}

/// The file of a login.
struct Kept {
    inode: u64,
    grant: Value,
}

impl Kept {
    fn refresh_token(&self) -> &str {
        self.grant["refresh_token"].as_str().unwrap()
    }
}

/// What the trace says of the login.
fn login(stderr: &str) -> String {
    let lines = stderr
        .lines()
        .skip_while(|line| !line.contains(" C: AUTH "));
    let lines = lines.take_while(|line| !line.contains(" C: CAPA"));
    // UTF8 goes with the login, and is answered before it.
    let lines = lines.filter(|line| !line.contains(" S: +OK UTF-8 "));
    let lines = lines.filter_map(|line| line.split_once(' '));
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn a_code_on_another_device_lets_mail_come_by_either_mechanism() {
    let stage = Stage::new();
    stage.deliver("Subject: one\n\n1\n");
    let none = stage.run(&["work"]).with(79);
    assert_eq!(
        none.stderr,
        "restante: work: nobody has logged in at own\n  run `restante fetch auth login work`\n"
    );
    stage.authorization.state().device = ["authorization_pending"].into();
    let told = stage.run(&["auth", "login", "work"]).with(0);
    assert!(
        told.stderr.contains("and enter the code WDJB-MJHT"),
        "{}",
        told.stderr
    );
    stage.run(&["auth", "login", "old"]).with(0);
    let work = stage.run(&["--trace", "work"]).with(0);
    let old = stage.run(&["--trace", "old"]).with(0);
    let said = |mechanism: &str| {
        // A token is too long for the line of AUTH, so the server asks for it in both.
        format!(
            "C: AUTH {mechanism}\nS: + …\nC: …\nS: +OK bob's maildrop has 1 message (19 octets)\n"
        )
    };
    assert_eq!(login(&work.stderr), said("OAUTHBEARER"));
    assert_eq!(login(&old.stderr), said("XOAUTH2"));
    for name in ["work", "old"] {
        assert_eq!(count(&stage.home.path(name)), 1, "{name}");
    }
}

#[test]
fn a_token_that_is_over_is_replaced_between_two_runs_and_in_the_middle_of_one() {
    let stage = Stage::new();
    stage.run(&["auth", "login", "work"]).with(0);
    stage.deliver("Subject: 1\n\n1\n");
    stage.run(&["work"]).with(0);
    let (first, asked) = (stage.kept(), stage.asked());

    // By the clock: it is not even shown to the server.
    stage.age();
    stage.issuer.expire_all();
    stage.deliver("Subject: 2\n\n2\n");
    let trace = stage.run(&["--trace", "work"]).with(0).stderr;
    assert_eq!(trace.matches(" C: AUTH ").count(), 1, "{trace}");
    let second = stage.kept();
    assert_eq!(stage.asked(), asked + 1);
    assert_ne!(first.refresh_token(), second.refresh_token());
    // It was written beside its place and renamed, and nothing was left beside it.
    assert_ne!(first.inode, second.inode);
    assert!(!stage.home.state("work.new").exists());

    // By what the server says, whose clock may be another one.
    stage.issuer.expire_all();
    stage.deliver("Subject: 3\n\n3\n");
    let trace = stage.run(&["--trace", "work"]).with(0).stderr;
    assert_eq!(trace.matches(" C: AUTH ").count(), 2, "{trace}");
    assert_eq!(stage.asked(), asked + 2);
    assert_eq!(count(&stage.home.path("work")), 3);

    // While messages come: the line is lost, and the next one begins with another token.
    for number in 4..7 {
        let text = "a line of a large message\n".repeat(10_000);
        stage.deliver(&format!("Subject: {number}\n\n{text}"));
    }
    let held = stage.relay.hold_after(100_000);
    let run = stage.begin(&["--trace", "work"]);
    held.reached();
    stage.age();
    stage.issuer.expire_all();
    held.cut();
    let output = run.wait_with_output().unwrap();
    let trace = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{trace}");
    assert!(trace.matches(" C: AUTH ").count() > 1, "{trace}");
    assert!(!trace.contains("-ERR [AUTH]"), "{trace}");
    assert_eq!(stage.asked(), asked + 3);
    assert_eq!(count(&stage.home.path("work")), 6);
    assert_ne!(second.refresh_token(), stage.kept().refresh_token());
    // Each refresh token was good once, and the login has not ended.
    assert_eq!(stage.authorization.live_logins(), 1);
}

#[test]
fn who_has_taken_back_what_he_allowed_is_asked_to_log_in_again() {
    let stage = Stage::new();
    stage.run(&["auth", "login", "work"]).with(0);
    stage.deliver("Subject: 1\n\n1\n");
    stage.run(&["work"]).with(0);
    stage.authorization.revoke_all();
    stage.issuer.expire_all();
    let told = stage.run(&["work"]).with(79);
    let why = "the login at own has ended (invalid_grant: the server says invalid_grant)";
    assert_eq!(
        told.stderr,
        format!("restante: work: {why}\n  run `restante fetch auth login work`\n")
    );
    let status = stage.run(&["status", "work"]).with(0).stdout;
    for line in [
        format!("failed: work: {why}\n             run `restante fetch auth login work`\n"),
        "invalid_grant: the server says invalid_grant; restante fetch auth login work\n".to_owned(),
    ] {
        assert!(status.contains(&line), "{status}");
    }
    let read = |name: &str| fs::read_to_string(stage.home.path(name)).unwrap();
    assert_eq!(read("needed"), format!("work|work: {why}"));
    let json: Value = serde_json::from_str(&read("json")).unwrap();
    assert_eq!(
        (&json["account"], &json["code"]),
        (&"work".into(), &79.into())
    );
    let json = stage.run(&["status", "--json", "work"]).with(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["last"]["code"], 79);
    assert!(
        json["token"]["ended"]
            .as_str()
            .unwrap()
            .starts_with("invalid_grant")
    );
    stage.run(&["auth", "status", "work"]).with(79);

    // A new login is all that it needs.
    stage.deliver("Subject: 2\n\n2\n");
    stage.run(&["auth", "login", "work"]).with(0);
    stage.run(&["work"]).with(0);
    assert_eq!(count(&stage.home.path("work")), 2);
    let status = stage.run(&["status", "work"]).with(0).stdout;
    assert!(
        status.contains("  token      of own, good until "),
        "{status}"
    );
}

#[test]
fn a_token_that_no_server_takes_is_asked_for_once_a_run() {
    let stage = Stage::new();
    // The provider says that it is good for an hour, and the token itself says that it is not.
    stage.issuer.set_lifetime(-3600);
    stage.run(&["auth", "login", "work"]).with(0);
    let (asked, connections) = (stage.asked(), stage.relay.connections());
    let told = stage.run(&["work"]).with(79);
    assert_eq!(
        told.stderr,
        "restante: work: the server refused the token: {\"status\":\"invalid_token\",\"scope\":\"mail\"} \
         (-ERR [AUTH] wrong user name or password, or the account may not log in)\n  \
         restante fetch auth login work gets a new one\n"
    );
    assert_eq!(stage.asked(), asked + 1);
    assert_eq!(stage.relay.connections(), connections + 2);
    assert_eq!(stage.authorization.live_logins(), 1);
    stage.issuer.set_lifetime(3600);
    stage.run(&["work"]).with(0);
}
