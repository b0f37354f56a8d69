//! `restante check` of listeners that ask their clients for certificates.

use std::fs;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, SerialNumber, date_time_ymd,
};

use crate::run::{Ended, Site};
use crate::serving::servable;

/// A site that is right but for its lines about client certificates, with a certificate, a key, and a
/// client CA whose days ended in this year.
fn site(lines: &str, ca_until_year: i32) -> (Site, CertifiedIssuer<'static, KeyPair>) {
    let text = format!(
        "data = \"DIR/data\"\n[[listener]]\nprotocol = \"pop3s\"\naddress = \"127.0.0.1:0\"\n{lines}\n\
         [tls]\ncertificate = \"DIR/cert.pem\"\nkey = \"DIR/key.pem\"\n\
         [maildrop]\nallow_volatile = true\n"
    );
    let site = Site::with(&text);
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(site.path().join("cert.pem"), own.cert.pem()).unwrap();
    fs::write(site.path().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "users of dobbs.org");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(ca_until_year, 1, 1);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(site.path().join("ca.pem"), authority.pem()).unwrap();
    (site, authority)
}

fn revoke_none(site: &Site, authority: &CertifiedIssuer<'static, KeyPair>, until_year: i32) {
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(until_year, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(authority).unwrap().pem().unwrap();
    fs::write(site.path().join("crl.pem"), list).unwrap();
}

const WITHOUT_LIST: &str = "client_ca = \"DIR/ca.pem\"\nclient_account = \"email\"";

const WITH_LIST: &str =
    "client_ca = \"DIR/ca.pem\"\nclient_crl = \"DIR/crl.pem\"\nclient_account = \"common_name\"";

fn check(site: &Site) -> Ended {
    site.run(&["check"], b"")
}

#[test]
fn what_is_asked_of_clients_is_explained() {
    let (site, _) = site(WITHOUT_LIST, 2100);
    let ended = check(&site).with(0);
    let said = "  listens     pop3s 127.0.0.1:0
              asks for client certificates of DIR/ca.pem; the e-mail address names the account
              no client_crl: none of them is ever taken back
";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("sasl        SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL PLAIN\n"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stderr.contains("client"), "{}", ended.stderr);

    let (site, authority) = self::site(WITH_LIST, 2100);
    revoke_none(&site, &authority, 2100);
    let ended = check(&site).with(0);
    let said = "
              asks for client certificates of DIR/ca.pem; the common name names the account
              but for those in DIR/crl.pem
";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(!ended.stderr.contains("client"), "{}", ended.stderr);
}

#[test]
fn what_is_past_its_time_is_told() {
    let (site, authority) = site(WITH_LIST, 2021);
    revoke_none(&site, &authority, 2021);
    let ended = check(&site).with(0);
    for told in [
        "warning: the client CA CN=users of dobbs.org in DIR/ca.pem has expired, and what it has signed still \
         counts\n  take it out of the file\n",
        "warning: the list of revoked certificates of CN=users of dobbs.org in DIR/crl.pem is past its next \
         update, so no certificate of theirs is accepted\n  put a new list there and send SIGHUP\n",
    ] {
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
}

/// Makes the server's own certificate anew, with a last day that is so many days from now.
fn own_until(site: &Site, days: i64) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let away = Duration::from_secs(days.unsigned_abs() * 86_400);
    let until = match days < 0 {
        true => SystemTime::now() - away,
        false => SystemTime::now() + away,
    };
    params.not_after = until.into();
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    fs::write(site.path().join("cert.pem"), own.pem()).unwrap();
    fs::write(site.path().join("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn the_days_of_the_servers_own_certificate_are_told() {
    let (site, _) = site("", 2100);
    servable(&site);
    for (days, code, told) in [
        (20, 0, None),
        (
            10,
            0,
            Some("warning: the certificate in DIR/cert.pem expires on 2"),
        ),
        (-1, 78, Some("the certificate in DIR/cert.pem expired on 2")),
    ] {
        own_until(&site, days);
        let ended = check(&site).with(code);
        match told {
            Some(words) => assert!(ended.stderr.contains(words), "{}", ended.stderr),
            None => assert!(!ended.stderr.contains("cert.pem"), "{}", ended.stderr),
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_told() {
    let (site, authority) = site(WITH_LIST, 2100);
    servable(&site);
    let told = |words: &str| {
        let ended = check(&site).with(78);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        // The server says the same, and does not start.
        let ended = site.run(&["serve"], b"").with(78);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    };
    told(
        "cannot read the list of revoked client certificates DIR/crl.pem: No such file or directory\n  check the \
         path in this [[listener]]\n",
    );
    revoke_none(&site, &authority, 2100);
    let leaf = fs::read_to_string(site.path().join("cert.pem")).unwrap();
    for (text, words) in [
        ("", "no client CA in DIR/ca.pem: "),
        (
            "-----BEGIN CERTIFICATE-----\n",
            "no client CA in DIR/ca.pem: ",
        ),
        (
            leaf.as_str(),
            "the client CA in DIR/ca.pem cannot be used: CN=rcgen self signed cert is not the certificate of a CA\n  put ",
        ),
    ] {
        fs::write(site.path().join("ca.pem"), text).unwrap();
        told(words);
    }
    fs::remove_file(site.path().join("ca.pem")).unwrap();
    told("cannot read the client CA DIR/ca.pem: No such file or directory\n");
}

#[test]
fn keys_that_do_not_belong_together_are_told() {
    let site = Site::with(
        "data = \"DIR/data\"
[[listener]]
protocol = \"pop3\"
address = \"127.0.0.1:0\"
plaintext_login = \"loopback\"
client_ca = \"DIR/ca.pem\"
client_account = \"e-mail\"
[[listener]]
protocol = \"lmtp\"
address = \"unix:DIR/lmtp\"
client_ca = \"DIR/ca.pem\"
[[listener]]
protocol = \"pop3\"
address = \"127.0.0.1:0\"
plaintext_login = \"loopback\"
client_crl = \"DIR/crl.pem\"
",
    );
    let ended = check(&site).with(78);
    assert_eq!(
        ended.stderr,
        "DIR/restante.toml:6:1: `client_ca` means nothing without TLS
  add [tls] with certificate and key
DIR/restante.toml:7:18: `client_account` cannot be \"e-mail\"
  did you mean \"email\"?
DIR/restante.toml:11:1: `client_ca` means nothing for lmtp
  remove it; client certificates are for pop3 and pop3s
DIR/restante.toml:16:1: `client_crl` means nothing without TLS
  add [tls] with certificate and key
DIR/restante.toml:16:1: `client_crl` means nothing without `client_ca`
  add client_ca = \"/etc/restante/clients.pem\", the CA that signs your users' certificates
restante: 5 mistakes
"
    );
}
