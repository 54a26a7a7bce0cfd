//! Where each key lies: what the accounts file holds, in memory.
//!
//! About 40 bytes a key: 160 MB at the limit of 4 million.

use std::collections::BTreeMap;

use super::data::Content;
use super::slot::{KeyId, Slot, SubjectBytes};

/// A slot and the generation in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The slot's number.
    pub(super) slot: u32,
    /// The generation.
    pub(super) generation: u32,
}

/// What the slots of a file hold.
#[derive(Default, Debug)]
pub(super) struct Index {
    /// The keys.
    pub(super) keys: BTreeMap<KeyId, Place>,
    /// Whose keys were destroyed, up to which generation.
    pub(super) erased: BTreeMap<SubjectBytes, Place>,
    /// The first epoch of a content that stayed, and the slot that says so.
    pub(super) expired: BTreeMap<Content, (u32, u32)>,
    /// Slots that hold nothing.
    pub(super) free: Vec<u32>,
    /// Slots whose content is void and still there: a death came in between.
    pub(super) void: Vec<u32>,
    /// Slots that are torn or damaged.
    pub(super) unreadable: Vec<u32>,
    /// Slots in the file.
    pub(super) len: u32,
}

impl Index {
    /// Adds the next slot of the file.
    pub(super) fn push(&mut self, slot: Option<&Slot>) {
        let number = self.len;
        self.len += 1;
        match slot {
            None => self.unreadable.push(number),
            Some(Slot::Free) => self.free.push(number),
            Some(&Slot::Key { id, generation, .. }) => {
                let place = Place { slot: number, generation };
                if let Some(old) = newer(&mut self.keys, id, place) {
                    self.void.push(old);
                }
            }
            Some(&Slot::Erased { subject, generation }) => {
                let place = Place { slot: number, generation };
                if let Some(old) = newer(&mut self.erased, subject, place) {
                    self.void.push(old);
                }
            }
            Some(&Slot::Expired { content, epoch }) => match self.expired.get(&content) {
                Some((later, _)) if *later >= epoch => self.void.push(number),
                _ => {
                    let before = self.expired.insert(content, (epoch, number));
                    self.void.extend(before.map(|(_, slot)| slot));
                }
            },
        }
    }

    /// After the last slot: an erasure holds as soon as its word is written,
    /// also where a death kept the other keys from being overwritten.
    pub(super) fn settle(&mut self) {
        let erased = &self.erased;
        let void = &mut self.void;
        self.keys.retain(|id, place| {
            let is_gone = erased.get(&id.subject).is_some_and(|e| e.generation >= place.generation);
            if is_gone {
                void.push(place.slot);
            }
            !is_gone
        });
    }

    /// The keys of `subject`.
    pub(super) fn of(&self, subject: &SubjectBytes) -> Vec<(KeyId, Place)> {
        let from = KeyId { subject: *subject, content: Content::FIRST, epoch: 0 };
        let to = KeyId { subject: *subject, content: Content::LAST, epoch: u32::MAX };
        self.keys.range(from..=to).map(|(id, place)| (*id, *place)).collect()
    }

    /// The generation of the subject's keys from now on; `None` past the last.
    pub(super) fn generation(&self, subject: &SubjectBytes) -> Option<u32> {
        // The file may have lost the word of an erasure, and not the keys made since.
        let made = self.of(subject).first().map_or(0, |(_, place)| place.generation);
        match self.erased.get(subject) {
            None => Some(made),
            Some(erased) => Some(made.max(erased.generation.checked_add(1)?)),
        }
    }

    /// Whether a key that is not there was destroyed on purpose.
    pub(super) fn was_destroyed(&self, id: &KeyId, generation: u32) -> bool {
        let erased = self.erased.get(&id.subject).is_some_and(|e| e.generation >= generation);
        let expired = self.expired.get(&id.content).is_some_and(|(first, _)| id.epoch < *first);
        erased || expired
    }

    /// Whose keys there are.
    pub(super) fn subjects(&self) -> usize {
        let mut last = None;
        self.keys.keys().filter(|id| last.replace(id.subject) != Some(id.subject)).count()
    }
}

/// Keeps the place of the higher generation; gives the slot of the other.
fn newer<K: Ord>(map: &mut BTreeMap<K, Place>, key: K, place: Place) -> Option<u32> {
    match map.get(&key) {
        Some(known) if known.generation >= place.generation => Some(place.slot),
        _ => map.insert(key, place).map(|old| old.slot),
    }
}
