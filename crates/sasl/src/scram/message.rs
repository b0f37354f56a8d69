//! The messages of SCRAM (RFC 5802 §7), read strictly: each attribute in its place, nothing twice.

use crate::base64;
use crate::gs2;
use crate::server::Refused;

/// Longest nonce of a client that is taken, in octets. RFC 5802 sets no limit; the nonce comes back
/// in the challenge, and 128 octets are five times what clients use.
const NONCE_OCTETS_MAX: usize = 128;

/// `n=user,r=nonce`, the client's first message without its header.
pub(super) struct ClientFirst {
    /// Prepared, where it was read.
    pub(super) user: String,
    pub(super) nonce: String,
}

impl ClientFirst {
    pub(super) fn read(bare: &str) -> Result<Self, Refused> {
        // An extension that must be understood comes first, as `m=`, and is not understood.
        let mut attributes = bare.split(',');
        let mut parts = || {
            let user = attributes.next()?.strip_prefix("n=")?;
            let nonce = nonce(attributes.next()?)?;
            attributes.all(is_extension).then_some((user, nonce))
        };
        let (user, nonce) = parts().ok_or(Refused::Malformed)?;
        let user = gs2::name(user)?;
        Ok(Self { user, nonce })
    }

    pub(super) fn print(user: &str, nonce: &str) -> String {
        format!("n={},r={nonce}", gs2::escape(user))
    }
}

/// `r=nonce,s=salt,i=iterations`.
pub(super) struct ServerFirst {
    pub(super) nonce: String,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl ServerFirst {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut attributes = text.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let salt = base64::decode(attributes.next()?.strip_prefix("s=")?.as_bytes()).ok()?;
        let iterations = attributes.next()?.strip_prefix("i=")?;
        let digits = !iterations.starts_with('0') && iterations.bytes().all(|o| o.is_ascii_digit());
        if salt.is_empty() || !is_nonce(nonce) || !digits || !attributes.all(is_extension) {
            return None;
        }
        Some(Self {
            nonce: nonce.to_owned(),
            salt,
            iterations: iterations.parse().ok()?,
        })
    }

    pub(super) fn print(nonce: &str, salt: &[u8], iterations: u32) -> String {
        format!("r={nonce},s={},i={iterations}", base64::encode(salt))
    }
}

/// `c=binding,r=nonce,p=proof`.
pub(super) struct ClientFinal<'a> {
    /// The header of the first message, and the channel's name if it is bound.
    pub(super) binding: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: Vec<u8>,
    /// What the proof is about.
    pub(super) without_proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let binding = base64::decode(attributes.next()?.strip_prefix("c=")?.as_bytes()).ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let proof = base64::decode(proof.as_bytes()).ok()?;
        attributes.all(is_extension).then_some(Self {
            binding,
            nonce,
            proof,
            without_proof,
        })
    }

    pub(super) fn print_without_proof(binding: &[u8], nonce: &str) -> String {
        format!("c={},r={nonce}", base64::encode(binding))
    }
}

fn nonce(attribute: &str) -> Option<String> {
    let nonce = attribute.strip_prefix("r=")?;
    (is_nonce(nonce) && nonce.len() <= NONCE_OCTETS_MAX).then(|| nonce.to_owned())
}

/// `printable`: what is visible but the comma.
fn is_nonce(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// An optional extension: a letter, `=`, and a value that is not empty. It is ignored.
fn is_extension(attribute: &str) -> bool {
    let mut octets = attribute.bytes();
    octets
        .next()
        .is_some_and(|octet| octet.is_ascii_alphabetic())
        && octets.next() == Some(b'=')
        && octets.len() > 0
        && octets.all(|octet| octet != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages_that_are_none_are_not_read() {
        for text in [
            "",
            "n=,r=x",
            "n=bob",
            "n=bob,",
            "n=bob,r=",
            "r=x,n=bob",
            "m=x,n=bob,r=x",
            "n=b=b,r=x",
            "n=bob,r=x,",
            "n=bob,r=x,y",
            "n=bob,r=x,1=y",
            "n=bob,r=a b",
            "n=bob,r=\u{e4}",
            "N=bob,r=x",
            "n=bob,r=x,y=",
            "n=bob,r=x,y=\0",
        ] {
            assert!(ClientFirst::read(text).is_err(), "{text}");
        }
        assert!(ClientFirst::read("n=bob,r=x,y=z,a=b=c").is_ok());
        let long = |octets| format!("n=bob,r={}", "x".repeat(octets));
        assert!(ClientFirst::read(&long(NONCE_OCTETS_MAX)).is_ok());
        assert!(ClientFirst::read(&long(NONCE_OCTETS_MAX + 1)).is_err());
    }

    #[test]
    fn challenges_that_are_none_are_not_read() {
        for text in [
            "",
            "r=x",
            "r=x,s=QQ==",
            "r=x,s=,i=4096",
            "r=x,s=QQ,i=4096",
            "r=x,s=QQ==,i=",
            "r=x,s=QQ==,i=04096",
            "r=x,s=QQ==,i=+4096",
            "r=x,s=QQ==,i=4294967296",
            "m=x,r=x,s=QQ==,i=4096",
            "s=QQ==,r=x,i=4096",
            "r=,s=QQ==,i=4096",
            "e=other-error",
        ] {
            assert!(ServerFirst::read(text).is_none(), "{text}");
        }
        assert!(ServerFirst::read("r=x,s=QQ==,i=4096,z=1").is_some());
    }

    #[test]
    fn proofs_that_are_none_are_not_read() {
        for text in [
            "",
            "c=biws,r=x",
            "c=biws,p=QQ==",
            "c=biws,r=x,p=QQ",
            "c=biw,r=x,p=QQ==",
            "r=x,c=biws,p=QQ==",
            "c=biws,r=x,p=QQ==,z=1",
            "c=biws,r=x,z,p=QQ==",
        ] {
            assert!(ClientFinal::read(text).is_none(), "{text}");
        }
        let read = ClientFinal::read("c=biws,r=x,z=1,p=QQ==").unwrap();
        assert_eq!(read.without_proof, "c=biws,r=x,z=1");
        assert_eq!(
            (read.nonce, &read.proof[..], &read.binding[..]),
            ("x", &b"A"[..], &b"n,,"[..])
        );
    }
}
