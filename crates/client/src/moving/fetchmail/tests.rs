use crate::moving::home::{Home, ids, notes_of};
use crate::moving::{MovingError, Password, Program, Spelling};
use proptest::prelude::*;
use sasl::Secret;

/// As fetchmail 6.4.37 wrote it after a poll of three users, and of one `via localhost`.
const IDS: &str = "\
mrose@LocalHost 000000016b0a8bc3
mrose@LocalHost 000000026b0a8bc3
m rose@LocalHost 000000016b0a8bc3
mrose@dobbs.org@LocalHost 000000016b0a8bc3
mrose@dobbs.org@LocalHost 000000046b0a8bc3
mrose@localhost 000000036b0a8bc3
";

#[test]
fn several_users_of_a_server() {
    let home = Home::new();
    let rc = home.put(
        ".fetchmailrc",
        "# comment\nset daemon 300\nset postmaster \"mrose\"\n\
         poll LocalHost port 9955 proto pop3\n\
           uidl\n\
           user \"mrose\" there with password redqueen is mrose here ssl sslcertck sslcertfile \"~/cert.pem\" keep mda \"cat >> mda\"\n\
           user 'm rose' there with password \"red \\x22queen\" is alice here ssl keep\n\
           user \"mrose@dobbs.org\", with password 12345, ssl, is bob@dobbs.org, no keep, limit 1048576\n",
    );
    let state = home.put(".fetchids", IDS);
    let moved = home.moved(Program::Fetchmail);
    assert_eq!(moved.files, [rc, state]);
    assert_eq!(moved.notes, []);
    assert_eq!(
        home.short(&moved.accounts[0].toml),
        "[account.mrose-LocalHost]\n\
         host = \"LocalHost\"\n\
         port = 9955\n\
         user = \"mrose\"\n\
         tls = \"implicit\"\n\
         trust = \"~/cert.pem\"\n\
         auth = { password_file = \"~/.config/restante/mrose-LocalHost.password\" }\n\
         deliver = { command = [\"sh\", \"-c\", \"cat >> mda\"] }\n\
         keep = true\n\
         poll = \"5m\"\n"
    );
    assert!(
        moved.accounts[1]
            .toml
            .contains("deliver = { smtp = \"localhost:25\", recipient = \"alice@localhost\" }")
    );
    let third = &moved.accounts[2].toml;
    assert!(
        third.contains("recipient = \"bob@dobbs.org\"") && third.contains("keep = false"),
        "{third}"
    );
    assert!(third.contains("max_size = \"1 MiB\""), "{third}");
    // Host names are compared without case, as fetchmail does it.
    assert_eq!(
        ids(&moved, 0),
        ["000000016b0a8bc3", "000000026b0a8bc3", "000000036b0a8bc3"]
    );
    assert_eq!(ids(&moved, 1), ["000000016b0a8bc3"]);
    assert_eq!(ids(&moved, 2), ["000000016b0a8bc3", "000000046b0a8bc3"]);
    assert_eq!(moved.accounts[0].spelling, Spelling::FirstWord);
    for (account, password) in moved
        .accounts
        .iter()
        .zip(["redqueen", "red \"queen", "12345"])
    {
        let Password::ToStore { secret, .. } = &account.password else {
            panic!("{:?}", account.password)
        };
        assert!(
            secret.expose().starts_with(password.as_bytes()),
            "{password}"
        );
        assert!(!account.toml.contains(password), "{}", account.toml);
    }
}

/// What `fetchmail --configdump` of 6.4.37 says of the same text.
#[test]
fn words_mean_what_they_mean_to_fetchmail() {
    let home = Home::new();
    home.put(
        ".fetchmailrc",
        "defaults proto pop3 ssl\n   keep mda 'cat'\n\
         poll a.example port 1995 user esr here is eric there password 12345\n\
         poll b.example username eric, with pass \"x\\x41y\\0101\\66z\" nokeep no sslcertck\n\
         server c.example via d.example user \"m rose\" there with password 'p\"q' is \"al ice\" bob here fetchall limit 100\n\
         skip e.example user a password pass\"w\"ord is * here\n\
         poll h.example user a password is is bob\n",
    );
    let moved = home.moved(Program::Fetchmail);
    for (account, (host, user, password, keep)) in moved.accounts.iter().zip([
        ("a.example", "eric", "12345", "keep = true"),
        ("b.example", "eric", "xAy\u{8}1Bz", "keep = false"),
        ("d.example", "m rose", "p\"q", "keep = true"),
        ("e.example", "a", "pass\"w\"ord", "keep = true"),
        ("h.example", "a", "is", "keep = true"),
    ]) {
        assert_eq!((account.host.as_str(), account.user.as_str()), (host, user));
        assert!(
            matches!(&account.password, Password::ToStore { secret, .. } if *secret == Secret::new(password)),
            "{host}"
        );
        assert!(account.toml.contains(keep), "{}", account.toml);
    }
    assert_eq!(moved.accounts.len(), 5);
    // Several local users, and a wildcard.
    assert_eq!(notes_of(&moved, "mail for several people"), 2);
}

#[test]
fn hosts_are_compared_without_case_and_via_counts() {
    let home = Home::new();
    home.put(
        ".fetchmailrc",
        "skip other via LOCALHOST proto pop3 user MRose pass x keep ssl smtphost /run/lmtp\n",
    );
    home.put(
        ".fetchids",
        "mrose@localhost one\nmrose@other two\n\nmrose@localhost three four\n",
    );
    let moved = home.moved(Program::Fetchmail);
    assert_eq!(ids(&moved, 0), ["one", "three"]);
    assert!(moved.accounts[0].toml.contains("host = \"LOCALHOST\""));
    assert!(
        moved.accounts[0]
            .toml
            .contains("deliver = { lmtp = \"unix:/run/lmtp\", recipient = \"mrose@localhost\" }")
    );
    assert_eq!(moved.accounts[0].name, "other");
    assert_eq!(notes_of(&moved, "skip other"), 1);
    assert_eq!(
        notes_of(&moved, "1 lines of .fetchids are of no account"),
        1
    );
}

#[test]
fn each_option_is_mapped_or_told() {
    for (options, expected, note) in [
        ("ssl", "port = 995\n", ""),
        ("", "tls = \"starttls\"\n", "TLS if the server offers it"),
        ("sslproto tls1.2+", "tls = \"starttls\"\n", ""),
        (
            "sslproto ''",
            "tls = \"none\"\ninsecure = true\n",
            "without TLS",
        ),
        ("ssl no sslcertck", "", "certificates are always verified"),
        ("ssl nosslcertck", "", "certificates are always verified"),
        ("ssl sslfingerprint \"00:11\"", "", "MD5 can be forged"),
        ("ssl sslcertpath /x", "", "sslcertpath"),
        (
            "ssl sslcert /c sslkey /k",
            "client_certificate = \"/c\"\nclient_key = \"/k\"",
            "",
        ),
        ("ssl sslcert /c", "client_key = \"/c\"", ""),
        ("ssl sslcommonname x", "", "sslcommonname"),
        ("ssl keep", "keep = true\n", "no unique-ids"),
        ("ssl nokeep", "keep = false\n", ""),
        ("ssl fetchall", "", "nothing is fetched twice"),
        ("ssl flush", "", "flush"),
        ("ssl limit 0", "", ""),
        ("ssl limitflush", "", "limitflush"),
        ("ssl folder a b, c", "", "folder"),
        (
            "ssl mda \"/usr/bin/maildrop -d %T -f %F\"",
            "\"/usr/bin/maildrop -d 'alice' -f 'MAILER-DAEMON'\"",
            "%F",
        ),
        (
            "ssl bsmtp /x",
            "deliver = { maildir = \"~/Mail/h\" }",
            "bsmtp",
        ),
        (
            "ssl smtphost mx/2525",
            "smtp = \"mx:2525\", recipient = \"alice@mx\"",
            "",
        ),
        ("ssl smtphost a,b", "smtp = \"a:25\"", "several of smtphost"),
        (
            "ssl lmtp smtphost mx/24 smtpaddress d",
            "lmtp = \"mx:24\", recipient = \"alice@d\"",
            "",
        ),
        ("ssl smtphost mx/submission", "smtp = \"mx:587\"", ""),
        (
            "ssl smtphost mx/odd",
            "maildir = \"~/Mail/h\"",
            "no address here",
        ),
        ("ssl smtpname a@b", "recipient = \"a@b\"", ""),
        (
            "ssl fetchlimit 10 batchlimit 5 expunge 1 antispam 571 550 -1",
            "",
            "--limit N",
        ),
        (
            "ssl preconnect \"ssh -f x\" postconnect y",
            "",
            "no commands are run",
        ),
        ("ssl is bob", "maildir = \"~/Mail/h\"", "several people"),
        ("ssl to a=b *", "keep = true", "several people"),
        ("ssl rewrite nostripcr pass8bits no dns", "", ""),
        ("ssl mimedecode", "", "delivered as they came"),
        (
            "ssl passwordfile ~/p",
            "auth = { password_file = \"~/p\" }",
            "",
        ),
        ("ssl frobnicate", "", "a word where an option should be"),
        ("ssl \"hunter2\"", "", "a word where an option should be"),
    ] {
        let home = Home::new();
        home.put(
            ".fetchmailrc",
            format!("poll h protocol POP3 user mrose there is alice here password p {options}"),
        );
        let moved = home.moved(Program::Fetchmail);
        let toml = home.short(&moved.accounts[0].toml);
        assert!(toml.contains(expected), "{options}: {toml}");
        match note {
            "" => assert_eq!(moved.notes, [], "{options}"),
            note => assert_ne!(notes_of(&moved, note), 0, "{options}: {:?}", moved.notes),
        }
        assert_eq!(notes_of(&moved, "hunter2"), 0);
    }
}

#[test]
fn each_option_of_a_server_is_mapped_or_told() {
    for (options, expected, note) in [
        ("proto apop", "mechanism = \"apop\"", ""),
        ("", "", "POP3 is taken"),
        ("proto pop3 service pop3s", "port = 995", ""),
        ("proto pop3 port 1995", "port = 1995", ""),
        (
            "proto pop3 service kpop",
            "port = 995",
            "a port is a number",
        ),
        ("proto pop3 auth cram-md5", "mechanism = \"cram-md5\"", ""),
        ("proto pop3 auth password", "auth = { password_file", ""),
        ("proto pop3 auth gssapi", "", "auth gssapi"),
        (
            "proto pop3 auth external",
            "auth = { certificate = true }",
            "",
        ),
        ("proto pop3 interval 3", "poll = \"3m\"", ""),
        ("proto pop3 timeout 60 uidl nodns tracepolls", "", ""),
        (
            "proto pop3 envelope 1 \"X-Envelope-To\" qvirtual v- localdomains a b aka c",
            "",
            "told apart",
        ),
        (
            "proto pop3 plugin \"x\" interface \"ppp0\" monitor ppp0",
            "",
            "by TCP",
        ),
        ("proto pop3 principal x bad-header accept", "", "Kerberos"),
    ] {
        let home = Home::new();
        home.put(
            ".fetchmailrc",
            format!("set daemon 60 poll h {options} user mrose is alice password p ssl"),
        );
        let moved = home.moved(Program::Fetchmail);
        let toml = &moved.accounts[0].toml;
        assert!(toml.contains(expected), "{options}: {toml}");
        match note {
            "" => assert_eq!(moved.notes, [], "{options}"),
            note => assert_ne!(notes_of(&moved, note), 0, "{options}: {:?}", moved.notes),
        }
    }
}

#[test]
fn defaults_and_the_other_ways_to_say_it() {
    let home = Home::new();
    home.put(
        ".fetchmailrc",
        "defaults proto pop3 ssl keep mda 'cat'\n\
         poll a user esr here is eric there password x\n\
         poll b username eric no keep pass x\n\
         server c password x\n\
         poll d proto imap user x pass y\n\
         poll e user x password \"\"\n",
    );
    home.put(".netrc", "machine e login x password fromnetrc\n");
    let moved = home.moved(Program::Fetchmail);
    let names: Vec<&str> = moved.accounts.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "e"]);
    let users: Vec<&str> = moved.accounts.iter().map(|it| it.user.as_str()).collect();
    assert_eq!(users, ["eric", "eric", "mrose", "x"]);
    assert!(
        moved.accounts[0].toml.contains("keep = true")
            && moved.accounts[1].toml.contains("keep = false")
    );
    assert!(
        moved
            .accounts
            .iter()
            .all(|it| it.toml.contains("[\"sh\", \"-c\", \"cat\"]"))
    );
    assert_eq!(notes_of(&moved, "protocol imap of d"), 1);
    assert!(
        matches!(&moved.accounts[3].password, Password::ToStore { secret, .. } if *secret == Secret::new("fromnetrc"))
    );
}

#[test]
fn the_id_file_that_is_configured() {
    let home = Home::new();
    home.put(
        ".fetchmailrc",
        "set idfile = \"~/ids\"\npoll h proto pop3 user u pass p ssl keep",
    );
    home.put("ids", "u@h one\n");
    home.put(".fetchids", "u@h two\n");
    assert_eq!(ids(&home.moved(Program::Fetchmail), 0), ["one"]);
}

#[test]
fn what_is_no_configuration_is_refused() {
    let home = Home::new();
    assert!(matches!(
        Program::Fetchmail.moved(None, &home.around()),
        Err(MovingError::NotFound { .. })
    ));
    let long = format!("poll h user \"{}\"", "x".repeat(9_000));
    for content in [
        &b""[..],
        b"poll",
        b"nothing here",
        b"a\0b",
        b"set daemon 5",
        long.as_bytes(),
    ] {
        let file = home.put("rc", content);
        let refused = Program::Fetchmail.moved(Some(&file), &home.around());
        assert!(
            matches!(refused, Err(MovingError::Unusable { .. })),
            "{content:?}: {refused:?}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(words in prop::collection::vec("poll|skip|user|is|to|here|there|password|no|keep|nokeep|=|\\*|\"|'|#|\n|smtphost|mda|set|daemon|defaults|envelope|antispam|-?[0-9]{1,25}|\\\\|\\PC{0,8}", 0..40), state in "(u@h |\n|[a-z]|\\PC){0,40}") {
        let home = Home::new();
        home.put(".fetchids", &state);
        let file = home.put("rc", words.join(" "));
        let _ = Program::Fetchmail.moved(Some(&file), &home.around());
        let file = home.put("rc", format!("poll h user u {}", words.join(" ")));
        prop_assert!(Program::Fetchmail.moved(Some(&file), &home.around()).is_ok());
    }
}
