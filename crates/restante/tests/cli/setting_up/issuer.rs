//! An issuer whose access tokens are JWTs that `restante serve` believes.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

use super::authorization::Mint;

/// What tokens say, and `[auth.oauth]` asks for.
pub(super) const NAME: &str = "https://id.dobbs.org/realms/mail";

/// The key that signs now, and the file that tells mail servers of it.
#[derive(Clone)]
pub(super) struct Issuer {
    jwks: PathBuf,
    signing: Arc<Mutex<Signing>>,
}

struct Signing {
    id: u32,
    key: KeyPair,
    /// Seconds from now to the end of a token; the authorisation server may say something else to its client.
    lifetime: i64,
}

impl Issuer {
    pub(super) fn new(jwks: PathBuf) -> Self {
        let issuer = Self {
            jwks,
            signing: Arc::new(Mutex::new(Signing {
                id: 1,
                key: KeyPair::generate_for(&PKCS_ED25519).unwrap(),
                lifetime: 3600,
            })),
        };
        issuer.publish();
        issuer
    }

    /// Makes the tokens of an authorisation server.
    pub(super) fn mint(&self) -> Mint {
        let signing = Arc::clone(&self.signing);
        Mint(Box::new(move |number| {
            signing.lock().unwrap().token(number)
        }))
    }

    /// Lets no token in any more that was made before: another key signs from now on.
    pub(super) fn expire_all(&self) {
        {
            let mut signing = self.signing.lock().unwrap();
            signing.id += 1;
            signing.key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        }
        self.publish();
    }

    /// The tokens that are made from now on end so many seconds later.
    pub(super) fn set_lifetime(&self, seconds: i64) {
        self.signing.lock().unwrap().lifetime = seconds;
    }

    fn publish(&self) {
        let signing = self.signing.lock().unwrap();
        let set = json!({"keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": signing.id.to_string(),
            "x": base64url(signing.key.der_bytes()),
        }]});
        let beside = self.jwks.with_extension("new");
        fs::write(&beside, set.to_string()).unwrap();
        fs::rename(&beside, &self.jwks).unwrap();
    }
}

impl Signing {
    fn token(&self, number: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": self.id.to_string()});
        let claims = json!({
            "iss": NAME,
            "aud": "pop3",
            "sub": "bob",
            "scope": "mail offline_access",
            "jti": number,
            "exp": now + self.lifetime,
        });
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", base64url(&signature))
    }
}

fn base64url(octets: &[u8]) -> String {
    let text = sasl::base64::encode(octets);
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}
