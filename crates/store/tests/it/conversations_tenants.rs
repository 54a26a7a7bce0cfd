//! An id of somebody else's is not found, whatever is done with it.

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use surgewall_core::id::AccountId;
use surgewall_store::conversations::{
    Body, Checkpoint, Conversation, ConversationError, ConversationId, Conversations as _,
    MessageId, Own, Role, State, write_checkpoints,
};
use surgewall_store::sqlite::Sqlite;

use crate::accounts::Desk;
use crate::conversations::{account, chat, own, says};

/// What one may try with a conversation of somebody else's.
#[derive(Clone, Copy, Debug)]
enum Try {
    Find,
    Page,
    Messages,
    Attachments,
    Draft,
    SaveDraft,
    Rename,
    Prompt,
    Archive,
    Choose,
    Append,
    Begin,
    Checkpoint,
    Finish,
    Share,
    Shares,
    Revoke,
    Search,
    List,
    Delete,
}

fn tries() -> impl Strategy<Value = Try> {
    let all = [
        Try::Find,
        Try::Page,
        Try::Messages,
        Try::Attachments,
        Try::Draft,
        Try::SaveDraft,
        Try::Rename,
        Try::Prompt,
        Try::Archive,
        Try::Choose,
        Try::Append,
        Try::Begin,
        Try::Checkpoint,
        Try::Finish,
        Try::Share,
        Try::Shares,
        Try::Revoke,
        Try::Search,
        Try::List,
        Try::Delete,
    ];
    prop_oneof![proptest::sample::select(all.to_vec()), Just(Try::Append)]
}

struct Person {
    account: AccountId,
    chat: Conversation,
    answer: MessageId,
    share: String,
}

async fn person(desk: &Desk, email: &str) -> Person {
    let account = account(desk, email).await;
    let own = own(desk, account);
    let chat = chat(desk, &own, &format!("needle of {email}")).await;
    for parent in 0..3 {
        let message = says(parent, Role::User, &format!("needle {parent} of {email}"));
        own.append(chat.id, message, desk.now()).await.unwrap();
    }
    let answer = MessageId::random();
    own.begin_answer(chat.id, 3, answer, desk.now()).await.unwrap();
    own.save_draft(chat.id, format!("needle of {email}"), desk.now()).await.unwrap();
    let (share, _) = own.share(chat.id, 2, 9, desk.now()).await.unwrap();
    Person { account, chat, answer, share: share.id.to_string() }
}

/// Everything of `person`, as JSON.
async fn all_of(desk: &Desk, person: &Person) -> String {
    let own = own(desk, person.account);
    let parts = (
        own.all(None).await.unwrap(),
        own.messages(person.chat.id, 0).await.unwrap(),
        own.page(person.chat.id, None).await.unwrap(),
        own.draft(person.chat.id).await.unwrap(),
        own.answers().await.unwrap(),
        own.shares(person.chat.id).await.unwrap(),
    );
    serde_json::to_string(&parts).unwrap()
}

fn missing<T>(result: Result<T, ConversationError>) -> bool {
    result.is_err_and(|error| matches!(error, ConversationError::NotFound { .. }))
}

/// Whether `own` gets nothing by doing `what` with the things of `other`.
async fn gets_nothing(
    desk: &Desk,
    own: &Own<'_, Sqlite>,
    me: AccountId,
    other: &Person,
    what: Try,
) -> bool {
    let (id, now) = (other.chat.id, desk.now());
    match what {
        Try::Find => missing(own.find(other.chat.public_id.as_str()).await),
        Try::Page => own.page(id, Some(1)).await.unwrap().messages.is_empty(),
        Try::Messages => own.messages(id, 0).await.unwrap().is_empty(),
        Try::Attachments => desk.people.attachments(me, id, 1).await.unwrap().is_empty(),
        Try::Draft => own.draft(id).await.unwrap().is_none(),
        Try::SaveDraft => missing(own.save_draft(id, "mine".into(), now).await),
        Try::Rename => missing(own.rename(id, "mine".into(), now).await),
        Try::Prompt => missing(own.set_system_prompt(id, Some("mine".into()), now).await),
        Try::Archive => missing(own.set_archived(id, true, now).await),
        Try::Choose => missing(own.choose(id, 1, now).await),
        Try::Append => missing(own.append(id, says(1, Role::User, "mine"), now).await),
        Try::Begin => missing(own.begin_answer(id, 1, MessageId::random(), now).await),
        Try::Checkpoint => {
            let body = Body::text("mine");
            let one = Checkpoint { account: me, conversation: id, id: other.answer, body };
            // It changes nothing, which is all that it tells.
            write_checkpoints(&desk.people, &desk.vault, vec![one], now).await.is_ok()
        }
        Try::Finish => {
            let body = Body::text("mine");
            missing(own.finish_answer(id, other.answer, State::Complete, body, now).await)
        }
        Try::Share => missing(own.share(id, 1, 1, now).await),
        Try::Shares => own.shares(id).await.unwrap().is_empty(),
        Try::Revoke => missing(own.revoke_share(&other.share).await),
        Try::Search => {
            let hits = own.search("needle", None).await.unwrap().hits;
            hits.iter().all(|hit| hit.conversation != other.chat.public_id)
        }
        Try::List => {
            let before = Some((now, &other.chat.public_id));
            let chats = own.list(false, before).await.unwrap();
            chats.iter().all(|chat| chat.id != id)
        }
        Try::Delete => own.delete(&[id]).await.unwrap() == 0,
    }
}

#[test]
fn nothing_of_others_is_found_or_changed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (desk, ada, bob) = runtime.block_on(async {
        let desk = Desk::new().await;
        let (ada, bob) =
            (person(&desk, "ada@example.org").await, person(&desk, "bob@example.org").await);
        (desk, ada, bob)
    });
    let (adas, bobs) =
        runtime.block_on(async { (all_of(&desk, &ada).await, all_of(&desk, &bob).await) });
    assert!(adas.contains("needle 2 of ada") && !adas.contains("bob"));
    let case = proptest::collection::vec((tries(), proptest::bool::ANY), 1..8);
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let outcome = runner.run(&case, |steps| {
        runtime.block_on(async {
            for (what, ada_tries) in steps {
                let (me, other) = if ada_tries { (&ada, &bob) } else { (&bob, &ada) };
                let own = own(&desk, me.account);
                let nothing = gets_nothing(&desk, &own, me.account, other, what).await;
                assert!(nothing, "{what:?}");
            }
            assert_eq!(all_of(&desk, &ada).await, adas);
            assert_eq!(all_of(&desk, &bob).await, bobs);
        });
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn a_message_of_one_conversation_is_not_found_in_another_of_the_same_owner() {
    let desk = Desk::new().await;
    let ada = person(&desk, "ada@example.org").await;
    let own = own(&desk, ada.account);
    let other = chat(&desk, &own, "empty").await;
    assert!(missing(own.append(other.id, says(1, Role::User, "x"), desk.now()).await));
    assert!(missing(own.choose(other.id, 1, desk.now()).await));
    assert!(missing(own.share(other.id, 1, 1, desk.now()).await));
    let body = Body::text("x");
    let finished = own.finish_answer(other.id, ada.answer, State::Complete, body, desk.now());
    assert!(missing(finished.await));
    let none = ConversationId::from_u128(5);
    assert!(own.page(none, None).await.unwrap().messages.is_empty());
}
