//! RETR, ahead and one at a time.

use std::ops::ControlFlow;
use std::time::Duration;

use pop3::{MessageNumber, Octets};

use super::server::Server;
use super::{PATIENCE, block_on, login, login_with, open};
use crate::{Arrival, ClientError, Patience, Step};

/// The messages of these sizes: how each arrived, and its text.
fn retrieve(
    script: String,
    sizes: &[u64],
    patience: Patience,
) -> Result<Vec<(u32, Arrival, String)>, ClientError> {
    let server = Server::start(script);
    let wanted = (1..)
        .map_while(MessageNumber::new)
        .zip(sizes.iter().copied().map(Octets))
        .collect();
    let arrived = block_on(async {
        let mut maildrop = open(server.port, patience).await?;
        let mut retrieval = maildrop.retrieve(wanted);
        let (mut arrived, mut text) = (Vec::new(), Vec::new());
        while let Some(retrieved) = retrieval
            .next(|piece| {
                text.extend_from_slice(piece);
                ControlFlow::Continue(())
            })
            .await?
        {
            let text = String::from_utf8(std::mem::take(&mut text)).unwrap();
            arrived.push((retrieved.number.get(), retrieved.arrival, text));
        }
        maildrop.quit().await;
        Ok(arrived)
    });
    if arrived.is_ok() {
        server.done();
    }
    arrived
}

#[test]
fn texts_come_as_they_travel_and_in_order() {
    let replies = "S: +OK\nS: one\nS: .\nS: +OK\nS: ..two\nS: .\nS: +OK\nS: .\n";
    let ahead =
        login("PIPELINING") + "C: RETR 1\nC: RETR 2\nC: RETR 3\n" + replies + "C: QUIT\nS: +OK\n";
    let one_by_one = login("")
        + "C: RETR 1\nS: +OK\nS: one\nS: .\nC: RETR 2\nS: +OK\nS: ..two\nS: .\nC: RETR 3\nS: +OK\nS: .\nC: QUIT\nS: +OK\n";
    for script in [ahead, one_by_one] {
        let arrived = retrieve(script, &[5, 6, 0], PATIENCE).unwrap();
        let texts = [(1, "one\r\n"), (2, "..two\r\n"), (3, "")];
        let expected = texts.map(|(number, text)| (number, Arrival::AsListed, text.to_owned()));
        assert_eq!(arrived, expected);
    }
}

#[test]
fn a_server_that_answers_out_of_order_is_asked_one_at_a_time() {
    let script = login("PIPELINING")
        + "C: RETR 1\nC: RETR 2\nS: +OK\nS: second\nS: .\nS: +OK\nS: one\nS: .\n\
           C: RETR 1\nS: +OK\nS: one\nS: .\nC: RETR 2\nS: +OK\nS: second\nS: .\nC: QUIT\nS: +OK\n";
    let arrived = retrieve(script, &[5, 8], PATIENCE).unwrap();
    assert_eq!(arrived[0].1, Arrival::OutOfStep);
    let texts: Vec<_> = arrived[1..]
        .iter()
        .map(|it| (it.0, &it.1, it.2.as_str()))
        .collect();
    assert_eq!(
        texts,
        [
            (1, &Arrival::AsListed, "one\r\n"),
            (2, &Arrival::AsListed, "second\r\n")
        ]
    );
}

#[test]
fn a_server_that_counts_otherwise_is_believed_when_it_says_so_twice() {
    let script = login("PIPELINING")
        + "C: RETR 1\nS: +OK\nS: one\nS: .\nC: RETR 1\nS: +OK\nS: one\nS: .\nC: QUIT\nS: +OK\n";
    let arrived = retrieve(script, &[4], PATIENCE).unwrap();
    assert_eq!(arrived[0].1, Arrival::OutOfStep);
    let (listed, octets) = (Octets(4), Octets(5));
    assert_eq!(arrived[1].1, Arrival::CountedOtherwise { listed, octets });
}

#[test]
fn a_message_that_is_refused_leaves_the_others() {
    let script = login("PIPELINING")
        + "C: RETR 1\nC: RETR 2\nS: -ERR damaged\nS: +OK\nS: two\nS: .\nC: QUIT\nS: +OK\n";
    let arrived = retrieve(script, &[5, 5], PATIENCE).unwrap();
    assert!(matches!(&arrived[0].1, Arrival::Refused(status) if status.text == "damaged"));
    assert_eq!(arrived[1].1, Arrival::AsListed);
}

#[test]
fn a_server_that_deletes_what_is_retrieved_is_not_brought_to_it() {
    for (before, after) in [
        ("EXPIRE 0", "EXPIRE 0"),
        ("EXPIRE 31 USER", "EXPIRE 0"),
        ("EXPIRE 0", ""),
    ] {
        let script = login_with(before, after) + "C: RETR 1\nS: +OK\nS: one\nS: .\nWAIT\n";
        assert_eq!(retrieve(script, &[5], PATIENCE).unwrap().len(), 1);
    }
}

#[test]
fn commands_go_ahead_if_the_server_still_says_so_after_the_login() {
    let one_by_one = "C: RETR 1\nS: +OK\nS: one\nS: .\nC: RETR 2\nS: +OK\nS: two\nS: .\n";
    let ahead = "C: RETR 1\nC: RETR 2\nS: +OK\nS: one\nS: .\nS: +OK\nS: two\nS: .\n";
    let refused = login("PIPELINING");
    let (known, _) = refused.rsplit_once("C: CAPA").unwrap();
    for script in [
        login_with("PIPELINING", "") + one_by_one,
        login_with("", "PIPELINING") + ahead,
        format!("{known}C: CAPA\nS: -ERR not now\n{ahead}"),
    ] {
        let arrived = retrieve(script + "C: QUIT\nS: +OK\n", &[5, 5], PATIENCE).unwrap();
        assert_eq!(arrived.len(), 2);
    }
}

#[test]
fn a_text_that_does_not_end_ends_soon() {
    let script = login("") + "C: RETR 1\nS: +OK\nREPEAT more\\n\n";
    let error = retrieve(script, &[10], PATIENCE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server contradicts itself: message 1 has 10 octets by LIST, and does not end after 67108884"
    );
}

#[test]
fn a_text_that_does_not_come_is_not_waited_for() {
    let patience = Patience {
        silence: Duration::from_millis(200),
        ..PATIENCE
    };
    for reply in ["WAIT\n", "S: +OK\nRAW one\nWAIT\n"] {
        let error = retrieve(login("") + "C: RETR 1\n" + reply, &[5], patience).unwrap_err();
        assert!(matches!(error, ClientError::TooSlow { .. }), "{error}");
    }
    let error = retrieve(login("") + "C: RETR 1\nS: +OK\nS: half\n", &[9], PATIENCE).unwrap_err();
    assert!(matches!(error, ClientError::Lost { .. }), "{error}");
    assert!(error.may_pass());
}

#[test]
fn a_server_that_drips_is_not_waited_for() {
    let patience = Patience {
        span: Duration::from_millis(300),
        octets_per_span_min: 1000,
        ..PATIENCE
    };
    // What it sent fast before gives it no time, and neither do many small texts or a line of a status that does not end.
    let fast = format!("S: {}\n", "x".repeat(900_000));
    let one_text = login("") + "C: RETR 1\nS: +OK\n" + &fast + "DRIP slow\\n\n";
    let many = login("PIPELINING")
        + &(1..=200)
            .map(|number| format!("C: RETR {number}\n"))
            .collect::<String>()
        + "DRIP +OK\\n.\\n\n";
    for (script, sizes) in [(one_text, &[2_000_000; 1][..]), (many, &[0; 200])] {
        let error = retrieve(script, sizes, patience).unwrap_err();
        assert!(matches!(error, ClientError::TooSlow { .. }), "{error}");
    }
    let patience = Patience {
        silence: Duration::from_millis(300),
        ..PATIENCE
    };
    let script = login("") + "C: RETR 1\nDRIP +OK \n";
    let error = retrieve(script, &[5], patience).unwrap_err();
    assert!(matches!(error, ClientError::TooSlow { .. }), "{error}");
}

#[test]
fn long_texts_do_not_fit_beside_each_other_and_come_all_the_same() {
    // The window is smaller than both: the second is asked for while the first comes.
    let size = 3 << 20;
    let line = "x".repeat(1022);
    let text: String = format!("S: {line}\n").repeat(size / 1024);
    let script = login("PIPELINING")
        + "C: RETR 1\n"
        + &format!("S: +OK\n{text}S: .\n")
        + "C: RETR 2\n"
        + &format!("S: +OK\n{text}S: .\n")
        + "C: QUIT\nS: +OK\n";
    let arrived = retrieve(script, &[size as u64; 2], PATIENCE).unwrap();
    assert!(
        arrived
            .iter()
            .all(|it| it.1 == Arrival::AsListed && it.2.len() == size)
    );
}

#[test]
fn a_text_that_is_not_wanted_any_further_is_not_read() {
    let server = Server::start(login("") + "C: RETR 1\nS: +OK\nREPEAT more\\n\n");
    block_on(async {
        let mut maildrop = open(server.port, PATIENCE).await.unwrap();
        let endless = Octets(u64::MAX);
        let wanted = (1..3).filter_map(MessageNumber::new);
        let mut retrieval = maildrop.retrieve(wanted.map(|number| (number, endless)).collect());
        let mut pieces = 0;
        let retrieved = retrieval.next(|_| {
            pieces += 1;
            ControlFlow::Break(())
        });
        assert_eq!(retrieved.await.unwrap().unwrap().arrival, Arrival::Unwanted);
        assert_eq!(pieces, 1);
        let rest = retrieval.next(|_| panic!("it was not asked for"));
        assert_eq!(rest.await.unwrap(), None);
    });
    server.done();
}

#[test]
fn a_much_longer_text_out_of_order_is_no_text_without_end() {
    // The second is no text that the first could be, and comes in its place, whole and then behind it.
    let long = format!("S: {}\n", "x".repeat(998)).repeat(200);
    let script = login("PIPELINING")
        + &format!("C: RETR 1\nC: RETR 2\nS: +OK\n{long}S: .\nS: +OK\n{long}S: .\n")
        + &format!("C: RETR 1\nS: +OK\nS: one\nS: .\nC: RETR 2\nS: +OK\n{long}S: .\n")
        + "C: QUIT\nS: +OK\n";
    let arrived = retrieve(script, &[5, 200_000], PATIENCE).unwrap();
    assert_eq!(arrived[0].1, Arrival::OutOfStep);
    assert!(arrived[0].2.len() <= 10 + (64 << 10));
    assert_eq!((arrived[1].0, arrived[1].2.as_str()), (1, "one\r\n"));
    assert_eq!((arrived[2].0, &arrived[2].1), (2, &Arrival::AsListed));
    // Nor is the first without end because the second is long.
    let script = login("PIPELINING") + "C: RETR 1\nC: RETR 2\nS: +OK\nREPEAT more\\n\n";
    let error = retrieve(script, &[5, 200_000], PATIENCE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server contradicts itself: message 1 has 5 octets by LIST, and does not end after 465536"
    );
}

#[test]
fn a_refusal_that_passes_ends_the_retrieval() {
    let script = login("PIPELINING") + "C: RETR 1\nC: RETR 2\nS: -ERR [SYS/TEMP] the disk\nWAIT\n";
    let error = retrieve(script, &[5, 5], PATIENCE).unwrap_err();
    assert!(matches!(error, ClientError::NotNow(_)), "{error}");
}

#[test]
fn a_server_that_takes_its_time_for_each_deletion_is_waited_for() {
    let all: String = (1..7)
        .map(|number| format!("C: DELE {number}\nPAUSE 500\nS: +OK\n"))
        .collect();
    let server = Server::start(login("") + &all + "C: QUIT\nS: +OK\n");
    let patience = Patience {
        silence: Duration::from_secs(2),
        ..PATIENCE
    };
    let deleted = block_on(async {
        let mut maildrop = open(server.port, patience).await.unwrap();
        let mut retrieval = maildrop.retrieve(Vec::new());
        (1..7)
            .filter_map(MessageNumber::new)
            .for_each(|number| retrieval.delete(number));
        let mut deleted = 0;
        while let Step::Deleted(_) = retrieval.step().await.unwrap() {
            deleted += 1;
        }
        maildrop.quit().await;
        deleted
    });
    assert_eq!(deleted, 6);
    server.done();
}
