//! The Merkle tree over the ledger's leaves, as its writer grows it.
//!
//! RFC 9162, section 2.1.1 (the same tree as RFC 6962, which C2SP's tlog-tiles
//! names): a leaf's hash is SHA-256(0 | leaf), a node's SHA-256(1 | left | right),
//! and the empty tree's root SHA-256 of nothing.

use surgewall_core::digest::sha256;

use super::format::Hash;

/// A tree: the roots of its whole subtrees, the largest first. There is one for
/// each bit of its size, and no more is needed to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// The tree of `size` leaves with these subtrees; `None` where their number is another.
    pub(crate) fn of(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == peak_count(size)).then_some(Self { size, peaks })
    }

    /// How many leaves it has.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its whole subtrees, the largest first.
    pub(crate) fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf; `made` hears the height and root of each subtree that this
    /// completes, the leaf's own first.
    pub(crate) fn push(&mut self, leaf: &Hash, mut made: impl FnMut(u32, &Hash)) {
        let mut hash = leaf_hash(leaf);
        made(0, &hash);
        for height in 1..=self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            made(height, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root over all leaves.
    pub(crate) fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return sha256(&[]) };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// How many whole subtrees a tree of `size` leaves has.
pub(crate) const fn peak_count(size: u64) -> usize {
    size.count_ones() as usize
}

/// The hash of a leaf.
pub(crate) fn leaf_hash(leaf: &Hash) -> Hash {
    let mut bytes = [0; 33];
    bytes[1..].copy_from_slice(leaf);
    sha256(&bytes)
}

/// The hash of a node over its two.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root as RFC 9162 defines it, by recursion.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => leaf_hash(leaf),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&defined(left), &defined(right))
            }
        }
    }

    #[test]
    fn roots_and_completed_subtrees_are_those_of_the_definition() {
        let leaves: Vec<Hash> = (0..600_u16).map(|n| sha256(&n.to_le_bytes())).collect();
        let mut tree = Tree::default();
        for (at, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.root(), defined(&leaves[..at]), "{at}");
            assert_eq!(tree.peaks().len(), peak_count(tree.size()));
            tree.push(leaf, |height, hash| {
                let end = at + 1;
                assert_eq!(*hash, defined(&leaves[end - (1 << height)..end]), "{at} {height}");
            });
        }
        assert_eq!(Tree::of(600, tree.peaks().to_vec()), Some(tree.clone()));
        assert_eq!(Tree::of(601, tree.peaks().to_vec()), None);
    }

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        let hex: String = Tree::default().root().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
