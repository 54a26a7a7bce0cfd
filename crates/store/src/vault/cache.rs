//! Unwrapped data keys, the ones used last: two halves, and the older one goes
//! when the younger is full.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use super::seal::SealKey;
use super::slot::KeyId;

/// Unwrapped data keys in memory: about 700 bytes each.
pub(super) const KEYS_CACHED_MAX: usize = 16_384;

/// An unwrapped data key.
pub(super) struct DataKey {
    /// Which of the keys of its id it is.
    pub(super) generation: u32,
    /// The key.
    pub(super) key: SealKey,
}

/// The keys used last.
#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<KeyId, Arc<DataKey>>,
    old: HashMap<KeyId, Arc<DataKey>>,
}

impl Cache {
    /// The key, if it is kept.
    pub(super) fn find(&mut self, id: &KeyId) -> Option<Arc<DataKey>> {
        if let Some(key) = self.young.get(id) {
            return Some(key.clone());
        }
        let key = self.old.remove(id)?;
        self.keep(*id, key.clone());
        Some(key)
    }

    /// Keeps a key.
    pub(super) fn keep(&mut self, id: KeyId, key: Arc<DataKey>) {
        if self.young.len() >= KEYS_CACHED_MAX / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(id, key);
    }

    /// Forgets a key.
    pub(super) fn forget(&mut self, id: &KeyId) {
        self.young.remove(id);
        self.old.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::Content;
    use super::*;

    fn id(epoch: usize) -> KeyId {
        let epoch = u32::try_from(epoch).unwrap();
        KeyId { subject: [1; 17], content: Content::Record, epoch }
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let key = Arc::new(DataKey { generation: 0, key: SealKey::new(&[7; 32]) });
        let mut cache = Cache::default();
        for n in 0..3 * KEYS_CACHED_MAX {
            cache.keep(id(n), key.clone());
            assert!(cache.find(&id(0)).is_some(), "{n}");
            assert!(cache.young.len() + cache.old.len() <= KEYS_CACHED_MAX);
        }
        assert!(cache.find(&id(1)).is_none());
        cache.forget(&id(0));
        assert!(cache.find(&id(0)).is_none());
    }
}
