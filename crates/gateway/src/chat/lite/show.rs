//! One conversation. A page is written in two pieces, so that an answer that is
//! under way can come between them while it is written.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{Conversation, Placed, Role, State};

use super::live::{self, Live};
use super::page::{Shown, View, lay_out};
use super::{Compose, Top, html};
use crate::chat::call::{Answered, Asked, invalid, shown};
use crate::chat::job::{Ended, Fault, Job, Standing};
use crate::chat::limits::LITE_PAGE_BYTES_MAX;
use crate::chat::reply::OrRefusal as _;
use crate::pages::written;

/// Links to other pages of the conversation, and why an answer did not come, in bytes.
const LINKS_BYTES: usize = 600;
/// What an answer that is under way has for itself, with what is told before it
/// begins, in bytes.
const LIVE_BYTES: usize = 5_500;

/// A page up to where an answer comes.
#[derive(Template)]
#[template(path = "lite/head.html")]
struct Head<'a> {
    top: &'a Top,
    id: &'a str,
    older: Option<u32>,
    messages: &'a [Shown],
    /// The answer that can be stopped.
    answer: Option<String>,
}

/// What follows.
#[derive(Template)]
#[template(path = "lite/tail.html")]
pub(super) struct Tail {
    pub(super) id: String,
    pub(super) fault: Option<String>,
    /// The form; none on a page of earlier messages.
    pub(super) compose: Option<Compose>,
    /// Whether there is a link to the newest messages.
    pub(super) newest: bool,
}

/// The page.
pub(super) async fn page(asked: &Asked<'_>) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let view = view(asked)?;
    // The answers first: one that ends meanwhile is shown, and not missing.
    let jobs = asked.door.chat.jobs.of(asked.asker.account()?.id, conversation.id);
    let live = jobs.iter().filter(|_| view.from.is_none()).filter(|job| is_under_way(job));
    let live = live.max_by_key(|job| (job.since, job.id));
    let question = live.and_then(|job| job.kept.as_ref()).map(|kept| kept.parent);
    let read = own.page(conversation.id, view.from.or(question)).await.or_refusal()?;
    if view.from.is_some() && read.messages.is_empty() {
        return Err(Refusal::NotFound { what: "message" });
    }
    let tail = tail(asked, &conversation, &read.messages, view);
    let top = Top::new(asked.door, conversation.title.as_deref().unwrap_or("(erased)"));
    let id = conversation.public_id.as_str();
    let answer = live.map(|job| shown(job.id));
    let mut head = Head { top: &top, id, older: None, messages: &[], answer };
    let skeleton = html(&head)?.len() + html(&tail)?.len() + LINKS_BYTES;
    let room = LITE_PAGE_BYTES_MAX.saturating_sub(skeleton);
    let Some(job) = live else {
        let (messages, older, _) = lay_out(&read.messages, read.older, view, room);
        (head.messages, head.older) = (&messages, older);
        let fault = read.messages.first().and_then(|last| fault(&jobs, last.message.number));
        let whole = html(&head)? + &html(&Tail { fault, ..tail })?;
        return Ok(written(Body::from(whole)));
    };
    let before = if view.at > 0 { &[] } else { read.messages.as_slice() };
    let (messages, older, left) =
        lay_out(before, read.older, View::default(), room.saturating_sub(LIVE_BYTES));
    (head.messages, head.older) = (&messages, older);
    let live = Live::new(asked, job.watch(asked.door)?, (view.at, left + LIVE_BYTES), tail);
    Ok(live::stream(html(&head)?, live))
}

/// Which part is asked for.
fn view(asked: &Asked<'_>) -> Result<View, Refusal> {
    let number = |name: &str| {
        let text = asked.query(name).map(|text| text.parse::<u32>()).transpose();
        text.map_err(|_| invalid("it is no number", Some(name)))
    };
    let at = number("at")?.unwrap_or(0);
    Ok(View { from: number("from")?, at: usize::try_from(at).unwrap_or(usize::MAX) })
}

fn is_under_way(job: &Arc<Job>) -> bool {
    matches!(job.standing(), Standing::Queued(_) | Standing::Running)
}

/// Why the message `parent` has no answer, if that is still known.
fn fault(jobs: &[Arc<Job>], parent: u32) -> Option<String> {
    let own = |job: &&Arc<Job>| job.kept.as_ref().is_some_and(|kept| kept.parent == parent);
    let last = jobs.iter().filter(own).max_by_key(|job| (job.since, job.id))?;
    match last.standing() {
        Standing::Ended(Ended::Failed(fault)) => Some(words(&fault)),
        _ => None,
    }
}

/// Why an answer did not come, and when it is worth asking again.
pub(super) fn words(fault: &Fault) -> String {
    let kept = "Your message is kept.";
    match fault.retry_after_s {
        Some(seconds) => {
            format!("{} {kept} Ask again in {seconds} seconds or later.", fault.message)
        }
        None => format!("{} {kept}", fault.message),
    }
}

/// What follows on the messages of `branch`, newest first.
fn tail(asked: &Asked<'_>, conversation: &Conversation, branch: &[Placed], view: View) -> Tail {
    let id = conversation.public_id.to_string();
    if view.from.is_some() {
        return Tail { id, fault: None, compose: None, newest: true };
    }
    let mut models =
        branch.iter().filter_map(|placed| placed.message.body.as_ref()?.model.as_deref());
    let mut compose = Compose::new(asked, format!("/lite/{id}"), models.next());
    if let Some(Placed { message: last, .. }) = branch.first() {
        let is_answer = last.role == Role::Assistant;
        let broke = is_answer && last.state != State::Complete;
        compose.follow(last.number, if is_answer { last.parent } else { last.number }, broke);
    }
    Tail { id, fault: None, compose: Some(compose), newest: false }
}

impl Compose {
    /// It follows the message `last`; `question` is what was answered last, and
    /// `broke` whether the answer did not come to its end.
    pub(super) fn follow(&mut self, last: u32, question: u32, broke: bool) {
        (self.parent, self.question) = (last, question);
        self.go_on = if broke { last } else { 0 };
    }
}
