//! One account's conversations: sealed on the way in, opened on the way out,
//! within the limits, and nobody else's.

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, PublicId};

use super::seals::{Seals, blocking};
use super::views::{Attachment, Conversation, Draft, NewConversation, NewMessage, Page, Placed};
use super::{
    ATTACHMENT_BYTES_MAX, ATTACHMENT_NAME_BYTES_MAX, ATTACHMENTS_PER_MESSAGE_MAX,
    ConversationError, ConversationId, ConversationRow, Conversations, DRAFT_BYTES_MAX, DraftRow,
    Edit, MESSAGE_BYTES_MAX, Message, MessageRow, NewMessageRow, PAGE_CONVERSATIONS_MAX,
    PAGE_MESSAGES_MAX, PathRow, Pick, SYSTEM_PROMPT_BYTES_MAX, TITLE_BYTES_MAX,
};
use crate::vault::Vault;

/// One account's conversations.
pub struct Own<'a, C> {
    pub(super) store: &'a C,
    pub(super) vault: &'a Vault,
    pub(super) account: AccountId,
    pub(super) seals: Seals,
}

impl<'a, C: Conversations> Own<'a, C> {
    /// Those of `account`, which the caller has proven to be.
    #[must_use]
    pub fn new(store: &'a C, vault: &'a Vault, account: AccountId) -> Self {
        Self { store, vault, account, seals: Seals::new(vault, account) }
    }

    /// Makes a conversation.
    ///
    /// # Errors
    /// A text is too long, or the account has as many as it may have.
    pub async fn create(
        &self,
        new: NewConversation,
        now: Timestamp,
    ) -> Result<Conversation, ConversationError> {
        fits("title", &new.title, TITLE_BYTES_MAX)?;
        if let Some(prompt) = &new.system_prompt {
            fits("system prompt", prompt, SYSTEM_PROMPT_BYTES_MAX)?;
        }
        let (seals, account) = (self.seals.clone(), self.account);
        let row = blocking(move || {
            let id = ConversationId::new(now);
            let prompt = new.system_prompt.map(|text| seals.system_prompt(id, &text, now));
            Ok(ConversationRow {
                id,
                public_id: PublicId::random("chat"),
                account,
                title: seals.title(id, &new.title, now)?,
                system_prompt: prompt.transpose()?,
                temporary: new.temporary,
                archived: false,
                created_at: now,
                updated_at: now,
                messages: 0,
                active: 0,
                bytes: 0,
            })
        })
        .await?;
        let public_id = row.public_id.clone();
        self.store.create(&[row]).await?;
        self.find(public_id.as_str()).await
    }

    /// The conversation with this public id.
    ///
    /// # Errors
    /// [`ConversationError::NotFound`] where this account has none.
    pub async fn find(&self, public_id: &str) -> Result<Conversation, ConversationError> {
        let pick = Pick::PublicId(public_id.to_owned());
        let found = self.opened(&pick).await?.into_iter().next();
        found.ok_or(ConversationError::NotFound { what: "conversation" })
    }

    /// A page of those that are not temporary, last written first. `before` is
    /// the last one of the page before: when it was written, and its public id.
    ///
    /// # Errors
    /// The store or the vault failed.
    pub async fn list(
        &self,
        archived: bool,
        before: Option<(Timestamp, &PublicId)>,
    ) -> Result<Vec<Conversation>, ConversationError> {
        let before = match before {
            None => None,
            Some((at, public_id)) => {
                let pick = Pick::PublicId(public_id.as_str().to_owned());
                let found = self.store.conversations(self.account, &pick).await?;
                // Where it is gone, the list goes on with what is older.
                let id = found.first().map_or(ConversationId::from_u128(0), |row| row.id);
                Some((at, id))
            }
        };
        let rows_max = PAGE_CONVERSATIONS_MAX;
        self.opened(&Pick::Recent { archived, before, rows_max }).await
    }

    /// All of them, newest first; `before` is the last one of the page before.
    ///
    /// # Errors
    /// The store or the vault failed.
    pub async fn all(
        &self,
        before: Option<ConversationId>,
    ) -> Result<Vec<Conversation>, ConversationError> {
        self.opened(&Pick::Before { id: before, rows_max: PAGE_CONVERSATIONS_MAX }).await
    }

    async fn opened(&self, pick: &Pick) -> Result<Vec<Conversation>, ConversationError> {
        let rows = self.store.conversations(self.account, pick).await?;
        let seals = self.seals.clone();
        blocking(move || rows.into_iter().map(|row| seals.open_conversation(row)).collect()).await
    }

    /// Gives it another title.
    ///
    /// # Errors
    /// The title is too long, or there is no such conversation.
    pub async fn rename(
        &self,
        id: ConversationId,
        title: String,
        now: Timestamp,
    ) -> Result<(), ConversationError> {
        fits("title", &title, TITLE_BYTES_MAX)?;
        let seals = self.seals.clone();
        let sealed = blocking(move || seals.title(id, &title, now)).await?;
        self.edit(id, Edit::Title(sealed), now).await
    }

    /// Gives it another system prompt, or none.
    ///
    /// # Errors
    /// It is too long, or there is no such conversation.
    pub async fn set_system_prompt(
        &self,
        id: ConversationId,
        prompt: Option<String>,
        now: Timestamp,
    ) -> Result<(), ConversationError> {
        if let Some(prompt) = &prompt {
            fits("system prompt", prompt, SYSTEM_PROMPT_BYTES_MAX)?;
        }
        let seals = self.seals.clone();
        let sealed = blocking(move || {
            prompt.map(|prompt| seals.system_prompt(id, &prompt, now)).transpose()
        });
        self.edit(id, Edit::SystemPrompt(sealed.await?), now).await
    }

    /// Puts it away, or takes it out again.
    ///
    /// # Errors
    /// There is no such conversation.
    pub async fn set_archived(
        &self,
        id: ConversationId,
        archived: bool,
        now: Timestamp,
    ) -> Result<(), ConversationError> {
        self.edit(id, Edit::Archived(archived), now).await
    }

    /// Looks at the branch of the message `number`: at its newest leaf.
    ///
    /// # Errors
    /// There is no such message.
    pub async fn choose(
        &self,
        id: ConversationId,
        number: u32,
        now: Timestamp,
    ) -> Result<(), ConversationError> {
        self.edit(id, Edit::Choose(number), now).await
    }

    async fn edit(
        &self,
        id: ConversationId,
        edit: Edit,
        now: Timestamp,
    ) -> Result<(), ConversationError> {
        self.store.edit(self.account, &[(id, edit)], now).await
    }

    /// Adds a message and gives its number; it is looked at from now on. What is
    /// added never changes: an edit is a sibling, with the same parent.
    ///
    /// # Errors
    /// Something is too long or too full, or there is no such conversation or parent.
    pub async fn append(
        &self,
        conversation: ConversationId,
        new: NewMessage,
        now: Timestamp,
    ) -> Result<u32, ConversationError> {
        check(&new)?;
        let (seals, account) = (self.seals.clone(), self.account);
        let row = blocking(move || seal_message(&seals, account, conversation, &new, now)).await?;
        let numbers = self.store.append(&[row]).await?;
        numbers.first().copied().ok_or(ConversationError::NotFound { what: "message" })
    }

    /// A page of the branch that is looked at, or of the one that leads to
    /// `from`: the newest messages first.
    ///
    /// # Errors
    /// The store or the vault failed. Of a conversation that is not there, the
    /// page is empty.
    pub async fn page(
        &self,
        conversation: ConversationId,
        from: Option<u32>,
    ) -> Result<Page, ConversationError> {
        let rows = self.store.path(self.account, conversation, from, PAGE_MESSAGES_MAX).await?;
        let older = rows.last().map(|row| row.message.parent).filter(|parent| *parent > 0);
        Ok(Page { messages: self.open_path(rows).await?, older })
    }

    /// The message `number` and its place among its siblings.
    ///
    /// # Errors
    /// [`ConversationError::NotFound`], or the store or the vault failed.
    pub async fn placed(
        &self,
        conversation: ConversationId,
        number: u32,
    ) -> Result<Placed, ConversationError> {
        let rows = self.store.path(self.account, conversation, Some(number), 1).await?;
        let opened = self.open_path(rows).await?;
        opened.into_iter().next().ok_or(ConversationError::NotFound { what: "message" })
    }

    async fn open_path(&self, rows: Vec<PathRow>) -> Result<Vec<Placed>, ConversationError> {
        let seals = self.seals.clone();
        blocking(move || {
            let placed = rows.into_iter().map(|row| {
                Ok(Placed {
                    message: seals.open_message(&row.message)?,
                    position: row.position,
                    siblings: row.siblings,
                    previous: row.previous,
                    next: row.next,
                })
            });
            placed.collect()
        })
        .await
    }

    /// The messages of all branches after the number `after`, oldest first, at
    /// most [`super::SCAN_MESSAGES_MAX`].
    ///
    /// # Errors
    /// The store or the vault failed.
    pub async fn messages(
        &self,
        conversation: ConversationId,
        after: u32,
    ) -> Result<Vec<Message>, ConversationError> {
        let rows = self.store.messages(self.account, conversation, after).await?;
        let seals = self.seals.clone();
        blocking(move || rows.iter().map(|row| seals.open_message(row)).collect()).await
    }

    /// The attachments of a message; none where their key was destroyed.
    ///
    /// # Errors
    /// The store or the vault failed.
    pub async fn attachments(
        &self,
        conversation: ConversationId,
        message: &Message,
    ) -> Result<Vec<Attachment>, ConversationError> {
        if message.attachments == 0 {
            return Ok(Vec::new());
        }
        let rows = self.store.attachments(self.account, conversation, message.number).await?;
        let (seals, id) = (self.seals.clone(), message.id);
        blocking(move || {
            let opened = rows.iter().enumerate().map(|(ordinal, row)| {
                seals.open_attachment((conversation, id), ordinal, row).transpose()
            });
            opened.flatten().collect()
        })
        .await
    }

    /// Keeps what its owner has begun to write, in the place of what was kept;
    /// an empty text takes it away.
    ///
    /// # Errors
    /// It is too long, or there is no such conversation.
    pub async fn save_draft(
        &self,
        conversation: ConversationId,
        text: String,
        now: Timestamp,
    ) -> Result<(), ConversationError> {
        fits("draft", &text, DRAFT_BYTES_MAX)?;
        let seals = self.seals.clone();
        let sealed = blocking(move || {
            let kept = (!text.is_empty()).then(|| seals.draft(conversation, &text, now));
            kept.transpose()
        });
        let text = sealed.await?;
        let draft = DraftRow { account: self.account, conversation, text, updated_at: now };
        self.store.write_drafts(&[draft]).await
    }

    /// The draft that was kept.
    ///
    /// # Errors
    /// The store or the vault failed.
    pub async fn draft(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<Draft>, ConversationError> {
        let Some(row) = self.store.draft(self.account, conversation).await? else {
            return Ok(None);
        };
        let seals = self.seals.clone();
        blocking(move || seals.open_draft(&row)).await
    }

    /// Removes conversations for good. How many there were.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete(&self, ids: &[ConversationId]) -> Result<u64, ConversationError> {
        Ok(self.store.delete(self.account, ids).await?)
    }
}

/// That `text` is within its limit.
pub(super) fn fits(
    what: &'static str,
    text: &str,
    bytes_max: usize,
) -> Result<(), ConversationError> {
    if text.len() > bytes_max {
        return Err(ConversationError::TooLong { what, found: text.len(), bytes_max });
    }
    Ok(())
}

fn check(new: &NewMessage) -> Result<(), ConversationError> {
    let found = new.body.len();
    if found > MESSAGE_BYTES_MAX {
        let bytes_max = MESSAGE_BYTES_MAX;
        return Err(ConversationError::TooLong { what: "message", found, bytes_max });
    }
    if new.attachments.len() > ATTACHMENTS_PER_MESSAGE_MAX {
        let most = ATTACHMENTS_PER_MESSAGE_MAX as u64;
        return Err(ConversationError::Full { whose: "a message", most, what: "attachments" });
    }
    new.attachments.iter().try_for_each(|attachment| {
        fits("attachment's name", &attachment.name, ATTACHMENT_NAME_BYTES_MAX)?;
        fits("attachment", &attachment.text, ATTACHMENT_BYTES_MAX)
    })
}

fn seal_message(
    seals: &Seals,
    account: AccountId,
    conversation: ConversationId,
    new: &NewMessage,
    now: Timestamp,
) -> Result<NewMessageRow, ConversationError> {
    let place = (conversation, new.id);
    let attached = new.attachments.iter().enumerate();
    let attachments =
        attached.map(|(ordinal, attachment)| seals.attachment(place, ordinal, attachment, now));
    let message = MessageRow {
        account,
        conversation,
        id: new.id,
        number: 0,
        parent: new.parent,
        role: new.role,
        state: new.state,
        attachments: 0,
        created_at: now,
        content: seals.body((conversation, new.id, new.role), &new.body, now)?,
    };
    Ok(NewMessageRow { message, attachments: attachments.collect::<Result<_, _>>()? })
}
