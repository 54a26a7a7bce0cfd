//! Sealing and opening of conversations, under their owner's data keys.
//!
//! Each value is sealed for its column, its conversation and its row: moved
//! elsewhere it does not open.

use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;
use surgewall_core::subject::Subject;

use super::views::{Answer, Attachment, Body, Conversation, Draft, Message};
use super::{
    AnswerRow, AttachmentRow, ConversationError, ConversationId, ConversationRow, DraftRow,
    MessageId, MessageRow, Role,
};
use crate::people::StoreError;
use crate::vault::{Content, Vault};

/// One account's way to its keys.
#[derive(Clone)]
pub(super) struct Seals {
    vault: Vault,
    account: AccountId,
}

impl Seals {
    pub(super) fn new(vault: &Vault, account: AccountId) -> Self {
        Self { vault: vault.clone(), account }
    }

    fn seal(
        &self,
        at: Timestamp,
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, ConversationError> {
        let subject = Subject::Account(self.account);
        Ok(self.vault.seal_for(Content::Conversation, subject, at, context, plain)?)
    }

    /// `None` where its key was destroyed.
    fn open(&self, context: &str, sealed: &[u8]) -> Result<Option<String>, ConversationError> {
        let subject = Subject::Account(self.account);
        let plain = self.vault.open_for(Content::Conversation, subject, context, sealed);
        let plain = match plain.map_err(ConversationError::from) {
            Ok(plain) => plain,
            Err(ConversationError::Erased) => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = |_| StoreError::Damaged { column: "conversations" };
        Ok(Some(String::from_utf8(plain).map_err(damaged)?))
    }

    pub(super) fn title(
        &self,
        id: ConversationId,
        text: &str,
        at: Timestamp,
    ) -> Result<Vec<u8>, ConversationError> {
        self.seal(at, &place("title", id), text.as_bytes())
    }

    pub(super) fn system_prompt(
        &self,
        id: ConversationId,
        text: &str,
        at: Timestamp,
    ) -> Result<Vec<u8>, ConversationError> {
        self.seal(at, &place("system_prompt", id), text.as_bytes())
    }

    pub(super) fn draft(
        &self,
        id: ConversationId,
        text: &str,
        at: Timestamp,
    ) -> Result<Vec<u8>, ConversationError> {
        self.seal(at, &place("draft", id), text.as_bytes())
    }

    pub(super) fn body(
        &self,
        (conversation, message, role): (ConversationId, MessageId, Role),
        body: &Body,
        at: Timestamp,
    ) -> Result<Vec<u8>, ConversationError> {
        let damaged = |_| StoreError::Damaged { column: "messages.content" };
        let json = serde_json::to_vec(body).map_err(damaged)?;
        self.seal(at, &message_place(conversation, message, role), &json)
    }

    pub(super) fn attachment(
        &self,
        (conversation, message): (ConversationId, MessageId),
        ordinal: usize,
        attachment: &Attachment,
        at: Timestamp,
    ) -> Result<AttachmentRow, ConversationError> {
        let place = |column| attachment_place(column, conversation, message, ordinal);
        Ok(AttachmentRow {
            name: self.seal(at, &place("name"), attachment.name.as_bytes())?,
            text: self.seal(at, &place("text"), attachment.text.as_bytes())?,
        })
    }

    pub(super) fn open_conversation(
        &self,
        row: ConversationRow,
    ) -> Result<Conversation, ConversationError> {
        let prompt = row.system_prompt.as_ref();
        let prompt = prompt.map(|sealed| self.open(&place("system_prompt", row.id), sealed));
        Ok(Conversation {
            title: self.open(&place("title", row.id), &row.title)?,
            system_prompt: prompt.transpose()?.flatten(),
            id: row.id,
            public_id: row.public_id,
            temporary: row.temporary,
            archived: row.archived,
            created_at: row.created_at,
            updated_at: row.updated_at,
            messages: row.messages,
            active: row.active,
            bytes: row.bytes,
        })
    }

    fn open_body(
        &self,
        (conversation, message, role): (ConversationId, MessageId, Role),
        sealed: &[u8],
    ) -> Result<Option<Body>, ConversationError> {
        let json = self.open(&message_place(conversation, message, role), sealed)?;
        let damaged = |_| StoreError::Damaged { column: "messages.content" };
        Ok(json.map(|json| serde_json::from_str(&json)).transpose().map_err(damaged)?)
    }

    pub(super) fn open_message(&self, row: &MessageRow) -> Result<Message, ConversationError> {
        Ok(Message {
            body: self.open_body((row.conversation, row.id, row.role), &row.content)?,
            id: row.id,
            number: row.number,
            parent: row.parent,
            role: row.role,
            state: row.state,
            attachments: row.attachments,
            created_at: row.created_at,
        })
    }

    pub(super) fn open_attachment(
        &self,
        (conversation, message): (ConversationId, MessageId),
        ordinal: usize,
        row: &AttachmentRow,
    ) -> Result<Option<Attachment>, ConversationError> {
        let place = |column| attachment_place(column, conversation, message, ordinal);
        let (name, text) =
            (self.open(&place("name"), &row.name)?, self.open(&place("text"), &row.text)?);
        Ok(name.zip(text).map(|(name, text)| Attachment { name, text }))
    }

    pub(super) fn open_draft(&self, row: &DraftRow) -> Result<Option<Draft>, ConversationError> {
        let Some(sealed) = &row.text else { return Ok(None) };
        let text = self.open(&place("draft", row.conversation), sealed)?;
        Ok(text.map(|text| Draft { text, updated_at: row.updated_at }))
    }

    pub(super) fn open_answer(&self, row: &AnswerRow) -> Result<Answer, ConversationError> {
        let place = (row.conversation, row.id, Role::Assistant);
        Ok(Answer {
            body: self.open_body(place, &row.content)?,
            conversation: row.conversation,
            id: row.id,
            parent: row.parent,
            offset_bytes: row.offset_bytes,
            started_at: row.started_at,
            updated_at: row.updated_at,
        })
    }
}

fn place(column: &str, conversation: ConversationId) -> String {
    format!("conversations.{column}:{:032x}", conversation.as_u128())
}

/// A checkpoint of an answer is sealed for the same place as the message that
/// it will be: after a crash it becomes one as it lies there.
fn message_place(conversation: ConversationId, message: MessageId, role: Role) -> String {
    let (conversation, message) = (conversation.as_u128(), message.as_u128());
    format!("messages.content:{conversation:032x}:{message:032x}:{}", role.as_str())
}

fn attachment_place(
    column: &str,
    conversation: ConversationId,
    message: MessageId,
    ordinal: usize,
) -> String {
    let (conversation, message) = (conversation.as_u128(), message.as_u128());
    format!("attachments.{column}:{conversation:032x}:{message:032x}:{ordinal}")
}

/// Runs what seals or opens where it holds nobody up: a new key waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConversationError> + Send + 'static,
) -> Result<T, ConversationError> {
    let done = tokio::task::spawn_blocking(work).await;
    let broke = |error| StoreError::Engine { doing: "sealing content", source: Box::new(error) };
    done.map_err(broke)?
}
