//! Whether somebody else saw what the ledger signed, and when:
//! <https://c2sp.org/tlog-cosignature>, with Ed25519.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use surgewall_core::clock::Timestamp;

use super::note::Checkpoint;
use super::tree::sha256;
use super::walk::Walk;
use super::{Found, VerifyError, read_note};

/// Ed25519 cosignatures, among the types of signatures.
const COSIGNATURE_TYPE: u8 = 4;

/// A witness's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: [u8; 4],
    key: [u8; 32],
}

/// A text is no key of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no witness's key: give NAME+ID+BASE64 as the witness publishes it, for Ed25519")]
pub struct NotAWitness;

impl WitnessKey {
    /// The key of the witness that calls itself `name`.
    #[must_use]
    pub fn new(name: &str, key: [u8; 32]) -> Self {
        let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[COSIGNATURE_TYPE], &key]);
        Self { name: name.to_owned(), id: [a, b, c, d], key }
    }

    /// When it countersigned `checkpoint`, in seconds since the epoch, if it did.
    fn time_of(&self, checkpoint: &Checkpoint) -> Option<u64> {
        checkpoint.signatures_of(&self.name, self.id).find_map(|bytes| {
            let (at, signature) = bytes.split_first_chunk::<8>()?;
            let at = u64::from_be_bytes(*at);
            let signed = format!("cosignature/v1\ntime {at}\n{}", checkpoint.text());
            let key = UnparsedPublicKey::new(&ED25519, self.key);
            key.verify(signed.as_bytes(), signature).is_ok().then_some(at)
        })
    }
}

impl FromStr for WitnessKey {
    type Err = NotAWitness;

    fn from_str(text: &str) -> Result<Self, NotAWitness> {
        let (name, rest) = text.trim().split_once('+').ok_or(NotAWitness)?;
        let (id, typed) = rest.split_once('+').ok_or(NotAWitness)?;
        let bytes = STANDARD.decode(typed).map_err(|_| NotAWitness)?;
        let Some((&COSIGNATURE_TYPE, key)) = bytes.split_first() else { return Err(NotAWitness) };
        let key = Self::new(name, key.try_into().map_err(|_| NotAWitness)?);
        let is_its = format!("{:08x}", u32::from_be_bytes(key.id)) == id;
        (is_its && !name.is_empty()).then_some(key).ok_or(NotAWitness)
    }
}

/// The checkpoint that a witness countersigned last, as the door kept it.
pub(super) struct Witnessed {
    path: PathBuf,
    found: Found,
}

impl Witnessed {
    /// That of the log in `log`.
    pub(super) fn read(log: &Path) -> Result<Self, VerifyError> {
        let path = log.join("witnessed");
        Ok(Self { found: read_note(&path)?, path })
    }

    /// The checkpoint, with its file.
    pub(super) fn checkpoint(&self) -> Option<(&PathBuf, &Checkpoint)> {
        match &self.found {
            Found::Checkpoint(checkpoint) => Some((&self.path, checkpoint)),
            _ => None,
        }
    }

    /// Holds it against the witness that is named. Gives how many records that one saw, and
    /// what is true from then on.
    pub(super) fn judge(
        &self,
        walk: &mut Walk<'_>,
        witness: Option<&WitnessKey>,
    ) -> Option<(u64, String)> {
        let finding = |walk: &mut Walk<'_>, what: &str| {
            walk.findings.log(&self.path, "ledger.witness", None, what);
            None
        };
        match (&self.found, witness) {
            (Found::Nothing, None) => None,
            (Found::Nothing, Some(_)) => finding(walk, "no witness countersigned this ledger yet"),
            (Found::Malformed(what), _) => finding(walk, &format!("it is no checkpoint: {what}")),
            (Found::Checkpoint(checkpoint), None) => {
                walk.notes.push(format!(
                    "a witness seems to have countersigned the first {} records: name its key with --witness to know",
                    checkpoint.size
                ));
                None
            }
            (Found::Checkpoint(checkpoint), Some(witness)) => match witness.time_of(checkpoint) {
                None => finding(walk, "this witness did not countersign it"),
                Some(at) => {
                    let (name, size) = (&witness.name, checkpoint.size);
                    let at = Timestamp::from_millis(at.saturating_mul(1_000));
                    let trust = format!(
                        "the witness {name} countersigned the first {size} records at {at}: whoever writes another history of them needs its key too; what came after stands on the master key alone"
                    );
                    Some((size, trust))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_witnesses_publish_them() {
        let key = WitnessKey::new("witness.example/w1", [9; 32]);
        let id = u32::from_be_bytes(key.id);
        let typed = |kind: u8| STANDARD.encode([&[kind], [9; 32].as_slice()].concat());
        let text = |name: &str, kind| format!("{name}+{id:08x}+{}", typed(kind));
        assert_eq!(text("witness.example/w1", 4).parse(), Ok(key));
        for wrong in ["", "x", &text("witness.example/w1", 1), &text("other.example/w1", 4)] {
            assert_eq!(wrong.parse::<WitnessKey>(), Err(NotAWitness), "{wrong}");
        }
    }
}
