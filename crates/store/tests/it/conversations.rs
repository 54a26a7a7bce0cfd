//! Conversations as their owner uses them.

use std::time::Duration;

use surgewall_core::decision::Erased;
use surgewall_core::id::AccountId;
use surgewall_store::conversations::{
    Attachment, Body, Checkpoint, Conversation, ConversationError, Conversations as _, Message,
    MessageId, NewConversation, NewMessage, Own, Role, SharedPage, State, Tombstone, purge_erased,
    shared, write_checkpoints,
};
use surgewall_store::people::{People as _, Pick};
use surgewall_store::sqlite::Sqlite;

use crate::accounts::Desk;

pub(crate) async fn account(desk: &Desk, email: &str) -> AccountId {
    let id = desk.user(email).await;
    desk.people.accounts(&Pick::PublicId(id)).await.unwrap()[0].id
}

pub(crate) fn own(desk: &Desk, account: AccountId) -> Own<'_, Sqlite> {
    Own::new(&desk.people, &desk.vault, account)
}

pub(crate) fn says(parent: u32, role: Role, text: &str) -> NewMessage {
    NewMessage {
        id: MessageId::random(),
        parent,
        role,
        state: State::Complete,
        body: Body::text(text),
        attachments: Vec::new(),
    }
}

pub(crate) async fn chat(desk: &Desk, own: &Own<'_, Sqlite>, title: &str) -> Conversation {
    let new = NewConversation { title: title.to_owned(), ..NewConversation::default() };
    own.create(new, desk.now()).await.unwrap()
}

/// Number and text of each message of the branch that is looked at, oldest first.
async fn branch(own: &Own<'_, Sqlite>, chat: &Conversation) -> Vec<(u32, String)> {
    let page = own.page(chat.id, None).await.unwrap();
    let texts = page.messages.into_iter().map(|placed| placed.message);
    let mut texts: Vec<_> =
        texts.map(|message| (message.number, message.body.unwrap().text)).collect();
    texts.reverse();
    texts
}

fn numbered(texts: &[(u32, &str)]) -> Vec<(u32, String)> {
    texts.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
}

#[tokio::test]
async fn a_conversation_is_whole_after_a_restart() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let new = NewConversation {
        title: "Tides".to_owned(),
        system_prompt: Some("Be brief.".to_owned()),
        temporary: false,
    };
    let made = own(&desk, ada).create(new, desk.now()).await.unwrap();
    let attachment = Attachment { name: "notes.txt".to_owned(), text: "moon\n".repeat(9) };
    let mut asked = says(0, Role::User, "Why are there two?");
    asked.attachments.push(attachment.clone());
    own(&desk, ada).append(made.id, asked, desk.now()).await.unwrap();
    let body = Body {
        text: "Because …".to_owned(),
        thinking: "hmm".to_owned(),
        model: Some("tiny".to_owned()),
        request_id: Some(surgewall_core::id::RequestId::from_u128(5)),
        withheld: vec![Tombstone {
            at: 7,
            rule: "no-recipes".to_owned(),
            reason: "It would help to hurt people.".to_owned(),
            advice: "Ask about safety instead.".to_owned(),
        }],
    };
    let answer = NewMessage { body: body.clone(), ..says(1, Role::Assistant, "") };
    own(&desk, ada).append(made.id, answer, desk.now()).await.unwrap();
    own(&desk, ada).save_draft(made.id, "and ho".to_owned(), desk.now()).await.unwrap();

    let desk = desk.restart().await;
    let own = own(&desk, ada);
    let found = own.find(made.public_id.as_str()).await.unwrap();
    assert!(found.title.as_deref() == Some("Tides") && found.messages == 2 && found.active == 2);
    assert!(found.system_prompt.as_deref() == Some("Be brief."));
    let page = own.page(made.id, None).await.unwrap();
    let messages: Vec<&Message> = page.messages.iter().map(|placed| &placed.message).collect();
    assert_eq!((messages.len(), page.older), (2, None));
    assert!(messages[0].body.as_ref() == Some(&body) && messages[0].role == Role::Assistant);
    assert!(own.attachments(made.id, messages[1]).await.unwrap() == [attachment]);
    assert!(own.attachments(made.id, messages[0]).await.unwrap().is_empty());
    assert!(own.draft(made.id).await.unwrap().unwrap().text == "and ho");
    own.save_draft(made.id, String::new(), desk.now()).await.unwrap();
    assert!(own.draft(made.id).await.unwrap().is_none());
    own.rename(made.id, "Two tides".to_owned(), desk.now()).await.unwrap();
    own.set_system_prompt(made.id, None, desk.now()).await.unwrap();
    let found = own.find(made.public_id.as_str()).await.unwrap();
    assert!(found.title.as_deref() == Some("Two tides") && found.system_prompt.is_none());
}

#[tokio::test]
async fn edits_and_other_answers_are_siblings() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let chat = chat(&desk, &own, "tree").await;
    let say = async |parent, role, text| {
        own.append(chat.id, says(parent, role, text), desk.now()).await.unwrap()
    };
    assert_eq!(say(0, Role::User, "q1").await, 1);
    assert_eq!(say(1, Role::Assistant, "a1").await, 2);
    assert_eq!(say(2, Role::User, "q2").await, 3);
    assert_eq!(say(1, Role::Assistant, "a1 again").await, 4);
    assert_eq!(branch(&own, &chat).await, numbered(&[(1, "q1"), (4, "a1 again")]));
    assert_eq!(say(0, Role::User, "q1 edited").await, 5);
    assert_eq!(branch(&own, &chat).await, numbered(&[(5, "q1 edited")]));
    own.choose(chat.id, 2, desk.now()).await.unwrap();
    let expected = numbered(&[(1, "q1"), (2, "a1"), (3, "q2")]);
    assert_eq!(branch(&own, &chat).await, expected, "the leaf below what was chosen");
    own.choose(chat.id, 1, desk.now()).await.unwrap();
    assert_eq!(branch(&own, &chat).await, numbered(&[(1, "q1"), (4, "a1 again")]), "the newest");
    let page = own.page(chat.id, Some(4)).await.unwrap();
    let places: Vec<_> =
        page.messages.iter().map(|m| (m.position, m.siblings, m.previous, m.next)).collect();
    assert_eq!(places, [(2, 2, 2, 0), (1, 2, 0, 5)]);
    for (parent, missing) in [(6, "message"), (u32::MAX, "message")] {
        let refused = own.append(chat.id, says(parent, Role::User, "x"), desk.now()).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ConversationError::NotFound { what } if what == missing));
    }
    assert!(own.choose(chat.id, 6, desk.now()).await.is_err());
}

#[tokio::test]
async fn a_message_that_is_sent_twice_is_there_once() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let chat = chat(&desk, &own, "retry").await;
    let first = says(0, Role::User, "once");
    assert_eq!(own.append(chat.id, first.clone(), desk.now()).await.unwrap(), 1);
    let changed = NewMessage { body: Body::text("another"), ..first };
    assert_eq!(own.append(chat.id, changed, desk.now()).await.unwrap(), 1);
    assert_eq!(branch(&own, &chat).await, numbered(&[(1, "once")]), "what was shown stays");
}

#[tokio::test]
async fn an_answer_survives_the_doors_death_at_its_last_checkpoint() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let chat = chat(&desk, &own(&desk, ada), "jobs").await;
    let ids = [1, 2, 3].map(MessageId::from_u128);
    {
        let own = own(&desk, ada);
        own.append(chat.id, says(0, Role::User, "q"), desk.now()).await.unwrap();
        for id in ids {
            own.begin_answer(chat.id, 1, id, desk.now()).await.unwrap();
        }
        let write = async |id, text: &str| {
            let body = Body::text(text);
            let checkpoint = Checkpoint { account: ada, conversation: chat.id, id, body };
            let unknown = Checkpoint { id: MessageId::from_u128(99), ..checkpoint.clone() };
            let batch = vec![checkpoint, unknown];
            write_checkpoints(&desk.people, &desk.vault, batch, desk.now()).await.unwrap();
        };
        write(ids[0], "The tide").await;
        write(ids[0], "The tide rises").await;
        write(ids[0], "The").await;
        write(ids[1], "Once").await;
        let running = own.answers().await.unwrap();
        assert_eq!(running.len(), 3);
        let first = running.iter().find(|answer| answer.id == ids[0]).unwrap();
        assert!(first.body.as_ref().unwrap().text == "The tide rises", "never backwards");
        assert_eq!(first.offset_bytes, 14);
        let done = Body::text("Once upon a time.");
        let finish = async |state| {
            own.finish_answer(chat.id, ids[1], state, done.clone(), desk.now()).await.unwrap()
        };
        assert_eq!((finish(State::Complete).await, finish(State::Stopped).await), (2, 2));
        write(ids[1], "too late, it is finished").await;
    }
    let desk = desk.restart().await;
    let kept = desk.people.keep_partial(desk.now()).await.unwrap();
    let mut kept: Vec<_> = kept.iter().map(|kept| (kept.id, kept.number)).collect();
    kept.sort_unstable();
    assert_eq!(kept, [(ids[0], 3), (ids[2], 0)], "what had not begun leaves nothing");
    assert!(desk.people.keep_partial(desk.now()).await.unwrap().is_empty());
    let own = own(&desk, ada);
    assert!(own.answers().await.unwrap().is_empty());
    let messages = own.messages(chat.id, 0).await.unwrap();
    let shown: Vec<_> = messages
        .iter()
        .map(|m| (m.number, m.state, m.body.as_ref().unwrap().text.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (1, State::Complete, "q"),
            (2, State::Complete, "Once upon a time."),
            (3, State::Partial, "The tide rises"),
        ]
    );
    assert!(own.begin_answer(chat.id, 9, ids[0], desk.now()).await.is_err());
}

#[tokio::test]
async fn an_answer_is_begun_once_and_forgotten_where_it_never_spoke() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let chat = chat(&desk, &own, "once").await;
    own.append(chat.id, says(0, Role::User, "q"), desk.now()).await.unwrap();
    let id = MessageId::random();
    own.begin_answer(chat.id, 1, id, desk.now()).await.unwrap();
    let exists = async || {
        let again = own.begin_answer(chat.id, 1, id, desk.now()).await;
        assert!(matches!(again, Err(ConversationError::Exists { what: "answer" })));
    };
    exists().await;
    own.forget_answer(chat.id, id).await.unwrap();
    own.forget_answer(chat.id, id).await.unwrap();
    assert!(own.answers().await.unwrap().is_empty());
    let body = Body::text("a");
    let finish = own.finish_answer(chat.id, id, State::Complete, body.clone(), desk.now());
    assert!(matches!(finish.await, Err(ConversationError::NotFound { what: "answer" })));
    own.begin_answer(chat.id, 1, id, desk.now()).await.unwrap();
    own.finish_answer(chat.id, id, State::Complete, body, desk.now()).await.unwrap();
    exists().await;
    let thought = Body { thinking: "hm".to_owned(), ..Body::default() };
    let (account, conversation) = (ada, chat.id);
    let silent = MessageId::random();
    own.begin_answer(chat.id, 1, silent, desk.now()).await.unwrap();
    let checkpoint = Checkpoint { account, conversation, id: silent, body: thought };
    write_checkpoints(&desk.people, &desk.vault, vec![checkpoint], desk.now()).await.unwrap();
    let kept = desk.people.keep_partial(desk.now()).await.unwrap();
    assert_eq!(kept[0].number, 3, "what was thought was shown, and stays");
}

#[tokio::test]
async fn an_answer_takes_the_view_along_only_where_it_was_waited_for() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let chat = chat(&desk, &own, "elsewhere").await;
    own.append(chat.id, says(0, Role::User, "q"), desk.now()).await.unwrap();
    let (here, away) = (MessageId::random(), MessageId::random());
    own.begin_answer(chat.id, 1, here, desk.now()).await.unwrap();
    own.begin_answer(chat.id, 1, away, desk.now()).await.unwrap();
    let finish = async |id| {
        let body = Body::text("a");
        own.finish_answer(chat.id, id, State::Complete, body, desk.now()).await.unwrap()
    };
    assert_eq!(finish(here).await, 2);
    assert_eq!(own.find(chat.public_id.as_str()).await.unwrap().active, 2);
    assert_eq!(finish(away).await, 3);
    assert_eq!(own.find(chat.public_id.as_str()).await.unwrap().active, 2);
}

#[tokio::test]
async fn a_long_conversation_opens_by_pages() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let long = chat(&desk, &own, "long").await;
    for number in 0..1_000_u32 {
        let role = if number % 2 == 0 { Role::User } else { Role::Assistant };
        own.append(long.id, says(number, role, &format!("m{number}")), desk.now()).await.unwrap();
    }
    let (mut from, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = own.page(long.id, from).await.unwrap();
        assert!(page.messages.len() <= 200);
        seen.extend(page.messages.iter().map(|placed| placed.message.number));
        pages += 1;
        from = page.older;
        if from.is_none() {
            break;
        }
    }
    assert_eq!((pages, seen.len()), (5, 1_000));
    assert!(seen.iter().rev().copied().eq(1..=1_000));

    let wide = chat(&desk, &own, "wide").await;
    let text = "x".repeat(1_000_000);
    for number in 0..9 {
        own.append(wide.id, says(number, Role::User, &text), desk.now()).await.unwrap();
    }
    let page = own.page(wide.id, None).await.unwrap();
    assert_eq!((page.messages.len(), page.older), (5, Some(4)), "4 MiB and one message");
}

#[tokio::test]
async fn a_share_shows_one_branch_and_nothing_else() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let chat = chat(&desk, &own, "shared title").await;
    for (parent, text) in [(0, "q"), (1, "shown"), (1, "another branch"), (2, "after it")] {
        let mut message = says(parent, Role::User, text);
        message.body.thinking = "private thought".to_owned();
        own.append(chat.id, message, desk.now()).await.unwrap();
    }
    let (share, token) = own.share(chat.id, 2, 7, desk.now()).await.unwrap();
    let token = token.expose().clone();
    let open = async |token: &str, from: Option<u32>| -> Option<SharedPage> {
        shared(&desk.people, &desk.vault, token, from, desk.now()).await.unwrap()
    };
    let page = open(&token, None).await.unwrap();
    let texts: Vec<_> = page.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!((page.title.as_str(), texts), ("shared title", vec!["shown", "q"]));
    let json = serde_json::to_string(&page).unwrap();
    for hidden in ["private", "chat_", "msg_", "another", "after"] {
        assert!(!json.contains(hidden), "{json}");
    }
    assert!(open(&token, Some(1)).await.is_some_and(|page| page.messages.len() == 1));
    for from in [3, 4, 0, 99] {
        assert!(open(&token, Some(from)).await.is_none(), "{from} is not on the branch");
    }
    let mut other = token.clone();
    let last = if other.pop() == Some('a') { 'b' } else { 'a' };
    other.push(last);
    for wrong in [other.as_str(), "", "share_", &token[..35], &format!("{token}x"), "share_é"] {
        assert!(open(wrong, None).await.is_none(), "{wrong}");
    }
    desk.pass(7 * 86_400 - 1);
    assert!(open(&token, None).await.is_some());
    desk.pass(1);
    assert!(open(&token, None).await.is_none(), "it is over");
    let (share_two, token) = own.share(chat.id, 4, 0, desk.now()).await.unwrap();
    assert!(own.shares(chat.id).await.unwrap() == [share_two.clone()], "what is over is gone");
    assert!(open(token.expose(), None).await.is_some_and(|page| page.messages.len() == 3));
    assert!(own.revoke_share(share.id.as_str()).await.is_err());
    own.revoke_share(share_two.id.as_str()).await.unwrap();
    assert!(open(token.expose(), None).await.is_none());
    let (_, token) = own.share(chat.id, 4, 1, desk.now()).await.unwrap();
    own.delete(&[chat.id]).await.unwrap();
    assert!(open(token.expose(), None).await.is_none());
    assert!(own.share(chat.id, 4, 1, desk.now()).await.is_err());
}

#[tokio::test]
async fn lists_go_by_last_use_and_leave_out_what_is_put_away_or_temporary() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let mut chats = Vec::new();
    for number in 0..300 {
        chats.push(chat(&desk, &own, &format!("c{number}")).await);
        desk.pass(1);
    }
    let temporary = NewConversation { temporary: true, ..NewConversation::default() };
    let temporary = own.create(temporary, desk.now()).await.unwrap();
    own.set_archived(chats[7].id, true, desk.now()).await.unwrap();
    own.append(chats[3].id, says(0, Role::User, "again"), desk.now()).await.unwrap();
    let first = own.list(false, None).await.unwrap();
    assert_eq!(first.len(), 250);
    assert!(first[0].id == chats[3].id && first[1].id == chats[299].id);
    let last = first.last().unwrap();
    let rest = own.list(false, Some((last.updated_at, &last.public_id))).await.unwrap();
    assert_eq!(rest.len(), 300 - 1 - 250);
    let all = first.iter().chain(&rest);
    assert!(all.clone().all(|chat| chat.id != chats[7].id && chat.id != temporary.id));
    assert!(own.list(true, None).await.unwrap()[0].id == chats[7].id);
    assert!(own.find(temporary.public_id.as_str()).await.unwrap().temporary);

    desk.pass(24 * 3_600);
    assert_eq!(desk.people.sweep(desk.now()).await.unwrap(), 0, "at the limit");
    assert_eq!(desk.people.sweep(desk.now().plus(Duration::from_millis(1))).await.unwrap(), 1);
    assert!(own.find(temporary.public_id.as_str()).await.is_err());
    assert_eq!(own.list(false, None).await.unwrap().len(), 250);
}

#[tokio::test]
async fn what_was_erased_is_gone_and_new_content_is_not() {
    let desk = Desk::new().await;
    let (ada, bob) =
        (account(&desk, "ada@example.org").await, account(&desk, "bob@example.org").await);
    let (hers, his) = (own(&desk, ada), own(&desk, bob));
    let old = chat(&desk, &hers, "old").await;
    let bobs = chat(&desk, &his, "bobs").await;
    hers.append(old.id, says(0, Role::User, "secret"), desk.now()).await.unwrap();
    hers.save_draft(old.id, "draft".to_owned(), desk.now()).await.unwrap();
    let (_, token) = hers.share(old.id, 1, 9, desk.now()).await.unwrap();
    let erased = desk.vault.erase(surgewall_core::subject::Subject::Account(ada)).unwrap();
    assert_eq!(erased.keys, 1);
    let found = hers.find(old.public_id.as_str()).await.unwrap();
    assert!(found.title.is_none());
    assert!(hers.page(old.id, None).await.unwrap().messages[0].message.body.is_none());
    assert!(hers.draft(old.id).await.unwrap().is_none());
    let page = shared(&desk.people, &desk.vault, token.expose(), None, desk.now()).await;
    assert!(page.unwrap().is_none());
    assert!(hers.search("secret", None).await.unwrap().hits.is_empty());
    let mixed = chat(&desk, &hers, "mixed").await;
    let erased = desk.vault.erase(surgewall_core::subject::Subject::Account(ada)).unwrap();
    assert_eq!(erased.keys, 1);
    hers.append(mixed.id, says(0, Role::User, "since then"), desk.now()).await.unwrap();
    desk.pass(1);
    let new = chat(&desk, &hers, "new").await;
    assert!(hers.find(new.public_id.as_str()).await.unwrap().title.as_deref() == Some("new"));
    let bobs = his.find(bobs.public_id.as_str()).await.unwrap();
    assert!(bobs.title.as_deref() == Some("bobs"));

    let rows = desk.people.accounts(&Pick::Ids(vec![ada.as_u128()])).await.unwrap();
    let receipt = Erased {
        at: desk.now(),
        subject: rows[0].public_id.to_string(),
        keys: 1,
        signature: String::new(),
    };
    let purge =
        async |receipt: &Erased| purge_erased(&desk.people, &desk.vault, receipt).await.unwrap();
    assert_eq!((purge(&receipt).await, purge(&receipt).await), (1, 0));
    let left: Vec<_> = hers.all(None).await.unwrap().into_iter().map(|chat| chat.id).collect();
    assert!(left == [new.id, mixed.id], "what was written since stays");
    let strangers = Erased { subject: "strangers".to_owned(), ..receipt.clone() };
    assert_eq!(purge(&strangers).await, 0);
}
