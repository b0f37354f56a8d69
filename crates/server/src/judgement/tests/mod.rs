//! Judgements against a DNS of the tests.

mod dns;
mod fields;
mod keys;
mod messages;
mod spf;
mod vectors;

use super::{Judge, Settings, Who};
use dns::Dns;

fn settings(dns: &Dns) -> Settings {
    Settings {
        resolvers: vec![dns.address],
        ..Settings::default()
    }
}

fn judge(dns: &Dns) -> Judge {
    Judge::new(settings(dns)).unwrap()
}

/// 192.0.2.1, `mail.example.com`, sends for this address.
fn who(sender: &str) -> Who<'_> {
    Who {
        client: [192, 0, 2, 1].into(),
        helo: "mail.example.com",
        sender,
        hostname: "mx.example.net",
    }
}

#[tokio::test]
async fn a_library_that_fails_is_no_failure_of_the_session() {
    async fn fails() -> u8 {
        let octets: Vec<u8> = Vec::new();
        octets[std::hint::black_box(7)]
    }
    assert_eq!(super::in_time(fails()).await, None);
    assert_eq!(super::in_time(async { 7 }).await, Some(7));
}
