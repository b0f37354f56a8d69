//! Places, and who gets them.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

fn limits(sessions: usize, per_address: usize) -> Limits {
    Limits {
        session_count_max: sessions,
        sessions_per_address_max: per_address,
        sessions_per_network_max: 0,
        sessions_per_account_max: 0,
        lmtp_session_count_max: 1,
        ..Limits::default()
    }
}

/// A place that counts for an address from the beginning.
fn admit(
    admission: &Arc<Admission>,
    protocol: Protocol,
    text: &str,
    limits: &Limits,
) -> Result<Permit, Turned> {
    admission.admit(protocol, Caller::Known(text.parse().ok()), limits)
}

impl Permit {
    /// Whether the session has been told to go. Asked once: then it would be over.
    fn is_evicted(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(self.evicted()).poll(&mut context).is_ready()
    }
}

#[test]
fn an_address_has_its_places_and_gets_them_back() {
    let (admission, limits) = (Admission::new(), limits(10, 2));
    let admit = |text| admit(&admission, Protocol::Pop3, text, &limits);
    let first = admit("192.0.2.1").ok().unwrap();
    // The same address as a dual-stack socket shows it.
    let _second = admit("::ffff:192.0.2.1").ok().unwrap();
    assert_eq!(admit("192.0.2.1").err(), Some(Turned::AddressFull));
    assert!(admit("192.0.2.2").is_ok());
    drop(first);
    assert!(admit("192.0.2.1").is_ok());
}

#[test]
fn an_ipv6_address_has_its_places_and_its_network_some_more() {
    let limits = Limits {
        sessions_per_network_max: 3,
        ..limits(10, 2)
    };
    let admission = Admission::new();
    let admit = |text: &str| admit(&admission, Protocol::Pop3s, text, &limits);
    let _held = [admit("2001:db8:0:1::1"), admit("2001:db8:0:1::1")].map(|it| it.ok().unwrap());
    assert_eq!(admit("2001:db8:0:1::1").err(), Some(Turned::AddressFull));
    let third = admit("2001:db8:0:1:ffff::2").ok().unwrap();
    assert_eq!(admit("2001:db8:0:1::3").err(), Some(Turned::NetworkFull));
    assert!(admit("2001:db8:0:2::1").is_ok());
    drop(third);
    assert!(admit("2001:db8:0:1::3").is_ok());
    // IPv4 has no such networks.
    let held: Vec<_> = (0..5).map(|n| admit(&format!("192.0.2.{n}"))).collect();
    assert!(held.iter().all(Result::is_ok));
}

#[test]
fn a_full_server_still_takes_deliveries() {
    let (admission, limits) = (Admission::new(), limits(1, 0));
    let held = admit(&admission, Protocol::Pop3, "192.0.2.1", &limits).ok();
    held.as_ref()
        .unwrap()
        .prove(MaildropId(1), &limits)
        .unwrap();
    let turned = admit(&admission, Protocol::Pop3, "192.0.2.2", &limits).err();
    assert_eq!(turned, Some(Turned::Full));
    let lmtp = || admit(&admission, Protocol::Lmtp, "192.0.2.2", &limits);
    let _delivery = lmtp().ok().unwrap();
    assert_eq!(lmtp().err(), Some(Turned::Full));
}

#[test]
fn a_newcomer_gets_the_place_of_the_oldest_stranger() {
    let (admission, limits) = (Admission::new(), limits(3, 0));
    let admit = |n: u8| admit(&admission, Protocol::Pop3, &format!("192.0.2.{n}"), &limits);
    let held = [1, 2, 3].map(|n| admit(n).ok().unwrap());
    held[0].prove(MaildropId(1), &limits).unwrap();
    let fourth = admit(4).ok().unwrap();
    assert!(held[1].is_evicted() && !held[0].is_evicted() && !held[2].is_evicted());
    // He has no place to keep, however right his password.
    assert_eq!(held[1].prove(MaildropId(1), &limits), Err(Turned::Evicted));
    assert_eq!(admission.counts().pop3, 3);
    for permit in [&held[2], &fourth] {
        permit.prove(MaildropId(1), &limits).unwrap();
    }
    assert_eq!(admit(5).err(), Some(Turned::Full));
    drop(held);
    drop(fourth);
    let counts = admission.counts();
    assert_eq!(counts.pop3, 0);
    assert!(counts.strangers.is_empty() && counts.crowd.addresses.is_empty());
}

#[test]
fn a_maildrop_has_its_places_and_gets_them_back() {
    let limits = Limits {
        sessions_per_account_max: 2,
        ..limits(10, 0)
    };
    let admission = Admission::new();
    let admit = |n: u8| admit(&admission, Protocol::Pop3, &format!("192.0.2.{n}"), &limits);
    let held = [1, 2, 3].map(|n| admit(n).ok().unwrap());
    held[0].prove(MaildropId(1), &limits).unwrap();
    held[1].prove(MaildropId(1), &limits).unwrap();
    let third = held[2].prove(MaildropId(1), &limits);
    assert_eq!(third, Err(Turned::MaildropFull));
    // He is a stranger still, and may have another account.
    assert!(!admission.counts().strangers.is_empty());
    held[2].prove(MaildropId(2), &limits).unwrap();
    drop(held);
    let counts = admission.counts();
    assert!(counts.pop3 == 0 && counts.maildrops.is_empty());
}

#[test]
fn who_was_told_to_go_while_he_was_busy_goes_afterwards() {
    let (admission, limits) = (Admission::new(), limits(1, 0));
    let first = admit(&admission, Protocol::Pop3, "192.0.2.1", &limits).ok();
    let mut second = None;
    {
        let first = first.as_ref().unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut evicted = pin!(first.evicted());
        assert!(evicted.as_mut().poll(&mut context).is_pending());
        second.replace(admit(&admission, Protocol::Pop3, "192.0.2.2", &limits).ok());
        // The wait is given up without having been looked at again.
    }
    assert!(first.unwrap().is_evicted());
    assert!(!second.flatten().unwrap().is_evicted());
}

#[test]
fn a_login_that_comes_to_nothing_leaves_a_stranger_as_old_as_he_was() {
    let (admission, limits) = (Admission::new(), limits(2, 0));
    let admit = |n: u8| admit(&admission, Protocol::Pop3, &format!("192.0.2.{n}"), &limits);
    let (first, second) = (admit(1).ok().unwrap(), admit(2).ok().unwrap());
    // A login counts when it has a maildrop; until then nobody is told of it here.
    let third = admit(3).ok().unwrap();
    assert!(first.is_evicted() && !second.is_evicted());
    // Once gone, always gone.
    assert_eq!(first.prove(MaildropId(1), &limits), Err(Turned::Evicted));
    drop((first, second, third));
    assert_eq!(admission.counts().pop3, 0);
    assert!(admission.counts().strangers.is_empty());
}

#[test]
fn an_address_at_its_limit_makes_nobody_go() {
    let (admission, limits) = (Admission::new(), limits(2, 1));
    let admit = |text| admit(&admission, Protocol::Pop3, text, &limits);
    let held = [admit("192.0.2.1"), admit("192.0.2.2")].map(|it| it.ok().unwrap());
    assert_eq!(admit("192.0.2.2").err(), Some(Turned::AddressFull));
    assert!(held.iter().all(|permit| !permit.is_evicted()));
}

#[test]
fn crowded_is_more_than_four_fifths() {
    let (admission, limits) = (Admission::new(), limits(10, 0));
    let crowded = admission.crowded();
    let mut held = Vec::new();
    for taken in 1..=10 {
        held.extend(admit(&admission, Protocol::Pop3, "192.0.2.1", &limits).ok());
        assert_eq!(*crowded.borrow(), taken > 8, "{taken} of 10");
    }
    held.truncate(8);
    assert!(!*crowded.borrow());
}

#[test]
fn no_trace_of_an_address_is_left_behind() {
    let (admission, limits) = (Admission::new(), limits(2, 1));
    for number in 0..1000_u32 {
        for address in [
            IpAddr::V4(number.into()),
            IpAddr::V6((u128::from(number) << 60).into()),
        ] {
            let admit = || admit(&admission, Protocol::Pop3, &address.to_string(), &limits);
            let held = admit();
            assert!(held.is_ok());
            assert_eq!(admit().err(), Some(Turned::AddressFull));
        }
    }
    let counts = admission.counts();
    assert!(counts.crowd.addresses.is_empty() && counts.crowd.networks.is_empty());
    assert!(counts.strangers.is_empty());
}

#[test]
fn a_session_counts_for_the_address_that_is_told_later() {
    let (admission, limits) = (Admission::new(), limits(10, 1));
    let permit = || {
        let waits = admission.admit(Protocol::Pop3, Caller::ToBeNamed, &limits);
        waits.ok().unwrap()
    };
    let (first, second) = (permit(), permit());
    let client = Some(IpAddr::from([192, 0, 2, 1]));
    assert_eq!(first.count(client, &limits), Ok(()));
    assert_eq!(second.count(client, &limits), Err(Turned::AddressFull));
    // Only once, and only for the first.
    let other = Some(IpAddr::from([192, 0, 2, 2]));
    assert_eq!(first.count(other, &limits), Ok(()));
    assert_eq!(second.count(other, &limits), Ok(()));
    drop(first);
    let third = permit();
    assert_eq!(third.count(other, &limits), Err(Turned::AddressFull));
    assert_eq!(third.count(client, &limits), Ok(()));
}

#[test]
fn nobody_goes_for_a_client_that_is_not_known_to_be_welcome() {
    let (admission, limits) = (Admission::new(), limits(2, 1));
    let [first, second] = ["192.0.2.1", "192.0.2.2"].map(|text| {
        admit(&admission, Protocol::Pop3, text, &limits)
            .ok()
            .unwrap()
    });
    let waits = || admission.admit(Protocol::Pop3, Caller::ToBeNamed, &limits);
    let permit = waits().ok().unwrap();
    // No more than a few wait outside.
    assert_eq!(waits().err(), Some(Turned::Full));
    let at_its_limit = Some(IpAddr::from([192, 0, 2, 2]));
    assert_eq!(
        permit.count(at_its_limit, &limits),
        Err(Turned::AddressFull)
    );
    assert!(!first.is_evicted());
    drop(permit);
    let permit = waits().ok().unwrap();
    let welcome = Some(IpAddr::from([192, 0, 2, 3]));
    assert_eq!(permit.count(welcome, &limits), Ok(()));
    assert!(first.is_evicted() && !second.is_evicted());
    // One that names nobody takes its place when it logs in.
    let nameless = waits().ok().unwrap();
    assert_eq!(nameless.prove(MaildropId(1), &limits), Ok(()));
    assert!(second.is_evicted());
    drop((first, second, permit, nameless));
    let counts = admission.counts();
    assert_eq!((counts.pop3, counts.unnamed), (0, 0));
    assert!(counts.crowd.addresses.is_empty() && counts.strangers.is_empty());
}

#[test]
fn a_full_server_says_so_once_a_minute() {
    let mut pressure = Pressure {
        evicted: 1,
        ..Pressure::default()
    };
    pressure.tell(10);
    assert_eq!(pressure.evicted, 0);
    for _ in 0..1000 {
        pressure.evicted += 1;
        pressure.tell(10);
    }
    assert_eq!(pressure.evicted, 1000);
}

#[test]
fn senders_are_counted_apart_and_by_address() {
    let admission = Admission::new();
    let limits = Limits {
        smtp_session_count_max: 3,
        smtp_sessions_per_address_max: 1,
        smtp_sessions_per_network_max: 1,
        sessions_per_address_max: 1,
        ..Limits::default()
    };
    let smtp = |address| admit(&admission, Protocol::Smtp, address, &limits);
    let first = smtp("192.0.2.1").ok().unwrap();
    assert_eq!(smtp("192.0.2.1").err(), Some(Turned::AddressFull));
    // POP3 has places of its own for the same address.
    let _reader = admit(&admission, Protocol::Pop3, "192.0.2.1", &limits)
        .ok()
        .unwrap();
    let _second = smtp("2001:db8::1").ok().unwrap();
    assert_eq!(smtp("2001:db8::2").err(), Some(Turned::NetworkFull));
    let third = smtp("192.0.2.3").ok().unwrap();
    assert_eq!(smtp("192.0.2.4").err(), Some(Turned::Full));
    drop(first);
    let _again = smtp("192.0.2.1").ok().unwrap();
    drop(third);
    let named_later = admission.admit(Protocol::Smtp, Caller::ToBeNamed, &limits);
    let named_later = named_later.ok().unwrap();
    let address = "192.0.2.1".parse().ok();
    assert_eq!(
        named_later.count(address, &limits),
        Err(Turned::AddressFull)
    );
    drop(named_later);
    drop((_again, _second));
    let counts = admission.counts();
    assert_eq!(counts.smtp, 0);
    assert!(counts.senders.addresses.is_empty() && counts.senders.networks.is_empty());
}
