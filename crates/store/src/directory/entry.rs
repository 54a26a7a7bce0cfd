//! Rows, opened: what the picture is made of.

use std::sync::Arc;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, GroupId, KeyId, PublicId};
use surgewall_core::principal::{Class, ClassReason, Scopes, UserLimits};
use surgewall_core::quota::LimitSpec;
use surgewall_core::role::Role;

use crate::people::sealed::{column, open_json, open_text};
use crate::people::{AccountRow, Change, GroupRow, KeyRow, StoreError};
use crate::vault::Vault;

/// One opened row.
pub(crate) enum Entry {
    Group(GroupEntry),
    Account(AccountEntry),
    Key(Box<KeyEntry>),
}

/// A group.
pub(crate) struct GroupEntry {
    pub(super) id: GroupId,
    pub(super) name: String,
    pub(super) limits: Vec<LimitSpec>,
}

/// An account; its group by id.
pub(crate) struct AccountEntry {
    pub(super) id: AccountId,
    pub(super) public_id: PublicId,
    pub(super) role: Role,
    pub(super) class: Class,
    pub(super) class_why: ClassReason,
    pub(super) group: Option<GroupId>,
    pub(super) limits: Vec<LimitSpec>,
    pub(super) suspended: bool,
    pub(super) known_since: Timestamp,
    pub(super) external: Option<[u8; 32]>,
}

/// A key; its account and group by id.
pub(crate) struct KeyEntry {
    pub(super) id: KeyId,
    pub(super) name: String,
    pub(super) credential: Credential,
    pub(super) account: Option<AccountId>,
    pub(super) group: Option<GroupId>,
    pub(super) delegates: bool,
    pub(super) scopes: Scopes,
    pub(super) limits: Vec<LimitSpec>,
    pub(super) users: UserLimits,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
}

/// How a key is recognised.
pub(crate) enum Credential {
    /// By its keyed hash.
    Hash([u8; 32]),
    /// By bcrypt, among those with its prefix.
    Bcrypt { prefix_hash: [u8; 32], prefix_len: u8, hash: Arc<str> },
}

/// What `change` means to the picture.
pub(super) fn open(vault: &Vault, change: &Change) -> Result<Entry, StoreError> {
    match change {
        Change::Group(row) => group(vault, row).map(Entry::Group),
        Change::Account(row) => account(vault, row).map(Entry::Account),
        Change::Key(row) => key(vault, row).map(Box::new).map(Entry::Key),
    }
}

fn group(vault: &Vault, row: &GroupRow) -> Result<GroupEntry, StoreError> {
    let id = row.id.as_u128();
    Ok(GroupEntry {
        id: row.id,
        name: open_text(vault, column::GROUP_NAME, id, &row.name.sealed)?,
        limits: open_json(vault, column::GROUP_LIMITS, id, row.limits.as_deref())?,
    })
}

fn account(vault: &Vault, row: &AccountRow) -> Result<AccountEntry, StoreError> {
    let id = row.id.as_u128();
    Ok(AccountEntry {
        id: row.id,
        public_id: row.public_id.clone(),
        role: row.role,
        class: row.class,
        class_why: row.class_why,
        group: row.group,
        limits: open_json(vault, column::ACCOUNT_LIMITS, id, row.limits.as_deref())?,
        suspended: row.suspended,
        known_since: row.known_since,
        external: row.external.as_ref().map(|external| external.hash),
    })
}

fn key(vault: &Vault, row: &KeyRow) -> Result<KeyEntry, StoreError> {
    let id = row.id.as_u128();
    let credential = match &row.bcrypt {
        None => Credential::Hash(row.credential_hash),
        Some(parts) => Credential::Bcrypt {
            prefix_hash: parts.prefix_hash,
            prefix_len: parts.prefix_len,
            hash: open_text(vault, column::BCRYPT, id, &parts.sealed)?.into(),
        },
    };
    Ok(KeyEntry {
        id: row.id,
        name: open_text(vault, column::KEY_NAME, id, &row.name.sealed)?,
        credential,
        account: row.account,
        group: row.group,
        delegates: row.delegates,
        scopes: open_json(vault, column::SCOPES, id, row.scopes.as_deref())?,
        limits: open_json(vault, column::KEY_LIMITS, id, row.limits.as_deref())?,
        users: open_json(vault, column::USER_LIMITS, id, row.user_limits.as_deref())?,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    })
}
