//! What a witness is asked to countersign, and what it says: whoever rewrites the
//! ledger's history afterwards needs its key too.
//!
//! <https://c2sp.org/tlog-witness> for the request, <https://c2sp.org/tlog-cosignature>
//! for the signature (type 4, Ed25519 over a time and the checkpoint's text).

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use surgewall_core::config::witness::WitnessKey;
use surgewall_core::files::read_text;

use super::prove::{ProofError, Signed};
use crate::datadir::{DataDir, write_atomic};
use crate::ledger::log::note::{CHECKPOINT_BYTES_MAX, Checkpoint, signature_of};
use crate::ledger::log::paths::Paths;
use crate::ledger::log::{directory, origin};
use crate::vault::Vault;

/// What a witness is asked to countersign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// How many records it covers.
    pub size: u64,
    /// The request.
    pub body: String,
    note: String,
}

/// The last checkpoint for a witness that saw one over `seen` records, 0 for none.
/// `None` where there is no later one.
///
/// # Errors
/// There is no checkpoint yet, or a file cannot be read.
pub fn submission(
    data: &DataDir,
    vault: &Vault,
    seen: u64,
) -> Result<Option<Submission>, ProofError> {
    let Signed { note, size, .. } = Signed::read(data, vault)?;
    if size <= seen {
        return Ok(None);
    }
    let log = directory(&data.ledger());
    let path = match seen {
        0 => Vec::new(),
        seen => Paths { log: &log, size }.consistency(seen).map_err(ProofError::Tile)?,
    };
    let mut body = format!("old {seen}\n");
    for hash in path {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "{}", STANDARD.encode(hash));
    }
    let _ = write!(body, "\n{note}");
    Ok(Some(Submission { size, body, note }))
}

impl Submission {
    /// The checkpoint with the signature that `key` has in `answer`, if it has one.
    #[must_use]
    pub fn countersigned(&self, answer: &str, key: &WitnessKey) -> Option<String> {
        let (text, _) = self.note.rsplit_once("\n\n")?;
        let line = answer.lines().find(|line| is_cosigned(&format!("{text}\n"), line, key))?;
        Some(format!("{}{line}\n", self.note))
    }
}

/// Whether `line` is a signature of the checkpoint `text` by `key`, with its time.
fn is_cosigned(text: &str, line: &str, key: &WitnessKey) -> bool {
    let Some(bytes) = signature_of(line, key.name(), key.id()) else { return false };
    let Some((at, signature)) = bytes.split_first_chunk::<8>() else { return false };
    let signed = format!("cosignature/v1\ntime {}\n{text}", u64::from_be_bytes(*at));
    UnparsedPublicKey::new(&ED25519, key.key()).verify(signed.as_bytes(), signature).is_ok()
}

/// Where the checkpoint that was countersigned last is kept.
fn file(data: &DataDir) -> PathBuf {
    directory(&data.ledger()).join("witnessed")
}

/// Keeps `note`, which was countersigned.
///
/// # Errors
/// The disk fails.
pub fn keep(data: &DataDir, note: &str) -> io::Result<()> {
    write_atomic(&file(data), note.as_bytes())
}

/// Up to which record `key` countersigned the ledger of `data`; 0 where nothing of
/// it is kept.
#[must_use]
pub fn seen(data: &DataDir, vault: &Vault, key: &WitnessKey) -> u64 {
    let Ok(note) = read_text(&file(data), CHECKPOINT_BYTES_MAX) else { return 0 };
    let (origin, ours) = (origin(data), vault.verifying_key());
    let Some(checkpoint) = Checkpoint::open(&note, &origin, &ours) else { return 0 };
    let Some((text, lines)) = note.rsplit_once("\n\n") else { return 0 };
    let text = format!("{text}\n");
    if lines.lines().any(|line| is_cosigned(&text, line, key)) { checkpoint.size } else { 0 }
}
