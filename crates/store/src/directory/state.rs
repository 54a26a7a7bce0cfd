//! The maps behind the picture.
//!
//! A key lives in a slot that never moves; the maps hold slot numbers. A change
//! of a key swaps the `Arc` in its slot; a change of an account swaps the slots
//! of its keys, which the account lists. Nothing is ever copied whole.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use surgewall_core::id::{AccountId, GroupId, KeyId};
use surgewall_core::principal::{AccountRecord, GroupRecord, KeyRecord};

use super::Sizes;
use super::entry::{AccountEntry, Credential, Entry, GroupEntry, KeyEntry};

/// The place of a key.
pub(super) type Slot = u32;

/// A keyed hash as a map's key. It is as random as a hash can be, and nobody
/// without the pepper can choose one: its first bytes are the map's hash.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Keyed([u8; 32]);

impl Hash for Keyed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        state.write_u64(u64::from_le_bytes(first));
    }
}

/// Passes the one `u64` of [`Keyed`] through.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type KeyedMap<V> = HashMap<Keyed, V, BuildHasherDefault<FirstBytes>>;

struct AccountSlot {
    record: Arc<AccountRecord>,
    external: Option<[u8; 32]>,
    keys: Vec<Slot>,
}

struct GroupSlot {
    record: Arc<GroupRecord>,
    accounts: HashSet<AccountId>,
    keys: BTreeSet<Slot>,
}

/// One bcrypt key to compare with.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) slot: Slot,
    pub(super) hash: Arc<str>,
}

/// All of it.
#[derive(Default)]
pub(super) struct State {
    slots: Vec<Arc<KeyRecord>>,
    by_credential: KeyedMap<Slot>,
    by_id: HashMap<KeyId, Slot>,
    accounts: HashMap<AccountId, AccountSlot>,
    external: KeyedMap<AccountId>,
    groups: HashMap<GroupId, GroupSlot>,
    group_names: HashMap<String, GroupId>,
    by_prefix: KeyedMap<Vec<Candidate>>,
    /// Prefix lengths in use, and how many keys have each.
    prefix_lengths: BTreeMap<u8, usize>,
}

/// Records that still hold what was replaced.
#[derive(Default)]
pub(super) struct Relink {
    accounts: BTreeSet<AccountId>,
    keys: BTreeSet<Slot>,
}

impl Relink {
    pub(super) fn into_parts(self) -> (Vec<AccountId>, Vec<Slot>) {
        (self.accounts.into_iter().collect(), self.keys.into_iter().collect())
    }
}

impl State {
    pub(super) fn key(&self, hash: &[u8; 32]) -> Option<Arc<KeyRecord>> {
        self.by_credential.get(&Keyed(*hash)).and_then(|slot| self.slot(*slot))
    }

    pub(super) fn slot(&self, slot: Slot) -> Option<Arc<KeyRecord>> {
        usize::try_from(slot).ok().and_then(|at| self.slots.get(at)).cloned()
    }

    pub(super) fn key_by_id(&self, id: KeyId) -> Option<Arc<KeyRecord>> {
        self.by_id.get(&id).and_then(|slot| self.slot(*slot))
    }

    pub(super) fn account(&self, id: AccountId) -> Option<Arc<AccountRecord>> {
        self.accounts.get(&id).map(|slot| Arc::clone(&slot.record))
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = &AccountRecord> {
        self.accounts.values().map(|slot| slot.record.as_ref())
    }

    pub(super) fn external(&self, hash: &[u8; 32]) -> Option<Arc<AccountRecord>> {
        self.external.get(&Keyed(*hash)).and_then(|id| self.account(*id))
    }

    pub(super) fn group_named(&self, name: &str) -> Option<Arc<GroupRecord>> {
        self.group_names.get(name).and_then(|id| self.group(*id))
    }

    pub(super) fn group(&self, id: GroupId) -> Option<Arc<GroupRecord>> {
        self.groups.get(&id).map(|slot| Arc::clone(&slot.record))
    }

    pub(super) fn sizes(&self) -> Sizes {
        Sizes { keys: self.slots.len(), accounts: self.accounts.len(), groups: self.groups.len() }
    }

    /// Lengths of bcrypt prefixes in use.
    pub(super) fn prefix_lengths(&self) -> impl Iterator<Item = u8> {
        self.prefix_lengths.keys().copied()
    }

    /// The bcrypt keys with this prefix that are not revoked.
    pub(super) fn candidates(&self, prefix_hash: &[u8; 32]) -> Vec<Candidate> {
        let all = self.by_prefix.get(&Keyed(*prefix_hash)).into_iter().flatten();
        let usable = |slot| self.slot(slot).is_some_and(|key| key.revoked_at.is_none());
        all.filter(|candidate| usable(candidate.slot)).cloned().collect()
    }

    /// Puts `entry` into the maps and notes whose records it made stale.
    pub(super) fn put(&mut self, entry: Entry, relink: &mut Relink) {
        match entry {
            Entry::Group(entry) => self.put_group(entry, relink),
            Entry::Account(entry) => self.put_account(entry, relink),
            Entry::Key(entry) => self.put_key(*entry),
        }
    }

    fn put_group(&mut self, entry: GroupEntry, relink: &mut Relink) {
        let GroupEntry { id, name, limits } = entry;
        let record = Arc::new(GroupRecord { id, name: name.clone(), limits });
        if let Some(slot) = self.groups.get_mut(&id) {
            self.group_names.remove(&slot.record.name);
            slot.record = record;
            relink.accounts.extend(&slot.accounts);
            relink.keys.extend(&slot.keys);
        } else {
            let slot = GroupSlot { record, accounts: HashSet::new(), keys: BTreeSet::new() };
            self.groups.insert(id, slot);
        }
        self.group_names.insert(name, id);
    }

    fn put_account(&mut self, entry: AccountEntry, relink: &mut Relink) {
        let group = entry.group;
        let id = entry.id;
        let record = AccountRecord {
            id,
            public_id: entry.public_id,
            role: entry.role,
            class: entry.class,
            class_why: entry.class_why,
            group: self.join(group, id),
            limits: entry.limits,
            suspended: entry.suspended,
            known_since: entry.known_since,
        };
        let external = entry.external;
        // A closed account is nobody's any more.
        let before = self.accounts.get(&id).and_then(|slot| slot.external);
        if let Some(left) = before.filter(|before| Some(*before) != external) {
            self.external.remove(&Keyed(left));
        }
        if let Some(hash) = external {
            self.external.insert(Keyed(hash), id);
        }
        let Some(slot) = self.accounts.get_mut(&id) else {
            let record = Arc::new(record);
            self.accounts.insert(id, AccountSlot { record, external, keys: Vec::new() });
            return;
        };
        slot.external = external;
        let left =
            slot.record.group.as_ref().map(|left| left.id).filter(|left| Some(*left) != group);
        slot.record = Arc::new(record);
        relink.keys.extend(&slot.keys);
        if let Some(left) = left.and_then(|left| self.groups.get_mut(&left)) {
            left.accounts.remove(&id);
        }
    }

    /// Lists `account` in its group.
    fn join(&mut self, group: Option<GroupId>, account: AccountId) -> Option<Arc<GroupRecord>> {
        let slot = self.groups.get_mut(&group?)?;
        slot.accounts.insert(account);
        Some(Arc::clone(&slot.record))
    }

    fn put_key(&mut self, entry: KeyEntry) {
        let KeyEntry { id, credential, account, group, .. } = entry;
        let record = KeyRecord {
            id,
            name: entry.name,
            account: account.and_then(|account| self.account(account)),
            group: group.and_then(|group| self.group(group)),
            delegates: entry.delegates,
            scopes: entry.scopes,
            limits: entry.limits,
            users: (!entry.users.is_empty()).then(|| Arc::new(entry.users)),
            expires_at: entry.expires_at,
            revoked_at: entry.revoked_at,
        };
        if let Some(slot) = self.by_id.get(&id).copied() {
            let old = self.slot(slot).and_then(|old| old.group.as_ref().map(|group| group.id));
            self.move_key(slot, old, group);
            self.swap(slot, record);
            return;
        }
        let Ok(slot) = Slot::try_from(self.slots.len()) else { return };
        self.slots.push(Arc::new(record));
        self.by_id.insert(id, slot);
        self.recognise(slot, credential);
        self.move_key(slot, None, group);
        if let Some(owner) = account.and_then(|account| self.accounts.get_mut(&account)) {
            owner.keys.push(slot);
        }
    }

    fn recognise(&mut self, slot: Slot, credential: Credential) {
        match credential {
            Credential::Hash(hash) => {
                self.by_credential.insert(Keyed(hash), slot);
            }
            Credential::Bcrypt { prefix_hash, prefix_len, hash } => {
                let candidates = self.by_prefix.entry(Keyed(prefix_hash)).or_default();
                candidates.push(Candidate { slot, hash });
                *self.prefix_lengths.entry(prefix_len).or_default() += 1;
            }
        }
    }

    fn move_key(&mut self, slot: Slot, from: Option<GroupId>, to: Option<GroupId>) {
        if let Some(group) = from.and_then(|from| self.groups.get_mut(&from)) {
            group.keys.remove(&slot);
        }
        if let Some(group) = to.and_then(|to| self.groups.get_mut(&to)) {
            group.keys.insert(slot);
        }
    }

    fn swap(&mut self, slot: Slot, record: KeyRecord) {
        if let Some(place) = usize::try_from(slot).ok().and_then(|at| self.slots.get_mut(at)) {
            *place = Arc::new(record);
        }
    }

    /// Gives an account its group's present record, and adds its keys to `keys`.
    pub(super) fn relink_account(&mut self, id: AccountId, keys: &mut Vec<Slot>) {
        let Some(slot) = self.accounts.get_mut(&id) else { return };
        let group = slot.record.group.as_ref().and_then(|group| self.groups.get(&group.id));
        let group = group.map(|group| Arc::clone(&group.record));
        slot.record = Arc::new(AccountRecord { group, ..(*slot.record).clone() });
        keys.extend(&slot.keys);
    }

    /// Gives a key its account's and its group's present records.
    pub(super) fn relink_key(&mut self, slot: Slot) {
        let Some(old) = self.slot(slot) else { return };
        let account = old.account.as_ref().and_then(|account| self.account(account.id));
        let group = old.group.as_ref().and_then(|group| self.group(group.id));
        self.swap(slot, KeyRecord { account, group, ..(*old).clone() });
    }
}
