//! What a start finds: the state after the last whole record, and the tree over
//! all records.
//!
//! A segment's opening holds all state at its beginning, and its header the tree
//! before it, so the last segment is all that is read, beside those whose leaves
//! are not in the log yet.

use std::io;
use std::path::{Path, PathBuf};

use surgewall_core::decision::Record;
use surgewall_core::random;

use super::encode::End;
use super::fold::Fold;
use super::format::Hash;
use super::log::{Edge, Log, Signed};
use super::read::scan::{Damage, HeaderError, Scanner, Stop};
use super::read::walk::{open_record, segments};
use super::seal::{BodyKey, key_purpose};
use super::{LedgerError, OtherVersion};
use crate::vault::Vault;

/// The state after the last whole record in `directory`; an empty directory
/// begins a new ledger.
pub(super) fn recover(
    directory: &Path,
    vault: &Vault,
    signed: Signed,
) -> Result<(Fold, End, Log), LedgerError> {
    let io_error = |source| LedgerError::Io { path: directory.to_owned(), source };
    let edge = signed.read().map_err(io_error)?;
    let published = edge.tree().size();
    let mut growing = Growing { edge, signed };
    let mut listed = segments(directory).map_err(io_error)?;
    let last = listed.pop();
    let mut fold = Fold::default();
    let mut end = End { ledger: random::bytes(), next: 1 };
    if let Some((first, path)) = last {
        let mut scanner = open(&path, first)?;
        growing.catch_up(&listed, &scanner, &path)?;
        end.ledger = scanner.header().ledger;
        read(&mut scanner, vault, &path, &mut |record, sequence, leaf| {
            fold.apply(record);
            growing.push(sequence, leaf)
        })?;
        end.next = scanner.next_sequence();
    }
    let size = growing.edge.tree().size();
    if size >= end.next {
        // No crash does this; a disk that lies or a copy made while the door ran does.
        // What was signed stands: the ledger goes on after it, and the loss shows.
        tracing::error!(
            "the ledger's records {} to {size} are lost: its checkpoint covers them, its segments do not hold them; see `surgewall check ledger`",
            end.next
        );
        end.next = size + 1;
    }
    Ok((fold, end, Log::new(growing.signed, growing.edge, published)))
}

/// Opens the segment at `path`.
fn open(path: &Path, first: u64) -> Result<Scanner, LedgerError> {
    let io_error = |source| LedgerError::Io { path: path.to_owned(), source };
    let path = path.to_owned();
    match Scanner::open(&path, first).map_err(io_error)? {
        Ok(scanner) => Ok(scanner),
        Err(HeaderError::Newer(version)) => Err(OtherVersion::Newer { path, version }.into()),
        Err(HeaderError::Older(version)) => Err(OtherVersion::Older { path, version }.into()),
        Err(HeaderError::Damaged(damage)) => Err(damaged(&path, damage)),
    }
}

fn damaged(path: &Path, damage: Damage) -> LedgerError {
    let Damage { sequence, offset, what, .. } = damage;
    LedgerError::Damaged { path: path.to_owned(), sequence, offset, what }
}

/// Gives every record of the segment to `each`, with its sequence and leaf.
fn read(
    scanner: &mut Scanner,
    vault: &Vault,
    path: &Path,
    each: &mut dyn FnMut(Record, u64, &Hash) -> io::Result<()>,
) -> Result<(), LedgerError> {
    let io_error = |source| LedgerError::Io { path: path.to_owned(), source };
    let (ledger, first) = (scanner.header().ledger, scanner.header().first);
    let key = vault.unwrap_key(&key_purpose(&ledger, first), &scanner.header().wrapped);
    let key = key.map_err(|_| {
        let what = "its data key does not open".to_owned();
        damaged(path, Damage { rule: "ledger.header", sequence: first, offset: 0, what })
    })?;
    let key = BodyKey::new(key.expose());
    let mut buffer = Vec::new();
    loop {
        match scanner.next(buffer).map_err(io_error)? {
            Ok(mut raw) => {
                let (sequence, offset) = (raw.sequence, raw.offset);
                let record = open_record(&key, &ledger, &mut raw).map_err(|(rule, what)| {
                    damaged(path, Damage { rule, sequence, offset, what })
                })?;
                each(record, sequence, &raw.leaf).map_err(io_error)?;
                buffer = raw.sealed;
            }
            Err(Stop::Damaged(damage)) => return Err(damaged(path, damage)),
            Err(Stop::Clean | Stop::Torn) => return Ok(()),
        }
    }
}

/// The tree, growing by what the segments hold and the log does not.
struct Growing {
    edge: Edge,
    signed: Signed,
}

impl Growing {
    /// Takes in what lies between the log's end and the last segment, which
    /// `scanner` is at the beginning of.
    fn catch_up(
        &mut self,
        earlier: &[(u64, PathBuf)],
        scanner: &Scanner,
        path: &Path,
    ) -> Result<(), LedgerError> {
        let (first, before) = (scanner.header().first, &scanner.header().before);
        let ends = earlier.iter().skip(1).map(|(next, _)| *next).chain([first]);
        for ((named, path), next) in earlier.iter().zip(ends) {
            if self.edge.tree().size() + 1 < next {
                self.leaves_of(path, *named)?;
            }
        }
        let size = self.edge.tree().size();
        if size + 1 < first {
            tracing::error!(
                "records {} to {} are neither in the ledger's log nor in its segments: no tiles and no checkpoint are written any more; restore the directory `ledger/log` from a backup",
                size + 1,
                first - 1
            );
            self.edge = Edge::without_tiles(before.clone());
        }
        if size + 1 == first && self.edge.tree() != before {
            let what = "it does not continue the tree that the log and the segments before hold";
            let damage =
                Damage { rule: "ledger.tree", sequence: first, offset: 0, what: what.to_owned() };
            return Err(damaged(path, damage));
        }
        Ok(())
    }

    /// Takes in the leaves of an earlier segment, as far as it is whole.
    fn leaves_of(&mut self, path: &Path, first: u64) -> Result<(), LedgerError> {
        let io_error = |source| LedgerError::Io { path: path.to_owned(), source };
        let mut scanner = open(path, first)?;
        let mut buffer = Vec::new();
        while let Ok(raw) = scanner.next(buffer).map_err(io_error)? {
            self.push(raw.sequence, &raw.leaf).map_err(io_error)?;
            buffer = raw.sealed;
        }
        Ok(())
    }

    /// Takes in the leaf of this record, if it is the next one.
    fn push(&mut self, sequence: u64, leaf: &Hash) -> io::Result<()> {
        if sequence == self.edge.tree().size() + 1 {
            self.edge.push(leaf);
        }
        if self.edge.is_full() {
            self.signed.spill(&mut self.edge)?;
        }
        Ok(())
    }
}
