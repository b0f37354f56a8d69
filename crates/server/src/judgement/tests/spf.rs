//! What SPF says, against a DNS that is honest, wrong, silent or hostile.

use std::time::Duration;

use super::dns::{Answer, Dns, txt};
use super::{judge, settings, who};
use crate::judgement::{Judge, OnFail, Outcome, Settings, Verdict, Who};

/// The result for a sender at `example.org` whose client is 192.0.2.1.
async fn outcome(table: &[(&str, Answer)]) -> Outcome {
    let dns = Dns::new(table).await;
    judge(&dns).spf(&who("a@example.org")).await.outcome()
}

#[tokio::test]
async fn each_result_of_rfc_7208() {
    for (record, expected) in [
        ("v=spf1 ip4:192.0.2.0/24 -all", Outcome::Pass),
        ("v=spf1 -all", Outcome::Fail),
        ("v=spf1 ~all", Outcome::SoftFail),
        ("v=spf1 ?all", Outcome::Neutral),
        ("v=spf1 ip4:198.51.100.1", Outcome::Neutral),
        ("v=spf1 nonsense -all", Outcome::PermError),
        (
            "v=spf1 +a:b.example.org ip4:192.0.2.1/24 mx/24 -all",
            Outcome::Pass,
        ),
        ("v=spf1 unknown=modifier ~all", Outcome::SoftFail),
        (
            "v=spf1 ip4:192.0.2.1 exp=a.example.org  -ALL",
            Outcome::Pass,
        ),
        ("some other text", Outcome::None),
    ] {
        let table = [("example.org", txt(record))];
        assert_eq!(outcome(&table).await, expected, "{record}");
    }
    assert_eq!(outcome(&[]).await, Outcome::None);
}

#[tokio::test]
async fn mechanisms_that_ask_the_dns() {
    let table = |record| {
        [
            ("example.org", txt(record)),
            ("a.example.org", Answer::A([192, 0, 2, 1].into())),
            ("mx.example.org", Answer::Mx("a.example.org".to_owned())),
            ("in.example.org", txt("v=spf1 a:a.example.org -all")),
            ("1.2.0.192.example.org", Answer::A([127, 0, 0, 2].into())),
        ]
    };
    for record in [
        "v=spf1 a:a.example.org -all",
        "v=spf1 mx:mx.example.org -all",
        "v=spf1 include:in.example.org -all",
        "v=spf1 exists:%{ir}.example.org -all",
        "v=spf1 redirect=in.example.org",
    ] {
        assert_eq!(outcome(&table(record)).await, Outcome::Pass, "{record}");
    }
    let other = "v=spf1 a:none.example.org include:none.example.org -all";
    assert_eq!(outcome(&table(other)).await, Outcome::PermError);
}

#[tokio::test]
async fn the_null_sender_is_judged_by_the_name_of_the_client() {
    let dns = Dns::new(&[("mail.example.com", txt("v=spf1 -all"))]).await;
    let spf = judge(&dns).spf(&who("")).await;
    assert_eq!(
        (spf.outcome(), spf.domain()),
        (Outcome::Fail, "mail.example.com")
    );
    // An address is no name.
    let literal = Who {
        helo: "[192.0.2.1]",
        ..who("")
    };
    assert_eq!(judge(&dns).spf(&literal).await.outcome(), Outcome::None);
}

#[tokio::test]
async fn two_records_are_an_error() {
    let table = [
        ("example.org", txt("v=spf1 ip4:192.0.2.1 -all")),
        ("example.org", txt("v=spf1 -all")),
    ];
    assert_eq!(outcome(&table).await, Outcome::PermError);
}

#[tokio::test]
async fn lookups_have_an_end() {
    // §4.6.4: ten, so that a loop ends.
    let dns = Dns::new(&[("example.org", txt("v=spf1 include:example.org -all"))]).await;
    let spf = judge(&dns).spf(&who("a@example.org")).await;
    assert_eq!(spf.outcome(), Outcome::PermError);
    let many: String = (0..11).map(|n| format!(" a:a{n}.example.org")).collect();
    let record = format!("v=spf1{many} +all");
    let hosts: Vec<String> = (0..11).map(|n| format!("a{n}.example.org")).collect();
    let mut table = vec![("example.org", txt(&record))];
    let elsewhere = Answer::A([198, 51, 100, 1].into());
    table.extend(hosts.iter().map(|host| (&**host, elsewhere.clone())));
    assert_eq!(outcome(&table).await, Outcome::PermError);
    let ten = record.replacen(" a:a0.example.org", "", 1);
    table[0] = ("example.org", txt(&ten));
    assert_eq!(outcome(&table).await, Outcome::Pass);
}

#[tokio::test]
async fn a_dns_that_fails_costs_no_mail() {
    for answer in [Answer::Code(2), Answer::Code(5), Answer::Garbage] {
        let dns = Dns::new(&[("example.org", answer.clone())]).await;
        let judge = Judge::new(Settings {
            spf: OnFail::Reject,
            ..settings(&dns)
        })
        .unwrap();
        let spf = judge.spf(&who("a@example.org")).await;
        assert_eq!(spf.outcome(), Outcome::TempError, "{answer:?}");
        assert_eq!(judge.verdict(&spf), Verdict::Accept);
    }
    // In the middle of an evaluation it is the same.
    let table = [
        ("example.org", txt("v=spf1 a:b.example.org -all")),
        ("b.example.org", Answer::Code(2)),
    ];
    assert_eq!(outcome(&table).await, Outcome::TempError);
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let dns = Dns::new(&[("example.org", Answer::Silence)]).await;
    let judge = judge(&dns);
    let begin = tokio::time::Instant::now();
    let spf = judge.spf(&who("a@example.org")).await;
    assert_eq!(spf.outcome(), Outcome::TempError);
    let most = crate::judgement::JUDGING_TIMEOUT + Duration::from_secs(1);
    assert!(begin.elapsed() <= most, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn large_and_truncated_answers_come_over_tcp() {
    let parts: String = (0..200).map(|n| format!(" ip4:198.51.100.{n}")).collect();
    let record = format!("v=spf1{parts} ip4:192.0.2.1 -all");
    assert!(record.len() > 3000);
    let table = [("example.org", Answer::Truncated(record))];
    assert_eq!(outcome(&table).await, Outcome::Pass);
}

#[tokio::test]
async fn loops_of_aliases_end() {
    let table = [
        ("example.org", Answer::Cname("b.example.org".to_owned())),
        ("b.example.org", Answer::Cname("example.org".to_owned())),
    ];
    let outcome = outcome(&table).await;
    assert!(
        matches!(outcome, Outcome::TempError | Outcome::None),
        "{outcome}"
    );
}

#[tokio::test]
async fn answers_are_kept() {
    let dns = Dns::new(&[("example.org", txt("v=spf1 -all"))]).await;
    let judge = judge(&dns);
    for _ in 0..3 {
        judge.spf(&who("a@example.org")).await;
    }
    assert_eq!(dns.asked(), ["example.org"]);
}

#[tokio::test]
async fn names_that_are_none_are_no_questions() {
    let dns = Dns::new(&[]).await;
    let judge = judge(&dns);
    let long = format!("a@{}.example.org", "x".repeat(300));
    for sender in [
        "a@",
        "a@..",
        "a@b",
        "@",
        "a@a b.org",
        "a@\u{e4}.example.org",
        &*long,
    ] {
        let outcome = judge.spf(&who(sender)).await.outcome();
        let harmless = [Outcome::None, Outcome::PermError, Outcome::TempError];
        assert!(harmless.contains(&outcome), "{sender}: {outcome}");
    }
    assert!(dns.asked().contains(&"xn--4ca.example.org".to_owned()));
}

#[tokio::test]
async fn a_client_that_its_domain_forbids_is_refused_only_if_that_is_wanted() {
    let dns = Dns::new(&[("example.org", txt("v=spf1 -all"))]).await;
    let marks = judge(&dns);
    let spf = marks.spf(&who("a@example.org")).await;
    assert_eq!(marks.verdict(&spf), Verdict::Accept);
    let rejects = Judge::new(Settings {
        spf: OnFail::Reject,
        ..settings(&dns)
    })
    .unwrap();
    let Verdict::Reject(refusal) = rejects.verdict(&spf) else {
        panic!("it is refused")
    };
    assert_eq!((refusal.code, refusal.status), (550, "5.7.23"));
    assert_eq!(refusal.why, "SPF: example.org does not let you send for it");
}
