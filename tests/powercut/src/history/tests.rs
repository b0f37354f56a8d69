use super::*;

const NAME: &str = "mrose";

fn listing(found: &[(&str, u32)]) -> Listing {
    found
        .iter()
        .map(|(id, number)| ((*id).to_owned(), *number))
        .collect()
}

/// What is wrong with a listing after a cut; empty: nothing.
fn judged(history: &History, cut: usize, found: &[(&str, u32)]) -> String {
    judged_with(history, cut, found, &[])
}

/// The same where these are hidden.
fn judged_with(history: &History, cut: usize, found: &[(&str, u32)], hidden: &[u32]) -> String {
    let maildrop = &history.maildrops[NAME];
    let hidden = hidden.iter().copied().collect();
    let judged = maildrop.judge(cut, &listing(found), &hidden);
    judged.err().unwrap_or_default()
}

fn show(history: &mut History, position: usize, found: &[(&str, u32)]) -> Result<(), String> {
    show_with(history, position, found, &[])
}

fn show_with(
    history: &mut History,
    position: usize,
    found: &[(&str, u32)],
    hidden: &[u32],
) -> Result<(), String> {
    let sight = Sight::All(hidden.iter().copied().collect());
    let asked = history.moment(position);
    history.shown(NAME, &listing(found), &sight, asked, position)
}

/// What a session sees.
fn see(history: &mut History, position: usize, found: &[(&str, u32)]) -> Result<(), String> {
    let asked = history.moment(position);
    history.shown(NAME, &listing(found), &Sight::Session, asked, position)
}

#[test]
fn a_delivery_is_there_from_its_acknowledgement_on() {
    let mut history = History::default();
    history.announce(NAME, 1, 10);
    history.delivered(NAME, 1, 20, true);
    for cut in [11, 19] {
        assert_eq!(judged(&history, cut, &[]), "");
        assert_eq!(judged(&history, cut, &[("a", 1)]), "");
    }
    assert_eq!(judged(&history, 10, &[]), "");
    assert!(judged(&history, 10, &[("a", 1)]).contains("before it was delivered"));
    assert!(judged(&history, 20, &[]).contains("acknowledged and lost"));
    assert!(judged(&history, 20, &[("a", 1), ("b", 1)]).contains("twice"));
    assert!(judged(&history, 20, &[("a", 1), ("b", 2)]).contains("never delivered"));
}

#[test]
fn what_was_shown_stays_though_its_deliverer_is_dead() {
    let mut history = History::default();
    history.announce(NAME, 1, 10);
    history.announce(NAME, 2, 10);
    history.delivered(NAME, 1, 15, false);
    history.delivered(NAME, 2, 15, false);
    show(&mut history, 20, &[("a", 1)]).unwrap();
    assert_eq!(judged(&history, 19, &[("a", 2)]), "");
    assert!(judged(&history, 20, &[]).contains("acknowledged and lost"));
    assert!(judged(&history, 20, &[("a", 1), ("b", 2)]).contains("turns up late"));
    assert!(show(&mut history, 30, &[("a", 1), ("b", 2)]).is_err());
}

#[test]
fn what_is_still_under_way_is_not_settled_by_a_listing() {
    let mut history = History::default();
    history.announce(NAME, 1, 10);
    let asked = history.moment(12);
    history.delivered(NAME, 1, 15, true);
    history
        .shown(NAME, &Listing::new(), &Sight::Session, asked, 16)
        .expect("the listing may be older than the delivery");
    assert_eq!(judged(&history, 16, &[("a", 1)]), "");
}

#[test]
fn unique_ids_keep_their_meaning() {
    let mut history = History::default();
    for number in [1, 2] {
        history.announce(NAME, number, 0);
        history.delivered(NAME, number, 10, true);
    }
    show(&mut history, 20, &[("a", 1), ("b", 2)]).unwrap();
    assert_eq!(judged(&history, 10, &[("b", 1), ("a", 2)]), "");
    assert!(judged(&history, 20, &[("b", 1), ("a", 2)]).contains("was message"));
    assert!(judged(&history, 20, &[("a", 1), ("c", 2)]).contains("is not now"));
    let maildrop = &history.maildrops[NAME];
    assert!(maildrop.was_shown("a", 20) && !maildrop.was_shown("a", 19));
    assert!(show(&mut history, 30, &[("a", 1), ("a", 2)]).is_err());
}

/// Messages 1 and 2 are shown at 10; a QUIT that deletes both goes out at 20.
fn deleting() -> (History, Place) {
    asking(Deed::Delete)
}

fn asking(deed: Deed) -> (History, Place) {
    let mut history = History::default();
    for number in [1, 2] {
        history.announce(NAME, number, 0);
        history.delivered(NAME, number, 5, true);
    }
    show(&mut history, 10, &[("a", 1), ("b", 2)]).unwrap();
    let batch = history.asked(NAME, deed, BTreeSet::from([1, 2]), 20);
    (history, batch)
}

const BOTH: &[(&str, u32)] = &[("a", 1), ("b", 2)];
const HALF: &[(&str, u32)] = &[("b", 2)];

#[test]
fn deletions_happen_together_and_for_ever() {
    let (mut history, batch) = deleting();
    history.ended(NAME, batch, 30, true);
    assert!(
        judged(&history, 20, &[]).contains("lost"),
        "not asked for yet"
    );
    assert_eq!(judged(&history, 21, &[]), "");
    assert_eq!(judged(&history, 29, BOTH), "");
    assert!(judged(&history, 25, HALF).contains("half"));
    assert!(judged(&history, 30, BOTH).contains("there again"));
    assert!(show(&mut history, 40, BOTH).is_err());
}

#[test]
fn deletions_without_an_answer_are_settled_by_the_next_listing() {
    let (mut history, batch) = deleting();
    history.ended(NAME, batch, 30, false);
    assert_eq!(judged(&history, 35, &[]), "");
    assert_eq!(judged(&history, 35, BOTH), "");
    show(&mut history, 40, BOTH).unwrap();
    assert!(judged(&history, 40, &[]).contains("lost"));

    let (mut history, batch) = deleting();
    history.ended(NAME, batch, 30, false);
    show(&mut history, 40, &[]).unwrap();
    assert!(judged(&history, 40, BOTH).contains("there again"));

    let (mut history, batch) = deleting();
    history.ended(NAME, batch, 30, false);
    assert!(show(&mut history, 40, HALF).is_err());
}

#[test]
fn what_is_hidden_is_hidden_together_until_it_is_shown() {
    let (mut history, hiding) = asking(Deed::Hide);
    history.ended(NAME, hiding, 30, true);
    assert!(judged_with(&history, 20, BOTH, &[1, 2]).contains("shall be seen"));
    assert_eq!(judged_with(&history, 29, BOTH, &[1, 2]), "");
    assert_eq!(judged_with(&history, 29, BOTH, &[]), "");
    assert!(judged_with(&history, 29, BOTH, &[2]).contains("half"));
    assert_eq!(judged_with(&history, 30, BOTH, &[1, 2]), "");
    assert!(judged_with(&history, 30, BOTH, &[2]).contains("and sessions see it"));
    assert!(
        judged_with(&history, 30, HALF, &[2]).contains("lost"),
        "it is kept"
    );
    see(&mut history, 40, &[]).unwrap();
    assert!(see(&mut history, 40, HALF).is_err());
    let showing = history.asked(NAME, Deed::Show, BTreeSet::from([2]), 50);
    history.ended(NAME, showing, 60, true);
    assert_eq!(judged_with(&history, 55, BOTH, &[1, 2]), "");
    assert_eq!(judged_with(&history, 55, BOTH, &[1]), "");
    assert!(judged_with(&history, 60, BOTH, &[1, 2]).contains("shall be seen"));
    see(&mut history, 70, HALF).unwrap();
    assert!(see(&mut history, 70, &[]).is_err(), "it is shown, and lost");
}

#[test]
fn hidings_without_an_answer_are_settled_by_the_next_whole_listing() {
    let hiding = || {
        let (mut history, batch) = asking(Deed::Hide);
        history.ended(NAME, batch, 30, false);
        history
    };
    let mut history = hiding();
    assert_eq!(judged_with(&history, 35, BOTH, &[]), "");
    assert!(judged_with(&history, 35, BOTH, &[1]).contains("half"));
    show_with(&mut history, 40, BOTH, &[1, 2]).unwrap();
    assert!(judged_with(&history, 40, BOTH, &[]).contains("and sessions see it"));

    let mut history = hiding();
    show_with(&mut history, 40, BOTH, &[]).unwrap();
    assert!(judged_with(&history, 40, BOTH, &[1, 2]).contains("shall be seen"));

    let mut history = hiding();
    assert!(show_with(&mut history, 40, BOTH, &[1]).is_err());

    // What a session does not see may be hidden, or deleted before.
    let mut history = hiding();
    let deleting = history.asked(NAME, Deed::Delete, BTreeSet::from([1]), 31);
    history.ended(NAME, deleting, 32, false);
    see(&mut history, 40, &[]).unwrap();
    assert_eq!(judged_with(&history, 40, BOTH, &[1, 2]), "");
    assert_eq!(judged_with(&history, 40, HALF, &[2]), "");
}
