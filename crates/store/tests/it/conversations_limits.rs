//! Every limit of a conversation, at it and one past it. Those that are held
//! within a transaction and are too large to be filled here are tested beside
//! the engine.

use surgewall_store::conversations::{
    ANSWERS_PER_ACCOUNT_MAX, ATTACHMENT_BYTES_MAX, ATTACHMENT_NAME_BYTES_MAX,
    ATTACHMENTS_PER_MESSAGE_MAX, Attachment, Body, Checkpoint, ConversationError, DRAFT_BYTES_MAX,
    MESSAGE_BYTES_MAX, MessageId, NewConversation, NewMessage, Role, SHARE_DAYS_MAX,
    SHARES_PER_CONVERSATION_MAX, SYSTEM_PROMPT_BYTES_MAX, State, TITLE_BYTES_MAX,
    write_checkpoints,
};

use crate::accounts::Desk;
use crate::conversations::{account, chat, own, says};

/// What is too much, in words; `none` where nothing is.
fn refused<T>(result: Result<T, ConversationError>) -> String {
    match result {
        Ok(_) => "none".to_owned(),
        Err(ConversationError::TooLong { what, found, bytes_max }) => {
            assert_eq!(found, bytes_max + 1, "{what}");
            what.to_owned()
        }
        Err(ConversationError::Full { what, .. }) => what.to_owned(),
        Err(other) => panic!("{other}"),
    }
}

fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[tokio::test]
async fn texts_have_a_length() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let now = desk.now();
    let chat = chat(&desk, &own, "limits").await;
    let create = async |title: usize, prompt: usize| {
        let (title, system_prompt) = (long(title), Some(long(prompt)));
        refused(own.create(NewConversation { title, system_prompt, temporary: false }, now).await)
    };
    assert_eq!(create(TITLE_BYTES_MAX, SYSTEM_PROMPT_BYTES_MAX).await, "none");
    assert_eq!(create(TITLE_BYTES_MAX + 1, 0).await, "title");
    assert_eq!(create(0, SYSTEM_PROMPT_BYTES_MAX + 1).await, "system prompt");
    let rename = async |bytes| refused(own.rename(chat.id, long(bytes), now).await);
    assert_eq!(rename(TITLE_BYTES_MAX).await, "none");
    assert_eq!(rename(TITLE_BYTES_MAX + 1).await, "title");
    let prompt =
        async |bytes| refused(own.set_system_prompt(chat.id, Some(long(bytes)), now).await);
    assert_eq!(prompt(SYSTEM_PROMPT_BYTES_MAX).await, "none");
    assert_eq!(prompt(SYSTEM_PROMPT_BYTES_MAX + 1).await, "system prompt");
    let draft = async |bytes| refused(own.save_draft(chat.id, long(bytes), now).await);
    assert_eq!(draft(DRAFT_BYTES_MAX).await, "none");
    assert_eq!(draft(DRAFT_BYTES_MAX + 1).await, "draft");
    let body = |text: usize, thinking: usize| Body {
        text: long(text),
        thinking: long(thinking),
        ..Body::default()
    };
    let send = async |body: Body| {
        let message = NewMessage { body, ..says(0, Role::User, "") };
        refused(own.append(chat.id, message, now).await)
    };
    assert_eq!(send(body(MESSAGE_BYTES_MAX - 5, 5)).await, "none");
    assert_eq!(send(body(MESSAGE_BYTES_MAX - 5, 6)).await, "message");
    let id = MessageId::random();
    own.begin_answer(chat.id, 0, id, now).await.unwrap();
    let write = async |body: Body| {
        let checkpoint = Checkpoint { account: ada, conversation: chat.id, id, body };
        refused(write_checkpoints(&desk.people, &desk.vault, vec![checkpoint], now).await)
    };
    assert_eq!(write(body(MESSAGE_BYTES_MAX, 0)).await, "none");
    assert_eq!(write(body(MESSAGE_BYTES_MAX, 1)).await, "message");
    let finish =
        async |body| refused(own.finish_answer(chat.id, id, State::Complete, body, now).await);
    assert_eq!(finish(body(MESSAGE_BYTES_MAX + 1, 0)).await, "message");
    assert_eq!(finish(body(MESSAGE_BYTES_MAX, 0)).await, "none");
}

#[tokio::test]
async fn attachments_answers_and_shares_have_a_number() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let now = desk.now();
    let chat = chat(&desk, &own, "limits").await;
    let attach = async |count: usize, name: usize, text: usize| {
        let attachment = Attachment { name: long(name), text: long(text) };
        let attachments = vec![attachment; count];
        let message = NewMessage { attachments, ..says(0, Role::User, "see") };
        refused(own.append(chat.id, message, now).await)
    };
    assert_eq!(attach(ATTACHMENTS_PER_MESSAGE_MAX, ATTACHMENT_NAME_BYTES_MAX, 1).await, "none");
    assert_eq!(attach(ATTACHMENTS_PER_MESSAGE_MAX + 1, 1, 1).await, "attachments");
    assert_eq!(attach(1, ATTACHMENT_NAME_BYTES_MAX + 1, 1).await, "attachment's name");
    assert_eq!(attach(1, 1, ATTACHMENT_BYTES_MAX).await, "none");
    assert_eq!(attach(1, 1, ATTACHMENT_BYTES_MAX + 1).await, "attachment");
    for count in 0..=ANSWERS_PER_ACCOUNT_MAX {
        let begun = own.begin_answer(chat.id, 1, MessageId::random(), now).await;
        let expected = if count < ANSWERS_PER_ACCOUNT_MAX { "none" } else { "answers at once" };
        assert_eq!(refused(begun), expected);
    }
    for count in 0..=SHARES_PER_CONVERSATION_MAX {
        let shared = own.share(chat.id, 1, SHARE_DAYS_MAX + 1, now).await;
        if let Ok((share, _)) = &shared {
            let days = share.expires_at.since(share.created_at).as_secs() / 86_400;
            assert_eq!(days, SHARE_DAYS_MAX);
        }
        let expected = if count < SHARES_PER_CONVERSATION_MAX { "none" } else { "shares" };
        assert_eq!(refused(shared), expected);
    }
}
