//! A map of bounded size that forgets, in halves, what was not written for longest.

use std::collections::HashMap;
use std::hash::Hash;

/// Two maps of at most `MAX` entries: when the newer is full, the older is forgotten.
pub(crate) struct Generations<K, V, const MAX: usize> {
    newer: HashMap<K, V>,
    older: HashMap<K, V>,
}

impl<K, V, const MAX: usize> Default for Generations<K, V, MAX> {
    fn default() -> Self {
        Self { newer: HashMap::new(), older: HashMap::new() }
    }
}

impl<K: Hash + Eq, V: Copy, const MAX: usize> Generations<K, V, MAX> {
    pub(crate) fn find(&self, key: &K) -> Option<V> {
        self.newer.get(key).or_else(|| self.older.get(key)).copied()
    }

    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.newer.len() >= MAX && !self.newer.contains_key(&key) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_bounded_and_the_newest_are_kept() {
        let mut map = Generations::<u32, u32, 4>::default();
        for key in 0..=8 {
            map.put(key, key * 10);
            assert!(map.newer.len() <= 4 && map.older.len() <= 4);
        }
        assert_eq!((map.find(&8), map.find(&4), map.find(&3)), (Some(80), Some(40), None));
        map.put(8, 1);
        assert_eq!((map.find(&8), map.newer.len()), (Some(1), 1));
    }
}
