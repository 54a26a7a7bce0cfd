//! The second step of an erasure: rows that nobody can read any more go too.

use surgewall_core::decision::Erased;

use super::views::Conversation;
use super::{ConversationError, Conversations, Own};
use crate::people::{People, Pick};
use crate::vault::Vault;

/// Removes the conversations that the erasure behind `receipt` closed, and says
/// how many. What was written since stays.
///
/// # Errors
/// The store or the vault failed: what is left is unreadable, and goes the next time.
pub async fn purge_erased<S: People + Conversations>(
    store: &S,
    vault: &Vault,
    receipt: &Erased,
) -> Result<u64, ConversationError> {
    let pick = Pick::PublicId(receipt.subject.clone());
    // Whose content is not an account's has no conversations.
    let Some(account) = store.accounts(&pick).await?.into_iter().next() else { return Ok(0) };
    let own = Own::new(store, vault, account.id);
    let (mut before, mut purged) = (None, 0);
    loop {
        let page = own.all(before).await?;
        let Some(last) = page.last() else { return Ok(purged) };
        before = Some(last.id);
        let mut closed = Vec::new();
        for conversation in &page {
            if own.is_closed(conversation).await? {
                closed.push(conversation.id);
            }
        }
        purged += own.delete(&closed).await?;
    }
}

impl<C: Conversations> Own<'_, C> {
    /// Whether nothing of it can be read: not its title, not its last message,
    /// which is the newest, and nothing that was begun.
    async fn is_closed(&self, conversation: &Conversation) -> Result<bool, ConversationError> {
        if conversation.title.is_some() || conversation.system_prompt.is_some() {
            return Ok(false);
        }
        let before_last = conversation.messages.saturating_sub(1);
        let last = self.messages(conversation.id, before_last).await?;
        let answers = self.answers().await?;
        let mut here = answers.iter().filter(|answer| answer.conversation == conversation.id);
        Ok(last.iter().all(|message| message.body.is_none())
            && here.all(|answer| answer.body.is_none())
            && self.draft(conversation.id).await?.is_none())
    }
}
