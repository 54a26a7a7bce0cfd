//! `check ledger --proof`: a proof, checked without the ledger it is about.
//!
//! docs/ledger.md has the form; RFC 9162 has the ways through the tree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::note::{Checkpoint, NotAKey, NoteKey};
use super::report::hex;
use super::tree::{Hash, is_consistent, is_included, of_leaf, sha256};

/// A proof, in bytes.
pub const PROOF_BYTES_MAX: u64 = 128 << 20;

/// What a proof shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "proof", rename_all = "snake_case")]
pub enum Shown {
    /// These records are in the ledger.
    Inclusion {
        /// Whose ledger.
        origin: String,
        /// How many records it had when it was signed.
        size: u64,
        /// The records' numbers.
        records: Vec<u64>,
    },
    /// The ledger's first records are those of the older checkpoint.
    Consistency {
        /// Whose ledger.
        origin: String,
        /// How many records the newer checkpoint covers.
        size: u64,
        /// How many the older one covers.
        from: u64,
    },
}

/// Why a proof shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// It is no proof of ours.
    #[error("it is no proof of a ledger: {0}")]
    Malformed(String),
    /// Its checkpoint is not the store's.
    #[error("its checkpoint is not signed by this key")]
    Unsigned,
    /// A record is not what its leaf says.
    #[error("record {0} was changed: its leaf is not that of its bytes")]
    Leaf(u64),
    /// A record is not in the tree.
    #[error("record {0} is not in the ledger that was signed")]
    NotIncluded(u64),
    /// The trees have nothing in common.
    #[error("the ledger that was signed does not continue the older one")]
    Inconsistent,
    /// What it is to be compared with is missing, or not what the proof is about.
    #[error(
        "the proof begins at {0} records: give the checkpoint that was kept of them with --against"
    )]
    OtherCheckpoint(u64),
}

#[derive(Deserialize)]
#[serde(tag = "format", deny_unknown_fields)]
enum Form {
    #[serde(rename = "surgewall-ledger-inclusion/1")]
    Inclusion { key: String, checkpoint: String, records: Vec<Proven> },
    #[serde(rename = "surgewall-ledger-consistency/1")]
    Consistency { key: String, checkpoint: String, from: u64, path: Vec<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proven {
    record: u64,
    version: u8,
    kind: u8,
    salt: String,
    sealed: String,
    leaf: String,
    path: Vec<String>,
}

/// The key that a proof names as the one that signed it. To trust it because the
/// proof says so would prove nothing.
///
/// # Errors
/// It is no proof.
pub fn named_key(proof: &str) -> Result<NoteKey, ProofFault> {
    let (Form::Inclusion { key, .. } | Form::Consistency { key, .. }) = parse(proof)?;
    key.parse().map_err(|error: NotAKey| malformed(&error))
}

/// Checks a proof against the key of the store. A consistency proof is about an
/// older checkpoint, `against`, which the same key must have signed.
///
/// # Errors
/// What does not hold, first of all.
pub fn check_proof(proof: &str, key: &NoteKey, against: Option<&str>) -> Result<Shown, ProofFault> {
    let form = parse(proof)?;
    let (Form::Inclusion { checkpoint, .. } | Form::Consistency { checkpoint, .. }) = &form;
    let signed = open(checkpoint, key)?;
    let (origin, size) = (signed.origin.clone(), signed.size);
    match form {
        Form::Inclusion { records, .. } => {
            if records.is_empty() {
                return Err(malformed(&"it has no records"));
            }
            records.iter().try_for_each(|record| record.check(&signed))?;
            let records = records.iter().map(|record| record.record).collect();
            Ok(Shown::Inclusion { origin, size, records })
        }
        Form::Consistency { from, path, .. } => {
            let kept = against.ok_or(ProofFault::OtherCheckpoint(from))?;
            let kept = open(kept, key)?;
            if kept.size != from || kept.origin != origin {
                return Err(ProofFault::OtherCheckpoint(from));
            }
            let holds = is_consistent((from, &kept.root), (size, &signed.root), &hashes(&path)?);
            if holds {
                Ok(Shown::Consistency { origin, size, from })
            } else {
                Err(ProofFault::Inconsistent)
            }
        }
    }
}

impl Proven {
    fn check(&self, signed: &Checkpoint) -> Result<(), ProofFault> {
        let sealed = STANDARD.decode(&self.sealed).map_err(|error| malformed(&error))?;
        let salt = bytes(&self.salt).filter(|salt| salt.len() == 16);
        let salt = salt.ok_or_else(|| malformed(&"a salt has 16 bytes"))?;
        let leaf = sha256(&[&[self.version, self.kind], &salt, &sealed]);
        if hex(&leaf) != self.leaf {
            return Err(ProofFault::Leaf(self.record));
        }
        let index = self.record.checked_sub(1).ok_or(ProofFault::NotIncluded(self.record))?;
        let path = hashes(&self.path)?;
        if is_included(index, signed.size, of_leaf(&leaf), &path, &signed.root) {
            Ok(())
        } else {
            Err(ProofFault::NotIncluded(self.record))
        }
    }
}

fn parse(proof: &str) -> Result<Form, ProofFault> {
    serde_json::from_str(proof).map_err(|error| malformed(&error))
}

/// The checkpoint, if `key` signed it.
fn open(note: &str, key: &NoteKey) -> Result<Checkpoint, ProofFault> {
    let checkpoint = Checkpoint::parse(note).map_err(|what| malformed(&what))?;
    if checkpoint.is_signed_by(key) { Ok(checkpoint) } else { Err(ProofFault::Unsigned) }
}

fn hashes(path: &[String]) -> Result<Vec<Hash>, ProofFault> {
    let hash = |text: &String| bytes(text)?.try_into().ok();
    let hashes: Option<_> = path.iter().map(hash).collect();
    hashes.ok_or_else(|| malformed(&"a hash has 64 hexadecimal digits"))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<_>>().filter(|_| rest.is_empty())
}

fn malformed(what: &impl ToString) -> ProofFault {
    ProofFault::Malformed(what.to_string())
}
