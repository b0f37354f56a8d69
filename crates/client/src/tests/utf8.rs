//! UTF8 (RFC 6856 §2.1): said before the login and with it, where it is wanted and announced.

use std::time::SystemTime;

use super::server::Server;
use super::{PATIENCE, account, block_on};
use crate::{Account, ClientError, Headers, Memory, Transport, Trusted, connect};

/// Logs in to fetch to where any header may go.
fn wanting(memory: &str, scripts: &[String], transport: Transport) -> Opened {
    let server = Server::start_all(scripts);
    let transport = match transport {
        Transport::Tls(_) => Transport::Tls(Trusted::pinned(server.pin()).unwrap()),
        Transport::Stls(_) => Transport::Stls(Trusted::pinned(server.pin()).unwrap()),
        Transport::InClear => Transport::InClear,
    };
    let account = Account {
        memory: memory.parse().unwrap(),
        headers: Headers::Utf8,
        ..account(server.port, transport)
    };
    let opened = block_on(connect(&account, PATIENCE)).map(|it| (it.headers_in(), it.memory()));
    server.done();
    opened
}

type Opened = Result<(Headers, Memory), ClientError>;

fn in_clear(memory: &str, script: &str) -> Opened {
    wanting(memory, &[script.to_owned()], Transport::InClear)
}

/// Inside TLS from the first octet on.
fn inside_tls(memory: &str, script: &str) -> Opened {
    let tls = Transport::Tls(Trusted::system().unwrap());
    wanting(memory, &[format!("TLS\n{script}")], tls)
}

const CAPA: &str = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: UTF8\nS: .\n";
const AFTER: &str = "S: +OK\nS: PIPELINING\nS: UTF8\nS: .\n";
const KNOWN: &str = "before=USER,PIPELINING,UTF8 after=PIPELINING";

#[test]
fn it_goes_out_with_the_login() {
    // Nothing is answered before all has come.
    let script = format!(
        "{CAPA}C: UTF8\nC: USER mrose\nC: PASS redqueen\nC: CAPA\nS: +OK\nS: +OK\nS: +OK\n{AFTER}"
    );
    let (headers, memory) = in_clear("", &script).unwrap();
    assert_eq!(headers, Headers::Utf8);
    assert_eq!(memory.to_string(), KNOWN);

    let script = "S: +OK\nC: CAPA\nS: +OK\nS: SASL PLAIN\nS: PIPELINING\nS: UTF8 USER\nS: .\n\
                  C: UTF8\nC: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\nS: +OK\nS: +OK\nC: CAPA\nS: +OK\nS: .\n";
    let (headers, memory) = in_clear("", script).unwrap();
    assert_eq!(headers, Headers::Utf8);
    assert_eq!(
        memory.to_string(),
        "before=PIPELINING,SASL:PLAIN,UTF8:USER after="
    );
}

#[test]
fn a_server_that_is_known_hears_it_with_the_first_packet() {
    let all =
        "C: CAPA\nC: UTF8\nC: USER mrose\nC: PASS redqueen\nC: CAPA\nC: STAT\nC: UIDL\nC: LIST\n";
    let told = "S: +OK\nS: USER\nS: PIPELINING\nS: UTF8\nS: .\n";
    let script = format!("S: +OK\n{all}{told}S: +OK\nS: +OK\nS: +OK\n{AFTER}WAIT\n");
    let (headers, memory) = inside_tls(KNOWN, &script).unwrap();
    assert_eq!(headers, Headers::Utf8);
    assert_eq!(memory.to_string(), KNOWN);

    // It knows UTF8 no more.
    let told = "S: +OK\nS: USER\nS: PIPELINING\nS: .\n";
    let after = "S: +OK\nS: PIPELINING\nS: .\n";
    let script = format!("S: +OK\n{all}{told}S: -ERR what\nS: +OK\nS: +OK\n{after}WAIT\n");
    let (headers, memory) = inside_tls(KNOWN, &script).unwrap();
    assert_eq!(headers, Headers::Ascii);
    assert_eq!(
        memory.to_string(),
        "before=USER,PIPELINING after=PIPELINING"
    );
}

#[test]
fn who_has_learned_it_meanwhile_hears_it_the_next_time_and_a_refused_login_is_not_tried_twice() {
    let old = "before=USER,PIPELINING after=";
    let all = "C: CAPA\nC: USER mrose\nC: PASS redqueen\nC: CAPA\n";
    let told = "S: +OK\nS: USER\nS: PIPELINING\nS: UTF8\nS: .\n";
    let script = format!("S: +OK\n{all}{told}S: +OK\nS: +OK\n{AFTER}WAIT\n");
    let (headers, memory) = inside_tls(old, &script).unwrap();
    assert_eq!(headers, Headers::Ascii);
    assert_eq!(memory.to_string(), KNOWN);

    let script = format!("S: +OK\n{all}{told}S: +OK\nS: -ERR [AUTH] no\nEND\n");
    let error = inside_tls(old, &script).unwrap_err();
    assert!(matches!(error, ClientError::LoginRefused(_)), "{error}");
}

#[test]
fn a_refusal_is_survived() {
    let login = "C: UTF8\nC: USER mrose\nC: PASS redqueen\nC: CAPA\n";
    for refusal in ["-ERR what", "-ERR [SYS/TEMP] not now"] {
        let script = format!("{CAPA}{login}S: {refusal}\nS: +OK\nS: +OK\n{AFTER}");
        let (headers, memory) = in_clear("", &script).unwrap();
        assert_eq!(headers, Headers::Ascii);
        assert_eq!(memory.to_string(), KNOWN);
    }
}

#[test]
fn a_second_way_needs_no_second_utf8() {
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: SASL SCRAM-SHA-256 PLAIN\nS: PIPELINING\nS: UTF8\nS: .\n\
                  C: UTF8\nS: +OK\nSCRAM s=c2FsdHNhbHQ=,i=4096\nPROOF\nS: -ERR [AUTH] no\n\
                  C: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\nS: +OK\nC: CAPA\nS: +OK\nS: .\n";
    let (headers, _) = in_clear("", script).unwrap();
    assert_eq!(headers, Headers::Utf8);
}

#[test]
fn without_pipelining_its_reply_is_awaited() {
    let told = "S: +OK\nS: USER\nS: UTF8\nS: .\n";
    for (reply, expected) in [("+OK", Headers::Utf8), ("-ERR", Headers::Ascii)] {
        let script = format!(
            "S: +OK\nC: CAPA\n{told}C: UTF8\nALONE\nS: {reply}\nC: USER mrose\nALONE\nS: +OK\n\
             C: PASS redqueen\nS: +OK\nC: CAPA\n{told}"
        );
        assert_eq!(in_clear("", &script).unwrap().0, expected);
    }
}

#[test]
fn it_belongs_behind_the_beginning_of_tls() {
    let inside = CAPA.split_once("S: +OK\n").unwrap().1;
    let script = format!(
        "S: +OK\nC: STLS\nALONE\nS: +OK\nTLS\n{inside}\
         C: UTF8\nC: USER mrose\nC: PASS redqueen\nC: CAPA\nS: +OK\nS: +OK\nS: +OK\n{AFTER}"
    );
    let stls = Transport::Stls(Trusted::system().unwrap());
    let (headers, _) = wanting(KNOWN, &[script], stls).unwrap();
    assert_eq!(headers, Headers::Utf8);
}

#[test]
fn it_is_not_said_where_it_is_not_announced_or_not_wanted() {
    let told = "S: +OK\nS: USER\nS: PIPELINING\nS: .\n";
    let login = "C: USER mrose\nC: PASS redqueen\nC: CAPA\n";
    let script = format!("S: +OK\nC: CAPA\n{told}{login}S: +OK\nS: +OK\n{told}");
    let (headers, _) = in_clear("", &script).unwrap();
    assert_eq!(headers, Headers::Ascii);

    let script = format!("{CAPA}C: USER mrose\nC: PASS redqueen\nC: CAPA\nS: +OK\nS: +OK\n{AFTER}");
    let server = Server::start(script);
    let account = account(server.port, Transport::InClear);
    let opened = block_on(connect(&account, PATIENCE)).unwrap();
    assert_eq!(opened.headers_in(), Headers::Ascii);
    // It is remembered for whoever wants it.
    assert_eq!(opened.memory().to_string(), KNOWN);
    drop(opened);
    server.done();
}

#[test]
fn a_server_that_broke_is_not_told() {
    let ahead = format!("{CAPA}C: UTF8\nC: USER mrose\nC: PASS redqueen\nC: CAPA\nEND\n");
    let alone =
        format!("{CAPA}C: USER mrose\nS: +OK\nC: PASS redqueen\nS: +OK\nC: CAPA\n{AFTER}WAIT\n");
    let scripts = [ahead, alone.clone()];
    let (headers, memory) = wanting("", &scripts, Transport::InClear).unwrap();
    assert_eq!(headers, Headers::Ascii);
    assert!(memory.is_broken(SystemTime::now()));
    let (headers, _) = in_clear(&memory.to_string(), &alone).unwrap();
    assert_eq!(headers, Headers::Ascii);
}
