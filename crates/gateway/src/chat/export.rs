//! A conversation as a file: all of it as JSON, or the branch that is looked at
//! as Markdown. It is read and sent piece by piece, so that a slow reader holds
//! a page of it and nobody up.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use serde_json::json;
use surgewall_core::id::AccountId;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{
    Conversation, ConversationId, Message, Own, Role, State, Tombstone,
};
use surgewall_store::sqlite::Sqlite;

use super::call::{Answered, Asked, invalid};
use super::reply::{self, OrRefusal as _};
use super::search::turn;
use crate::door::Door;

/// The whole conversation, as a file.
pub(super) async fn export(asked: &Asked<'_>) -> Answered {
    let (_, conversation) = asked.conversation().await?;
    let (door, account) = (asked.door.clone(), asked.asker.account()?.id);
    let left = Left { door, account, conversation: conversation.id };
    let (kind, ending, body) = match asked.query("format").as_deref() {
        None | Some("json") => ("application/json", "json", all(left, &conversation)),
        Some("markdown") => ("text/markdown; charset=utf-8", "md", branch(left, &conversation)),
        Some(_) => return Err(invalid("`json` or `markdown`", Some("format"))),
    };
    let mut response = reply::private(StatusCode::OK, kind, body);
    let name = format!("attachment; filename=\"conversation.{ending}\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// What is being exported.
struct Left {
    door: Arc<Door>,
    account: AccountId,
    conversation: ConversationId,
}

impl Left {
    fn own(&self) -> Own<'_, Sqlite> {
        Own::new(self.door.people.as_ref(), &self.door.vault, self.account)
    }
}

/// How far an export of all branches is.
enum Step {
    Head(String),
    /// After this number, with messages that were read and not sent yet.
    Messages(u32, VecDeque<Message>),
    End,
}

/// All messages on all branches, oldest first, with what hangs on them.
fn all(left: Left, conversation: &Conversation) -> Body {
    let head = format!("{{\"conversation\":{},\"messages\":[", json!(conversation));
    Body::from_stream(unfold((left, Step::Head(head)), |(left, step)| async move {
        let (piece, step) = match step {
            Step::Head(head) => (Ok(head), Step::Messages(0, VecDeque::new())),
            Step::Messages(after, read) => next(&left, after, read).await,
            Step::End => return None,
        };
        Some((told(piece), (left, step)))
    }))
}

async fn next(
    left: &Left,
    mut after: u32,
    mut read: VecDeque<Message>,
) -> (Result<String, Refusal>, Step) {
    let piece = async {
        let _turn = turn(&left.door).await?;
        let own = left.own();
        if read.is_empty() {
            read.extend(own.messages(left.conversation, after).await.or_refusal()?);
        }
        let Some(message) = read.pop_front() else { return Ok(None) };
        let attachments = own.attachments(left.conversation, &message).await.or_refusal()?;
        let mut one = json!(message);
        if !attachments.is_empty() {
            one["attached"] = json!(attachments);
        }
        let before = if after == 0 { "" } else { "," };
        after = message.number;
        Ok(Some(format!("{before}{one}")))
    };
    match piece.await {
        Ok(Some(piece)) => (Ok(piece), Step::Messages(after, read)),
        Ok(None) => (Ok("]}\n".to_owned()), Step::End),
        Err(refusal) => (Err(refusal), Step::End),
    }
}

/// A piece of a file. One that cannot be read breaks the file off, and whoever
/// takes it sees that.
fn told(piece: Result<String, Refusal>) -> Result<Bytes, Refusal> {
    piece.map(Bytes::from).inspect_err(|refusal| {
        tracing::warn!(reason = %refusal, "an export broke off");
    })
}

/// How far an export of one branch is: pages that are still to be sent, the
/// first of the branch last.
enum Walk {
    Title(String),
    Pages(Vec<Option<u32>>),
}

/// The branch that is looked at, oldest message first. Its pages are linked from
/// its end: the way back is walked once before the first is sent.
fn branch(left: Left, conversation: &Conversation) -> Body {
    let title = conversation.title.as_deref().filter(|title| !title.is_empty());
    let title = format!("# {}\n", title.unwrap_or("Conversation"));
    Body::from_stream(unfold((left, Walk::Title(title)), |(left, walk)| async move {
        let (piece, walk) = match walk {
            Walk::Title(title) => match pages(&left).await {
                Ok(pages) => (Ok(title), Walk::Pages(pages)),
                Err(refusal) => (Err(refusal), Walk::Pages(Vec::new())),
            },
            Walk::Pages(mut pages) => {
                let from = pages.pop()?;
                match page(&left, from).await {
                    Ok(text) => (Ok(text), Walk::Pages(pages)),
                    Err(refusal) => (Err(refusal), Walk::Pages(Vec::new())),
                }
            }
        };
        Some((told(piece), (left, walk)))
    }))
}

/// Where each page of the branch begins, from its end on.
async fn pages(left: &Left) -> Result<Vec<Option<u32>>, Refusal> {
    let _turn = turn(&left.door).await?;
    let mut pages = vec![None];
    loop {
        let from = pages.last().copied().flatten();
        let page = left.own().page(left.conversation, from).await.or_refusal()?;
        if page.older.is_none() {
            return Ok(pages);
        }
        pages.push(page.older);
    }
}

async fn page(left: &Left, from: Option<u32>) -> Result<String, Refusal> {
    let _turn = turn(&left.door).await?;
    let page = left.own().page(left.conversation, from).await.or_refusal()?;
    Ok(page.messages.iter().rev().map(|placed| one(&placed.message)).collect())
}

fn one(message: &Message) -> String {
    let body = message.body.as_ref();
    let who = match message.role {
        Role::User => "You".to_owned(),
        Role::Assistant => {
            body.and_then(|body| body.model.clone()).unwrap_or_else(|| "Assistant".to_owned())
        }
    };
    let text = body.map_or_else(
        || "*(erased)*".to_owned(),
        |body| with_tombstones(&body.text, &body.withheld),
    );
    let note = match message.state {
        State::Complete => "",
        State::Stopped => "\n*(stopped)*\n",
        State::Partial => "\n*(broke off)*\n",
    };
    format!("\n## {who}\n\n{text}\n{note}")
}

/// `text` with what was withheld named at its places.
pub(super) fn with_tombstones(text: &str, withheld: &[Tombstone]) -> String {
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for tombstone in withheld {
        let at = text.floor_char_boundary(tombstone.at.max(from));
        out.push_str(text.get(from..at).unwrap_or_default());
        let Tombstone { rule, reason, advice, .. } = tombstone;
        // Writing to a String cannot fail.
        let _ = write!(out, "\n\n[Withheld by the rule {rule}: {reason} {advice}]\n\n");
        from = at;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_stands_where_something_was_withheld() {
        let tombstone = |at| Tombstone {
            at,
            rule: "r".to_owned(),
            reason: "Why.".to_owned(),
            advice: "What.".to_owned(),
        };
        let stone = "\n\n[Withheld by the rule r: Why. What.]\n\n";
        for (text, places, expected) in [
            ("ab", vec![], "ab".to_owned()),
            ("ab", vec![1], format!("a{stone}b")),
            ("ab", vec![0, 2], format!("{stone}ab{stone}")),
            ("ü", vec![1, 9], format!("{stone}ü{stone}")),
        ] {
            let withheld: Vec<_> = places.into_iter().map(tombstone).collect();
            assert_eq!(with_tombstones(text, &withheld), expected);
        }
    }
}
