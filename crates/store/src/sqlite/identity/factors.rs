//! What accounts prove themselves with.

use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, FactorId};

use super::super::engine;
use super::super::rows::{
    column, id, instant, optional_bytes, optional_instant, public_id, to_blob, to_millis,
};
use super::super::write::begin;
use crate::identity::{FactorKind, FactorRow};
use crate::people::{ORG_ID, StoreError};

/// A time step as it is stored.
fn to_step(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

fn factor(row: &SqliteRow) -> Result<FactorRow, StoreError> {
    let word: &str = column(row, "kind")?;
    let kind = FactorKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    let step: i64 = column(row, "step")?;
    Ok(FactorRow {
        id: id(row, "id")?,
        public_id: public_id(row)?,
        account: id(row, "account_id")?,
        kind: kind.ok_or(StoreError::Damaged { column: "factors.kind" })?,
        lookup: optional_bytes(row, "lookup_hash")?,
        body: column(row, "body_sealed")?,
        label: column(row, "label_sealed")?,
        step: u64::try_from(step).map_err(|_| StoreError::Damaged { column: "factors.step" })?,
        created_at: instant(row, "created_at")?,
        used_at: optional_instant(row, "used_at")?,
    })
}

pub(super) async fn of(
    pool: &SqlitePool,
    account: AccountId,
) -> Result<Vec<FactorRow>, StoreError> {
    const SQL: &str = "SELECT * FROM factors WHERE org_id = ?1 AND account_id = ?2 ORDER BY id";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(account.as_u128()));
    let found = query.fetch_all(pool).await.map_err(engine("reading what proves an account"))?;
    found.iter().map(factor).collect()
}

pub(super) async fn passkey(
    pool: &SqlitePool,
    lookup: [u8; 32],
) -> Result<Option<FactorRow>, StoreError> {
    const SQL: &str = "SELECT * FROM factors WHERE org_id = ?1 AND kind = 'passkey' \
         AND lookup_hash = ?2";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(lookup.to_vec());
    let found = query.fetch_optional(pool).await.map_err(engine("reading a passkey"))?;
    found.as_ref().map(factor).transpose()
}

pub(super) async fn put(
    writer: &SqlitePool,
    rows: &[FactorRow],
    instead_of: Option<(AccountId, FactorKind)>,
) -> Result<(), StoreError> {
    const REMOVE: &str = "DELETE FROM factors WHERE org_id = ?1 AND account_id = ?2 AND kind = ?3";
    let doing = engine("writing what proves an account");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    if let Some((account, kind)) = instead_of {
        let query = sqlx::query(REMOVE).bind(ORG_ID).bind(to_blob(account.as_u128()));
        query.bind(kind.as_str()).execute(&mut *transaction).await.map_err(&doing)?;
    }
    for row in rows {
        insert(&mut transaction, row).await.map_err(&doing)?;
    }
    transaction.commit().await.map_err(doing)
}

async fn insert(connection: &mut SqliteConnection, row: &FactorRow) -> Result<(), sqlx::Error> {
    const SQL: &str = "INSERT INTO factors (org_id, account_id, id, public_id, kind, lookup_hash, \
         body_sealed, label_sealed, step, created_at, used_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    sqlx::query(SQL)
        .bind(ORG_ID)
        .bind(to_blob(row.account.as_u128()))
        .bind(to_blob(row.id.as_u128()))
        .bind(row.public_id.as_str())
        .bind(row.kind.as_str())
        .bind(row.lookup.map(|lookup| lookup.to_vec()))
        .bind(&row.body)
        .bind(row.label.as_ref())
        .bind(to_step(row.step))
        .bind(to_millis(row.created_at))
        .bind(row.used_at.map(to_millis))
        .execute(connection)
        .await
        .map(drop)
}

pub(super) async fn remove(
    writer: &SqlitePool,
    account: AccountId,
    public_id: &str,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "DELETE FROM factors WHERE org_id = ?1 AND account_id = ?2 AND public_id = ?3";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(account.as_u128())).bind(public_id);
    let done = query.execute(writer).await.map_err(engine("removing what proves an account"))?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn take_recovery_code(
    writer: &SqlitePool,
    account: AccountId,
    lookup: [u8; 32],
) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM factors WHERE org_id = ?1 AND account_id = ?2 \
         AND kind = 'recovery' AND lookup_hash = ?3";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(account.as_u128()));
    let done = query.bind(lookup.to_vec()).execute(writer).await;
    Ok(done.map_err(engine("using up a recovery code"))?.rows_affected() > 0)
}

pub(super) async fn step_totp(
    writer: &SqlitePool,
    account: AccountId,
    step: u64,
    at: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE factors SET step = ?3, used_at = ?4 WHERE org_id = ?1 \
         AND account_id = ?2 AND kind = 'totp' AND step < ?3";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(account.as_u128()));
    let done = query.bind(to_step(step)).bind(to_millis(at)).execute(writer).await;
    Ok(done.map_err(engine("noting a time step"))?.rows_affected() > 0)
}

pub(super) async fn use_passkey(
    writer: &SqlitePool,
    (account, id): (AccountId, FactorId),
    body: &[u8],
    at: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE factors SET body_sealed = ?4, used_at = ?5 WHERE org_id = ?1 \
         AND account_id = ?2 AND id = ?3";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(account.as_u128()));
    let query = query.bind(to_blob(id.as_u128())).bind(body).bind(to_millis(at));
    query.execute(writer).await.map(drop).map_err(engine("noting the use of a passkey"))
}
