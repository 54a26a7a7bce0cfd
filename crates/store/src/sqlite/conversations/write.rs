//! Writing conversations and messages: each call is one transaction.

use sqlx::{SqliteConnection, SqlitePool};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;

use super::super::engine;
use super::super::rows::{to_blob, to_millis};
use super::super::write::begin;
use super::rows::{owner, to_length};
use super::{Bounds, failed};
use crate::conversations::{
    ConversationError, ConversationId, ConversationRow, DraftRow, Edit, MessageRow, NewMessageRow,
    TEMPORARY_HOURS_MAX,
};
use crate::people::{ORG_ID, StoreError};

const NO_CONVERSATION: ConversationError = ConversationError::NotFound { what: "conversation" };

pub(super) async fn create(
    writer: &SqlitePool,
    rows: &[ConversationRow],
    bounds: Bounds,
) -> Result<(), ConversationError> {
    const COUNT: &str = "SELECT count(*) FROM conversations WHERE org_id = ?1 AND account_id = ?2";
    const INSERT: &str = "INSERT INTO conversations (org_id, account_id, id, public_id, temporary, \
         archived, last_message, active, bytes, created_at, updated_at, title_sealed, \
         system_prompt_sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, ?8, ?9, ?10, ?11)";
    let doing = failed("making a conversation", "account");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    for row in rows {
        let count = sqlx::query_scalar(COUNT).bind(ORG_ID).bind(owner(row.account));
        let count: i64 = count.fetch_one(&mut *transaction).await.map_err(&doing)?;
        if count >= i64::from(bounds.conversations_max) {
            return Err(full("an account", bounds.conversations_max.into(), "conversations"));
        }
        let bytes = row.system_prompt.as_ref().map_or(0, |prompt| prompt.len() as u64);
        room(&mut transaction, row.account, bytes, bounds).await?;
        let query = sqlx::query(INSERT).bind(ORG_ID).bind(owner(row.account));
        let query = query.bind(to_blob(row.id.as_u128())).bind(row.public_id.as_str());
        let query = query.bind(row.temporary).bind(row.archived).bind(to_length(bytes));
        let query = query.bind(to_millis(row.created_at)).bind(to_millis(row.updated_at));
        let query = query.bind(&row.title).bind(row.system_prompt.as_ref());
        query.execute(&mut *transaction).await.map_err(&doing)?;
    }
    transaction.commit().await.map_err(doing)
}

fn full(whose: &'static str, most: u64, what: &'static str) -> ConversationError {
    ConversationError::Full { whose, most, what }
}

/// That `account` may keep `more` bytes.
pub(super) async fn room(
    connection: &mut SqliteConnection,
    account: AccountId,
    more: u64,
    bounds: Bounds,
) -> Result<(), ConversationError> {
    const SUM: &str = "SELECT ifnull(sum(bytes), 0) FROM conversations \
         INDEXED BY conversations_bytes WHERE org_id = ?1 AND account_id = ?2";
    let query = sqlx::query_scalar(SUM).bind(ORG_ID).bind(owner(account));
    let sum: i64 = query.fetch_one(connection).await.map_err(engine("adding up content"))?;
    let after = u64::try_from(sum).unwrap_or(u64::MAX).saturating_add(more);
    if after > bounds.bytes_max {
        return Err(full("an account", bounds.bytes_max, "bytes of content"));
    }
    Ok(())
}

pub(super) async fn edit(
    writer: &SqlitePool,
    account: AccountId,
    edits: &[(ConversationId, Edit)],
    at: Timestamp,
    bounds: Bounds,
) -> Result<(), ConversationError> {
    const TITLE: &str = "UPDATE conversations SET title_sealed = ?4 \
         WHERE org_id = ?1 AND account_id = ?2 AND id = ?3";
    const PROMPT: &str = "UPDATE conversations SET system_prompt_sealed = ?4, updated_at = ?5, \
         bytes = bytes - ifnull(length(system_prompt_sealed), 0) + ifnull(length(?4), 0) \
         WHERE org_id = ?1 AND account_id = ?2 AND id = ?3";
    const ARCHIVED: &str = "UPDATE conversations SET archived = ?4 \
         WHERE org_id = ?1 AND account_id = ?2 AND id = ?3";
    // A child's number is larger than its parent's: the largest below is a leaf.
    const CHOOSE: &str = "WITH RECURSIVE below (number) AS ( \
           SELECT t.number FROM messages t WHERE t.org_id = ?1 AND t.account_id = ?2 \
           AND t.conversation_id = ?3 AND t.number = ?4 \
         UNION ALL \
           SELECT t.number FROM below CROSS JOIN messages t INDEXED BY messages_parent \
           WHERE t.org_id = ?1 AND t.account_id = ?2 AND t.conversation_id = ?3 \
           AND t.parent = below.number) \
         UPDATE conversations SET active = (SELECT max(number) FROM below) \
         WHERE org_id = ?1 AND account_id = ?2 AND id = ?3 AND EXISTS (SELECT 1 FROM below)";
    let doing = failed("changing a conversation", "conversation");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    for (id, edit) in edits {
        if let Edit::SystemPrompt(Some(prompt)) = edit {
            room(&mut transaction, account, prompt.len() as u64, bounds).await?;
        }
        let (owner, id) = (owner(account), to_blob(id.as_u128()));
        let query = |sql| sqlx::query(sql).bind(ORG_ID).bind(owner).bind(id);
        let (query, what) = match edit {
            Edit::Title(title) => (query(TITLE).bind(title), "conversation"),
            Edit::SystemPrompt(prompt) => {
                (query(PROMPT).bind(prompt).bind(to_millis(at)), "conversation")
            }
            Edit::Archived(archived) => (query(ARCHIVED).bind(archived), "conversation"),
            Edit::Choose(number) => (query(CHOOSE).bind(number), "message"),
        };
        let done = query.execute(&mut *transaction).await.map_err(&doing)?;
        if done.rows_affected() == 0 {
            return Err(ConversationError::NotFound { what });
        }
    }
    transaction.commit().await.map_err(doing)
}

pub(super) async fn append(
    writer: &SqlitePool,
    rows: &[NewMessageRow],
    bounds: Bounds,
) -> Result<Vec<u32>, ConversationError> {
    let doing = failed("adding a message", "conversation");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    let mut numbers = Vec::with_capacity(rows.len());
    for row in rows {
        numbers.push(add(&mut transaction, row, Look::Here, bounds).await?);
    }
    transaction.commit().await.map_err(doing)?;
    Ok(numbers)
}

/// When a new message is the one that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// From now on.
    Here,
    /// If its parent is.
    WithItsParent,
}

/// Adds one message, or gives the number that it has.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    row: &NewMessageRow,
    look: Look,
    bounds: Bounds,
) -> Result<u32, ConversationError> {
    let message = &row.message;
    if let Some(number) = number_of(connection, message).await? {
        return Ok(number);
    }
    has_message(connection, message.account, message.conversation, message.parent).await?;
    let attached = row.attachments.iter().map(|a| a.name.len() + a.text.len());
    let bytes = (message.content.len() + attached.sum::<usize>()) as u64;
    room(connection, message.account, bytes, bounds).await?;
    let number = next_number(connection, message, bytes, look, bounds).await?;
    insert(connection, row, number).await.map_err(failed("adding a message", "conversation"))?;
    Ok(number)
}

/// The number of a message that is there already.
pub(super) async fn number_of(
    connection: &mut SqliteConnection,
    message: &MessageRow,
) -> Result<Option<u32>, ConversationError> {
    const SQL: &str = "SELECT number FROM messages WHERE org_id = ?1 AND account_id = ?2 \
         AND conversation_id = ?3 AND id = ?4";
    let query = sqlx::query_scalar(SQL).bind(ORG_ID).bind(owner(message.account));
    let query = query.bind(to_blob(message.conversation.as_u128()));
    let query = query.bind(to_blob(message.id.as_u128()));
    Ok(query.fetch_optional(connection).await.map_err(engine("looking for a message"))?)
}

/// That the conversation has the message `number`, or is there at all for 0.
pub(super) async fn has_message(
    connection: &mut SqliteConnection,
    account: AccountId,
    conversation: ConversationId,
    number: u32,
) -> Result<(), ConversationError> {
    const SQL: &str = "SELECT c.last_message >= ?4 FROM conversations c \
         WHERE c.org_id = ?1 AND c.account_id = ?2 AND c.id = ?3";
    let query = sqlx::query_scalar(SQL).bind(ORG_ID).bind(owner(account));
    let query = query.bind(to_blob(conversation.as_u128())).bind(number);
    // Messages are numbered without a gap: none goes without its conversation.
    let found: Option<bool> =
        query.fetch_optional(connection).await.map_err(engine("looking for a message"))?;
    match found {
        Some(true) => Ok(()),
        Some(false) => Err(ConversationError::NotFound { what: "message" }),
        None => Err(NO_CONVERSATION),
    }
}

async fn next_number(
    connection: &mut SqliteConnection,
    message: &MessageRow,
    bytes: u64,
    look: Look,
    bounds: Bounds,
) -> Result<u32, ConversationError> {
    const SQL: &str = "UPDATE conversations SET last_message = last_message + 1, \
         bytes = bytes + ?4, updated_at = max(updated_at, ?5), \
         active = CASE WHEN ?6 OR active = ?7 THEN last_message + 1 ELSE active END \
         WHERE org_id = ?1 AND account_id = ?2 AND id = ?3 AND last_message < ?8 \
         RETURNING last_message";
    let query = sqlx::query_scalar(SQL).bind(ORG_ID).bind(owner(message.account));
    let query = query.bind(to_blob(message.conversation.as_u128())).bind(to_length(bytes));
    let query = query.bind(to_millis(message.created_at)).bind(look == Look::Here);
    let query = query.bind(message.parent).bind(bounds.messages_max);
    let number: Option<u32> =
        query.fetch_optional(connection).await.map_err(engine("numbering a message"))?;
    number.ok_or_else(|| full("a conversation", bounds.messages_max.into(), "messages"))
}

async fn insert(
    connection: &mut SqliteConnection,
    row: &NewMessageRow,
    number: u32,
) -> Result<(), sqlx::Error> {
    const MESSAGE: &str = "INSERT INTO messages (org_id, account_id, conversation_id, number, id, \
         parent, role, state, attachments, created_at, content_sealed) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    const ATTACHMENT: &str = "INSERT INTO attachments (org_id, account_id, conversation_id, message, \
         ordinal, name_sealed, text_sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let message = &row.message;
    let conversation = to_blob(message.conversation.as_u128());
    let query = sqlx::query(MESSAGE).bind(ORG_ID).bind(owner(message.account)).bind(&conversation);
    let query = query.bind(number).bind(to_blob(message.id.as_u128())).bind(message.parent);
    let query = query.bind(message.role.as_str()).bind(message.state.as_str());
    let query = query.bind(u32::try_from(row.attachments.len()).unwrap_or(u32::MAX));
    let query = query.bind(to_millis(message.created_at)).bind(&message.content);
    query.execute(&mut *connection).await?;
    for (ordinal, attachment) in (1_u32..).zip(&row.attachments) {
        let query = sqlx::query(ATTACHMENT).bind(ORG_ID).bind(owner(message.account));
        let query = query.bind(&conversation).bind(number).bind(ordinal);
        let query = query.bind(&attachment.name).bind(&attachment.text);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn drafts(
    writer: &SqlitePool,
    drafts: &[DraftRow],
    bounds: Bounds,
) -> Result<(), ConversationError> {
    const COUNT: &str = "UPDATE conversations SET bytes = bytes + ?4 - ifnull((SELECT \
         length(d.text_sealed) FROM drafts d WHERE d.org_id = ?1 AND d.account_id = ?2 \
         AND d.conversation_id = ?3), 0) WHERE org_id = ?1 AND account_id = ?2 AND id = ?3";
    const PUT: &str = "INSERT INTO drafts (org_id, account_id, conversation_id, text_sealed, \
         updated_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET \
         text_sealed = excluded.text_sealed, updated_at = excluded.updated_at";
    const DROP: &str =
        "DELETE FROM drafts WHERE org_id = ?1 AND account_id = ?2 AND conversation_id = ?3";
    let doing = failed("writing a draft", "conversation");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    for draft in drafts {
        let bytes = draft.text.as_ref().map_or(0, |text| text.len() as u64);
        room(&mut transaction, draft.account, bytes, bounds).await?;
        let (owner, id) = (owner(draft.account), to_blob(draft.conversation.as_u128()));
        let query = |sql| sqlx::query(sql).bind(ORG_ID).bind(owner.clone()).bind(id.clone());
        let counted = query(COUNT).bind(to_length(bytes)).execute(&mut *transaction).await;
        if counted.map_err(&doing)?.rows_affected() == 0 {
            return Err(NO_CONVERSATION);
        }
        let query = match &draft.text {
            Some(text) => query(PUT).bind(text).bind(to_millis(draft.updated_at)),
            None => query(DROP),
        };
        query.execute(&mut *transaction).await.map_err(&doing)?;
    }
    transaction.commit().await.map_err(doing)
}

pub(super) async fn delete(
    writer: &SqlitePool,
    account: AccountId,
    ids: &[ConversationId],
) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM conversations WHERE org_id = ?1 AND account_id = ?2 AND id = ?3";
    let doing = engine("deleting conversations");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    let mut deleted = 0;
    for id in ids {
        let query = sqlx::query(SQL).bind(ORG_ID).bind(owner(account));
        let query = query.bind(to_blob(id.as_u128()));
        deleted += query.execute(&mut *transaction).await.map_err(&doing)?.rows_affected();
    }
    transaction.commit().await.map_err(&doing)?;
    if deleted > 0 {
        shorten_log(writer).await?;
    }
    Ok(deleted)
}

/// Deleted rows are zeroed in the database (`secure_delete`) and still stand in
/// the write-ahead log: it is folded in and cut off. A reader in its way puts
/// that off to the next time.
async fn shorten_log(writer: &SqlitePool) -> Result<(), StoreError> {
    let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(writer).await;
    done.map(drop).map_err(engine("cutting the write-ahead log off"))
}

pub(super) async fn sweep(writer: &SqlitePool, now: Timestamp) -> Result<u64, StoreError> {
    const TEMPORARY: &str = "DELETE FROM conversations INDEXED BY conversations_temporary \
         WHERE org_id = ?1 AND temporary = 1 AND updated_at < ?2";
    const SHARES: &str = "DELETE FROM shares WHERE org_id = ?1 AND expires_at <= ?2";
    let doing = engine("removing what is over");
    let before = now.millis().saturating_sub(TEMPORARY_HOURS_MAX * 3_600_000);
    let before = to_millis(Timestamp::from_millis(before));
    let mut transaction = begin(writer).await.map_err(&doing)?;
    let query = sqlx::query(TEMPORARY).bind(ORG_ID).bind(before);
    let gone = query.execute(&mut *transaction).await.map_err(&doing)?.rows_affected();
    let query = sqlx::query(SHARES).bind(ORG_ID).bind(to_millis(now));
    query.execute(&mut *transaction).await.map_err(&doing)?;
    transaction.commit().await.map_err(&doing)?;
    if gone > 0 {
        shorten_log(writer).await?;
    }
    Ok(gone)
}
