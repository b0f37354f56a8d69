//! Whose which address is.

use proptest::prelude::*;

use super::*;
use crate::accounts::{Change, Password};
use crate::address::AliasAddress;
use crate::hash::{PasswordHash, Scheme};

const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

struct Site {
    accounts: Accounts,
    domains: Vec<String>,
    _dir: tempfile::TempDir,
}

impl Site {
    fn new(names: &[&str], aliases: &[(&str, &[&str])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path()).unwrap();
        for name in names {
            let hash = PasswordHash::parse(Scheme::BlfCrypt, BCRYPT).unwrap();
            accounts.add(name, &Password::Hash(hash)).unwrap();
        }
        for (alias, names) in aliases {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let alias = AliasAddress::parse(alias).unwrap();
            accounts.add_alias(&alias, &names).unwrap();
        }
        Self {
            accounts,
            domains: ["dobbs.org", "Dobbs.NET", "xn--bcher-kva.example"]
                .map(String::from)
                .into(),
            _dir: dir,
        }
    }

    fn addressing<'a>(&'a self, detail_separator: &'a str) -> Addressing<'a> {
        Addressing {
            hostname: "Mailgate.dobbs.org",
            domains: &self.domains,
            detail_separator,
        }
    }

    fn ask(&self, address: &str, detail_separator: &str) -> Vec<Recipient> {
        let addressing = self.addressing(detail_separator);
        self.accounts.recipients(address, &addressing).unwrap()
    }

    /// The names of those who get mail for an address.
    fn names(&self, address: &str) -> String {
        let found = self.ask(address, "+");
        let names: Vec<_> = found.iter().map(|one| &*one.account).collect();
        names.join(" ")
    }

    fn disable(&self, name: &str) {
        let change = Change {
            state: Some(State::Disabled),
            ..Change::default()
        };
        self.accounts.set(name, &change).unwrap();
    }
}

#[test]
fn an_account_is_found_by_its_address() {
    let site = Site::new(
        &[
            "bob",
            "alice@dobbs.org",
            "alice",
            "carol@example.org",
            "x+y",
        ],
        &[],
    );
    for (address, names) in [
        ("bob", "bob"),
        ("BOB", "bob"),
        ("bob@mailgate.dobbs.org", "bob"),
        ("bob@MAILGATE.dobbs.ORG", "bob"),
        ("bob@dobbs.org", "bob"),
        ("bob@dobbs.net", "bob"),
        ("bob@bücher.example", "bob"),
        ("bob@BÜCHER.example", "bob"),
        ("bob@XN--BCHER-KVA.example", "bob"),
        ("bob@example.org", ""),
        ("bob@sub.dobbs.org", ""),
        // The full address comes first.
        ("alice@dobbs.org", "alice@dobbs.org"),
        ("Alice@Dobbs.Net", "alice"),
        ("alice", "alice"),
        // An account's domain need not be one of ours.
        ("carol@example.org", "carol@example.org"),
        ("carol", ""),
        ("carol@dobbs.org", ""),
        ("dave@dobbs.org", ""),
        // A detail, unless that is the account's name.
        ("bob+lists@dobbs.org", "bob"),
        ("bob+lists", "bob"),
        ("bob+a+b@dobbs.org", "bob"),
        ("bob+@dobbs.org", "bob"),
        ("bob+lists@example.org", ""),
        ("carol+lists@example.org", "carol@example.org"),
        ("alice+lists@dobbs.org", "alice@dobbs.org"),
        ("x+y@dobbs.org", "x+y"),
        ("+bob@dobbs.org", ""),
        ("", ""),
        ("@dobbs.org", ""),
        ("bob@", ""),
        ("bob@@dobbs.org", ""),
        ("bob@dobbs.org@dobbs.org", ""),
        ("../bob", ""),
        ("\"bob\"@dobbs.org", ""),
        ("bob@[192.0.2.1]", ""),
        ("bøb@dobbs.org", ""),
        // KELVIN SIGN is k in lower case.
        ("bo\u{212a}@dobbs.org", ""),
    ] {
        assert_eq!(site.names(address), names, "{address}");
    }
    let found = &site.ask("bob@dobbs.org", "+")[0];
    let bob = site.accounts.show("bob").unwrap();
    assert_eq!(
        (found.maildrop, found.state),
        (bob.maildrop, State::Enabled)
    );
}

/// Everything that an address may be called is somebody's: the first one counts. Then that is taken
/// away, and the next one does.
#[test]
fn names_are_looked_up_in_one_order() {
    let address = "sales+eu@dobbs.org";
    let names = [
        "sales+eu@dobbs.org",
        "sales+eu",
        "sales@dobbs.org",
        "sales",
        "@dobbs.org",
    ];
    assert_eq!(names.len(), NAMES_MAX);
    // As accounts, but for the last.
    let site = Site::new(&names[..4], &[]);
    for name in &names[..4] {
        assert_eq!(site.names(address), *name);
        site.accounts.remove(name).unwrap();
    }
    assert_eq!(site.names(address), "");
    // As aliases.
    let targets = ["a", "b", "c", "d", "e"];
    let aliases: Vec<_> = names.iter().zip(&targets).collect();
    let aliases: Vec<_> = aliases
        .iter()
        .map(|(name, target)| (**name, std::slice::from_ref(*target)))
        .collect();
    let site = Site::new(&targets, &aliases);
    for (name, target) in names.iter().zip(&targets) {
        assert_eq!(site.names(address), *target);
        let alias = AliasAddress::parse(name).unwrap();
        site.accounts.remove_alias(&alias, &[]).unwrap();
    }
    assert_eq!(site.names(address), "");
    // An account before an alias, and each before what has less of the address.
    let site = Site::new(&["sales@dobbs.org", "bob"], &[("sales+eu", &["bob"])]);
    assert_eq!(site.names(address), "bob");
    let site = Site::new(&["sales+eu", "bob"], &[("sales@dobbs.org", &["bob"])]);
    assert_eq!(site.names(address), "sales+eu");
}

#[test]
fn an_alias_is_found_however_it_is_written() {
    let site = Site::new(
        &["ann", "bob"],
        &[
            ("sales", &["bob", "ann"]),
            ("Büro@Bücher.example", &["ann"]),
            ("büro", &["bob"]),
            ("info@example.org", &["ann"]),
            ("@example.org", &["bob"]),
            ("@MAILGATE.dobbs.org", &["ann"]),
        ],
    );
    for (address, names) in [
        ("sales", "ann bob"),
        ("Sales@Dobbs.ORG", "ann bob"),
        ("sales+x@dobbs.net", "ann bob"),
        ("büro@bücher.example", "ann"),
        ("BÜRO@xn--bcher-kva.EXAMPLE", "ann"),
        ("Bu\u{308}ro@Bu\u{308}cher.example", "ann"),
        ("büro+x@bücher.example", "ann"),
        ("büro@dobbs.org", "bob"),
        ("info@example.org", "ann"),
        ("INFO@EXAMPLE.ORG", "ann"),
        ("info+x@example.org", "ann"),
        ("anybody@example.org", "bob"),
        ("bob@example.org", "bob"),
        // What no account could be called, but an address may be.
        ("a/b!c$d@example.org", "bob"),
        ("用户@example.org", "bob"),
        ("\"a b\"@example.org", ""),
        ("a b@example.org", ""),
        ("info@dobbs.org", ""),
        // Without a domain it is the host's.
        ("anybody", "ann"),
        ("anybody@mailgate.dobbs.org", "ann"),
        ("anybody@dobbs.org", ""),
        ("anybody@sub.example.org", ""),
    ] {
        assert_eq!(site.names(address), names, "{address}");
    }
}

#[test]
fn a_detail_begins_at_any_separator_or_at_none() {
    let site = Site::new(&["bob", "bob-x"], &[]);
    for (separator, address, found) in [
        ("+", "bob+x", true),
        ("+", "bob-y", false),
        ("+-", "bob-y", true),
        ("+-", "bob+y-z", true),
        ("-+", "bob+y-z", true),
        ("-", "bob+y", false),
        ("-", "bob-x", true),
        ("", "bob+x", false),
    ] {
        let one = site.ask(address, separator);
        assert_eq!(one.len(), usize::from(found), "{separator:?} {address}");
    }
    assert_eq!(site.ask("bob-x", "-")[0].account, "bob-x");
}

#[test]
fn the_disabled_are_left_out_while_others_are_not() {
    let site = Site::new(&["ann", "bob"], &[("sales", &["ann", "bob"])]);
    site.disable("ann");
    assert_eq!(site.names("sales"), "bob");
    site.disable("bob");
    let all = site.ask("sales", "+");
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.state == State::Disabled));
    // And no catch-all is asked in their place.
    let site = Site::new(&["ann", "bob"], &[("@dobbs.org", &["bob"])]);
    site.disable("ann");
    assert_eq!(site.ask("ann@dobbs.org", "+")[0].state, State::Disabled);
}

#[test]
fn removed_accounts_vanish_from_an_alias_and_come_back() {
    let site = Site::new(
        &["ann", "bob", "eve"],
        &[("sales", &["ann", "bob"]), ("@dobbs.org", &["eve"])],
    );
    let ann = site.accounts.remove("ann").unwrap();
    assert_eq!(site.names("sales@dobbs.org"), "bob");
    site.accounts.rename("bob", "robert").unwrap();
    assert_eq!(site.names("sales@dobbs.org"), "robert");
    site.accounts.remove("robert").unwrap();
    // Nobody is there: as if there were no alias.
    assert_eq!(site.names("sales@dobbs.org"), "eve");
    site.accounts.restore(ann.maildrop).unwrap();
    assert_eq!(site.names("sales@dobbs.org"), "ann");
}

/// Each name is one look by keys, however many accounts and aliases there are.
#[test]
fn no_table_is_gone_through() {
    let site = Site::new(&["bob"], &[("sales", &["bob"])]);
    let connection = site.accounts.lock();
    let mut plan = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {NAMED}"))
        .unwrap();
    let steps = plan
        .query_map(["x"], |row| row.get::<_, String>(3))
        .unwrap();
    let steps: Vec<String> = steps.map(Result::unwrap).collect();
    assert!(
        steps.iter().any(|step| step.contains("SEARCH")),
        "{steps:?}"
    );
    assert!(!steps.iter().any(|step| step.contains("SCAN")), "{steps:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    /// Whatever an alias may be called, mail for it is found: as it is stored and as it was written, in
    /// upper case, with a detail.
    #[test]
    fn what_is_accepted_is_found(
        local in "[a-zA-Z0-9._!ÜüŻżÅåΑα用-]{1,12}",
        domain in prop::option::of("(dobbs\\.org|Bücher\\.example|[a-z]{1,9}\\.(example|ORG)|[üöäéß]{1,9}\\.test)"),
    ) {
        let text = match &domain {
            Some(domain) => format!("{local}@{domain}"),
            None => local.clone(),
        };
        if let Ok(alias) = AliasAddress::parse(&text) {
            let site = Site::new(&["owner@accounts.example"], &[(&text, &["owner@accounts.example"])]);
            let upper = text.to_uppercase();
            // ß in upper case is two letters, and no name's any more.
            let upper = if text.contains('ß') { &text } else { &upper };
            for asked in [alias.as_str(), &text, upper] {
                prop_assert_eq!(site.names(asked), "owner@accounts.example", "{}", asked);
            }
            if !local.ends_with('.') {
                let detailed = text.replacen(&local, &format!("{local}+x.y"), 1);
                prop_assert_eq!(site.names(&detailed), "owner@accounts.example", "{}", detailed);
            }
        }
    }
}
