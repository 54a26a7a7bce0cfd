//! Content under its subject's own keys: sealed, opened, and closed for good.

use std::sync::{Arc, MutexGuard, PoisonError};

use surgewall_core::clock::Timestamp;
use surgewall_core::subject::Subject;

use super::accounts::Accounts;
use super::cache::{Cache, DataKey};
use super::slot::{KeyId, SubjectBytes};
use super::{Vault, VaultError};

/// Days of one epoch: as long one data key is used, and so exactly it can be
/// destroyed by age. With random nonces a data key may seal 2^32 values before
/// nonces repeat with a probability of 2^-33 (NIST SP 800-38D, 8.3): 1,600 a
/// second for these days.
pub const EPOCH_DAYS: u64 = 30;
/// The head of sealed content: version, epoch, generation.
const HEAD_BYTES: usize = 1 + 4 + 4;
const CONTENT_VERSION: u8 = 2;

/// What the content is: each has data keys of its own, because they are kept
/// for different times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Content {
    /// What its owner sees again: titles, messages, attachments.
    Conversation,
    /// What the door keeps of requests and answers.
    Record,
}

impl Content {
    pub(super) const FIRST: Self = Self::Conversation;
    pub(super) const LAST: Self = Self::Record;

    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Conversation => 1,
            Self::Record => 2,
        }
    }

    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Conversation),
            2 => Some(Self::Record),
            _ => None,
        }
    }
}

/// A stretch of [`EPOCH_DAYS`] days, counted from 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(u32);

impl Epoch {
    /// The epoch in which `at` lies.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.day() / EPOCH_DAYS).unwrap_or(u32::MAX))
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// What an erasure destroyed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Erased {
    /// Data keys; 0 where there were none.
    pub keys: u32,
}

impl Vault {
    /// `plain`, sealed under the data key of (`content`, `subject`, the epoch
    /// of `at`), which is made at its first use and safe on disk before this
    /// returns. `context` (table, column, row; block id) is bound in.
    ///
    /// The form: version 2 | epoch u32 | generation u32 | nonce 12 | ciphertext
    /// | tag 16: 37 bytes more than `plain`. Where the key is new this waits
    /// for the disk.
    ///
    /// # Errors
    /// A new key cannot be written, or the accounts file is full or in use.
    pub fn seal_for(
        &self,
        content: Content,
        subject: Subject,
        at: Timestamp,
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let id = key_id(content, subject, Epoch::of(at));
        let key = self.key_to_seal(&id)?;
        let head = head(id.epoch, key.generation);
        Ok(key.key.seal_after(&head, &self.content_aad(&id, &head, context), plain))
    }

    /// What [`Vault::seal_for`] sealed for the same content, subject and context.
    ///
    /// # Errors
    /// [`VaultError::Erased`] where its key was destroyed, [`VaultError::KeyLost`]
    /// where it is missing, [`VaultError::Sealed`] where the value was changed;
    /// or the accounts file cannot be read.
    pub fn open_for(
        &self,
        content: Content,
        subject: Subject,
        context: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let (head, rest) = sealed.split_first_chunk::<HEAD_BYTES>().ok_or(VaultError::Sealed)?;
        let [version, a, b, c, d, e, f, g, h] = *head;
        if version != CONTENT_VERSION {
            return Err(VaultError::Sealed);
        }
        let generation = u32::from_le_bytes([e, f, g, h]);
        let id = key_id(content, subject, Epoch(u32::from_le_bytes([a, b, c, d])));
        let key = self.key_to_open(&id, generation)?;
        let aad = self.content_aad(&id, head, context);
        key.key.open_after(&aad, rest).ok_or(VaultError::Sealed)
    }

    /// Makes the data keys that are not there yet, all with one sync.
    ///
    /// # Errors
    /// They cannot be written, or the accounts file is full or in use.
    pub fn ready_keys(&self, wanted: &[(Content, Subject, Epoch)]) -> Result<(), VaultError> {
        let ids = wanted.iter().map(|(content, subject, epoch)| key_id(*content, *subject, *epoch));
        let mut missing: Vec<_> = ids.collect();
        {
            let mut cache = self.cache();
            missing.retain(|id| cache.find(id).is_none());
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mut accounts = self.accounts();
        let made = accounts.make(&missing)?;
        let mut cache = self.cache();
        for (id, key) in made {
            cache.keep(id, Arc::new(key));
        }
        Ok(())
    }

    /// Destroys all data keys of `subject`, of every content; durable when it
    /// returns. What was sealed under them stays closed for ever; what is
    /// sealed for the subject from now on gets new keys.
    ///
    /// # Errors
    /// The accounts file cannot be written: try again until it can.
    pub fn erase(&self, subject: Subject) -> Result<Erased, VaultError> {
        let mut accounts = self.accounts();
        let gone = accounts.erase(&subject.to_bytes());
        Ok(Erased { keys: self.forget(accounts, gone)? })
    }

    /// Destroys the keys of `content` whose epoch was over before the epoch of
    /// `before` began, and gives their number.
    ///
    /// # Errors
    /// The accounts file cannot be written.
    pub fn expire(&self, content: Content, before: Timestamp) -> Result<u32, VaultError> {
        let mut accounts = self.accounts();
        let gone = accounts.expire(content, Epoch::of(before).number());
        self.forget(accounts, gone)
    }

    /// Forgets keys that were destroyed, before anybody else finds one.
    fn forget(
        &self,
        accounts: MutexGuard<'_, Accounts>,
        gone: Result<Vec<KeyId>, VaultError>,
    ) -> Result<u32, VaultError> {
        let mut cache = self.cache();
        if gone.is_err() {
            // It may have been half done: the file says what is left.
            *cache = Cache::default();
        }
        let gone = gone?;
        for id in &gone {
            cache.forget(id);
        }
        drop(accounts);
        Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
    }

    fn key_to_seal(&self, id: &KeyId) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.cache().find(id) {
            return Ok(key);
        }
        let mut accounts = self.accounts();
        let key = accounts.find_or_make(id)?;
        Ok(self.kept(id, key))
    }

    fn key_to_open(&self, id: &KeyId, generation: u32) -> Result<Arc<DataKey>, VaultError> {
        let cached = self.cache().find(id);
        if let Some(key) = cached.filter(|key| key.generation == generation) {
            return Ok(key);
        }
        let mut accounts = self.accounts();
        match accounts.find(id, generation)? {
            Some(key) => Ok(self.kept(id, key)),
            None if accounts.was_destroyed(id, generation)? => Err(VaultError::Erased),
            None => Err(VaultError::KeyLost { path: accounts.path().to_owned() }),
        }
    }

    /// Keeps a key. The caller holds the accounts: or a key could be kept that
    /// was destroyed meanwhile.
    fn kept(&self, id: &KeyId, key: DataKey) -> Arc<DataKey> {
        let key = Arc::new(key);
        self.cache().keep(*id, key.clone());
        key
    }

    /// The accounts file. Whoever needs the cache too takes this first.
    pub(super) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.inner.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn content_aad(&self, id: &KeyId, head: &[u8; HEAD_BYTES], context: &str) -> Vec<u8> {
        let subject: &SubjectBytes = &id.subject;
        let (store, context) = (self.inner.store.as_slice(), context.as_bytes());
        [b"content\0", store, &[id.content.byte()], head, subject, context].concat()
    }
}

fn key_id(content: Content, subject: Subject, epoch: Epoch) -> KeyId {
    KeyId { subject: subject.to_bytes(), content, epoch: epoch.0 }
}

fn head(epoch: u32, generation: u32) -> [u8; HEAD_BYTES] {
    let mut head = [CONTENT_VERSION; HEAD_BYTES];
    head[1..5].copy_from_slice(&epoch.to_le_bytes());
    head[5..].copy_from_slice(&generation.to_le_bytes());
    head
}
