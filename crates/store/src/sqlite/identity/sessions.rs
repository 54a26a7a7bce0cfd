//! Sessions: read once at start, written when one begins or ends, and once a
//! minute for all that were seen.

use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::SessionId;

use super::super::engine;
use super::super::rows::{bytes, column, id, instant, public_id, to_blob, to_millis};
use super::super::write::begin;
use crate::identity::{SessionListener, SessionRow};
use crate::people::{ORG_ID, PAGE_ROWS_MAX, StoreError};

fn session(row: &SqliteRow) -> Result<SessionRow, StoreError> {
    let listener = match column(row, "listener")? {
        "public" => SessionListener::Public,
        "admin" => SessionListener::Admin,
        _ => return Err(StoreError::Damaged { column: "sessions.listener" }),
    };
    Ok(SessionRow {
        id: id(row, "id")?,
        public_id: public_id(row)?,
        account: id(row, "account_id")?,
        token_hash: bytes(row, "token_hash")?,
        listener,
        strong: column(row, "strong")?,
        created_at: instant(row, "created_at")?,
        authenticated_at: instant(row, "authenticated_at")?,
        seen_at: instant(row, "seen_at")?,
        about: column(row, "about_sealed")?,
    })
}

pub(super) async fn page(pool: &SqlitePool, after: u128) -> Result<Vec<SessionRow>, StoreError> {
    const SQL: &str = "SELECT * FROM sessions WHERE org_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(after)).bind(PAGE_ROWS_MAX);
    let found = query.fetch_all(pool).await.map_err(engine("reading sessions"))?;
    found.iter().map(session).collect()
}

pub(super) async fn put(
    writer: &SqlitePool,
    row: &SessionRow,
    instead_of: &[SessionId],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO sessions (org_id, id, public_id, account_id, token_hash, \
         listener, strong, created_at, authenticated_at, seen_at, about_sealed) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let doing = engine("beginning a session");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    remove(&mut transaction, instead_of).await.map_err(&doing)?;
    sqlx::query(SQL)
        .bind(ORG_ID)
        .bind(to_blob(row.id.as_u128()))
        .bind(row.public_id.as_str())
        .bind(to_blob(row.account.as_u128()))
        .bind(row.token_hash.to_vec())
        .bind(row.listener.as_str())
        .bind(row.strong)
        .bind(to_millis(row.created_at))
        .bind(to_millis(row.authenticated_at))
        .bind(to_millis(row.seen_at))
        .bind(&row.about)
        .execute(&mut *transaction)
        .await
        .map_err(&doing)?;
    transaction.commit().await.map_err(doing)
}

async fn remove(connection: &mut SqliteConnection, ids: &[SessionId]) -> Result<(), sqlx::Error> {
    const SQL: &str = "DELETE FROM sessions WHERE org_id = ?1 AND id = ?2";
    for id in ids {
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(id.as_u128()));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn end(writer: &SqlitePool, ids: &[SessionId]) -> Result<(), StoreError> {
    let doing = engine("ending sessions");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    remove(&mut transaction, ids).await.map_err(&doing)?;
    transaction.commit().await.map_err(doing)
}

pub(super) async fn write_seen(
    writer: &SqlitePool,
    seen: &[(SessionId, Timestamp)],
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE sessions SET seen_at = max(seen_at, ?3) \
         WHERE org_id = ?1 AND id = ?2";
    let doing = engine("writing when sessions were seen");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    for (id, at) in seen {
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(id.as_u128()));
        query.bind(to_millis(*at)).execute(&mut *transaction).await.map_err(&doing)?;
    }
    transaction.commit().await.map_err(doing)
}
