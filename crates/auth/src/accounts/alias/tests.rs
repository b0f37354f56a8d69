//! Aliases beside accounts, and tables of them.

use super::super::{Addressing, Change, Password};
use super::*;
use crate::hash::{PasswordHash, Scheme};

const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const ADDRESSING: Addressing<'static> = Addressing {
    hostname: "mailgate.dobbs.org",
    domains: &[],
    detail_separator: "+",
};

fn password() -> Password {
    Password::Hash(PasswordHash::parse(Scheme::BlfCrypt, BCRYPT).unwrap())
}

fn site(names: &[&str]) -> (tempfile::TempDir, Accounts) {
    let dir = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(dir.path()).unwrap();
    for name in names {
        accounts.add(name, &password()).unwrap();
    }
    (dir, accounts)
}

fn address(text: &str) -> AliasAddress {
    AliasAddress::parse(text).unwrap()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// `address: account account` of every alias; removed ones in brackets.
fn shown(aliases: &[Alias]) -> Vec<String> {
    let one = |alias: &Alias| {
        let removed = alias.removed.iter().map(|name| format!("({name})"));
        let names: Vec<_> = alias.accounts.iter().cloned().chain(removed).collect();
        format!("{}: {}", alias.address, names.join(" "))
    };
    aliases.iter().map(one).collect()
}

#[test]
fn aliases_are_added_to_and_taken_from() {
    let (_dir, accounts) = site(&["bob", "ann", "eve"]);
    let sales = address("Sales@Dobbs.ORG");
    let alias = accounts.add_alias(&sales, &owned(&["Ann", "bob"])).unwrap();
    assert_eq!(shown(&[alias]), ["sales@dobbs.org: bob ann"]);
    // Once more is no error, and nobody is in it twice.
    accounts.add_alias(&sales, &owned(&["bob", "eve"])).unwrap();
    accounts
        .add_alias(&address("@x.example"), &owned(&["ann"]))
        .unwrap();
    let all = accounts.aliases().unwrap();
    let expected = ["@x.example: ann", "sales@dobbs.org: bob ann eve"];
    assert_eq!(shown(&all), expected);
    assert_eq!(accounts.aliases_of("ANN").unwrap(), all);
    assert_eq!(shown(&accounts.aliases_of("eve").unwrap()), expected[1..]);
    let counts = alias_counts(&accounts);
    assert_eq!((counts.aliases, counts.catch_alls), (2, 1));

    accounts.remove("eve").unwrap();
    assert_eq!(
        shown(&accounts.aliases().unwrap()),
        ["@x.example: ann", "sales@dobbs.org: bob ann (eve)"]
    );
    // Also of who is removed.
    let left = accounts
        .remove_alias(&sales, &owned(&["bob", "eve"]))
        .unwrap();
    assert_eq!(shown(&[left.unwrap()]), ["sales@dobbs.org: ann"]);
    assert_eq!(
        accounts.remove_alias(&sales, &owned(&["ann"])).unwrap(),
        None
    );
    assert_eq!(
        accounts.remove_alias(&address("@x.example"), &[]).unwrap(),
        None
    );
    assert_eq!(accounts.aliases().unwrap(), []);
}

fn alias_counts(accounts: &Accounts) -> AliasCounts {
    counts(&accounts.lock()).unwrap()
}

#[test]
fn what_cannot_be_is_told_and_changes_nothing() {
    let (_dir, accounts) = site(&["bob", "ann"]);
    let sales = address("sales");
    accounts.add_alias(&sales, &owned(&["bob"])).unwrap();
    let add = |alias: &str, names: &[&str]| {
        let refused = accounts.add_alias(&address(alias), &owned(names));
        refused.unwrap_err().to_string()
    };
    for (told, expected) in [
        (add("sales", &["ann", "eve"]), "there is no account eve;"),
        (
            add("sales", &["ann", "x y"]),
            "an account name must not contain ' '",
        ),
        (add("info", &["ann", "sales"]), "sales is an alias itself;"),
        (
            add("ann", &["bob"]),
            "ann is an account, so it cannot be an alias;",
        ),
    ] {
        assert!(told.starts_with(expected), "{told}");
    }
    let remove = |alias: &str, names: &[&str]| {
        let refused = accounts.remove_alias(&address(alias), &owned(names));
        refused.unwrap_err().to_string()
    };
    for (told, expected) in [
        (remove("info", &[]), "there is no alias info;"),
        (
            remove("sales", &["bob", "ann"]),
            "sales does not stand for ann;",
        ),
    ] {
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!(shown(&accounts.aliases().unwrap()), ["sales: bob"]);
}

#[test]
fn no_account_is_called_like_an_alias() {
    let (dir, accounts) = site(&["bob", "sales"]);
    let sales = accounts.remove("sales").unwrap();
    for alias in ["sales", "info"] {
        accounts
            .add_alias(&address(alias), &owned(&["bob"]))
            .unwrap();
    }
    let lines = crate::parse_import(format!("info:{BCRYPT}\n").as_bytes()).unwrap();
    for refused in [
        accounts.add("Info", &password()).map(drop),
        accounts
            .add_with("info", &password(), &Change::default())
            .map(drop),
        accounts.rename("bob", "info").map(drop),
        accounts.restore(sales.maildrop).map(drop),
        accounts.adopt("info", 7).map(drop),
        accounts
            .import(&lines.lines, crate::Apop::Skip, |_| ())
            .map(drop),
    ] {
        let told = refused.unwrap_err();
        assert!(matches!(told, AccountsError::AliasExists(_)), "{told}");
        assert!(
            told.to_string().contains("restante alias remove "),
            "{told}"
        );
    }
    // Out of a copy neither.
    let copy = dir.path().join("copy.db");
    let (_other, others) = site(&["info"]);
    others.copy_to(&copy).unwrap();
    let missing = accounts.missing(&copy).unwrap();
    let refused = accounts.bring_back(&copy, &missing[0]).unwrap_err();
    assert!(
        matches!(refused, AccountsError::AliasExists(_)),
        "{refused}"
    );
    let names: Vec<_> = accounts
        .list()
        .unwrap()
        .into_iter()
        .map(|a| a.name)
        .collect();
    assert_eq!(names, ["bob"]);
}

#[test]
fn an_alias_stands_for_a_hundred_accounts() {
    let names: Vec<_> = (0..=ALIAS_ACCOUNTS_MAX).map(|n| format!("a{n}")).collect();
    let borrowed: Vec<_> = names.iter().map(String::as_str).collect();
    let (_dir, accounts) = site(&borrowed);
    let all = address("all");
    let refused = accounts.add_alias(&all, &names).unwrap_err();
    assert!(
        matches!(refused, AccountsError::AliasAccounts(_)),
        "{refused}"
    );
    assert_eq!(accounts.aliases().unwrap(), []);
    let alias = accounts
        .add_alias(&all, &names[..ALIAS_ACCOUNTS_MAX])
        .unwrap();
    assert_eq!(alias.accounts.len(), ALIAS_ACCOUNTS_MAX);
    assert!(
        accounts
            .add_alias(&all, &names[ALIAS_ACCOUNTS_MAX..])
            .is_err()
    );
}

/// A number is never given to a second account, but its rows are not left behind either.
#[test]
fn with_a_purged_account_its_aliases_go() {
    let (_dir, accounts) = site(&["bob", "ann"]);
    accounts
        .add_alias(&address("info"), &owned(&["bob"]))
        .unwrap();
    accounts
        .add_alias(&address("sales"), &owned(&["bob", "ann"]))
        .unwrap();
    let bob = accounts.remove("bob").unwrap();
    let erasing = accounts.claim(bob.maildrop, None).unwrap().unwrap();
    accounts.purge(erasing).unwrap();
    assert_eq!(shown(&accounts.aliases().unwrap()), ["sales: ann"]);
    let rows = accounts
        .lock()
        .query_row("SELECT count(*) FROM alias", [], |row| row.get(0));
    assert_eq!(rows, Ok(1));
}

#[test]
fn a_copy_has_the_aliases_and_an_account_brings_its_own_back() {
    let (dir, accounts) = site(&["bob", "ann"]);
    let copy = dir.path().join("copy.db");
    for alias in ["info", "sales", "team"] {
        accounts
            .add_alias(&address(alias), &owned(&["bob", "ann"]))
            .unwrap();
    }
    accounts.copy_to(&copy).unwrap();
    let other = tempfile::tempdir().unwrap();
    Accounts::put_back(&copy, other.path()).unwrap();
    let whole = Accounts::open(other.path()).unwrap();
    assert_eq!(whole.aliases().unwrap(), accounts.aliases().unwrap());

    let bob = accounts.remove("bob").unwrap();
    let erasing = accounts.claim(bob.maildrop, None).unwrap().unwrap();
    accounts.purge(erasing).unwrap();
    accounts.remove_alias(&address("team"), &[]).unwrap();
    accounts.remove_alias(&address("sales"), &[]).unwrap();
    accounts.add("sales", &password()).unwrap();
    let missing = accounts.missing(&copy).unwrap();
    let back = accounts.bring_back(&copy, &missing[0]).unwrap();
    assert_eq!(
        (back.aliases, back.left_out),
        (owned(&["info", "team"]), owned(&["sales"]))
    );
    let expected = ["info: bob ann", "team: bob"];
    assert_eq!(shown(&accounts.aliases().unwrap()), expected);
}

#[test]
fn a_table_of_another_server_is_imported() {
    let (_dir, accounts) = site(&["bob", "ann", "eve@example.org"]);
    let table = "# aliases(5)\r\nPostmaster: root\r\n\nroot:\tbob,\n  # and\n\tann\n\
        Sales@dobbs.org ann@MAILGATE.dobbs.org, postmaster@mailgate.dobbs.org\n\
        @example.org : eve@example.org\nbüro@bücher.example \\bob\n";
    for _ in 0..2 {
        let report = accounts.import_aliases(table.as_bytes(), &ADDRESSING);
        assert_eq!(report.unwrap().unwrap().aliases, 5);
        assert_eq!(
            shown(&accounts.aliases().unwrap()),
            [
                "@example.org: eve@example.org",
                "büro@xn--bcher-kva.example: bob",
                "postmaster: bob ann",
                "root: bob ann",
                "sales@dobbs.org: bob ann",
            ]
        );
    }
    // What is there stays.
    let more = accounts.import_aliases(b"root: eve@example.org", &ADDRESSING);
    assert!(more.unwrap().is_ok());
    let root = &accounts.aliases().unwrap()[3];
    assert_eq!(root.accounts, ["bob", "ann", "eve@example.org"]);
}

#[test]
fn every_wrong_line_is_told_and_nothing_is_imported() {
    let (_dir, accounts) = site(&["bob", "ann"]);
    accounts
        .add_alias(&address("there"), &owned(&["bob"]))
        .unwrap();
    let table = b"good: bob\n\
        pipe: \"|/usr/bin/procmail -t\"\n\
        file: /var/mail/x\n\
        list: :include:/etc/list\n\
        remote: bob, eve@elsewhere.example\n\
        unknown: eve\n\
        ours: eve@mailgate.dobbs.org\n\
        ann: bob\n\
        GOOD bob\n\
        alone\n\
        nobody:\n\
        a\xff: bob\n\
        b@c@d: bob\n\
        one: two\n\
        two: one\n\
        chain: there\n";
    let errors = accounts
        .import_aliases(table, &ADDRESSING)
        .unwrap()
        .unwrap_err();
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        "line 2: mail cannot be given to a program",
        "line 3: mail cannot be put into a file",
        "line 4: other files are not read",
        "line 5: eve@elsewhere.example is not an account, and mail is never passed on",
        "line 6: there is no account eve;",
        "line 7: there is no account eve@mailgate.dobbs.org;",
        "line 8: ann is an account, so it cannot be an alias;",
        "line 9: good is on line 1 already",
        "line 10: a line looks like",
        "line 11: a line looks like",
        "line 12: the line is not UTF-8",
        "line 13: an address must not contain '@'",
        "line 14: nobody is behind it",
        "line 15: nobody is behind it",
        "line 16: there is an alias itself;",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!(shown(&accounts.aliases().unwrap()), ["there: bob"]);
}
