//! `restante maildrop salvage`.

use std::fs;

use crate::accounts::with_bob;
use crate::run::{Ended, Site};

/// A message whose text looks like the record of another one: header, checksum of the text, text.
fn imitation() -> Vec<u8> {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"Subject: forged\n\nfrop\n")
        .with(0);
    let octets = fs::read(site.maildrop("bob")).unwrap();
    octets[4096..].to_vec()
}

fn with_four() -> Site {
    let site = with_bob();
    for subject in ["one", "two", "three", "four"] {
        let text = format!("Subject: {subject}\n\n.{subject}\n");
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    site
}

fn spoil(site: &Site, change: impl FnOnce(&mut Vec<u8>)) {
    let path = site.maildrop("bob");
    let mut octets = fs::read(&path).unwrap();
    change(&mut octets);
    fs::write(path, octets).unwrap();
}

fn place(octets: &[u8], what: &[u8]) -> usize {
    octets
        .windows(what.len())
        .position(|it| it == what)
        .unwrap()
}

fn salvage(site: &Site, from: &str) -> Ended {
    let to = site.path().join("out");
    let before = fs::read(site.maildrop("bob")).unwrap();
    let ended = site.run(&["maildrop", "salvage", from, to.to_str().unwrap()], b"");
    assert_eq!(
        fs::read(site.maildrop("bob")).unwrap(),
        before,
        "never in place"
    );
    ended
}

fn restore(site: &Site) -> Ended {
    let to = site.path().join("out");
    site.run(&["maildrop", "restore", to.to_str().unwrap(), "bob"], b"")
}

fn report(site: &Site) -> serde_json::Value {
    serde_json::from_slice(&fs::read(site.path().join("out/report.json")).unwrap()).unwrap()
}

fn states(report: &serde_json::Value) -> Vec<&str> {
    let messages = report["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["state"].as_str().unwrap())
        .collect()
}

fn list(site: &Site) -> String {
    site.run(&["maildrop", "list", "bob"], b"").with(0).stdout
}

#[test]
fn a_whole_file_is_told_to_be_whole() {
    let site = with_four();
    let ended = salvage(&site, "bob").with(0);
    assert_eq!(
        ended.stdout,
        "4 messages verified: they can be restored
What is what: DIR/out/report.json
Put the verified ones into place: restante maildrop restore DIR/out bob
"
    );
    assert_eq!(ended.stderr, "");
    // Not into what is there already.
    let ended = salvage(&site, "bob").with(73);
    assert!(ended.stderr.contains("the directory is not empty"));
    let ended = salvage(&site, "/no/such/file").with(66);
    assert!(ended.stderr.contains("cannot be read"), "{}", ended.stderr);
}

#[test]
fn a_spoilt_bit_of_the_header_is_mended_and_unique_ids_stay() {
    let site = with_four();
    let before = list(&site);
    // The salt, the generation: any bit.
    spoil(&site, |octets| octets[70] ^= 8);
    site.run(&["maildrop", "list", "bob"], b"").with(65);
    let ended = salvage(&site, "bob").with(0);
    assert_eq!(
        ended.stderr,
        "One bit of the file's header was wrong; it is known which.\n"
    );
    restore(&site).with(65);
    assert_eq!(list(&site), before);
    site.run(&["maildrop", "verify"], b"").with(0);
}

#[test]
fn live_deleted_damaged_and_unverified_are_kept_apart() {
    let site = with_four();
    let path = site.maildrop("bob");
    spoil(&site, |octets| {
        // The text of the second; the header of the third record's own checksum.
        let second = place(octets, b"..two");
        octets[second + 3] ^= 1;
        let third = place(octets, b"Subject: three") - 64;
        octets[third + 60] ^= 1;
    });
    let ended = salvage(&site, &path).with(65);
    let lines = "2 messages verified: they can be restored
1 message damaged: their texts as they are: DIR/out/damaged
1 message only look like messages: anybody can have written them: DIR/out/unverified
What is what: DIR/out/report.json
Put the verified ones into place: restante maildrop restore DIR/out bob
Look through the others; bring in what is wanted: restante maildrop import bob DIR
";
    assert_eq!(ended.stdout, lines);
    let report = report(&site);
    assert_eq!(states(&report), ["live", "damaged", "unverified", "live"]);
    assert_eq!(report["header"], "whole");
    let unverified = fs::read_dir(site.path().join("out/unverified")).unwrap();
    let text = fs::read(unverified.into_iter().next().unwrap().unwrap().path()).unwrap();
    assert_eq!(text, b"Subject: three\r\n\r\n.three\r\n");
    let damaged = fs::read(site.path().join("out/damaged/2.eml")).unwrap();
    assert_eq!(damaged.len(), b"Subject: two\r\n\r\n.two\r\n".len());
    restore(&site).with(65);
    assert_eq!(list(&site).lines().count(), 2);
}

#[test]
fn what_a_stranger_wrote_is_never_taken_for_a_message() {
    let forged = imitation();
    let site = with_bob();
    let mut text = b"Subject: holds\n\n".to_vec();
    // The store keeps texts at multiples of 8 plus what is before them: try every place.
    for padding in 0..8 {
        text.extend_from_slice(&b"01234567"[..padding]);
        text.extend_from_slice(&forged);
        text.push(b'\n');
    }
    site.run(&["deliver", "bob"], &text).with(0);
    site.run(&["deliver", "bob"], b"Subject: next\n\n").with(0);
    // The record around it is gone; so are all of its octets a search.
    spoil(&site, |octets| octets[4096] ^= 1);
    salvage(&site, "bob").with(65);
    let report = report(&site);
    let messages = report["messages"].as_array().unwrap();
    for message in messages {
        let is_next = message["uid"] == 2;
        assert_eq!(message["state"] == "live", is_next, "{message}");
    }
    restore(&site).with(0);
    let shown = site.run(&["maildrop", "show", "bob", "1"], b"").with(0);
    assert_eq!(shown.stdout, "Subject: next\r\n\r\n");
}

/// Headers that each claim all of the rest: to hash it for each would take hours.
#[test]
fn a_text_full_of_headers_does_not_hold_the_search_up() {
    let site = with_bob();
    let mut text = b"Subject: slow\n\n".to_vec();
    let count = 400_000_u64;
    for number in 0..count {
        let rest = (count - number - 1) * 64;
        text.extend_from_slice(b"\x11RSM\x01\0\0\0");
        text.extend_from_slice(&rest.to_le_bytes());
        text.extend_from_slice(&[b'.'; 8]);
        text.extend_from_slice(&rest.to_le_bytes());
        text.extend_from_slice(&[b'.'; 8]);
        text.extend_from_slice(&[0; 8]);
        // One more than 64, so that some of them begin where a record may.
        text.extend_from_slice(&[b'.'; 17]);
    }
    site.run(&["deliver", "bob"], &text).with(0);
    spoil(&site, |octets| octets[4096] ^= 1);
    let begun = std::time::Instant::now();
    let ended = salvage(&site, "bob").with(65);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert!(
        ended.stdout.starts_with("0 messages verified"),
        "{}",
        ended.stdout
    );
}

#[test]
fn without_a_salt_nothing_is_verified() {
    let site = with_four();
    spoil(&site, |octets| octets[60..90].fill(0));
    let ended = salvage(&site, "bob").with(65);
    assert!(
        ended.stderr.contains("nothing in it can be verified"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stdout
            .starts_with("0 messages verified: they can be restored\n4 messages only look"),
        "{}",
        ended.stdout
    );
    assert!(!site.path().join("out/manifest").exists());
    // A person looks through them, and brings them in.
    fs::remove_file(site.maildrop("bob")).unwrap();
    let unverified = site.path().join("out/unverified");
    let import = ["maildrop", "import", "bob", unverified.to_str().unwrap()];
    site.run(&import, b"").with(0);
    assert_eq!(list(&site).lines().count(), 4);
}

#[test]
fn a_header_of_which_only_the_salt_is_left_will_do() {
    let site = with_four();
    let before = list(&site);
    spoil(&site, |octets| {
        octets[0..8].fill(0);
        octets[3000] ^= 1;
    });
    let ended = salvage(&site, "bob").with(65);
    assert!(
        ended.stderr.contains("unique-ids may have changed"),
        "{}",
        ended.stderr
    );
    restore(&site).with(65);
    assert_eq!(list(&site), before);
}

#[test]
fn a_file_that_was_cut_off_gives_what_is_left() {
    let site = with_four();
    spoil(&site, |octets| {
        let third = place(octets, b"Subject: three");
        octets.truncate(third + 5);
    });
    let ended = salvage(&site, "bob").with(65);
    assert!(
        ended.stderr.contains("the file ends within a record"),
        "{}",
        ended.stderr
    );
    assert_eq!(states(&report(&site)), ["live", "live"]);
    let ended = restore(&site).with(0);
    assert!(
        ended.stderr.contains("kept in DIR/data/replaced"),
        "{}",
        ended.stderr
    );
    assert_eq!(list(&site).lines().count(), 2);
}
