//! The data keys of all subjects: found, made, destroyed, wrapped anew.
//!
//! They lie beside the master key and not in the data directory, so that a
//! restored copy of the data directory does not bring a destroyed key back.

use std::path::{Path, PathBuf};

use super::VaultError;
use super::cache::DataKey;
use super::data::Content;
use super::slot::{KeyId, SubjectBytes};
use super::slotfile::{Header, SLOTS_MAX, SlotFile};
use super::slots::{Masters, Rewrapped, Slots};

/// The accounts file of one store, opened at its first use.
pub(super) struct Accounts {
    path: PathBuf,
    header: Header,
    masters: Masters,
    slots_max: u32,
    open: Option<Slots>,
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

    /// The master keys.
    pub(super) fn masters(&self) -> Masters {
        self.masters.clone()
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
            *open = Slots { index: file.scan(slots_max)?, file };
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

    fn reader(&mut self) -> Result<&mut Slots, VaultError> {
        if self.open.is_none() {
            let file = SlotFile::open(&self.path, &self.header)?;
            self.open = Some(Slots { index: file.scan(self.slots_max)?, file });
        }
        let path = &self.path;
        self.open.as_mut().ok_or_else(|| VaultError::AccountsMissing { path: path.clone() })
    }

    /// Carries out a change as the process that writes. After a failure the
    /// file is looked at anew: what it holds then is what counts.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Slots) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        if !self.open.as_ref().is_some_and(|open| open.file.is_writable()) {
            self.open = None;
            let file = SlotFile::open_locked(&self.path, &self.header)?;
            // What an earlier process wrote may be in memory only.
            file.sync()?;
            let mut open = Slots { index: file.scan(self.slots_max)?, file };
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

#[cfg(test)]
mod tests {
    use super::super::seal::SealKey;
    use super::super::slot::Slot;
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
