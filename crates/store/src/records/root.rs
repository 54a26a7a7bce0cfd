//! The root of a Merkle tree over the blocks of a batch (RFC 9162, 2.1.1):
//! `leaf = SHA-256(0 | entry)`, `node = SHA-256(1 | left | right)`, the left half
//! as large as a power of two can be.

use surgewall_core::digest::sha256;

use crate::ledger::tree::Tree;

/// A SHA-256.
pub type Hash = [u8; 32];

/// The hash of one sealed block: an entry of the tree.
pub(super) fn entry(sealed: &[u8]) -> Hash {
    sha256(sealed)
}

/// The root over `entries`, in their order.
pub(super) fn root(entries: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.push(entry, |_, _| {}));
    tree.root()
}

#[cfg(test)]
mod tests {
    use surgewall_core::digest::hex;

    use super::*;

    fn joined(parts: &[&[u8]]) -> Hash {
        sha256(&parts.concat())
    }

    /// The roots of Certificate Transparency's reference tests, over the same entries.
    #[test]
    fn roots_are_those_of_the_reference() {
        let entries: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        // Entries of other lengths than ours: the tree over them, by its definition.
        fn tree(entries: &[&[u8]]) -> Hash {
            match entries {
                [] => sha256(b""),
                [entry] => joined(&[&[0], entry]),
                _ => {
                    let mut left = 1;
                    while left * 2 < entries.len() {
                        left *= 2;
                    }
                    joined(&[&[1], &tree(&entries[..left]), &tree(&entries[left..])])
                }
            }
        }
        for (len, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(hex(&tree(&entries[..len])), expected, "{len}");
        }
        let own: Vec<Hash> = (0..9).map(|n| [n; 32]).collect();
        for len in 0..=own.len() {
            let entries: Vec<&[u8]> = own[..len].iter().map(<[u8; 32]>::as_slice).collect();
            assert_eq!(root(&own[..len]), tree(&entries), "{len}");
        }
    }
}
