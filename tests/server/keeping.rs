//! Quota and retention over sockets: what LMTP says when a maildrop is full, what EXPIRE announces,
//! and what a sweep deletes.

use std::fs;
use std::hash::Hasher as _;
use std::num::NonZeroU32;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime};

use auth::{AccountsError, Change, Expire, PasswordHash, Quota, Scheme};
use server::Keeping;
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128 as _, SipHasher24 as Wide};

use crate::harness::{Client, Server, Setup, wait_until};

/// Of the cheapest kind, since none of these passwords is ever used.
const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn days(number: u32) -> Expire {
    Expire::Days(NonZeroU32::new(number).unwrap())
}

pub(crate) fn at_most(number: u64) -> Quota {
    Quota::AtMost(number.try_into().unwrap())
}

/// A server on the native store that sweeps only when it is told to.
pub(crate) fn start(change: impl FnOnce(&mut Keeping)) -> Server {
    let setup = Setup::new().native().with(|config| {
        config.limits.lmtp_session_count_max = 100;
        config.keeping.sweep_interval = DAY;
        change(&mut config.keeping);
    });
    setup.start()
}

/// From now on there is a sweep every second.
pub(crate) fn sweep(server: &Server) {
    let mut config = server.config.clone();
    config.keeping.sweep_interval = Duration::from_secs(1);
    server.reload(config);
}

fn set(server: &Server, account: &str, change: Change) {
    server.auth.accounts().set(account, &change).unwrap();
}

fn expire(expire: Expire) -> Change {
    Change {
        expire: Some(Some(expire)),
        ..Change::default()
    }
}

/// Makes the messages of a maildrop so many days old, one after the other: there is no other way
/// to have mail that was put here long ago. Written after `docs/format.md`.
pub(crate) fn age(server: &Server, account: &str, days: &[u64]) {
    let path = server.maildrops.path(server.maildrop(account)).unwrap();
    let mut file = fs::read(&path).unwrap();
    let number = |octets: &[u8]| {
        let mut number = [0; 8];
        number[..octets.len()].copy_from_slice(octets);
        u64::from_le_bytes(number)
    };
    let salt = file[64..80].try_into().unwrap();
    // The file itself is as old as its first message: none is older than it.
    file[56..64].copy_from_slice(&0_i64.to_le_bytes());
    let mut mac = Wide::new_with_key(&salt);
    mac.write(&file[..4080]);
    let mac = mac.finish128().as_bytes();
    file[4080..4096].copy_from_slice(&mac);
    let mut at = number(&file[20..24]) as usize;
    for days in days {
        assert_eq!(file[at + 4], 1, "a message");
        let put = i64::from_le_bytes(file[at + 32..at + 40].try_into().unwrap());
        let put = put - (DAY.as_micros() as i64) * *days as i64;
        file[at + 32..at + 40].copy_from_slice(&put.to_le_bytes());
        let tlvs = number(&file[at + 6..at + 8]) as usize;
        let mut mac = SipHasher24::new_with_key(&salt);
        mac.write(&(at as u64).to_le_bytes());
        mac.write(&file[at..at + 56]);
        mac.write(&file[at + 64..at + 64 + tlvs]);
        file[at + 56..at + 64].copy_from_slice(&mac.finish().to_le_bytes());
        let body = number(&file[at + 8..at + 16]) as usize;
        at = (at + 64 + tlvs + body).next_multiple_of(8);
    }
    fs::write(&path, file).unwrap();
}

#[test]
fn a_sweep_deletes_what_has_expired_and_nothing_else() {
    let server = start(|keeping| keeping.expire = days(30));
    set(&server, "alice", expire(Expire::Never));
    for text in [
        "Subject: 1\r\n\r\n",
        "Subject: 2\r\n\r\n",
        "Subject: 3\r\n\r\n",
    ] {
        server.deliver("bob", text);
    }
    server.deliver("alice", "Subject: old\r\n\r\n");
    age(&server, "bob", &[31, 30, 29]);
    age(&server, "alice", &[400]);
    sweep(&server);
    wait_until("bob's old mail is gone", || server.messages("bob") == 1);
    let mut reader = server.plain().logged_in("bob");
    reader.ask("RETR 1", "+OK");
    assert!(reader.text().ends_with(b"Subject: 3\r\n\r\n"));
    // The next sweeps find nothing to do, until the account keeps its mail for less.
    thread::sleep(Duration::from_millis(1500));
    assert_eq!((server.messages("bob"), server.messages("alice")), (1, 1));
    reader.ask("QUIT", "+OK");
    set(&server, "bob", expire(days(28)));
    wait_until("bob's last mail is gone", || server.messages("bob") == 0);
    assert_eq!(server.messages("alice"), 1);
    server
        .maildrops
        .verify(server.maildrop("bob"), &mut |_| {})
        .unwrap();
}

#[test]
fn a_maildrop_in_use_is_swept_when_its_session_is_over() {
    let server = start(|keeping| keeping.expire = days(1));
    server.deliver("bob", "Subject: x\r\n\r\n");
    age(&server, "bob", &[2]);
    let mut reader = server.plain().logged_in("bob");
    sweep(&server);
    thread::sleep(Duration::from_millis(2500));
    reader.ask("STAT", "+OK 1 ");
    reader.ask("RETR 1", "+OK");
    reader.text();
    reader.ask("QUIT", "+OK dewey POP3 server signing off (1 message left)");
    wait_until("the session is over", || server.messages("bob") == 0);
}

#[test]
fn mail_that_waits_to_be_retrieved_does_not_expire() {
    let server = start(|keeping| keeping.expire = Expire::Retrieved);
    set(&server, "alice", expire(days(1)));
    for account in ["bob", "alice"] {
        server.deliver(account, "Subject: x\r\n\r\n");
        age(&server, account, &[999]);
    }
    sweep(&server);
    wait_until("there was a sweep", || server.messages("alice") == 0);
    assert_eq!(server.messages("bob"), 1);
}

#[test]
fn the_space_of_deleted_mail_is_given_back_when_it_cannot_be_brought_back_any_more() {
    let server = start(|keeping| keeping.grace = Duration::from_secs(3));
    server.deliver("bob", &"0123456789abcdef\r\n".repeat(100_000));
    let mut reader = server.plain().logged_in("bob");
    reader.ask("DELE 1", "+OK");
    reader.ask("QUIT", "+OK");
    let summary = || server.maildrops.summary(server.maildrop("bob")).unwrap();
    sweep(&server);
    thread::sleep(Duration::from_millis(1500));
    let (kept, disk) = (summary().grace_messages, summary().disk_octets);
    assert!(
        kept == 1 && disk > 1_800_000,
        "{kept} messages, {disk} octets"
    );
    wait_until("its space is given back", || {
        summary().disk_octets < 100_000
    });
    assert_eq!(summary().grace_messages, 0);
    let reserve = server.dir.path().join("data/reserve.bin");
    assert_eq!(fs::metadata(reserve).unwrap().len(), 1 << 20);
}

#[test]
fn while_the_clock_is_not_believed_nothing_expires() {
    let server = start(|keeping| keeping.expire = days(1));
    server.deliver("bob", "Subject: x\r\n\r\n");
    age(&server, "bob", &[9]);
    // The last sweep was ten days ago: the server was off for so long, or its clock is wrong.
    let long_ago = SystemTime::now() - DAY * 10;
    let accounts = server.auth.accounts();
    accounts.set_swept(long_ago).unwrap();
    sweep(&server);
    thread::sleep(Duration::from_millis(3500));
    assert_eq!(server.messages("bob"), 1);
    let swept = accounts.swept().unwrap().unwrap();
    assert!(swept < long_ago + Duration::from_secs(2));
    drop(server);
    // The same mail, with a clock that is believed.
    let server = start(|keeping| keeping.expire = days(1));
    server.deliver("bob", "Subject: x\r\n\r\n");
    age(&server, "bob", &[9]);
    let accounts = server.auth.accounts();
    accounts.set_swept(SystemTime::now() - DAY).unwrap();
    sweep(&server);
    wait_until("it expires", || server.messages("bob") == 0);
    let swept = accounts.swept().unwrap().unwrap();
    assert!(swept.elapsed().unwrap() < Duration::from_secs(60));
}

/// Removes an account, so long ago.
pub(crate) fn remove(server: &Server, account: &str, ago: Duration) {
    server.auth.accounts().remove(account).unwrap();
    let database = server.dir.path().join("data/accounts.db");
    let database = rusqlite::Connection::open(database).unwrap();
    let changed = database.execute(
        "UPDATE account SET removed = removed - ?1 WHERE name = ?2 AND removed IS NOT NULL",
        rusqlite::params![ago.as_secs() as i64, account],
    );
    assert_eq!(changed.unwrap(), 1);
}

#[test]
fn the_maildrop_of_an_account_goes_thirty_days_after_it_was_removed() {
    let server = start(|_| {});
    server.deliver("bob", "Subject: x\r\n\r\n");
    let bob = server.maildrops.path(server.maildrop("bob")).unwrap();
    remove(&server, "bob", auth::REMOVED_KEPT);
    let accounts = server.auth.accounts();
    accounts.set_swept(SystemTime::now() - DAY * 10).unwrap();
    sweep(&server);
    thread::sleep(Duration::from_millis(2500));
    assert!(bob.exists(), "nobody believes the clock");
    drop(server);

    let server = start(|_| {});
    for account in ["bob", "alice"] {
        server.deliver(account, "Subject: x\r\n\r\n");
    }
    let path = |account| server.maildrops.path(server.maildrop(account)).unwrap();
    let (bob, alice) = (path("bob"), path("alice"));
    remove(&server, "bob", auth::REMOVED_KEPT);
    remove(&server, "alice", auth::REMOVED_KEPT - DAY);
    // Whoever has the name now has nothing to do with it.
    let password = auth::Password::Clear(sasl::Secret::new("x"));
    let accounts = server.auth.accounts();
    accounts.add("bob", &password).unwrap();
    server.deliver("bob", "Subject: y\r\n\r\n");
    sweep(&server);
    wait_until("bob is forgotten", || {
        accounts.removed().unwrap().len() == 1
    });
    assert!(!bob.exists());
    thread::sleep(Duration::from_millis(1500));
    assert!(alice.exists());
    assert_eq!(accounts.removed().unwrap()[0].name, "alice");
    assert_eq!(server.messages("bob"), 1);
}

/// A removed account whose mail may go, its maildrop's id, and the file of it.
fn due(server: &Server, account: &str) -> (u64, std::path::PathBuf) {
    server.deliver(account, "Subject: x\r\n\r\n");
    let id = server.maildrop(account);
    remove(server, account, auth::REMOVED_KEPT);
    (id.0, server.maildrops.path(id).unwrap())
}

#[test]
fn what_a_sweep_had_begun_to_delete_is_deleted_after_a_crash_and_not_given_back() {
    let server = start(|_| {});
    let (bob, path) = due(&server, "bob");
    let accounts = server.auth.accounts();
    // A sweep that came so far and no further.
    let now = SystemTime::now();
    assert!(accounts.claim(bob, Some(now)).unwrap().is_some());
    let refused = accounts.restore(bob);
    assert!(matches!(refused, Err(AccountsError::Erasing(_))));
    assert!(path.exists());
    sweep(&server);
    wait_until("bob is forgotten", || {
        accounts.removed().unwrap().is_empty()
    });
    assert!(!path.exists());
}

#[test]
fn an_account_that_comes_back_during_a_sweep_has_its_mail_or_is_refused() {
    let server = start(|_| {});
    let accounts = server.auth.accounts();
    let password = auth::Password::Hash(PasswordHash::parse(Scheme::BlfCrypt, BCRYPT).unwrap());
    let names: Vec<_> = (0..60).map(|number| format!("bob{number}")).collect();
    let all: Vec<_> = names
        .iter()
        .map(|name| {
            accounts.add(name, &password).unwrap();
            (name, due(&server, name))
        })
        .collect();
    sweep(&server);
    // From the other end, when the sweep has begun: they meet somewhere.
    wait_until("the sweep deletes", || !all[0].1.1.exists());
    let mut back = 0;
    for (name, (maildrop, path)) in all.iter().rev() {
        match accounts.restore(*maildrop) {
            Ok(_) => {
                back += 1;
                assert_eq!(server.messages(name), 1);
                assert!(path.exists());
            }
            Err(AccountsError::Erasing(_) | AccountsError::NotRemoved(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    wait_until("the others are forgotten", || {
        accounts.removed().unwrap().is_empty()
    });
    let left = all.iter().filter(|(_, (_, path))| path.exists()).count();
    assert_eq!((left, accounts.list().unwrap().len()), (back, back + 2));
}

#[test]
fn a_sweep_ends_where_an_account_cannot_be_read() {
    let server = start(|keeping| keeping.expire = days(1));
    for account in ["bob", "alice"] {
        server.deliver(account, "Subject: x\r\n\r\n");
        age(&server, account, &[2]);
    }
    let (bob, alice) = (server.maildrop("bob"), server.maildrop("alice"));
    let messages = |id| server.maildrops.summary(id).unwrap().messages;
    let accounts = server.dir.path().join("data/accounts.db");
    let accounts = rusqlite::Connection::open(accounts).unwrap();
    accounts
        .execute_batch(
            "PRAGMA ignore_check_constraints = 1;
             UPDATE account SET expire = -7 WHERE name = 'bob';",
        )
        .unwrap();
    sweep(&server);
    thread::sleep(Duration::from_millis(2500));
    // Bob comes first, and nobody knows what his row means.
    assert_eq!((messages(bob), messages(alice)), (1, 1));
    accounts
        .execute("UPDATE account SET expire = NULL", [])
        .unwrap();
    wait_until("the next sweep goes on", || {
        messages(bob) + messages(alice) == 0
    });
}

#[test]
fn expire_is_announced_as_the_accounts_say() {
    let server = start(|keeping| keeping.expire = days(30));
    let announced = |client: &mut Client| {
        client.ask("CAPA", "+OK");
        let text = String::from_utf8(client.text()).unwrap();
        let mut lines = text.lines().filter(|line| line.starts_with("EXPIRE"));
        let found = lines.next().map(ToOwned::to_owned);
        assert_eq!(lines.next(), None);
        found.unwrap_or_default()
    };
    assert_eq!(announced(&mut server.plain()), "EXPIRE 30");
    // What is changed counts for the next connection.
    for (own, before, after) in [
        (days(7), "EXPIRE 7 USER", "EXPIRE 7"),
        (days(90), "EXPIRE 30 USER", "EXPIRE 90"),
        (Expire::Never, "EXPIRE 30 USER", "EXPIRE NEVER"),
        (Expire::Retrieved, "EXPIRE 0 USER", "EXPIRE 0"),
        (days(30), "EXPIRE 30", "EXPIRE 30"),
    ] {
        set(&server, "bob", expire(own));
        let mut client = server.plain();
        assert_eq!(announced(&mut client), before);
        let mut client = client.logged_in("bob");
        assert_eq!(announced(&mut client), after);
        let mut other = server.tls().logged_in("alice");
        assert_eq!(announced(&mut other), "EXPIRE 30");
    }
    let mut config = server.config.clone();
    config.keeping.expire = Expire::Never;
    server.reload(config);
    wait_until("the new default counts", || {
        announced(&mut server.plain()) == "EXPIRE 30 USER"
    });
}

#[test]
fn what_was_retrieved_is_deleted_by_quit_alone() {
    let server = start(|keeping| keeping.expire = Expire::Retrieved);
    set(&server, "alice", expire(Expire::Never));
    for account in ["bob", "alice"] {
        for text in [
            "Subject: 1\r\n\r\n",
            "Subject: 2\r\n\r\n",
            "Subject: 3\r\n\r\n",
        ] {
            server.deliver(account, text);
        }
        let mut lost = server.plain().logged_in(account);
        lost.ask("RETR 1", "+OK");
        lost.text();
        drop(lost);
        wait_until("the lock is free", || {
            let mut client = server.plain();
            client.ask(&format!("USER {account}"), "+OK");
            client.say("PASS redqueen");
            client.line().starts_with("+OK")
        });
        assert_eq!(server.messages(account), 3);
        let mut client = server.plain().logged_in(account);
        client.ask("RETR 1", "+OK");
        client.text();
        client.ask("TOP 2 9", "+OK");
        client.text();
        client.ask("DELE 3", "+OK");
        client.ask("QUIT", "+OK dewey POP3 server signing off");
    }
    assert_eq!((server.messages("bob"), server.messages("alice")), (1, 2));
    // All at once, and a text that needs many writes.
    server.deliver("bob", &"0123456789abcdef\r\n".repeat(100_000));
    let mut client = server.plain().logged_in("bob");
    client.send(b"RETR 1\r\nRETR 2\r\nQUIT\r\n");
    client.expect("+OK");
    client.text();
    client.expect("+OK");
    assert!(client.text().len() > 1_800_000);
    client.expect("+OK dewey POP3 server signing off (maildrop empty)");
    assert_eq!(server.messages("bob"), 0);
}

#[test]
fn a_client_that_is_gone_before_the_text_left_keeps_its_mail() {
    let server = start(|keeping| keeping.expire = Expire::Retrieved);
    server.deliver("bob", &"0123456789abcdef\r\n".repeat(500_000));
    let mut client = server.plain().logged_in("bob");
    // Nine megabytes are more than the sockets hold, and nobody reads them.
    client.send(b"RETR 1\r\nQUIT\r\n");
    thread::sleep(Duration::from_millis(300));
    drop(client);
    let mut client = server.plain();
    wait_until("the lock is free", || {
        client = server.plain();
        client.ask("USER bob", "+OK");
        client.say("PASS redqueen");
        client.line().starts_with("+OK")
    });
    client.ask("STAT", "+OK 1 ");
}

#[test]
fn a_full_maildrop_is_told_early_and_exactly() {
    let server = start(|keeping| keeping.octets = at_most(1000));
    let unlimited = Change {
        octets: Some(Some(Quota::Unlimited)),
        ..Change::default()
    };
    set(&server, "alice", unlimited);
    let mut client = server.lmtp();
    // Declared: refused before it travels, for that recipient alone.
    client.ask("MAIL FROM:<a@example.com> SIZE=1001", "250");
    let refused = client.ask("RCPT TO:<bob>", "452");
    assert_eq!(refused, "452 4.2.2 maildrop is full, try again later");
    client.ask("RCPT TO:<alice>", "250");
    client.ask("DATA", "354");
    client.send(b"Subject: x\r\n\r\n.\r\n");
    client.reply("250");
    // Not declared: found out at the end, each recipient for itself.
    let thousand = [&[b'x'; 998][..], b"\r\n"].concat();
    client.deliver("a@example.com", &["bob", "alice"], &thousand);
    client.reply("452 4.2.2 maildrop is full, try again later <bob>");
    client.reply("250");
    assert_eq!((server.messages("bob"), server.messages("alice")), (0, 2));
    // A reload changes both the limit and what is told.
    let mut config = server.config.clone();
    config.keeping.octets = Quota::Unlimited;
    config.keeping.messages = at_most(1);
    config.keeping.quota_exceeded = delivery::QuotaExceeded::Permanent;
    server.reload(config);
    server.deliver("bob", "Subject: y\r\n\r\n");
    let mut client = server.lmtp();
    client.ask("MAIL FROM:<a@example.com>", "250");
    let refused = client.ask("RCPT TO:<bob>", "552");
    assert_eq!(refused, "552 5.2.2 maildrop is full");
    assert_eq!(server.messages("bob"), 1);
    // What is deleted makes room.
    let mut reader = server.plain().logged_in("bob");
    reader.ask("DELE 1", "+OK");
    reader.ask("QUIT", "+OK");
    client.ask("RCPT TO:<bob>", "250");
}

#[test]
fn sixty_four_deliveries_at_the_edge_do_not_overshoot_by_one() {
    const DELIVERERS: usize = 64;
    const ROOM: usize = 10;
    for by_octets in [false, true] {
        let server = start(|_| {});
        let text = "Subject: one of many\r\n\r\nhello\r\n";
        server.deliver("bob", text);
        let id = server.maildrop("bob");
        let one = server.maildrops.summary(id).unwrap().octets;
        let room = (ROOM + 1) as u64;
        let change = match by_octets {
            // One octet less than one message more.
            true => Change {
                octets: Some(Some(at_most(room * one + one - 1))),
                ..Change::default()
            },
            false => Change {
                messages: Some(Some(at_most(room))),
                ..Change::default()
            },
        };
        set(&server, "bob", change);
        let start = Barrier::new(DELIVERERS);
        let codes: Vec<_> = thread::scope(|scope| {
            let clients: Vec<_> = (0..DELIVERERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut client = server.lmtp();
                        client.ask("MAIL FROM:<sender@example.com>", "250");
                        client.ask("RCPT TO:<bob>", "250");
                        client.ask("DATA", "354");
                        client.send(text.as_bytes());
                        start.wait();
                        client.send(b".\r\n");
                        client.line()[..9].to_owned()
                    })
                })
                .collect();
            clients.into_iter().map(|c| c.join().unwrap()).collect()
        });
        let delivered = codes.iter().filter(|code| *code == "250 2.0.0").count();
        let refused = codes.iter().filter(|code| *code == "452 4.2.2").count();
        assert_eq!((delivered, refused), (ROOM, DELIVERERS - ROOM), "{codes:?}");
        let held = server.maildrops.summary(id).unwrap();
        assert_eq!((held.messages, held.octets), (room, room * one));
    }
}
