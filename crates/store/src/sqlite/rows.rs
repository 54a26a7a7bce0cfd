//! Rows of SQLite as rows of people, and the small conversions both ways.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{Id, PublicId};
use surgewall_core::principal::{Class, ClassReason, DelegatedUser};
use surgewall_core::role::Role;

use super::engine;
use crate::people::{
    AccountRow, BcryptParts, ConfigRow, CredentialKind, GroupRow, Hidden, KeyCounts, KeyRow, Seen,
    StoreError, UserSeen,
};

/// An instant as SQLite stores it.
pub(super) fn to_millis(at: Timestamp) -> i64 {
    i64::try_from(at.millis()).unwrap_or(i64::MAX)
}

/// An id as SQLite stores it: big-endian, so that bytes sort like ids.
pub(super) fn to_blob(id: u128) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(engine("reading a row"))
}

pub(super) fn instant(row: &SqliteRow, name: &'static str) -> Result<Timestamp, StoreError> {
    optional_instant(row, name)?.ok_or(StoreError::Damaged { column: name })
}

pub(super) fn optional_instant(
    row: &SqliteRow,
    name: &'static str,
) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = column(row, name)?;
    let stamp = |millis| u64::try_from(millis).map(Timestamp::from_millis);
    millis.map(stamp).transpose().map_err(|_| StoreError::Damaged { column: name })
}

pub(super) fn bytes<const N: usize>(
    row: &SqliteRow,
    name: &'static str,
) -> Result<[u8; N], StoreError> {
    optional_bytes(row, name)?.ok_or(StoreError::Damaged { column: name })
}

pub(super) fn optional_bytes<const N: usize>(
    row: &SqliteRow,
    name: &'static str,
) -> Result<Option<[u8; N]>, StoreError> {
    let bytes: Option<&[u8]> = column(row, name)?;
    bytes.map(<[u8; N]>::try_from).transpose().map_err(|_| StoreError::Damaged { column: name })
}

pub(super) fn id<K>(row: &SqliteRow, name: &'static str) -> Result<Id<K>, StoreError> {
    Ok(Id::from_u128(u128::from_be_bytes(bytes(row, name)?)))
}

pub(super) fn optional_id<K>(
    row: &SqliteRow,
    name: &'static str,
) -> Result<Option<Id<K>>, StoreError> {
    let bytes = optional_bytes(row, name)?;
    Ok(bytes.map(|bytes| Id::from_u128(u128::from_be_bytes(bytes))))
}

fn optional_hidden(
    row: &SqliteRow,
    hash: &'static str,
    sealed: &'static str,
) -> Result<Option<Hidden>, StoreError> {
    match (optional_bytes(row, hash)?, column::<Option<Vec<u8>>>(row, sealed)?) {
        (Some(hash), Some(sealed)) => Ok(Some(Hidden { hash, sealed })),
        (None, None) => Ok(None),
        _ => Err(StoreError::Damaged { column: sealed }),
    }
}

fn hidden(row: &SqliteRow, hash: &'static str, sealed: &'static str) -> Result<Hidden, StoreError> {
    optional_hidden(row, hash, sealed)?.ok_or(StoreError::Damaged { column: sealed })
}

pub(super) fn public_id(row: &SqliteRow) -> Result<PublicId, StoreError> {
    column(row, "public_id").map(PublicId::from_stored)
}

/// A row of `groups` with its limits.
pub(super) fn group(row: &SqliteRow) -> Result<GroupRow, StoreError> {
    Ok(GroupRow {
        id: id(row, "id")?,
        public_id: public_id(row)?,
        name: hidden(row, "name_hash", "name_sealed")?,
        limits: column(row, "limits_sealed")?,
        created_at: instant(row, "created_at")?,
    })
}

/// A row of `accounts` with its limits.
pub(super) fn account(row: &SqliteRow) -> Result<AccountRow, StoreError> {
    let class = class(row, "class")?.ok_or(StoreError::Damaged { column: "class" })?;
    let created_at = instant(row, "created_at")?;
    Ok(AccountRow {
        id: id(row, "id")?,
        public_id: public_id(row)?,
        email: optional_hidden(row, "email_hash", "email_sealed")?,
        external: optional_hidden(row, "external_hash", "external_sealed")?,
        class,
        class_since: optional_instant(row, "class_since")?.unwrap_or(created_at),
        class_why: class_why(row)?,
        class_given: self::class(row, "class_given")?.unwrap_or(class),
        known_since: optional_instant(row, "known_since")?.unwrap_or(created_at),
        days_brought: column(row, "days_brought")?,
        days_counted: column::<Option<i64>>(row, "good_days")?.unwrap_or(0),
        group: optional_id(row, "group_id")?,
        group_granted: column(row, "group_granted")?,
        suspended: column(row, "suspended")?,
        role: role(row)?,
        role_granted: column(row, "role_granted")?,
        limits: column(row, "limits_sealed")?,
        created_at,
    })
}

fn class(row: &SqliteRow, name: &'static str) -> Result<Option<Class>, StoreError> {
    let word: Option<&str> = column(row, name)?;
    word.map(str::parse).transpose().map_err(|_| StoreError::Damaged { column: name })
}

fn role(row: &SqliteRow) -> Result<Role, StoreError> {
    let word: Option<&str> = column(row, "role")?;
    let role = word.map_or(Ok(Role::User), str::parse);
    role.map_err(|_| StoreError::Damaged { column: "accounts.role" })
}

fn class_why(row: &SqliteRow) -> Result<ClassReason, StoreError> {
    let word: Option<&str> = column(row, "class_why")?;
    let known = |word| ClassReason::ALL.into_iter().find(|why| why.as_str() == word);
    match word {
        None => Ok(ClassReason::Unknown),
        Some(word) => known(word).ok_or(StoreError::Damaged { column: "accounts.class_why" }),
    }
}

/// A row of `keys` with its limits, those of its users, and its last use.
pub(super) fn key(row: &SqliteRow) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: id(row, "id")?,
        public_id: public_id(row)?,
        name: hidden(row, "name_hash", "name_sealed")?,
        kind: kind(row)?,
        credential_hash: bytes(row, "credential_hash")?,
        bcrypt: bcrypt(row)?,
        last_four: column(row, "last_four_sealed")?,
        account: optional_id(row, "account_id")?,
        group: optional_id(row, "group_id")?,
        scopes: column(row, "scopes_sealed")?,
        delegates: column(row, "delegates")?,
        limits: column(row, "limits_sealed")?,
        user_limits: column(row, "user_limits_sealed")?,
        created_at: instant(row, "created_at")?,
        expires_at: optional_instant(row, "expires_at")?,
        revoked_at: optional_instant(row, "revoked_at")?,
        last_used_at: optional_instant(row, "last_used_at")?,
    })
}

fn kind(row: &SqliteRow) -> Result<CredentialKind, StoreError> {
    let word: &str = column(row, "kind")?;
    let known = CredentialKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    known.ok_or(StoreError::Damaged { column: "keys.kind" })
}

fn bcrypt(row: &SqliteRow) -> Result<Option<BcryptParts>, StoreError> {
    let prefix = optional_hidden(row, "prefix_hash", "bcrypt_sealed")?;
    let len: Option<i64> = column(row, "prefix_len")?;
    let Some(Hidden { hash, sealed }) = prefix else { return Ok(None) };
    let prefix_len = len.and_then(|len| u8::try_from(len).ok());
    let prefix_len = prefix_len.ok_or(StoreError::Damaged { column: "keys.prefix_len" })?;
    Ok(Some(BcryptParts { sealed, prefix_hash: hash, prefix_len }))
}

/// A row of `delegated_users`.
pub(super) fn seen(row: &SqliteRow) -> Result<Seen, StoreError> {
    Ok(Seen { first: instant(row, "first_seen")?, last: instant(row, "last_seen")? })
}

/// How many keys an account has.
pub(super) fn key_counts(row: &SqliteRow) -> Result<KeyCounts, StoreError> {
    let count = |name| {
        let count: i64 = column(row, name)?;
        u64::try_from(count).map_err(|_| StoreError::Damaged { column: "keys" })
    };
    Ok(KeyCounts { kept: count("kept")?, working: count("working")?, lately: count("lately")? })
}

/// A row of `delegated_users`, by its first sight.
pub(super) fn first_seen(row: &SqliteRow) -> Result<UserSeen, StoreError> {
    let user = DelegatedUser(u128::from_be_bytes(bytes(row, "user_hash")?));
    Ok(UserSeen { key: id(row, "key_id")?, user, at: instant(row, "first_seen")? })
}

/// A row of `configs`.
pub(super) fn config(row: &SqliteRow) -> Result<ConfigRow, StoreError> {
    Ok(ConfigRow {
        id: u128::from_be_bytes(bytes(row, "id")?),
        hash: column(row, "hash")?,
        sealed: column(row, "text_sealed")?,
        kept_at: instant(row, "kept_at")?,
    })
}
