//! A person's conversations, whole.

use surgewall_core::id::AccountId;

use super::{ExportError, Item, Sink, Summary};
use crate::admin::Office;
use crate::conversations::{Conversation, Conversations, Own};
use crate::people::People;

pub(super) async fn conversations<S: People + Conversations>(
    office: &Office<'_, S>,
    account: AccountId,
    sink: &mut dyn Sink,
    summary: &mut Summary,
) -> Result<(), ExportError> {
    let own = Own::new(office.people, office.vault, account);
    let mut before = None;
    loop {
        let page = own.all(before).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        for conversation in page {
            one(&own, conversation, sink, summary).await?;
        }
    }
    let erased = summary.counts.conversations_erased;
    if erased > 0 {
        summary.notes.push(format!(
            "the text of {erased} of {} conversations was erased: its keys were destroyed, and nobody can read it any more",
            summary.counts.conversations
        ));
    }
    Ok(())
}

async fn one<S: Conversations>(
    own: &Own<'_, S>,
    conversation: Conversation,
    sink: &mut dyn Sink,
    summary: &mut Summary,
) -> Result<(), ExportError> {
    let id = conversation.id;
    summary.counts.conversations += 1;
    summary.counts.conversations_erased += u64::from(conversation.title.is_none());
    sink.take(&Item::Conversation(Box::new(conversation)))?;
    let mut after = 0;
    loop {
        let messages = own.messages(id, after).await?;
        let Some(last) = messages.last() else { break };
        after = last.number;
        for message in messages {
            let attachments = own.attachments(id, &message).await?;
            summary.counts.messages += 1;
            sink.take(&Item::Message(Box::new(message), attachments))?;
        }
    }
    if let Some(draft) = own.draft(id).await? {
        sink.take(&Item::Draft(draft))?;
    }
    for answer in own.answers().await?.into_iter().filter(|answer| answer.conversation == id) {
        sink.take(&Item::Answer(Box::new(answer)))?;
    }
    for share in own.shares(id).await? {
        sink.take(&Item::Share(share))?;
    }
    Ok(())
}
