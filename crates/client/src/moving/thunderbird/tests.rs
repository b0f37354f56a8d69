use crate::moving::home::{Home, ids, notes_of};
use crate::moving::{MovingError, Password, Program, SeenState};
use proptest::prelude::*;

const PREFS: &str = "\
// Mozilla User Preferences

user_pref(\"app.update.lastUpdateTime\", 1795853292);
user_pref(\"mail.account.account1.server\", \"server1\");
user_pref(\"mail.server.server1.check_new_mail\", true);
user_pref(\"mail.server.server1.check_time\", 5);
user_pref(\"mail.server.server1.delete_by_age_from_server\", true);
user_pref(\"mail.server.server1.directory\", \"/somewhere/else/Mail/pop.example.org\");
user_pref(\"mail.server.server1.directory-rel\", \"[ProfD]Mail/pop.example.org\");
user_pref(\"mail.server.server1.hostname\", \"pop.example.org\");
user_pref(\"mail.server.server1.leave_on_server\", true);
user_pref(\"mail.server.server1.login_at_startup\", true);
user_pref(\"mail.server.server1.name\", \"mrose@dobbs.org\");
user_pref(\"mail.server.server1.num_days_to_leave_on_server\", 14);
user_pref(\"mail.server.server1.port\", 995);
user_pref(\"mail.server.server1.socketType\", 3);
user_pref(\"mail.server.server1.type\", \"pop3\");
user_pref(\"mail.server.server1.userName\", \"mrose@dobbs.org\");
user_pref(\"mail.server.server10.hostname\", \"h\");
user_pref(\"mail.server.server10.type\", \"pop3\");
user_pref(\"mail.server.server10.userName\", \"u\");
user_pref(\"mail.server.server2.hostname\", \"Local Folders\");
user_pref(\"mail.server.server2.type\", \"none\");
user_pref(\"mail.server.server3.hostname\", \"i\");
user_pref(\"mail.server.server3.type\", \"imap\");
";

const STATE: &str = "\
# POP3 State File
# This is a generated file!  Do not edit.

*pop.example.org mrose@dobbs.org
k 000000016b0a8beb 1795853292
d 000000026b0a8beb 1795853293
b 000000036b0a8beb 1795853294
f 000000046b0a8beb 1795853295
k old
";

fn home(prefs: &str, state: &str) -> Home {
    let home = Home::new();
    home.put(".thunderbird/profiles.ini", "[Profile0]\nPath=x.default\n");
    home.put(".thunderbird/x.default/prefs.js", prefs);
    home.put(
        ".thunderbird/x.default/Mail/pop.example.org/popstate.dat",
        state,
    );
    home
}

#[test]
fn an_account_with_all_its_messages() {
    for (prefs, state) in [
        (PREFS.to_owned(), STATE.to_owned()),
        (PREFS.replace('\n', "\r\n"), STATE.replace('\n', "\r\n")),
    ] {
        let home = home(&prefs, &state);
        let moved = home.moved(Program::Thunderbird);
        assert_eq!(moved.accounts.len(), 2);
        assert_eq!(
            home.short(&moved.accounts[0].toml),
            "[account.mrose-dobbs-org]\n\
             host = \"pop.example.org\"\n\
             port = 995\n\
             user = \"mrose@dobbs.org\"\n\
             tls = \"implicit\"\n\
             auth = { prompt = true }\n\
             deliver = { maildir = \"~/Mail/mrose-dobbs-org\" }\n\
             keep = \"14d\"\n\
             poll = \"5m\"\n"
        );
        assert_eq!(moved.accounts[0].password, Password::Asked);
        let states: Vec<_> = moved.accounts[0]
            .seen
            .iter()
            .map(|it| (it.id.to_string(), it.state, it.at))
            .collect();
        assert_eq!(
            states,
            [
                (
                    "000000016b0a8beb".to_owned(),
                    SeenState::Delivered,
                    Some(1_795_853_292)
                ),
                (
                    "000000026b0a8beb".to_owned(),
                    SeenState::DeletionPending,
                    Some(1_795_853_293)
                ),
                (
                    "000000036b0a8beb".to_owned(),
                    SeenState::NotWhole,
                    Some(1_795_853_294)
                ),
                (
                    "000000046b0a8beb".to_owned(),
                    SeenState::NotWhole,
                    Some(1_795_853_295)
                ),
                ("old".to_owned(), SeenState::Delivered, None),
            ]
        );
        assert!(
            moved.accounts[1].toml.contains("tls = \"none\"")
                && moved.accounts[1].toml.contains("keep = false")
        );
        assert_eq!(notes_of(&moved, "the password of mrose@dobbs.org"), 1);
    }
}

#[test]
fn each_setting_is_mapped_or_told() {
    for (settings, expected, note) in [
        ("socketType\", 2", "tls = \"starttls\"", ""),
        ("socketType\", 1", "tls = \"starttls\"", "STARTTLS if"),
        (
            "socketType\", 0",
            "tls = \"none\"\ninsecure = true",
            "no TLS with",
        ),
        ("port\", 70000", "port = 995", ""),
        (
            "realhostname\", \"new.example.org\"",
            "host = \"new.example.org\"",
            "",
        ),
        ("realuserName\", \"new\"", "user = \"new\"", ""),
        ("leave_on_server\", false", "keep = false", ""),
        ("delete_by_age_from_server\", false", "keep = true", ""),
        (
            "delete_mail_left_on_server\", true",
            "keep = \"14d\"",
            "one of them is taken",
        ),
        (
            "limit_offline_message_size\", true",
            "max_size = \"50 KiB\"",
            "",
        ),
        ("headers_only\", true", "", "headers_only"),
        ("authMethod\", 10", "auth = { prompt = true }", "OAuth2 for"),
        (
            "authMethod\", 7",
            "auth = { certificate = true }",
            "export it",
        ),
        ("authMethod\", 5", "auth = { prompt = true }", "Kerberos"),
        ("check_new_mail\", false", "keep = \"14d\"\n", ""),
    ] {
        let line = format!("user_pref(\"mail.server.server1.{settings});\n");
        let home = home(&format!("{PREFS}{line}"), STATE);
        let moved = home.moved(Program::Thunderbird);
        let toml = &moved.accounts[0].toml;
        assert!(toml.contains(expected), "{settings}: {toml}");
        assert_ne!(notes_of(&moved, note), 0, "{settings}: {:?}", moved.notes);
        assert_eq!(moved.accounts[0].seen.len(), 5, "{settings}");
    }
    let outlook = PREFS.replace("pop.example.org", "outlook.office365.com")
        + "user_pref(\"mail.server.default.authMethod\", 10);\n";
    let moved = home(&outlook, STATE).moved(Program::Thunderbird);
    assert!(
        moved.accounts[0]
            .toml
            .contains("auth = { oauth = \"microsoft\" }")
    );
}

#[test]
fn state_of_another_account_does_not_count() {
    let state = STATE.replace(
        "k old",
        "*other mrose@dobbs.org\nk x 1\nk y 1\n*POP.example.org mrose@dobbs.org\nk z 1\nq w 1\nk",
    );
    let moved = home(PREFS, &state).moved(Program::Thunderbird);
    assert_eq!(ids(&moved, 0).len(), 5);
    assert!(ids(&moved, 0).contains(&"z".to_owned()));
    assert_eq!(notes_of(&moved, "2 messages of another server or user"), 1);
    assert_eq!(notes_of(&moved, "2 lines that name no message"), 1);
}

#[test]
fn profiles_are_named_in_several_ways() {
    let home = home(PREFS, STATE);
    for path in ["", "profiles.ini", "x.default", "x.default/prefs.js"] {
        let moved = Program::Thunderbird
            .moved(Some(&home.path(".thunderbird").join(path)), &home.around())
            .unwrap();
        assert_eq!(moved.accounts[0].seen.len(), 5, "{path}");
    }
}

#[test]
fn what_is_no_profile_is_refused() {
    let empty = Home::new();
    assert!(matches!(
        Program::Thunderbird.moved(None, &empty.around()),
        Err(MovingError::NotFound { .. })
    ));
    for prefs in [
        "",
        "user_pref(\"mail.server.server1.type\", \"imap\");",
        "a\0b",
    ] {
        let home = home(prefs, STATE);
        let refused = Program::Thunderbird.moved(None, &home.around());
        assert!(
            matches!(refused, Err(MovingError::Unusable { .. })),
            "{refused:?}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(prefs in "(user_pref\\(\"mail\\.server\\.(server1|default)\\.(type|hostname|userName|port|directory|directory-rel|name|num_days_to_leave_on_server)\", (\"(pop3|\\\\|\\[ProfD\\]|\\PC){0,5}\"|true|-?[0-9]{1,20})\\);\n|\\PC{0,9}){0,20}", state in "(k |d |\\*pop\\.example\\.org mrose@dobbs\\.org\n|\n|\\PC){0,40}") {
        let _ = Program::Thunderbird.moved(None, &home(&prefs, &state).around());
        let prefs = format!("{PREFS}{prefs}user_pref(\"mail.server.server1.type\", \"pop3\");");
        prop_assert!(Program::Thunderbird.moved(None, &home(&prefs, &state).around()).is_ok());
    }
}
