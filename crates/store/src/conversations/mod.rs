//! Conversations: each its owner's own copy, whole, and never altered after it
//! was shown.
//!
//! [`Conversations`] is what an engine implements: rows whose content is sealed
//! before the engine sees it. [`Own`] is one account's way in: it seals, opens
//! and holds the limits. Messages are a tree, because an edit, another answer or
//! a branch is a sibling and not a change: they are numbered within their
//! conversation, and a message's parent always has a smaller number; 0 is none.
//!
//! The account stands in every key. An id of somebody else's is not found,
//! wherever it is used.

mod answers;
mod error;
mod limits;
mod own;
mod purge;
mod rows;
mod seals;
mod search;
mod shared;
mod shares;
mod views;

use std::future::Future;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;

use crate::people::StoreError;

pub use answers::{Checkpoint, write_checkpoints};
pub use error::ConversationError;
pub use limits::{
    ACCOUNT_BYTES_MAX, ANSWERS_PER_ACCOUNT_MAX, ATTACHMENT_BYTES_MAX, ATTACHMENT_NAME_BYTES_MAX,
    ATTACHMENTS_PER_MESSAGE_MAX, CONVERSATIONS_PER_ACCOUNT_MAX, DRAFT_BYTES_MAX, MESSAGE_BYTES_MAX,
    MESSAGES_PER_CONVERSATION_MAX, PAGE_BYTES_MAX, PAGE_CONVERSATIONS_MAX, PAGE_MESSAGES_MAX,
    SCAN_MESSAGES_MAX, SEARCH_BYTES_MAX, SEARCH_HITS_MAX, SEARCH_ROWS_MAX, SEARCH_TEXT_BYTES_MAX,
    SHARE_DAYS_MAX, SHARES_PER_CONVERSATION_MAX, SYSTEM_PROMPT_BYTES_MAX, TEMPORARY_HOURS_MAX,
    TITLE_BYTES_MAX,
};
pub use own::Own;
pub use purge::purge_erased;
pub use rows::{
    AnswerRow, AttachmentRow, CheckpointRow, ConversationId, ConversationRow, DraftRow, Edit,
    FinishedRow, Kept, MessageId, MessageRow, NewMessageRow, PathRow, Pick, Role, ShareRow, State,
};
pub use search::{Found, Hit, SearchFrom};
pub use shared::{SharedMessage, SharedPage, shared};
pub use views::{
    Answer, Attachment, Body, Conversation, Draft, Message, NewConversation, NewMessage, Page,
    Placed, Share, Tombstone,
};

/// A store of conversations. Engines implement it; [`crate::sqlite::Sqlite`] is
/// one. One call is one transaction, and none spans two calls.
pub trait Conversations: Send + Sync {
    /// Adds conversations, all or none.
    ///
    /// # Errors
    /// The account has [`CONVERSATIONS_PER_ACCOUNT_MAX`], or the engine failed.
    fn create(
        &self,
        rows: &[ConversationRow],
    ) -> impl Future<Output = Result<(), ConversationError>> + Send;

    /// The conversations of `owner` that `pick` names.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn conversations(
        &self,
        owner: AccountId,
        pick: &Pick,
    ) -> impl Future<Output = Result<Vec<ConversationRow>, StoreError>> + Send;

    /// Changes what is no message: all edits or none.
    ///
    /// # Errors
    /// [`ConversationError::NotFound`], or the engine failed.
    fn edit(
        &self,
        owner: AccountId,
        edits: &[(ConversationId, Edit)],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), ConversationError>> + Send;

    /// Adds messages, all or none, and gives their numbers. Each is the leaf
    /// that is looked at from now on. One whose id is there already is not added
    /// again: its number is given, so that whoever did not hear the answer may
    /// ask again.
    ///
    /// # Errors
    /// There is no such conversation or parent, something is full, or the engine
    /// failed.
    fn append(
        &self,
        rows: &[NewMessageRow],
    ) -> impl Future<Output = Result<Vec<u32>, ConversationError>> + Send;

    /// The messages from `from` up to the first one, at most `rows_max` of them
    /// and about [`PAGE_BYTES_MAX`], newest first; `None` begins with the leaf
    /// that is looked at. One query.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn path(
        &self,
        owner: AccountId,
        conversation: ConversationId,
        from: Option<u32>,
        rows_max: u32,
    ) -> impl Future<Output = Result<Vec<PathRow>, StoreError>> + Send;

    /// All messages of a conversation after the number `after`, on every branch,
    /// oldest first, at most [`SCAN_MESSAGES_MAX`].
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn messages(
        &self,
        owner: AccountId,
        conversation: ConversationId,
        after: u32,
    ) -> impl Future<Output = Result<Vec<MessageRow>, StoreError>> + Send;

    /// Whether the message `number` stands on the way from `leaf` to the first one.
    ///
    /// # Errors
    /// The engine failed.
    fn leads_to(
        &self,
        owner: AccountId,
        conversation: ConversationId,
        leaf: u32,
        number: u32,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The attachments of one message, in their order.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn attachments(
        &self,
        owner: AccountId,
        conversation: ConversationId,
        message: u32,
    ) -> impl Future<Output = Result<Vec<AttachmentRow>, StoreError>> + Send;

    /// Writes drafts, each in the place of the one before; an empty one goes.
    ///
    /// # Errors
    /// There is no such conversation, or the engine failed.
    fn write_drafts(
        &self,
        drafts: &[DraftRow],
    ) -> impl Future<Output = Result<(), ConversationError>> + Send;

    /// The draft of a conversation.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn draft(
        &self,
        owner: AccountId,
        conversation: ConversationId,
    ) -> impl Future<Output = Result<Option<DraftRow>, StoreError>> + Send;

    /// Begins answers, all or none.
    ///
    /// # Errors
    /// There is no such conversation or parent, an answer or a message with this id
    /// is there already, the account has [`ANSWERS_PER_ACCOUNT_MAX`], something is
    /// full, or the engine failed.
    fn begin_answers(
        &self,
        rows: &[AnswerRow],
    ) -> impl Future<Output = Result<(), ConversationError>> + Send;

    /// Writes checkpoints, each in the place of the one before. One of an answer
    /// that is over, or behind the one that is kept, changes nothing.
    ///
    /// # Errors
    /// The engine failed.
    fn checkpoint_answers(
        &self,
        rows: &[CheckpointRow],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes answers messages, all or none, and gives their numbers. Each is
    /// looked at from now on where its parent was. One that was finished before
    /// is as it was. What began may end: nothing is too full for it, so that the
    /// limits are passed by as much as may run at once.
    ///
    /// # Errors
    /// There is no such answer, or the engine failed.
    fn finish_answers(
        &self,
        rows: &[FinishedRow],
    ) -> impl Future<Output = Result<Vec<u32>, ConversationError>> + Send;

    /// Forgets answers that never began to speak: nothing becomes of them. One
    /// that is not there is passed over.
    ///
    /// # Errors
    /// The engine failed.
    fn forget_answers(
        &self,
        owner: AccountId,
        ids: &[(ConversationId, MessageId)],
    ) -> impl Future<Output = Result<(), ConversationError>> + Send;

    /// The answers of `owner` that are being written.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn answers(
        &self,
        owner: AccountId,
    ) -> impl Future<Output = Result<Vec<AnswerRow>, StoreError>> + Send;

    /// After a crash: makes the last checkpoints of answers partial messages,
    /// forgets those that had not begun to speak, and says what it kept. Call it
    /// before any answer begins, until it gives nothing.
    ///
    /// # Errors
    /// The engine failed.
    fn keep_partial(
        &self,
        at: Timestamp,
    ) -> impl Future<Output = Result<Vec<Kept>, ConversationError>> + Send;

    /// Adds a share.
    ///
    /// # Errors
    /// There is no such message, the conversation has
    /// [`SHARES_PER_CONVERSATION_MAX`], or the engine failed.
    fn add_share(
        &self,
        row: &ShareRow,
    ) -> impl Future<Output = Result<(), ConversationError>> + Send;

    /// The shares of a conversation, also those that expired.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn shares(
        &self,
        owner: AccountId,
        conversation: ConversationId,
    ) -> impl Future<Output = Result<Vec<ShareRow>, StoreError>> + Send;

    /// The share whose token has this hash, if it holds at `now`.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn share(
        &self,
        token_hash: [u8; 32],
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<ShareRow>, StoreError>> + Send;

    /// Ends a share. Whether there was one.
    ///
    /// # Errors
    /// The engine failed.
    fn revoke_share(
        &self,
        owner: AccountId,
        public_id: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes conversations with all that hangs on them, from the free pages
    /// and the write-ahead log too. How many there were.
    ///
    /// # Errors
    /// The engine failed.
    fn delete(
        &self,
        owner: AccountId,
        ids: &[ConversationId],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Removes temporary conversations that nobody touched for
    /// [`TEMPORARY_HOURS_MAX`], and shares that expired. How many conversations.
    ///
    /// # Errors
    /// The engine failed.
    fn sweep(&self, now: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
