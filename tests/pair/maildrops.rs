//! Accounts and what waits for them.

use pop3::reply::Refusal;
use pop3::server::Rules;
use pop3::{Disposition, UniqueId};
use restante_tests::driver::{Account, Message, Reading};
use restante_tests::random::Random;
use sasl::{Secret, apop};

use crate::both::TIMESTAMP;

/// An account whose messages can all be read.
pub(crate) fn account(user: &str, password: &str, texts: Vec<Vec<u8>>) -> Account {
    let messages = texts.into_iter().enumerate().map(|(index, text)| Message {
        octets: text.len() as u64,
        text,
        unique_id: UniqueId::new(format!("{index:x}.!~").into_bytes()).unwrap(),
        reading: Reading::Works,
        hidden: false,
    });
    Account {
        user: user.into(),
        password: Secret::new(password),
        digest: Some(apop::digest(TIMESTAMP, &Secret::new(password))),
        opening: None,
        committing: None,
        rules: Rules::default(),
        shown: usize::MAX,
        token: None,
        messages: messages.collect(),
    }
}

/// An account some of whose messages cannot be read, or which cannot be opened, or not changed.
pub(crate) fn odd_account(random: &mut Random, user: &str, password: &str) -> Account {
    let texts = (0..random.below(9)).map(|_| text(random)).collect();
    let mut account = account(user, password, texts);
    for message in &mut account.messages {
        if random.once_in(20) {
            message.reading = match random.once_in(2) {
                true => Reading::Fails(random.pick(&[Refusal::Damaged, Refusal::Unavailable])),
                false => Reading::FailsAfter(random.below(30)),
            };
        }
    }
    account.rules.disposition = random.pick(&[
        Disposition::Delete,
        Disposition::Delete,
        Disposition::Hide,
        Disposition::Keep,
        Disposition::ReadOnly,
    ]);
    let refusal = random.pick(&[Refusal::InUse, Refusal::TooSoon]);
    account.opening = random.once_in(10).then_some(refusal);
    account.committing = random.once_in(8).then_some(Refusal::Unavailable);
    account
}

/// Lines in which what matters is frequent: dots, empty lines, CR and NUL, long lines. The header is
/// ASCII: any other one is sent as its surrogate, which is not what a list would show.
fn text(random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    let mut octets = &b"..a: \r\0"[..];
    for _ in 0..random.below(9) {
        for _ in 0..random.pick(&[0, 0, 1, 2, 9, 30]) {
            text.push(random.pick(octets));
        }
        if text.ends_with(b"\r") {
            text.push(b'z');
        }
        if random.once_in(30) {
            text.extend_from_slice(&[b'x'; 3000]);
        }
        text.extend_from_slice(b"\r\n");
        if text == b"\r\n" || text.ends_with(b"\r\n\r\n") {
            octets = b"..a: \r\0\xff";
        }
    }
    text
}
