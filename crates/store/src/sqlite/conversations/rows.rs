//! Rows of SQLite as rows of conversations.

use sqlx::sqlite::SqliteRow;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, PublicId};

use super::super::rows::{bytes, column, id, instant};
use crate::conversations::{
    AnswerRow, AttachmentRow, ConversationRow, DraftRow, MessageId, MessageRow, PathRow, Role,
    ShareRow, State,
};
use crate::people::StoreError;

/// A number that is never negative.
fn number(row: &SqliteRow, name: &'static str) -> Result<u32, StoreError> {
    let found: i64 = column(row, name)?;
    u32::try_from(found).map_err(|_| StoreError::Damaged { column: name })
}

fn length(row: &SqliteRow, name: &'static str) -> Result<u64, StoreError> {
    let found: i64 = column(row, name)?;
    u64::try_from(found).map_err(|_| StoreError::Damaged { column: name })
}

pub(super) fn message_id(row: &SqliteRow) -> Result<MessageId, StoreError> {
    Ok(MessageId::from_u128(u128::from_be_bytes(bytes(row, "id")?)))
}

pub(super) fn conversation(row: &SqliteRow) -> Result<ConversationRow, StoreError> {
    Ok(ConversationRow {
        id: id(row, "id")?,
        public_id: public_id(row)?,
        account: id(row, "account_id")?,
        title: column(row, "title_sealed")?,
        system_prompt: column(row, "system_prompt_sealed")?,
        temporary: column(row, "temporary")?,
        archived: column(row, "archived")?,
        created_at: instant(row, "created_at")?,
        updated_at: instant(row, "updated_at")?,
        messages: number(row, "last_message")?,
        active: number(row, "active")?,
        bytes: length(row, "bytes")?,
    })
}

fn public_id(row: &SqliteRow) -> Result<PublicId, StoreError> {
    column(row, "public_id").map(PublicId::from_stored)
}

pub(super) fn message(row: &SqliteRow) -> Result<MessageRow, StoreError> {
    let role: &str = column(row, "role")?;
    let role = Role::ALL.into_iter().find(|known| known.as_str() == role);
    let state: &str = column(row, "state")?;
    let state = State::ALL.into_iter().find(|known| known.as_str() == state);
    Ok(MessageRow {
        account: id(row, "account_id")?,
        conversation: id(row, "conversation_id")?,
        id: message_id(row)?,
        number: number(row, "number")?,
        parent: number(row, "parent")?,
        role: role.ok_or(StoreError::Damaged { column: "messages.role" })?,
        state: state.ok_or(StoreError::Damaged { column: "messages.state" })?,
        attachments: number(row, "attachments")?,
        created_at: instant(row, "created_at")?,
        content: column(row, "content_sealed")?,
    })
}

pub(super) fn placed(row: &SqliteRow) -> Result<PathRow, StoreError> {
    Ok(PathRow {
        message: message(row)?,
        position: number(row, "position")?,
        siblings: number(row, "siblings")?,
        previous: number(row, "previous")?,
        next: number(row, "next")?,
    })
}

pub(super) fn attachment(row: &SqliteRow) -> Result<AttachmentRow, StoreError> {
    Ok(AttachmentRow { name: column(row, "name_sealed")?, text: column(row, "text_sealed")? })
}

pub(super) fn draft(row: &SqliteRow) -> Result<DraftRow, StoreError> {
    Ok(DraftRow {
        account: id(row, "account_id")?,
        conversation: id(row, "conversation_id")?,
        text: column(row, "text_sealed")?,
        updated_at: instant(row, "updated_at")?,
    })
}

pub(super) fn answer(row: &SqliteRow) -> Result<AnswerRow, StoreError> {
    Ok(AnswerRow {
        account: id(row, "account_id")?,
        conversation: id(row, "conversation_id")?,
        id: message_id(row)?,
        parent: number(row, "parent")?,
        offset_bytes: length(row, "offset_bytes")?,
        started_at: instant(row, "started_at")?,
        updated_at: instant(row, "updated_at")?,
        content: column(row, "content_sealed")?,
    })
}

pub(super) fn share(row: &SqliteRow) -> Result<ShareRow, StoreError> {
    Ok(ShareRow {
        account: id(row, "account_id")?,
        conversation: id(row, "conversation_id")?,
        public_id: public_id(row)?,
        token_hash: bytes(row, "token_hash")?,
        leaf: number(row, "leaf")?,
        created_at: instant(row, "created_at")?,
        expires_at: instant(row, "expires_at")?,
    })
}

/// An account as SQLite stores it.
pub(super) fn owner(account: AccountId) -> Vec<u8> {
    super::super::rows::to_blob(account.as_u128())
}

/// A length as SQLite stores it.
pub(super) fn to_length(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The instant before all others of a list that goes back in time.
pub(super) const END_OF_TIME: Timestamp = Timestamp::from_millis(i64::MAX.unsigned_abs());
