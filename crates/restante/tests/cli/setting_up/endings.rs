//! Sessions that end otherwise than they should: what came is told, and what went wrong beside it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread::spawn;

use super::{Home, count};

/// What a server does that it should not.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    RefusesQuit,
    /// It hangs up where the first message is due.
    HangsUp,
}

/// A server with two messages; it serves until the test ends.
fn start(wrong: Wrong) -> u16 {
    let listener = TcpListener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(move || {
        for socket in listener.incoming() {
            spawn(move || serve(socket.unwrap(), wrong));
        }
    });
    port
}

fn serve(mut socket: TcpStream, wrong: Wrong) {
    let input = BufReader::new(socket.try_clone().unwrap());
    socket.write_all(b"+OK\r\n").unwrap();
    for line in input.lines() {
        let line = line.unwrap();
        if wrong == Wrong::HangsUp && line == "RETR 1" {
            return;
        }
        let reply = match line.split(' ').next().unwrap() {
            "CAPA" => "+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n",
            "STAT" => "+OK 2 8\r\n",
            "UIDL" => "+OK\r\n1 a\r\n2 b\r\n.\r\n",
            "LIST" => "+OK\r\n1 4\r\n2 4\r\n.\r\n",
            "RETR" => "+OK\r\n\r\nx\r\n.\r\n",
            "USER" | "PASS" | "DELE" | "NOOP" => "+OK\r\n",
            "QUIT" if wrong == Wrong::HangsUp => "+OK\r\n",
            "QUIT" => "-ERR some deleted messages not removed\r\n",
            _ => "-ERR\r\n",
        };
        // The text has four octets with its line ends.
        let reply = reply.replace("\r\n\r\nx\r\n.", "\r\n\r\n\r\n.");
        if socket.write_all(reply.as_bytes()).is_err() || line == "QUIT" {
            return;
        }
    }
}

/// A home with an account at such a server, and where the hook for new mail writes.
fn configured(wrong: Wrong) -> (Home, PathBuf) {
    let (home, port) = (Home::new(), start(wrong));
    fs::create_dir_all(home.path(".config/restante")).unwrap();
    let told = home.path("told");
    let text = format!(
        "[account.work]\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\ninsecure = true\nuser = \"mrose\"\n\
         auth = {{ password = \"redqueen\" }}\nkeep = false\ndelete_at_once = true\n\
         deliver = {{ maildir = \"~/Mail\" }}\non_new = [\"sh\", \"-c\", \"echo {{count}} >> '{}'\"]\n",
        told.display()
    );
    fs::write(home.configuration(), text).unwrap();
    (home, told)
}

#[test]
fn a_refused_quit_is_told_beside_what_came() {
    let (home, told) = configured(Wrong::RefusesQuit);
    for new in [2, 0] {
        let ended = home.run(&["fetch", "work", "--verbose"], "").with(76);
        let came = "work: 2 new messages (8 octets), and then it failed\n";
        assert_eq!(ended.stdout, if new == 2 { came } else { "" });
        for said in [
            "the server refused QUIT: -ERR some deleted messages not removed",
            "what came is kept",
        ] {
            assert!(ended.stderr.contains(said), "{}", ended.stderr);
        }
        assert_eq!(count(&home.path("Mail")), 2);
        assert_eq!(fs::read_to_string(&told).unwrap(), "2\n");
    }
    let ended = home.run(&["fetch", "work", "--json"], "").with(76);
    let last = ended.stdout.lines().last().unwrap();
    assert!(
        last.contains("\"event\":\"error\"") && last.contains("\"new\":0"),
        "{last}"
    );
}

#[test]
fn a_message_at_which_a_server_hangs_up_keeps_no_other_back() {
    let (home, told) = configured(Wrong::HangsUp);
    // What is to be deleted is deleted, which is how a session ends well.
    let ended = home.run(&["fetch", "work", "--verbose"], "").with(0);
    assert!(
        ended.stdout.starts_with("work: 1 new message (4 octets)")
            && ended
                .stdout
                .contains("1 deleted, 1 not delivered, 1 on the server"),
        "{}",
        ended.stdout
    );
    let said = "does not give message 1: the connection ended twice where it was due";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert_eq!(count(&home.path("Mail")), 1);
    assert_eq!(fs::read_to_string(&told).unwrap(), "1\n");
}
