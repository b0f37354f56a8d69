//! A session of LMTP or SMTP fed whole and in pieces: the same replies, the same messages, no panic, and
//! nothing acknowledged that the driver did not deliver.

#![no_main]

use std::sync::Arc;

use delivery::lmtp::{
    COMMAND_OCTETS_MAX, Client, Dialect, Encryption, Next, QuotaExceeded, Recipient,
    RecipientRefusal, Session, Settings,
};
use libfuzzer_sys::fuzz_target;
use maildrop::{Delivered, MaildropId};
use pop3::xclient::Speaker;
use pop3::{Octets, UniqueId};

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else {
        return;
    };
    let dialect = match piece % 2 {
        0 => Dialect::Lmtp,
        _ => Dialect::Smtp,
    };
    let whole = play(dialect, input, input.len().max(1));
    assert_eq!(play(dialect, input, usize::from(piece).max(1)), whole);
    let replies = String::from_utf8(whole.0).expect("replies are UTF-8");
    for line in replies.split_terminator("\r\n") {
        assert!(line.len() <= 510 && !line.contains(char::is_control));
    }
});

/// Replies, and the text of each message.
fn play(dialect: Dialect, input: &[u8], piece: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let settings = Settings {
        dialect,
        hostname: "mailgate.dobbs.org".into(),
        message_octets_max: 200,
        recipients_max: 3,
        quota_exceeded: QuotaExceeded::Temporary,
    };
    let client = Client {
        address: "192.0.2.1".into(),
        speaker: Speaker::FrontEnd,
        encryption: Encryption::Offered,
    };
    let mut session = Session::new(Arc::new(settings), client);
    let (mut waiting, mut out, mut text) = (Vec::new(), Vec::new(), Vec::new());
    let (mut draft, mut messages) = (Vec::new(), Vec::new());
    for piece in input.chunks(piece) {
        waiting.extend_from_slice(piece);
        loop {
            let step = session.handle(&waiting, &mut out, &mut text);
            waiting.drain(..step.consumed);
            draft.append(&mut text);
            match step.next {
                Next::Read => break,
                Next::Text | Next::Forwarded(_) => {}
                Next::Discard => draft.clear(),
                // Inside TLS nothing of what came in clear counts.
                Next::StartTls | Next::Close => return (out, messages),
                Next::Resolve { address, .. } => session.resolved(resolve(address), &mut out),
                Next::Deliver(message) => {
                    let measure = message.measure;
                    let stored = measure.octets + u64::from(measure.stuffed);
                    assert_eq!(stored, draft.len() as u64);
                    assert!(measure.octets <= 200 && !message.recipients.is_empty());
                    let delivered = || Delivered {
                        uid: 1,
                        unique_id: UniqueId::new(*b"1.1").expect("a unique-id"),
                        octets: Octets(measure.octets),
                    };
                    let count = message.recipients.len();
                    let results: Vec<_> = (0..count).map(|_| Ok(delivered())).collect();
                    session.delivered(&results, &mut out);
                    messages.push(std::mem::take(&mut draft));
                }
            }
        }
        assert!(waiting.len() < COMMAND_OCTETS_MAX);
    }
    (out, messages)
}

/// Addresses of even length exist.
fn resolve(address: String) -> Result<Recipient, RecipientRefusal> {
    match address.len() % 2 {
        0 => Ok(Recipient {
            accounts: vec![delivery::Account {
                name: "bob".into(),
                maildrop: MaildropId(1),
                quota: maildrop::Quota::default(),
            }],
            address,
        }),
        _ => Err(RecipientRefusal::Unknown),
    }
}
