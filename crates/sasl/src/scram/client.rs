//! The client's side of SCRAM: a name, then a proof, then a look at the server's signature.

use super::message::{ClientFinal, ClientFirst, ServerFirst};
use super::{Hash, ITERATIONS_MAX, ITERATIONS_MIN, Key, salted_password};
use crate::client::{ChannelBinding, Failed};
use crate::gs2::{Flag, Header};
use crate::{Secret, base64, prepare};

/// One exchange.
#[derive(Debug)]
pub(crate) struct Scram {
    hash: Hash,
    password: Secret,
    nonce: String,
    /// Header, and the channel's name if it is bound.
    binding: Vec<u8>,
    header: String,
    bare: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first message is sent or about to be; the salt is awaited.
    First,
    /// The proof is sent; this signature is awaited.
    Last(Key),
    /// The server has shown that it keeps a verifier of the password.
    Proved,
}

impl Scram {
    pub(crate) fn new(
        hash: Hash,
        binding: ChannelBinding<'_>,
        user: &str,
        password: &Secret,
        nonce: &str,
    ) -> Option<Self> {
        let (flag, octets) = match binding {
            ChannelBinding::Unsupported => (Flag::Unsupported, &[][..]),
            ChannelBinding::NotOffered => (Flag::NotOffered, &[][..]),
            ChannelBinding::Bound(kind, octets) => (Flag::Bound(kind.name().into()), octets),
        };
        let header = Header {
            flag,
            authzid: None,
        };
        let header = header.to_string();
        let mut binding = header.clone().into_bytes();
        binding.extend_from_slice(octets);
        let bare = ClientFirst::print(&prepare::query(user).ok()?, nonce);
        // Before the server has begun: then there are other ways.
        prepare::stored_secret(password).ok()?;
        // What the server could not read is not sent.
        ClientFirst::read(&bare).ok()?;
        Some(Self {
            hash,
            password: password.clone(),
            nonce: nonce.to_owned(),
            binding,
            header,
            bare,
            state: State::First,
        })
    }

    pub(crate) fn first(&self) -> Secret {
        Secret::new(format!("{}{}", self.header, self.bare))
    }

    pub(crate) fn step(&mut self, challenge: &[u8]) -> Result<Secret, Failed> {
        let text = str::from_utf8(challenge).map_err(|_| Failed::Malformed)?;
        // What went wrong does not matter here, only that something did.
        if text.starts_with("e=") {
            return Err(Failed::Refused);
        }
        match &self.state {
            State::First => self.prove(text),
            State::Last(signature) => {
                // What may follow the signature are extensions.
                let mut attributes = text.split(',');
                let told = attributes.next().and_then(|first| first.strip_prefix("v="));
                let told = told.and_then(|told| base64::decode(told.as_bytes()).ok());
                let told = told.and_then(|told| Key::new(self.hash, &told));
                if told.as_ref() != Some(signature) {
                    return Err(Failed::ServerUnproved);
                }
                self.state = State::Proved;
                Ok(Secret::new(Vec::new()))
            }
            State::Proved => Err(Failed::Malformed),
        }
    }

    fn prove(&mut self, challenge: &str) -> Result<Secret, Failed> {
        let hash = self.hash;
        let first = ServerFirst::read(challenge).ok_or(Failed::Malformed)?;
        // Ours, and something of the server's behind it: or else it is an old challenge.
        let added = first.nonce.strip_prefix(self.nonce.as_str());
        if added.is_none_or(str::is_empty) {
            return Err(Failed::Nonce);
        }
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&first.iterations) {
            return Err(Failed::Iterations(first.iterations));
        }
        let salted = salted_password(hash, &self.password, &first.salt, first.iterations)
            .map_err(|_| Failed::Unpreparable)?;
        let client_key = hash.hmac(salted.expose(), b"Client Key");
        let stored_key = hash.digest(client_key.expose());
        let server_key = hash.hmac(salted.expose(), b"Server Key");
        let without_proof = ClientFinal::print_without_proof(&self.binding, &first.nonce);
        let text = format!("{},{challenge},{without_proof}", self.bare);
        let proof = client_key.xor(&hash.hmac(stored_key.expose(), text.as_bytes()));
        let signature = hash.hmac(server_key.expose(), text.as_bytes());
        self.state = State::Last(signature);
        let proof = base64::encode(proof.expose());
        Ok(Secret::new(format!("{without_proof},p={proof}")))
    }

    pub(crate) fn finish(&self) -> Result<(), Failed> {
        match self.state {
            State::Proved => Ok(()),
            State::First | State::Last(_) => Err(Failed::ServerUnproved),
        }
    }
}
