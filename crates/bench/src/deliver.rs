//! `deliver`: mail comes in by LMTP, each message one of a generated corpus. Who reads it afterwards
//! (`retrieve`, `drain`) verifies by its stamp that it is what was delivered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pop3::wire::TERMINATOR;

use crate::Load;
use crate::corpus::{Corpus, Series, Sizes};
use crate::error::BenchError;
use crate::lmtp::Lmtp;
use crate::measure::measure;
use crate::outcome::{Better, Outcome};

pub use crate::lmtp::Address;

/// Where mail is delivered to, and what mail.
#[derive(Clone, Debug)]
pub struct Postbox {
    /// Where the LMTP server listens.
    pub address: Address,
    /// Who gets the mail, in turn.
    pub recipients: Vec<String>,
    /// So many of them get each message.
    pub copies: usize,
    /// How large the messages are.
    pub sizes: Sizes,
    /// Name of the corpus; a name that was used before gives the same messages.
    pub corpus: String,
    /// So many messages in all; none: as many as the time allows.
    pub messages: Option<u64>,
    /// Silence after which the server counts as hung.
    pub patience: Duration,
}

/// Delivers messages one after the other on each connection.
///
/// # Errors
///
/// At the first message that is refused, or when the server cannot be reached or measured.
pub fn deliver(postbox: &Postbox, load: &Load<'_>) -> Result<Outcome, BenchError> {
    let series = Series::new(
        Corpus::new(&postbox.corpus, postbox.sizes),
        postbox.messages.unwrap_or(u64::MAX),
    );
    let copies = postbox.copies.clamp(1, postbox.recipients.len());
    let places = (0..load.connections)
        .map(|_| Lmtp::open(&postbox.address, postbox.patience))
        .collect::<Result<Vec<Lmtp>, _>>()?;
    let next = AtomicU64::new(0);
    let run = measure(load, &["delivery"], places, |mut lmtp, tally| {
        let mut wire = Vec::new();
        while postbox.messages.is_some() || tally.goes_on() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let is_last = postbox.messages.is_some_and(|messages| number >= messages);
            if is_last || tally.has_failed() {
                break;
            }
            let octets = series.write(number, &mut wire);
            wire.extend_from_slice(TERMINATOR);
            let recipients = recipients(&postbox.recipients, number, copies);
            let start = Instant::now();
            lmtp.deliver(&recipients, &wire)?;
            tally.record(0, start.elapsed());
            tally.count(octets);
        }
        lmtp.quit()
    })?;
    let mut outcome = load.outcome("deliver", "lmtp", load.connections);
    outcome.push(
        "recipients of a message",
        copies as f64,
        "",
        Better::Neither,
    );
    outcome.push_run(run, "message", "messages");
    Ok(outcome)
}

/// The next of the recipients for a message.
fn recipients(all: &[String], number: u64, copies: usize) -> Vec<&str> {
    let count = all.len() as u64;
    let first = usize::try_from(number % count * copies as u64 % count).unwrap_or(0);
    let turn = all.iter().cycle().skip(first);
    turn.take(copies).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use pop3::Octets;
    use pop3::wire::unstuff;

    use super::*;
    use crate::Progress;
    use crate::verify::Inspector;

    /// An LMTP server that answers as it is told to, by the first word of a command; what it says of
    /// others is `250 ok`. The messages come out as they travelled, and without their terminator.
    fn server(answers: &'static [(&'static str, &'static str)]) -> (Address, Receiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let (messages, received) = channel();
        let answer = move |word: &str| {
            let found = answers.iter().find(|(of, _)| *of == word);
            found.map_or("250 ok\r\n", |(_, answer)| answer)
        };
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut output = stream.try_clone().unwrap();
            let mut lines = BufReader::new(stream).split(b'\n').map(Result::unwrap);
            output.write_all(b"220 ready\r\n").unwrap();
            let mut recipients = 0;
            while let Some(line) = lines.next() {
                let line = String::from_utf8(line).unwrap();
                let word = line.split([' ', '\r']).next().unwrap();
                recipients += usize::from(word == "RCPT");
                // The client may have heard enough.
                let _ = output.write_all(answer(word).as_bytes());
                if word != "DATA" || !answer(word).starts_with("354") {
                    continue;
                }
                let mut message = Vec::new();
                for line in lines.by_ref().take_while(|line| line != b".\r") {
                    message.extend_from_slice(&line);
                    message.push(b'\n');
                }
                messages.send(message).unwrap();
                for _ in 0..std::mem::take(&mut recipients) {
                    output.write_all(answer("the message").as_bytes()).unwrap();
                }
            }
        });
        (address, received)
    }

    fn delivered(address: Address) -> Result<Outcome, BenchError> {
        let postbox = Postbox {
            address,
            recipients: ["a", "b", "c"].map(str::to_owned).to_vec(),
            copies: 2,
            sizes: Sizes::fixed(1000),
            corpus: "test".to_owned(),
            messages: Some(3),
            patience: Duration::from_secs(5),
        };
        let progress = Progress::default();
        deliver(&postbox, &Load::new(1, Duration::from_secs(1), &progress))
    }

    #[test]
    fn what_arrives_is_known_by_its_stamp() {
        for extensions in ["250 PIPELINING\r\n", "250-SIZE\r\n250 8BITMIME\r\n"] {
            let answers: &'static [_] = vec![
                ("LHLO", extensions),
                ("DATA", "354 go on\r\n"),
                ("QUIT", "221 bye\r\n"),
            ]
            .leak();
            let (address, received) = server(answers);
            let outcome = delivered(address).unwrap();
            assert_eq!(outcome.timings[0].count, 3, "{outcome}");
            for number in 0..3 {
                let wire = received.recv().unwrap();
                let mut text = Vec::new();
                unstuff(&wire, &mut text);
                let mut inspector = Inspector::of_unknown();
                inspector.see(&wire).unwrap();
                let (_, stamp) = inspector.end(Octets(text.len() as u64)).unwrap();
                assert_eq!(stamp.unwrap().number, number);
            }
        }
    }

    #[test]
    fn what_is_not_taken_ends_the_run() {
        for (answers, told) in [
            (&[("RCPT", "550 no such user\r\n")][..], "refused RCPT: 550"),
            (&[("DATA", "451 later\r\n")], "refused DATA: 451"),
            (
                &[("DATA", "354 go\r\n"), ("the message", "452 full\r\n")],
                "refused the message: 452",
            ),
            (&[("MAIL", "250 ok\n")], "does not end with CRLF"),
        ] {
            let (address, _received) = server(answers);
            let error = delivered(address).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn recipients_take_turns() {
        let all = ["a", "b", "c"].map(str::to_owned);
        let turns: Vec<Vec<&str>> = (0..4).map(|number| recipients(&all, number, 2)).collect();
        assert_eq!(turns, [["a", "b"], ["c", "a"], ["b", "c"], ["a", "b"]]);
    }
}
