//! Maildirs in place, chosen by the configuration.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::run::{CONFIGURATION, Site};

const MAILDIRS: &str = "store = \"maildir\"\n[maildir]\npath = \"DIR/home/{local}/Maildir\"\n";

fn site() -> Site {
    let site = Site::with(&CONFIGURATION.replace("allow_volatile = true\n", MAILDIRS));
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    site
}

fn maildir(site: &Site) -> PathBuf {
    site.path().join("home/bob/Maildir")
}

fn listed(site: &Site) -> String {
    let list = site.run(&["maildrop", "list", "bob"], b"").with(0).stdout;
    let columns = list.lines().map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        format!("{} {}\n", columns[1], columns[2])
    });
    columns.collect()
}

#[test]
fn mail_is_delivered_listed_and_shown_where_others_find_it() {
    let site = site();
    assert_eq!(listed(&site), "");
    let path = site.run(&["maildrop", "path", "bob"], b"").with(0).stdout;
    assert_eq!(path, "DIR/home/bob/Maildir\n");
    site.run(&["deliver", "bob"], b"Subject: a\n\n.b\n").with(0);
    let file = fs::read_dir(maildir(&site).join("new")).unwrap().next();
    let file = file.unwrap().unwrap();
    assert_eq!(fs::read(file.path()).unwrap(), b"Subject: a\n\n.b\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let name = file.file_name().into_string().unwrap();
    assert!(name.ends_with(".mailgate.dobbs.org,S=15,W=18"), "{name}");
    // Another program brings one and sets a flag.
    fs::write(
        maildir(&site).join("cur/1.M1P1.host:2,S"),
        b"Subject: old\n\n",
    )
    .unwrap();
    let lines = listed(&site);
    assert!(lines.starts_with("16 1.M1P1.host\n18 "), "{lines}");
    let shown = site.run(&["maildrop", "show", "bob", "2"], b"").with(0);
    assert_eq!(shown.stdout, "Subject: a\r\n\r\n.b\r\n");
    let user = site.run(&["user", "show", "bob"], b"").with(0).stdout;
    assert!(user.contains("used      34 octets, 2 messages\n"), "{user}");
    let quota = ["user", "set", "bob", "--quota-messages", "2"];
    site.run(&quota, b"").with(0);
    let full = site.run(&["deliver", "bob"], b"Subject: c\n\n").with(75);
    assert!(full.stderr.contains("full"), "{}", full.stderr);
}

#[test]
fn a_file_whose_name_is_no_text_is_passed_over_and_told() {
    let site = site();
    site.run(&["deliver", "bob"], b"Subject: a\n\n").with(0);
    let odd = OsStr::from_bytes(b"1.M1P1.gr\xfc\xdfe:2,S");
    let file = maildir(&site).join("cur").join(odd);
    fs::write(&file, b"Subject: odd\n\n").unwrap();
    let list = site.run(&["maildrop", "list", "bob"], b"").with(0);
    assert_eq!(list.stdout.lines().count(), 1, "{}", list.stdout);
    let told = r#"its name is not UTF-8 dir="cur" file="1.M1P1.gr\xfc\xdfe:2,S""#;
    assert!(list.stderr.contains(told), "{}", list.stderr);
    assert!(file.exists());
}

#[test]
fn unique_ids_are_those_of_whoever_served_it_before() {
    let site = site();
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir(&site).join(part)).unwrap();
    }
    for name in ["cur/2.a:2,S", "new/1.b", "new/3.c"] {
        fs::write(maildir(&site).join(name), b"Subject: a\n\n").unwrap();
    }
    let list = maildir(&site).join("dovecot-uidlist");
    fs::write(&list, "3 V255 N8 G00\n4 :2.a\n7 Pown :1.b\n").unwrap();
    let expected = "14 00000004000000ff\n14 own\n14 00000008000000ff\n";
    assert_eq!(listed(&site), expected);
    // The new one has its line, behind those of Dovecot.
    let lines = fs::read_to_string(&list).unwrap();
    assert_eq!(lines, "3 V255 N8 G00\n4 :2.a\n7 Pown :1.b\n8 :3.c\n");
    // A list that makes no sense is no reason to call messages otherwise.
    fs::write(&list, "3 V255 N8 G00\n4 :2.a\n4 :1.b\n").unwrap();
    let broken = site.run(&["maildrop", "list", "bob"], b"").with(65);
    assert!(
        broken
            .stderr
            .contains("dovecot-uidlist, line 3: the uids do not grow"),
        "{}",
        broken.stderr
    );
    fs::remove_file(&list).unwrap();
    let sizes = "/2 5 77\n2.a 14 3:77\n1.b 14 0:0\n";
    fs::write(maildir(&site).join("courierpop3dsizelist"), sizes).unwrap();
    assert_eq!(listed(&site), "14 1.b\n14 UID3-77\n14 UID5-77\n");
}

#[test]
fn what_only_the_native_store_can_is_refused() {
    let site = site();
    for (words, what) in [
        (&["verify"][..], "verified"),
        (&["backup", "b"], "backed up and restored"),
        (&["undelete", "bob"], "undeleted from"),
        (&["compact"], "compacted"),
        (&["rebuild"], "salvaged or rebuilt from"),
        (
            &["import", "bob", "somewhere"],
            "imported into with unique-ids from elsewhere",
        ),
    ] {
        let words: Vec<_> = ["maildrop"].iter().chain(words).copied().collect();
        let ended = site.run(&words, b"").with(64);
        let expected = format!("Maildirs and mboxes are not {what}: only the native store is\n");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    }
}

#[test]
fn a_configuration_of_maildirs_is_checked() {
    for (maildrop, complaint) in [
        (
            "store = \"maildir\"\n",
            "where the maildrops are is not said",
        ),
        (
            "store = \"maildir\"\n[maildir]\npath = \"/var/vmail/Maildir\"\n",
            "`path` cannot be \"/var/vmail/Maildir\"",
        ),
        (
            "store = \"maildir\"\nundelete = \"7 days\"\n[maildir]\npath = \"/v/{name}\"\n",
            "`undelete` cannot be had with this store",
        ),
        (
            "[maildir]\npath = \"/v/{name}\"\n",
            "[maildir] means nothing while `store` is another",
        ),
        (
            "store = \"maildir\"\n[maildir]\npath = \"/v/{name}\"\nuidl_format = \"%08Xq\"\n",
            "`uidl_format` cannot be \"%08Xq\"",
        ),
    ] {
        let site = Site::with(&CONFIGURATION.replace("allow_volatile = true\n", maildrop));
        let ended = site.run(&["check"], b"").with(78);
        assert!(ended.stderr.contains(complaint), "{}", ended.stderr);
    }
}

#[test]
fn names_of_files_count_for_good_where_no_list_was() {
    let site = site();
    site.run(&["deliver", "bob"], b"Subject: a\n\n").with(0);
    let before = listed(&site);
    // Another server comes and makes a list.
    let name = before.split_whitespace().nth(1).unwrap().to_owned();
    let list = format!("3 V255 N8 G00\n7 :{name}\n");
    fs::write(maildir(&site).join("dovecot-uidlist"), list).unwrap();
    assert_eq!(listed(&site), before);
    fs::remove_file(maildir(&site).join("restante-unique-ids")).unwrap();
    assert!(listed(&site).ends_with(" 00000007000000ff\n"));
}

#[test]
fn what_would_spoil_a_list_is_no_message() {
    let site = site();
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir(&site).join(part)).unwrap();
    }
    for name in [
        "new/:2,S",
        "new/1.a\n9 :2.b",
        "new/1.c",
        "new/2.d",
        "new/3.e",
    ] {
        fs::write(maildir(&site).join(name), b"Subject: a\n\n").unwrap();
    }
    // Two messages of one name are both called otherwise.
    let list = maildir(&site).join("dovecot-uidlist");
    fs::write(&list, "3 V255 N8 G00\n4 Px :1.c\n5 Px :2.d\n").unwrap();
    let found = listed(&site);
    let names: Vec<_> = found.lines().map(|line| &line[3..]).collect();
    assert_eq!(names.len(), 3, "{found}");
    assert!(
        names[0].starts_with('h') && names[1].starts_with('h'),
        "{found}"
    );
    assert_eq!(names[2], "00000008000000ff");
    fs::remove_file(maildir(&site).join("new/1.c")).unwrap();
    assert!(listed(&site).starts_with(&format!("14 {}\n", names[1])));
}

#[test]
fn an_account_and_the_place_of_its_mail_stay_together() {
    let site = site();
    site.run(&["deliver", "bob"], b"Subject: a\n\n").with(0);
    let refused = site.run(&["user", "rename", "bob", "rob"], b"").with(64);
    assert!(
        refused.stderr.contains("follows from its name"),
        "{}",
        refused.stderr
    );
    let remove = ["user", "remove", "bob", "--delete-mail", "--yes"];
    let refused = site.run(&remove, b"").with(64);
    assert!(
        refused.stderr.contains("DIR/home/bob/Maildir"),
        "{}",
        refused.stderr
    );
    let removed = site.run(&["user", "remove", "bob"], b"").with(0);
    assert!(
        removed.stdout.contains("stays in DIR/home/bob/Maildir"),
        "{}",
        removed.stdout
    );
    let again = site
        .run(&["user", "add", "bob", "--stdin"], b"blackking\n")
        .with(0);
    assert!(
        again
            .stderr
            .contains("DIR/home/bob/Maildir is there already: its mail is now that of bob"),
        "{}",
        again.stderr
    );
}
