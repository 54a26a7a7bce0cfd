//! Principals that wait for nothing, and were served more than those who wait.
//!
//! Packed side by side and found by a hash index, with a seed: networks are chosen
//! by strangers. An entry that is no longer ahead of its level is forgotten, since
//! a newcomer would be lifted to the same place.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Entries that are remembered, over all classes.
pub const IDLE_ENTRIES_MAX: usize = 1 << 20;

/// What one entry takes in bytes, without its place in the index (at most 12 bytes).
pub const IDLE_ENTRY_BYTES: usize = size_of::<Entry>();

/// Entries looked at, whether they can be forgotten, each time one is remembered.
const PRUNED_AT_ONCE: usize = 2;

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u64,
    served: u64,
    parent: u32,
}

/// The idle entries of all levels.
#[derive(Debug)]
pub(super) struct Idle {
    hasher: RandomState,
    /// Positions in `entries`, by parent and id.
    index: HashTable<u32>,
    entries: Vec<Entry>,
    entries_max: usize,
    /// Where pruning goes on.
    cursor: usize,
}

impl Idle {
    pub(super) fn new(entries_max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            index: HashTable::new(),
            entries: Vec::new(),
            // A position is 32 bits.
            entries_max: entries_max.clamp(1, u32::MAX as usize),
            cursor: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What the child `id` of `parent` was served, and forgets it.
    pub(super) fn take(&mut self, parent: u32, id: u64) -> Option<u64> {
        let place = self.find(parent, id)?;
        let served = self.entries.get(place)?.served;
        self.remove(place);
        Some(served)
    }

    /// What the child `id` of `parent` was served.
    pub(super) fn served_mut(&mut self, parent: u32, id: u64) -> Option<&mut u64> {
        let place = self.find(parent, id)?;
        self.entries.get_mut(place).map(|entry| &mut entry.served)
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
        if served <= floor(parent) {
            return;
        }
        self.prune(&floor);
        if self.entries.len() >= self.entries_max {
            // Of two, the one that is less ahead is forgotten.
            let Some(other) = self.entries.get(self.cursor) else {
                return;
            };
            if other.served.saturating_sub(floor(other.parent)) >= served - floor(parent) {
                return;
            }
            self.remove(self.cursor);
        }
        let place = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Entry { id, served, parent });
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = hasher.hash_one((parent, id));
        self.index.insert_unique(hash, place, |place| rehash(entries, hasher, *place));
    }

    /// Forgets those that are not ahead among the next few.
    fn prune(&mut self, floor: impl Fn(u32) -> u64) {
        for _ in 0..PRUNED_AT_ONCE.min(self.entries.len()) {
            if self.cursor >= self.entries.len() {
                self.cursor = 0;
            }
            match self.entries.get(self.cursor) {
                Some(entry) if entry.served <= floor(entry.parent) => self.remove(self.cursor),
                _ => self.cursor += 1,
            }
        }
        if self.cursor >= self.entries.len() {
            self.cursor = 0;
        }
    }

    fn find(&self, parent: u32, id: u64) -> Option<usize> {
        let is_it = |place: &u32| {
            let entry = self.entries.get(*place as usize);
            entry.is_some_and(|entry| entry.id == id && entry.parent == parent)
        };
        self.index.find(self.hasher.hash_one((parent, id)), is_it).map(|place| *place as usize)
    }

    fn remove(&mut self, place: usize) {
        let last = self.entries.len() - 1;
        let hash = rehash(&self.entries, &self.hasher, u32::try_from(place).unwrap_or(u32::MAX));
        if let Ok(entry) = self.index.find_entry(hash, |known| *known as usize == place) {
            entry.remove();
        }
        if place != last {
            let hash = rehash(&self.entries, &self.hasher, u32::try_from(last).unwrap_or(u32::MAX));
            if let Some(known) = self.index.find_mut(hash, |known| *known as usize == last) {
                *known = u32::try_from(place).unwrap_or(u32::MAX);
            }
        }
        self.entries.swap_remove(place);
    }
}

fn rehash(entries: &[Entry], hasher: &RandomState, place: u32) -> u64 {
    let entry = entries.get(place as usize);
    entry.map_or(0, |entry| hasher.hash_one((entry.parent, entry.id)))
}
