//! Round trips that are saved: what goes out together, and what is remembered of a server.

use std::time::{Duration, SystemTime};

use super::server::Server;
use super::{PATIENCE, account, block_on};
use crate::{Account, ClientError, Maildrop, Memory, Next, Patience, Transport, Trusted, connect};

/// Logs in, and does what a test does then. What the server says inside TLS from the first octet on.
fn inside_tls<T>(
    memory: &str,
    script: &str,
    then: impl AsyncFnOnce(Maildrop) -> T,
) -> Result<T, ClientError> {
    let server = Server::start(format!("TLS\n{script}"));
    let trusted = Trusted::pinned(server.pin()).unwrap();
    let account = remembering(memory, server.port, Transport::Tls(trusted));
    let outcome = block_on(async { Ok(then(connect(&account, PATIENCE).await?).await) });
    server.done();
    outcome
}

fn in_clear(memory: &str, script: &str) -> Result<Memory, ClientError> {
    let server = Server::start(script);
    let account = remembering(memory, server.port, Transport::InClear);
    let outcome = block_on(connect(&account, PATIENCE)).map(|maildrop| maildrop.memory());
    server.done();
    outcome
}

fn remembering(memory: &str, port: u16, transport: Transport) -> Account {
    Account {
        memory: memory.parse().unwrap(),
        ..account(port, transport)
    }
}

async fn memory(maildrop: Maildrop) -> String {
    maildrop.memory().to_string()
}

const KNOWN: &str = "before=USER,PIPELINING after=PIPELINING";

/// What goes out together at such a server.
const ALL: &str = "C: CAPA\nC: USER mrose\nC: PASS redqueen\nC: CAPA\nC: STAT\nC: UIDL\nC: LIST\n";

#[test]
fn user_pass_and_capa_go_out_together_where_that_is_allowed() {
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: UIDL\nS: .\n\
                  C: USER mrose\nC: PASS redqueen\nC: CAPA\n\
                  S: +OK\nS: +OK\nS: +OK\nS: PIPELINING\nS: .\n";
    assert_eq!(in_clear("", script).unwrap().to_string(), KNOWN);
}

#[test]
fn why_the_name_is_refused_is_told_and_what_is_said_of_the_password_is_not() {
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: .\n\
                  C: USER mrose\nC: PASS redqueen\nC: CAPA\n\
                  S: -ERR [SYS/TEMP] no such user now\nS: -ERR USER first\nS: +OK\nS: .\n";
    let error = in_clear("", script).unwrap_err();
    assert!(error.to_string().ends_with("no such user now"), "{error}");
}

#[test]
fn a_server_that_is_known_is_not_waited_for() {
    // Nothing is answered before everything has come.
    let script = format!(
        "S: +OK\n{ALL}S: +OK\nS: USER\nS: PIPELINING\nS: .\nS: +OK\nS: +OK\n\
         S: +OK\nS: PIPELINING\nS: .\n\
         S: +OK 0 0\nS: +OK\nS: .\nS: +OK\nS: .\nC: QUIT\nS: +OK\n"
    );
    let told = inside_tls(KNOWN, &script, async |mut maildrop| {
        assert!(maildrop.is_inside_tls() && maildrop.pipelines());
        let listing = maildrop.listing().await.unwrap();
        assert_eq!(listing.sizes, []);
        let told = maildrop.memory().to_string();
        maildrop.quit().await;
        told
    });
    assert_eq!(told.unwrap(), KNOWN);
}

#[test]
fn a_listing_that_is_wanted_is_asked_for_at_a_first_contact_too() {
    let capa = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: .\n";
    let login = "C: USER mrose\nC: PASS redqueen\nC: CAPA\n";
    let listing = "C: STAT\nC: UIDL\nC: LIST\n";
    let listed = "S: +OK 0 0\nS: +OK\nS: .\nS: +OK\nS: .\n";
    let let_in = "S: +OK\nS: +OK\nS: +OK\nS: PIPELINING\nS: .\n";
    let at_once = format!("{capa}{login}{listing}{let_in}{listed}");
    let later = format!("{capa}{login}{let_in}{listing}{listed}");
    // What is said behind a password that is wrong hides nothing.
    let wrong = format!(
        "{capa}{login}{listing}S: +OK\nS: -ERR [AUTH] no\nS: +OK\nS: .\n{}",
        "S: -ERR log in first\n".repeat(3)
    );
    for (memory, script, outcome) in [
        ("", at_once, Ok(0)),
        ("before=USER,PIPELINING after=", later, Ok(0)),
        (
            "",
            wrong,
            Err("the login was refused: -ERR [AUTH] no".to_owned()),
        ),
    ] {
        let server = Server::start(script);
        let account = Account {
            next: Next::Listing,
            ..remembering(memory, server.port, Transport::InClear)
        };
        let listed = block_on(async {
            let mut maildrop = connect(&account, PATIENCE).await?;
            Ok::<_, ClientError>(maildrop.listing().await?.sizes.len())
        });
        assert_eq!(listed.map_err(|error| error.to_string()), outcome);
        server.done();
    }
}

#[test]
fn a_listing_that_nobody_wants_is_thrown_away() {
    let begin = format!(
        "S: +OK\n{ALL}S: +OK\nS: USER\nS: PIPELINING\nS: .\nS: +OK\nS: +OK\nS: +OK\nS: PIPELINING\nS: .\n"
    );
    let listing = "S: +OK 1 6\nS: -ERR what\nS: +OK\nS: 1 6\nS: garbage\nS: .\n";
    let script = format!("{begin}{listing}C: QUIT\nS: +OK bye\n");
    inside_tls(KNOWN, &script, Maildrop::quit).unwrap();

    let retrieve = "C: RETR 1\nS: +OK\nS: text\nS: .\nC: STAT\nC: UIDL\nC: LIST\n\
                    S: +OK 0 0\nS: +OK\nS: .\nS: +OK\nS: .\n";
    let script = format!("{begin}{listing}{retrieve}");
    let arrived = inside_tls(KNOWN, &script, async |mut maildrop| {
        let first = pop3::MessageNumber::new(1).unwrap();
        let mut retrieval = maildrop.retrieve(vec![(first, pop3::Octets(6))]);
        let step = retrieval
            .next(|_| std::ops::ControlFlow::Continue(()))
            .await
            .unwrap();
        assert!(step.is_some());
        // It is asked for again, and found.
        maildrop.listing().await.unwrap().sizes.len()
    });
    assert_eq!(arrived.unwrap(), 0);
}

#[test]
fn what_deletes_by_itself_is_heard_before_quit_even_if_nobody_waited_for_it() {
    let script = format!(
        "S: +OK\n{ALL}\
         S: +OK\nS: USER\nS: PIPELINING\nS: .\nS: +OK\nS: +OK\nS: +OK\nS: EXPIRE 0\nS: .\nEND\n"
    );
    inside_tls(KNOWN, &script, Maildrop::quit).unwrap();
}

#[test]
fn a_server_that_says_something_else_now_is_remembered_by_that() {
    let script = "S: +OK\nC: CAPA\nC: USER mrose\nC: PASS redqueen\nC: CAPA\n\
                  S: +OK\nS: SASL PLAIN\nS: USER\nS: LOGIN-DELAY 900 USER\nS: .\nS: +OK\nS: +OK\n\
                  S: +OK\nS: LOGIN-DELAY 60\nS: .\nC: QUIT\nS: +OK\n";
    let known = "before=USER,PIPELINING";
    let told = inside_tls(known, script, async |maildrop| {
        assert_eq!(maildrop.login_delay(), Some(Duration::from_secs(60)));
        let memory = maildrop.memory().to_string();
        maildrop.quit().await;
        memory
    });
    assert_eq!(told.unwrap(), "before=USER,SASL:PLAIN after=");

    // It has taken USER away, and the login is tried by what it says instead.
    let refused = "S: -ERR what\n".repeat(2);
    let script = format!(
        "S: +OK\n{ALL}S: +OK\nS: SASL PLAIN\nS: .\n{refused}S: +OK\nS: .\n{refused}S: -ERR what\n\
         C: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\nS: +OK\nC: CAPA\nS: +OK\nS: .\n"
    );
    let told = inside_tls(KNOWN, &script, memory).unwrap();
    assert_eq!(told, "before=SASL:PLAIN after=");
}

#[test]
fn a_refusal_of_a_server_that_is_as_it_was_is_a_refusal() {
    let script = format!(
        "S: +OK\n{ALL}S: +OK\nS: USER\nS: PIPELINING\nS: .\nS: +OK\nS: -ERR [AUTH] no\nEND\n"
    );
    let error = inside_tls(KNOWN, &script, memory).unwrap_err();
    assert!(matches!(error, ClientError::LoginRefused(_)), "{error}");
    let script = script.replace("[AUTH]", "[IN-USE]");
    let error = inside_tls(KNOWN, &script, memory).unwrap_err();
    assert!(matches!(error, ClientError::NotNow(_)), "{error}");
}

#[test]
fn a_proof_is_asked_for_as_before_if_the_server_is_known() {
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: SASL SCRAM-SHA-256\nS: PIPELINING\nS: .\n\
                  SCRAM s=c2FsdHNhbHQ=,i=4096\nPROOF\nS: + dj1ubw==\nC: *\nS: -ERR no\n";
    let known = "before=PIPELINING,SASL:SCRAM-SHA-256";
    let error = inside_tls(known, script, memory).unwrap_err();
    assert!(matches!(error, ClientError::Impostor(_)), "{error}");
}

#[test]
fn nothing_is_guessed_in_clear_or_across_stls() {
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: .\nC: USER mrose\nS: +OK\nC: PASS redqueen\nS: +OK\n\
                  C: CAPA\nS: +OK\nS: .\n";
    assert_eq!(
        in_clear(KNOWN, script).unwrap().to_string(),
        "before=USER after="
    );

    let (_, inside) = script.split_once("S: +OK\n").unwrap();
    let server = Server::start(format!("S: +OK\nC: STLS\nALONE\nS: +OK\nTLS\n{inside}"));
    let trusted = Trusted::pinned(server.pin()).unwrap();
    let account = remembering(KNOWN, server.port, Transport::Stls(trusted));
    block_on(connect(&account, PATIENCE)).unwrap();
    server.done();
}

#[test]
fn a_server_that_breaks_when_commands_go_ahead_is_asked_one_at_a_time() {
    let capa = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: .\n";
    let breaks = [
        "C: USER mrose\nC: PASS redqueen\nC: CAPA\nEND\n",
        "C: USER mrose\nC: PASS redqueen\nC: CAPA\nS: garbage\nWAIT\n",
        "C: USER mrose\nC: PASS redqueen\nC: CAPA\nS: -ERR Protocol error\nEND\n",
    ];
    let one_by_one = "C: USER mrose\nS: +OK\nC: PASS redqueen\nS: +OK\nC: CAPA\nS: +OK\nS: PIPELINING\nS: .\nWAIT\n";
    for broken in breaks {
        let server = Server::start_all(&[format!("{capa}{broken}"), format!("{capa}{one_by_one}")]);
        let account = account(server.port, Transport::InClear);
        let maildrop = block_on(connect(&account, PATIENCE)).unwrap();
        let memory = maildrop.memory();
        assert!(!maildrop.pipelines());
        drop(maildrop);
        server.done();
        assert!(memory.is_broken(SystemTime::now()));
        let month = Duration::from_secs(31 * 86_400);
        assert!(!memory.is_broken(SystemTime::now() + month));
    }
    // It is known the next time.
    let known = format!("{KNOWN} broke=99999999999");
    let told = in_clear(&known, &format!("{capa}{one_by_one}")).unwrap();
    assert_eq!(told.to_string(), known);

    // A refusal that says why is none of these: nothing is shown twice.
    let refused = "C: USER mrose\nC: PASS redqueen\nC: CAPA\nS: -ERR [AUTH] no\nEND\n";
    let error = in_clear("", &format!("{capa}{refused}")).unwrap_err();
    assert!(matches!(error, ClientError::LoginRefused(_)), "{error}");
}

#[test]
fn a_server_that_forgets_what_comes_behind_the_login_is_asked_again() {
    let capa = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: .\n";
    let forgets = "C: USER mrose\nC: PASS redqueen\nC: CAPA\nS: +OK\nS: +OK\nWAIT\n";
    let begin = "C: USER mrose\nS: +OK\nC: PASS redqueen\n";
    let server = Server::start_all(&[
        format!("{capa}{forgets}"),
        format!("{capa}{begin}S: -ERR [IN-USE] not yet\nWAIT\n"),
        format!("{capa}{begin}S: +OK\nC: CAPA\nS: +OK\nS: .\nWAIT\n"),
    ]);
    let account = account(server.port, Transport::InClear);
    let patience = Patience {
        login: Duration::from_secs(8),
        ..PATIENCE
    };
    let maildrop = block_on(connect(&account, patience)).unwrap();
    assert!(maildrop.memory().is_broken(SystemTime::now()));
    drop(maildrop);
    server.done();
}

#[test]
fn who_uses_the_maildrop_can_say_that_it_broke() {
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: .\n\
                  C: USER mrose\nC: PASS redqueen\nC: CAPA\nS: +OK\nS: +OK\nS: +OK\nS: PIPELINING\nS: .\n\
                  C: STAT\nS: +OK 0 0\nC: UIDL\nS: +OK\nS: .\nC: LIST\nS: +OK\nS: .\nC: QUIT\nS: +OK\n";
    let server = Server::start(script);
    let account = account(server.port, Transport::InClear);
    block_on(async {
        let mut maildrop = connect(&account, PATIENCE).await.unwrap();
        assert!(!maildrop.is_inside_tls());
        maildrop.pipelining_broke(SystemTime::now());
        maildrop.listing().await.unwrap();
        assert!(maildrop.memory().is_broken(SystemTime::now()));
        maildrop.quit().await;
    });
    server.done();
}

#[test]
fn whether_commands_are_kept_apart_can_be_asked() {
    let login = super::login("USER\nUIDL");
    let asked = "C: NOOP\nC: STAT\nC: NOOP\n";
    for (replies, outcome) in [
        ("S: +OK\nS: +OK 2 320\nS: +OK\n", Some(true)),
        ("S: +OK\nS: -ERR no\nS: +OK\n", Some(false)),
        ("S: +OK\nS: +OK\nS: +OK 2 320\n", Some(false)),
        ("S: +OK\n", None),
    ] {
        let server = Server::start(format!("{login}{asked}{replies}"));
        let told = block_on(async {
            let mut maildrop = super::open(server.port, PATIENCE).await.unwrap();
            maildrop.answers_in_order().await.ok()
        });
        server.done();
        assert_eq!(told, outcome, "{replies}");
    }
}

#[test]
fn a_proof_that_is_refused_where_the_password_is_taken_is_not_given_again_for_a_while() {
    let told = "S: +OK\nC: CAPA\nS: +OK\nS: SASL SCRAM-SHA-256 PLAIN\nS: .\n";
    let refused = "SCRAM s=c2FsdHNhbHQ=,i=4096\nPROOF\nS: -ERR [AUTH] no\n";
    let plain = "C: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\nS: +OK\nC: CAPA\nS: +OK\nS: .\n";
    let memory = in_clear("", &format!("{told}{refused}{plain}")).unwrap();
    let line = memory.to_string();
    assert!(line.contains(" proof-refused="), "{line}");
    let again = in_clear(&line, &format!("{told}{plain}")).unwrap();
    assert_eq!(again, memory);
    // Whoever has got a verifier meanwhile is asked for the proof once more, later.
    let (before, _) = line.split_once(" proof-refused=").unwrap();
    let old = format!("{before} proof-refused=1000");
    let renewed = in_clear(&old, &format!("{told}{refused}{plain}")).unwrap();
    assert_ne!(renewed.to_string(), old);
}
