//! Tokens over time: when a new one is asked for, by whom, and what is kept of it.

use std::path::PathBuf;

use super::*;
use crate::oauth::LoggedOut;
use crate::secret::SecretError;
use crate::tests::authorization::Misbehaviour;

fn file(directory: &Path) -> PathBuf {
    directory.join("work.json")
}

fn kept(directory: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(file(directory)).unwrap()).unwrap()
}

/// Lets time pass for what is kept.
fn age(directory: &Path, seconds: u64) {
    let mut kept = kept(directory);
    for name in ["obtained_at", "expires_at"] {
        kept[name] = (kept[name].as_u64().unwrap() - seconds).into();
    }
    std::fs::write(file(directory), kept.to_string()).unwrap();
}

#[test]
fn a_token_is_replaced_five_minutes_before_its_end() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    let first = tokens.access(false).unwrap();
    age(directory.path(), 3600 - 300 - 100);
    assert_eq!(tokens.access(false).unwrap(), first);
    assert_eq!(server.asked("token"), 1);
    age(directory.path(), 101);
    let second = tokens.access(false).unwrap();
    assert_ne!(second, first);
    assert_eq!(server.asked("token"), 2);
    assert!(server.accepts(&text(&second)));
    // What is kept says the same to the next process.
    let mut others = Tokens::open(directory.path(), "work", &provider(&server));
    assert_eq!(others.access(false).unwrap(), second);
    assert_eq!(server.asked("token"), 2);
}

#[test]
fn a_token_that_lives_for_minutes_is_used_for_half_of_them() {
    let server = AuthorizationServer::start();
    server.state().lifetime = Some(120);
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    let first = tokens.access(false).unwrap();
    assert_eq!(server.asked("token"), 1);
    age(directory.path(), 61);
    assert_ne!(tokens.access(false).unwrap(), first);
    // One of which nobody knows how long it lives is taken to live for an hour.
    server.state().lifetime = None;
    tokens.access(true).unwrap();
    let status = tokens.status().unwrap().unwrap();
    let lifetime = status.expires.duration_since(status.obtained).unwrap();
    assert_eq!(lifetime, Duration::from_secs(3600));
}

#[test]
fn a_clock_that_went_back_makes_a_token_old() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    let mut kept = kept(directory.path());
    kept["obtained_at"] = (kept["obtained_at"].as_u64().unwrap() + 86_400).into();
    kept["expires_at"] = (kept["expires_at"].as_u64().unwrap() + 86_400).into();
    std::fs::write(file(directory.path()), kept.to_string()).unwrap();
    tokens.access(false).unwrap();
    assert_eq!(server.asked("token"), 2);
}

#[test]
fn each_refresh_token_is_used_once_and_the_next_one_kept() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let access = tokens.access(true).unwrap();
        assert!(server.accepts(&text(&access)));
        let kept = kept(directory.path());
        assert_eq!(kept["access_token"], text(&access));
        assert!(
            seen.insert(kept["refresh_token"].to_string()),
            "an old one is kept"
        );
    }
    assert_eq!(server.live_logins(), 1);
}

#[test]
fn a_provider_that_gives_one_for_ever_need_not_say_it_again() {
    let server = AuthorizationServer::start();
    server.state().rotates = false;
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    for _ in 0..3 {
        tokens.access(true).unwrap();
    }
    let status = tokens.status().unwrap().unwrap();
    assert!(status.has_refresh_token);
    assert_eq!(status.scope.as_deref(), Some("mail offline_access"));
}

#[test]
fn nothing_is_asked_for_that_could_not_be_kept() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    let before = std::fs::read(file(directory.path())).unwrap();
    // What stands where the new file is written cannot be taken away.
    let beside = directory.path().join("work.new");
    std::fs::create_dir_all(beside.join("full")).unwrap();
    let why = tokens.access(true).unwrap_err();
    assert!(
        matches!(why, OauthError::Secret(SecretError::File { .. })),
        "{why}"
    );
    assert_eq!(server.asked("token"), 1, "the provider was asked");
    assert_eq!(std::fs::read(file(directory.path())).unwrap(), before);
    std::fs::remove_dir_all(beside).unwrap();
    tokens.access(true).unwrap();
}

#[test]
fn of_many_at_once_one_asks() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    drop(logged_in(&provider(&server), directory.path()));
    age(directory.path(), 3500);
    let given: Vec<String> = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut tokens = Tokens::open(directory.path(), "work", &provider(&server));
                    text(&tokens.access(false).unwrap())
                })
            })
            .collect();
        askers
            .into_iter()
            .map(|asker| asker.join().unwrap())
            .collect()
    });
    assert!(given.iter().all(|it| *it == given[0]), "{given:?}");
    assert_eq!(server.asked("token"), 2);
    assert_eq!(server.live_logins(), 1);
}

#[test]
fn who_was_refused_takes_what_another_has_got_since() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    let mut others = Tokens::open(directory.path(), "work", &provider(&server));
    let old = tokens.access(false).unwrap();
    assert_eq!(others.access(false).unwrap(), old);
    server.expire_access();
    let fresh = tokens.access(true).unwrap();
    assert_eq!(others.access(true).unwrap(), fresh);
    assert_eq!(server.asked("token"), 2);
    // But who was refused with that one as well asks himself.
    assert_ne!(others.access(true).unwrap(), fresh);
    assert_eq!(server.asked("token"), 3);
}

#[test]
fn a_login_that_has_ended_says_what_to_do() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let provider = provider(&server);
    let mut tokens = Tokens::open(directory.path(), "work", &provider);
    let none = tokens.access(false).unwrap_err();
    assert_eq!(
        none.to_string(),
        "nobody has logged in at own; run `restante fetch auth login work`"
    );
    assert!(none.needs_login());
    assert_eq!(tokens.status().unwrap(), None);
    tokens.log_in(log_in(&provider).unwrap()).unwrap();
    tokens.access(false).unwrap();
    server.revoke_all();
    let dead = tokens.access(true).unwrap_err();
    assert_eq!(
        dead.to_string(),
        "the login at own has ended (invalid_grant: the server says invalid_grant); \
         run `restante fetch auth login work`"
    );
    assert!(dead.needs_login() && !dead.may_pass());
    let status = tokens.status().unwrap().unwrap();
    assert!(status.ended.unwrap().1.starts_with("invalid_grant"));
    // The access token of before is not given out any more.
    assert!(tokens.access(false).unwrap_err().needs_login());
    tokens.log_in(log_in(&provider).unwrap()).unwrap();
    assert_eq!(tokens.status().unwrap().unwrap().ended, None);
    assert!(server.accepts(&text(&tokens.access(false).unwrap())));
}

#[test]
fn a_reply_that_is_lost_costs_the_login_and_that_is_told() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    server.state().next = [Some(Misbehaviour::LosesReply)].into();
    let lost = tokens.access(true).unwrap_err();
    assert!(lost.may_pass(), "{lost}");
    // The server has given a new refresh token to nobody, and takes the old one for stolen.
    let dead = tokens.access(true).unwrap_err();
    assert!(matches!(dead, OauthError::Dead { .. }), "{dead}");
    assert_eq!(server.live_logins(), 0);
}

#[test]
fn a_login_without_a_refresh_token_ends_with_its_token() {
    let server = AuthorizationServer::start();
    server.state().refreshes = false;
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    assert!(!tokens.status().unwrap().unwrap().has_refresh_token);
    tokens.access(false).unwrap();
    age(directory.path(), 3600);
    assert!(tokens.access(false).unwrap_err().needs_login());
    assert_eq!(server.asked("token"), 1);
}

#[test]
fn a_refresh_token_is_sent_to_whom_it_belongs_only() {
    let (server, other) = (AuthorizationServer::start(), AuthorizationServer::start());
    let directory = tempfile::tempdir().unwrap();
    drop(logged_in(&provider(&server), directory.path()));
    let another_id = Settings {
        client_id: "them".to_owned(),
        ..settings(&server)
    };
    for provider in [provider(&other), Provider::new("own", another_id).unwrap()] {
        let mut tokens = Tokens::open(directory.path(), "work", &provider);
        for force in [false, true] {
            let why = tokens.access(force).unwrap_err();
            assert!(matches!(why, OauthError::OtherProvider { .. }), "{why}");
        }
    }
    assert_eq!((server.asked("token"), other.asked("token")), (1, 0));
}

#[test]
fn what_is_kept_must_be_whole_and_private() {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    let file = file(directory.path());
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let why = tokens.access(false).unwrap_err().to_string();
    assert!(why.contains("chmod 600"), "{why}");
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    for text in ["", "{", "[]", "{\"refresh_token\":\"refresh-1\"}"] {
        std::fs::write(&file, text).unwrap();
        let why = tokens.access(false).unwrap_err();
        assert!(matches!(why, OauthError::Damaged { .. }), "{why}");
        assert!(!why.to_string().contains("refresh-1"));
    }
    assert!(matches!(tokens.log_out().unwrap(), LoggedOut::NotRevocable));
}

#[test]
fn logging_out_ends_the_login_there_too() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    assert!(matches!(tokens.log_out().unwrap(), LoggedOut::Revoked));
    assert_eq!(server.live_logins(), 0);
    assert!(!file(directory.path()).exists());
    assert!(matches!(tokens.log_out().unwrap(), LoggedOut::NoLogin));
    assert!(tokens.access(false).unwrap_err().needs_login());
    // Whatever the provider says, the tokens are gone here.
    tokens.log_in(log_in(&provider(&server)).unwrap()).unwrap();
    let down = Misbehaviour::Says(500, "text/plain", String::new());
    server.state().next = [Some(down)].into();
    assert!(matches!(
        tokens.log_out().unwrap(),
        LoggedOut::NotRevoked(_)
    ));
    assert!(!file(directory.path()).exists());
    let mut settings = settings(&server);
    settings.endpoints.revoke = None;
    let mut tokens = logged_in(&Provider::new("own", settings).unwrap(), directory.path());
    assert!(matches!(tokens.log_out().unwrap(), LoggedOut::NotRevocable));
}

#[test]
fn a_command_may_look_after_the_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let count = directory.path().join("count");
    let script = format!("echo x >> {0}; echo token-$(wc -l < {0})", count.display());
    let words = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let mut tokens = Tokens::of_command(crate::secret::Command::new(words).unwrap());
    assert_eq!(text(&tokens.access(false).unwrap()), "token-1");
    assert_eq!(text(&tokens.access(true).unwrap()), "token-2");
    assert_eq!(tokens.status().unwrap(), None);
    assert!(matches!(tokens.log_out(), Err(OauthError::OfACommand)));
    let mut broken = Tokens::of_command("false".parse().unwrap());
    let why = broken.access(false).unwrap_err();
    assert_eq!(why.to_string(), "false failed (exit status: 1)");
}

#[test]
fn no_token_is_printed() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let login = log_in(&provider(&server)).unwrap();
    let told = format!("{login:?}");
    let mut tokens = logged_in(&provider(&server), directory.path());
    tokens.access(true).unwrap();
    let told = format!("{told} {tokens:?} {:?}", tokens.status());
    assert!(
        !told.contains("access-") && !told.contains("refresh-"),
        "{told}"
    );
}

#[test]
fn all_of_it_can_go_where_waiting_is_allowed() {
    fn goes<T: Send + 'static>() {}
    goes::<Tokens>();
    goes::<Login>();
    goes::<Provider>();
    goes::<OauthError>();
    goes::<crate::secret::Source>();
}
