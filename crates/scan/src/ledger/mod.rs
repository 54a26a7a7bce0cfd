//! `surgewall check ledger`: does the ledger hold, and what does it add up to?
//!
//! It shares no code with the writer but the vault, which unwraps the segments'
//! data keys, and the types of the records: the formats are read as
//! docs/ledger.md and the C2SP specifications describe them, so that one mistake
//! does not hide another. It only reads, takes no lock, and works beside a
//! running door and on a copy.

mod note;
mod proof;
mod records;
mod report;
mod seal;
mod segment;
mod tally;
mod tiles;
mod torn;
mod tree;
mod walk;
mod witness;

use std::io;
use std::path::{Path, PathBuf};

use surgewall_core::files::read_text;
use surgewall_store::ledger::OtherVersion;
use surgewall_store::ledger::read::Reading;
use surgewall_store::vault::Vault;

pub use note::{NotAKey, NoteKey};
pub use proof::{PROOF_BYTES_MAX, ProofFault, Shown, check_proof, named_key};
pub use report::{TRUST, Verification};
pub use witness::{NotAWitness, WitnessKey};

use self::note::{Checkpoint, NOTE_BYTES_MAX};
use self::records::{Held, Noted};
use self::report::{Findings, hex};
use self::tiles::Tiles;
use self::walk::{Differs, Mark, Walk};
use self::witness::Witnessed;

/// Why nothing can be said about a ledger.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Another Surgewall wrote a segment.
    #[error(transparent)]
    Version(#[from] OtherVersion),
    /// What the ledger is to be compared with is no checkpoint.
    #[error("{path} is no checkpoint: {what}")]
    NoCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The operator's records cannot be read.
    #[error("{path}: {source}")]
    Records {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl VerifyError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What a ledger is checked with. By default only its own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Means<'a> {
    /// Opens the bodies, and has the key that signed.
    pub vault: Option<&'a Vault>,
    /// The key that signed, where it is known from elsewhere.
    pub key: Option<&'a NoteKey>,
    /// A checkpoint that was kept elsewhere: the ledger must continue it.
    pub against: Option<&'a Path>,
    /// Who must have countersigned what it signed.
    pub witness: Option<&'a WitnessKey>,
}

/// Checks every segment in `directory` (`DataDir::ledger`, or a copy), and the
/// log beside them.
///
/// # Errors
/// A file cannot be read, or another Surgewall wrote it: nothing can be said.
pub fn verify(directory: &Path, vault: Option<&Vault>) -> Result<Verification, VerifyError> {
    verify_with(directory, &Means { vault, ..Means::default() }, &mut |_| {})
}

/// As [`verify`], with these means; `watch` hears how far it is.
///
/// # Errors
/// As [`verify`], or what it is to be compared with is no checkpoint.
pub fn verify_with(
    directory: &Path,
    means: &Means<'_>,
    watch: &mut dyn FnMut(Reading),
) -> Result<Verification, VerifyError> {
    read(directory, means, watch).map(|(verification, findings, _)| verification.with(findings))
}

/// As [`verify_with`], and holds the operator's records at `records`
/// (`DataDir::records`, or a copy) against the ledger: each batch that is kept is
/// the one that was written, and what is gone was removed by retention.
///
/// # Errors
/// As [`verify_with`], or the records cannot be read.
pub async fn verify_all(
    directory: &Path,
    records: &Path,
    means: &Means<'_>,
    watch: &mut dyn FnMut(Reading),
) -> Result<Verification, VerifyError> {
    // Before the ledger is read: what is gone from it by now, the ledger has.
    let held = Held::open(records).await;
    let (mut verification, mut findings, noted) = read(directory, means, watch)?;
    let compared = held.compare(&noted, means.vault, &mut findings).await?;
    verification.batches = Some(compared.fit);
    verification.notes.extend(compared.notes);
    Ok(verification.with(findings))
}

fn read(
    directory: &Path,
    means: &Means<'_>,
    watch: &mut dyn FnMut(Reading),
) -> Result<(Verification, Findings, Noted), VerifyError> {
    let log = directory.join("log");
    // Before the segments are listed: what it covers is in them then, however
    // fast the door writes.
    let signed = Signed::read(&log.join("checkpoint"))?;
    let against = means.against.map(kept).transpose()?;
    let witnessed = Witnessed::read(&log)?;
    let size = signed.checkpoint().map(|checkpoint| checkpoint.size);
    let seen = witnessed.checkpoint();
    let sizes = [
        size,
        against.as_ref().map(|checkpoint| checkpoint.size),
        seen.map(|(_, checkpoint)| checkpoint.size),
    ];
    let marks = sizes.map(|size| Mark { size: size.unwrap_or(u64::MAX), root: None });
    let tiles = size.map(|size| Tiles::new(&log, size));
    let mut walk = Walk::new(means.vault, tiles, marks.to_vec(), watch);
    walk.read(directory)?;
    let marks = std::mem::take(&mut walk.marks);
    let root = |at: usize| marks.get(at).and_then(|mark| mark.root);
    let key = signed.key(means, against.as_ref());
    signed.judge(&mut walk, root(0), key.as_ref());
    if let (Some(path), Some(checkpoint)) = (means.against, &against) {
        compare(&mut walk, path, checkpoint, root(1), key.as_ref());
    }
    if let Some((path, checkpoint)) = seen {
        compare(&mut walk, path, checkpoint, root(2), key.as_ref());
    }
    let vouched = witnessed.judge(&mut walk, means.witness);
    let (mut verification, findings, noted) = conclude(walk, means.vault.is_some(), size, key);
    if let Some((size, trust)) = vouched {
        (verification.witnessed, verification.trust) = (Some(size), trust.into());
    }
    Ok((verification, findings, noted))
}

/// The checkpoint that somebody kept.
fn kept(path: &Path) -> Result<Checkpoint, VerifyError> {
    let note = read_text(path, NOTE_BYTES_MAX).map_err(|source| VerifyError::io(path, source))?;
    let path = path.to_owned();
    Checkpoint::parse(&note).map_err(|what| VerifyError::NoCheckpoint { path, what })
}

/// The ledger's own checkpoint.
struct Signed {
    path: PathBuf,
    found: Found,
}

enum Found {
    Nothing,
    Malformed(&'static str),
    Checkpoint(Checkpoint),
}

/// The checkpoint in the file at `path`.
fn read_note(path: &Path) -> Result<Found, VerifyError> {
    Ok(match read_text(path, NOTE_BYTES_MAX) {
        Ok(note) => Checkpoint::parse(&note).map_or_else(Found::Malformed, Found::Checkpoint),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Found::Nothing,
            io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => {
                Found::Malformed("it is no text, or too long")
            }
            _ => return Err(VerifyError::io(path, error)),
        },
    })
}

impl Signed {
    fn read(path: &Path) -> Result<Self, VerifyError> {
        Ok(Self { path: path.to_owned(), found: read_note(path)? })
    }

    const fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.found {
            Found::Checkpoint(checkpoint) => Some(checkpoint),
            _ => None,
        }
    }

    /// The key that must have signed, as far as it is known.
    fn key(&self, means: &Means<'_>, against: Option<&Checkpoint>) -> Option<NoteKey> {
        let name = self.checkpoint().or(against).map(|checkpoint| checkpoint.origin.as_str());
        let ours = means.vault.map(|vault| (name, vault.verifying_key()));
        let ours = ours.and_then(|(name, key)| name.map(|name| NoteKey::new(name, key)));
        means.key.map(|key| name.map_or_else(|| key.clone(), |name| key.named(name))).or(ours)
    }

    /// Holds the tree against the checkpoint; `root` is the tree's at its size.
    fn judge(&self, walk: &mut Walk<'_>, root: Option<[u8; 32]>, key: Option<&NoteKey>) {
        let path = &self.path;
        let checkpoint = match &self.found {
            Found::Checkpoint(checkpoint) => checkpoint,
            Found::Malformed(what) => {
                walk.findings.log(
                    path,
                    "ledger.checkpoint",
                    None,
                    &format!("it is no checkpoint: {what}"),
                );
                return;
            }
            Found::Nothing => {
                if walk.records > 0 {
                    walk.notes.push(
                        "no checkpoint is here: the records hold together, and nobody signed them"
                            .to_owned(),
                    );
                }
                return;
            }
        };
        let Checkpoint { size, root: signed, .. } = checkpoint;
        match key {
            None => walk.notes.push(
                "the checkpoint's signature was not verified: name the key with --key".to_owned(),
            ),
            Some(key) if !checkpoint.is_signed_by(key) => {
                let what = "the checkpoint is not signed by this store's key";
                walk.findings.log(path, "ledger.signature", None, what);
            }
            Some(_) => {}
        }
        let end = walk.tree.size();
        if *size > end && walk.is_whole {
            let what = format!(
                "it and all up to record {size} are missing: they were signed, and the segments end before them. They were cut off, or this is a copy that was made while the door wrote (copy ledger/log first)"
            );
            walk.findings.log(path, "ledger.cut", Some(end + 1), &what);
        }
        let is_ours = root.map(|root| root == *signed);
        if let Some(differs) = walk.differs.take() {
            let is_signed = is_ours == Some(true) && differs.sequence > walk.anchor;
            differ(walk, &differs, is_signed);
        } else if is_ours == Some(false) {
            let what = format!(
                "the tree over records 1 to {size} is not the one that was signed: records were changed together with the tiles, or the checkpoint is another ledger's"
            );
            walk.findings.log(path, "ledger.tree", None, &what);
        }
    }
}

/// A record and the log differ: which of the two was changed?
fn differ(walk: &mut Walk<'_>, differs: &Differs, is_signed: bool) {
    let Differs { sequence, segment, tile } = differs;
    match segment {
        Some((path, offset)) if !is_signed => {
            let what = "it is not the record that the log has, whose root was signed: it was changed, and its leaf and checksum with it".to_owned();
            let fault =
                segment::Fault { rule: "ledger.tree", sequence: *sequence, offset: *offset, what };
            walk.findings.record(path, &fault);
        }
        _ => {
            let what = "the tile has another hash than the records: it was changed";
            walk.findings.log(tile, "ledger.tile", Some(*sequence), what);
        }
    }
}

/// Holds the ledger against a checkpoint that was kept elsewhere; `root` is the
/// tree's at its size.
fn compare(
    walk: &mut Walk<'_>,
    path: &Path,
    kept: &Checkpoint,
    root: Option<[u8; 32]>,
    key: Option<&NoteKey>,
) {
    let Checkpoint { size, root: signed, .. } = kept;
    let end = walk.tree.size();
    if let Some(key) = key
        && !kept.is_signed_by(key)
    {
        let what = "this checkpoint is not signed by this store's key";
        walk.findings.log(path, "ledger.signature", None, what);
    }
    match root {
        _ if *size > end => {
            let what = format!(
                "this checkpoint covers records up to {size}, and the ledger ends at record {end}: it was cut off or rolled back"
            );
            walk.findings.log(path, "ledger.rollback", Some(end + 1), &what);
        }
        Some(root) if root != *signed => {
            let what = format!(
                "the ledger's first {size} records are not those of this checkpoint: it is another history"
            );
            walk.findings.log(path, "ledger.fork", None, &what);
        }
        Some(_) => {}
        None => {
            let what = format!(
                "the ledger cannot be compared with this checkpoint: its records up to {size} are not all here"
            );
            walk.findings.log(path, "ledger.fork", None, &what);
        }
    }
}

fn conclude(
    walk: Walk<'_>,
    is_open: bool,
    signed: Option<u64>,
    key: Option<NoteKey>,
) -> (Verification, Findings, Noted) {
    let Walk { records, tree, tally, noted, findings, mut notes, .. } = walk;
    if records == 0 && findings.is_empty() {
        notes.push("the ledger is empty".to_owned());
    }
    if !is_open {
        let note = "the master key is not here: the tree was verified, sums are not known";
        notes.push(note.to_owned());
    } else if tally.open_requests() > 0 {
        notes.push(format!(
            "{} requests are open, with {} tokens reserved: they run now, or settle at the next start",
            tally.open_requests(),
            tally.open_tokens()
        ));
    }
    let sum = |value: u64| is_open.then_some(value);
    let verification = Verification {
        records,
        batches: None,
        admitted: sum(tally.admitted),
        reserved: sum(tally.reserved),
        settled: sum(tally.settled),
        refunded: sum(tally.refunded),
        open: sum(tally.open_tokens()),
        open_requests: sum(tally.open_requests()),
        size: tree.size(),
        head: hex(&tree.root()),
        signed,
        key: key.map(|key| key.to_string()),
        witnessed: None,
        trust: TRUST.into(),
        notes,
        findings: Vec::new(),
    };
    (verification, findings, noted)
}
