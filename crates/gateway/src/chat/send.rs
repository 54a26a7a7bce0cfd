//! Asking for an answer: a new message, another answer to one that is there, or
//! a visitor's whole conversation.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderValue, SET_COOKIE};
use serde::Deserialize;
use serde_json::json;
use surgewall_core::digest::sha256;
use surgewall_core::limits::MODEL_NAME_BYTES_MAX;
use surgewall_core::principal::AccountRecord;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{
    Attachment, Body as Content, Conversation, ConversationError, MessageId, NewMessage, Own, Role,
    SYSTEM_PROMPT_BYTES_MAX, State,
};
use surgewall_store::sqlite::Sqlite;

use super::call::{Answered, Asked, id, invalid, shown};
use super::job::{Job, Kept};
use super::jobs::Begun;
use super::limits::{CONTEXT_BYTES_MAX, TITLE_CHARS_MAX};
use super::owner::{Owner, Visitor};
use super::prompt::{self, Turn};
use super::reply::{self, OrRefusal as _};
use super::run::{self, Order};
use super::said::Said;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    id: String,
    parent: u32,
    text: String,
    #[serde(default)]
    attachments: Vec<Attached>,
    model: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attached {
    name: String,
    text: String,
}

/// A message of the account's, and its answer. Sent again, it is there once.
pub(super) async fn message(asked: &Asked<'_>, body: Body) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let sent: Sent = asked.json(body).await?;
    let attached = sent.attachments.into_iter();
    let attachments = attached.map(|Attached { name, text }| Attachment { name, text }).collect();
    let (id, parent, text) = (new_id(&sent.id)?, sent.parent, sent.text);
    let question = Question { id, parent, text, attachments, model: sent.model };
    let (number, answer) = add(asked, &own, &conversation, question).await?;
    let placed = own.placed(conversation.id, number).await.or_refusal()?;
    let begun = json!({"message": placed, "answer": {"id": shown(answer)}});
    reply::json(StatusCode::ACCEPTED, &begun)
}

/// A message of the account's that is to be answered.
pub(super) struct Question {
    pub(super) id: MessageId,
    pub(super) parent: u32,
    pub(super) text: String,
    pub(super) attachments: Vec<Attachment>,
    pub(super) model: String,
}

/// Keeps a message and begins its answer: its number, and the answer's id.
///
/// # Errors
/// It is not kept; or it is, and the answer does not begin. Sent again, it is
/// there once.
pub(super) async fn add(
    asked: &Asked<'_>,
    own: &Own<'_, Sqlite>,
    conversation: &Conversation,
    question: Question,
) -> Result<(u32, MessageId), Refusal> {
    let Question { id, parent, text, attachments, model: named } = question;
    let model = model(named)?;
    if text.trim().is_empty() && attachments.is_empty() {
        return Err(invalid("it says nothing", Some("text")));
    }
    let title = prompt::title(&text, TITLE_CHARS_MAX);
    let body = Content::text(text);
    let (role, state) = (Role::User, State::Complete);
    let new = NewMessage { id, parent, role, state, body, attachments };
    let now = asked.arrival.at;
    let number = own.append(conversation.id, new, now).await.or_refusal()?;
    if conversation.messages == 0 && conversation.title.as_deref() == Some("") {
        own.rename(conversation.id, title, now).await.or_refusal()?;
    }
    let answer = derived(b"answer to ", id);
    let order = Wanted { id: answer, parent: number, model, said: Said::default(), go_on: None };
    begin(asked, own, conversation, order).await?;
    Ok((number, answer))
}

/// An id that follows from `id`: whoever sends the message `id` again asks for
/// the same answer.
pub(super) fn derived(what: &[u8], id: MessageId) -> MessageId {
    let hash = sha256(&[what, id.as_u128().to_be_bytes().as_slice()].concat());
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash[..16]);
    MessageId::from_u128(u128::from_be_bytes(bits))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    id: String,
    parent: u32,
    model: String,
    #[serde(default)]
    continue_from: Option<u32>,
}

/// Another answer to a message of the account's, or one that goes on where an
/// earlier one broke off.
pub(super) async fn answer(asked: &Asked<'_>, body: Body) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let Again { id, parent, model, continue_from } = asked.json(body).await?;
    let id = new_id(&id)?;
    let another = Another { id, parent, model, continue_from };
    again(asked, &own, &conversation, another).await?;
    reply::json(StatusCode::ACCEPTED, &json!({"answer": {"id": shown(id)}}))
}

/// Another answer that is to be given.
pub(super) struct Another {
    pub(super) id: MessageId,
    /// The message that is answered.
    pub(super) parent: u32,
    pub(super) model: String,
    /// The answer that broke off, to go on from there.
    pub(super) continue_from: Option<u32>,
}

/// Begins another answer.
///
/// # Errors
/// There is nothing to answer or to go on with, or it does not begin.
pub(super) async fn again(
    asked: &Asked<'_>,
    own: &Own<'_, Sqlite>,
    conversation: &Conversation,
    another: Another,
) -> Result<(), Refusal> {
    let Another { id, parent, model: named, continue_from } = another;
    let model = model(named)?;
    let question = own.placed(conversation.id, parent).await.or_refusal()?.message;
    if question.role != Role::User {
        return Err(invalid("only a message of yours can be answered", Some("parent")));
    }
    let (mut said, mut go_on) = (Said::default(), None);
    if let Some(number) = continue_from {
        let broken = own.placed(conversation.id, number).await.or_refusal()?.message;
        let may = broken.parent == parent && broken.role == Role::Assistant;
        if !may || broken.state == State::Complete {
            let reason = "it is no answer to this message that broke off";
            return Err(invalid(reason, Some("continue_from")));
        }
        let body = broken.body.ok_or(Refusal::NotFound { what: "message" })?;
        said = Said::of(&body)
            .map_err(|_| invalid("it is as long as an answer may be", Some("continue_from")))?;
        go_on = Some(body.text);
    }
    begin(asked, own, conversation, Wanted { id, parent, model, said, go_on }).await
}

/// An answer that is wanted in a conversation.
struct Wanted {
    id: MessageId,
    parent: u32,
    model: String,
    said: Said,
    /// The text with which an earlier one broke off.
    go_on: Option<String>,
}

/// Begins an answer, unless it is there already.
async fn begin(
    asked: &Asked<'_>,
    own: &Own<'_, Sqlite>,
    conversation: &Conversation,
    wanted: Wanted,
) -> Result<(), Refusal> {
    let Wanted { id, parent, model, said, go_on } = wanted;
    let account: Arc<AccountRecord> = asked.asker.account()?.clone();
    let mut turns = branch(own, conversation, parent).await?;
    if let Some(text) = go_on {
        turns.push(Turn::new(Role::Assistant, &text, &[]));
        turns.push(Turn::go_on());
    }
    let body = prompt::body(&model, &turns)?;
    let (public_id, seen) = (conversation.public_id.clone(), conversation.active);
    let kept = Kept { conversation: conversation.id, public_id, parent, seen };
    let new = super::job::New {
        id,
        owner: Owner::Account(account.id),
        network: asked.arrival.network,
        kept: Some(kept),
        model,
        said,
        since: asked.arrival.at,
        now: asked.arrival.started,
    };
    let Begun::New(job) = asked.door.chat.jobs.begin(new)? else { return Ok(()) };
    match own.begin_answer(conversation.id, parent, id, asked.arrival.at).await {
        Ok(()) => {}
        Err(error) => {
            asked.door.chat.jobs.forget(&job);
            // It is a message by now, or another request has begun it: it is there.
            let is_there = matches!(error, ConversationError::Exists { .. });
            return if is_there { Ok(()) } else { Err(reply::refusal(&error)) };
        }
    }
    start(asked, job, Some(account), body);
    Ok(())
}

fn start(asked: &Asked<'_>, job: Arc<Job>, account: Option<Arc<AccountRecord>>, body: Bytes) {
    let order = Order::new(account, asked.arrival, &asked.head.headers, body);
    run::start(asked.door, job, order);
}

/// The branch up to the message `leaf`, oldest first, with the conversation's
/// system prompt: as much of its end as goes to a model.
async fn branch(
    own: &Own<'_, Sqlite>,
    conversation: &Conversation,
    leaf: u32,
) -> Result<Vec<Turn>, Refusal> {
    let mut room = CONTEXT_BYTES_MAX;
    let system = conversation.system_prompt.as_deref().map(Turn::system);
    room = room.saturating_sub(system.as_ref().map_or(0, Turn::len));
    let (mut turns, mut from) = (Vec::new(), Some(leaf));
    'pages: while let Some(number) = from {
        let page = own.page(conversation.id, Some(number)).await.or_refusal()?;
        if page.messages.is_empty() {
            return Err(Refusal::NotFound { what: "message" });
        }
        from = page.older;
        for placed in page.messages {
            let attachments =
                own.attachments(conversation.id, &placed.message).await.or_refusal()?;
            let Some(body) = placed.message.body else { continue };
            if body.text.is_empty() && attachments.is_empty() {
                continue;
            }
            let turn = Turn::new(placed.message.role, &body.text, &attachments);
            // The message itself goes in any case; the body's own limit is the pipeline's.
            if turn.len() > room && !turns.is_empty() {
                break 'pages;
            }
            room = room.saturating_sub(turn.len());
            turns.push(turn);
        }
    }
    turns.extend(system);
    turns.reverse();
    Ok(turns)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    id: String,
    model: String,
    #[serde(default)]
    system_prompt: Option<String>,
    messages: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    role: Role,
    text: String,
}

/// An answer of which nothing is kept: the page sends the whole conversation. A
/// visitor's belongs to whoever has the cookie that comes with it.
pub(super) async fn ask(asked: &Asked<'_>, body: Body) -> Answered {
    let account = asked.asker.account.clone();
    if account.is_none() && !asked.arrival.policy.answers_strangers() {
        // No model would answer: nothing of the body is read.
        return Err(Refusal::SignInNeeded);
    }
    let whole: Whole = asked.json(body).await?;
    let (id, model) = (new_id(&whole.id)?, model(whole.model)?);
    let Some(Line { role: Role::User, .. }) = whole.messages.last() else {
        return Err(invalid("the last one must be the user's", Some("messages")));
    };
    let system = whole.system_prompt.filter(|prompt| !prompt.is_empty());
    if system.as_ref().is_some_and(|prompt| prompt.len() > SYSTEM_PROMPT_BYTES_MAX) {
        return Err(invalid("it is too long", Some("system_prompt")));
    }
    let mut turns: Vec<Turn> = system.iter().map(|prompt| Turn::system(prompt)).collect();
    let said = whole.messages.iter().filter(|line| !line.text.is_empty());
    turns.extend(said.map(|line| Turn::new(line.role, &line.text, &[])));
    let body = prompt::body(&model, &turns)?;
    let visitor = asked.asker.visitor.unwrap_or_else(Visitor::random);
    let owner = account.as_ref().map(|account| Owner::Account(account.id));
    let is_visitors = owner.is_none();
    let new = super::job::New {
        id,
        owner: owner.unwrap_or(Owner::Visitor(visitor)),
        network: asked.arrival.network,
        kept: None,
        model,
        said: Said::default(),
        since: asked.arrival.at,
        now: asked.arrival.started,
    };
    if let Begun::New(job) = asked.door.chat.jobs.begin(new)? {
        start(asked, job, account, body);
    }
    let begun = json!({"answer": {"id": shown(id)}});
    let mut response = reply::json(StatusCode::ACCEPTED, &begun)?;
    let listen = &asked.arrival.policy.config.listen;
    let cookie: Option<HeaderValue> = visitor.cookie(listen);
    if let Some(cookie) = cookie.filter(|_| is_visitors) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(super) fn new_id(text: &str) -> Result<MessageId, Refusal> {
    id(text).ok_or_else(|| invalid("it must be 32 hex digits", Some("id")))
}

fn model(name: String) -> Result<String, Refusal> {
    let fits = !name.is_empty() && name.len() <= MODEL_NAME_BYTES_MAX;
    fits.then_some(name).ok_or_else(|| invalid("it is empty or too long", Some("model")))
}
