//! A hash of a child's name with a secret seed: ids may be chosen by strangers.

use std::hash::{BuildHasher, RandomState};

/// The seed of all indexes of one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(u64, u64);

impl Seed {
    pub(super) fn random() -> Self {
        let random = RandomState::new();
        Self(random.hash_one(0_u8), random.hash_one(1_u8))
    }

    /// The hash of the child `id` of `parent`: two folded multiplications.
    pub(super) fn hash(self, parent: u32, id: u64) -> u64 {
        let parent = u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        fold(fold(id ^ self.0, parent ^ self.1) ^ self.0, self.1 | 1)
    }
}

/// Both halves of the product, one over the other.
fn fold(one: u64, other: u64) -> u64 {
    let high = (u128::from(one) * u128::from(other)) >> 64;
    one.wrapping_mul(other) ^ u64::try_from(high).unwrap_or(0)
}
