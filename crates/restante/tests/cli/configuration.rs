//! Broken configurations, and `restante check`.

use crate::run::{CONFIGURATION, Site, program, run};

/// What `check` says of a configuration, in which `DIR` stands for its directory.
fn complaints(configuration: &str) -> String {
    let site = Site::with(configuration);
    let ended = site.run(&["check"], b"").with(78);
    // No description is given of what cannot be used.
    assert_eq!(ended.stdout, "");
    // Every other command refuses it with the same words.
    let other = site.run(&["user", "list"], b"").with(78);
    let without_sum = ended.stderr.rsplit_once("restante: ").unwrap().0;
    assert_eq!(other.stderr, without_sum);
    ended.stderr
}

/// A listener that is right, so that only what a test is about is wrong.
const LISTENER: &str = "[[listener]]\nprotocol = \"lmtp\"\naddress = \"unix:DIR/lmtp\"\n";

#[test]
fn a_working_configuration_is_explained() {
    let site = Site::new();
    let ended = site.run(&["check"], b"").with(0);
    assert_eq!(
        ended.stdout,
        "DIR/restante.toml
  greets as   mailgate.dobbs.org
  signs off   dewey
  mail for    mailgate.dobbs.org, dobbs.org
  detail      NAME+detail is NAME's
  data        DIR/data
  runs as     whoever starts it, but not root
  listens     pop3  127.0.0.1:0, passwords in clear only from this machine
  listens     lmtp  unix:DIR/lmtp
  certificate none: no TLS
  language    en for LANG *
  utf8        headers that need it get surrogates for other clients
  tolerates   auth_alone       for Outlook, Outlook Express (2026-11-23)
  tolerates   auth_long        for programs with access tokens (2026-11-23)
  tolerates   bare_lf          for scripts, devices (2026-11-23)
  deletions   of a client delete mail
  store       native
  quota       none; of an account that has one, more waits at the sender
  mail        is kept until its owner deletes it
  undelete    off
  sweeps      every 6 h
  unique-ids  {generation}.{uid}
  reserve     64 MiB, so that a full disk lets mail be deleted
  limits      10000 sessions, 20 an address, 50 an IPv6 /64, 10 an account, messages of 50 MiB
  waits       5 s for a busy maildrop, 500 ms before a refusal, 30 s to drain
  scram       verifiers of 4096 iterations are stored
  sasl        SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN

Nothing is wrong, 1 warning.
"
    );
    assert_eq!(
        ended.stderr,
        "warning: the data directory DIR/data is not there yet
  it is made by: restante user add NAME; or is its file system not mounted?
"
    );
}

#[test]
fn how_clients_are_spoken_to_is_explained() {
    let lines = "[pop3]\nlanguage = \"de\"\nutf8_messages = \"refuse\"\n";
    let site = Site::with(&format!("{CONFIGURATION}\n{lines}"));
    let ended = site.run(&["check"], b"").with(0);
    let said = "  language    de for LANG *
  utf8        messages that need it are refused to other clients
";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);

    let lines = "[pop3]\nlanguage = \"xx\"\nutf8_messages = \"refused\"\n";
    let complaints = complaints(&format!("{CONFIGURATION}\n{lines}"));
    assert!(
        complaints.contains("give one of: en, de, fr, ja, uk"),
        "{complaints}"
    );
    assert!(
        complaints.contains("did you mean \"refuse\"?"),
        "{complaints}"
    );
}

#[test]
fn how_strangers_are_treated_is_explained() {
    let lines = "[smtp]\nspf = \"reject\"\ndmarc = \"mark\"\nresolver = [\"127.0.0.1\", \"[::1]:5353\"]\n\
                 greylist = \"5 min\"\nmistakes_delayed_from = 10\n";
    let site = Site::with(&format!("{CONFIGURATION}\n{lines}"));
    let ended = site.run(&["check"], b"").with(0);
    let said = "  judges      what fails SPF is refused, what fails DMARC marked; asks 127.0.0.1:53, [::1]:5353
  greylist    who is not known comes again after 5 min
  mistakes    of an address cost it time from 10 on in 10 min; from 100 on it is refused
";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);

    let lines = "[smtp]\nspf = \"rejects\"\nresolver = [\"localhost\"]\ngreylist = \"5 s\"\n\
                 mistakes_delayed_from = 50\nmistakes_refused_from = 50\ndkim = \"mark\"\n";
    let complaints = complaints(&format!("{LISTENER}{lines}"));
    assert_eq!(
        complaints,
        "DIR/restante.toml:5:7: `spf` cannot be \"rejects\"
  did you mean \"reject\"?
DIR/restante.toml:6:13: \"localhost\" is not the address of a DNS server
  give an IP address, with its port if that is not 53: \"127.0.0.1:5353\"
DIR/restante.toml:7:12: `greylist` cannot be \"5 s\"
  give a time from a minute to an hour such as \"5 min\", or \"off\"
DIR/restante.toml:8:1: `mistakes_refused_from` must be more than `mistakes_delayed_from`
  raise mistakes_refused_from, or give mistakes_delayed_from = 0 for neither
DIR/restante.toml:10:1: unknown key `dkim` in [smtp]
  remove it; known here: spf, dmarc, resolver, greylist, mistakes_delayed_from, mistakes_refused_from
restante: 5 mistakes
"
    );
}

#[test]
fn what_is_tolerated_is_told_and_can_be_switched() {
    let site = Site::with(CONFIGURATION);
    let ended = site.run(&["check"], b"").with(0);
    let said = "  tolerates   auth_alone       for Outlook, Outlook Express (2026-11-23)\n";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(!ended.stdout.contains("  tolerates   last"));

    let lines = "[pop3.tolerances]\nauth_alone = false\nlast = true\n";
    let site = Site::with(&format!("{CONFIGURATION}\n{lines}"));
    let ended = site.run(&["check"], b"").with(0);
    assert!(!ended.stdout.contains("auth_alone"), "{}", ended.stdout);
    let said = "  tolerates   last             for programs older than UIDL (2026-11-27)\n";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);

    let lines = "[pop3.tolerances]\nbare_lfs = true\nlast = \"yes\"\n";
    let complaints = complaints(&format!("{CONFIGURATION}\n{lines}"));
    for said in [
        "unknown key `bare_lfs` in [pop3.tolerances]",
        "did you mean `bare_lf`?",
        "true or false",
    ] {
        assert!(complaints.contains(said), "{said}: {complaints}");
    }
}

#[test]
fn what_clients_see_and_do_is_explained() {
    for (disposition, deletions) in [
        ("hide", "of a client hide mail from its later sessions"),
        ("keep", "of a client are accepted, and change nothing"),
        ("read-only", "of a client are refused"),
    ] {
        let lines = format!(
            "[pop3]\ndisposition = {disposition:?}\nmessages_shown_max = 1000\nrecent = \"30 days\"\n"
        );
        let site = Site::with(&format!("{CONFIGURATION}\n{lines}"));
        let ended = site.run(&["check"], b"").with(0);
        let said = format!(
            "  deletions   {deletions}
  shows       the newest 1000 messages of a maildrop
  recent      recent:NAME is shown the last 30 days
"
        );
        assert!(ended.stdout.contains(&said), "{}", ended.stdout);
    }
}

#[test]
fn a_login_delay_is_off_explained_or_refused() {
    let told = |lines: &str| {
        let site = Site::with(&format!("{CONFIGURATION}\n[pop3]\n{lines}"));
        site.run(&["check"], b"").with(0).stdout
    };
    for lines in ["", "login_delay = \"off\"\n"] {
        assert!(!told(lines).contains("logins"), "{lines}");
    }
    let said = told("login_delay = \"5 min\"\n");
    let row = "\n  logins      4 logins of an account in 5 min\n";
    assert!(said.contains(row), "{said}");
    let said = told("login_delay = \"90s\"\nlogins_per_delay_max = 1\n");
    let row = "\n  logins      1 login of an account in 90 s\n";
    assert!(said.contains(row), "{said}");

    let base = CONFIGURATION.lines().count() + 2;
    let whole = "give whole seconds up to a day such as \"5 min\", or \"off\"";
    let needs = "set login_delay to a duration such as \"5 min\", or remove it";
    for (lines, line, what, remedy) in [
        (
            "login_delay = \"on\"",
            1,
            "`login_delay` cannot be \"on\"",
            whole,
        ),
        (
            "login_delay = \"0s\"",
            1,
            "`login_delay` cannot be \"0s\"",
            whole,
        ),
        (
            "login_delay = \"1500 ms\"",
            1,
            "cannot be \"1500 ms\"",
            whole,
        ),
        ("login_delay = \"2 days\"", 1, "cannot be \"2 days\"", whole),
        ("login_delay = 300", 1, "cannot be a number", "give a text"),
        (
            "login_delay = \"1 min\"\nlogins_per_delay_max = 0",
            2,
            "`logins_per_delay_max` cannot be 0",
            "give a number from 1 to 1000",
        ),
        (
            "logins_per_delay_max = 2",
            1,
            "without a login delay",
            needs,
        ),
        (
            "login_delay = \"off\"\nlogins_per_delay_max = 2",
            2,
            "without a login delay",
            needs,
        ),
    ] {
        let complaints = complaints(&format!("{CONFIGURATION}\n[pop3]\n{lines}\n"));
        let place = format!(":{}:", base + line);
        for part in [place.as_str(), what, remedy, "1 mistake"] {
            assert!(complaints.contains(part), "{part}: {complaints}");
        }
    }
}

#[test]
fn what_clients_cannot_see_and_do_is_told_with_its_place() {
    let lines = "[pop3]\ndisposition = \"hidden\"\nmessages_shown_max = 0\nrecent = \"12 h\"\n";
    assert_eq!(
        complaints(&format!("{LISTENER}{lines}")),
        "DIR/restante.toml:5:15: `disposition` cannot be \"hidden\"
  give one of: delete, hide, keep, read-only
DIR/restante.toml:6:22: `messages_shown_max` cannot be 0
  give a number from 1 to 4294967295
DIR/restante.toml:7:10: `recent` cannot be \"12 h\"
  give a time from a day to a year such as \"30 days\", or \"off\"
restante: 3 mistakes
"
    );
    // What is only there to be retrieved once cannot also be kept.
    for disposition in ["keep", "read-only"] {
        let lines = format!(
            "[pop3]\ndisposition = {disposition:?}\n[maildrop]\nexpire = \"after retrieval\"\n"
        );
        assert_eq!(
            complaints(&format!("{LISTENER}{lines}")),
            format!(
                "DIR/restante.toml:5:15: `disposition` cannot be {disposition:?} while mail expires \
after retrieval
  give \"delete\" or \"hide\", or another `expire` in [maildrop]
restante: 1 mistake
"
            )
        );
    }
}

#[test]
fn how_mail_is_kept_is_explained() {
    let keeping = "
quota = \"1 GiB\"
quota_messages = 10000
quota_exceeded = \"permanent\"
expire = \"30 days\"
undelete = \"7 days\"
undelete_in_quota = true
unique_id = \"{uid:08x}-{generation:x}\"
reserve = \"0\"
sweep_interval = \"90 min\"
";
    for (said, lines) in [
        (
            keeping,
            "  quota       1 GiB or 10000 messages a maildrop; more goes back to the sender
  mail        is deleted after 30 days
  undelete    for 7 days, counted in the quota
  sweeps      every 90 min
  unique-ids  {uid:08x}-{generation:x}
  reserve     none
",
        ),
        (
            "quota = \"none\"\nquota_messages = 1\nexpire = \"after retrieval\"\nundelete = \"36 h\"\n",
            "  quota       1 message a maildrop; more waits at the sender
  mail        is deleted after retrieval
  undelete    for 36 h, not counted in the quota
  sweeps      every 6 h
",
        ),
    ] {
        let text = CONFIGURATION.replace("[maildrop]\n", &format!("[maildrop]\n{said}"));
        let ended = Site::with(&text).run(&["check"], b"").with(0);
        assert!(ended.stdout.contains(lines), "{}", ended.stdout);
    }
}

#[test]
fn how_mail_cannot_be_kept_is_told_with_how_it_can() {
    let text = format!(
        "{LISTENER}[maildrop]
quota = \"0\"
quota_messages = 0
quota_exceeded = \"permanently\"
expire = \"36 h\"
undelete = \"400 days\"
undelete_in_quota = \"yes\"
unique_id = \"{{uid}}\"
reserve = \"all\"
sweep_interval = \"2 days\"
"
    );
    assert_eq!(
        complaints(&text),
        "DIR/restante.toml:5:9: `quota` cannot be \"0\"
  give a size such as \"500 MiB\" or \"1 GiB\", or \"none\"
DIR/restante.toml:6:18: `quota_messages` cannot be 0
  give a number from 1 to 4294967295
DIR/restante.toml:7:18: `quota_exceeded` cannot be \"permanently\"
  did you mean \"permanent\"?
DIR/restante.toml:8:10: `expire` cannot be \"36 h\"
  give whole days such as \"30 days\", \"never\", or \"after retrieval\"
DIR/restante.toml:9:12: `undelete` cannot be \"400 days\"
  give a duration of at most a year such as \"7 days\", or \"off\"
DIR/restante.toml:10:21: `undelete_in_quota` cannot be a text
  give true or false
DIR/restante.toml:11:13: `unique_id` cannot be \"{uid}\"
  name {generation} and {uid} once each: only both are unique for ever
DIR/restante.toml:12:11: `reserve` cannot be \"all\"
  give a size such as \"64 KiB\", \"50 MiB\", \"1 GiB\"
DIR/restante.toml:13:18: `sweep_interval` cannot be \"2 days\"
  give from \"1s\" to \"24 h\"
restante: 9 mistakes
"
    );
    let text = CONFIGURATION.replace("[maildrop]\n", "[maildrop]\nundelete_in_quota = true\n");
    let ended = Site::with(&text).run(&["check"], b"").with(0);
    let warning = "warning: `undelete_in_quota` means nothing while deleted mail is not kept
  add undelete = \"7 days\", or remove it
";
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
}

#[test]
fn unknown_keys_are_told_with_place_and_nearest_key() {
    let text = format!(
        "hostnam = \"a.example\"\nquota = \"1 GiB\"\nbanana = 1\n{LISTENER}adress = \"x\"\n\
         [limits]\nsession_max = 1\n"
    );
    assert_eq!(
        complaints(&text),
        "DIR/restante.toml:1:1: unknown key `hostnam`
  did you mean `hostname`?
DIR/restante.toml:2:1: unknown key `quota`
  `quota` belongs in [maildrop]
DIR/restante.toml:3:1: unknown key `banana`
  remove it; known here: hostname, name, data, user, domains, delivery, listener, tls, maildrop, maildir, mbox, pop3, smtp, limits, auth, \
log, cluster, metrics, passdb, fetch
DIR/restante.toml:7:1: unknown key `adress` in [[listener]]
  did you mean `address`?
DIR/restante.toml:9:1: unknown key `session_max` in [limits]
  did you mean `session_count_max`?
restante: 5 mistakes
"
    );
}

#[test]
fn what_is_not_built_yet_is_refused() {
    let text = format!(
        "{LISTENER}
[[listener]]
protocol = \"admin\"
address = \"systemd:pop3\"
[maildrop]
store = \"cluster\"
[cluster]
"
    );
    assert_eq!(
        complaints(&text),
        "DIR/restante.toml:6:12: `protocol` cannot be \"admin\"
  the admin listener is not available in this version; remove this [[listener]]
DIR/restante.toml:7:11: `address` cannot be \"systemd:pop3\"
  sockets from systemd are not available in this version; give host:port or \"unix:PATH\"
DIR/restante.toml:9:9: `store` cannot be \"cluster\"
  this store is not available in this version; write store = \"native\"
DIR/restante.toml:10:2: `cluster` is not available in this version
  remove the table
restante: 4 mistakes
"
    );
}

#[test]
fn front_ends_are_explained() {
    let text = CONFIGURATION.replace(
        "plaintext_login = \"loopback\"\n",
        "plaintext_login = \"never\"\nproxy_tls = true\n\
         proxy_protocol = [\"10.0.0.1\", \"2001:db8::/64\"]\nxclient = [\"10.0.0.2\"]\n",
    );
    let ended = Site::with(&text).run(&["check"], b"").with(0);
    let lines = "  listens     pop3  127.0.0.1:0, passwords only inside TLS
              from 10.0.0.1/32, 2001:db8::/64 only with a PROXY header, which names the client
              10.0.0.2/32 may name the client by XCLIENT
              a client's TLS may end there: passwords travel on in clear
  listens     lmtp  unix:DIR/lmtp
";
    assert!(ended.stdout.contains(lines), "{}", ended.stdout);
}

#[test]
fn front_ends_that_cannot_be_believed_are_refused() {
    let text = "[[listener]]
protocol = \"pop3\"
address = \"127.0.0.1:1110\"
plaintext_login = \"loopback\"
proxy_protocol = [\"10.0.0.0/8\", \"balancer\", \"10.0.0.0/33\"]
xclient = [\"0.0.0.0/0\", \"::/0\"]
[[listener]]
protocol = \"pop3\"
address = \"127.0.0.1:1111\"
plaintext_login = \"loopback\"
proxy_tls = true
proxy_protocol = []
[[listener]]
protocol = \"lmtp\"
address = \"127.0.0.1:1124\"
proxy_protocol = [\"192.0.2.1\"]
proxy_tls = true
[[listener]]
protocol = \"lmtp\"
address = \"unix:DIR/lmtp\"
proxy_protocol = [\"192.0.2.1\"]
xclient = \"192.0.2.1\"
";
    assert_eq!(
        complaints(text),
        "DIR/restante.toml:5:33: `proxy_protocol` cannot hold \"balancer\"
  \"balancer\" is not a network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7
DIR/restante.toml:5:45: `proxy_protocol` cannot hold \"10.0.0.0/33\"
  \"10.0.0.0/33\" is not a network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7
DIR/restante.toml:6:12: warning: `xclient` believes everybody: any client may claim any address
  name the addresses of your front ends
DIR/restante.toml:6:25: warning: `xclient` believes everybody: any client may claim any address
  name the addresses of your front ends
DIR/restante.toml:11:13: `proxy_tls` believes nobody
  name the front ends that end TLS: proxy_protocol = [\"192.0.2.1\"]
DIR/restante.toml:17:13: `proxy_tls` means nothing for lmtp
  remove it; it belongs to protocol = \"pop3\"
DIR/restante.toml:21:19: `proxy_protocol` means nothing for a Unix socket
  remove it; who connects there has no address that could be in a network
DIR/restante.toml:22:11: `xclient` cannot be a text
  give a list of texts in brackets
restante: 6 mistakes, 2 warnings
"
    );
}

#[test]
fn mistakes_about_tokens_are_told() {
    let text = format!(
        "{LISTENER}[auth.oauth]
jwks = \"jwks.json\"
issuer = \"https://id.dobbs.org\"
audience = \"pop3\"
"
    );
    assert_eq!(
        complaints(&text),
        "DIR/restante.toml:5:1: [auth.oauth] has no `scope`
  add scope = \"mail\"
DIR/restante.toml:5:8: `jwks` cannot be \"jwks.json\"
  give the whole path, beginning with /
restante: 2 mistakes
"
    );
}

#[test]
fn listeners_that_cannot_work_are_refused() {
    let text = "[[listener]]
protocol = \"pop3s\"
address = \"[::]:995\"
[[listener]]
protocol = \"pop3\"
address = \"[::]:995\"
[[listener]]
protocol = \"pop3\"
address = \"unix:DIR/pop3\"
plaintext_login = \"lopback\"
[[listener]]
protocol = \"lmtp\"
address = \"*:24\"
plaintext_login = \"never\"
[[listener]]
protocol = \"lmtp\"
address = \"127.0.0.1:24\"
mode = \"0600\"
plaintext_login = \"never\"
[[listener]]
address = \"127.0.0.1:25\"
[[listener]]
protocol = \"imap\"
";
    assert_eq!(
        complaints(text),
        "DIR/restante.toml:2:12: a pop3s listener needs a certificate
  add [tls] with certificate and key, or make it protocol = \"pop3\"
DIR/restante.toml:5:12: nobody could log in here: passwords may not travel in clear, and there is no \
certificate
  add [tls] with certificate and key, or plaintext_login = \"loopback\"
DIR/restante.toml:6:11: two listeners have the address [::]:995
  give each its own port or socket
DIR/restante.toml:8:12: nobody could log in here: passwords may not travel in clear, and there is no \
certificate
  add [tls] with certificate and key, or plaintext_login = \"loopback\"
DIR/restante.toml:9:11: pop3 needs a TCP address
  give host:port; Unix sockets are for lmtp
DIR/restante.toml:10:19: `plaintext_login` cannot be \"lopback\"
  did you mean \"loopback\"?
DIR/restante.toml:13:11: `address` cannot be \"*:24\"
  write \"[::]:24\" for every address of this machine, or \"127.0.0.1:24\"
DIR/restante.toml:18:8: `mode` and `group` mean nothing for a TCP address
  remove them; they belong to address = \"unix:PATH\"
DIR/restante.toml:19:19: `plaintext_login` means nothing for lmtp
  remove it; it belongs to protocol = \"pop3\"
DIR/restante.toml:20:1: this listener has no protocol
  add protocol = \"pop3s\", \"pop3\", \"lmtp\" or \"smtp\"
DIR/restante.toml:22:1: this listener has no address
  add address = \"[::]:995\" or another, or \"unix:PATH\"
DIR/restante.toml:23:12: `protocol` cannot be \"imap\"
  give one of: pop3s, pop3, lmtp, smtp
restante: 12 mistakes
"
    );
}

#[test]
fn values_that_cannot_be_are_refused_with_what_can() {
    let text = format!(
        "hostname = \"a b\"
name = \"\"
data = \"var\"
domains = [\"a.example\", \"a.example\", 7]
{LISTENER}
[tls]
certificate = \"cert.pem\"
[maildrop]
lock_wait = \"5\"
allow_volatile = \"yes\"
[limits]
session_count_max = 0
recipients_max = 1e3
message_octets_max = \"1 KiB\"
idle_timeout = \"1 min\"
[auth]
scram_iterations = 1000
refusal_delay = \"0s\"
[log]
format = \"jsom\"
"
    );
    assert_eq!(
        complaints(&text),
        "DIR/restante.toml:1:12: `hostname` cannot be \"a b\"
  give a name of letters, digits, hyphens and dots, such as \"mail.example.org\"
DIR/restante.toml:2:8: `name` cannot be \"\"
  give 1 to 64 letters, digits, dots, hyphens or underscores
DIR/restante.toml:3:8: `data` cannot be \"var\"
  give the whole path, beginning with /
DIR/restante.toml:4:25: the domain a.example is named twice
  name it once
DIR/restante.toml:4:38: `domains` cannot be a number
  give a text in double quotes
DIR/restante.toml:10:1: [tls] has no `key`
  add key = \"/etc/restante/privkey.pem\"
DIR/restante.toml:10:15: `certificate` cannot be \"cert.pem\"
  give the whole path, beginning with /
DIR/restante.toml:12:13: `lock_wait` cannot be \"5\"
  give a duration such as \"500 ms\", \"30s\", \"10 min\", \"1 h\"
DIR/restante.toml:13:18: `allow_volatile` cannot be a text
  give true or false
DIR/restante.toml:15:21: `session_count_max` cannot be 0
  give a number from 1 to 1000000
DIR/restante.toml:16:18: `recipients_max` cannot be a number
  give a whole number
DIR/restante.toml:17:22: `message_octets_max` is below the 64 KiB that RFC 5321 asks for
  give \"64 KiB\" or more
DIR/restante.toml:18:16: `idle_timeout` is too short
  give \"10 min\" or more (RFC 1939 §3)
DIR/restante.toml:20:20: `scram_iterations` cannot be 1000
  give a number from 4096 to 10000000
DIR/restante.toml:21:17: `refusal_delay` cannot be \"0s\"
  give from \"500 ms\" to \"30s\"
DIR/restante.toml:23:10: `format` cannot be \"jsom\"
  did you mean \"json\"?
restante: 16 mistakes
"
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_place() {
    for (text, place) in [
        ("hostname\n", "1:"),
        ("data = /var\n", "1:"),
        ("name = \"x\nuser = \"y\"\n", "1:"),
        ("name = \"x\"\nname = \"y\"\n", "2:1:"),
        ("[[listener]\n", "1:"),
        ("listener = 1\n", "1:12:"),
        ("[listener]\nprotocol = \"pop3\"\n", "1:"),
        ("\u{0}", "1:1:"),
    ] {
        let complaints = complaints(text);
        assert!(
            complaints.contains(&format!("DIR/restante.toml:{place}")),
            "{text:?}: {complaints}"
        );
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_told() {
    let ended = run(&["-c", "/nonexistent.toml", "check"], b"").with(78);
    assert_eq!(
        ended.stderr,
        "restante: the configuration /nonexistent.toml cannot be read: no such file or directory
  write it (README.md shows one), or name another with -c FILE or $RESTANTE_CONFIG
"
    );
    let ended = run(&["check", "-c", "/"], b"").with(78);
    assert!(ended.stderr.contains("is a directory"), "{}", ended.stderr);
    let ended = run(&["check", "-c", "/dev/zero"], b"").with(78);
    assert!(
        ended.stderr.contains("larger than 1 MiB"),
        "{}",
        ended.stderr
    );
    let site = Site::with("");
    std::fs::write(site.config(), b"name = \"x\"\n# \xff\n").unwrap();
    let ended = site.run(&["check"], b"").with(78);
    assert_eq!(
        ended.stderr,
        "restante: DIR/restante.toml:2: this is not UTF-8
  save the file as UTF-8, or name another with -c FILE
"
    );
}

#[test]
fn the_environment_names_a_configuration_and_the_command_line_wins() {
    let site = Site::new();
    let output = program()
        .arg("check")
        .env("RESTANTE_CONFIG", site.config())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let output = program()
        .args(["check", "-c", "/nonexistent.toml"])
        .env("RESTANTE_CONFIG", site.config())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn a_machine_that_cannot_serve_the_configuration_is_told() {
    let text = "user = \"no-such-user\"
data = \"DIR/restante.toml\"
[[listener]]
protocol = \"lmtp\"
address = \"unix:DIR/run/lmtp\"
group = \"no-such-group\"
[[listener]]
protocol = \"pop3s\"
address = \"192.0.2.1:0\"
[tls]
certificate = \"DIR/none.pem\"
key = \"DIR/restante.toml\"
";
    let site = Site::with(text);
    let ended = site.run(&["check"], b"").with(78);
    assert_eq!(
        ended.stderr,
        "the directory DIR/run of the socket is not there
  make it: mkdir -p DIR/run
there is no group \"no-such-group\" for unix:DIR/run/lmtp
  name the group of the programs that deliver, or leave `group` out
192.0.2.1:0 cannot be bound: cannot assign requested address
  give an address that this machine has; \"[::]:PORT\" stands for all of them
restante: DIR/restante.toml: there is no user \"no-such-user\"
  make it: useradd --system --home-dir DIR/restante.toml no-such-user
restante: the data directory DIR/restante.toml cannot be used: not a directory
  run this as root or as the owner of the data directory, or correct `data`
restante: cannot read the certificate DIR/none.pem: No such file or directory
  check the path in [tls]
restante: 6 mistakes
"
    );
}

#[test]
fn damaged_accounts_are_found_by_a_check() {
    let site = crate::accounts::with_bob();
    std::fs::write(site.path().join("data/accounts.db"), "not a database").unwrap();
    let ended = site.run(&["check"], b"").with(78);
    assert!(
        ended
            .stderr
            .contains("DIR/data/accounts.db is damaged or not a database"),
        "{}",
        ended.stderr
    );
}
