//! The counters in memory: packed side by side, found by a hash index.
//!
//! A counter takes about 130 bytes with its place in the index. The index's
//! hash is seeded: networks are chosen by strangers. All counters of one
//! delegated user share a hash, so that one probe tells whether it has any.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use surgewall_core::clock::Timestamp;
use surgewall_core::quota::Subject;

use super::key::PackedSubject;
use super::window::Window;

/// One counter and its name.
pub(super) struct Counter {
    pub(super) window: Window,
    pub(super) id: u64,
    pub(super) subject: PackedSubject,
}

/// All counters of a table.
pub(super) struct Counters {
    hasher: RandomState,
    /// Positions in `counters`, by subject and counter id.
    index: HashTable<u32>,
    counters: Vec<Counter>,
    counters_max: usize,
    /// How many delegated users of each key have counters.
    users: HashMap<u128, usize>,
    /// Where pruning goes on.
    cursor: usize,
}

impl Counters {
    pub(super) fn new(counters_max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            index: HashTable::new(),
            counters: Vec::new(),
            // A position is 32 bits.
            counters_max: counters_max.min(u32::MAX as usize),
            users: HashMap::new(),
            cursor: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.counters.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Counter> {
        self.counters.iter()
    }

    /// Whether `count` more fit.
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.counters.len() + count <= self.counters_max
    }

    pub(super) fn at(&self, place: u32) -> Option<&Counter> {
        self.counters.get(place as usize)
    }

    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut Counter> {
        self.counters.get_mut(place as usize)
    }

    /// How many delegated users of the key have counters.
    pub(super) fn users_of(&self, key: u128) -> usize {
        self.users.get(&key).copied().unwrap_or(0)
    }

    /// Whether the delegated user `subject` has any counter.
    pub(super) fn knows_user(&self, subject: &Subject) -> bool {
        self.has_any(&PackedSubject::new(subject))
    }

    fn has_any(&self, user: &PackedSubject) -> bool {
        let is_its = |place: &u32| {
            self.counters.get(*place as usize).is_some_and(|counter| counter.subject == *user)
        };
        self.index.find(hash(&self.hasher, user, 0), is_its).is_some()
    }

    pub(super) fn find(&self, subject: &Subject, id: u64) -> Option<u32> {
        let subject = PackedSubject::new(subject);
        let hash = hash(&self.hasher, &subject, id);
        let is_it = |place: &u32| {
            let counter = self.counters.get(*place as usize);
            counter.is_some_and(|counter| counter.id == id && counter.subject == subject)
        };
        self.index.find(hash, is_it).copied()
    }

    pub(super) fn insert(
        &mut self,
        now: Timestamp,
        subject: &Subject,
        id: u64,
        window_s: u64,
    ) -> u32 {
        let subject = PackedSubject::new(subject);
        if let Some(key) = subject.key_of_user()
            && !self.has_any(&subject)
        {
            *self.users.entry(key).or_default() += 1;
        }
        let hash = hash(&self.hasher, &subject, id);
        let place = u32::try_from(self.counters.len()).unwrap_or(u32::MAX);
        self.counters.push(Counter { window: Window::new(window_s, now), id, subject });
        let (counters, hasher) = (&self.counters, &self.hasher);
        self.index.insert_unique(hash, place, |place| rehash(counters, hasher, *place));
        place
    }

    /// Forgets idle ones among the next `count` counters.
    pub(super) fn prune(&mut self, now: Timestamp, count: usize) {
        for _ in 0..count.min(self.counters.len()) {
            if self.cursor >= self.counters.len() {
                self.cursor = 0;
            }
            let Some(counter) = self.counters.get_mut(self.cursor) else {
                return;
            };
            counter.window.advance(now);
            if counter.window.sum() > 0 {
                self.cursor += 1;
            } else {
                self.remove(self.cursor);
            }
        }
    }

    fn remove(&mut self, place: usize) {
        let last = self.counters.len() - 1;
        self.unindex(place);
        if place != last {
            self.reindex(last, place);
        }
        let Counter { subject, .. } = self.counters.swap_remove(place);
        if let Some(key) = subject.key_of_user()
            && !self.has_any(&subject)
        {
            self.forget_user(key);
        }
    }

    fn forget_user(&mut self, key: u128) {
        if let Some(users) = self.users.get_mut(&key) {
            *users = users.saturating_sub(1);
            if *users == 0 {
                self.users.remove(&key);
            }
        }
    }

    fn unindex(&mut self, place: usize) {
        let hash = rehash(&self.counters, &self.hasher, u32::try_from(place).unwrap_or(u32::MAX));
        if let Ok(entry) = self.index.find_entry(hash, |known| *known as usize == place) {
            entry.remove();
        }
    }

    fn reindex(&mut self, from: usize, to: usize) {
        let hash = rehash(&self.counters, &self.hasher, u32::try_from(from).unwrap_or(u32::MAX));
        if let Some(known) = self.index.find_mut(hash, |known| *known as usize == from) {
            *known = u32::try_from(to).unwrap_or(u32::MAX);
        }
    }
}

fn rehash(counters: &[Counter], hasher: &RandomState, place: u32) -> u64 {
    let counter = counters.get(place as usize);
    counter.map_or(0, |counter| hash(hasher, &counter.subject, counter.id))
}

fn hash(hasher: &RandomState, subject: &PackedSubject, id: u64) -> u64 {
    hasher.hash_one((subject.words(), if subject.is_user() { 0 } else { id }))
}
