//! A conversation as a file: all of it as JSON, or the branch that is looked at
//! as Markdown. It is read and sent piece by piece.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use serde_json::json;
use surgewall_core::id::AccountId;
use surgewall_store::conversations::{
    Conversation, ConversationError, Message, Own, Role, State, Tombstone,
};
use tokio::sync::OwnedSemaphorePermit;

use super::call::{Answered, Asked, invalid};
use super::reply::{self, OrRefusal as _};
use super::search::turn;
use crate::door::Door;

/// The whole conversation, as a file.
pub(super) async fn export(asked: &Asked<'_>) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let account = asked.asker.account()?.id;
    let permit = turn(asked).await?;
    let (kind, ending, body) = match asked.query("format").as_deref() {
        None | Some("json") => {
            let pages = Pages { door: asked.door.clone(), account, conversation, after: 0, permit };
            ("application/json", "json", pages.body())
        }
        Some("markdown") => {
            // The branch is walked from its end: it is gathered first, by pages of the store.
            let text = markdown(&own, &conversation).await.or_refusal()?;
            ("text/markdown; charset=utf-8", "md", Body::from(text))
        }
        Some(_) => return Err(invalid("`json` or `markdown`", Some("format"))),
    };
    let mut response = reply::private(StatusCode::OK, kind, body);
    let name = format!("attachment; filename=\"conversation.{ending}\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// The messages that are still to be sent.
struct Pages {
    door: Arc<Door>,
    account: AccountId,
    conversation: Conversation,
    /// The number of the last one that was sent.
    after: u32,
    permit: OwnedSemaphorePermit,
}

enum Step {
    Head(Pages),
    More(Pages),
    End,
}

impl Pages {
    fn body(self) -> Body {
        Body::from_stream(unfold(Step::Head(self), |step| async move {
            match step {
                Step::Head(pages) => {
                    let conversation = json!(pages.conversation).to_string();
                    let head = format!("{{\"conversation\":{conversation},\"messages\":[");
                    Some((Ok(Bytes::from(head)), Step::More(pages)))
                }
                Step::More(pages) => pages.next().await,
                Step::End => None,
            }
        }))
    }

    async fn next(mut self) -> Option<(Result<Bytes, ConversationError>, Step)> {
        match self.page().await {
            Ok(text) if text.is_empty() => {
                drop(self.permit);
                Some((Ok(Bytes::from_static(b"]}\n")), Step::End))
            }
            Ok(text) => Some((Ok(Bytes::from(text)), Step::More(self))),
            // The file breaks off, and whoever takes it sees that it does.
            Err(error) => {
                tracing::warn!(%error, "an export broke off");
                Some((Err(error), Step::End))
            }
        }
    }

    async fn page(&mut self) -> Result<String, ConversationError> {
        let own = Own::new(self.door.people.as_ref(), &self.door.vault, self.account);
        let messages = own.messages(self.conversation.id, self.after).await?;
        let mut text = String::new();
        for message in &messages {
            let attachments = own.attachments(self.conversation.id, message).await?;
            let mut one = json!(message);
            if !attachments.is_empty() {
                one["attached"] = json!(attachments);
            }
            let before = if self.after == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(text, "{before}{one}");
            self.after = message.number;
        }
        Ok(text)
    }
}

/// The branch that is looked at, oldest message first.
async fn markdown<C: surgewall_store::conversations::Conversations>(
    own: &Own<'_, C>,
    conversation: &Conversation,
) -> Result<String, ConversationError> {
    let mut texts = Vec::new();
    let mut from = None;
    loop {
        let page = own.page(conversation.id, from).await?;
        texts.extend(page.messages.iter().map(|placed| one(&placed.message)));
        from = page.older;
        if from.is_none() {
            break;
        }
    }
    let title = conversation.title.as_deref().filter(|title| !title.is_empty());
    texts.push(format!("# {}\n", title.unwrap_or("Conversation")));
    texts.reverse();
    Ok(texts.join("\n"))
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
    format!("## {who}\n\n{text}\n{note}")
}

/// `text` with what was withheld named at its places.
pub(super) fn with_tombstones(text: &str, withheld: &[Tombstone]) -> String {
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for tombstone in withheld {
        let at = text.floor_char_boundary(tombstone.at.max(from));
        out.push_str(text.get(from..at).unwrap_or_default());
        let Tombstone { rule, reason, advice, .. } = tombstone;
        let _ = write!(out, "\n\n[Withheld by the rule {rule}: {reason} {advice}]\n\n");
        from = at;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}
