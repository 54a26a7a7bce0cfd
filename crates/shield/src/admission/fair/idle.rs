//! Principals that wait for nothing, and were served more than those who wait.
//!
//! An entry that is no longer ahead of its level is forgotten, since a newcomer
//! would be lifted to the same place.

use hashbrown::HashTable;

use super::seed::Seed;

/// Entries that are remembered, over all classes.
pub const IDLE_ENTRIES_MAX: usize = 1 << 20;

/// What one entry takes in bytes, without the empty places of the table around it:
/// of its places, 7 of 16 to 7 of 8 are taken.
pub const IDLE_ENTRY_BYTES: usize = size_of::<Entry>() + 1;

/// Places looked at, whether they can be forgotten, each time one is remembered.
const PRUNED_AT_ONCE: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u64,
    served: u64,
    parent: u32,
}

/// The idle entries of all levels.
#[derive(Debug)]
pub(super) struct Idle {
    seed: Seed,
    entries: HashTable<Entry>,
    entries_max: usize,
    /// The place where pruning goes on.
    cursor: usize,
}

impl Idle {
    pub(super) fn new(seed: Seed, entries_max: usize) -> Self {
        Self { seed, entries: HashTable::new(), entries_max: entries_max.max(1), cursor: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What the child `id` of `parent` was served, and forgets it.
    pub(super) fn take(&mut self, parent: u32, id: u64) -> Option<u64> {
        let is_it = |entry: &Entry| entry.id == id && entry.parent == parent;
        let entry = self.entries.find_entry(self.seed.hash(parent, id), is_it).ok()?;
        Some(entry.remove().0.served)
    }

    /// What the child `id` of `parent` was served.
    pub(super) fn served_mut(&mut self, parent: u32, id: u64) -> Option<&mut u64> {
        let is_it = |entry: &Entry| entry.id == id && entry.parent == parent;
        let entry = self.entries.find_mut(self.seed.hash(parent, id), is_it)?;
        Some(&mut entry.served)
    }

    /// Remembers what a child was served that has no entry. `floor` says from where
    /// the children of a parent are ahead.
    pub(super) fn remember(
        &mut self,
        parent: u32,
        id: u64,
        served: u64,
        floor: impl Fn(u32) -> u64,
    ) {
        let ahead = served.saturating_sub(floor(parent));
        if ahead == 0 {
            return;
        }
        for _ in 0..PRUNED_AT_ONCE {
            self.forget_next(&floor, 0);
        }
        // Of two, the one that is less ahead is forgotten.
        if self.entries.len() >= self.entries_max && !self.forget_next(&floor, ahead) {
            return;
        }
        let seed = self.seed;
        let entry = Entry { id, served, parent };
        self.entries
            .insert_unique(seed.hash(parent, id), entry, |entry| seed.hash(entry.parent, entry.id));
    }

    /// Looks at the next place, or at the limit at the next entry, and forgets it if
    /// it is no more than `most` ahead.
    fn forget_next(&mut self, floor: impl Fn(u32) -> u64, most: u64) -> bool {
        let places = self.entries.num_buckets();
        for _ in 0..places {
            self.cursor = if self.cursor + 1 < places { self.cursor + 1 } else { 0 };
            if most == 0 || self.entries.get_bucket(self.cursor).is_some() {
                break;
            }
        }
        let Ok(entry) = self.entries.get_bucket_entry(self.cursor) else {
            return false;
        };
        let known = entry.get();
        let forgets = known.served.saturating_sub(floor(known.parent)) <= most;
        if forgets {
            entry.remove();
        }
        forgets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(parent: u32) -> u64 {
        if parent == 0 { 100 } else { u64::MAX }
    }

    #[test]
    fn only_those_ahead_are_remembered() {
        let mut idle = Idle::new(Seed::random(), 10);
        idle.remember(0, 1, 100, floor);
        idle.remember(7, 1, 1_000, floor);
        assert_eq!(idle.len(), 0);
        idle.remember(0, 1, 101, floor);
        assert_eq!(idle.take(0, 1), Some(101));
        assert_eq!((idle.take(0, 1), idle.len()), (None, 0));
    }

    #[test]
    fn those_that_fell_behind_are_forgotten_in_passing() {
        let mut idle = Idle::new(Seed::random(), 1_000);
        for id in 0..100 {
            idle.remember(0, id, 150, floor);
        }
        for id in 100..200 {
            idle.remember(0, id, 1_000, |_| 200);
        }
        assert!(idle.len() < 110, "{}", idle.len());
        assert_eq!(idle.served_mut(0, 199), Some(&mut 1_000));
    }

    #[test]
    fn at_the_limit_the_one_further_ahead_stays() {
        let mut idle = Idle::new(Seed::random(), 4);
        for id in 0..4 {
            idle.remember(0, id, 200, floor);
        }
        assert_eq!(idle.len(), 4);
        idle.remember(0, 4, 150, floor);
        assert_eq!((idle.len(), idle.take(0, 4)), (4, None));
        idle.remember(0, 5, 300, floor);
        assert_eq!((idle.len(), idle.take(0, 5)), (4, Some(300)));
    }
}
