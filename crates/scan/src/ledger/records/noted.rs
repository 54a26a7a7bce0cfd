//! What the ledger says of the operator's records, also to those who have no
//! key: the salts of `stored` and `removed`, as docs/ledger.md describes them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use surgewall_core::decision::{Record, Stored};

use crate::ledger::tree::sha256;

/// The kind of a record about a batch that was stored.
const STORED: u8 = 11;
/// The kind of a record about batches that were removed.
const REMOVED: u8 = 14;

/// The beginning of the hash of what a batch is.
pub(super) type Proof = [u8; 12];

/// What one salt says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::ledger) enum Claim {
    /// The low half of a batch's number, and the batch.
    Stored(u32, Proof),
    /// The first and the last batch.
    Removed(u64, u64),
}

impl Claim {
    /// What `salt` says in a record of this kind, if it says anything.
    fn of(kind: u8, salt: &[u8; 16]) -> Option<Self> {
        let (low, proof) = salt.split_first_chunk::<4>()?;
        let (first, last) = salt.split_first_chunk::<8>()?;
        match kind {
            STORED => Some(Self::Stored(u32::from_le_bytes(*low), proof.try_into().ok()?)),
            REMOVED => Some(Self::Removed(
                u64::from_le_bytes(*first),
                u64::from_le_bytes(last.try_into().ok()?),
            )),
            _ => None,
        }
    }

    /// Whether it is what the record itself says.
    pub(in crate::ledger) fn is_of(&self, record: &Record) -> bool {
        match (self, record) {
            (Self::Stored(low, proof), Record::Stored(stored)) => {
                *low == low_half(stored.batch) && *proof == self::proof(stored)
            }
            (Self::Removed(first, last), Record::Removed(removed)) => {
                (*first, *last) == (removed.first, removed.last)
            }
            _ => false,
        }
    }
}

/// A batch as the ledger knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// The record that says so.
    pub(super) sequence: u64,
    /// What the batch is.
    pub(super) proof: Proof,
}

/// All that a ledger says of batches.
#[derive(Default)]
pub(in crate::ledger) struct Noted {
    /// By their numbers.
    pub(super) stored: BTreeMap<u64, Known>,
    /// Batches that the ledger names twice, and not as the same.
    pub(super) twice: Vec<(u64, u64)>,
    removed: Vec<RangeInclusive<u64>>,
    last: u64,
}

impl Noted {
    /// Takes in one record of the ledger; what its salt says.
    pub(in crate::ledger) fn entry(
        &mut self,
        sequence: u64,
        kind: u8,
        salt: &[u8; 16],
    ) -> Option<Claim> {
        let claim = Claim::of(kind, salt)?;
        match &claim {
            Claim::Removed(first, last) => self.removed.push(*first..=*last),
            Claim::Stored(low, proof) => {
                let (batch, proof) = (near(*low, self.last), *proof);
                self.last = batch;
                let known = self.stored.entry(batch).or_insert(Known { sequence, proof });
                if known.proof != proof {
                    self.twice.push((sequence, batch));
                }
            }
        }
        Some(claim)
    }

    /// Whether retention removed this batch.
    pub(super) fn was_removed(&self, batch: u64) -> bool {
        self.removed.iter().any(|range| range.contains(&batch))
    }
}

/// What stands in the salt for a batch with these numbers and this root.
pub(super) fn proof(stored: &Stored) -> Proof {
    let Stored { at, batch, blocks, events, bytes, root } = stored;
    let at = at.millis();
    let text = format!("surgewall records 1 {batch} {at} {blocks} {events} {bytes} {root}");
    let mut proof = [0; 12];
    proof.copy_from_slice(&sha256(&[text.as_bytes()])[..12]);
    proof
}

fn low_half(batch: u64) -> u32 {
    let [a, b, c, d, ..] = batch.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The number with this low half that is nearest to `last`: batches are counted.
fn near(low: u32, last: u64) -> u64 {
    const HALF: u64 = 1 << 32;
    let same = last & !(HALF - 1) | u64::from(low);
    let all = [same.checked_sub(HALF), Some(same), same.checked_add(HALF)];
    all.into_iter().flatten().min_by_key(|number| number.abs_diff(last)).unwrap_or(same)
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Timestamp;

    use super::*;

    #[test]
    fn a_number_is_known_again_by_its_low_half() {
        const HALF: u64 = 1 << 32;
        for (number, last) in [
            (1, 0),
            (7, 6),
            (3, 9),
            (HALF, HALF - 1),
            (HALF - 1, HALF),
            (5 * HALF + 3, 5 * HALF - 2),
            (u64::MAX, u64::MAX - 1),
        ] {
            assert_eq!(near(low_half(number), last), number, "{number} after {last}");
        }
    }

    #[test]
    fn each_number_of_a_batch_is_in_its_proof() {
        let stored = Stored {
            at: Timestamp::from_millis(5),
            batch: 1,
            blocks: 2,
            events: 3,
            bytes: 4,
            root: "00ff".into(),
        };
        let others = [
            Stored { at: Timestamp::from_millis(6), ..stored.clone() },
            Stored { batch: 2, ..stored.clone() },
            Stored { blocks: 3, ..stored.clone() },
            Stored { events: 4, ..stored.clone() },
            Stored { bytes: 5, ..stored.clone() },
            Stored { root: "00fe".into(), ..stored.clone() },
        ];
        for other in others {
            assert_ne!(proof(&other), proof(&stored), "{other:?}");
        }
    }

    #[test]
    fn what_was_removed_is_known_to_the_last_batch() {
        let mut noted = Noted::default();
        let mut salt = [0; 16];
        (salt[0], salt[8]) = (3, 5);
        assert_eq!(noted.entry(1, REMOVED, &salt), Some(Claim::Removed(3, 5)));
        let removed: Vec<u64> = (0..9).filter(|batch| noted.was_removed(*batch)).collect();
        assert_eq!(removed, [3, 4, 5]);
        assert_eq!(noted.entry(2, STORED + 1, &salt), None);
    }
}
