//! Foreign keys known only by their bcrypt hash: slow by design, so done beside
//! the request path, a few at a time, and once per credential.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use surgewall_core::clock::Timestamp;
use surgewall_core::principal::KeyRecord;
use surgewall_core::refusal::CredentialFault;
use surgewall_core::secret::SecretString;
use tokio::sync::Semaphore;

use super::memo::{Memo, VERIFIED_MAX};
use super::state::{Candidate, Slot, State};
use super::{Directory, judge};
use crate::people::sealed::purpose;

/// bcrypt comparisons that run at once: they must not take the cores that
/// serve requests.
pub const BCRYPT_AT_ONCE_MAX: usize = 2;
/// Lookups that wait for one.
pub const BCRYPT_WAITING_MAX: usize = 256;
/// bcrypt reads no more than 72 bytes, the last of them a zero: two longer
/// credentials that begin alike would be the same to it.
const BCRYPT_CREDENTIAL_BYTES_MAX: usize = 71;

/// What the slow path remembers and how it is bounded.
pub(super) struct Slow {
    verified: Mutex<Memo<Slot>>,
    refused: Mutex<Memo<()>>,
    permits: Semaphore,
    waiting: AtomicUsize,
    /// Counts changes: a refusal that was found before one says nothing after it.
    changes: AtomicUsize,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            verified: Mutex::new(Memo::new(VERIFIED_MAX)),
            refused: Mutex::new(Memo::new(VERIFIED_MAX)),
            permits: Semaphore::new(BCRYPT_AT_ONCE_MAX),
            waiting: AtomicUsize::new(0),
            changes: AtomicUsize::new(0),
        }
    }
}

impl Slow {
    /// The key that a credential with this hash was verified as.
    pub(super) fn verified(&self, hash: &[u8; 32], state: &State) -> Option<Arc<KeyRecord>> {
        state.prefix_lengths().next()?;
        lock(&self.verified).find(hash).and_then(|slot| state.slot(slot))
    }

    /// A new key may be what a refused credential was waiting for.
    pub(super) fn forget_refused(&self) {
        let mut refused = lock(&self.refused);
        self.changes.fetch_add(1, Ordering::SeqCst);
        refused.clear();
    }

    fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    fn refuse(&self, hash: [u8; 32], changes_before: usize) {
        let mut refused = lock(&self.refused);
        if self.changes() == changes_before {
            refused.insert(hash, ());
        }
    }

    /// Takes a place in the queue, or `None` if it is full.
    fn queue(&self) -> Option<Place<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let place = Place(&self.waiting);
        (before < BCRYPT_WAITING_MAX).then_some(place)
    }
}

/// A place in the queue; it is free again when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// The key that `credential` is, if it may be used at `now`. All but the
    /// first use of a bcrypt key is [`Directory::find_key_at_once`]; that one
    /// compares the credential with the bcrypt keys that share its prefix, at
    /// most [`super::BCRYPT_CANDIDATES_MAX`] of them, off the runtime.
    ///
    /// # Errors
    /// Why not; [`CredentialFault::Busy`] where too many comparisons wait.
    pub async fn find_key(
        &self,
        credential: &str,
        now: Timestamp,
    ) -> Result<Arc<KeyRecord>, CredentialFault> {
        let known = self.find_key_at_once(credential, now);
        if !matches!(known, Err(CredentialFault::Unknown)) || !self.has_bcrypt_keys() {
            return known;
        }
        // Boxed: the rare path must not make every request's future larger.
        Box::pin(self.compare_slowly(credential, now)).await
    }

    fn has_bcrypt_keys(&self) -> bool {
        self.state().prefix_lengths().next().is_some()
    }

    async fn compare_slowly(
        &self,
        credential: &str,
        now: Timestamp,
    ) -> Result<Arc<KeyRecord>, CredentialFault> {
        let hash = self.credential_hash(credential)?;
        let slow = &self.inner.slow;
        let changes_before = slow.changes();
        let candidates = self.bcrypt_candidates(credential);
        if candidates.is_empty() || lock(&slow.refused).find(&hash).is_some() {
            return Err(CredentialFault::Unknown);
        }
        let _place = slow.queue().ok_or(CredentialFault::Busy)?;
        let _permit = slow.permits.acquire().await.map_err(|_| CredentialFault::Busy)?;
        // The same credential may have been compared while this one waited.
        if let known @ Ok(_) = self.find_key_at_once(credential, now) {
            return known;
        }
        if lock(&slow.refused).find(&hash).is_some() {
            return Err(CredentialFault::Unknown);
        }
        let Some(slot) = compare(credential, candidates).await? else {
            slow.refuse(hash, changes_before);
            return Err(CredentialFault::Unknown);
        };
        lock(&slow.verified).insert(hash, slot);
        let key = self.state().slot(slot).ok_or(CredentialFault::Unknown)?;
        judge(key, now)
    }

    fn bcrypt_candidates(&self, credential: &str) -> Vec<Candidate> {
        if credential.len() > BCRYPT_CREDENTIAL_BYTES_MAX {
            return Vec::new();
        }
        let state = self.state();
        let prefixes = state.prefix_lengths().filter_map(|len| {
            let prefix = credential.as_bytes().get(..usize::from(len))?;
            Some(self.inner.vault.keyed_hash(purpose::PREFIX, prefix))
        });
        prefixes.flat_map(|prefix| state.candidates(&prefix)).collect()
    }
}

/// The first candidate whose hash the credential has, compared off the runtime.
async fn compare(
    credential: &str,
    candidates: Vec<Candidate>,
) -> Result<Option<Slot>, CredentialFault> {
    let credential = SecretString::new(credential.to_owned());
    let compared = tokio::task::spawn_blocking(move || {
        let same = |candidate: &&Candidate| {
            bcrypt::non_truncating_verify(credential.expose(), &candidate.hash).unwrap_or(false)
        };
        candidates.iter().find(same).map(|candidate| candidate.slot)
    });
    compared.await.map_err(|_| CredentialFault::Busy)
}
