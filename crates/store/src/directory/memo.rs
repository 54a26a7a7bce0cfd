//! A bounded memory of what bcrypt said about whole credentials.
//!
//! The map's key is a keyed hash of the WHOLE credential, never of a prefix: a
//! proxy whose token cache was keyed by the first 20 characters let one user in
//! as another (CVE-2026-35030).

use std::collections::HashMap;

/// Verdicts that are remembered, of each kind.
pub const VERIFIED_MAX: usize = 65_536;

/// Two generations: when the young one is full, it becomes the old one and the
/// old one is forgotten. What is asked for stays young.
#[derive(Debug)]
pub(super) struct Memo<V> {
    young: HashMap<[u8; 32], V>,
    old: HashMap<[u8; 32], V>,
    each_max: usize,
}

impl<V: Copy> Memo<V> {
    /// A memory of at most `entries_max` verdicts.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), each_max: (entries_max / 2).max(1) }
    }

    pub(super) fn find(&mut self, hash: &[u8; 32]) -> Option<V> {
        if let Some(value) = self.young.get(hash) {
            return Some(*value);
        }
        let value = self.old.remove(hash)?;
        self.insert(*hash, value);
        Some(value)
    }

    pub(super) fn insert(&mut self, hash: [u8; 32], value: V) {
        if self.young.len() >= self.each_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, value);
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u32) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[28..].copy_from_slice(&n.to_be_bytes());
        hash
    }

    #[test]
    fn it_never_holds_more_than_its_bound_and_keeps_what_is_asked_for() {
        let mut memo = Memo::new(8);
        for n in 0..100 {
            memo.insert(hash(n), n);
            assert!(memo.len() <= 8, "{} entries after {n}", memo.len());
            assert_eq!(memo.find(&hash(0)), Some(0), "what is asked for stays");
        }
        assert_eq!(memo.find(&hash(1)), None);
        assert_eq!(memo.find(&hash(99)), Some(99));
    }
}
