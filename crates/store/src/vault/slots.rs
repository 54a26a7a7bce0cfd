//! The open accounts file with its index: each change is on disk before it is
//! in memory.

use std::sync::Arc;

use surgewall_core::secret::Secret;

use super::cache::DataKey;
use super::data::Content;
use super::index::{Index, Place};
use super::seal::SealKey;
use super::slot::{KeyId, Slot, SubjectBytes, WRAPPED_BYTES};
use super::slotfile::{Filler, Header, SlotFile};
use super::{VaultError, random_key};

/// The master keys: the first wraps, any may open. There are two while a
/// rotation is under way.
pub(super) type Masters = Arc<[SealKey]>;

/// The open file and what it holds.
pub(super) struct Slots {
    pub(super) file: SlotFile,
    pub(super) index: Index,
}

/// What a rotation did to the slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rewrapped {
    /// Keys wrapped anew.
    pub(super) keys: u32,
    /// Keys that did not open, and so are gone.
    pub(super) lost: u32,
}

impl Slots {
    /// The key of `id`. One that was readable when the file was opened and is
    /// not now (damaged, or destroyed by another process) counts as unreadable.
    pub(super) fn unwrap(
        &mut self,
        masters: &[SealKey],
        store: &[u8; 16],
        id: &KeyId,
    ) -> Result<Option<DataKey>, VaultError> {
        let Some(place) = self.index.keys.get(id).copied() else { return Ok(None) };
        if let Some(Slot::Key { id: found, generation, wrapped }) = self.file.read(place.slot)?
            && (found, generation) == (*id, place.generation)
            && let Some(key) = unwrap(masters, &aad(store, id, generation), &wrapped)
        {
            return Ok(Some(DataKey { generation, key: SealKey::new(key.expose()) }));
        }
        self.index.keys.remove(id);
        self.index.unreadable.push(place.slot);
        Ok(None)
    }

    pub(super) fn make(
        &mut self,
        masters: &[SealKey],
        store: &[u8; 16],
        wanted: &[KeyId],
        slots_max: u32,
    ) -> Result<Vec<(KeyId, DataKey)>, VaultError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let master = masters.first().ok_or(VaultError::Sealed)?;
        let slots = self.allocate(wanted.len(), slots_max)?;
        let mut made = Vec::with_capacity(wanted.len());
        let mut places = Vec::with_capacity(wanted.len());
        for (id, slot) in wanted.iter().zip(slots) {
            let full = VaultError::AccountsFull { slots_max };
            let generation = self.index.generation(&id.subject).ok_or(full)?;
            let key = random_key();
            let wrapped = wrap(master, &aad(store, id, generation), &key)?;
            self.file.write(slot, &Slot::Key { id: *id, generation, wrapped })?;
            made.push((*id, DataKey { generation, key: SealKey::new(key.expose()) }));
            places.push((*id, Place { slot, generation }));
        }
        self.file.sync()?;
        self.index.keys.extend(places);
        Ok(made)
    }

    /// Slots to be written: free ones, and new ones at the end.
    fn allocate(&mut self, count: usize, slots_max: u32) -> Result<Vec<u32>, VaultError> {
        let kept = self.index.free.len().saturating_sub(count);
        let more = count.saturating_sub(self.index.free.len());
        let end = u32::try_from(more).ok().and_then(|more| self.index.len.checked_add(more));
        let end = end.filter(|end| *end <= slots_max);
        let end = end.ok_or(VaultError::AccountsFull { slots_max })?;
        let mut slots = self.index.free.split_off(kept);
        slots.extend(self.index.len..end);
        self.index.len = end;
        Ok(slots)
    }

    /// One slot takes the word of the erasure and is synced: from there on it
    /// holds, whatever becomes of the process. Then all else is overwritten. A
    /// slot that cannot be read may have been the subject's: it goes too.
    pub(super) fn erase(&mut self, subject: &SubjectBytes) -> Result<Vec<KeyId>, VaultError> {
        let keys = self.index.of(subject);
        let mut void = std::mem::take(&mut self.index.unreadable);
        if let Some((_, first)) = keys.first() {
            let place = *first;
            let word = Slot::Erased { subject: *subject, generation: place.generation };
            self.file.write(place.slot, &word)?;
            self.file.sync()?;
            let before = self.index.erased.insert(*subject, place);
            void.extend(before.map(|before| before.slot));
            void.extend(keys.iter().skip(1).map(|(_, place)| place.slot));
            self.drop_keys(&keys);
        }
        self.clear(void)?;
        Ok(keys.into_iter().map(|(id, _)| id).collect())
    }

    /// As [`Slots::erase`], for all keys of one content before `epoch`.
    pub(super) fn expire(
        &mut self,
        content: Content,
        epoch: u32,
    ) -> Result<Vec<KeyId>, VaultError> {
        let over = |id: &KeyId| id.content == content && id.epoch < epoch;
        let keys = self.index.keys.iter().filter(|(id, _)| over(id));
        let keys: Vec<_> = keys.map(|(id, place)| (*id, *place)).collect();
        let Some((_, first)) = keys.first() else { return Ok(Vec::new()) };
        let word = self.index.expired.get(&content).map_or(epoch, |(known, _)| epoch.max(*known));
        self.file.write(first.slot, &Slot::Expired { content, epoch: word })?;
        self.file.sync()?;
        let before = self.index.expired.insert(content, (word, first.slot));
        let mut void: Vec<_> = before.map(|(_, slot)| slot).into_iter().collect();
        void.extend(keys.iter().skip(1).map(|(_, place)| place.slot));
        self.drop_keys(&keys);
        self.clear(void)?;
        Ok(keys.into_iter().map(|(id, _)| id).collect())
    }

    fn drop_keys(&mut self, keys: &[(KeyId, Place)]) {
        for (id, _) in keys {
            self.index.keys.remove(id);
        }
    }

    /// Overwrites slots and makes that safe on disk.
    pub(super) fn clear(&mut self, slots: Vec<u32>) -> Result<(), VaultError> {
        if slots.is_empty() {
            return Ok(());
        }
        for slot in &slots {
            self.file.write(*slot, &Slot::Free)?;
        }
        self.file.sync()?;
        self.index.free.extend(slots);
        Ok(())
    }

    pub(super) fn rewrap(
        &self,
        masters: &[SealKey],
        header: &Header,
        slots_max: u32,
    ) -> Result<(SlotFile, Rewrapped), VaultError> {
        let master = masters.first().ok_or(VaultError::Sealed)?;
        let mut rewrapped = Rewrapped { keys: 0, lost: 0 };
        let mut new = Filler::new(SlotFile::create_beside(self.file.path(), header)?);
        let mut number = 0;
        self.file.each(slots_max, |slot| {
            let here = number;
            number += 1;
            match slot {
                Some(Slot::Key { id, generation, wrapped }) => {
                    if self.index.keys.get(&id).is_none_or(|place| place.slot != here) {
                        return Ok(());
                    }
                    let aad = aad(&header.store, &id, generation);
                    let Some(key) = unwrap(masters, &aad, &wrapped) else {
                        rewrapped.lost += 1;
                        return Ok(());
                    };
                    rewrapped.keys += 1;
                    new.push(&Slot::Key { id, generation, wrapped: wrap(master, &aad, &key)? })
                }
                Some(Slot::Free) => Ok(()),
                Some(word) => new.push(&word),
                None => {
                    rewrapped.lost += 1;
                    Ok(())
                }
            }
        })?;
        Ok((new.finish()?.replace(&self.file)?, rewrapped))
    }
}

/// What a data key is wrapped for.
fn aad(store: &[u8; 16], id: &KeyId, generation: u32) -> Vec<u8> {
    let (epoch, generation) = (id.epoch.to_le_bytes(), generation.to_le_bytes());
    [b"slot\0", store.as_slice(), &[id.content.byte()], &epoch, &generation, &id.subject].concat()
}

fn wrap(
    master: &SealKey,
    aad: &[u8],
    key: &Secret<[u8; 32]>,
) -> Result<[u8; WRAPPED_BYTES], VaultError> {
    master.seal(aad, key.expose()).try_into().map_err(|_| VaultError::Sealed)
}

fn unwrap(
    masters: &[SealKey],
    aad: &[u8],
    wrapped: &[u8; WRAPPED_BYTES],
) -> Option<Secret<[u8; 32]>> {
    let plain = Secret::new(masters.iter().find_map(|master| master.open(aad, wrapped))?);
    <[u8; 32]>::try_from(plain.expose().as_slice()).ok().map(Secret::new)
}
