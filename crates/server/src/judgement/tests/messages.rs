//! What is said of messages: DKIM with keys of both kinds, DMARC with each policy.

use mail_auth::dkim::Canonicalization;

use super::dns::{Answer, Dns, txt};
use super::keys::{Kind, record, signed, signer};
use super::{judge, settings, who};
use crate::judgement::{Judge, Judgement, OnFail, Outcome, Settings, Verdict};

const MESSAGE: &str = "From: Millie <mrose@example.org>\r\nSubject: tea\r\n\r\nAt  five. \r\n\r\n";

/// Judges a message, which is given as it is stored, sent by `who` to a judge.
pub(super) async fn judged(judge: &Judge, sender: &str, stored: &str) -> Judgement {
    let who = who(sender);
    let spf = judge.spf(&who).await;
    let mut text = judge.text();
    for piece in stored.as_bytes().chunks(11) {
        text.take(piece);
    }
    judge.judge(&who, &spf, text).await
}

/// The result that a field tells of a method.
pub(super) fn results(judgement: &Judgement, method: &str) -> Vec<String> {
    let field = &judgement.authentication_results;
    let parts = field.split(';').map(str::trim_start);
    let of = |part: &str| Some(part.strip_prefix(method)?.strip_prefix('=')?.to_owned());
    parts.filter_map(of).collect()
}

/// A judge who refuses all that may be refused.
fn strict(dns: &Dns) -> Judge {
    Judge::new(Settings {
        spf: OnFail::Reject,
        dmarc: OnFail::Reject,
        ..settings(dns)
    })
    .unwrap()
}

#[tokio::test]
async fn signatures_with_both_kinds_of_keys_and_both_forms_of_the_body() {
    for kind in [Kind::Rsa, Kind::Ed25519] {
        let table = [("s1._domainkey.example.org", record(kind))];
        let dns = Dns::new(&table).await;
        for body in [Canonicalization::Relaxed, Canonicalization::Simple] {
            let message = signed(&signer(kind, "example.org", body), MESSAGE);
            let good = judged(&judge(&dns), "", &message).await;
            assert_eq!(good.dkim, Outcome::Pass, "{}", good.authentication_results);
            for (from, to) in [("five", "six"), ("tea", "gin"), ("mrose", "rose")] {
                let changed = message.replacen(from, to, 1);
                let bad = judged(&judge(&dns), "", &changed).await;
                assert_eq!(bad.dkim, Outcome::Fail, "{}", bad.authentication_results);
            }
        }
    }
}

/// Whoever hides the author does not get round his policy, and nobody makes us look at more than a few.
#[tokio::test]
async fn a_message_without_an_author_is_nobodys() {
    let dns = Dns::new(&[("_dmarc.example.org", txt("v=DMARC1; p=reject"))]).await;
    let strict = strict(&dns);
    let crowd: Vec<String> = (0..20_000).map(|n| format!("@a{n}.org")).collect();
    for message in [
        "Subject: tea\r\n\r\n",
        "X: y\r\nfoo\r\nFrom: mrose@example.org\r\n\r\n",
        "From: \r\n\r\n",
        "From: <mrose@exa mple.org>\r\n\r\n",
        "\r\nFrom: mrose@example.org\r\n\r\n",
        &format!("From: {}\r\n\r\n", crowd.join(",\r\n ")),
    ] {
        let judgement = judged(&strict, "", message).await;
        let shown: String = message.chars().take(60).collect();
        assert!(matches!(judgement.verdict, Verdict::Reject(_)), "{shown:?}");
        let marked = judged(&judge(&dns), "", message).await;
        assert_eq!(marked.verdict, Verdict::Accept, "{shown:?}");
    }
    let padded = judged(&strict, "", "From: <mrose@ example.org>\r\n\r\n").await;
    assert!(matches!(padded.verdict, Verdict::Reject(_)));
}

/// A forger's own domain, whose servers never answer, does not keep the author's policy from counting.
#[tokio::test]
async fn a_signature_that_comes_too_late_is_no_way_around_the_authors_policy() {
    let dns = Dns::new(&[
        ("s1._domainkey.forger.example", Answer::Silence),
        ("s1._domainkey.example.org", Answer::Silence),
        ("_dmarc.example.org", txt("v=DMARC1; p=reject")),
    ])
    .await;
    let strict = strict(&dns);
    let body = Canonicalization::Relaxed;
    let forged = signed(&signer(Kind::Ed25519, "forger.example", body), MESSAGE);
    let own = signed(&signer(Kind::Ed25519, "example.org", body), MESSAGE);
    let (forged, own) = tokio::join!(judged(&strict, "", &forged), judged(&strict, "", &own));
    assert!(matches!(forged.verdict, Verdict::Reject(_)), "{forged:?}");
    assert_eq!(own.verdict, Verdict::Accept, "{own:?}");
    assert_eq!(own.dmarc, Outcome::TempError);
}

#[tokio::test]
async fn a_stuffed_text_is_verified_as_it_was_signed() {
    let dns = Dns::new(&[("s1._domainkey.example.org", record(Kind::Ed25519))]).await;
    let signer = signer(Kind::Ed25519, "example.org", Canonicalization::Simple);
    let message = signed(&signer, &MESSAGE.replace("At", ".At"));
    let stored = message.replace("\r\n.At", "\r\n..At");
    assert_eq!(judged(&judge(&dns), "", &stored).await.dkim, Outcome::Pass);
    assert_eq!(judged(&judge(&dns), "", &message).await.dkim, Outcome::Fail);
}

#[tokio::test]
async fn lines_of_white_space_at_the_end_do_not_count_in_the_relaxed_form() {
    // RFC 6376 §3.4.4; others sign `At  five.` without what follows.
    let dns = Dns::new(&[("s1._domainkey.example.org", record(Kind::Ed25519))]).await;
    let signer = signer(Kind::Ed25519, "example.org", Canonicalization::Relaxed);
    let message = signed(&signer, MESSAGE) + " \r\n\t\r\n";
    assert_eq!(judged(&judge(&dns), "", &message).await.dkim, Outcome::Pass);
}

#[tokio::test]
async fn a_large_message_is_verified_as_it_passes() {
    let dns = Dns::new(&[("s1._domainkey.example.org", record(Kind::Ed25519))]).await;
    let signer = signer(Kind::Ed25519, "example.org", Canonicalization::Relaxed);
    let message = signed(
        &signer,
        &(MESSAGE.to_owned() + &"0123456789\r\n".repeat(200_000)),
    );
    assert_eq!(judged(&judge(&dns), "", &message).await.dkim, Outcome::Pass);
}

#[tokio::test]
async fn a_dns_that_fails_costs_no_mail() {
    let message = signed(
        &signer(Kind::Ed25519, "example.org", Canonicalization::Relaxed),
        MESSAGE,
    );
    for (answer, expected) in [
        (Answer::Code(2), Outcome::TempError),
        (Answer::Garbage, Outcome::TempError),
        (Answer::Code(3), Outcome::Fail),
        (txt("v=DKIM1; p="), Outcome::Fail),
        (txt("v=DKIM1; k=rsa; p=AAAA"), Outcome::Fail),
        (txt(&"x".repeat(60_000)), Outcome::Fail),
    ] {
        let dns = Dns::new(&[
            ("s1._domainkey.example.org", answer.clone()),
            ("_dmarc.example.org", Answer::Code(2)),
        ])
        .await;
        let judgement = judged(&strict(&dns), "", &message).await;
        assert_eq!(judgement.dkim, expected, "{answer:?}");
        assert_eq!(judgement.dmarc, Outcome::TempError);
        assert_eq!(judgement.verdict, Verdict::Accept);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let dns = Dns::new(&[("_dmarc.example.org", Answer::Silence)]).await;
    let judgement = judged(&strict(&dns), "", MESSAGE).await;
    assert_eq!(judgement.dmarc, Outcome::TempError);
    assert_eq!(judgement.verdict, Verdict::Accept);
}

#[tokio::test]
async fn no_more_signatures_are_looked_at_than_ten() {
    let dns = Dns::new(&[]).await;
    let one = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org;\r\n \
        s=SEL; h=from; bh=AAAA; b=AAAA\r\n";
    let many: String = (0..40)
        .map(|n| one.replace("SEL", &n.to_string()))
        .collect();
    let judgement = judged(&judge(&dns), "", &(many + MESSAGE)).await;
    let told = results(&judgement, "dkim");
    assert_eq!(told.len(), 11);
    assert!(told[0].starts_with("policy reason=\"too many signatures\""));
}

#[tokio::test]
async fn signatures_that_prove_nothing() {
    let dns = Dns::new(&[("s1._domainkey.example.org", record(Kind::Rsa))]).await;
    let signer = signer(Kind::Rsa, "example.org", Canonicalization::Relaxed);
    let message = signed(&signer, MESSAGE);
    for (from, to, expected) in [
        (
            "rsa-sha256",
            "rsa-sha1",
            "permerror reason=\"SHA-1 proves nothing\"",
        ),
        (
            "c=",
            "l=1; c=",
            "neutral reason=\"signature of a part of the body\"",
        ),
        (
            "bh=",
            "x=1; bh=",
            "neutral reason=\"signature has expired\"",
        ),
    ] {
        let changed = message.replacen(from, to, 1);
        let judgement = judged(&judge(&dns), "", &changed).await;
        let told = results(&judgement, "dkim");
        assert!(told[0].starts_with(expected), "{told:?}");
        assert_eq!(judgement.dkim, Outcome::Fail);
    }
}

#[tokio::test]
async fn dmarc_passes_by_an_aligned_signature_or_sender() {
    let dns = Dns::new(&[
        (
            "_dmarc.example.org",
            txt("v=DMARC1; p=reject; adkim=s; aspf=s"),
        ),
        ("example.org", txt("v=spf1 ip4:192.0.2.1 -all")),
        ("example.com", txt("v=spf1 ip4:192.0.2.1 -all")),
        ("s1._domainkey.example.org", record(Kind::Ed25519)),
        ("s1._domainkey.example.com", record(Kind::Ed25519)),
    ])
    .await;
    let by = |domain| {
        signed(
            &signer(Kind::Ed25519, domain, Canonicalization::Relaxed),
            MESSAGE,
        )
    };
    for (sender, message, expected) in [
        ("a@example.org", MESSAGE.to_owned(), Outcome::Pass),
        ("a@example.com", MESSAGE.to_owned(), Outcome::Fail),
        ("a@example.com", by("example.org"), Outcome::Pass),
        ("a@example.com", by("example.com"), Outcome::Fail),
        ("", MESSAGE.to_owned(), Outcome::Fail),
    ] {
        let judgement = judged(&strict(&dns), sender, &message).await;
        let field = &judgement.authentication_results;
        assert_eq!(judgement.dmarc, expected, "{sender} {field}");
        let rejected = matches!(judgement.verdict, Verdict::Reject(_));
        assert_eq!(rejected, expected == Outcome::Fail, "{field}");
        let marked = judged(&judge(&dns), sender, &message).await;
        assert_eq!(marked.verdict, Verdict::Accept);
    }
}

#[tokio::test]
async fn the_domain_says_what_is_done() {
    for (domain, record, rejected) in [
        ("example.org", "v=DMARC1; p=reject", true),
        ("example.org", "v=DMARC1; p=quarantine", false),
        ("example.org", "v=DMARC1; p=none", false),
        ("example.org", "v=DMARC1; p=reject; t=y", false),
        ("example.org", "v=DMARC1; p=none; sp=reject", false),
        ("sub.example.org", "v=DMARC1; p=none; sp=reject", true),
        ("sub.example.org", "v=DMARC1; p=reject; sp=none", false),
        ("sub.example.org", "v=DMARC1; p=reject", true),
        ("example.org", "not a record", false),
    ] {
        let dns = Dns::new(&[
            ("_dmarc.example.org", txt(record)),
            ("sub.example.org", Answer::A([192, 0, 2, 9].into())),
        ])
        .await;
        let message = MESSAGE.replace("example.org", domain);
        let judgement = judged(&strict(&dns), "", &message).await;
        let field = &judgement.authentication_results;
        let Verdict::Reject(refusal) = judgement.verdict else {
            assert!(!rejected, "{record} {field}");
            continue;
        };
        assert!(rejected, "{record} {field}");
        assert_eq!((refusal.code, refusal.status), (550, "5.7.1"));
        let why = format!("DMARC: not from {domain}, which wants it to be rejected");
        assert_eq!(refusal.why, why);
    }
}

#[tokio::test]
async fn a_second_author_is_no_way_around_the_policy_of_the_first() {
    let dns = Dns::new(&[("_dmarc.example.org", txt("v=DMARC1; p=reject"))]).await;
    for from in [
        "From: a@example.org, b@example.com\r\n",
        "From: b@example.com\r\nFrom: a@example.org\r\n",
        "From: b@example.com, g: a@EXAMPLE.ORG;\r\n",
        "From: a@b.org, a@c.org, a@d.org, a@e.org, a@f.org\r\n",
    ] {
        let judgement = judged(&strict(&dns), "", &format!("{from}\r\n")).await;
        let field = &judgement.authentication_results;
        assert!(matches!(judgement.verdict, Verdict::Reject(_)), "{field}");
    }
    for message in ["Subject: a\r\n\r\n", "From: nobody\r\n\r\n", "\r\n", ""] {
        let judgement = judged(&strict(&dns), "", message).await;
        assert_eq!(judgement.dmarc, Outcome::PermError, "{message}");
        assert!(matches!(judgement.verdict, Verdict::Reject(_)), "{message}");
    }
}

#[tokio::test]
async fn a_header_that_hides_its_author_is_not_taken_where_authors_count() {
    let dns = Dns::new(&[]).await;
    let long = format!("X: {}\r\n", "x".repeat(900)).repeat(400) + MESSAGE;
    let judgement = judged(&strict(&dns), "", &long).await;
    let Verdict::Reject(refusal) = judgement.verdict else {
        panic!("it is refused")
    };
    assert_eq!((refusal.code, refusal.status), (552, "5.3.4"));
    let marked = judged(&judge(&dns), "", &long).await;
    assert_eq!(marked.verdict, Verdict::Accept);
    let told = "permerror reason=\"header too large to be verified\"";
    assert_eq!(results(&marked, "dkim"), [told]);
}
