//! The server's side of SCRAM: a name, then a proof, then an empty answer to our signature.

use subtle::ConstantTimeEq as _;

use super::message::{ClientFinal, ClientFirst, ServerFirst};
use super::{Hash, Key, Verifier};
use crate::binding::{BindingType, Bindings};
use crate::gs2::{Flag, Header};
use crate::mechanism::Binds;
use crate::server::{Ending, Exchange, Refused, Step};
use crate::{Login, base64};

/// A name has been said, and its verifier is needed.
#[derive(Debug)]
pub struct Lookup {
    hash: Hash,
    user: String,
    authzid: Option<String>,
    bound_to: Option<BindingType>,
    /// What the client must repeat: its header, and the channel's name if it is bound.
    binding: Vec<u8>,
    client_first: String,
    nonce: String,
}

/// A proof is awaited.
#[derive(Debug)]
pub(crate) struct Challenged {
    lookup: Lookup,
    server_first: String,
    verifier: Box<Verifier>,
}

/// Longest first message of a client: three names and a nonce. A stranger must not have us keep more.
const FIRST_OCTETS_MAX: usize = 2048;

/// Reads the client's first message.
pub(crate) fn first(
    hash: Hash,
    binds: Binds,
    message: &[u8],
    nonce: &str,
    bindings: &Bindings,
) -> Result<Lookup, Refused> {
    if message.len() > FIRST_OCTETS_MAX {
        return Err(Refused::Malformed);
    }
    let text = str::from_utf8(message).map_err(|_| Refused::Malformed)?;
    let (header, printed, bare) = Header::read(text)?;
    let mut binding = printed.as_bytes().to_vec();
    let bound_to = match (&header.flag, binds) {
        (Flag::Bound(name), Binds::Yes) => {
            let kind = BindingType::named(name).ok_or(Refused::Binding)?;
            binding.extend_from_slice(bindings.octets(kind).ok_or(Refused::Binding)?);
            Some(kind)
        }
        (Flag::Unsupported, Binds::No) => None,
        // It thinks that we cannot bind. If we can, somebody has taken the -PLUS out of our list
        // (RFC 5802 §6).
        (Flag::NotOffered, Binds::No) if bindings.is_empty() => None,
        _ => return Err(Refused::Binding),
    };
    let first = ClientFirst::read(bare)?;
    Ok(Lookup {
        hash,
        user: first.user,
        authzid: header.authzid,
        bound_to,
        binding,
        client_first: bare.to_owned(),
        nonce: first.nonce + nonce,
    })
}

impl Lookup {
    /// The name, prepared (RFC 4013).
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The hash that the verifier must be of.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Which of the channel's names the client binds to.
    pub fn bound_to(&self) -> Option<BindingType> {
        self.bound_to
    }

    /// Goes on with the name's verifier, or, if it has none, with [`Verifier::imaginary`]: who it is
    /// must not be told by what is answered. A verifier of another hash proves nothing.
    pub fn found(self, verifier: Verifier) -> Step {
        let challenge = ServerFirst::print(&self.nonce, verifier.salt(), verifier.iterations());
        let octets = challenge.clone().into_bytes();
        let challenged = Challenged {
            lookup: self,
            server_first: challenge,
            verifier: Box::new(verifier),
        };
        Step::Challenge(octets, Exchange::challenged(challenged))
    }
}

impl Challenged {
    pub(crate) fn user(&self) -> &str {
        &self.lookup.user
    }

    /// Reads the client's proof.
    pub(crate) fn step(self, message: &[u8]) -> Step {
        let Lookup {
            hash,
            user,
            authzid,
            binding,
            client_first,
            nonce,
            bound_to: _,
        } = self.lookup;
        let Some(last) = str::from_utf8(message).ok().and_then(ClientFinal::read) else {
            return Step::Refused(Refused::Malformed);
        };
        let Some(proof) = Key::new(hash, &last.proof) else {
            return Step::Refused(Refused::Malformed);
        };
        let text = format!(
            "{client_first},{},{}",
            self.server_first, last.without_proof
        );
        let client_signature = hash.hmac(self.verifier.stored_key().expose(), text.as_bytes());
        let client_key = proof.xor(&client_signature);
        let right_key = hash.digest(client_key.expose()) == *self.verifier.stored_key();
        let right_nonce = last.nonce == nonce;
        let right_binding = bool::from(last.binding.ct_eq(&binding));
        if !(right_key & right_nonce & right_binding) {
            return Step::Verify(Login::Disproved { user }, Ending::AtOnce);
        }
        let signature = hash.hmac(self.verifier.server_key().expose(), text.as_bytes());
        let login = Login::Proved {
            user,
            authzid,
            verifier: self.verifier,
        };
        let challenge = format!("v={}", base64::encode(signature.expose()));
        Step::Verify(login, Ending::IfRight(challenge.into_bytes()))
    }
}
