//! Shares: who has the token reads, and can do nothing else.

use sqlx::SqlitePool;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;

use super::super::engine;
use super::super::rows::{to_blob, to_millis};
use super::super::write::begin;
use super::failed;
use super::rows::{self, owner};
use crate::conversations::{
    ConversationError, ConversationId, SHARES_PER_CONVERSATION_MAX, ShareRow,
};
use crate::people::{ORG_ID, StoreError};

pub(super) const BY_TOKEN: &str = "SELECT t.* FROM shares t \
     WHERE t.org_id = ?1 AND t.token_hash = ?2 AND t.expires_at > ?3";

pub(super) async fn add(writer: &SqlitePool, row: &ShareRow) -> Result<(), ConversationError> {
    // One that is over makes room.
    const EXPIRED: &str = "DELETE FROM shares WHERE org_id = ?1 AND account_id = ?2 \
         AND conversation_id = ?3 AND expires_at <= ?4";
    const COUNT: &str = "SELECT count(*) FROM shares WHERE org_id = ?1 AND account_id = ?2 \
         AND conversation_id = ?3";
    const INSERT: &str = "INSERT INTO shares (org_id, account_id, conversation_id, public_id, \
         token_hash, leaf, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let doing = failed("sharing a conversation", "message");
    let (owner, conversation) = (owner(row.account), to_blob(row.conversation.as_u128()));
    let mut transaction = begin(writer).await.map_err(&doing)?;
    let query = sqlx::query(EXPIRED).bind(ORG_ID).bind(&owner).bind(&conversation);
    let query = query.bind(to_millis(row.created_at));
    query.execute(&mut *transaction).await.map_err(&doing)?;
    let query = sqlx::query_scalar(COUNT).bind(ORG_ID).bind(&owner).bind(&conversation);
    let count: i64 = query.fetch_one(&mut *transaction).await.map_err(&doing)?;
    if count >= i64::from(SHARES_PER_CONVERSATION_MAX) {
        let most = SHARES_PER_CONVERSATION_MAX.into();
        return Err(ConversationError::Full { whose: "a conversation", most, what: "shares" });
    }
    let query = sqlx::query(INSERT).bind(ORG_ID).bind(&owner).bind(&conversation);
    let query = query.bind(row.public_id.as_str()).bind(row.token_hash.to_vec()).bind(row.leaf);
    let query = query.bind(to_millis(row.created_at)).bind(to_millis(row.expires_at));
    query.execute(&mut *transaction).await.map_err(&doing)?;
    transaction.commit().await.map_err(doing)
}

pub(super) async fn of(
    pool: &SqlitePool,
    account: AccountId,
    conversation: ConversationId,
) -> Result<Vec<ShareRow>, StoreError> {
    const SQL: &str = "SELECT * FROM shares WHERE org_id = ?1 AND account_id = ?2 \
         AND conversation_id = ?3 ORDER BY created_at, public_id";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(owner(account));
    let query = query.bind(to_blob(conversation.as_u128()));
    let found = query.fetch_all(pool).await.map_err(engine("reading shares"))?;
    found.iter().map(rows::share).collect()
}

pub(super) async fn by_token(
    pool: &SqlitePool,
    token_hash: [u8; 32],
    now: Timestamp,
) -> Result<Option<ShareRow>, StoreError> {
    let query = sqlx::query(BY_TOKEN).bind(ORG_ID).bind(token_hash.to_vec()).bind(to_millis(now));
    let found = query.fetch_optional(pool).await.map_err(engine("reading a share"))?;
    found.as_ref().map(rows::share).transpose()
}

pub(super) async fn revoke(
    writer: &SqlitePool,
    account: AccountId,
    public_id: &str,
) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM shares WHERE org_id = ?1 AND account_id = ?2 AND public_id = ?3";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(owner(account)).bind(public_id);
    let done = query.execute(writer).await.map_err(engine("ending a share"))?;
    Ok(done.rows_affected() > 0)
}
