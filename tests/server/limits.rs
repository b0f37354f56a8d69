//! Limits: of sessions, of addresses, of time.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use server::Protocol;

use crate::harness::{PASSWORD, Setup, Stream, wait_until};

#[test]
fn an_address_gets_so_many_sessions_and_no_more() {
    let setup = Setup::new().with(|config| config.limits.sessions_per_address_max = 2);
    let server = setup.start();
    let first = server.plain();
    let _second = server.plain();
    let mut third = server.connect(Protocol::Pop3);
    third.expect("-ERR [SYS/TEMP]");
    assert_eq!(third.rest(), b"");
    // Inside TLS there is nobody yet to say it to.
    assert_eq!(server.connect(Protocol::Pop3s).rest(), b"");
    // Deliveries do not count.
    server.deliver("bob", "Subject: x\r\n\r\n");
    drop(first);
    wait_until("a place is free", || {
        server.connect(Protocol::Pop3).line().starts_with("+OK")
    });
}

#[test]
fn a_full_server_says_so() {
    let setup = Setup::new().with(|config| {
        config.limits.session_count_max = 2;
        config.limits.lmtp_session_count_max = 1;
    });
    let server = setup.start();
    let (mut first, mut second) = (server.plain(), server.plain());
    first.log_in("bob");
    second.log_in("alice");
    server.connect(Protocol::Pop3).expect("-ERR [SYS/TEMP]");
    // Those who have logged in are not told to go, and hear nothing of it.
    first.ask("NOOP", "+OK");
    second.ask("NOOP", "+OK");
    let _delivery = server.lmtp();
    server.connect(Protocol::Lmtp).expect("421 4.3.2");
}

#[test]
fn an_empty_maildrop_is_shared_by_so_many_sessions_and_no_more() {
    let setup = Setup::new().with(|config| config.limits.sessions_per_account_max = 2);
    let server = setup.start();
    let (mut first, mut second) = (server.plain(), server.plain());
    first.log_in("alice");
    second.log_in("alice");
    let mut third = server.plain();
    third.ask("USER alice", "+OK");
    third.ask(&format!("PASS {PASSWORD}"), "-ERR [IN-USE]");
    // Others have theirs, and who was refused may try again.
    server.plain().log_in("bob");
    drop(first);
    wait_until("a place is free", || {
        third.send(b"USER alice\r\n");
        third.line();
        third.send(format!("PASS {PASSWORD}\r\n").as_bytes());
        third.line().starts_with("+OK")
    });
}

#[test]
fn an_ipv6_network_gets_some_more_sessions_than_an_address() {
    let setup = Setup::new().with(|config| {
        config.limits.sessions_per_address_max = 2;
        config.limits.sessions_per_network_max = 3;
        for listener in &mut config.listeners {
            listener.front_ends.proxy_protocol = vec!["127.0.0.1".parse().unwrap()];
        }
    });
    let server = setup.start();
    let open = |address: &str| {
        let mut client = server.connect(Protocol::Pop3);
        client.send(format!("PROXY TCP6 {address} 2001:db8::2 50000 110\r\n").as_bytes());
        client
    };
    let mut held = Vec::new();
    for (address, answer) in [
        ("2001:db8:0:1::1", "+OK"),
        ("2001:db8:0:1::1", "+OK"),
        ("2001:db8:0:1::1", "-ERR [SYS/TEMP]"),
        ("2001:db8:0:1::2", "+OK"),
        ("2001:db8:0:1::3", "-ERR [SYS/TEMP]"),
        ("2001:db8:0:2::3", "+OK"),
    ] {
        let mut client = open(address);
        client.expect(answer);
        held.push(client);
    }
}

#[test]
fn a_slow_stranger_does_not_stay() {
    let setup = Setup::new().with(|config| {
        config.limits.authorization_timeout = Duration::from_millis(400);
    });
    let server = setup.start();
    let mut client = server.plain();
    let start = Instant::now();
    // One octet at a time keeps nobody in: the time counts from the connection.
    while client.try_send(b"N").is_ok() && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_stranger_with_many_passwords_does_not_stay_either() {
    let setup = Setup::new().with(|config| {
        config.limits.authorization_timeout = Duration::from_secs(4);
    });
    let server = setup.start();
    let mut client = server.plain();
    let start = Instant::now();
    // Twenty refusals would take minutes, since each takes longer than the one before.
    for number in 0..20 {
        client.send(format!("USER nobody\r\nPASS wrong{number}\r\n").as_bytes());
    }
    // The first is told as soon as it is due, not with the last.
    client.expect("+OK");
    client.expect("-ERR [AUTH]");
    let rest = client.rest();
    assert!(start.elapsed() < Duration::from_secs(8));
    assert!(!rest.ends_with(b"closing\r\n"), "closed without a word");
}

#[test]
fn a_stranger_who_never_stops_talking_does_not_stay_either() {
    let setup = Setup::new().with(|config| {
        config.limits.authorization_timeout = Duration::from_millis(600);
    });
    let server = setup.start();
    let until = Instant::now() + Duration::from_secs(5);
    // Input that is always there must not keep the time limit from being seen.
    let mut talks = TcpStream::connect(server.address(Protocol::Pop3)).unwrap();
    let mut listens = talks.try_clone().unwrap();
    let listener = std::thread::spawn(move || std::io::copy(&mut listens, &mut std::io::sink()));
    let nonsense = b"NOOP\r\n".repeat(2000);
    while Instant::now() < until && talks.write_all(&nonsense).is_ok() {}
    assert!(Instant::now() < until, "nothing ended the session");
    let _ = listener.join();
}

#[test]
fn a_stranger_who_reads_slowly_does_not_stay_either() {
    let setup = Setup::new().with(|config| {
        config.limits.authorization_timeout = Duration::from_secs(1);
    });
    let server = setup.start();
    let mut client = server.plain();
    let start = Instant::now();
    // Their replies are more than the system keeps for a client that does not read. What is
    // written of them now and then does not make the time longer.
    let flood = "CAPA\r\n".repeat(10_000);
    if let Stream::Tcp(stream) = &client.stream {
        let limit = Some(Duration::from_secs(8));
        stream.set_write_timeout(limit).unwrap();
    }
    while client.try_send(flood.as_bytes()).is_ok() && start.elapsed() < Duration::from_secs(8) {}
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn octets_that_are_no_command_do_not_start_the_idle_time_anew() {
    let setup = Setup::new().with(|config| {
        config.limits.idle_timeout = Duration::from_millis(400);
    });
    let server = setup.start();
    for octet in [b"N", b"\0"] {
        let mut client = server.plain().logged_in("bob");
        let start = Instant::now();
        while client.try_send(octet).is_ok() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn time_is_shorter_while_the_server_is_crowded() {
    let setup = Setup::new().with(|config| {
        config.limits.session_count_max = 5;
        config.limits.authorization_timeout = Duration::from_secs(60);
        config.limits.authorization_timeout_crowded = Duration::from_millis(300);
    });
    let server = setup.start();
    let mut clients: Vec<_> = (0..4).map(|_| server.plain()).collect();
    std::thread::sleep(Duration::from_millis(400));
    for client in &mut clients {
        client.ask("CAPA", "+OK");
        client.text();
    }
    // One more makes it crowded, and one of those who have been here for long has to go.
    let mut last = server.plain();
    wait_until("a place is free", || {
        clients.iter_mut().any(|client| client.closed())
    });
    last.ask("CAPA", "+OK");
}

#[test]
fn silence_ends_a_session_without_a_word_and_deletes_nothing() {
    let setup = Setup::new().with(|config| {
        config.limits.idle_timeout = Duration::from_millis(300);
    });
    let server = setup.start();
    server.deliver("bob", "Subject: x\r\n\r\n");
    for tls in [false, true] {
        let mut client = match tls {
            true => server.tls(),
            false => server.plain(),
        };
        client.log_in("bob");
        // Before the command: the server's silence begins after it.
        let start = Instant::now();
        client.ask("DELE 1", "+OK");
        assert_eq!(
            client.rest(),
            b"",
            "closed without a response (RFC 1939 §3)"
        );
        assert!(start.elapsed() >= Duration::from_millis(290));
        assert_eq!(server.messages("bob"), 1);
    }
}

#[test]
fn every_command_starts_the_idle_time_anew() {
    let setup = Setup::new().with(|config| {
        config.limits.idle_timeout = Duration::from_millis(400);
    });
    let server = setup.start();
    let mut client = server.plain().logged_in("bob");
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(200));
        client.ask("NOOP", "+OK");
    }
}

#[test]
fn a_client_that_stops_reading_gives_the_maildrop_back() {
    let setup = Setup::new().with(|config| {
        config.limits.write_timeout = Duration::from_millis(300);
    });
    let server = setup.start();
    let big = format!("Subject: b\r\n\r\n{}", "0123456789\r\n".repeat(1_000_000));
    server.deliver("bob", &big);
    let mut stuck = server.plain().logged_in("bob");
    stuck.send(b"DELE 1\r\nRSET\r\nRETR 1\r\nRETR 1\r\nDELE 1\r\n");
    wait_until("the maildrop is free", || {
        server.maildrops.open(server.maildrop("bob")).is_ok()
    });
    assert!(
        !stuck
            .rest()
            .ends_with(b"\r\n.\r\n+OK message 1 deleted\r\n")
    );
    assert_eq!(server.messages("bob"), 1);
}

#[test]
fn a_silent_delivery_is_told_and_closed() {
    let setup = Setup::new().with(|config| {
        config.limits.lmtp_timeout = Duration::from_millis(300);
    });
    let server = setup.start();
    let mut client = server.lmtp();
    client.expect("421 4.4.2");
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_delivery_has_time_for_its_text_and_not_for_half_a_command() {
    let setup = Setup::new().with(|config| {
        config.limits.lmtp_timeout = Duration::from_millis(500);
        config.limits.message_octets_max = 20;
    });
    let server = setup.start();
    let mut client = server.lmtp();
    for command in ["MAIL FROM:<>", "RCPT TO:<bob>"] {
        client.say(command);
        client.reply("250");
    }
    client.say("DATA");
    client.reply("354");
    // Also when what comes is over the limit and no longer kept.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(50));
        client.send(b"text");
    }
    client.send(b"\r\n.\r\n");
    client.reply("552 5.3.4");
    let start = Instant::now();
    while client.try_send(b"N").is_ok() && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn hundreds_of_stalled_strangers_do_not_hold_up_a_login() {
    let setup = Setup::new().with(|config| {
        config.limits.session_count_max = 2_000;
        config.limits.sessions_per_address_max = 0;
    });
    let server = setup.start();
    // The first login fills the cache of verified credentials.
    server.plain().logged_in("bob").ask("QUIT", "+OK");
    let strangers: Vec<_> = (0..400)
        .map(|number| match number % 2 {
            0 => server.connect(Protocol::Pop3),
            _ => server.connect(Protocol::Pop3s),
        })
        .collect();
    let start = Instant::now();
    let mut client = server.plain();
    client.send(format!("USER bob\r\nPASS {PASSWORD}\r\nQUIT\r\n").as_bytes());
    assert!(client.rest().ends_with(b"signing off (maildrop empty)\r\n"));
    assert!(start.elapsed() < Duration::from_secs(2));
    drop(strangers);
}

#[test]
fn logins_that_find_no_place_to_be_checked_are_told_to_try_again() {
    let mut setup = Setup::new();
    setup.logins.hash_threads = NonZeroUsize::MIN;
    setup.logins.hash_queue_max = 4;
    let server = setup.start();
    server.plain().logged_in("bob").ask("QUIT", "+OK");
    // One address holds a quarter of the queue: one waits, one is looked at.
    let mut guessers: Vec<_> = (0..12).map(|_| server.plain()).collect();
    let start = Instant::now();
    for (number, guesser) in guessers.iter_mut().enumerate() {
        guesser.send(format!("USER nobody{number}\r\nPASS wrong\r\n").as_bytes());
    }
    // Meanwhile whoever is known gets in.
    let known = Instant::now();
    server.plain().logged_in("bob").ask("QUIT", "+OK");
    assert!(known.elapsed() < Duration::from_secs(2));
    let mut told = Vec::new();
    for guesser in &mut guessers {
        guesser.expect("+OK");
        told.push(guesser.expect("-ERR ["));
        // Not at once, or who asks without a pause would get each place that becomes free.
        assert!(start.elapsed() >= Duration::from_millis(300));
    }
    let later = told
        .iter()
        .filter(|line| line.starts_with("-ERR [SYS/TEMP]"));
    let wrong = told.iter().filter(|line| line.starts_with("-ERR [AUTH]"));
    let (later, wrong) = (later.count(), wrong.count());
    assert!(later > 0 && wrong > 0 && later + wrong == 12, "{told:?}");
    // Nothing is left of it.
    guessers[0].log_in("alice");
}

#[test]
fn a_server_without_descriptors_says_so_and_recovers() {
    // In a process of its own: other tests need descriptors too.
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--test-threads=1"])
        .arg("limits::without_descriptors")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by a_server_without_descriptors_says_so_and_recovers, in a process of its own"]
fn without_descriptors() {
    let server = Setup::new().start();
    let mut held = server.plain();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 200, hard).unwrap();
    let mut fillers = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        fillers.push(file);
    }
    // One descriptor for the client, none for the server.
    for _ in 0..3 {
        fillers.pop();
        let mut client = server.connect(Protocol::Pop3);
        client.expect("-ERR [SYS/TEMP]");
        assert_eq!(client.rest(), b"");
        drop(client);
        // The server's own spare descriptor, and an accept that finds nobody, come in between.
        let start = Instant::now();
        let filler = loop {
            match File::open("/dev/null") {
                Ok(file) => break file,
                Err(_) if start.elapsed() < Duration::from_secs(5) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        fillers.push(filler);
    }
    held.ask("CAPA", "+OK");
    drop(fillers);
    server.plain().log_in("bob");
}
