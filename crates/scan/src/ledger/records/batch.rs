//! One batch of the records against what the ledger says of it, and which block it
//! is that does not fit.

use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Stored;
use surgewall_core::subject::Subject;
use surgewall_store::vault::{Content, Vault, VaultError};

use super::file::{Block, Row};
use super::noted::{Known, proof};
use crate::ledger::report::hex;
use crate::ledger::tree::{Hash, Tree, of_leaf, sha256};

/// Blocks among which two that changed places are looked for without a key: each
/// pair costs a root.
const SWAP_BLOCKS_MAX: usize = 64;

/// Blocks that cannot be opened, for a reason that is no damage of the records.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Lost {
    /// Their keys were destroyed on purpose.
    pub(super) erased: u64,
    /// Their keys are missing.
    pub(super) keys: u64,
}

/// Whether the batch is the one that the ledger knows; the error says what is
/// wrong with which block.
pub(super) fn judge(
    row: &Row,
    blocks: &[Block],
    known: &Known,
    vault: Option<&Vault>,
    lost: &mut Lost,
) -> Result<(), String> {
    let batch = row.batch;
    let entries: Vec<Hash> = blocks.iter().map(|block| sha256(&[&block.sealed])).collect();
    let is_known = |root: &Hash| proof(&stored(row, root)) == known.proof;
    let fits = is_known(&root(&entries));
    if fits && row.root != root(&entries) {
        return Err(format!("batch {batch}: its root was changed; its blocks are the ledger's"));
    }
    if !fits && !is_known(&row.root) {
        return Err(format!(
            "batch {batch} is not the one that the ledger has: its row was changed, or its blocks and its root with them"
        ));
    }
    if let Some(gap) = gap(row, blocks) {
        return Err(gap);
    }
    let closed = vault.map(|vault| closed(vault, batch, blocks, lost)).unwrap_or_default();
    match (fits, &closed[..]) {
        (true, []) => Ok(()),
        (true, closed) => Err(format!(
            "{} of batch {batch} {}: what stands beside it in clear was changed",
            positions(closed),
            if closed.len() == 1 { "does not open" } else { "do not open" }
        )),
        (false, []) => Err(match swapped(&entries, &row.root) {
            Some((a, b)) => format!("blocks {a} and {b} of batch {batch} changed places"),
            None if entries.len() == 1 => format!("block 0 of batch {batch} was changed"),
            None => format!(
                "of the {} blocks of batch {batch} one or more were changed; which, only their keys can tell",
                entries.len()
            ),
        }),
        (false, closed) => Err(match swapped(&entries, &row.root) {
            Some((a, b)) => format!("blocks {a} and {b} of batch {batch} changed places"),
            None => format!("{} of batch {batch} was changed or exchanged", positions(closed)),
        }),
    }
}

/// What the ledger would say of a batch with this row and root.
fn stored(row: &Row, root: &Hash) -> Stored {
    let Row { batch, at, blocks, events, bytes, root: _ } = *row;
    let (at, root) = (Timestamp::from_millis(at), hex(root));
    Stored { at, batch, blocks, events, bytes, root }
}

fn root(entries: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.push(of_leaf(entry), |_, _, _| {}));
    tree.root()
}

/// The block that is missing, or one too many. The row is the ledger's.
fn gap(row: &Row, blocks: &[Block]) -> Option<String> {
    let Row { batch, blocks: count, .. } = *row;
    let places = blocks.iter().map(|block| Some(block.position)).chain([None]);
    for (place, expected) in places.zip(0_u64..) {
        match place {
            Some(position) if position == expected && position < count => {}
            _ if expected < count => {
                return Some(format!("block {expected} of batch {batch} is missing"));
            }
            Some(position) => {
                let what = "does not belong there: it was added or moved";
                return Some(format!("block {position} of batch {batch} {what}"));
            }
            None => {}
        }
    }
    None
}

/// The blocks that do not open where they stand.
fn closed(vault: &Vault, batch: u64, blocks: &[Block], lost: &mut Lost) -> Vec<u64> {
    let mut closed = Vec::new();
    for block in blocks {
        let Block { position, subject, region, first_at, last_at, events, sealed } = block;
        let context = format!("records {batch} {position} {first_at} {last_at} {events} {region}");
        let Some(subject) = Subject::from_bytes(subject) else {
            closed.push(*position);
            continue;
        };
        match vault.open_for(Content::Record, subject, &context, sealed) {
            Ok(_) => {}
            Err(VaultError::Erased) => lost.erased += 1,
            Err(VaultError::Sealed) => closed.push(*position),
            Err(_) => lost.keys += 1,
        }
    }
    closed
}

/// The two blocks without whose exchange the root would be this.
fn swapped(entries: &[Hash], expected: &Hash) -> Option<(usize, usize)> {
    if entries.len() > SWAP_BLOCKS_MAX {
        return None;
    }
    let mut entries = entries.to_vec();
    for a in 0..entries.len() {
        for b in a + 1..entries.len() {
            entries.swap(a, b);
            if root(&entries) == *expected {
                return Some((a, b));
            }
            entries.swap(a, b);
        }
    }
    None
}

fn positions(closed: &[u64]) -> String {
    let numbers: Vec<_> = closed.iter().map(u64::to_string).collect();
    let word = if closed.len() == 1 { "block" } else { "blocks" };
    format!("{word} {}", numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_changed_places_are_found_among_as_many_as_are_looked_at() {
        for (len, found) in [(SWAP_BLOCKS_MAX, true), (SWAP_BLOCKS_MAX + 1, false)] {
            let mut entries: Vec<Hash> = (0..len).map(|n| sha256(&[&n.to_le_bytes()])).collect();
            let expected = root(&entries);
            assert_eq!(swapped(&entries, &expected), None);
            entries.swap(3, len - 1);
            assert_eq!(swapped(&entries, &expected), found.then_some((3, len - 1)));
        }
    }
}
