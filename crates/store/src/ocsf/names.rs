//! Public ids for internal ones, which tell when a thing was made and so stay in
//! the data directory.

use std::collections::HashMap;
use std::sync::Arc;

use surgewall_core::id::{AccountId, GroupId, KeyId, PublicId};
use tokio::runtime::Handle;

use crate::people::{People, Pick};

/// Ids whose public ids are remembered; past it all are forgotten and read again.
pub const NAMES_MAX: usize = 65_536;

/// Knows public ids. `None` is for what is no longer, or not yet, known.
pub trait Names: Send {
    /// Of an account.
    fn account(&mut self, id: AccountId) -> Option<PublicId>;
    /// Of a key.
    fn key(&mut self, id: KeyId) -> Option<PublicId>;
    /// Of a group.
    fn group(&mut self, id: GroupId) -> Option<PublicId>;
}

/// The public ids of a store, read when they are first needed. For a thread of
/// its own: it waits for the store.
pub struct StoredNames<P> {
    people: Arc<P>,
    runtime: Handle,
    known: HashMap<u128, PublicId>,
}

impl<P> StoredNames<P> {
    /// The names in `people`, read by way of `runtime`.
    #[must_use]
    pub fn new(people: Arc<P>, runtime: Handle) -> Self {
        Self { people, runtime, known: HashMap::new() }
    }

    fn remember(&mut self, id: u128, found: Option<PublicId>) -> Option<PublicId> {
        if self.known.len() >= NAMES_MAX {
            self.known.clear();
        }
        let found = found?;
        self.known.insert(id, found.clone());
        Some(found)
    }
}

impl<P: People> Names for StoredNames<P> {
    fn account(&mut self, id: AccountId) -> Option<PublicId> {
        if let Some(known) = self.known.get(&id.as_u128()) {
            return Some(known.clone());
        }
        let found = self.runtime.block_on(self.people.accounts(&Pick::Ids(vec![id.as_u128()])));
        let found = found.ok()?.into_iter().next().map(|row| row.public_id);
        self.remember(id.as_u128(), found)
    }

    fn key(&mut self, id: KeyId) -> Option<PublicId> {
        if let Some(known) = self.known.get(&id.as_u128()) {
            return Some(known.clone());
        }
        let found = self.runtime.block_on(self.people.keys(&Pick::Ids(vec![id.as_u128()])));
        let found = found.ok()?.into_iter().next().map(|row| row.public_id);
        self.remember(id.as_u128(), found)
    }

    fn group(&mut self, id: GroupId) -> Option<PublicId> {
        if let Some(known) = self.known.get(&id.as_u128()) {
            return Some(known.clone());
        }
        let found = self.runtime.block_on(self.people.groups(&Pick::Ids(vec![id.as_u128()])));
        let found = found.ok()?.into_iter().next().map(|row| row.public_id);
        self.remember(id.as_u128(), found)
    }
}
