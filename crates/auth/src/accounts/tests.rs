//! What the program does with accounts, from the outside.

use std::sync::Arc;

use super::*;
use crate::address::AliasAddress;
use crate::hash::Scheme;

const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn accounts(dir: &tempfile::TempDir) -> Accounts {
    Accounts::open(dir.path())
        .unwrap()
        .scram(Some(4096))
        .unwrap()
}

const ADDRESSING: Addressing<'static> = Addressing {
    hostname: "h.example",
    domains: &[],
    detail_separator: "+",
};

fn recipients(accounts: &Accounts, address: &str) -> Vec<Recipient> {
    accounts.recipients(address, &ADDRESSING).unwrap()
}

fn clear(text: &str) -> Password {
    Password::Clear(Secret::new(text))
}

fn hashed() -> Password {
    Password::Hash(PasswordHash::parse(Scheme::BlfCrypt, BCRYPT).unwrap())
}

#[test]
fn an_account_is_added_shown_and_listed_without_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let bob = accounts.add("Bob", &clear("redqueen")).unwrap();
    assert_eq!((bob.name.as_str(), bob.version), ("bob", 1));
    assert_eq!(bob.password, Some(Scheme::Argon2id));
    assert!(bob.scram && !bob.apop);
    assert_eq!(bob.state, State::Enabled);
    assert_eq!(accounts.show("BOB").unwrap(), bob);
    let alice = accounts.add("alice@example.org", &hashed()).unwrap();
    assert_eq!(
        (alice.password, alice.scram),
        (Some(Scheme::BlfCrypt), false)
    );
    assert_ne!(alice.maildrop, bob.maildrop);
    assert_eq!(accounts.list().unwrap(), [alice, bob.clone()]);
    let printed = format!("{bob:?} {:?} {:?}", clear("redqueen"), hashed());
    assert!(
        !printed.contains("redqueen") && !printed.contains('$'),
        "{printed}"
    );
}

#[test]
fn what_cannot_be_added_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    accounts.add("bob", &clear("redqueen")).unwrap();
    for (name, password, told) in [
        (
            "BOB",
            "x",
            "there is an account bob already; change it with `user passwd` or `user set`",
        ),
        ("../bob", "x", "an account name must not contain '/'"),
        ("eve", "", "a password has 1 to 512 octets"),
        ("eve", "a\r\nb", "a password has 1 to 512 octets"),
        ("eve", "a\0b", "a password has 1 to 512 octets"),
        ("eve", &"x".repeat(513), "a password has 1 to 512 octets"),
    ] {
        let error = accounts
            .add(name, &clear(password))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(told), "{error}");
    }
    for error in [
        accounts.show("eve").unwrap_err(),
        accounts.set_password("eve", &clear("x")).unwrap_err(),
        accounts.set_apop("eve", &Secret::new("x")).unwrap_err(),
        accounts.clear_apop("Eve").unwrap_err(),
        accounts.set("eve", &Change::default()).unwrap_err(),
        accounts.rename("eve", "adam").unwrap_err(),
        accounts.remove("eve").unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "there is no account eve; `restante user list` shows all"
        );
    }
}

#[test]
fn too_few_iterations_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Accounts::open(dir.path()).unwrap().scram(Some(4095));
    assert!(matches!(refused, Err(AccountsError::ScramIterations(4095))));
}

#[test]
fn no_password_is_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    accounts.add("bob", &clear("redqueen")).unwrap();
    accounts.set_apop("bob", &Secret::new("tanstaaf")).unwrap();
    for file in dir.path().read_dir().unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [b"redqueen", b"tanstaaf"] {
            assert!(!octets.windows(8).any(|window| window == secret));
        }
    }
}

#[test]
fn a_new_password_leaves_nothing_of_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let bob = accounts.add("bob", &clear("redqueen")).unwrap();
    accounts.set_password("BOB", &hashed()).unwrap();
    let changed = accounts.show("bob").unwrap();
    assert_eq!(changed.password, Some(Scheme::BlfCrypt));
    assert!(
        !changed.scram,
        "the old password's verifier would still log in"
    );
    assert_eq!((changed.version, changed.maildrop), (2, bob.maildrop));
    accounts.set_password("bob", &clear("caterpillar")).unwrap();
    assert!(accounts.show("bob").unwrap().scram);
}

#[test]
fn without_scram_no_verifier_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir).scram(None).unwrap();
    assert!(!accounts.add("bob", &clear("redqueen")).unwrap().scram);
}

#[test]
fn a_password_that_saslprep_refuses_has_no_verifier_but_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let bob = accounts(&dir)
        .add("bob", &Password::Clear(Secret::new(vec![0xff])))
        .unwrap();
    assert_eq!((bob.password, bob.scram), (Some(Scheme::Argon2id), false));
}

#[test]
fn an_apop_secret_is_set_and_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    accounts.add("bob", &clear("redqueen")).unwrap();
    accounts.set_apop("bob", &Secret::new("tanstaaf")).unwrap();
    assert!(accounts.show("bob").unwrap().apop);
    accounts.clear_apop("bob").unwrap();
    assert!(!accounts.show("bob").unwrap().apop);
}

#[test]
fn settings_change_one_by_one_and_each_raises_the_version() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let bob = accounts.add("bob", &hashed()).unwrap();
    let end = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let networks: Vec<_> = ["192.0.2.0/24", "2001:db8::/32"]
        .map(|n| n.parse().unwrap())
        .into();
    let disabled = Change {
        state: Some(State::Disabled),
        ..Change::default()
    };
    let changed = accounts.set("bob", &disabled).unwrap();
    assert_eq!(
        (changed.state, changed.version),
        (State::Disabled, bob.version + 1)
    );
    let limited = Change {
        expires: Some(Some(end)),
        networks: Some(networks.clone()),
        ..Change::default()
    };
    let changed = accounts.set("bob", &limited).unwrap();
    assert_eq!(changed.state, State::Disabled);
    assert_eq!((changed.expires, &changed.networks), (Some(end), &networks));
    assert!(changed.version > bob.version + 1);
    let free = Change {
        state: Some(State::Enabled),
        expires: Some(None),
        networks: Some(vec![]),
        ..Change::default()
    };
    let changed = accounts.set("bob", &free).unwrap();
    let version = changed.version;
    assert_eq!(changed, Account { version, ..bob });
    assert_eq!(
        accounts.set("bob", &Change::default()).unwrap().version,
        version
    );
}

#[test]
fn a_renamed_account_keeps_its_maildrop() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let bob = accounts.add("bob", &hashed()).unwrap();
    let robert = accounts.rename("Bob", "Robert").unwrap();
    assert_eq!(
        (robert.name.as_str(), robert.maildrop),
        ("robert", bob.maildrop)
    );
    accounts.add("bob", &hashed()).unwrap();
    assert!(
        matches!(accounts.rename("robert", "BOB"), Err(AccountsError::Exists(name)) if name == "bob")
    );
    assert_eq!(accounts.show("robert").unwrap().maildrop, bob.maildrop);
}

#[test]
fn a_removed_account_is_gone_but_its_maildrop_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let first = accounts.add("bob", &hashed()).unwrap();
    let removed = accounts.remove("Bob").unwrap();
    assert_eq!(
        (removed.name.as_str(), removed.maildrop),
        ("bob", first.maildrop)
    );
    assert_eq!(removed.purge_due, removed.removed + REMOVED_KEPT);
    assert!(accounts.show("bob").is_err());
    assert_eq!(accounts.list().unwrap(), []);
    assert_eq!(recipients(&accounts, "bob"), []);
    // A new account of the old name never sees the old mail.
    let second = accounts.add("bob", &hashed()).unwrap();
    assert_ne!(second.maildrop, first.maildrop);
    assert!(matches!(
        accounts.restore(first.maildrop),
        Err(AccountsError::Exists(_))
    ));
    assert!(accounts.claim(second.maildrop, None).unwrap().is_none());
    accounts.remove("bob").unwrap();
    let kept: Vec<_> = accounts
        .removed()
        .unwrap()
        .iter()
        .map(|r| r.maildrop)
        .collect();
    assert_eq!(kept, [first.maildrop, second.maildrop]);
    let restored = accounts.restore(first.maildrop).unwrap();
    assert_eq!(
        (restored.name.as_str(), restored.maildrop),
        ("bob", first.maildrop)
    );
    forget(&accounts, second.maildrop);
    assert!(matches!(
        accounts.restore(second.maildrop),
        Err(AccountsError::NotRemoved(_))
    ));
    assert_eq!(accounts.removed().unwrap(), []);
}

/// The end of a removed account.
fn forget(accounts: &Accounts, maildrop: u64) {
    let erasing = accounts.claim(maildrop, None).unwrap().unwrap();
    accounts.purge(erasing).unwrap();
}

#[test]
fn an_account_that_came_back_is_not_claimed_by_who_read_it_before() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let bob = accounts.add("bob", &hashed()).unwrap();
    let removed = accounts.remove("bob").unwrap();
    let due = removed.purge_due;
    accounts.restore(bob.maildrop).unwrap();
    assert!(accounts.claim(bob.maildrop, Some(due)).unwrap().is_none());
    assert_eq!(accounts.show("bob").unwrap().maildrop, bob.maildrop);
    // Removed again: the 30 days begin anew.
    accounts
        .set_swept(removed.removed + 2 * REMOVED_KEPT)
        .unwrap();
    let again = accounts.remove("bob").unwrap();
    assert!(accounts.claim(bob.maildrop, Some(due)).unwrap().is_none());
    let claimed = accounts.claim(bob.maildrop, Some(again.purge_due));
    assert!(claimed.unwrap().is_some());
}

#[test]
fn a_claimed_account_does_not_come_back_whatever_became_of_who_claimed_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = accounts(&dir);
    let bob = first.add("bob", &hashed()).unwrap();
    first.remove("bob").unwrap();
    assert!(!first.removed().unwrap()[0].is_erasing);
    assert!(first.claim(bob.maildrop, None).unwrap().is_some());
    drop(first);
    // Another process, later: the claim is there, and due at once.
    let accounts = accounts(&dir);
    let refused = accounts.restore(bob.maildrop);
    assert!(matches!(refused, Err(AccountsError::Erasing(name)) if name == "bob"));
    assert!(accounts.removed().unwrap()[0].is_erasing);
    let now = SystemTime::now();
    let kept = accounts.kept(0, 10).unwrap();
    assert!(kept[0].purge_due.is_some_and(|due| due <= now));
    // The name is free all the same, and its new account is another one.
    let second = accounts.add("bob", &hashed()).unwrap();
    let erasing = accounts.claim(bob.maildrop, Some(now)).unwrap().unwrap();
    accounts.purge(erasing).unwrap();
    assert_eq!(accounts.removed().unwrap(), []);
    assert_eq!(accounts.show("bob").unwrap(), second);
}

#[test]
fn of_giving_back_and_erasing_at_once_one_happens() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let other = Accounts::open(dir.path()).unwrap();
    for round in 0..50 {
        let name = format!("bob{round}");
        let maildrop = accounts.add(&name, &hashed()).unwrap().maildrop;
        accounts.remove(&name).unwrap();
        let (restored, claimed) = std::thread::scope(|scope| {
            let restored = scope.spawn(|| other.restore(maildrop));
            let claimed = accounts.claim(maildrop, None).unwrap();
            (restored.join().unwrap(), claimed)
        });
        match (restored, claimed) {
            (Ok(account), None) => assert_eq!(accounts.show(&name).unwrap(), account),
            (Err(AccountsError::Erasing(_)), Some(erasing)) => accounts.purge(erasing).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(accounts.removed().unwrap(), []);
}

#[test]
fn an_id_is_never_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let id = |name: &str| id_of(&accounts.lock(), &AccountName::parse(name).unwrap()).unwrap();
    accounts.add("bob", &hashed()).unwrap();
    let first = id("bob");
    let removed = accounts.remove("bob").unwrap();
    forget(&accounts, removed.maildrop);
    accounts.add("bob", &hashed()).unwrap();
    assert!(id("bob") > first);
}

#[test]
fn many_connections_write_at_once_and_every_name_is_added_once() {
    let dir = tempfile::tempdir().unwrap();
    let added: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let path = dir.path();
                scope.spawn(move || {
                    let accounts = Accounts::open(path).unwrap();
                    (0..25)
                        .filter(|n| match accounts.add(&format!("user{n}"), &hashed()) {
                            Ok(_) => true,
                            Err(AccountsError::Exists(_)) => false,
                            Err(error) => panic!("{error}"),
                        })
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(added, 25);
    let accounts = Arc::new(accounts(&dir));
    let list = accounts.list().unwrap();
    let drops: std::collections::HashSet<_> = list.iter().map(|a| a.maildrop).collect();
    assert_eq!((list.len(), drops.len()), (25, 25));
}

#[test]
fn an_upgrade_that_comes_after_a_change_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    accounts.add("bob", &hashed()).unwrap();
    let name = AccountName::parse("bob").unwrap();
    let row = row::Directory::open(dir.path())
        .unwrap()
        .read(&name)
        .unwrap()
        .unwrap();
    accounts.set_password("bob", &clear("caterpillar")).unwrap();
    let before = accounts.show("bob").unwrap();
    assert_eq!(accounts.upgrade(&row, &Secret::new("U*U")).unwrap(), None);
    assert_eq!(accounts.show("bob").unwrap(), before);
}

#[test]
fn there_is_a_secret_for_false_salts_and_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let secret = || -> Vec<u8> {
        let accounts = accounts(&dir);
        let connection = accounts.lock();
        connection
            .query_row(
                "SELECT octets FROM secret WHERE name = 'scram salts'",
                [],
                |r| r.get(0),
            )
            .unwrap()
    };
    assert_eq!(secret().len(), 32);
    assert_eq!(secret(), secret());
}

fn days(number: u32) -> Expire {
    Expire::Days(number.try_into().unwrap())
}

#[test]
fn terms_are_set_shown_and_left_to_the_configuration_again() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let bob = accounts.add("bob", &hashed()).unwrap();
    assert_eq!(bob.terms, Terms::default());
    let gibibyte = Quota::AtMost((1 << 30).try_into().unwrap());
    let change = Change {
        octets: Some(Some(gibibyte)),
        messages: Some(Some(Quota::Unlimited)),
        expire: Some(Some(days(30))),
        disposition: Some(Some(Disposition::Hide)),
        messages_shown: Some(Some(gibibyte)),
        ..Change::default()
    };
    let bob = accounts.set("bob", &change).unwrap();
    let terms = Terms {
        octets: Some(gibibyte),
        messages: Some(Quota::Unlimited),
        expire: Some(days(30)),
        disposition: Some(Disposition::Hide),
        messages_shown: Some(gibibyte),
    };
    assert_eq!(bob.terms, terms);
    assert_eq!(recipients(&accounts, "bob")[0].terms, terms);
    // What is not named stays.
    for expire in [Expire::Retrieved, Expire::Never, days(u32::MAX)] {
        let change = Change {
            expire: Some(Some(expire)),
            ..Change::default()
        };
        let bob = accounts.set("bob", &change).unwrap();
        let expire = Some(expire);
        assert_eq!(bob.terms, Terms { expire, ..terms });
    }
    for disposition in Disposition::ALL {
        let change = Change {
            disposition: Some(Some(disposition)),
            ..Change::default()
        };
        let bob = accounts.set("bob", &change).unwrap();
        assert_eq!(bob.terms.disposition, Some(disposition));
    }
    let back = Change {
        octets: Some(None),
        messages: Some(None),
        expire: Some(None),
        disposition: Some(None),
        messages_shown: Some(None),
        ..Change::default()
    };
    assert_eq!(accounts.set("bob", &back).unwrap().terms, Terms::default());
    let eve = accounts.add_with("eve", &hashed(), &change).unwrap();
    assert_eq!(eve.terms, terms);
    // A quota that i64 cannot hold is the greatest that it can.
    let change = Change {
        octets: Some(Some(Quota::AtMost(u64::MAX.try_into().unwrap()))),
        ..Change::default()
    };
    let octets = accounts.set("eve", &change).unwrap().terms.octets.unwrap();
    assert_eq!(octets.limit(), Some(i64::MAX as u64));
}

#[test]
fn a_term_that_makes_no_sense_is_not_written_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    accounts.add("bob", &hashed()).unwrap();
    for term in [
        "quota_octets = 0",
        "quota_messages = -2",
        "expire = -2",
        "expire = 4294967296",
    ] {
        let update = format!("UPDATE account SET {term}");
        accounts.lock().execute(&update, []).unwrap_err();
    }
    let connection = accounts.lock();
    connection
        .execute_batch("PRAGMA ignore_check_constraints = 1; UPDATE account SET expire = -7;")
        .unwrap();
    drop(connection);
    // Mail is kept rather than deleted by a number that nobody understands.
    accounts.show("bob").unwrap_err();
    accounts.kept(0, 10).unwrap_err();
}

#[test]
fn accounts_of_the_first_schema_leave_their_terms_to_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    accounts.add("bob", &hashed()).unwrap();
    // What a database of the first version has, and nothing else.
    accounts
        .lock()
        .execute_batch(
            "DROP INDEX account_expire; DROP TABLE swept;
             ALTER TABLE account DROP COLUMN quota_octets;
             ALTER TABLE account DROP COLUMN quota_messages;
             ALTER TABLE account DROP COLUMN expire;
             ALTER TABLE account DROP COLUMN scram_sha1_salt;
             ALTER TABLE account DROP COLUMN scram_sha1_iterations;
             ALTER TABLE account DROP COLUMN scram_sha1_stored_key;
             ALTER TABLE account DROP COLUMN scram_sha1_server_key;
             DROP INDEX account_disposition;
             ALTER TABLE account DROP COLUMN disposition;
             ALTER TABLE account DROP COLUMN messages_shown;
             ALTER TABLE account DROP COLUMN erasing;
             DROP TRIGGER account_alias; DROP TABLE alias;
             PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(accounts);
    let accounts = Accounts::open(dir.path()).unwrap();
    assert_eq!(accounts.show("bob").unwrap().terms, Terms::default());
    assert_eq!(accounts.swept().unwrap(), None);
    // What came later is there, and works.
    let alias = AliasAddress::parse("sales").unwrap();
    accounts.add_alias(&alias, &["bob".into()]).unwrap();
    assert_eq!(recipients(&accounts, "sales")[0].account, "bob");
}

#[test]
fn a_sweep_sees_every_account_once_and_which_were_removed() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let names = ["eve", "adam", "dan", "bob", "carol"];
    for name in names {
        let change = Change {
            expire: (name == "dan").then_some(Some(days(7))),
            ..Change::default()
        };
        accounts.add_with(name, &hashed(), &change).unwrap();
    }
    let adam = accounts.remove("adam").unwrap();
    let (mut seen, mut behind) = (Vec::new(), 0);
    loop {
        let some = accounts.kept(behind, 2).unwrap();
        let Some(last) = some.last() else { break };
        behind = last.id;
        if seen.is_empty() {
            accounts.add("frank", &hashed()).unwrap();
        }
        seen.extend(some);
    }
    let expected = [
        ("eve", None, None),
        ("adam", None, Some(adam.purge_due)),
        ("dan", Some(days(7)), None),
        ("bob", None, None),
        ("carol", None, None),
        ("frank", None, None),
    ];
    let seen: Vec<_> = seen
        .iter()
        .map(|kept| (kept.account.as_str(), kept.expire, kept.purge_due))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_clock_that_is_behind_makes_no_removed_account_older() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let trusted = SystemTime::now() + REMOVED_KEPT;
    accounts.set_swept(trusted).unwrap();
    accounts.add("bob", &hashed()).unwrap();
    let removed = accounts.remove("bob").unwrap();
    assert_eq!(seconds(removed.removed), seconds(trusted));
    assert_eq!(removed.purge_due, removed.removed + REMOVED_KEPT);
}

#[test]
fn nobody_is_unknown_for_good_before_there_was_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    let recipients = |address| accounts.recipients(address, &ADDRESSING);
    assert!(!accounts.begun().unwrap());
    for address in ["bob", "bob@h.example", "bob@example.org"] {
        let refused = recipients(address).unwrap_err();
        assert!(matches!(refused, AccountsError::NoneYet(_)), "{refused}");
    }
    // No account could ever have that name.
    assert_eq!(recipients("a b").unwrap(), []);
    let bob = accounts.add("bob", &hashed()).unwrap();
    assert!(accounts.begun().unwrap());
    assert_eq!(recipients("eve").unwrap(), []);
    // That the last one is gone does not make the directory a new one, nor does a copy of it.
    accounts.remove("bob").unwrap();
    forget(&accounts, bob.maildrop);
    assert!(accounts.begun().unwrap());
    assert_eq!(recipients("bob").unwrap(), []);
    let copy = tempfile::tempdir().unwrap();
    accounts.copy_to(&copy.path().join("accounts.db")).unwrap();
    assert!(Accounts::open(copy.path()).unwrap().begun().unwrap());
}

#[test]
fn a_sweep_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = accounts(&dir);
    assert_eq!(accounts.swept().unwrap(), None);
    for at in [1_700_000_000, 1_600_000_000] {
        accounts.set_swept(time(at)).unwrap();
        assert_eq!(accounts.swept().unwrap(), Some(time(at)));
    }
}
