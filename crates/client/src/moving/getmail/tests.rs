use super::*;
use crate::moving::home::{Home, ids, notes_of};
use crate::moving::table::Table;
use crate::moving::{Password, Program};
use proptest::prelude::*;
use sasl::Secret;

/// As getmail 6.18.11 wrote it after a poll.
const OLDMAIL: &str = "\
000000016b0a8beb\u{0}1795853292
000000026b0a8beb\u{0}1795853292
000000046b0a8beb\u{0}1795853292
000000036b0a8beb\u{0}1795853292
";

const RC: &str = "\
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = 41209
username = mrose@dobbs.org
password = redqueen
ca_certs = ~/cert.pem
[destination]
type = Maildir
path = $HOME/Mail/
[options]
read_all = false
delete = false
";

#[test]
fn an_account_with_all_its_messages() {
    let home = Home::new();
    let rc = home.put(".getmail/getmailrc", RC);
    let state = home.put(".getmail/oldmail-localhost-41209-mrose@dobbs.org", OLDMAIL);
    home.put(".getmail/tokens.json", "{}");
    home.put(".getmail/notes", "nothing\u{0}");
    let moved = home.moved(Program::Getmail);
    assert_eq!(moved.notes, []);
    assert_eq!(moved.files, [rc, state]);
    assert_eq!(
        home.short(&moved.accounts[0].toml),
        "[account.mrose-dobbs-org-localhost]\n\
         host = \"localhost\"\n\
         port = 41209\n\
         user = \"mrose@dobbs.org\"\n\
         tls = \"implicit\"\n\
         trust = \"~/cert.pem\"\n\
         auth = { password_file = \"~/.config/restante/mrose-dobbs-org-localhost.password\" }\n\
         deliver = { maildir = \"~/Mail/\" }\n\
         keep = true\n"
    );
    assert_eq!(
        ids(&moved, 0),
        [
            "000000016b0a8beb",
            "000000026b0a8beb",
            "000000036b0a8beb",
            "000000046b0a8beb"
        ]
    );
    assert_eq!(moved.accounts[0].seen[0].at, Some(1_795_853_292));
    assert_eq!(moved.accounts[0].spelling, Spelling::DashForSlash);
    assert!(
        matches!(&moved.accounts[0].password, Password::ToStore { secret, .. } if *secret == Secret::new("redqueen"))
    );
}

#[test]
fn each_option_is_mapped_or_told() {
    for (from, to, expected, note) in [
        (
            "SimplePOP3SSLRetriever",
            "SimplePOP3Retriever",
            "tls = \"none\"\ninsecure = true",
            "without TLS",
        ),
        ("port = 41209", "", "port = 995", "no "),
        ("port = 41209", "port = x", "port = 995", "it is no port"),
        (
            "SimplePOP3SSL",
            "BrokenUIDLPOP3SSL",
            "tls = \"implicit\"",
            "BrokenUIDL",
        ),
        (
            "SimplePOP3SSL",
            "MultidropPOP3SSL",
            "keep = true",
            "several people",
        ),
        (
            "password = redqueen",
            "password_command = (\"pass\", 'show', \"~x\")",
            "password_command = [\"pass\", \"show\", \"~x\"]",
            "",
        ),
        (
            "password = redqueen",
            "password_command = open('x')",
            "prompt = true",
            "no tuple",
        ),
        (
            "password = redqueen",
            "use_xoauth2 = true\npassword_command = ('t',)",
            "mechanism = \"xoauth2\"\nauth = { token_command = [\"t\"] }",
            "",
        ),
        (
            "password = redqueen",
            "use_xoauth2 = true",
            "prompt = true",
            "a token that no command prints",
        ),
        ("password = redqueen", "", "prompt = true", "keyring"),
        (
            "password = redqueen",
            "password = x\nuse_apop = yes",
            "mechanism = \"apop\"",
            "",
        ),
        (
            "ca_certs = ~/cert.pem",
            "certfile = ~/c\nkeyfile = ~/k",
            "client_key = \"~/k\"",
            "",
        ),
        (
            "ca_certs = ~/cert.pem",
            "certfile = ~/c",
            "client_key = \"~/c\"",
            "",
        ),
        (
            "ca_certs = ~/cert.pem",
            "ssl_fingerprints = ('000102030405060708090a0b0c0d0e0F000102030405060708090a0b0c0d0e0f',)",
            "pin = [\"000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f\"]",
            "",
        ),
        (
            "ca_certs = ~/cert.pem",
            "ssl_fingerprints = ('00',)",
            "",
            "no tuple of SHA-256",
        ),
        (
            "ca_certs = ~/cert.pem",
            "ssl_cert_hostname = x",
            "",
            "ssl_cert_hostname",
        ),
        (
            "ca_certs = ~/cert.pem",
            "frobnicate = hunter2",
            "",
            "no such option",
        ),
        (
            "type = Maildir",
            "type = Mboxrd",
            "deliver = { mbox = \"~/Mail/\" }",
            "",
        ),
        (
            "type = Maildir",
            "type = Maildir\nuser = bob",
            "",
            "rights of whoever",
        ),
        (
            "type = Maildir\npath = $HOME/Mail/",
            "type = MDA_external\npath = /bin/procmail\narguments = ('-f', '%(sender)', '-d', '%(local)', '${HOME}/x')\nunixfrom = true",
            "deliver = { command = [\"/bin/procmail\", \"-f\", \"MAILER-DAEMON\", \"-d\", \"mrose\", \"~/x\"] }",
            "MAILER-DAEMON and you",
        ),
        (
            "type = Maildir",
            "type = MDA_external\narguments = 5",
            "",
            "no tuple of strings",
        ),
        (
            "type = Maildir",
            "type = MDA_lmtp\nhost = mx\noverride = bob",
            "lmtp = \"mx:2003\", recipient = \"bob\"",
            "",
        ),
        (
            "type = Maildir",
            "type = MDA_lmtp\nhost = mx\nport = x",
            "maildir = \"~/Mail/",
            "its host or port",
        ),
        (
            "type = Maildir",
            "type = MDA_lmtp\nhost = /run/lmtp\nfallback = x",
            "lmtp = \"unix:/run/lmtp\", recipient = \"mrose\"",
            "without override",
        ),
        (
            "type = Maildir",
            "type = MDA_qmaillocal",
            "deliver = { maildir = \"~/Mail/mrose-dobbs-org-localhost\" }",
            "qmail-local",
        ),
        (
            "type = Maildir\npath = $HOME/Mail/",
            "type = MultiDestination\ndestinations = ('~/a/', '/b', '[c]', '[d]', 'x')\n[c]\ntype = MDA_external\npath = /c",
            "deliver = [ { maildir = \"~/a/\" }, { mbox = \"/b\" }, { command = [\"/c\"] } ]",
            "destination [d]",
        ),
        (
            "type = Maildir",
            "type = MultiDestination\ndestinations = ('[destination]',)",
            "~/Mail/mrose",
            "no such section",
        ),
        (
            "type = Maildir",
            "type = MultiSorter\ndefault = /var/mail/\n",
            "maildir = \"/var/mail/\"",
            "MultiSorter",
        ),
        (
            "[options]",
            "[filter-1]\ntype = Filter_external\n[options]",
            "",
            "section [filter-1]",
        ),
        (
            "delete = false",
            "delete = true\ndelete_after = 3",
            "keep = false",
            "",
        ),
        ("delete = false", "delete_after = 14", "keep = \"14d\"", ""),
        (
            "delete = false",
            "max_message_size = 1024\nmax_messages_per_session = 5",
            "max_size = \"1 KiB\"",
            "--limit N",
        ),
        (
            "delete = false",
            "delete_bigger_than = 10\nverbose = 2\nreceived = false",
            "",
            "delete_bigger_than",
        ),
        ("read_all = false", "", "", "nothing is fetched twice"),
        (
            "delete = false",
            "  goes on\nnothing",
            "",
            "a line that is no option",
        ),
    ] {
        let home = Home::new();
        assert!(RC.contains(from));
        let rc = RC.replace(from, to);
        home.put(".config/getmail/getmailrc", &rc);
        home.put(
            ".config/getmail/oldmail-localhost-41209-mrose@dobbs.org",
            OLDMAIL,
        );
        let moved = home.moved(Program::Getmail);
        let toml = home.short(&moved.accounts[0].toml);
        assert!(toml.contains(expected), "{to}: {toml}");
        match note {
            "" => assert_eq!(moved.notes, [], "{to}"),
            note => assert_ne!(notes_of(&moved, note), 0, "{to}: {:?}", moved.notes),
        }
        assert_eq!(notes_of(&moved, "hunter2"), 0);
    }
}

#[test]
fn each_file_of_the_directory_is_an_account() {
    let home = Home::new();
    home.put(".getmail/work", RC);
    home.put(
        ".getmail/isprc",
        RC.replace("localhost", "pop.example.org")
            .replace("password = redqueen", ""),
    );
    home.put(
        ".getmail/imap",
        RC.replace("SimplePOP3SSLRetriever", "SimpleIMAPSSLRetriever"),
    );
    let moved = home.moved(Program::Getmail);
    let names: Vec<&str> = moved.accounts.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["isp", "work"]);
    assert_eq!(notes_of(&moved, "retriever SimpleIMAPSSLRetriever"), 1);
}

#[test]
fn netrc_has_the_user_too() {
    let home = Home::new();
    let rc = home.put(
        "rc",
        RC.replace(
            "[options]",
            "[options]\nuse_netrc = true\nnetrc_file = ~/other",
        ),
    );
    home.put(
        "other",
        "machine localhost login alice password wonderland\n",
    );
    let moved = Program::Getmail.moved(Some(&rc), &home.around()).unwrap();
    assert_eq!(moved.accounts[0].user, "alice");
    assert!(
        matches!(&moved.accounts[0].password, Password::ToStore { secret, .. } if *secret == Secret::new("wonderland"))
    );
}

#[test]
fn the_name_of_oldmail() {
    for (host, user, expected) in [
        (
            "localhost",
            "mrose@dobbs.org",
            "oldmail-localhost-995-mrose@dobbs.org",
        ),
        ("::1", "dom/mr:o", "oldmail--1-995-dom-mr-o"),
        ("h", "a:/|b\\c", "oldmail-h-995-a-b\\c"),
    ] {
        let found = rc::oldmail(Path::new("/d"), &Table::new(host, user));
        assert_eq!(found.to_str().unwrap(), format!("/d/{expected}"));
    }
}

#[test]
fn torn_state() {
    let home = Home::new();
    home.put(".getmail/getmailrc", RC);
    home.put(
        ".getmail/oldmail-localhost-41209-mrose@dobbs.org",
        [
            &b"one\x001\n\ntwo\nthree\x00x\n\x002\nfour\x004\nfi"[..],
            &[b'x'; 9000],
        ]
        .concat(),
    );
    let moved = home.moved(Program::Getmail);
    assert_eq!(ids(&moved, 0), ["four", "one"]);
    assert_eq!(notes_of(&moved, "4 lines that name no message"), 1);
}

#[test]
fn what_is_no_configuration_is_refused() {
    let home = Home::new();
    assert!(matches!(
        Program::Getmail.moved(None, &home.around()),
        Err(MovingError::NotFound { .. })
    ));
    for content in [&b""[..], b"[destination]\n", b"a\0b"] {
        let file = home.put("rc", content);
        assert!(matches!(
            Program::Getmail.moved(Some(&file), &home.around()),
            Err(MovingError::Unusable { .. })
        ));
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(lines in prop::collection::vec("\\[(retriever|destination|options|filter-1|x)\\]|type = (SimplePOP3Retriever|Maildir|MultiDestination|MDA_external)|(server|port|path|arguments|destinations|password_command|ssl_fingerprints|default) *[=:] *(\\(|\\)|'|\"|,|\\\\|x|\\[x\\]|[0-9]|\\PC){0,12}|  \\PC{0,9}|\\PC{0,20}", 0..30)) {
        let home = Home::new();
        let file = home.put("rc", lines.join("\n"));
        let _ = Program::Getmail.moved(Some(&file), &home.around());
        let file = home.put("rc", format!("[retriever]\ntype = SimplePOP3Retriever\nserver = h\n{}", lines.join("\n")));
        prop_assert!(Program::Getmail.moved(Some(&file), &home.around()).is_ok());
    }
}
