//! What a configuration means, and what is told of a wrong one.

use std::path::Path;

use client::fetch::{Keep, Matches};

use super::*;

fn read(text: &str) -> (Option<Settings>, Vec<String>) {
    let (settings, problems) = parse(Path::new("fetch.toml"), text);
    (settings, problems.iter().map(ToString::to_string).collect())
}

const WHOLE: &str = r#"
state = "/var/lib/fetch"
parallel = 2

[defaults]
keep = "14d"
max_size = "50 MiB"
poll = "5m"
deliver = { maildir = "/home/me/Mail" }

[account.work]
host = "outlook.office365.com"
user = "me@example.com"
auth = { oauth = "microsoft", client_id = "1-2-3", flow = "device" }

[account.isp]
host = "pop.example.net"
user = "joe"
tls = "starttls"
mechanism = "apop"
pin = ["00"]
keep = { newest = 100 }
auth = { password_command = ["pass", "show", "isp"] }
deliver = [ { lmtp = "unix:/run/dovecot/lmtp", recipient = "joe" }, { command = "archive --stdin" }, { mbox = "/home/me/mbox" } ]
on_new = ["notify-send", "{count} new for {account}"]
[[account.isp.rule]]
match = { header = "X-Spam-Flag", equals = "YES" }
action = "skip"
[[account.isp.rule]]
match = { header = "List-Id" }
action = { deliver = { maildir = "/home/me/Lists" } }
"#;

#[test]
fn a_whole_configuration_is_read() {
    let (settings, problems) = read(WHOLE);
    assert_eq!(problems, [""; 0]);
    let settings = settings.unwrap();
    assert_eq!(
        (settings.parallel, settings.state.to_str()),
        (2, Some("/var/lib/fetch"))
    );
    let work = settings.account("work").unwrap();
    assert_eq!(
        (work.port(), work.tls, work.keep),
        (995, Tls::Implicit, Keep::Seconds(14 * 86_400))
    );
    assert_eq!(work.identity(), "me@example.com@outlook.office365.com");
    assert_eq!(work.octets_max, Some(50 << 20));
    assert!(matches!(&work.auth, Auth::Oauth(oauth) if oauth.client_id == "1-2-3"));
    assert!(matches!(work.deliver.as_slice(), [Deliver::Maildir(path)] if path.ends_with("Mail")));
    let isp = settings.account("isp").unwrap();
    assert_eq!(
        (isp.port(), isp.tls, isp.keep),
        (110, Tls::Stls, Keep::Newest(100))
    );
    assert_eq!(isp.way, Some(Way::Apop));
    assert_eq!(
        (isp.deliver.len(), isp.rules.len(), isp.on_new.len()),
        (3, 2, 2)
    );
    assert_eq!(isp.rules[0].matches, Matches::Equals("YES".into()));
    assert!(matches!(&isp.rules[1].action, ActionOf::Deliver(to) if to.len() == 1));
    assert!(settings.account("nobody").is_err());
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_to_do() {
    let one = |lines: &str| {
        format!(
            "[account.a]\nhost = \"h\"\nuser = \"u\"\ndeliver = {{ maildir = \"/m\" }}\n{lines}\n"
        )
    };
    let with =
        |deliver: &str| format!("[account.a]\nhost = \"h\"\nuser = \"u\"\ndeliver = {deliver}\n");
    let imap = |user: &str| {
        format!(
            "{{ imap = \"h\", user = \"{user}\", auth = {{ oauth = \"microsoft\", client_id = \"1\" }} }}"
        )
    };
    for (text, told) in [
        (
            one("kep = true"),
            "unknown key `kep` in [account]\n  did you mean `keep`?",
        ),
        (
            one("keep = \"soon\""),
            "`keep` says nothing that is known\n  write true, false",
        ),
        (
            one("tls = \"none\""),
            "without TLS whoever is between reads the password",
        ),
        (
            one("insecure = true"),
            "`insecure` is for tls = \"none\" only",
        ),
        (one("max_size = \"big\""), "`max_size` cannot be \"big\""),
        (one("timeout = \"2h\""), "`timeout` cannot be \"2h\""),
        (
            one("auth = { password_file = \"/p\", keyring = true, certificate = true }"),
            "`auth` says more than one way",
        ),
        (
            one("auth = { }"),
            "`auth` does not say where the password is",
        ),
        (
            with("{ imap = \"h\", user = \"u\" }"),
            "`imap` needs a user and what he is known by",
        ),
        (
            with(
                "{ imap = \"h\", user = \"u\", password_file = \"/p\", auth = { keyring = true } }",
            ),
            "the password is said already, beside `auth`",
        ),
        (
            with("{ smtp = \"h:25\", recipient = \"a@b\", user = \"u\" }"),
            "a login needs both a user and what he is known by",
        ),
        (
            with("{ imap = \"h\", user = \"u\", auth = { certificate = true } }"),
            "a certificate logs in to POP3 only",
        ),
        (
            with(&format!("[ {}, {} ]", imap("u"), imap("v"))),
            "account.a has destinations of one kind with different logins by OAuth2",
        ),
        (
            format!(
                "{}\n[account.a-imap]\nhost = \"h\"\nuser = \"u\"\nauth = {{ keyring = true }}\ndeliver = {{ maildir = \"/m\" }}\n",
                with(&imap("u"))
            ),
            "account.a-imap is called as the login of a destination of account.a",
        ),
        (
            one("mechanism = \"rot13\""),
            "`mechanism` cannot be \"rot13\"",
        ),
        (
            one("rule = [ { action = \"skip\" } ]"),
            "a rule needs `match` and `action`",
        ),
        (
            one("proxy = \"http://p\""),
            "`proxy` cannot be \"http://p\"",
        ),
        (
            one("client_key = \"/k\""),
            "a certificate of its own needs both files",
        ),
        (
            "[account.a]\nhost = \"h\"\nuser = \"u\"\n".to_owned(),
            "account.a has no `deliver`",
        ),
        (
            "[account.a]\nuser = \"u\"\ndeliver = { maildir = \"/m\" }\n".to_owned(),
            "account.a has no `host`",
        ),
        (
            "[account.a]\nhost = \"h\"\ndeliver = { maildir = \"/m\" }\n".to_owned(),
            "account.a has no `user`",
        ),
        (
            "[account.a]\nhost = \"h\"\nuser = \"u\"\ndeliver = { maildir = \"m\" }\n".to_owned(),
            "`maildir` cannot be \"m\"\n  give the whole path",
        ),
        (
            "[account.a]\nhost = \"h\"\nuser = \"u\"\ndeliver = { lmtp = \"h:24\" }\n".to_owned(),
            "this destination needs a recipient",
        ),
        (
            "[account.list]\n".to_owned(),
            "no account can be called \"list\"\n  list is a command",
        ),
        ("[account.\"a b\"]\n".to_owned(), "use up to 64 letters"),
        (
            "[defaults]\nhost = \"h\"\n".to_owned(),
            "unknown key `host` in [defaults]",
        ),
        (
            "stat = \"/s\"\n".to_owned(),
            "unknown key `stat`\n  did you mean `state`?",
        ),
    ] {
        let (settings, problems) = read(&text);
        assert!(settings.is_none(), "{text}");
        let all = problems.join("\n");
        assert!(all.contains(told), "{text}\n{all}");
        assert!(all.starts_with("fetch.toml:"), "{all}");
    }
}

#[test]
fn what_is_doubtful_is_told_and_used() {
    let text = "[account.a]\nhost = \"h\"\nuser = \"u\"\ndeliver = { maildir = \"~/m\" }\nauth = { password = \"redqueen\" }\n";
    let (settings, problems) = read(text);
    assert!(matches!(
        &settings.unwrap().accounts[0].auth,
        Auth::Password(_)
    ));
    assert!(problems[0].contains("warning: whoever reads this file reads the password"));
    assert!(!problems[0].contains("redqueen"));
}

#[test]
fn destinations_are_known_by_what_accounts_are_known_by() {
    let text = "[account.a]\nhost = \"h\"\nuser = \"u\"\ndeliver = [\n\
        { imap = \"h\", user = \"me\", auth = { oauth = \"microsoft\", client_id = \"1\" } },\n\
        { imap = \"i\", user = \"me\", auth = { oauth = \"microsoft\", client_id = \"1\" } },\n\
        { imap = \"h\", user = \"you\", password_file = \"/p\" },\n\
        { smtp = \"h:587\", recipient = \"a@b\", user = \"me\", auth = { token_command = [\"oama\"] } },\n\
        { smtp = \"h:587\", recipient = \"c@d\" } ]\n";
    let (settings, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    let settings = settings.unwrap();
    let account = settings.account("a").unwrap();
    let known: Vec<_> = account.destinations().map(Deliver::auth).collect();
    assert!(matches!(
        known[0],
        Some((Service::Imap, "me", Auth::Oauth(_)))
    ));
    assert!(matches!(
        known[2],
        Some((Service::Imap, "you", Auth::Password(_)))
    ));
    assert!(matches!(
        known[3],
        Some((Service::Smtp, "me", Auth::TokenCommand(_)))
    ));
    assert!(known[4].is_none());
    let logins = account.logins().map(|it| it.0.login_of(&account.name));
    assert_eq!(logins.collect::<Vec<_>>(), ["a-imap", "a-imap"]);
}
