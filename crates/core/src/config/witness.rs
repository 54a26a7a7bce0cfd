//! `ledger.witness`: who countersigns what the ledger signs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::digest::sha256;

/// Ed25519 with a time, as a signed note counts its kinds of signatures
/// (<https://c2sp.org/tlog-cosignature>).
const COSIGNATURE_TYPE: u8 = 4;

/// `ledger.witness`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// The prefix of its addresses, to which `/add-checkpoint` is added.
    pub url: String,
    /// Its key.
    pub key: WitnessKey,
}

/// A witness's key, as it publishes it: `NAME+ID+BASE64(4 | key)`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WitnessKey {
    name: String,
    key: [u8; 32],
}

impl WitnessKey {
    /// What the witness calls itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key, as RFC 8032 writes it.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The first four bytes of SHA-256(name | newline | 4 | key).
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let named = [self.name.as_bytes(), b"\n", &[COSIGNATURE_TYPE], &self.key].concat();
        let [a, b, c, d, ..] = sha256(&named);
        [a, b, c, d]
    }
}

/// A text is no key of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the key of a witness: NAME+ID+KEY, as it publishes it, for Ed25519 cosignatures")]
pub struct NotAWitness;

impl TryFrom<String> for WitnessKey {
    type Error = NotAWitness;

    fn try_from(text: String) -> Result<Self, NotAWitness> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, typed) = (parts.next(), parts.next(), parts.next());
        let (Some(name), Some(id), Some(typed)) = (name, id, typed) else {
            return Err(NotAWitness);
        };
        let bytes = STANDARD.decode(typed).map_err(|_| NotAWitness)?;
        let key = bytes.strip_prefix(&[COSIGNATURE_TYPE]).ok_or(NotAWitness)?;
        let key = Self { name: name.to_owned(), key: key.try_into().map_err(|_| NotAWitness)? };
        let is_its = format!("{:08x}", u32::from_be_bytes(key.id())) == id;
        let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
        (is_its && is_name).then_some(key).ok_or(NotAWitness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_witnesses_publish_it() {
        let parsed = |text: &str| WitnessKey::try_from(text.to_owned());
        let key = WitnessKey { name: "witness.example/w1".to_owned(), key: [9; 32] };
        let id = u32::from_be_bytes(key.id());
        let typed = |kind: u8| STANDARD.encode([&[kind], key.key.as_slice()].concat());
        assert_eq!(parsed(&format!("witness.example/w1+{id:08x}+{}", typed(4))), Ok(key.clone()));
        for wrong in [
            String::new(),
            "witness.example/w1".to_owned(),
            format!("witness.example/w1+{id:08x}+{}", typed(1)),
            format!("witness.example/w2+{id:08x}+{}", typed(4)),
            format!("witness.example/w1+00000000+{}", typed(4)),
            format!("witness.example/w1+{id:08x}+{}", STANDARD.encode([4; 32])),
        ] {
            assert_eq!(parsed(&wrong), Err(NotAWitness), "{wrong}");
        }
    }
}
