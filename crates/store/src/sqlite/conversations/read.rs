//! Reading conversations.

use sqlx::SqlitePool;
use surgewall_core::id::AccountId;

use super::super::engine;
use super::super::rows::{to_blob, to_millis};
use super::rows::{self, END_OF_TIME, owner, to_length};
use crate::conversations::{
    AttachmentRow, ConversationId, ConversationRow, DraftRow, MessageRow, PAGE_BYTES_MAX,
    PAGE_CONVERSATIONS_MAX, PAGE_MESSAGES_MAX, PathRow, Pick, SCAN_MESSAGES_MAX,
};
use crate::people::{ORG_ID, StoreError};

pub(super) const BY_PUBLIC_ID: &str = "SELECT t.* FROM conversations t \
     INDEXED BY conversations_public_id \
     WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.public_id = ?3";
pub(super) const RECENT: &str = "SELECT t.* FROM conversations t INDEXED BY conversations_recent \
     WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.temporary = 0 AND t.archived = ?3 \
     AND (t.updated_at, t.id) < (?4, ?5) ORDER BY t.updated_at DESC, t.id DESC LIMIT ?6";
pub(super) const BEFORE: &str = "SELECT t.* FROM conversations t \
     WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.id < ?3 ORDER BY t.id DESC LIMIT ?4";
/// From a leaf towards the first message: the walk reads numbers and lengths,
/// and the content of those only that are on the page.
pub(super) const PATH: &str = "WITH RECURSIVE path (number, parent, depth, bytes) AS ( \
       SELECT t.number, t.parent, 1, length(t.content_sealed) FROM messages t \
       WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.conversation_id = ?3 \
       AND t.number = ifnull(?4, (SELECT c.active FROM conversations c \
           WHERE c.org_id = ?1 AND c.account_id = ?2 AND c.id = ?3)) \
     UNION ALL \
       SELECT t.number, t.parent, path.depth + 1, path.bytes + length(t.content_sealed) \
       FROM path CROSS JOIN messages t \
       WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.conversation_id = ?3 \
       AND t.number = path.parent AND path.depth < ?5 AND path.bytes < ?6) \
     SELECT t.*, \
       (SELECT count(*) FROM messages s WHERE s.org_id = ?1 AND s.account_id = ?2 \
           AND s.conversation_id = ?3 AND s.parent = t.parent AND s.number <= t.number) AS position, \
       (SELECT count(*) FROM messages s WHERE s.org_id = ?1 AND s.account_id = ?2 \
           AND s.conversation_id = ?3 AND s.parent = t.parent) AS siblings, \
       ifnull((SELECT max(s.number) FROM messages s WHERE s.org_id = ?1 AND s.account_id = ?2 \
           AND s.conversation_id = ?3 AND s.parent = t.parent AND s.number < t.number), 0) AS previous, \
       ifnull((SELECT min(s.number) FROM messages s WHERE s.org_id = ?1 AND s.account_id = ?2 \
           AND s.conversation_id = ?3 AND s.parent = t.parent AND s.number > t.number), 0) AS next \
     FROM path CROSS JOIN messages t \
     WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.conversation_id = ?3 \
     AND t.number = path.number ORDER BY path.depth";
pub(super) const MESSAGES: &str = "SELECT t.* FROM messages t \
     WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.conversation_id = ?3 AND t.number > ?4 \
     ORDER BY t.number LIMIT ?5";
pub(super) const ATTACHMENTS: &str = "SELECT t.* FROM attachments t \
     WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.conversation_id = ?3 AND t.message = ?4 \
     ORDER BY t.ordinal";
pub(super) const LEADS_TO: &str = "WITH RECURSIVE path (number, parent) AS ( \
       SELECT t.number, t.parent FROM messages t WHERE t.org_id = ?1 AND t.account_id = ?2 \
       AND t.conversation_id = ?3 AND t.number = ?4 \
     UNION ALL \
       SELECT t.number, t.parent FROM path CROSS JOIN messages t \
       WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.conversation_id = ?3 \
       AND t.number = path.parent AND path.number > ?5) \
     SELECT count(*) FROM path WHERE number = ?5";
const DRAFT: &str = "SELECT t.* FROM drafts t \
     WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.conversation_id = ?3";

pub(super) async fn conversations(
    pool: &SqlitePool,
    account: AccountId,
    pick: &Pick,
) -> Result<Vec<ConversationRow>, StoreError> {
    let last = ConversationId::from_u128(u128::MAX);
    let query = match pick {
        Pick::PublicId(text) => {
            sqlx::query(BY_PUBLIC_ID).bind(ORG_ID).bind(owner(account)).bind(text)
        }
        Pick::Recent { archived, before, rows_max } => {
            let (at, id) = before.unwrap_or((END_OF_TIME, last));
            let query = sqlx::query(RECENT).bind(ORG_ID).bind(owner(account)).bind(archived);
            let query = query.bind(to_millis(at)).bind(to_blob(id.as_u128()));
            query.bind((*rows_max).min(PAGE_CONVERSATIONS_MAX))
        }
        Pick::Before { id, rows_max } => {
            let id = id.unwrap_or(last).as_u128();
            let query = sqlx::query(BEFORE).bind(ORG_ID).bind(owner(account)).bind(to_blob(id));
            query.bind((*rows_max).min(PAGE_CONVERSATIONS_MAX))
        }
    };
    let found = query.fetch_all(pool).await.map_err(engine("reading conversations"))?;
    found.iter().map(rows::conversation).collect()
}

pub(super) async fn path(
    pool: &SqlitePool,
    account: AccountId,
    conversation: ConversationId,
    from: Option<u32>,
    rows_max: u32,
) -> Result<Vec<PathRow>, StoreError> {
    let query = sqlx::query(PATH).bind(ORG_ID).bind(owner(account));
    let query = query.bind(to_blob(conversation.as_u128())).bind(from);
    let query = query.bind(rows_max.min(PAGE_MESSAGES_MAX)).bind(to_length(PAGE_BYTES_MAX));
    let found = query.fetch_all(pool).await.map_err(engine("reading messages"))?;
    found.iter().map(rows::placed).collect()
}

pub(super) async fn messages(
    pool: &SqlitePool,
    account: AccountId,
    conversation: ConversationId,
    after: u32,
) -> Result<Vec<MessageRow>, StoreError> {
    let query = sqlx::query(MESSAGES).bind(ORG_ID).bind(owner(account));
    let query = query.bind(to_blob(conversation.as_u128())).bind(after).bind(SCAN_MESSAGES_MAX);
    let found = query.fetch_all(pool).await.map_err(engine("reading messages"))?;
    found.iter().map(rows::message).collect()
}

pub(super) async fn attachments(
    pool: &SqlitePool,
    account: AccountId,
    conversation: ConversationId,
    message: u32,
) -> Result<Vec<AttachmentRow>, StoreError> {
    let query = sqlx::query(ATTACHMENTS).bind(ORG_ID).bind(owner(account));
    let query = query.bind(to_blob(conversation.as_u128())).bind(message);
    let found = query.fetch_all(pool).await.map_err(engine("reading attachments"))?;
    found.iter().map(rows::attachment).collect()
}

pub(super) async fn leads_to(
    pool: &SqlitePool,
    account: AccountId,
    conversation: ConversationId,
    (leaf, number): (u32, u32),
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar(LEADS_TO).bind(ORG_ID).bind(owner(account));
    let query = query.bind(to_blob(conversation.as_u128())).bind(leaf).bind(number);
    let count: i64 = query.fetch_one(pool).await.map_err(engine("reading messages"))?;
    Ok(count > 0)
}

pub(super) async fn draft(
    pool: &SqlitePool,
    account: AccountId,
    conversation: ConversationId,
) -> Result<Option<DraftRow>, StoreError> {
    let query = sqlx::query(DRAFT).bind(ORG_ID).bind(owner(account));
    let query = query.bind(to_blob(conversation.as_u128()));
    let found = query.fetch_optional(pool).await.map_err(engine("reading a draft"))?;
    found.as_ref().map(rows::draft).transpose()
}
