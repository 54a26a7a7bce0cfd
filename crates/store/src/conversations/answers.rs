//! Answers that are being written: a job of the door, not of a page.
//!
//! An answer has a row from its first moment, and its text so far is put there
//! in batches. When it ends it becomes a message; when the door dies its last
//! checkpoint becomes one, marked partial ([`Conversations::keep_partial`]).

use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;

use super::seals::{Seals, blocking};
use super::views::{Answer, Body};
use super::{
    AnswerRow, CheckpointRow, ConversationError, ConversationId, Conversations, FinishedRow,
    MESSAGE_BYTES_MAX, MessageId, Own, Role, State,
};
use crate::vault::Vault;

/// How far an answer has come.
#[derive(Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose answer.
    pub account: AccountId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Which one.
    pub id: MessageId,
    /// What it says so far.
    pub body: Body,
}

/// Writes checkpoints of many accounts' answers at once, each in the place of
/// the one before.
///
/// # Errors
/// One is longer than a message may be, or the store or the vault failed.
pub async fn write_checkpoints<C: Conversations>(
    store: &C,
    vault: &Vault,
    checkpoints: Vec<Checkpoint>,
    now: Timestamp,
) -> Result<(), ConversationError> {
    checkpoints.iter().try_for_each(|checkpoint| fits(&checkpoint.body))?;
    let vault = vault.clone();
    let rows = blocking(move || {
        let sealed = checkpoints.into_iter().map(|checkpoint| {
            let Checkpoint { account, conversation, id, body } = checkpoint;
            let place = (conversation, id, Role::Assistant);
            let content = Seals::new(&vault, account).body(place, &body, now)?;
            let offset_bytes = (body.text.len() + body.thinking.len()) as u64;
            Ok(CheckpointRow { account, conversation, id, offset_bytes, at: now, content })
        });
        sealed.collect::<Result<Vec<_>, ConversationError>>()
    });
    Ok(store.checkpoint_answers(&rows.await?).await?)
}

fn fits(body: &Body) -> Result<(), ConversationError> {
    let (found, bytes_max) = (body.len(), MESSAGE_BYTES_MAX);
    if found > bytes_max {
        return Err(ConversationError::TooLong { what: "message", found, bytes_max });
    }
    Ok(())
}

impl<C: Conversations> Own<'_, C> {
    /// Begins the answer `id` to the message `parent`.
    ///
    /// # Errors
    /// There is no such conversation or message, there is such an answer already,
    /// or something is full.
    pub async fn begin_answer(
        &self,
        conversation: ConversationId,
        parent: u32,
        id: MessageId,
        now: Timestamp,
    ) -> Result<(), ConversationError> {
        let seals = self.seals.clone();
        let place = (conversation, id, Role::Assistant);
        let content = blocking(move || seals.body(place, &Body::default(), now)).await?;
        let row = AnswerRow {
            account: self.account,
            conversation,
            id,
            parent,
            offset_bytes: 0,
            started_at: now,
            updated_at: now,
            content,
        };
        self.store.begin_answers(&[row]).await
    }

    /// Forgets the answer `id`, which never began to speak.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_answer(
        &self,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<(), ConversationError> {
        self.store.forget_answers(self.account, &[(conversation, id)]).await
    }

    /// Makes the answer `id` a message and gives its number. Asked again, it
    /// gives the same, and the message is as it was.
    ///
    /// # Errors
    /// There is no such answer, or it is longer than a message may be.
    pub async fn finish_answer(
        &self,
        conversation: ConversationId,
        id: MessageId,
        state: State,
        body: Body,
        now: Timestamp,
    ) -> Result<u32, ConversationError> {
        fits(&body)?;
        let seals = self.seals.clone();
        let place = (conversation, id, Role::Assistant);
        let content = blocking(move || seals.body(place, &body, now)).await?;
        let row = FinishedRow { account: self.account, conversation, id, state, at: now, content };
        let numbers = self.store.finish_answers(&[row]).await?;
        numbers.first().copied().ok_or(ConversationError::NotFound { what: "answer" })
    }

    /// The answers that are being written.
    ///
    /// # Errors
    /// The store or the vault failed.
    pub async fn answers(&self) -> Result<Vec<Answer>, ConversationError> {
        let rows = self.store.answers(self.account).await?;
        let seals = self.seals.clone();
        blocking(move || rows.iter().map(|row| seals.open_answer(row)).collect()).await
    }
}
