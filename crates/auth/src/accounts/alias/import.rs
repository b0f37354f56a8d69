//! The aliases of another server, many at once: all of them, or none.
//!
//! There an alias may name another; here it names accounts. So a name that is no account, but an address
//! of the table, stands for whom that names.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::super::{Accounts, AccountsError, Addressing, begin, id_of};
use super::lines::{self, AliasLineError, AliasProblem, Line};
use super::{add, id_of_target};
use crate::address::AliasAddress;
use crate::name::AccountName;

/// What an import of aliases did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AliasReport {
    /// So many aliases are as the table says.
    pub aliases: usize,
}

impl Accounts {
    /// Adds the aliases of a table, as `/etc/aliases` or Postfix's virtual(5) have them. Aliases that are
    /// there get the accounts that the table names, and keep those that they have: an import can be
    /// repeated. Where the table names an address of ours, its local part may be the account.
    ///
    /// The inner error: all lines that cannot be imported, in their order; then nothing is changed.
    ///
    /// # Errors
    ///
    /// When the accounts cannot be read or written.
    pub fn import_aliases(
        &self,
        text: &[u8],
        addressing: &Addressing<'_>,
    ) -> Result<Result<AliasReport, Vec<AliasLineError>>, AccountsError> {
        let (lines, mut errors) = lines::parse(text);
        let mut by_address: HashMap<&AliasAddress, &Line> = HashMap::new();
        for line in &lines {
            if let Some(first) = by_address.get(&line.address) {
                errors.push(AliasLineError {
                    line: line.line,
                    problem: AliasProblem::Twice {
                        address: line.address.clone(),
                        first: first.line,
                    },
                });
                continue;
            }
            by_address.insert(&line.address, line);
        }
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        for line in &lines {
            let added = accounts(&transaction, line, &by_address, addressing).and_then(|ids| {
                ids.into_iter()
                    .try_for_each(|id| add(&transaction, &line.address, id))
                    .map_err(AliasProblem::Accounts)
            });
            match added {
                Ok(()) => {}
                Err(AliasProblem::Accounts(error)) if !is_of_the_line(&error) => return Err(error),
                Err(problem) => errors.push(AliasLineError {
                    line: line.line,
                    problem,
                }),
            }
        }
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.line);
            return Ok(Err(errors));
        }
        transaction.commit()?;
        Ok(Ok(AliasReport {
            aliases: lines.len(),
        }))
    }
}

/// The ids of whom a line names, by way of other lines too; each line is gone through once.
fn accounts(
    connection: &Connection,
    line: &Line,
    by_address: &HashMap<&AliasAddress, &Line>,
    addressing: &Addressing<'_>,
) -> Result<Vec<i64>, AliasProblem> {
    let (mut ids, mut seen) = (Vec::new(), HashSet::from([&line.address]));
    let mut lines = vec![line];
    while let Some(line) = lines.pop() {
        for target in &line.targets {
            let unknown = match id_of_target(connection, target) {
                Ok(id) => {
                    ids.push(id);
                    continue;
                }
                Err(error) => error,
            };
            let local = local_of_ours(target, addressing);
            if let Some(next) = written(by_address, target, local) {
                if seen.insert(&next.address) {
                    lines.push(next);
                }
                continue;
            }
            ids.push(match (unknown, local) {
                (AccountsError::Unknown(name), Some(local)) => {
                    id_of(connection, &local_name(local)?)
                        .map_err(|error| match error {
                            AccountsError::Unknown(_) => AccountsError::Unknown(name),
                            other => other,
                        })
                        .map_err(AliasProblem::Accounts)?
                }
                (AccountsError::Unknown(_) | AccountsError::Name(_), None)
                    if target.contains('@') =>
                {
                    return Err(AliasProblem::Remote(target.clone()));
                }
                (error, _) => return Err(AliasProblem::Accounts(error)),
            });
        }
    }
    match ids.is_empty() {
        true => Err(AliasProblem::Circle),
        false => Ok(ids),
    }
}

/// The line of the table that a target names.
fn written<'l>(
    by_address: &HashMap<&AliasAddress, &'l Line>,
    target: &str,
    local: Option<&str>,
) -> Option<&'l Line> {
    let line = |text| {
        let address = AliasAddress::parse(text).ok()?;
        by_address.get(&address).copied()
    };
    line(target).or_else(|| line(local?))
}

/// The local part of an address of a domain of ours.
fn local_of_ours<'t>(target: &'t str, addressing: &Addressing<'_>) -> Option<&'t str> {
    let (local, domain) = target.rsplit_once('@')?;
    let domain = crate::address::domain_folded(domain).ok()?;
    addressing.is_ours(&domain).then_some(local)
}

fn local_name(local: &str) -> Result<AccountName, AliasProblem> {
    AccountName::parse(local).map_err(|error| AliasProblem::Accounts(error.into()))
}

/// Whether another line would go all the same.
fn is_of_the_line(error: &AccountsError) -> bool {
    matches!(
        error,
        AccountsError::Name(_)
            | AccountsError::Unknown(_)
            | AccountsError::AliasIsAccount(_)
            | AccountsError::AliasOfAlias(_)
            | AccountsError::AliasAccounts(_)
    )
}
