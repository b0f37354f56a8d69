//! The `Authentication-Results` field: its form, and that strangers cannot write in it.

use proptest::prelude::*;

use super::dns::{Dns, txt};
use super::{judge, who};
use crate::judgement::Outcome;
use crate::judgement::dkim::{Named, Signed};
use crate::judgement::dmarc::{Author, Wants};
use crate::judgement::results::field;
use crate::judgement::spf::Spf;

/// A field of which all that strangers choose is this.
fn of(stranger: &str) -> String {
    let name = stranger.to_owned();
    let mut spf = Spf::unknown(&who("a@example.org"));
    spf.domain.clone_from(&name);
    let signature = Named {
        domain: name.clone(),
        selector: name.clone(),
        algorithm: "rsa-sha256",
        beginning: vec![0xff; 6],
    };
    let signed = Signed {
        outcome: Outcome::Fail,
        reason: Some("body hash does not match"),
        signature: Some(signature),
    };
    let author = Author {
        domain: name,
        outcome: Outcome::Fail,
        reason: None,
        wants: Wants::Quarantine,
    };
    field("mx.example.net", &spf, &[signed], &[author])
}

#[tokio::test]
async fn as_rfc_8601_has_it() {
    let dns = Dns::new(&[
        ("example.org", txt("v=spf1 ip4:192.0.2.1 -all")),
        ("_dmarc.example.org", txt("v=DMARC1; p=reject")),
    ])
    .await;
    let (judge, who) = (judge(&dns), who("mrose@example.org"));
    let spf = judge.spf(&who).await;
    let mut text = judge.text();
    text.take(b"From: mrose@example.org\r\n\r\n");
    let judgement = judge.judge(&who, &spf, text).await;
    assert_eq!(
        judgement.authentication_results,
        "Authentication-Results: mx.example.net;\r\n\
         \tspf=pass smtp.mailfrom=example.org;\r\n\
         \tdkim=none;\r\n\
         \tdmarc=pass header.from=example.org\r\n"
    );
}

#[test]
fn values_are_tokens_or_quoted() {
    assert_eq!(
        of("example.org"),
        "Authentication-Results: mx.example.net;\r\n\
         \tspf=temperror smtp.mailfrom=example.org;\r\n\
         \tdkim=fail reason=\"body hash does not match\" header.d=example.org\r\n\
         \t\theader.s=example.org header.a=rsa-sha256 header.b=\"////////\";\r\n\
         \tdmarc=fail header.from=example.org policy.dmarc=quarantine\r\n"
    );
    let forged = of("a\"; dkim=pass\r\nX: \\");
    let value = "\"a?; dkim=pass??X: ?\"";
    assert!(
        forged.contains(&format!("smtp.mailfrom={value};")),
        "{forged}"
    );
}

proptest! {
    #[test]
    fn nobody_else_writes_in_it(stranger in "\\PC{1,300}|[\\x00-\\x7f]{1,300}") {
        let field = of(&stranger);
        let honest = of("x");
        let lines = field.strip_suffix("\r\n").unwrap().split("\r\n");
        for line in lines.clone() {
            prop_assert!(line.bytes().all(|octet| octet == b'\t' || (b' '..=b'~').contains(&octet)));
            prop_assert!(line.len() <= 998);
        }
        for folded in lines.skip(1) {
            prop_assert!(folded.starts_with('\t') && !folded.trim().is_empty());
        }
        // Outside of quotes there are the results that we wrote, and no others.
        let unquoted = |field: &str| -> String {
            let outside = field.split('"').step_by(2).collect::<String>();
            outside.split_whitespace().collect()
        };
        let (ours, theirs) = (unquoted(&honest), unquoted(&field));
        prop_assert_eq!(ours.matches(';').count(), theirs.matches(';').count());
        prop_assert_eq!(ours.matches('=').count(), theirs.matches('=').count());
        prop_assert_eq!(field.matches('"').count() % 2, 0);
    }
}
