//! Commands that do what they should, and others.

use super::*;
use crate::destination::script::{message, text};

fn shell(script: &str, limit: Duration) -> Command {
    Command::new(&["/bin/sh".into(), "-c".into(), script.into()], limit).unwrap()
}

/// What becomes of a message that such a script gets.
fn deliver(script: &str, wire: &[u8], limit: Duration) -> Result<(), NotDelivered> {
    let mut command = shell(script, limit);
    command.open(Ended::InOrder).unwrap();
    let (mut text, _directory) = text(wire);
    command.deliver(&message(), &mut text)
}

const WIRE: &[u8] = b"Subject: a\r\n\r\n..\r\nb\r\n";

#[test]
fn a_command_gets_the_message_and_what_is_known_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let shown = path.display();
    let script = format!(
        "echo noise; cat > '{shown}'; echo \"$RESTANTE_ACCOUNT $RESTANTE_KEY $RESTANTE_NAME\" >> '{shown}'"
    );
    deliver(&script, WIRE, TIME_LIMIT).unwrap();
    let came = std::fs::read_to_string(&path).unwrap();
    let expected = "Subject: a\n\n.\nb\n\
        mrose@pop.example.org c:00ff-120.1 0123456789abcdef0123456789abcdef01234567\n";
    assert_eq!(came, expected);
}

#[test]
fn arguments_are_given_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("$(a b);'c");
    let words = ["tee".to_owned(), path.to_str().unwrap().to_owned()];
    let mut command = Command::new(&words, TIME_LIMIT).unwrap();
    command.open(Ended::InOrder).unwrap();
    let (mut text, _directory) = text(WIRE);
    command.deliver(&message(), &mut text).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"Subject: a\n\n.\nb\n");
    assert!(command.name().starts_with("command:tee%20/"));
    assert!(!command.name().contains(' '));
}

#[test]
fn exit_statuses_are_those_of_sysexits() {
    for (status, expected) in [
        (1, "not now"),
        (64, "unusable"),
        (65, "refused"),
        (67, "refused"),
        (68, "refused"),
        (69, "not now"),
        (73, "not now"),
        (75, "not now"),
        (76, "not now"),
        (77, "unusable"),
        (78, "unusable"),
        (126, "unusable"),
        (127, "unusable"),
        (255, "not now"),
    ] {
        let script =
            format!("cat >/dev/null; printf 'why\\nand \\033[2Jmore\\n' >&2; exit {status}");
        let (came, why) = match deliver(&script, WIRE, TIME_LIMIT).unwrap_err() {
            NotDelivered::NotNow(why) => ("not now", why),
            NotDelivered::Refused(why) => ("refused", why),
            NotDelivered::Unusable(why) | NotDelivered::NoLogin(why) => ("unusable", why),
        };
        assert_eq!(came, expected, "{status}");
        assert_eq!(
            why,
            format!("/bin/sh ended with status {status}: why and  [2Jmore")
        );
    }
    let killed = deliver("kill -9 $$", WIRE, TIME_LIMIT).unwrap_err();
    assert!(
        matches!(&killed, NotDelivered::NotNow(why) if why.contains("signal 9")),
        "{killed}"
    );
}

#[test]
fn the_whole_message_is_there_before_the_command_starts() {
    // Of a pipe nobody could say how much is still to come, nor whether its end is that of the message.
    let large = b"a line of a large text\r\n".repeat(100_000);
    let octets = large.len() - 100_000;
    let script = format!("test -f /dev/stdin && test $(stat -Lc %s /dev/stdin) = {octets}");
    deliver(&script, &large, TIME_LIMIT).unwrap();
}

#[test]
fn a_command_need_not_read_what_it_does_not_want() {
    let large = b"a line of a large text\r\n".repeat(100_000);
    deliver("exec 0<&-; sleep 0.1; exit 0", &large, TIME_LIMIT).unwrap();
    deliver("exit 0", &large, TIME_LIMIT).unwrap();
    let refused = deliver("head -n 1 >/dev/null; exit 65", &large, TIME_LIMIT);
    assert!(matches!(refused, Err(NotDelivered::Refused(_))));
}

#[test]
fn a_command_that_talks_a_lot_before_it_reads_is_heard() {
    let large = b"a line of a large text\r\n".repeat(100_000);
    let script = "head -c 1000000 /dev/zero | tr '\\0' x >&2; wc -c >&2; exit 65";
    let Err(NotDelivered::Refused(why)) = deliver(script, &large, TIME_LIMIT) else {
        panic!("it is refused");
    };
    assert!(why.len() < 400 && why.contains("xxx"), "{why}");
}

#[test]
fn what_a_command_leaves_behind_is_not_waited_for() {
    let large = b"a line of a large text\r\n".repeat(100_000);
    // It holds the input and the errors open, and does nothing with them.
    deliver("sleep 30 <&0 & exit 0", &large, Duration::from_secs(20)).unwrap();
}

#[test]
fn a_command_that_takes_too_long_is_stopped_with_what_it_started() {
    let large = b"a line of a large text\r\n".repeat(100_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pid");
    let limit = Duration::from_millis(700);
    for script in [
        "echo so far >&2; sleep 60 & echo $! > PID; wait",
        // It does not listen.
        "trap '' TERM; echo so far >&2; sleep 60 & echo $! > PID; while :; do wait; done",
    ] {
        let script = script.replace("PID", path.to_str().unwrap());
        let Err(NotDelivered::NotNow(why)) = deliver(&script, &large, limit) else {
            panic!("it is stopped");
        };
        assert!(why.ends_with("was stopped: so far"), "{why}");
        let pid = std::fs::read_to_string(&path).unwrap();
        let gone = || match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        // The signal has been sent; the system has to act on it.
        for _ in 0..1000 {
            if gone() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(gone(), "what it started runs still");
    }
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    for program in [
        "/nonexistent/program",
        "no-such-program-anywhere",
        plain.to_str().unwrap(),
        directory.path().to_str().unwrap(),
    ] {
        let mut command = Command::new(&[program.to_owned()], TIME_LIMIT).unwrap();
        let opened = command.open(Ended::InOrder);
        assert!(matches!(opened, Err(NotDelivered::Unusable(why)) if why.contains(program)));
        let (mut text, _directory) = text(WIRE);
        let delivered = command.deliver(&message(), &mut text);
        assert!(
            matches!(delivered, Err(NotDelivered::Unusable(_))),
            "{delivered:?}"
        );
    }
    assert!(Command::new(&[], TIME_LIMIT).is_err());
    assert!(Command::new(&[String::new()], TIME_LIMIT).is_err());
}
