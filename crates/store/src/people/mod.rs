//! People as they are stored: rows whose texts are sealed before an engine
//! sees them, and the trait that every engine implements.
//!
//! An engine is handed keyed hashes and sealed bytes only, so no engine can
//! forget to protect a column. Calls are batch-first; one call is one
//! transaction, and none spans two calls.

mod error;
pub mod sealed;

use std::future::Future;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, GroupId, KeyId, PublicId};
use surgewall_core::principal::{Class, ClassReason, DelegatedUser};
use surgewall_core::role::Role;

pub use error::StoreError;

/// The one organisation there is for now.
pub const ORG_ID: i64 = 1;
/// Rows that one read answers with at most.
pub const PAGE_ROWS_MAX: u32 = 4_096;
/// Delegated users that are remembered: past it, those not seen for longest go.
pub const DELEGATED_USERS_MAX: u32 = 1_000_000;

/// A text that is looked up by a keyed hash and read back by the vault only.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Keyed hash of the normalised text.
    pub hash: [u8; 32],
    /// The text, sealed for its table, column and row.
    pub sealed: Vec<u8>,
}

/// One group.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its id.
    pub id: GroupId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Its name.
    pub name: Hidden,
    /// Its limits, sealed; `None` is no limit.
    pub limits: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One account.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its id.
    pub id: AccountId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Its e-mail, if it has one.
    pub email: Option<Hidden>,
    /// Issuer and subject, for an account that came by a token.
    pub external: Option<Hidden>,
    /// Its class.
    pub class: Class,
    /// Since when.
    pub class_since: Timestamp,
    /// Why.
    pub class_why: ClassReason,
    /// The class that it was given, and has again when it loses one that it earned.
    pub class_given: Class,
    /// Since when it is known: an import may bring an earlier date than
    /// `created_at`, and with a suspension it begins anew.
    pub known_since: Timestamp,
    /// Days of good use that an import brought; negative, those that a suspension took.
    pub days_brought: i64,
    /// Days of good use that were counted here. Engines do not store it from
    /// here; see [`People::write_good_uses`].
    pub days_counted: i64,
    /// Its group.
    pub group: Option<GroupId>,
    /// Whether a provider's group granted that, and may take it back.
    pub group_granted: bool,
    /// Whether an operator suspended it.
    pub suspended: bool,
    /// What it may do besides using the door.
    pub role: Role,
    /// Whether a provider's group granted that, and may take it back.
    pub role_granted: bool,
    /// Its limits, sealed; `None` is no limit.
    pub limits: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl AccountRow {
    /// Days on which it used the door well, as far as they count for it.
    #[must_use]
    pub fn good_days(&self) -> u64 {
        u64::try_from(self.days_brought.saturating_add(self.days_counted)).unwrap_or(0)
    }
}

/// What a key is recognised by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialKind {
    /// A key of ours.
    Own,
    /// The SHA-256 of another system's key.
    Sha256,
    /// The bcrypt hash of another system's key.
    Bcrypt,
}

impl CredentialKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Own, Self::Sha256, Self::Bcrypt];

    /// The word in the store and in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Sha256 => "sha256",
            Self::Bcrypt => "bcrypt",
        }
    }
}

/// What a bcrypt key needs beyond its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct BcryptParts {
    /// The bcrypt text, sealed.
    pub sealed: Vec<u8>,
    /// Keyed hash of the credential's first `prefix_len` bytes.
    pub prefix_hash: [u8; 32],
    /// Length of that prefix in bytes.
    pub prefix_len: u8,
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Its name.
    pub name: Hidden,
    /// What it is recognised by.
    pub kind: CredentialKind,
    /// Keyed hash of the credential (own), of its SHA-256 (sha256) or of the
    /// bcrypt text (bcrypt, for uniqueness only).
    pub credential_hash: [u8; 32],
    /// For bcrypt keys.
    pub bcrypt: Option<BcryptParts>,
    /// The last four characters, sealed, where they are known.
    pub last_four: Option<Vec<u8>>,
    /// Whose key it is; `None` is the operator's.
    pub account: Option<AccountId>,
    /// The group of an operator's key.
    pub group: Option<GroupId>,
    /// What it may do, sealed; `None` does not restrict.
    pub scopes: Option<Vec<u8>>,
    /// Whether it may name its end user.
    pub delegates: bool,
    /// Its limits, sealed; `None` is no limit.
    pub limits: Option<Vec<u8>>,
    /// The limits of single end users of it, sealed; `None` is none.
    pub user_limits: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked. An engine never takes this back.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, as far as it was written. Engines do not store
    /// it from here; see [`People::write_key_uses`].
    pub last_used_at: Option<Timestamp>,
}

/// A row to insert, or to put in the place of the one with the same id.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// A group.
    Group(GroupRow),
    /// An account.
    Account(AccountRow),
    /// A key.
    Key(KeyRow),
}

/// Which rows to read. Rows come in the order of their ids, which is the order
/// in which they were made.
#[derive(Clone, Debug)]
pub enum Pick {
    /// Those after this id, at most `rows_max` (and [`PAGE_ROWS_MAX`]) of them.
    After {
        /// The id before the first; 0 begins.
        id: u128,
        /// How many.
        rows_max: u32,
    },
    /// The keys of one account after this id; the accounts of one group.
    Of {
        /// The account or group.
        owner: u128,
        /// The id before the first; 0 begins.
        id: u128,
        /// How many.
        rows_max: u32,
    },
    /// The keys of one account, the newest first: those that work at this instant,
    /// or those that do not any more. Accounts and groups have none.
    Newest {
        /// The account.
        owner: u128,
        /// Whether those that work are meant.
        working: bool,
        /// When.
        at: Timestamp,
        /// How many.
        rows_max: u32,
    },
    /// Those with these ids, at most [`PAGE_ROWS_MAX`]; unknown ones are left out.
    Ids(Vec<u128>),
    /// The one with this public id.
    PublicId(String),
    /// Those with this name (groups, keys) or e-mail (accounts), by keyed hash.
    Named([u8; 32]),
    /// The account with this issuer and subject, by keyed hash.
    External([u8; 32]),
}

/// A delegated user that was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserSeen {
    /// The key that named it.
    pub key: KeyId,
    /// Who.
    pub user: DelegatedUser,
    /// When.
    pub at: Timestamp,
}

/// When a delegated user was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// First.
    pub first: Timestamp,
    /// Last, as far as it was written.
    pub last: Timestamp,
}

/// A configuration that decisions ran under.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigRow {
    /// 128 bits, ordered by time.
    pub id: u128,
    /// The hash that decisions carry.
    pub hash: String,
    /// Its text, sealed.
    pub sealed: Vec<u8>,
    /// When it was kept.
    pub kept_at: Timestamp,
}

/// How many keys an account has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyCounts {
    /// All that are kept, also those that do not work any more.
    pub kept: u64,
    /// Those that work.
    pub working: u64,
    /// Those that were made lately.
    pub lately: u64,
}

/// A store of people. Engines implement it; [`crate::sqlite::Sqlite`] is one.
pub trait People: Send + Sync {
    /// Writes all of `changes` or none of them, durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] where a row collides with another one.
    fn write(&self, changes: &[Change]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The groups that `pick` names.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn groups(&self, pick: &Pick)
    -> impl Future<Output = Result<Vec<GroupRow>, StoreError>> + Send;

    /// The accounts that `pick` names.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn accounts(
        &self,
        pick: &Pick,
    ) -> impl Future<Output = Result<Vec<AccountRow>, StoreError>> + Send;

    /// The keys that `pick` names.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn keys(&self, pick: &Pick) -> impl Future<Output = Result<Vec<KeyRow>, StoreError>> + Send;

    /// How many keys `account` has at `now`, and how many were made after `lately`.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn key_counts(
        &self,
        account: AccountId,
        now: Timestamp,
        lately: Timestamp,
    ) -> impl Future<Output = Result<KeyCounts, StoreError>> + Send;

    /// Writes when keys were last used; an older instant never replaces a newer one.
    ///
    /// # Errors
    /// The engine failed.
    fn write_key_uses(
        &self,
        uses: &[(KeyId, Timestamp)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Counts the days on which accounts used the door well, each day once, and
    /// gives the accounts for which one was counted now.
    ///
    /// # Errors
    /// The engine failed.
    fn write_good_uses(
        &self,
        uses: &[(AccountId, Timestamp)],
    ) -> impl Future<Output = Result<Vec<AccountId>, StoreError>> + Send;

    /// Writes delegated users that were seen, and forgets the oldest past
    /// [`DELEGATED_USERS_MAX`].
    ///
    /// # Errors
    /// The engine failed.
    fn write_users_seen(
        &self,
        users: &[UserSeen],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// When `key` named `user`; `None` where it never did, or it was forgotten.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn user_seen(
        &self,
        key: KeyId,
        user: DelegatedUser,
    ) -> impl Future<Output = Result<Option<Seen>, StoreError>> + Send;

    /// When delegated users were first seen, at most [`PAGE_ROWS_MAX`] of them
    /// after the one that is given, in the order of keys and users.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn users_first_seen(
        &self,
        after: (KeyId, DelegatedUser),
    ) -> impl Future<Output = Result<Vec<UserSeen>, StoreError>> + Send;

    /// Keeps a configuration, once per hash, and drops the oldest past
    /// [`surgewall_core::limits::CONFIGS_KEPT_MAX`].
    ///
    /// # Errors
    /// The engine failed.
    fn keep_config(
        &self,
        config: &ConfigRow,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The kept configurations, newest first.
    ///
    /// # Errors
    /// The engine failed.
    fn configs(&self) -> impl Future<Output = Result<Vec<ConfigRow>, StoreError>> + Send;
}
