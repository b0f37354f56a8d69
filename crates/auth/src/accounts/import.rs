//! Adding the accounts of another server, many at once.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::thread;

use super::apop_key::ApopKey;
use super::passwd_file::ImportLine;
use super::{Accounts, AccountsError, Password, begin, id_of, insert};
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
    use super::super::passwd_file::*;
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
        let lines = parse_import(text.as_bytes()).unwrap();
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
        let lines = parse_import(text.as_bytes()).unwrap();
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

    #[test]
    fn every_bad_line_is_told_with_its_number_and_nothing_is_imported() {
        let text = b"bob:{PLAIN}secret1\n\
            no colon here\n\
            eve:secret2\n\
            eve:{MD5-CRYPT}$1$secret3\n\
            eve:{secret 4\n\
            e/ve:{PLAIN}secret5\n\
            eve:{PLAIN}\n\
            eve:{PLAIN}secret6:1000:1000\n\
            eve:{BLF-CRYPT}$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n\
            eve:{SHA512-CRYPT}$6$secret7\n\
            BOB:{PLAIN}secret8\n\
            eve:{PLAIN}\xff\n\
            eve:{secret/9}x\n";
        let errors = parse_import(text).unwrap_err();
        let told: Vec<_> = errors.iter().map(ImportError::to_string).collect();
        let expected = [
            "line 2: a line looks like name:{SCHEME}secret",
            "line 3: a line looks like name:{SCHEME}secret",
            "line 4: the scheme {MD5-CRYPT} is not supported; supported are PLAIN, ARGON2ID, SHA512-CRYPT and BLF-CRYPT",
            "line 5: a line looks like name:{SCHEME}secret",
            "line 6: an account name must not contain '/'",
            "line 7: a password has 1 to 512 octets",
            "line 8: a {PLAIN} secret ends at the next ':'",
            "line 9: the BLF-CRYPT hash costs too much to check: cost 31; at most cost 14 is accepted",
            "line 10: this is not a SHA512-CRYPT hash, which looks like $6$<salt>$<86 characters>",
            "line 11: bob is on line 1 already",
            "line 12: the line is not UTF-8",
            "line 13: the scheme {…} is not supported",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}");
            assert!(!told.contains("secret1") && !told.contains("$1$"), "{told}");
        }
    }

    proptest::proptest! {
        /// Any octets get an answer: accounts, or what is wrong with which line.
        #[test]
        fn any_text_is_answered(
            text in proptest::collection::vec(
                proptest::sample::select(&b"bob:{}PLAIN$2y6rounds=argon2id,m\n\r\0\xff\xc3#@./"[..]),
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
