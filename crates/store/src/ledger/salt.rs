//! Salts that say what anybody may check: with them the operator's records are
//! held against the ledger where the master key is not.
//!
//! ```text
//! stored:  batch, its low half, u32 | the first 12 bytes of SHA-256(
//!          "surgewall records 1 BATCH AT BLOCKS EVENTS BYTES ROOT")
//! removed: first batch u64 | last batch u64
//! ```
//! All of it stands in clear beside the sealed blocks, so nothing is told. Whoever
//! exchanges a block has to find another one with the same 96 bits.

use surgewall_core::decision::{Record, Removed, Stored};
use surgewall_core::digest::sha256;

/// The salt of a record that has one of its own; a random one is for all others.
pub(super) fn open(record: &Record) -> Option<[u8; 16]> {
    let mut salt = [0; 16];
    match record {
        Record::Stored(stored) => {
            salt[..4].copy_from_slice(&stored.batch.to_le_bytes()[..4]);
            salt[4..].copy_from_slice(&sha256(text(stored).as_bytes())[..12]);
        }
        Record::Removed(Removed { first, last, .. }) => {
            salt[..8].copy_from_slice(&first.to_le_bytes());
            salt[8..].copy_from_slice(&last.to_le_bytes());
        }
        _ => return None,
    }
    Some(salt)
}

fn text(stored: &Stored) -> String {
    let Stored { at, batch, blocks, events, bytes, root } = stored;
    let at = at.millis();
    format!("surgewall records 1 {batch} {at} {blocks} {events} {bytes} {root}")
}
