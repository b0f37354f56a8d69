//! `restante fetch auth`: logins by OAuth2 at an authorisation server on loopback that looks closely.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use super::Home;
use super::authorization::{AuthorizationServer, browse, get};

/// A home with an account `work` whose tokens come from this server.
pub(super) fn configured(server: &AuthorizationServer) -> Home {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/restante")).unwrap();
    let text = format!(
        "[account.work]\nhost = \"localhost\"\nport = 1\nuser = \"mrose\"\n\
         deliver = {{ maildir = \"~/Mail\" }}\n\
         auth = {{ oauth = \"own\", client_id = \"us\", scopes = [\"mail\"], authorization_endpoint = \"{}\", \
         token_endpoint = \"{}\", device_authorization_endpoint = \"{}\", revocation_endpoint = \"{}\" }}\n",
        server.url("authorize"),
        server.url("token"),
        server.url("device"),
        server.url("revoke")
    );
    fs::write(home.configuration(), text).unwrap();
    home
}

/// A login with a browser: what it is sent to is what `answers` makes of the address that was printed.
fn with_browser(
    home: &Home,
    flow: &str,
    answers: impl FnOnce(&str) -> String,
) -> (i32, String, String) {
    let mut child = home
        .program()
        .args(["fetch", "auth", "login", "work", "--flow", flow])
        .env("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    stderr.read_line(&mut told).unwrap();
    let address = told.trim().strip_prefix("work: open ").unwrap().to_owned();
    let answer = answers(&address);
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{answer}").unwrap();
    drop(stdin);
    stderr.read_to_string(&mut told).unwrap();
    let mut stdout = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    let code = child.wait().unwrap().code().unwrap();
    (code, stdout, told.replace(&address, "ADDRESS"))
}

/// A line of `auth`, without the moments in it.
fn timeless(line: &str) -> String {
    let (before, rest) = line.split_once("token good for ").unwrap();
    let (_, after) = rest.split_once("), ").unwrap();
    format!("{before}…, {after}")
}

#[test]
fn a_code_for_another_device_logs_in_and_out() {
    let server = AuthorizationServer::start();
    server.state().device_times = (900, 1);
    let home = configured(&server);
    let ended = home.run(&["fetch", "auth", "login", "work"], "").with(0);
    let port = server.port;
    assert_eq!(
        ended.stderr,
        format!(
            "work: open http://127.0.0.1:{port}/activate\n  and enter the code WDJB-MJHT\n  \
             within 10 minutes; a browser on any machine will do.\n  \
             Or open http://127.0.0.1:{port}/activate?c=WDJB-MJHT\n"
        )
    );
    let said = "work: logged in at own; …, renewed without you\n";
    assert_eq!(timeless(&ended.stdout), said);
    let status = home.run(&["fetch", "auth", "status"], "").with(0);
    assert_eq!(timeless(&status.stdout), said);
    // The doctor sees it, and that the server of the maildrop is away.
    let doctor = home.run(&["fetch", "check"], "").with(69);
    assert!(
        doctor.stdout.contains("WRONG    work: connection: "),
        "{}",
        doctor.stdout
    );
    let out = home.run(&["fetch", "auth", "logout", "work"], "").with(0);
    assert_eq!(out.stdout, "work: logged out, here and at own\n");
    assert_eq!(server.live_logins(), 0);
    let status = home.run(&["fetch", "auth", "status"], "").with(79);
    assert_eq!(
        status.stdout,
        "work: nobody has logged in at own; restante fetch auth login work\n"
    );
}

#[test]
fn a_browser_comes_back_by_itself_or_is_pasted() {
    let server = AuthorizationServer::start();
    let home = configured(&server);
    let mut port = String::new();
    let (code, stdout, stderr) = with_browser(&home, "loopback", |address| {
        let back = browse(address);
        port = back["http://127.0.0.1:".len()..]
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        get(&back).1
    });
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        timeless(&stdout),
        "work: logged in at own; …, renewed without you\n"
    );
    // Somebody who sits elsewhere is told how his browser comes here.
    assert_eq!(
        stderr,
        format!(
            "work: open ADDRESS\n  \
             This machine is far from the browser, so let it come back through the connection: in another terminal\n  \
             ssh -L {port}:127.0.0.1:{port} THIS-MACHINE\n  or begin again with --flow paste.\n"
        )
    );
    let (code, stdout, stderr) = with_browser(&home, "paste", browse);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        timeless(&stdout),
        "work: logged in at own; …, renewed without you\n"
    );
    assert!(stderr.contains("paste that whole address here"), "{stderr}");
}

#[test]
fn who_says_no_is_told_how_to_begin_again() {
    let server = AuthorizationServer::start();
    server.state().person_agrees = false;
    let home = configured(&server);
    let (code, stdout, stderr) = with_browser(&home, "paste", browse);
    assert_eq!((code, stdout.as_str()), (77, ""), "{stderr}");
    assert!(
        stderr.contains("restante: work: the login was refused: ")
            && stderr.ends_with("\n  begin again: restante fetch auth login work\n"),
        "{stderr}"
    );
}
