//! The KV blocks: who holds how many, and which contents may be found again.

use std::collections::{BTreeMap, HashMap};

/// A block whose content others may share.
struct Known {
    holders: u32,
    /// Its place in the order of eviction while nobody holds it.
    idle_at: u64,
}

/// A pool of blocks. Contents are known by the hash of everything up to their
/// end; a block that nobody holds keeps its content until the block is needed,
/// the longest unused first.
pub(super) struct Blocks {
    total: u32,
    free: u32,
    known: HashMap<u64, Known>,
    idle: BTreeMap<u64, u64>,
    clock: u64,
}

impl Blocks {
    pub(super) fn new(total: u32) -> Self {
        Self { total, free: total, known: HashMap::new(), idle: BTreeMap::new(), clock: 0 }
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// Blocks that somebody holds.
    pub(super) fn used(&self) -> u32 {
        self.total - self.available()
    }

    fn available(&self) -> u32 {
        self.free + u32::try_from(self.idle.len()).unwrap_or(u32::MAX)
    }

    /// Takes `count` blocks, all or none.
    #[must_use]
    pub(super) fn take(&mut self, count: u32) -> bool {
        if count > self.available() {
            return false;
        }
        while self.free < count {
            let Some((_, hash)) = self.idle.pop_first() else { return false };
            self.known.remove(&hash);
            self.free += 1;
        }
        self.free -= count;
        true
    }

    /// Takes back blocks of unknown content.
    pub(super) fn give_back(&mut self, count: u32) {
        self.free += count;
    }

    /// How many of these contents, from the first on, are there.
    pub(super) fn hits(&self, prefix: &[u64]) -> u32 {
        let hits = prefix.iter().take_while(|hash| self.known.contains_key(hash));
        u32::try_from(hits.count()).unwrap_or(u32::MAX)
    }

    /// Holds a content; `false` if it is not there.
    pub(super) fn hold(&mut self, hash: u64) -> bool {
        let Some(known) = self.known.get_mut(&hash) else { return false };
        if known.holders == 0 {
            self.idle.remove(&known.idle_at);
        }
        known.holders += 1;
        true
    }

    /// Lets go of a content; it stays to be found until its block is needed.
    pub(super) fn release(&mut self, hash: u64) {
        let Some(known) = self.known.get_mut(&hash) else { return };
        known.holders -= 1;
        if known.holders == 0 {
            self.clock += 1;
            known.idle_at = self.clock;
            self.idle.insert(self.clock, hash);
        }
    }

    /// Makes the content of a taken block known and holds it. Where the content
    /// is there already, that one is held and the block is free again.
    pub(super) fn publish(&mut self, hash: u64) {
        if self.hold(hash) {
            self.free += 1;
        } else {
            self.known.insert(hash, Known { holders: 1, idle_at: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_found_until_their_block_is_needed() {
        let mut blocks = Blocks::new(3);
        assert!(blocks.take(2));
        blocks.publish(10);
        blocks.publish(11);
        // The end of a prompt goes first.
        blocks.release(11);
        blocks.release(10);
        assert_eq!((blocks.used(), blocks.hits(&[10, 11, 12])), (0, 2));
        assert!(blocks.take(2));
        assert_eq!((blocks.used(), blocks.hits(&[10, 11])), (2, 1));
        assert!(blocks.hold(10) && !blocks.hold(11));
        assert!(!blocks.take(1), "all are held");
        blocks.give_back(2);
        assert!(blocks.take(2));
        assert_eq!(blocks.used(), blocks.total());
    }

    #[test]
    fn a_content_that_is_there_twice_is_kept_once() {
        let mut blocks = Blocks::new(2);
        assert!(blocks.take(2));
        blocks.publish(7);
        blocks.publish(7);
        assert_eq!(blocks.used(), 1);
        blocks.release(7);
        assert_eq!(blocks.used(), 1);
        blocks.release(7);
        assert_eq!((blocks.used(), blocks.hits(&[7])), (0, 1));
    }
}
