//! Changes whose outcome nobody saw: the store may have them, the picture does
//! not.
//!
//! A client that leaves drops the future that was making its account, and a
//! failing disk can lose the answer to a commit. Both leave the ids here, and
//! the next change reads those rows again before it begins.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::people::{Change, People, Pick, StoreError};

use super::Directory;

/// Rows by table.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    groups: Vec<u128>,
    accounts: Vec<u128>,
    keys: Vec<u128>,
}

impl Unsettled {
    fn of(changes: &[Change]) -> Self {
        let mut ids = Self::default();
        for change in changes {
            match change {
                Change::Group(row) => ids.groups.push(row.id.as_u128()),
                Change::Account(row) => ids.accounts.push(row.id.as_u128()),
                Change::Key(row) => ids.keys.push(row.id.as_u128()),
            }
        }
        ids
    }

    fn add(&mut self, other: Self) {
        self.groups.extend(other.groups);
        self.accounts.extend(other.accounts);
        self.keys.extend(other.keys);
    }
}

/// Notes its rows as unsettled unless it is told that they are settled.
#[must_use]
pub(crate) struct Attempt<'a> {
    into: &'a Mutex<Unsettled>,
    ids: Option<Unsettled>,
}

impl Attempt<'_> {
    /// The picture has what the store has.
    pub(crate) fn settled(mut self) {
        self.ids = None;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(ids) = self.ids.take() {
            lock(self.into).add(ids);
        }
    }
}

fn lock(mutex: &Mutex<Unsettled>) -> MutexGuard<'_, Unsettled> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// Announces that `changes` are about to be written.
    pub(crate) fn attempt(&self, changes: &[Change]) -> Attempt<'_> {
        Attempt { into: &self.inner.unsettled, ids: Some(Unsettled::of(changes)) }
    }

    /// Reads again what is unsettled, and puts it into the picture.
    ///
    /// # Errors
    /// The store failed; everything stays unsettled.
    pub(crate) async fn settle(&self, people: &impl People) -> Result<(), StoreError> {
        let ids = std::mem::take(&mut *lock(&self.inner.unsettled));
        let attempt = Attempt { into: &self.inner.unsettled, ids: Some(ids) };
        let Some(Unsettled { groups, accounts, keys }) = &attempt.ids else { return Ok(()) };
        let mut changes = Vec::new();
        for ids in groups.chunks(super::RELINK_BATCH) {
            let rows = people.groups(&Pick::Ids(ids.to_vec())).await?;
            changes.extend(rows.into_iter().map(Change::Group));
        }
        for ids in accounts.chunks(super::RELINK_BATCH) {
            let rows = people.accounts(&Pick::Ids(ids.to_vec())).await?;
            changes.extend(rows.into_iter().map(Change::Account));
        }
        for ids in keys.chunks(super::RELINK_BATCH) {
            let rows = people.keys(&Pick::Ids(ids.to_vec())).await?;
            changes.extend(rows.into_iter().map(Change::Key));
        }
        if !changes.is_empty() {
            self.learn(&changes)?;
        }
        attempt.settled();
        Ok(())
    }
}
