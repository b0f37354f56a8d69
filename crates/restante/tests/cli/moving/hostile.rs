//! Servers that list what cannot be, or do not give what they list.

use super::old::Old;
use super::{MESSAGES, ids, import};
use crate::accounts::with_bob;

#[test]
fn a_message_that_no_maildrop_can_hold_is_not_asked_for() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    for size in [u64::MAX, 1 << 32] {
        old.change(|old| old.lists = Some((2, size)));
        let ended = import(&site, &old.address("mrose"), &["--no-quota"]).with(65);
        let told = format!(
            "message 2: LIST says {size} octets, and no message has more than 4294967295; left out\n"
        );
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
        assert_eq!(ids(&site), ["z", "m!~"]);
    }
    assert!(!old.heard().contains(&"RETR 2".to_owned()));
}

#[test]
fn a_message_that_the_account_may_not_hold_is_not_asked_for() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    site.run(&["user", "set", "bob", "--quota", "100"], b"")
        .with(0);
    old.change(|old| old.lists = Some((2, 101)));
    let ended = import(&site, &old.address("mrose"), &[]).with(73);
    for told in [
        "message 2 has 101 octets by LIST, and the account may hold 100 more\n",
        "the import stopped after 1 message: the next is more than the account may hold\n",
    ] {
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
    assert!(!old.heard().contains(&"RETR 2".to_owned()));
    assert_eq!(ids(&site), ["z"]);
    import(&site, &old.address("mrose"), &["--no-quota"]).with(0);
    assert_eq!(ids(&site), ["z", "a", "m!~"]);
}

#[test]
fn a_refusal_that_passes_stops_the_import_and_spoils_no_order() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    old.change(|old| old.busy = Some(2));
    let ended = import(&site, &old.address("mrose"), &[]).with(75);
    let told = "restante: the import stopped after 1 message: the server cannot serve this now: -ERR [SYS/TEMP] later\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(ids(&site), ["z"]);
    old.change(|old| old.busy = None);
    import(&site, &old.address("mrose"), &[]).with(0);
    import(&site, &old.address("mrose"), &["--verify"]).with(0);
}
