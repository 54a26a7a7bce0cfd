//! The Merkle tree of RFC 9162 (section 2.1), as a verifier computes it: a
//! binary counter of subtrees, and the proofs of sections 2.1.3 and 2.1.4.

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 hash.
pub(super) type Hash = [u8; 32];

/// SHA-256 of all parts, one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of an entry of ours, as a leaf.
pub(super) fn of_leaf(entry: &Hash) -> Hash {
    let mut bytes = [0; 33];
    bytes[1..].copy_from_slice(entry);
    at_once(&bytes)
}

/// The hash of a node.
pub(super) fn of_node(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    let (first, second) = bytes[1..].split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    at_once(&bytes)
}

fn at_once(bytes: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// A tree that grows to the right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    size: u64,
    /// At height H: the whole subtree of 2^H leaves that waits for its sibling.
    waiting: Vec<Option<Hash>>,
}

impl Tree {
    /// The tree of `size` leaves whose whole subtrees are these, the largest
    /// first; `None` where there are more or fewer than the size has bits.
    pub(super) fn from_subtrees(size: u64, subtrees: &[Hash]) -> Option<Self> {
        let mut given = subtrees.iter().rev();
        let heights = 64 - size.leading_zeros();
        let waiting: Vec<_> = (0..heights)
            .map(|height| if size >> height & 1 == 1 { given.next().copied() } else { None })
            .collect();
        let fits = waiting.iter().flatten().count() == subtrees.len()
            && subtrees.len() == size.count_ones() as usize;
        fits.then_some(Self { size, waiting })
    }

    /// How many leaves it has.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Adds the leaf with this hash. `done` hears of each subtree that is whole
    /// now: its height, its number among those of this height, and its hash.
    pub(super) fn push(&mut self, leaf: Hash, mut done: impl FnMut(u32, u64, &Hash)) {
        let index = self.size;
        self.size += 1;
        let mut hash = leaf;
        done(0, index, &hash);
        for (slot, height) in self.waiting.iter_mut().zip(1_u32..) {
            let Some(left) = slot.take() else {
                *slot = Some(hash);
                return;
            };
            hash = of_node(&left, &hash);
            done(height, index >> height, &hash);
        }
        self.waiting.push(Some(hash));
    }

    /// The root.
    pub(super) fn root(&self) -> Hash {
        let joined = self.waiting.iter().flatten().fold(None, |right, left| match right {
            None => Some(*left),
            Some(right) => Some(of_node(left, &right)),
        });
        joined.unwrap_or_else(|| sha256(&[]))
    }
}

/// Whether `path` leads from the leaf number `index` to the root of a tree of
/// `size` leaves (RFC 9162, section 2.1.3.2).
#[must_use]
pub(super) fn is_included(index: u64, size: u64, leaf: Hash, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = of_node(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = of_node(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `older` leaves is the beginning of that
/// of `newer` (RFC 9162, section 2.1.4.2).
#[must_use]
pub(super) fn is_consistent(older: (u64, &Hash), newer: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((first, first_root), (second, second_root)) = (older, newer);
    if first == 0 || first > second {
        return false;
    }
    if first == second {
        return proof.is_empty() && first_root == second_root;
    }
    let begins_at_root = first.is_power_of_two();
    let mut rest = proof.iter();
    let begin = if begins_at_root { Some(first_root) } else { rest.next() };
    let Some(begin) = begin else { return false };
    let (mut node, mut last) = (first - 1, second - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*begin, *begin);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = of_node(hash, &old);
            new = of_node(hash, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = of_node(&new, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == *first_root && new == *second_root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::proptest;

    use super::super::report::hex;
    use super::*;

    /// The leaves and roots with which implementations of RFC 6962 and 9162 are tested.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaf(entry: &[u8]) -> Hash {
        sha256(&[&[0], entry])
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf(&n.to_le_bytes())).collect()
    }

    /// As section 2.1.1 defines the root, by recursion.
    fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = halves(leaves);
                of_node(&root(left), &root(right))
            }
        }
    }

    fn halves(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
        leaves.split_at(leaves.len().next_power_of_two() / 2)
    }

    /// PATH of section 2.1.3.1.
    fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = halves(leaves);
        let (mut path, beside) = if index < left.len() {
            (path(index, left), right)
        } else {
            (path(index - left.len(), right), left)
        };
        path.push(root(beside));
        path
    }

    /// SUBPROOF of section 2.1.4.1.
    fn proof(size: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
        if size == leaves.len() {
            return if is_known { Vec::new() } else { vec![root(leaves)] };
        }
        let (left, right) = halves(leaves);
        let (mut proof, beside) = if size <= left.len() {
            (proof(size, left, is_known), right)
        } else {
            (proof(size - left.len(), right, false), left)
        };
        proof.push(root(beside));
        proof
    }

    #[test]
    fn roots_are_those_that_everybody_has() {
        let mut tree = Tree::default();
        for (at, expected) in ROOTS.iter().enumerate() {
            assert_eq!(hex(&tree.root()), *expected, "{at}");
            if let Some(entry) = LEAVES.get(at) {
                tree.push(leaf(entry), |_, _, _| {});
            }
        }
    }

    #[test]
    fn a_tree_goes_on_from_its_subtrees() {
        let leaves = leaves(300);
        let mut tree = Tree::default();
        for (at, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.root(), root(&leaves[..at]));
            let subtrees: Vec<_> = tree.waiting.iter().rev().flatten().copied().collect();
            assert_eq!(Tree::from_subtrees(tree.size, &subtrees).as_ref(), Some(&tree), "{at}");
            assert_eq!(
                Tree::from_subtrees(tree.size + 1, &subtrees).is_some(),
                tree.size.count_ones() == (tree.size + 1).count_ones()
            );
            tree.push(*leaf, |height, index, hash| {
                let from = usize::try_from(index << height).unwrap();
                assert_eq!(*hash, root(&leaves[from..from + (1 << height)]));
            });
        }
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

        #[test]
        fn inclusion_proofs_hold_and_nothing_else_does(size in 1..400_u64, at in any::<u64>(), flip in any::<usize>()) {
            let all = leaves(size);
            let index = at % size;
            let place = usize::try_from(index).unwrap();
            let (path, whole) = (path(place, &all), root(&all));
            assert!(is_included(index, size, all[place], &path, &whole));
            let wrong = |index, size, leaf, path: &[Hash], root: &Hash| {
                assert!(!is_included(index, size, leaf, path, root));
            };
            // Beside it, past the end, in a larger tree.
            wrong(index ^ 1, size, all[place], &path, &whole);
            wrong(size, size, all[place], &path, &whole);
            wrong(u64::MAX, size, all[place], &path, &whole);
            wrong(index, size * 2 + 1, all[place], &path, &whole);
            let flipped = |mut hash: Hash| { hash[flip % 32] ^= 1 << (flip % 8); hash };
            wrong(index, size, flipped(all[place]), &path, &whole);
            wrong(index, size, all[place], &path, &flipped(whole));
            for n in 0..path.len() {
                let mut other = path.clone();
                other[n] = flipped(other[n]);
                wrong(index, size, all[place], &other, &whole);
            }
            if let Some((_, shorter)) = path.split_last() {
                wrong(index, size, all[place], shorter, &whole);
            }
            wrong(index, size, all[place], &[path.as_slice(), &[whole]].concat(), &whole);
        }

        #[test]
        fn consistency_proofs_hold_and_nothing_else_does(size in 1..400_u64, at in any::<u64>(), flip in any::<usize>()) {
            let all = leaves(size);
            let older = 1 + at % size;
            let first = root(&all[..usize::try_from(older).unwrap()]);
            let (proof, whole) = (proof(usize::try_from(older).unwrap(), &all, true), root(&all));
            assert!(is_consistent((older, &first), (size, &whole), &proof));
            let flipped = |mut hash: Hash| { hash[flip % 32] ^= 1 << (flip % 8); hash };
            assert!(!is_consistent((older, &flipped(first)), (size, &whole), &proof));
            assert!(!is_consistent((older, &first), (size, &flipped(whole)), &proof));
            assert!(!is_consistent((0, &first), (size, &whole), &proof));
            assert!(!is_consistent((size + 1, &first), (size, &whole), &proof));
            for n in 0..proof.len() {
                let mut other = proof.clone();
                other[n] = flipped(other[n]);
                assert!(!is_consistent((older, &first), (size, &whole), &other));
            }
            if let Some((_, shorter)) = proof.split_last() {
                assert!(!is_consistent((older, &first), (size, &whole), shorter));
            }
            let longer = [proof.as_slice(), &[whole]].concat();
            assert!(!is_consistent((older, &first), (size, &whole), &longer));
        }
    }
}
