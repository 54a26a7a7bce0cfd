//! The account's conversations: listed, shown, changed, removed.

use axum::body::Body;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::PublicId;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{Conversation, NewConversation, PAGE_CONVERSATIONS_MAX};

use super::call::{Answered, Asked, invalid, shown};
use super::job::{Ended, Job, Standing};
use super::reply::{self, OrRefusal as _};

/// A page of conversations, last written first.
pub(super) async fn list(asked: &Asked<'_>) -> Answered {
    let own = asked.own()?;
    let archived = asked.query("archived").as_deref() == Some("1");
    let before = before(asked)?;
    let page = own.list(archived, before.as_ref().map(|(at, id)| (*at, id))).await.or_refusal()?;
    let next = next(&page);
    reply::json(StatusCode::OK, &json!({"conversations": page, "next": next}))
}

/// Where the page before ended, if there was one.
pub(super) fn before(asked: &Asked<'_>) -> Result<Option<(Timestamp, PublicId)>, Refusal> {
    let before = asked.query("before").filter(|text| !text.is_empty());
    before.map(|text| cursor(&text)).transpose()
}

/// What the next page is asked for with, if there may be one.
pub(super) fn next(page: &[Conversation]) -> Option<String> {
    let is_full = page.len() == PAGE_CONVERSATIONS_MAX as usize;
    page.last().filter(|_| is_full).map(after)
}

/// What the page behind `last` is asked for with.
pub(super) fn after(last: &Conversation) -> String {
    format!("{}-{}", last.updated_at.millis(), last.public_id)
}

/// Where a page of the list ended: when its last one was written, and its id.
fn cursor(text: &str) -> Result<(Timestamp, PublicId), Refusal> {
    let parts = text.split_once('-').and_then(|(at, id)| Some((at.parse().ok()?, id)));
    let (at, id): (u64, &str) =
        parts.ok_or_else(|| invalid("it is no `next` of a page before", Some("before")))?;
    Ok((Timestamp::from_millis(at), PublicId::from_stored(id.to_owned())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct New {
    title: Option<String>,
    system_prompt: Option<String>,
    temporary: bool,
}

/// Another conversation.
pub(super) async fn create(asked: &Asked<'_>, body: Body) -> Answered {
    let own = asked.own()?;
    let New { title, system_prompt, temporary } = asked.json(body).await?;
    let new = NewConversation {
        title: title.unwrap_or_default(),
        system_prompt: system_prompt.filter(|prompt| !prompt.is_empty()),
        temporary,
    };
    let made = own.create(new, asked.arrival.at).await.or_refusal()?;
    reply::json(StatusCode::CREATED, &made)
}

/// One of them, with its newest messages, its draft and its answers under way.
pub(super) async fn show(asked: &Asked<'_>) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    // The answers first: one that ends meanwhile is there twice, and not missing.
    let answers = answers(asked, &conversation)?;
    let page = own.page(conversation.id, None).await.or_refusal()?;
    let draft = own.draft(conversation.id).await.or_refusal()?;
    let shown = json!({
        "conversation": conversation, "page": page, "draft": draft, "answers": answers,
    });
    reply::json(StatusCode::OK, &shown)
}

/// Its answers that are no messages yet, or never will be.
fn answers(asked: &Asked<'_>, conversation: &Conversation) -> Result<Vec<Value>, Refusal> {
    let account = asked.asker.account()?.id;
    let mut jobs = asked.door.chat.jobs.of(account, conversation.id);
    jobs.sort_by_key(|job| (job.since, job.id));
    Ok(jobs.iter().filter_map(|job| under_way(job)).collect())
}

fn under_way(job: &Job) -> Option<Value> {
    let state = match job.standing() {
        Standing::Queued(_) => "queued",
        Standing::Running => "running",
        Standing::Ended(Ended::Failed(_)) => "failed",
        Standing::Ended(Ended::Done(_)) => return None,
    };
    let parent = job.kept.as_ref().map(|kept| kept.parent);
    Some(json!({"id": shown(job.id), "parent": parent, "state": state, "model": job.model}))
}

/// More of its messages, from one that a page before named.
pub(super) async fn messages(asked: &Asked<'_>) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let from = asked.query("from").map(|text| text.parse::<u32>());
    let from = from.transpose().map_err(|_| invalid("it is no number", Some("from")))?;
    reply::json(StatusCode::OK, &own.page(conversation.id, from).await.or_refusal()?)
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Changes {
    title: Option<String>,
    /// Absent, it stays; `null` takes it away.
    #[serde(deserialize_with = "present")]
    system_prompt: Option<Option<String>>,
    archived: Option<bool>,
    active: Option<u32>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Changes what is no message.
pub(super) async fn edit(asked: &Asked<'_>, body: Body) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let Changes { title, system_prompt, archived, active } = asked.json(body).await?;
    let (id, now) = (conversation.id, asked.arrival.at);
    if let Some(title) = title {
        own.rename(id, title, now).await.or_refusal()?;
    }
    if let Some(prompt) = system_prompt {
        let prompt = prompt.filter(|prompt| !prompt.is_empty());
        own.set_system_prompt(id, prompt, now).await.or_refusal()?;
    }
    if let Some(archived) = archived {
        own.set_archived(id, archived, now).await.or_refusal()?;
    }
    if let Some(active) = active {
        own.choose(id, active, now).await.or_refusal()?;
    }
    let changed = own.find(conversation.public_id.as_str()).await.or_refusal()?;
    reply::json(StatusCode::OK, &changed)
}

/// Removes it for good. What is being written for it stops.
pub(super) async fn delete(asked: &Asked<'_>) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    for job in asked.door.chat.jobs.of(asked.asker.account()?.id, conversation.id) {
        job.stop_by_owner();
    }
    own.delete(&[conversation.id]).await.or_refusal()?;
    Ok(reply::nothing())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    text: String,
}

/// Keeps what was begun to be written.
pub(super) async fn draft(asked: &Asked<'_>, body: Body) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let Written { text } = asked.json(body).await?;
    own.save_draft(conversation.id, text, asked.arrival.at).await.or_refusal()?;
    Ok(reply::nothing())
}

/// What hangs on a message.
pub(super) async fn attachments(asked: &Asked<'_>) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let number = asked.number("number", "message")?;
    let message = own.placed(conversation.id, number).await.or_refusal()?.message;
    let attachments = own.attachments(conversation.id, &message).await.or_refusal()?;
    reply::json(StatusCode::OK, &json!({"attachments": attachments}))
}
