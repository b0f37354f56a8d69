//! Adding the accounts of another server, many at once.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::thread;

use super::apop_key::ApopKey;
use super::passwd_file::ImportLine;
use super::{Accounts, AccountsError, Password, account, alias, begin, id_of, insert};
use crate::name::AccountName;

/// So many accounts are written in one transaction: what an interrupted import has to repeat.
const BATCH: usize = 64;

/// Whether an APOP secret is kept, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Apop {
    /// No.
    Skip,
    /// The password of `{PLAIN}` lines, encrypted; other lines have none to keep.
    Keep,
}

/// What an import did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImportReport {
    /// Accounts that were added.
    pub added: usize,
    /// Of these, so many got an APOP secret.
    pub with_apop: usize,
    /// Accounts that were there before and stay as they are, with their lines.
    pub existing: Vec<(usize, AccountName)>,
}

impl Accounts {
    /// Adds the accounts of a passwd-file. Names that exist already are reported and left as they
    /// are, so an interrupted import can be repeated. Passwords in clear are hashed by as many
    /// threads as there are cores. `progress` is told how many lines are done.
    ///
    /// # Errors
    ///
    /// When the database cannot be written; what was reported as done stays.
    pub fn import(
        &self,
        lines: &[ImportLine],
        apop: Apop,
        mut progress: impl FnMut(usize),
    ) -> Result<ImportReport, AccountsError> {
        let key = match apop {
            Apop::Keep => Some(ApopKey::read_or_make(&self.data)?),
            Apop::Skip => None,
        };
        let mut report = ImportReport::default();
        let present: HashSet<String> = self.list()?.into_iter().map(|a| a.name).collect();
        // Before anything is done, since each batch is there for good.
        for line in lines
            .iter()
            .filter(|line| !present.contains(line.name.as_str()))
        {
            alias::free(&self.reader(), &line.name)?;
        }
        for (n, batch) in lines.chunks(BATCH).enumerate() {
            let (existing, missing): (Vec<_>, Vec<_>) = batch
                .iter()
                .partition(|line| present.contains(line.name.as_str()));
            let known = existing.iter().map(|line| (line.line, line.name.clone()));
            report.existing.extend(known);
            self.import_batch(&missing, key.as_ref(), &mut report)?;
            progress(n * BATCH + batch.len());
        }
        Ok(report)
    }

    fn import_batch(
        &self,
        lines: &[&ImportLine],
        key: Option<&ApopKey>,
        report: &mut ImportReport,
    ) -> Result<(), AccountsError> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = lines.len().div_ceil(threads).max(1);
        let stored: Result<Vec<_>, AccountsError> = thread::scope(|scope| {
            let workers: Vec<_> = lines
                .chunks(share)
                .map(|part| {
                    scope.spawn(move || -> Result<Vec<_>, AccountsError> {
                        part.iter()
                            .map(|line| self.stored(&line.password))
                            .collect()
                    })
                })
                .collect();
            let mut all = Vec::with_capacity(lines.len());
            for worker in workers {
                match worker.join() {
                    Ok(part) => all.extend(part?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(all)
        });
        let stored = stored?;
        let mut done = ImportReport::default();
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        for (line, stored) in lines.iter().zip(&stored) {
            // Another process may have added it while we hashed.
            if id_of(&transaction, &line.name).is_ok() {
                done.existing.push((line.line, line.name.clone()));
                continue;
            }
            let id = insert(&transaction, &line.name, stored)?;
            account::change(&transaction, id, &line.change)?;
            done.added += 1;
            if let (Some(key), Password::Clear(secret)) = (key, &line.password) {
                self.write_apop(&transaction, key, id, secret)?;
                done.with_apop += 1;
            }
        }
        transaction.commit()?;
        report.added += done.added;
        report.with_apop += done.with_apop;
        report.existing.extend(done.existing);
        Ok(())
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            added, existing, ..
        } = self;
        write!(
            f,
            "{added} accounts added, {} existed already",
            existing.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::passwd_file::*;
    use super::super::{Change, Quota, State};
    use super::*;
    use crate::hash::Scheme;

    const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    fn accounts(dir: &tempfile::TempDir) -> Accounts {
        Accounts::open(dir.path())
            .unwrap()
            .scram(Some(4096))
            .unwrap()
    }

    #[test]
    fn a_passwd_file_is_imported() {
        let text = format!(
            "# from the old server\r\n\nbob:{{PLAIN}}red queen\r\nAlice@Example.org:{{blf-crypt}}{BCRYPT}::1000:1000::/home/alice\n\
             carol:{{SHA512-CRYPT}}$6$x${digits}\ndave:{{PLAIN}}{{x}}::::::\n\
             erin:{{ARGON2ID}}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            digits = "a".repeat(85) + "."
        );
        let lines = parse_import(text.as_bytes()).unwrap().lines;
        let numbers: Vec<_> = lines.iter().map(|l| (l.line, l.name.as_str())).collect();
        assert_eq!(
            numbers,
            [
                (3, "bob"),
                (4, "alice@example.org"),
                (5, "carol"),
                (6, "dave"),
                (7, "erin")
            ]
        );
        let dir = tempfile::tempdir().unwrap();
        let accounts = accounts(&dir);
        let mut told = Vec::new();
        let report = accounts
            .import(&lines, Apop::Keep, |done| told.push(done))
            .unwrap();
        assert_eq!((report.added, report.with_apop, told), (5, 2, vec![5]));
        let schemes: Vec<_> = accounts
            .list()
            .unwrap()
            .into_iter()
            .map(|a| (a.name, a.password.unwrap(), a.scram, a.apop))
            .collect();
        assert_eq!(
            schemes,
            [
                (
                    "alice@example.org".to_string(),
                    Scheme::BlfCrypt,
                    false,
                    false
                ),
                ("bob".to_string(), Scheme::Argon2id, true, true),
                ("carol".to_string(), Scheme::Sha512Crypt, false, false),
                ("dave".to_string(), Scheme::Argon2id, true, true),
                ("erin".to_string(), Scheme::Argon2id, false, false),
            ]
        );
    }

    #[test]
    fn a_repeated_import_adds_what_is_missing_and_changes_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = accounts(&dir);
        let text: String = (0..150)
            .map(|n| format!("user{n}:{{BLF-CRYPT}}{BCRYPT}\n"))
            .collect();
        let lines = parse_import(text.as_bytes()).unwrap().lines;
        accounts.import(&lines[..70], Apop::Skip, |_| ()).unwrap();
        let before = accounts.list().unwrap();
        let mut told = Vec::new();
        let report = accounts
            .import(&lines, Apop::Skip, |done| told.push(done))
            .unwrap();
        assert_eq!((report.added, report.existing.len()), (80, 70));
        assert_eq!(
            report.existing[69],
            (70, AccountName::parse("user69").unwrap())
        );
        assert_eq!(told, [64, 128, 150]);
        let after = accounts.list().unwrap();
        assert!(before.iter().all(|account| after.contains(account)));
        assert_eq!(after.len(), 150);
        assert!(after.iter().all(|account| !account.apop));
    }

    /// What other servers say of an account, and what becomes of it here.
    #[test]
    fn the_fields_of_a_passwd_file_are_taken_or_told() {
        let text = format!(
            "alice:{{BLF-CRYPT}}{BCRYPT}:1000:1000:Alice Liddell,,,:/home/alice:/bin/sh:userdb_quota_rule=*:storage=1G:messages=500 proxy_maybe=y\n\
             bob:{{Cleartext}}red queen:1000:1000::/home/bob::allow_nets=192.0.2.0/24,2001:db8::/32 userdb_mail=maildir:~/Maildir nologin\n\
             carol:{BCRYPT}\n\
             dave:{{CRYPT}}{BCRYPT}::::::userdb_quota_rule=*:bytes=1000 userdb_quota_rule=Trash:storage=+10%%\n\
             erin:{{crypt}}{BCRYPT}::::::userdb_quota_rule=*:storage=10 userdb_quota_rule=*:messages=0\n\
             frank:{{MD5}}$1$C0UmNrxj$lCwQhHLNIbaoZf6rFjHYD/::::::userdb_quota_rule=*:storage=99999999T userdb_{{{BCRYPT}=x\n"
        );
        let file = parse_import(text.as_bytes()).unwrap();
        let quota = |number| Some(Some(Quota::AtMost(NonZeroU64::new(number).unwrap())));
        let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let changes: Vec<_> = file.lines.iter().map(|line| line.change.clone()).collect();
        let expected = [
            Change {
                octets: quota(1 << 30),
                messages: quota(500),
                ..Change::default()
            },
            Change {
                state: Some(State::Disabled),
                networks: Some(networks.to_vec()),
                ..Change::default()
            },
            Change::default(),
            Change {
                octets: quota(1000),
                ..Change::default()
            },
            Change {
                octets: quota(10 * 1024),
                messages: Some(Some(Quota::Unlimited)),
                ..Change::default()
            },
            Change::default(),
        ];
        assert_eq!(changes, expected);
        let left_out: Vec<_> = file
            .left_out
            .iter()
            .map(|(n, &c)| (n.as_str(), c))
            .collect();
        let expected = [
            ("gecos", 1),
            ("gid", 2),
            ("home", 2),
            ("proxy_maybe", 1),
            ("shell", 1),
            ("uid", 2),
            ("userdb_mail", 1),
            ("userdb_quota_rule", 2),
            ("…", 1),
        ];
        assert_eq!(left_out, expected);

        let dir = tempfile::tempdir().unwrap();
        let accounts = accounts(&dir);
        accounts.import(&file.lines, Apop::Skip, |_| ()).unwrap();
        let bob = accounts.show("bob").unwrap();
        assert_eq!(
            (bob.state, bob.networks),
            (State::Disabled, networks.to_vec())
        );
        let alice = accounts.show("alice").unwrap().terms;
        assert_eq!(alice.octets.unwrap().limit(), Some(1 << 30));
        assert_eq!(alice.messages.unwrap().limit(), Some(500));
        let frank = accounts.show("frank").unwrap();
        assert_eq!(frank.password, Some(Scheme::Md5Crypt));
    }

    /// Whoever is refused there, or led elsewhere, does not come in here.
    #[test]
    fn a_field_that_refuses_logins_disables_the_account_or_makes_the_line_wrong() {
        let of = |fields: &str| parse_import(format!("bob:{BCRYPT}::::::{fields}\n").as_bytes());
        for disabled in [
            "nologin",
            "nologin=no",
            "nologin:protected=",
            "reason=gone fail=y",
            "fail:default",
            "userdb_tempfail=yes",
        ] {
            let file = of(disabled).unwrap();
            let state = file.lines[0].change.state;
            assert_eq!(state, Some(State::Disabled), "{disabled}");
        }
        for (wrong, told) in [
            (
                "allow_real_nets=192.0.2.0/24",
                "allow_real_nets can refuse logins there",
            ),
            (
                "delay_until=1795000000+60",
                "delay_until can refuse logins there",
            ),
            (
                "nologin check_client_fp=aa",
                "check_client_fp can refuse logins there",
            ),
            (
                "check_client_cert_fp=aa",
                "check_client_cert_fp can refuse logins there",
            ),
            (
                "check_client_pubkey_fp=aa",
                "check_client_pubkey_fp can refuse logins there",
            ),
            (
                "passdb_import=nologin",
                "passdb_import can refuse logins there",
            ),
            (
                "userdb_userdb_import=tempfail",
                "userdb_userdb_import can refuse logins there",
            ),
            (
                "allow_nets=192.0.2.0/24 allow_nets=192.0.2.7",
                "allow_nets is there twice",
            ),
            (
                "allow_nets=::1 allow_nets:protected=::1",
                "allow_nets is there twice",
            ),
            (
                "allow_nets:protected=local",
                "allow_nets names what is not a network",
            ),
            ("allow_nets=", "allow_nets names what is not a network"),
            (
                "noauthenticate",
                "noauthenticate leaves the password to another database",
            ),
            (
                "proxy=y host=192.0.2.9 pass=secret1",
                "proxy leads the login to another server",
            ),
            (
                "proxy_maybe=y host=192.0.2.9",
                "host leads the login to another server",
            ),
            (
                "proxy_maybe proxy_always",
                "proxy_always leads the login to another server",
            ),
            (
                "user=alice",
                "user leads the login to another server or account",
            ),
            ("username=alice", "username leads the login"),
            ("domain=example.org", "domain leads the login"),
            ("login_user=alice", "login_user leads the login"),
            ("userdb_user=alice", "userdb_user leads the login"),
            ("userdb_username=alice", "userdb_username leads the login"),
            ("userdb_domain=example.org", "userdb_domain leads the login"),
        ] {
            let errors = of(wrong).unwrap_err();
            let [error] = &errors[..] else {
                panic!("{wrong}: {errors:?}");
            };
            let error = error.to_string();
            assert!(
                error.starts_with(&format!("line 1 (bob): {told}")),
                "{error}"
            );
            assert!(!error.contains("secret1"), "{error}");
        }
        let harmless =
            "nodelay k5principals=bob@EXAMPLE.ORG master=x reason=x event_a=b forward_a=b";
        let file = of(harmless).unwrap();
        assert_eq!(file.lines[0].change, Change::default());
        assert_eq!(file.left_out.len(), 6);
    }

    #[test]
    fn a_shadow_file_is_imported_and_who_is_locked_stays_so() {
        let yescrypt = "$y$j9T$saltsaltsaltsalt$eBwVRVnzyKVSxADzqpnPErqLvf1cnxbpgQe4Y9.uUmA";
        let text = format!(
            "daemon:*:19000:0:99999:7:::\nsshd:!:19000::::::\n_apt:!*:19000:0:99999:7:::\nbin:!!:::::::\n\
             alice:{yescrypt}:19000:0:99999:7:::\nbob:!{yescrypt}:19000:0:99999:7:::\n\
             carol:{yescrypt}:19000:0:99999:7::20000:\ndave:!{{BLF-CRYPT}}{BCRYPT}:::::::\n"
        );
        let errors = parse_import(text.as_bytes()).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let text = text.replace("dave:!{BLF-CRYPT}", "dave:{BLF-CRYPT}!");
        let file = parse_import(text.as_bytes()).unwrap();
        let locked: Vec<_> = file
            .locked
            .iter()
            .map(|(n, name)| (*n, name.as_str()))
            .collect();
        assert_eq!(
            locked,
            [(1, "daemon"), (2, "sshd"), (3, "_apt"), (4, "bin")]
        );
        let left_out: Vec<_> = file.left_out.into_iter().collect();
        assert_eq!(left_out, [("age of the password".to_owned(), 3)]);

        let dir = tempfile::tempdir().unwrap();
        let accounts = accounts(&dir);
        accounts.import(&file.lines, Apop::Skip, |_| ()).unwrap();
        let day = UNIX_EPOCH + Duration::from_secs(20_000 * 86_400);
        let seen: Vec<_> = accounts
            .list()
            .unwrap()
            .into_iter()
            .map(|a| (a.name, a.password.unwrap(), a.state, a.expires))
            .collect();
        let expected = [
            ("alice", Scheme::Yescrypt, State::Enabled, None),
            ("bob", Scheme::Yescrypt, State::Disabled, None),
            ("carol", Scheme::Yescrypt, State::Enabled, Some(day)),
            ("dave", Scheme::BlfCrypt, State::Disabled, None),
        ];
        assert_eq!(
            seen,
            expected.map(|(name, a, b, c)| (name.to_owned(), a, b, c))
        );
    }

    #[test]
    fn a_password_that_would_be_too_old_there_ends_the_account_here() {
        let day = |number: u64| UNIX_EPOCH + Duration::from_secs(number * 86_400);
        for (ages, expires, due) in [
            // The last change, at most so old, taken so much longer: the sum or the end, the earlier one.
            ("19000:0:90:7:30::", Some(19_120), None),
            ("19000:0:90:7:30:19100:", Some(19_100), None),
            ("19000:0:90:7:30:20000:", Some(19_120), None),
            ("19000:0:90:7:0::", Some(19_090), None),
            // Only a new password is asked for.
            ("19000:0:90:7:::", None, Some(19_090)),
            ("19000:0:90:7:-1:20000:", Some(20_000), Some(19_090)),
            ("0:0:99999:7:::", None, Some(0)),
            ("0:0:90:7:30::", None, Some(0)),
            // No age at all.
            (":0:90:7:30::", None, None),
            ("-1:0:90:7:30::", None, None),
            ("19000:0::7:30::", None, None),
            ("19000:0:-1:7:30::", None, None),
            ("19000:0:99999999999:7:30::", None, None),
            (
                "4294967295:0:4294967295:7:4294967295::",
                Some(3 * u64::from(u32::MAX)),
                None,
            ),
        ] {
            let file = parse_import(format!("bob:{BCRYPT}:{ages}\n").as_bytes()).unwrap();
            let line = &file.lines[0];
            assert_eq!(line.change.expires, expires.map(|n| Some(day(n))), "{ages}");
            assert_eq!(line.change_due, due.map(day), "{ages}");
            assert_eq!(line.change.state, None, "{ages}");
        }
    }

    #[test]
    fn every_bad_line_is_told_with_its_number_and_nothing_is_imported() {
        let text = b"bob:{PLAIN}secret1\n\
            no colon here\n\
            eve:secret2\n\
            eve:{LANMAN}secret3\n\
            eve:{secret 4\n\
            e/ve:{PLAIN}secret5\n\
            eve:{PLAIN}\n\
            eve:{PLAIN}secret6:1000:1000\n\
            eve:{BLF-CRYPT}$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n\
            eve:{SHA512-CRYPT}$6$secret7\n\
            BOB:{PLAIN}secret8\n\
            eve:{PLAIN}\xff\n\
            eve:{secret/9}x\n\
            eve::19000:0:99999:7:::\n\
            eve:x:1000:1000::/home/eve:/bin/sh\n\
            eve:$gy$j9T$secret1$secret2:19000:0:99999:7:::\n\
            eve:{CRYPT}secret1234567\n\
            eve:{MD5}secret11\n\
            eve:{PLAIN}a:b:c:d:e:f:g\n\
            eve:{PLAIN}secret12::::::allow_nets=local,192.0.2.1\n\
            eve:{MD5-CRYPT}$1$C0UmNrxj$lCwQhHLNIbaoZf6rFjHYD/::::::nopassword=y\n\
            eve:$secret13\n\
            eve:{PBKDF2}$1$secret14$5000$secret15\n\
            eve:{SSHA}\n";
        let errors = parse_import(text).unwrap_err();
        let told: Vec<_> = errors.iter().map(ImportError::to_string).collect();
        let expected = [
            "line 2: a line looks like name:{SCHEME}secret",
            "line 3 (eve): a line looks like name:{SCHEME}secret or, with a hash of crypt(3), name:$6$",
            "line 4 (eve): the scheme {LANMAN} is not supported; supported are PLAIN, CRYPT, ARGON2ID, ARGON2I, YESCRYPT, SCRYPT, BLF-CRYPT, SHA512-CRYPT, SHA256-CRYPT, PBKDF2, MD5-CRYPT",
            "line 5 (eve): a line looks like name:{SCHEME}secret",
            "line 6: an account name must not contain '/'",
            "line 7 (eve): a password has 1 to 512 octets",
            "line 8 (eve): a {PLAIN} secret ends at the next ':'",
            "line 9 (eve): the BLF-CRYPT hash costs too much to check: cost 31; at most cost 14 is accepted",
            "line 10 (eve): this is not a SHA512-CRYPT hash, which looks like $6$<salt>$<86 characters>",
            "line 11: bob is on line 1 already",
            "line 12: the line is not UTF-8",
            "line 13 (eve): the scheme {…} is not supported",
            "line 14 (eve): there is no password, so that anybody could log in",
            "line 15 (eve): x stands for a password in the shadow file; import that one",
            "line 16 (eve): the scheme $gy$ is not supported",
            "line 17 (eve): the scheme {DES-CRYPT} is not supported",
            "line 18 (eve): the scheme {MD5} is not supported",
            "line 19 (eve): a {PLAIN} secret ends at the next ':'",
            "line 20 (eve): allow_nets names what is not a network",
            "line 21 (eve): nopassword lets anybody log in",
            "line 22 (eve): a line looks like name:{SCHEME}secret",
            "line 23 (eve): this is not a PBKDF2 hash, which looks like $1$<salt>$5000$<40 hexadecimal digits>",
            "line 24 (eve): the scheme {SSHA} is not supported",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}");
            assert!(!told.contains("secret1"), "{told}");
        }
    }

    proptest::proptest! {
        /// A line with any character changed is another account, or wrong; its hash is never printed.
        #[test]
        fn damaged_lines_are_answered(
            which in 0_usize..4,
            at: proptest::sample::Index,
            with: char,
        ) {
            let (behind, digits) = ("hCfCTVCaw6NKdZFWVEq6by3", "D2k148EzzU7HWiA9iaX0");
            let yescrypt = format!("$y$j7T$F5Jx5fExrKuPp53xLKQ..1${digits}{behind}");
            let line = [
                format!("bob:{{CRYPT}}{yescrypt}:1000:1000:Bob:/home/bob:/bin/sh:nologin userdb_quota_rule=*:storage=1G allow_nets=10.0.0.0/8"),
                format!("bob:!{yescrypt}:19000:0:99999:7::20000:"),
                format!("bob:{yescrypt}"),
                format!("bob:{{PLAIN}}{digits}:1000:1000::/home/bob::allow_nets=::1"),
            ][which].clone();
            let mut damaged: Vec<char> = line.chars().collect();
            let at = at.index(damaged.len());
            damaged[at] = with;
            let damaged: String = damaged.into_iter().collect();
            match parse_import(damaged.as_bytes()) {
                Ok(file) => proptest::prop_assert!(file.lines.len() + file.locked.len() <= 1),
                Err(errors) => for error in errors {
                    let told = error.to_string();
                    proptest::prop_assert!(!told.contains(digits) && !told.contains(behind), "{}", told);
                },
            }
        }

        /// Any octets get an answer: accounts, or what is wrong with which line.
        #[test]
        fn any_text_is_answered(
            text in proptest::collection::vec(
                proptest::sample::select(&b"bob:{}PLAIN$2y6rounds=argon2id,m\n\r\0\xff\xc3#@./!*CRYT 1"[..]),
                0..200,
            )
        ) {
            if let Err(errors) = parse_import(&text) {
                proptest::prop_assert!(!errors.is_empty());
                proptest::prop_assert!(errors.is_sorted_by_key(|error| error.line));
            }
        }
    }
}
