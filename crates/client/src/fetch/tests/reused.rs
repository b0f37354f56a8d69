//! Unique-ids that a server gives to other messages than before. New mail must not hide behind the name of old mail.

use super::hostile::takes;
use super::*;
use crate::tests::maildrop::{Deletes, own};

#[test]
fn a_unique_id_that_is_given_again_hides_no_new_mail() {
    let again = [
        ("a", "Subject: another one\r\n\r\n.dot\r\n"),
        // As long as the first was.
        ("b", "Subject: owt\r\n\r\nX\r\n"),
    ];
    let place = Place::new(&THREE);
    assert_eq!(place.fetched(&takes).deleted, 3);
    place.server.with(|state| state.messages = own(&again));
    let summary = place.fetched(&takes);
    assert_eq!((summary.new, summary.deleted), (2, 2));
    assert_eq!(place.texts().len(), 5);
    assert!(place.texts().values().all(|&copies| copies == 1));

    // What comes back as it was is nothing new, and goes.
    let place = Place::new(&THREE);
    assert_eq!(place.fetched(&takes).deleted, 3);
    place.server.with(|state| state.messages = own(&THREE));
    let summary = place.fetched(&takes);
    assert_eq!((summary.new, summary.deleted), (0, 3));
    assert_eq!(place.texts(), three());
}

#[test]
fn message_numbers_for_unique_ids_hide_no_new_mail() {
    let place = Place::new(&[]);
    let mut all = BTreeMap::new();
    for session in 1..8 {
        let text = |number: usize| {
            format!(
                "Subject: {session} {number}\r\n\r\n{}\r\n",
                "x".repeat(session)
            )
        };
        let new: Vec<String> = (0..session % 3 + 1).map(text).collect();
        place.server.with(|state| {
            let texts: Vec<String> = state
                .messages
                .drain(..)
                .map(|(_, text)| text)
                .chain(new.clone())
                .collect();
            state.messages = (1..)
                .map(|number: u32| number.to_string())
                .zip(texts)
                .collect();
            // What is not deleted stays for the next session.
            state.manner.deletes = match session % 2 {
                0 => Deletes::NotAtQuit,
                _ => Deletes::Well,
            };
        });
        all.extend(new.into_iter().map(|text| (text.replace("\r\n", "\n"), 1)));
        let _ = place.fetch(&takes);
    }
    place.is_made_good(&all, "numbers as unique-ids");
}

#[test]
fn unique_ids_that_are_exchanged_cost_no_mail() {
    for keep in [Keep::Never, Keep::Seconds(0), Keep::Newest(0), Keep::Always] {
        let place = Place::new(&THREE);
        place
            .server
            .with(|state| state.manner.deletes = Deletes::NotAtQuit);
        let _ = place.fetch(&|job| job.keep = keep);
        place.behaves();
        let new = ("a", "Subject: new\r\n\r\nand of another size\r\n");
        place.server.with(|state| {
            state.messages[0].0 = "b".into();
            state.messages[1].0 = "a".into();
            // And one takes the place of another, which was never seen to be absent.
            state.messages[2] = ("c".into(), new.1.into());
        });
        place.fetched(&|job| job.keep = keep);
        let texts = place.texts();
        for text in three().into_keys().chain([new.1.replace("\r\n", "\n")]) {
            assert!(texts.contains_key(&text), "{keep:?}: {text:?}");
        }
        place.fetched(&|job| job.keep = keep);
        assert_eq!(place.texts(), texts, "{keep:?}");
    }
}

#[test]
fn texts_that_cannot_be_looked_at_are_not_deleted_for_the_name_of_another() {
    let place = Place::new(&THREE);
    place.fetched(&takes);
    place.server.with(|state| {
        state.manner.capabilities = &["UIDL"];
        state.manner.knows_top = false;
        // Of as many octets as the one that was deleted.
        state.messages = own(&[("a", "Subject: new\r\n\r\n.dot\r\n")]);
    });
    for _ in 0..3 {
        place.fetched(&takes);
        assert!(place.texts().len() == 4 || place.server.ids() == ["a"]);
    }
}

#[test]
fn of_two_messages_without_a_name_the_second_is_not_taken_for_the_first() {
    // Nothing tells them apart but their order and what they say.
    let place = Place::new(&[("x", "\r\nfirst\r\n"), ("x", "\r\nother\r\n")]);
    let one = |job: &mut Job| {
        takes(job);
        job.count_max = Some(1);
    };
    for expected in [(1, 1), (1, 1), (0, 0)] {
        let summary = place.fetched(&one);
        assert_eq!((summary.new, summary.deleted), expected);
    }
    assert_eq!(place.texts().len(), 2);
}

#[test]
fn two_copies_are_not_recognised_by_one() {
    let same = "Subject: same\r\n\r\n1\r\n";
    let place = Place::new(&[("x", same)]);
    place.fetched(&|_| {});
    place
        .server
        .with(|state| state.messages = own(&[("y", same), ("z", same)]));
    assert_eq!(place.fetched(&takes).new, 1);
    assert_eq!(place.texts().into_values().collect::<Vec<_>>(), [2]);
}

#[test]
fn mail_with_a_new_unique_id_has_not_been_deleted_by_its_owner() {
    let place = Place::new(&THREE);
    let mirror = |job: &mut Job| job.keep = Keep::UntilDeleted;
    place.fetched(&mirror);
    place.server.with(|state| {
        for (id, _) in &mut state.messages {
            id.push_str("-new");
        }
    });
    for _ in 0..2 {
        let summary = place.fetched(&mirror);
        assert_eq!((summary.new, summary.deleted), (0, 0));
    }
    assert_eq!(place.server.ids().len(), 3);
}

#[test]
fn a_server_that_writes_into_its_messages_has_no_new_ones() {
    let place = Place::new(&THREE);
    place.fetched(&|_| {});
    place.server.with(|state| {
        for (id, text) in &mut state.messages {
            *text = format!("X-UIDL: {id}\r\n{text}");
        }
    });
    for _ in 0..2 {
        assert_eq!(place.fetched(&|_| {}).new, 0);
    }
    // It is looked at once.
    let is_top = |command: &&String| command.starts_with("TOP");
    let looked = |place: &Place| {
        place
            .server
            .with(|state| state.commands.iter().filter(is_top).count())
    };
    assert_eq!(looked(&place), 3);
    assert_eq!(place.fetched(&takes).deleted, 3);
    assert_eq!(looked(&place), 3);
    assert_eq!(place.texts(), three());
}

#[test]
fn a_unique_id_that_two_messages_have_brings_neither_twice() {
    let (one, two) = ("Subject: one\r\n\r\n1\r\n", "Subject: two\r\n\r\n2\r\n");
    let place = Place::new(&[("x", one)]);
    assert_eq!(place.fetched(&|_| {}).new, 1);
    let both = own(&[("x", one), ("x", two)]);
    place.server.with(|state| state.messages = both);
    for new in [1, 0] {
        assert_eq!(place.fetched(&|_| {}).new, new);
    }
    assert_eq!(place.texts().into_values().collect::<Vec<_>>(), [1, 1]);
    // Alone it is known as before.
    place.server.with(|state| state.messages.truncate(1));
    assert_eq!(place.fetched(&|_| {}).new, 0);
    assert_eq!(place.fetched(&takes).deleted, 1);
    assert_eq!(place.texts().len(), 2);
}
