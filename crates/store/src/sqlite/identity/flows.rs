//! Flows that wait for a code or a link.

use sqlx::SqlitePool;
use surgewall_core::clock::Timestamp;

use super::super::engine;
use super::super::rows::{column, instant, optional_id, to_blob, to_millis};
use super::super::write::begin;
use crate::identity::{FlowKind, FlowRow};
use crate::people::{ORG_ID, StoreError};

pub(super) async fn put(
    writer: &SqlitePool,
    row: &FlowRow,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SWEEP: &str = "DELETE FROM flows WHERE org_id = ?1 AND expires_at <= ?2";
    const REPLACE: &str = "DELETE FROM flows WHERE org_id = ?1 AND kind = ?2 AND account_id = ?3";
    const COUNT: &str = "SELECT count(*) FROM flows WHERE org_id = ?1 AND kind = ?2";
    const INSERT: &str = "INSERT INTO flows (org_id, token_hash, kind, body_sealed, tries_left, \
         expires_at, account_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let doing = engine("beginning a flow");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    let sweep = sqlx::query(SWEEP).bind(ORG_ID).bind(to_millis(now));
    sweep.execute(&mut *transaction).await.map_err(&doing)?;
    let account = row.account.map(|account| to_blob(account.as_u128()));
    if let Some(account) = &account {
        let replace = sqlx::query(REPLACE).bind(ORG_ID).bind(row.kind.as_str()).bind(account);
        replace.execute(&mut *transaction).await.map_err(&doing)?;
    }
    let count = sqlx::query_scalar(COUNT).bind(ORG_ID).bind(row.kind.as_str());
    let count: i64 = count.fetch_one(&mut *transaction).await.map_err(&doing)?;
    let room = count < i64::from(row.kind.waiting_max());
    if room {
        let insert = sqlx::query(INSERT).bind(ORG_ID).bind(row.token_hash.to_vec());
        let insert = insert.bind(row.kind.as_str()).bind(&row.body).bind(row.tries_left);
        let insert = insert.bind(to_millis(row.expires_at)).bind(account);
        insert.execute(&mut *transaction).await.map_err(&doing)?;
    }
    transaction.commit().await.map_err(doing)?;
    Ok(room)
}

pub(super) async fn try_one(
    writer: &SqlitePool,
    token_hash: [u8; 32],
    kind: FlowKind,
    now: Timestamp,
) -> Result<Option<FlowRow>, StoreError> {
    const SQL: &str = "UPDATE flows SET tries_left = tries_left - 1 WHERE org_id = ?1 \
         AND token_hash = ?2 AND kind = ?3 AND expires_at > ?4 AND tries_left > 0 \
         RETURNING account_id, body_sealed, tries_left, expires_at";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(token_hash.to_vec());
    let query = query.bind(kind.as_str()).bind(to_millis(now));
    let found = query.fetch_optional(writer).await.map_err(engine("trying a flow"))?;
    let Some(row) = found else { return Ok(None) };
    let tries_left: i64 = column(&row, "tries_left")?;
    Ok(Some(FlowRow {
        token_hash,
        kind,
        account: optional_id(&row, "account_id")?,
        body: column(&row, "body_sealed")?,
        tries_left: u32::try_from(tries_left)
            .map_err(|_| StoreError::Damaged { column: "flows.tries_left" })?,
        expires_at: instant(&row, "expires_at")?,
    }))
}

pub(super) async fn take(
    writer: &SqlitePool,
    token_hash: [u8; 32],
    kind: FlowKind,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM flows WHERE org_id = ?1 AND token_hash = ?2 AND kind = ?3 \
         AND expires_at > ?4";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(token_hash.to_vec()).bind(kind.as_str());
    let done = query.bind(to_millis(now)).execute(writer).await;
    Ok(done.map_err(engine("using up a flow"))?.rows_affected() > 0)
}
