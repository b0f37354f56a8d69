//! Programs that are told of new mail and of what went wrong. None of them is a shell, and none keeps a run from ending.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use client::fetch::Summary;
use serde_json::json;

use super::settings::Account;
use crate::failure::{Code, Failure};
use crate::output::note;

/// So long a hook may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the hook that is for what went wrong, if something did.
pub(super) fn failed(account: &Account, result: &Result<Summary, Failure>) {
    match result {
        Ok(_) => {}
        Err(failure) if failure.code() == Code::TokenNeeded => {
            call(account, &account.on_auth_needed, 0, Some(failure));
        }
        // What passes by itself is worth no call.
        Err(failure) if failure.code() == Code::Temporary => {}
        Err(failure) => call(account, &account.on_error, 0, Some(failure)),
    }
}

/// Tells of new mail, if there is some, however its session has ended.
pub(super) fn arrived(account: &Account, new: usize) {
    if new == 0 {
        return;
    }
    if account.notify {
        let text = format!("{new} new for {}", account.name);
        let notify = ["notify-send".into(), "--app-name=restante".into(), text];
        call(account, &notify, new, None);
    }
    call(account, &account.on_new, new, None);
}

fn call(account: &Account, hook: &[String], count: usize, failure: Option<&Failure>) {
    let Some((program, arguments)) = hook.split_first() else {
        return;
    };
    let what = failure.and_then(Failure::what).unwrap_or_default();
    let filled = |text: &String| {
        text.replace("{count}", &count.to_string())
            .replace("{account}", &account.name)
            .replace("{what}", what)
    };
    let object = json!({
        "account": account.name,
        "new": count,
        "what": failure.and_then(Failure::what),
        "code": failure.map(|failure| failure.code() as u8),
    });
    let begun = Command::new(program)
        .args(arguments.iter().map(filled))
        .env("RESTANTE_ACCOUNT", &account.name)
        .env("RESTANTE_NEW", count.to_string())
        .env("RESTANTE_WHAT", what)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut child = match begun {
        Ok(child) => child,
        Err(error) => {
            note!(
                "restante: {}: {program} cannot be run: {error}",
                account.name
            );
            return;
        }
    };
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read it does not want it.
        let _ = stdin.write_all(format!("{object}\n").as_bytes());
    }
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
    note!(
        "restante: {}: {program} takes too long, and is stopped",
        account.name
    );
    let _ = child.kill();
    let _ = child.wait();
}
