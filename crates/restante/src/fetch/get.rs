//! `restante fetch get`: exactly these messages, now.

use std::io::IsTerminal as _;

use client::fetch::{Had, Only};

use super::job::Asked;
use super::place::Place;
use super::run;
use super::settings::Settings;
use super::show::{Manner, Show};
use super::visit::alone;
use crate::args;
use crate::failure::Failure;

/// Fetches messages whatever their size, and whatever rules and the ledger say.
///
/// # Errors
///
/// When one is not there, or cannot be delivered.
pub(super) fn get(settings: &Settings, asked: &args::FetchGet) -> Result<(), Failure> {
    let account = settings.account(&asked.account)?;
    let place = Place::new(&settings.state)?;
    let show = Show::of(match std::io::stdout().is_terminal() {
        true => Manner::Terminal,
        false => Manner::Lines,
    });
    let only = Only {
        wanted: asked.messages.clone(),
        had: match asked.again {
            true => Had::Again,
            false => Had::Left,
        },
    };
    let asked = Asked {
        only: Some(only),
        takes_foreign: asked.accept_new_ids,
        ..Asked::default()
    };
    // It is no run that `status` or a hook should tell of: somebody is sitting there.
    let mut shown = show.account(&account.name, false);
    alone(async {
        let result = run::persist(account, &place, &asked, &mut shown).await;
        shown.ended(&result);
        result
            .map(|_| ())
            .map_err(|failure| Failure::silent(failure.code()))
    })
}
