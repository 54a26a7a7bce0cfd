//! `admin ledger prove` and `consistency`: proofs for whoever has neither the
//! ledger nor us.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use surgewall_core::decision::Record;
use surgewall_core::digest::hex;
use surgewall_core::files::read_text;
use surgewall_core::id::RequestId;

use super::ReadError;
use super::scan::{Raw, Scanner};
use super::walk::{Event, segments, walk};
use crate::datadir::DataDir;
use crate::ledger::format::{Hash, RECORD_VERSION};
use crate::ledger::log::note::{CHECKPOINT_BYTES_MAX, Checkpoint, verifier_key};
use crate::ledger::log::paths::Paths;
use crate::ledger::log::{checkpoint_file, directory, origin};
use crate::vault::Vault;

/// The form of an inclusion proof.
pub const INCLUSION_FORMAT: &str = "surgewall-ledger-inclusion/1";
/// The form of a consistency proof.
pub const CONSISTENCY_FORMAT: &str = "surgewall-ledger-consistency/1";
/// Records of one proof: a request has its admission, its end, and now and then a checkpoint.
pub const PROVEN_RECORDS_MAX: usize = 64;

/// Which records are to be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with this number.
    Record(u64),
    /// Those that name this request.
    Request(RequestId),
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing was signed yet.
    #[error(
        "there is no checkpoint of this store's yet; a door signs one within five seconds of its first records"
    )]
    NoCheckpoint,
    /// The record is younger than the checkpoint.
    #[error(
        "the checkpoint covers {size} records, and record {record} is not one of them; a running door signs the next one within five seconds"
    )]
    NotCovered {
        /// The record.
        record: u64,
        /// What the checkpoint covers.
        size: u64,
    },
    /// The record is not there.
    #[error("no such record is in the segments that are kept")]
    NotFound,
    /// The request has more records than a proof holds.
    #[error(
        "more than {PROVEN_RECORDS_MAX} records name this request; prove them one by one with --record"
    )]
    TooMany,
    /// A tile is missing or damaged.
    #[error("a tile of the ledger's log cannot be read: {0}; see `surgewall check ledger`")]
    Tile(io::Error),
}

/// A proof that records are in the ledger under a signed checkpoint. Hashes are in
/// hex, bytes in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inclusion {
    /// [`INCLUSION_FORMAT`].
    pub format: &'static str,
    /// The key that signed, as tools for signed notes take it. Whoever checks must
    /// know it from elsewhere.
    pub key: String,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The records.
    pub records: Vec<Proven>,
}

/// One record of a proof. Its leaf is SHA-256(version | kind | salt | sealed body).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// Its number; its leaf has the index before it.
    pub record: u64,
    /// The version of its form.
    pub version: u8,
    /// What it is, as docs/ledger.md numbers it.
    pub kind: u8,
    /// The salt.
    pub salt: String,
    /// The sealed body.
    pub sealed: String,
    /// The leaf.
    pub leaf: String,
    /// The hashes beside the way from the leaf to the root.
    pub path: Vec<String>,
}

/// A proof that the ledger only grew: its first records are those of an older checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consistency {
    /// [`CONSISTENCY_FORMAT`].
    pub format: &'static str,
    /// The key that signed.
    pub key: String,
    /// How many records the older checkpoint covers.
    pub from: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The hashes of RFC 9162, section 2.1.4.
    pub path: Vec<String>,
}

/// Proves that records are in the ledger of `data`.
///
/// # Errors
/// They are not, or no checkpoint covers them, or a file cannot be read.
pub fn prove(data: &DataDir, vault: &Vault, which: Which) -> Result<Inclusion, ProofError> {
    let wanted = match which {
        Which::Record(record) => vec![record],
        Which::Request(id) => records_of(&data.ledger(), vault, id)?,
    };
    prove_records(data, vault, wanted)
}

/// As [`prove`], for the records with these numbers: those that the checkpoint covers.
pub(crate) fn prove_records(
    data: &DataDir,
    vault: &Vault,
    mut wanted: Vec<u64>,
) -> Result<Inclusion, ProofError> {
    let signed = Signed::read(data, vault)?;
    let size = signed.size;
    let is_covered = |record: &u64| (1..=size).contains(record);
    if let Some(record) = wanted.first().filter(|_| !wanted.iter().any(is_covered)) {
        return Err(ProofError::NotCovered { record: *record, size });
    }
    wanted.retain(is_covered);
    let listed =
        segments(&data.ledger()).map_err(|source| ReadError::io(&data.ledger(), source))?;
    let log = directory(&data.ledger());
    let paths = Paths { log: &log, size };
    let records = wanted.into_iter().map(|record| {
        let raw = raw(&listed, record)?;
        let path = paths.inclusion(record - 1).map_err(ProofError::Tile)?;
        Ok(Proven {
            record,
            version: RECORD_VERSION,
            kind: raw.kind.byte(),
            salt: hex(&raw.salt),
            sealed: STANDARD.encode(&raw.sealed),
            leaf: hex(&raw.leaf),
            path: path.iter().map(|hash| hex(hash)).collect(),
        })
    });
    let records = records.collect::<Result<_, ProofError>>()?;
    let Signed { key, note, .. } = signed;
    Ok(Inclusion { format: INCLUSION_FORMAT, key, checkpoint: note, records })
}

/// Proves that the ledger of `data` continues the one that had `from` records.
///
/// # Errors
/// It never had as few, or fewer are signed, or a file cannot be read.
pub fn consistency(data: &DataDir, vault: &Vault, from: u64) -> Result<Consistency, ProofError> {
    let Signed { key, note, size } = Signed::read(data, vault)?;
    if from == 0 || from > size {
        return Err(ProofError::NotCovered { record: from, size });
    }
    let log = directory(&data.ledger());
    let path = Paths { log: &log, size }.consistency(from).map_err(ProofError::Tile)?;
    let path = path.iter().map(|hash: &Hash| hex(hash)).collect();
    Ok(Consistency { format: CONSISTENCY_FORMAT, key, from, checkpoint: note, path })
}

/// The checkpoint as it stands.
pub(super) struct Signed {
    key: String,
    pub(super) note: String,
    pub(super) size: u64,
}

impl Signed {
    pub(super) fn read(data: &DataDir, vault: &Vault) -> Result<Self, ProofError> {
        let file = checkpoint_file(&directory(&data.ledger()));
        let note = match read_text(&file, CHECKPOINT_BYTES_MAX) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ProofError::NoCheckpoint);
            }
            Err(source) => return Err(ReadError::io(&file, source).into()),
        };
        let (origin, key) = (origin(data), vault.verifying_key());
        let checkpoint = Checkpoint::open(&note, &origin, &key).ok_or(ProofError::NoCheckpoint)?;
        Ok(Self { key: verifier_key(&origin, &key), note, size: checkpoint.size })
    }
}

/// The numbers of the records that name a request.
fn records_of(ledger: &Path, vault: &Vault, id: RequestId) -> Result<Vec<u64>, ProofError> {
    let mut found = Vec::new();
    walk(ledger, vault, &mut |event| {
        if let Event::Record { sequence, record } = event
            && found.len() <= PROVEN_RECORDS_MAX
            && names(&record, id)
        {
            found.push(sequence);
        }
    })?;
    match found.len() {
        0 => Err(ProofError::NotFound),
        1..=PROVEN_RECORDS_MAX => Ok(found),
        _ => Err(ProofError::TooMany),
    }
}

fn names(record: &Record, id: RequestId) -> bool {
    match record {
        Record::Admitted(admitted) => admitted.request_id == id,
        Record::Settled(settled) => settled.request_id == id,
        Record::Refused(refused) => refused.request_id == Some(id),
        Record::Progress { requests, .. } => requests.iter().any(|one| one.request_id == id),
        _ => false,
    }
}

/// The record with this number, as it lies in its segment.
fn raw(listed: &[(u64, PathBuf)], record: u64) -> Result<Raw, ProofError> {
    let segment = listed.iter().rev().find(|(first, _)| *first <= record);
    let (first, path) = segment.ok_or(ProofError::NotFound)?;
    let io_error = |source| ReadError::io(path, source);
    let Ok(mut scanner) = Scanner::open(path, *first).map_err(io_error)? else {
        return Err(ProofError::NotFound);
    };
    let mut buffer = Vec::new();
    while let Ok(raw) = scanner.next(buffer).map_err(io_error)? {
        if raw.sequence == record {
            return Ok(raw);
        }
        buffer = raw.sealed;
    }
    Err(ProofError::NotFound)
}
