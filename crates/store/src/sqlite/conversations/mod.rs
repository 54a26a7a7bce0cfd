//! Conversations in SQLite. Every statement is bound to the organisation and
//! the account, before anything else.

mod answers;
mod read;
mod rows;
mod shares;
mod write;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;

use super::Sqlite;
use crate::conversations::{
    ACCOUNT_BYTES_MAX, ANSWERS_PER_ACCOUNT_MAX, AnswerRow, AttachmentRow,
    CONVERSATIONS_PER_ACCOUNT_MAX, CheckpointRow, ConversationError, ConversationId,
    ConversationRow, Conversations, DraftRow, Edit, FinishedRow, Kept,
    MESSAGES_PER_CONVERSATION_MAX, MessageId, MessageRow, NewMessageRow, PathRow, Pick, ShareRow,
};
use crate::people::StoreError;

/// The limits that are held within a transaction.
#[derive(Clone, Copy)]
struct Bounds {
    conversations_max: u32,
    messages_max: u32,
    bytes_max: u64,
    answers_max: u32,
}

const BOUNDS: Bounds = Bounds {
    conversations_max: CONVERSATIONS_PER_ACCOUNT_MAX,
    messages_max: MESSAGES_PER_CONVERSATION_MAX,
    bytes_max: ACCOUNT_BYTES_MAX,
    answers_max: ANSWERS_PER_ACCOUNT_MAX,
};

/// For what began when there was room.
const UNBOUNDED: Bounds = Bounds {
    conversations_max: u32::MAX,
    messages_max: u32::MAX,
    bytes_max: u64::MAX,
    answers_max: u32::MAX,
};

impl Conversations for Sqlite {
    async fn create(&self, rows: &[ConversationRow]) -> Result<(), ConversationError> {
        write::create(&self.writer, rows, BOUNDS).await
    }

    async fn conversations(
        &self,
        owner: AccountId,
        pick: &Pick,
    ) -> Result<Vec<ConversationRow>, StoreError> {
        read::conversations(&self.readers, owner, pick).await
    }

    async fn edit(
        &self,
        owner: AccountId,
        edits: &[(ConversationId, Edit)],
        at: Timestamp,
    ) -> Result<(), ConversationError> {
        write::edit(&self.writer, owner, edits, at, BOUNDS).await
    }

    async fn append(&self, rows: &[NewMessageRow]) -> Result<Vec<u32>, ConversationError> {
        write::append(&self.writer, rows, BOUNDS).await
    }

    async fn path(
        &self,
        owner: AccountId,
        conversation: ConversationId,
        from: Option<u32>,
        rows_max: u32,
    ) -> Result<Vec<PathRow>, StoreError> {
        read::path(&self.readers, owner, conversation, from, rows_max).await
    }

    async fn messages(
        &self,
        owner: AccountId,
        conversation: ConversationId,
        after: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        read::messages(&self.readers, owner, conversation, after).await
    }

    async fn leads_to(
        &self,
        owner: AccountId,
        conversation: ConversationId,
        leaf: u32,
        number: u32,
    ) -> Result<bool, StoreError> {
        read::leads_to(&self.readers, owner, conversation, (leaf, number)).await
    }

    async fn attachments(
        &self,
        owner: AccountId,
        conversation: ConversationId,
        message: u32,
    ) -> Result<Vec<AttachmentRow>, StoreError> {
        read::attachments(&self.readers, owner, conversation, message).await
    }

    async fn write_drafts(&self, drafts: &[DraftRow]) -> Result<(), ConversationError> {
        write::drafts(&self.writer, drafts, BOUNDS).await
    }

    async fn draft(
        &self,
        owner: AccountId,
        conversation: ConversationId,
    ) -> Result<Option<DraftRow>, StoreError> {
        read::draft(&self.readers, owner, conversation).await
    }

    async fn begin_answers(&self, rows: &[AnswerRow]) -> Result<(), ConversationError> {
        answers::begin_all(&self.writer, rows, BOUNDS).await
    }

    async fn checkpoint_answers(&self, rows: &[CheckpointRow]) -> Result<(), StoreError> {
        answers::checkpoint(&self.writer, rows).await
    }

    async fn finish_answers(&self, rows: &[FinishedRow]) -> Result<Vec<u32>, ConversationError> {
        answers::finish(&self.writer, rows).await
    }

    async fn forget_answers(
        &self,
        owner: AccountId,
        ids: &[(ConversationId, MessageId)],
    ) -> Result<(), ConversationError> {
        answers::forget_all(&self.writer, owner, ids).await
    }

    async fn answers(&self, owner: AccountId) -> Result<Vec<AnswerRow>, StoreError> {
        answers::running(&self.readers, owner).await
    }

    async fn keep_partial(&self, at: Timestamp) -> Result<Vec<Kept>, ConversationError> {
        answers::keep_partial(&self.writer, at).await
    }

    async fn add_share(&self, row: &ShareRow) -> Result<(), ConversationError> {
        shares::add(&self.writer, row).await
    }

    async fn shares(
        &self,
        owner: AccountId,
        conversation: ConversationId,
    ) -> Result<Vec<ShareRow>, StoreError> {
        shares::of(&self.readers, owner, conversation).await
    }

    async fn share(
        &self,
        token_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<ShareRow>, StoreError> {
        shares::by_token(&self.readers, token_hash, now).await
    }

    async fn revoke_share(&self, owner: AccountId, public_id: &str) -> Result<bool, StoreError> {
        shares::revoke(&self.writer, owner, public_id).await
    }

    async fn delete(&self, owner: AccountId, ids: &[ConversationId]) -> Result<u64, StoreError> {
        write::delete(&self.writer, owner, ids).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        write::sweep(&self.writer, now).await
    }
}

/// As [`super::engine`]; a row whose owner is not there says that there is no
/// such `what`.
fn failed(doing: &'static str, what: &'static str) -> impl Fn(sqlx::Error) -> ConversationError {
    let engine = super::engine(doing);
    move |error| {
        let orphan = error.as_database_error().is_some_and(|e| e.is_foreign_key_violation());
        if orphan {
            ConversationError::NotFound { what }
        } else {
            ConversationError::Store(engine(error))
        }
    }
}

#[cfg(test)]
mod tests;
