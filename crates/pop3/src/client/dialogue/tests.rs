use super::*;
use crate::wire::Form;

fn plain() -> Settings {
    Settings {
        form: Form::Plain,
        ..Settings::default()
    }
}

/// Everything that an input says, read in chunks of a size.
fn said(dialogue: &mut Dialogue, input: &[u8], size: usize) -> Result<Vec<String>, Broken> {
    let (mut said, mut waiting, mut text) = (Vec::new(), Vec::new(), Vec::new());
    for chunk in input.chunks(size) {
        waiting.extend_from_slice(chunk);
        loop {
            let (consumed, one) = dialogue.read(&waiting, &mut text)?;
            let printed = match one {
                None => break,
                Some(Said::Greeting(status)) => format!("greeting {status}"),
                Some(Said::Reply { to, status, .. }) => format!("{} {status}", to.keyword.name()),
                Some(Said::Challenge(Challenge::Octets(octets))) => {
                    format!("{:?}", octets.expose())
                }
                Some(Said::Challenge(Challenge::NotBase64)) => "not base 64".into(),
                Some(Said::Line(line)) => String::from_utf8_lossy(line).into_owned(),
                Some(Said::Text(_)) => String::new(),
                Some(Said::End(octets)) => {
                    let text = String::from_utf8(std::mem::take(&mut text)).unwrap();
                    format!("end {octets} {text:?}")
                }
            };
            if !printed.is_empty() {
                said.push(printed);
            }
            waiting.drain(..consumed);
        }
    }
    assert!(waiting.is_empty());
    Ok(said)
}

fn asked(commands: &[Command]) -> Dialogue {
    let mut dialogue = Dialogue::new(plain());
    for command in commands {
        dialogue.send(command, &mut Vec::new()).unwrap();
    }
    dialogue
}

#[test]
fn replies_come_in_the_order_of_the_commands_however_they_are_split() {
    let first = MessageNumber::new(1).unwrap();
    let commands = [
        Command::User("bob".into()),
        Command::List(None),
        Command::List(Some(first)),
        Command::Retr(first),
        Command::Retr(first),
        Command::Capa,
        Command::Quit,
    ];
    let input = b"+OK ready\r\n+OK\r\n+OK 2 messages\r\n1 120\r\n2 200\r\n.\r\n+OK 1 120\r\n\
        +OK 7 octets\r\n..a\r\nb\r\n.\r\n-ERR message is deleted\r\n+OK\r\nTOP\r\n..x\r\n.\r\n\
        +OK bye\r\n";
    for size in [1, 2, 3, 7, input.len()] {
        let mut dialogue = asked(&commands);
        let said = said(&mut dialogue, input, size).unwrap();
        assert_eq!(
            said,
            [
                "greeting +OK ready",
                "USER +OK",
                "LIST +OK 2 messages",
                "1 120",
                "2 200",
                "end 0 \"\"",
                "LIST +OK 1 120",
                "RETR +OK 7 octets",
                "end 7 \".a\\r\\nb\\r\\n\"",
                "RETR -ERR message is deleted",
                "CAPA +OK",
                "TOP",
                ".x",
                "end 0 \"\"",
                "QUIT +OK bye",
            ]
        );
        assert_eq!(dialogue.unanswered().len(), 0);
    }
}

#[test]
fn an_exchange_goes_on_until_a_status_line() {
    let auth = Command::Auth {
        mechanism: "PLAIN".into(),
        initial_response: None,
    };
    let mut dialogue = asked(&[auth]);
    let input = b"+OK ready\r\n+ \r\n+\r\n+ YQ==\r\n+YQ==\r\n+ go ahead\r\n-ERR [AUTH] no\r\n";
    assert_eq!(
        said(&mut dialogue, input, 1).unwrap(),
        [
            "greeting +OK ready",
            "[]",
            "[]",
            "[97]",
            "[97]",
            "not base 64",
            "AUTH -ERR [AUTH] no"
        ]
    );
    let mut out = Vec::new();
    dialogue.respond(&Secret::new("\0bob\0redqueen"), &mut out);
    dialogue.cancel(&mut out);
    assert_eq!(out, b"AGJvYgByZWRxdWVlbg==\r\n*\r\n");
}

#[test]
fn what_is_no_pop3_is_told() {
    let status = Status::parse(b"-ERR idle for too long").unwrap();
    for (input, broken) in [
        (&b"* OK IMAP4 ready\r\n"[..], Broken::NotAReply),
        (b"HTTP/1.1 400 Bad Request\r\n", Broken::NotAReply),
        (b"+OK\r\n+OK\r\n+OK\r\n", Broken::Unasked),
        (b"+OK\r\n+OK\r\n* BYE\r\n", Broken::NotAReply),
        (b"+OK\r\n+OKAY\r\n", Broken::NotAReply),
        (b"+OK\r\n+ \r\n", Broken::NotAReply),
        (
            b"+OK\r\n+OK 2 320\r\n-ERR idle for too long\r\n",
            Broken::Ended(status),
        ),
        (&[b'+'; 65_536], Broken::LineTooLong),
    ] {
        let mut dialogue = asked(&[Command::Stat]);
        assert_eq!(said(&mut dialogue, input, input.len()), Err(broken));
    }
}

#[test]
fn what_is_being_read_is_known() {
    let first = MessageNumber::new(1).unwrap();
    let mut dialogue = asked(&[Command::Retr(first), Command::Quit]);
    assert_eq!(
        said(&mut dialogue, b"+OK\r\n+OK\r\na\r\n", 99)
            .unwrap()
            .len(),
        2
    );
    let asked = dialogue.in_reply_to().unwrap();
    assert_eq!((asked.keyword, asked.number), (Keyword::Retr, Some(first)));
    said(&mut dialogue, b".\r\n", 99).unwrap();
    assert_eq!(dialogue.in_reply_to(), None);
    let left: Vec<_> = dialogue.unanswered().map(|asked| asked.keyword).collect();
    assert_eq!(left, [Keyword::Quit]);
}
