//! Answers that are being written.

use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;

use super::super::engine;
use super::super::rows::{to_blob, to_millis};
use super::super::write::begin;
use super::rows::{self, owner, to_length};
use super::write::{Look, add, has_message, number_of, room};
use super::{Bounds, UNBOUNDED, failed};
use crate::conversations::{
    AnswerRow, CheckpointRow, ConversationError, ConversationId, FinishedRow, Kept, MessageId,
    MessageRow, NewMessageRow, Role, State,
};
use crate::people::{ORG_ID, StoreError};

/// Answers that one call of [`keep_partial`] takes.
const KEEP_ROWS_MAX: u32 = 64;

async fn begin_row(
    connection: &mut SqliteConnection,
    row: &AnswerRow,
    bounds: Bounds,
) -> Result<(), ConversationError> {
    const COUNT: &str = "SELECT count(*), ifnull(sum(conversation_id = ?3), 0) FROM answers \
         WHERE org_id = ?1 AND account_id = ?2";
    const MESSAGES: &str = "SELECT last_message FROM conversations \
         WHERE org_id = ?1 AND account_id = ?2 AND id = ?3";
    const INSERT: &str = "INSERT INTO answers (org_id, account_id, conversation_id, id, parent, \
         offset_bytes, started_at, updated_at, content_sealed) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE NOT EXISTS ( \
           SELECT 1 FROM messages m WHERE m.org_id = ?1 AND m.account_id = ?2 \
           AND m.conversation_id = ?3 AND m.id = ?4) ON CONFLICT DO NOTHING";
    let doing = failed("beginning an answer", "conversation");
    let conversation = to_blob(row.conversation.as_u128());
    has_message(connection, row.account, row.conversation, row.parent).await?;
    let query = sqlx::query_as(COUNT).bind(ORG_ID).bind(owner(row.account)).bind(&conversation);
    let (running, here): (i64, i64) = query.fetch_one(&mut *connection).await.map_err(&doing)?;
    let full = |whose, most, what| Err(ConversationError::Full { whose, most, what });
    if running >= i64::from(bounds.answers_max) {
        return full("an account", bounds.answers_max.into(), "answers at once");
    }
    let query = sqlx::query_scalar(MESSAGES).bind(ORG_ID).bind(owner(row.account));
    let messages: i64 =
        query.bind(&conversation).fetch_one(&mut *connection).await.map_err(&doing)?;
    if messages + here >= i64::from(bounds.messages_max) {
        return full("a conversation", bounds.messages_max.into(), "messages");
    }
    room(connection, row.account, row.content.len() as u64, bounds).await?;
    let query = sqlx::query(INSERT).bind(ORG_ID).bind(owner(row.account)).bind(&conversation);
    let query = query.bind(to_blob(row.id.as_u128())).bind(row.parent);
    let query = query.bind(to_length(row.offset_bytes)).bind(to_millis(row.started_at));
    let query = query.bind(to_millis(row.updated_at)).bind(&row.content);
    let done = query.execute(connection).await.map_err(doing)?;
    if done.rows_affected() == 0 {
        return Err(ConversationError::Exists { what: "answer" });
    }
    Ok(())
}

pub(super) async fn begin_all(
    writer: &SqlitePool,
    rows: &[AnswerRow],
    bounds: Bounds,
) -> Result<(), ConversationError> {
    let doing = failed("beginning an answer", "conversation");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    for row in rows {
        begin_row(&mut transaction, row, bounds).await?;
    }
    transaction.commit().await.map_err(doing)
}

pub(super) async fn checkpoint(
    writer: &SqlitePool,
    rows: &[CheckpointRow],
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE answers SET offset_bytes = ?5, updated_at = ?6, content_sealed = ?7 \
         WHERE org_id = ?1 AND account_id = ?2 AND conversation_id = ?3 AND id = ?4 \
         AND offset_bytes <= ?5";
    let doing = engine("writing checkpoints of answers");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    for row in rows {
        let query = sqlx::query(SQL).bind(ORG_ID).bind(owner(row.account));
        let query = query.bind(to_blob(row.conversation.as_u128()));
        let query = query.bind(to_blob(row.id.as_u128())).bind(to_length(row.offset_bytes));
        let query = query.bind(to_millis(row.at)).bind(&row.content);
        query.execute(&mut *transaction).await.map_err(&doing)?;
    }
    transaction.commit().await.map_err(doing)
}

pub(super) async fn finish(
    writer: &SqlitePool,
    rows: &[FinishedRow],
) -> Result<Vec<u32>, ConversationError> {
    const PARENT: &str = "SELECT parent FROM answers WHERE org_id = ?1 AND account_id = ?2 \
         AND conversation_id = ?3 AND id = ?4";
    let doing = failed("finishing an answer", "conversation");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    let mut numbers = Vec::with_capacity(rows.len());
    for row in rows {
        let mut message = MessageRow {
            account: row.account,
            conversation: row.conversation,
            id: row.id,
            number: 0,
            parent: 0,
            role: Role::Assistant,
            state: row.state,
            attachments: 0,
            created_at: row.at,
            content: row.content.clone(),
        };
        let query = sqlx::query_scalar(PARENT).bind(ORG_ID).bind(owner(row.account));
        let query = query.bind(to_blob(row.conversation.as_u128()));
        let query = query.bind(to_blob(row.id.as_u128()));
        let parent: Option<u32> = query.fetch_optional(&mut *transaction).await.map_err(&doing)?;
        let number = match parent {
            Some(parent) => {
                message.parent = parent;
                settle(&mut transaction, message).await?
            }
            None => number_of(&mut transaction, &message)
                .await?
                .ok_or(ConversationError::NotFound { what: "answer" })?,
        };
        numbers.push(number);
    }
    transaction.commit().await.map_err(doing)?;
    Ok(numbers)
}

/// An answer becomes the message that it was to be.
async fn settle(
    connection: &mut SqliteConnection,
    message: MessageRow,
) -> Result<u32, ConversationError> {
    let row = NewMessageRow { message, attachments: Vec::new() };
    let number = add(connection, &row, Look::WithItsParent, UNBOUNDED).await?;
    let MessageRow { account, conversation, id, .. } = row.message;
    forget(connection, account, (conversation, id)).await?;
    Ok(number)
}

async fn forget(
    connection: &mut SqliteConnection,
    account: AccountId,
    (conversation, id): (ConversationId, MessageId),
) -> Result<(), ConversationError> {
    const SQL: &str = "DELETE FROM answers WHERE org_id = ?1 AND account_id = ?2 \
         AND conversation_id = ?3 AND id = ?4";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(owner(account));
    let query = query.bind(to_blob(conversation.as_u128())).bind(to_blob(id.as_u128()));
    let done = query.execute(connection).await;
    done.map(drop).map_err(failed("finishing an answer", "answer"))
}

pub(super) async fn forget_all(
    writer: &SqlitePool,
    account: AccountId,
    ids: &[(ConversationId, MessageId)],
) -> Result<(), ConversationError> {
    let doing = failed("forgetting an answer", "answer");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    for id in ids {
        forget(&mut transaction, account, *id).await?;
    }
    transaction.commit().await.map_err(doing)
}

pub(super) async fn running(
    pool: &SqlitePool,
    account: AccountId,
) -> Result<Vec<AnswerRow>, StoreError> {
    const SQL: &str = "SELECT * FROM answers WHERE org_id = ?1 AND account_id = ?2 \
         ORDER BY conversation_id, id";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(owner(account));
    let found = query.fetch_all(pool).await.map_err(engine("reading answers"))?;
    found.iter().map(rows::answer).collect()
}

pub(super) async fn keep_partial(
    writer: &SqlitePool,
    at: Timestamp,
) -> Result<Vec<Kept>, ConversationError> {
    const SQL: &str = "SELECT * FROM answers WHERE org_id = ?1 ORDER BY account_id LIMIT ?2";
    let doing = failed("keeping partial answers", "conversation");
    let mut transaction = begin(writer).await.map_err(&doing)?;
    let query = sqlx::query(SQL).bind(ORG_ID).bind(KEEP_ROWS_MAX);
    let found: Vec<SqliteRow> = query.fetch_all(&mut *transaction).await.map_err(&doing)?;
    let mut kept = Vec::with_capacity(found.len());
    for row in &found {
        let answer = rows::answer(row)?;
        let has_begun = answer.offset_bytes > 0;
        let message = MessageRow {
            account: answer.account,
            conversation: answer.conversation,
            id: answer.id,
            number: 0,
            parent: answer.parent,
            role: Role::Assistant,
            state: State::Partial,
            attachments: 0,
            // The clock may have gone back since.
            created_at: at.max(answer.updated_at),
            content: answer.content,
        };
        let number = if has_begun {
            settle(&mut transaction, message).await?
        } else {
            forget(&mut transaction, answer.account, (answer.conversation, answer.id)).await?;
            0
        };
        let (account, conversation) = (answer.account, answer.conversation);
        kept.push(Kept { account, conversation, id: answer.id, number });
    }
    transaction.commit().await.map_err(doing)?;
    Ok(kept)
}
