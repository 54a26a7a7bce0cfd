//! Last uses, and good uses of accounts, kept in memory until they are written
//! in one batch.

use std::collections::HashMap;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, KeyId};
use surgewall_core::principal::DelegatedUser;

use super::Directory;
use crate::people::{People, StoreError, UserSeen};

/// Seconds between two batches of last uses.
pub const LAST_USE_WRITE_S: u64 = 60;
/// Delegated users that wait for the next batch: clients choose their names,
/// so past it the others are not remembered this time.
pub const USERS_PENDING_MAX: usize = 65_536;
/// Delegated users of which the door holds in memory since when they are known
/// (about 24 bytes each): past it, further ones stay young until the next start.
pub const USERS_KNOWN_MAX: usize = 1_000_000;

/// What was touched since the last batch. Keys and accounts are bounded by the directory.
#[derive(Debug, Default)]
pub(super) struct Touched {
    keys: HashMap<KeyId, Timestamp>,
    users: HashMap<(KeyId, DelegatedUser), Timestamp>,
    accounts: HashMap<AccountId, Timestamp>,
    /// By half of their keyed hash, in seconds since the epoch.
    known_users: HashMap<u64, u32>,
}

/// What a batch is to write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// When keys were last used.
    pub keys: Vec<(KeyId, Timestamp)>,
    /// Which delegated users were seen.
    pub users: Vec<UserSeen>,
    /// When accounts last used the door well.
    pub accounts: Vec<(AccountId, Timestamp)>,
}

impl Touched {
    pub(super) fn key(&mut self, key: KeyId, now: Timestamp) {
        let at = self.keys.entry(key).or_insert(now);
        *at = now.max(*at);
    }

    pub(super) fn account(&mut self, account: AccountId, now: Timestamp) {
        let at = self.accounts.entry(account).or_insert(now);
        *at = now.max(*at);
    }

    pub(super) fn user(&mut self, key: KeyId, user: DelegatedUser, now: Timestamp) {
        self.known(user, now);
        let full = self.users.len() >= USERS_PENDING_MAX;
        match self.users.get_mut(&(key, user)) {
            Some(at) => *at = now.max(*at),
            None if full => {}
            None => {
                self.users.insert((key, user), now);
            }
        }
    }

    /// Notes that `user` is known since `first` at the latest.
    pub(super) fn known(&mut self, user: DelegatedUser, first: Timestamp) {
        let full = self.known_users.len() >= USERS_KNOWN_MAX;
        let first = u32::try_from(first.seconds()).unwrap_or(u32::MAX);
        match self.known_users.get_mut(&half(user)) {
            Some(known) => *known = first.min(*known),
            None if full => {}
            None => {
                self.known_users.insert(half(user), first);
            }
        }
    }

    pub(super) fn known_since(&self, user: DelegatedUser) -> Option<Timestamp> {
        let first = self.known_users.get(&half(user))?;
        Some(Timestamp::from_millis(u64::from(*first) * 1_000))
    }

    pub(super) fn last_use(&self, key: KeyId) -> Option<Timestamp> {
        self.keys.get(&key).copied()
    }

    pub(super) fn last_seen(&self, key: KeyId, user: DelegatedUser) -> Option<Timestamp> {
        self.users.get(&(key, user)).copied()
    }

    pub(super) fn drain(&mut self) -> Batch {
        let users = std::mem::take(&mut self.users).into_iter();
        Batch {
            keys: std::mem::take(&mut self.keys).into_iter().collect(),
            users: users.map(|((key, user), at)| UserSeen { key, user, at }).collect(),
            accounts: std::mem::take(&mut self.accounts).into_iter().collect(),
        }
    }
}

impl Directory {
    /// Remembers that `key` was used at `now`, in memory only.
    pub fn touch(&self, key: KeyId, now: Timestamp) {
        self.touched().key(key, now);
    }

    /// Remembers that `key` named `user` at `now`, in memory only.
    pub fn touch_user(&self, key: KeyId, user: DelegatedUser, now: Timestamp) {
        self.touched().user(key, user, now);
    }

    /// Since when `user` is known to its key, as far as that is in memory.
    #[must_use]
    pub fn user_known_since(&self, user: DelegatedUser) -> Option<Timestamp> {
        self.touched().known_since(user)
    }

    /// Remembers that `account` used the door well at `now`, in memory only.
    pub fn used_well(&self, account: AccountId, now: Timestamp) {
        self.touched().account(account, now);
    }

    /// When `key` was last used, as far as it is not written yet.
    #[must_use]
    pub fn last_touch(&self, key: KeyId) -> Option<Timestamp> {
        self.touched().last_use(key)
    }

    /// When `key` last named `user`, as far as it is not written yet.
    #[must_use]
    pub fn last_seen(&self, key: KeyId, user: DelegatedUser) -> Option<Timestamp> {
        self.touched().last_seen(key, user)
    }

    /// What was touched since the last drain.
    #[must_use]
    pub fn drain_touched(&self) -> Batch {
        self.touched().drain()
    }

    /// Writes what was touched since the last time, and gives the accounts for
    /// which a further day of good use was counted. Call it every
    /// [`LAST_USE_WRITE_S`] seconds and once at the end, so that no key is
    /// written more often.
    ///
    /// # Errors
    /// The store failed; what was drained is touched again.
    pub async fn write_touched(&self, people: &impl People) -> Result<Vec<AccountId>, StoreError> {
        let batch = self.drain_touched();
        let written = write(people, &batch).await;
        if written.is_err() {
            let mut touched = self.touched();
            batch.keys.iter().for_each(|(key, at)| touched.key(*key, *at));
            batch.users.iter().for_each(|seen| touched.user(seen.key, seen.user, seen.at));
            batch.accounts.iter().for_each(|(account, at)| touched.account(*account, *at));
        }
        written
    }
}

async fn write(people: &impl People, batch: &Batch) -> Result<Vec<AccountId>, StoreError> {
    if !batch.keys.is_empty() {
        people.write_key_uses(&batch.keys).await?;
    }
    if !batch.users.is_empty() {
        people.write_users_seen(&batch.users).await?;
    }
    if batch.accounts.is_empty() {
        return Ok(Vec::new());
    }
    people.write_good_uses(&batch.accounts).await
}

/// The keyed hash names the key too: half of it tells a million users apart.
#[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
const fn half(user: DelegatedUser) -> u64 {
    user.0 as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_users_are_bounded_and_known_ones_still_move() {
        let mut touched = Touched::default();
        let key = KeyId::from_u128(1);
        let at = Timestamp::from_millis;
        for n in 0..=USERS_PENDING_MAX as u128 {
            touched.user(key, DelegatedUser(n), at(1));
        }
        touched.user(key, DelegatedUser(0), at(9));
        let users = touched.drain().users;
        assert_eq!(users.len(), USERS_PENDING_MAX);
        assert!(users.iter().any(|seen| seen.user == DelegatedUser(0) && seen.at == at(9)));
        assert_eq!(touched.drain(), Batch::default());
    }

    #[test]
    fn a_user_is_known_since_it_was_first_seen_and_past_the_bound_not_at_all() {
        let mut touched = Touched::default();
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        for n in 0..=USERS_KNOWN_MAX as u128 {
            touched.known(DelegatedUser(n), at(50));
        }
        touched.user(KeyId::from_u128(1), DelegatedUser(1), at(90));
        touched.known(DelegatedUser(2), at(9));
        let since =
            [0, 1, 2, USERS_KNOWN_MAX as u128].map(|n| touched.known_since(DelegatedUser(n)));
        assert_eq!(since, [Some(at(50)), Some(at(50)), Some(at(9)), None]);
    }

    #[test]
    fn a_last_use_never_moves_back() {
        let mut touched = Touched::default();
        let key = KeyId::from_u128(1);
        touched.key(key, Timestamp::from_millis(5));
        touched.key(key, Timestamp::from_millis(3));
        assert_eq!(touched.last_use(key), Some(Timestamp::from_millis(5)));
    }
}
