//! The door's picture of its people, in memory: what every request reads.
//!
//! A key is found by one keyed hash and one probe of a map; no request reads or
//! writes the database. The picture is loaded whole at start, and each change
//! is put into it after the store has it, so an operator's effect holds for the
//! next request.

mod bcrypt;
mod entry;
mod memo;
mod state;
mod touched;
mod unsettled;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use surgewall_core::apikey;
use surgewall_core::clock::Timestamp;
use surgewall_core::digest::sha256;
use surgewall_core::id::{AccountId, GroupId, KeyId};
use surgewall_core::limits::CREDENTIAL_BYTES_MAX;
use surgewall_core::principal::{AccountRecord, DelegatedUser, GroupRecord, KeyRecord};
use surgewall_core::refusal::CredentialFault;
use surgewall_core::role::Role;

use crate::people::sealed::{external_hash, purpose};
use crate::people::{Change, PAGE_ROWS_MAX, People, Pick, StoreError};
use crate::vault::Vault;

pub use bcrypt::{BCRYPT_AT_ONCE_MAX, BCRYPT_WAITING_MAX};
pub use memo::VERIFIED_MAX;
pub use touched::{Batch, LAST_USE_WRITE_S, USERS_KNOWN_MAX, USERS_PENDING_MAX};

use entry::Entry;
use state::{Relink, State};

/// Keys that the door holds at most, revoked ones included (about 0.5 KiB each).
pub const KEYS_MAX: usize = 8_000_000;
/// Accounts that the door holds at most.
pub const ACCOUNTS_MAX: usize = 8_000_000;
/// Groups that the door holds at most.
pub const GROUPS_MAX: usize = 100_000;
/// bcrypt keys that may share one prefix: what one wrong credential can cost.
pub const BCRYPT_CANDIDATES_MAX: usize = 8;
/// Different lengths of bcrypt prefixes in use at once: each is one hash a lookup.
pub const BCRYPT_PREFIX_LENGTHS_MAX: usize = 4;
/// Records that are swapped under one hold of the lock.
const RELINK_BATCH: usize = 1_024;

/// How much fits into the picture.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Keys.
    pub keys_max: usize,
    /// Accounts.
    pub accounts_max: usize,
    /// Groups.
    pub groups_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { keys_max: KEYS_MAX, accounts_max: ACCOUNTS_MAX, groups_max: GROUPS_MAX }
    }
}

/// The picture. Clones share it.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    vault: Vault,
    bounds: Bounds,
    state: RwLock<State>,
    touched: Mutex<touched::Touched>,
    slow: bcrypt::Slow,
    unsettled: Mutex<unsettled::Unsettled>,
    /// Counts what was installed, so that others notice changes.
    version: AtomicU64,
    /// One operator's change at a time: what was checked still holds when it is written.
    changes: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("sizes", &self.sizes()).finish()
    }
}

/// What a picture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Keys, revoked ones included.
    pub keys: usize,
    /// Accounts.
    pub accounts: usize,
    /// Groups.
    pub groups: usize,
}

impl Directory {
    /// An empty picture.
    #[must_use]
    pub fn new(vault: Vault, bounds: Bounds) -> Self {
        let inner = Inner {
            vault,
            bounds,
            state: RwLock::default(),
            touched: Mutex::default(),
            slow: bcrypt::Slow::default(),
            unsettled: Mutex::default(),
            version: AtomicU64::new(1),
            changes: tokio::sync::Mutex::new(()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The picture of everything in `people`, read page by page.
    ///
    /// # Errors
    /// The store failed, or a row does not open under `vault`.
    pub async fn load(people: &impl People, vault: Vault) -> Result<Self, StoreError> {
        let directory = Self::new(vault, Bounds::default());
        let mut id = 0;
        while let Some(rows) = page(people.groups(&after(id)).await?) {
            id = rows.last().map_or(id, |row| row.id.as_u128());
            directory.learn(&rows.into_iter().map(Change::Group).collect::<Vec<_>>())?;
        }
        let mut id = 0;
        while let Some(rows) = page(people.accounts(&after(id)).await?) {
            id = rows.last().map_or(id, |row| row.id.as_u128());
            directory.learn(&rows.into_iter().map(Change::Account).collect::<Vec<_>>())?;
        }
        let mut id = 0;
        while let Some(rows) = page(people.keys(&after(id)).await?) {
            id = rows.last().map_or(id, |row| row.id.as_u128());
            directory.learn(&rows.into_iter().map(Change::Key).collect::<Vec<_>>())?;
        }
        let mut after = (KeyId::from_u128(0), DelegatedUser(0));
        while let Some(users) = page(people.users_first_seen(after).await?) {
            after = users.last().map_or(after, |last| (last.key, last.user));
            let mut touched = directory.touched();
            users.iter().for_each(|first| touched.known(first.user, first.at));
        }
        Ok(directory)
    }

    /// The key that `credential` is, if it may be used at `now`: one keyed hash
    /// and one probe. A text of our own form with a wrong checksum is refused
    /// without either.
    ///
    /// # Errors
    /// Why not. [`CredentialFault::Unknown`] may be a bcrypt key that was not
    /// used since the start: [`Directory::find_key`] compares it then.
    pub fn find_key_at_once(
        &self,
        credential: &str,
        now: Timestamp,
    ) -> Result<Arc<KeyRecord>, CredentialFault> {
        let hash = self.credential_hash(credential)?;
        let known = self.state().key(&hash);
        let known = known.or_else(|| self.inner.slow.verified(&hash, &self.state()));
        judge(known.ok_or(CredentialFault::Unknown)?, now)
    }

    /// The key that `credential` is, whatever its state: one keyed hash and one
    /// probe. A bcrypt key is known here only once it was used since the start.
    #[must_use]
    pub fn key_of(&self, credential: &str) -> Option<Arc<KeyRecord>> {
        let hash = self.credential_hash(credential).ok()?;
        let state = self.state();
        state.key(&hash).or_else(|| self.inner.slow.verified(&hash, &state))
    }

    /// The keyed hash that a credential is found by.
    fn credential_hash(&self, credential: &str) -> Result<[u8; 32], CredentialFault> {
        if credential.is_empty() || credential.len() > CREDENTIAL_BYTES_MAX {
            return Err(CredentialFault::Malformed);
        }
        if !credential.starts_with(apikey::PREFIX) {
            let digest = sha256(credential.as_bytes());
            return Ok(self.inner.vault.keyed_hash(purpose::CREDENTIAL_SHA256, &digest));
        }
        if !apikey::is_well_formed(credential) {
            return Err(CredentialFault::Malformed);
        }
        Ok(self.inner.vault.keyed_hash(purpose::CREDENTIAL_OWN, credential.as_bytes()))
    }

    /// The account that came by tokens of `issuer` with this `subject`, if one
    /// was made; [`crate::admin::Request::AccountEnsure`] makes it. The caller
    /// judges whether it is suspended.
    #[must_use]
    pub fn account_by_external(&self, issuer: &str, subject: &str) -> Option<Arc<AccountRecord>> {
        let hash = external_hash(&self.inner.vault, issuer, subject);
        self.state().external(&hash)
    }

    /// The account with this id.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<Arc<AccountRecord>> {
        self.state().account(id)
    }

    /// Whether there is an owner beside `account` who is not suspended.
    #[must_use]
    pub fn has_owner_beside(&self, account: AccountId) -> bool {
        let owns = |other: &AccountRecord| other.role == Role::Owner && !other.suspended;
        self.state().accounts().any(|other| other.id != account && owns(other))
    }

    /// The key with this id, whatever its state.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<Arc<KeyRecord>> {
        self.state().key_by_id(id)
    }

    /// The number of the present state: another one after every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.inner.version.load(Ordering::Acquire)
    }

    /// Why a caller that was let in by `key`, or by a token for `account`, may
    /// not go on. An expiry is no such reason: it holds for new requests only.
    #[must_use]
    pub fn withdrawn(
        &self,
        key: Option<KeyId>,
        account: Option<AccountId>,
    ) -> Option<CredentialFault> {
        let state = self.state();
        let key = match key {
            Some(id) => match state.key_by_id(id) {
                None => return Some(CredentialFault::Unknown),
                Some(key) if key.revoked_at.is_some() => return Some(CredentialFault::Revoked),
                key => key,
            },
            None => None,
        };
        let owner = key.and_then(|key| key.account.clone());
        let account = owner.or_else(|| account.and_then(|id| state.account(id)));
        account.filter(|account| account.suspended).map(|_| CredentialFault::Suspended)
    }

    /// The group with this name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<Arc<GroupRecord>> {
        self.state().group_named(name)
    }

    /// The group with this id.
    #[must_use]
    pub fn group_by_id(&self, id: GroupId) -> Option<Arc<GroupRecord>> {
        self.state().group(id)
    }

    /// How many there are.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.state().sizes()
    }

    /// Holds back other operators' changes while one is checked and written.
    pub(crate) async fn lock_changes(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.changes.lock().await
    }

    /// What `changes` mean, before they are written: a row that cannot be
    /// opened or does not fit must not reach the store.
    pub(crate) fn open(&self, changes: &[Change]) -> Result<Vec<Entry>, StoreError> {
        changes.iter().map(|change| entry::open(&self.inner.vault, change)).collect()
    }

    /// Puts `entries` into the picture. When it returns, every later lookup sees
    /// all of them, also through the keys of a changed account or group.
    pub(crate) fn install(&self, entries: Vec<Entry>) {
        let mut relink = Relink::default();
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let mut state = self.state_mut();
            entries.by_ref().take(RELINK_BATCH).for_each(|entry| state.put(entry, &mut relink));
        }
        self.inner.slow.forget_refused();
        self.relink(relink);
        // Last: whoever sees the new number sees all of the change.
        self.inner.version.fetch_add(1, Ordering::Release);
    }

    /// Swaps the records that hold a changed account or group, some at a time,
    /// so that requests go on while a group of a million keys changes.
    fn relink(&self, relink: Relink) {
        let (accounts, mut slots) = relink.into_parts();
        for batch in accounts.chunks(RELINK_BATCH) {
            let mut state = self.state_mut();
            batch.iter().for_each(|account| state.relink_account(*account, &mut slots));
        }
        for batch in slots.chunks(RELINK_BATCH) {
            let mut state = self.state_mut();
            batch.iter().for_each(|slot| state.relink_key(*slot));
        }
    }

    fn learn(&self, changes: &[Change]) -> Result<(), StoreError> {
        let entries = self.open(changes)?;
        self.install(entries);
        Ok(())
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.inner.bounds
    }

    /// How many bcrypt keys share this prefix.
    pub(crate) fn bcrypt_candidates_of(&self, prefix_hash: &[u8; 32]) -> usize {
        self.state().candidates(prefix_hash).len()
    }

    /// The lengths of bcrypt prefixes in use.
    pub(crate) fn bcrypt_prefix_lengths(&self) -> BTreeSet<u8> {
        self.state().prefix_lengths().collect()
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.inner.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.inner.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn touched(&self) -> MutexGuard<'_, touched::Touched> {
        self.inner.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a key that was found may be used at `now`.
fn judge(key: Arc<KeyRecord>, now: Timestamp) -> Result<Arc<KeyRecord>, CredentialFault> {
    if key.revoked_at.is_some() {
        return Err(CredentialFault::Revoked);
    }
    if key.expires_at.is_some_and(|end| now >= end) {
        return Err(CredentialFault::Expired);
    }
    if key.account.as_ref().is_some_and(|account| account.suspended) {
        return Err(CredentialFault::Suspended);
    }
    Ok(key)
}

fn after(id: u128) -> Pick {
    Pick::After { id, rows_max: PAGE_ROWS_MAX }
}

fn page<T>(rows: Vec<T>) -> Option<Vec<T>> {
    (!rows.is_empty()).then_some(rows)
}

#[cfg(test)]
mod tests;
