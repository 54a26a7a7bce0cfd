//! The data keys of all subjects: found, made, destroyed, wrapped anew.
//!
//! They lie beside the master key and not in the data directory, so that a
//! restored copy of the data directory does not bring a destroyed key back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use surgewall_core::secret::Secret;

use super::cache::DataKey;
use super::data::Content;
use super::index::{Index, Place};
use super::seal::SealKey;
use super::slot::{KeyId, Slot, SubjectBytes, WRAPPED_BYTES};
use super::slotfile::{Filler, Header, SLOTS_MAX, SlotFile};
use super::{VaultError, random_key};

/// The master keys: the first wraps, any may open. There are two while a
/// rotation is under way.
pub(super) type Masters = Arc<[SealKey]>;

/// The accounts file of one store, opened at its first use.
pub(super) struct Accounts {
    path: PathBuf,
    header: Header,
    masters: Masters,
    slots_max: u32,
    open: Option<Open>,
}

/// The open file and what it holds.
struct Open {
    file: SlotFile,
    index: Index,
}

/// How the file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Census {
    /// Keys.
    pub(super) keys: usize,
    /// Whose keys.
    pub(super) subjects: usize,
    /// Subjects that were erased.
    pub(super) erased: usize,
    /// Slots that are torn or damaged.
    pub(super) unreadable: usize,
}

/// What a rotation did to the slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rewrapped {
    /// Keys wrapped anew.
    pub(super) keys: u32,
    /// Keys that did not open, and so are gone.
    pub(super) lost: u32,
}

impl Accounts {
    /// The file at `path`, looked at when it is needed.
    pub(super) fn new(path: PathBuf, header: Header, masters: Masters) -> Self {
        Self { path, header, masters, slots_max: SLOTS_MAX, open: None }
    }

    #[cfg(test)]
    pub(super) fn limit(&mut self, slots_max: u32) {
        (self.slots_max, self.open) = (slots_max, None);
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is there and this store's.
    pub(super) fn check(&self) -> Result<(), VaultError> {
        SlotFile::open(&self.path, &self.header).map(drop)
    }

    /// The master keys from now on.
    pub(super) fn set_masters(&mut self, masters: Masters) {
        self.masters = masters;
    }

    /// The key of `id` and this generation.
    pub(super) fn find(
        &mut self,
        id: &KeyId,
        generation: u32,
    ) -> Result<Option<DataKey>, VaultError> {
        loop {
            let (masters, store) = (self.masters.clone(), self.header.store);
            let open = self.reader()?;
            let place = open.index.keys.get(id);
            if place.is_some_and(|place| place.generation == generation)
                && let Some(key) = open.unwrap(&masters, &store, id)?
            {
                return Ok(Some(key));
            }
            if !open.file.is_stale() {
                return Ok(None);
            }
            self.open = None;
        }
    }

    /// Whether a key that is not there was destroyed on purpose.
    pub(super) fn was_destroyed(
        &mut self,
        id: &KeyId,
        generation: u32,
    ) -> Result<bool, VaultError> {
        Ok(self.reader()?.index.was_destroyed(id, generation))
    }

    /// The key of `id` as it is now, made if there is none.
    pub(super) fn find_or_make(&mut self, id: &KeyId) -> Result<DataKey, VaultError> {
        let (masters, store, slots_max) = (self.masters.clone(), self.header.store, self.slots_max);
        let made = self.change(|open| {
            if let Some(key) = open.unwrap(&masters, &store, id)? {
                return Ok(Some(key));
            }
            let made = open.make(&masters, &store, &[*id], slots_max)?;
            Ok(made.into_iter().next().map(|(_, key)| key))
        });
        made?.ok_or(VaultError::Sealed)
    }

    /// Becomes the process that writes.
    pub(super) fn own(&mut self) -> Result<(), VaultError> {
        self.change(|_| Ok(()))
    }

    /// Those of `ids` that have no key get one, all with one sync; they are
    /// safe on disk when this returns.
    pub(super) fn make(&mut self, ids: &[KeyId]) -> Result<Vec<(KeyId, DataKey)>, VaultError> {
        let (masters, store, slots_max) = (self.masters.clone(), self.header.store, self.slots_max);
        self.change(|open| {
            let mut wanted: Vec<_> =
                ids.iter().filter(|id| !open.index.keys.contains_key(*id)).copied().collect();
            wanted.sort_unstable();
            wanted.dedup();
            open.make(&masters, &store, &wanted, slots_max)
        })
    }

    /// Destroys all keys of `subject`, and gives which they were.
    pub(super) fn erase(&mut self, subject: &SubjectBytes) -> Result<Vec<KeyId>, VaultError> {
        self.change(|open| open.erase(subject))
    }

    /// Destroys the keys of `content` before `epoch`, and gives which they were.
    pub(super) fn expire(
        &mut self,
        content: Content,
        epoch: u32,
    ) -> Result<Vec<KeyId>, VaultError> {
        self.change(|open| open.expire(content, epoch))
    }

    /// Writes a new file in which the first master key wraps everything, puts
    /// it in place, and overwrites the old one.
    pub(super) fn rewrap(&mut self) -> Result<Rewrapped, VaultError> {
        let (masters, header, slots_max) = (self.masters.clone(), self.header, self.slots_max);
        self.change(|open| {
            let (file, rewrapped) = open.rewrap(&masters, &header, slots_max)?;
            *open = Open { index: file.scan(slots_max)?, file };
            Ok(rewrapped)
        })
    }

    /// How the file is.
    pub(super) fn census(&mut self) -> Result<Census, VaultError> {
        if self.open.as_ref().is_some_and(|open| open.file.is_stale()) {
            self.open = None;
        }
        let index = &self.reader()?.index;
        Ok(Census {
            keys: index.keys.len(),
            subjects: index.subjects(),
            erased: index.erased.len(),
            unreadable: index.unreadable.len(),
        })
    }

    fn reader(&mut self) -> Result<&mut Open, VaultError> {
        if self.open.is_none() {
            let file = SlotFile::open(&self.path, &self.header)?;
            self.open = Some(Open { index: file.scan(self.slots_max)?, file });
        }
        let path = &self.path;
        self.open.as_mut().ok_or_else(|| VaultError::AccountsMissing { path: path.clone() })
    }

    /// Carries out a change as the process that writes. After a failure the
    /// file is looked at anew: what it holds then is what counts.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Open) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        if !self.open.as_ref().is_some_and(|open| open.file.is_writable()) {
            self.open = None;
            let file = SlotFile::open_locked(&self.path, &self.header)?;
            // What an earlier process wrote may be in memory only.
            file.sync()?;
            let mut open = Open { index: file.scan(self.slots_max)?, file };
            let void = std::mem::take(&mut open.index.void);
            open.clear(void)?;
            self.open = Some(open);
        }
        let changed = self.reader().and_then(change);
        if matches!(changed, Err(VaultError::Io { .. })) {
            self.open = None;
        }
        changed
    }
}

impl Open {
    /// The key of `id`. One that was readable when the file was opened and is
    /// not now (damaged, or destroyed by another process) counts as unreadable.
    fn unwrap(
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

    fn make(
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
    fn erase(&mut self, subject: &SubjectBytes) -> Result<Vec<KeyId>, VaultError> {
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

    /// As [`Open::erase`], for all keys of one content before `epoch`.
    fn expire(&mut self, content: Content, epoch: u32) -> Result<Vec<KeyId>, VaultError> {
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
    fn clear(&mut self, slots: Vec<u32>) -> Result<(), VaultError> {
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

    fn rewrap(
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

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: u32 = 4;

    fn accounts(base: &Path) -> Accounts {
        let (path, header) = (base.join("k.accounts"), Header { store: [1; 16], id: [2; 16] });
        if !path.exists() {
            super::super::slotfile::create(&path, &header).unwrap();
        }
        let mut accounts = Accounts::new(path, header, [SealKey::new(&[7; 32])].into());
        accounts.limit(SLOTS);
        accounts
    }

    fn ids(numbers: std::ops::Range<u8>) -> Vec<KeyId> {
        numbers.map(|n| KeyId { subject: [n; 17], content: Content::Record, epoch: 9 }).collect()
    }

    #[test]
    fn the_limit_of_slots_holds_and_a_destroyed_key_makes_room() {
        let base = tempfile::tempdir().unwrap();
        let mut accounts = accounts(base.path());
        let full = |made: Result<Vec<_>, VaultError>| {
            matches!(made, Err(VaultError::AccountsFull { slots_max: SLOTS }))
        };
        assert!(full(accounts.make(&ids(0..5))), "all or none");
        assert_eq!(accounts.census().unwrap().keys, 0);
        assert_eq!(accounts.make(&ids(0..4)).unwrap().len(), 4);
        assert!(full(accounts.make(&ids(3..5))));
        // The slot of an erased key is taken by the word of it; that of an expired one too, once.
        assert_eq!(accounts.erase(&[0; 17]).unwrap(), ids(0..1));
        assert!(full(accounts.make(&ids(4..5))));
        assert_eq!(accounts.expire(Content::Record, 10).unwrap(), ids(1..4));
        assert_eq!(accounts.make(&ids(4..6)).unwrap().len(), 2);
        assert!(full(accounts.make(&ids(6..7))));
        let limit = accounts.census().unwrap();
        assert_eq!((limit.keys, limit.erased, limit.unreadable), (2, 1, 0));
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused_and_one_at_it_is_not() {
        let base = tempfile::tempdir().unwrap();
        let mut accounts = accounts(base.path());
        accounts.make(&ids(0..4)).unwrap();
        accounts.limit(SLOTS);
        assert_eq!(accounts.census().unwrap().keys, 4);
        accounts.limit(SLOTS - 1);
        assert!(matches!(accounts.census(), Err(VaultError::AccountsDamaged { .. })));
    }

    #[test]
    fn an_erasure_holds_from_its_first_write_and_a_later_start_ends_it() {
        let base = tempfile::tempdir().unwrap();
        let mut accounts = self::accounts(base.path());
        let months: Vec<_> = (1..4).map(|epoch| KeyId { epoch, ..ids(5..6)[0] }).collect();
        accounts.make(&months).unwrap();
        // The word is written, and then the process dies.
        let open = accounts.open.as_mut().unwrap();
        open.file.write(0, &Slot::Erased { subject: [5; 17], generation: 0 }).unwrap();
        accounts.open = None;
        for id in &months {
            assert!(accounts.find(id, 0).unwrap().is_none());
            assert!(accounts.was_destroyed(id, 0).unwrap());
        }
        let slot = |accounts: &Accounts, at| accounts.open.as_ref().unwrap().file.read(at).unwrap();
        assert!(matches!(slot(&accounts, 2), Some(Slot::Key { .. })), "a reader changes nothing");
        accounts.own().unwrap();
        assert_eq!(slot(&accounts, 1), Some(Slot::Free));
        assert_eq!(slot(&accounts, 2), Some(Slot::Free));
        let again = accounts.find_or_make(&months[0]).unwrap();
        assert_eq!(again.generation, 1);
    }
}
