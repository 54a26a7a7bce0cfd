//! Searching one's own conversations.

use http::StatusCode;
use serde_json::json;
use surgewall_core::id::PublicId;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{Hit, SearchFrom};
use tokio::sync::SemaphorePermit;

use super::call::{Answered, Asked, invalid};
use super::reply::{self, OrRefusal as _};
use crate::door::Door;

/// Where a text stands. `from` goes on where `next` of an answer before says.
pub(super) async fn search(asked: &Asked<'_>) -> Answered {
    let own = asked.own()?;
    let text = asked.query("q").unwrap_or_default();
    let from = asked.query("from").filter(|from| !from.is_empty());
    let from = from.map(|from| place(&from)).transpose()?;
    let _turn = turn(asked.door).await?;
    let found = own.search(text.trim(), from.as_ref()).await.or_refusal()?;
    let hit = |hit: &Hit| {
        json!({
            "conversation": hit.conversation, "title": hit.title, "message": hit.number,
            "text": hit.excerpt, "at": hit.at,
        })
    };
    let hits: Vec<_> = found.hits.iter().map(hit).collect();
    let next = found.next.as_ref();
    let next = next.map(|next| format!("{}:{}", next.conversation, next.number));
    let more = next.is_some();
    reply::json(StatusCode::OK, &json!({"hits": hits, "more": more, "next": next}))
}

fn place(text: &str) -> Result<SearchFrom, Refusal> {
    let parts = text.rsplit_once(':').and_then(|(id, number)| Some((id, number.parse().ok()?)));
    let (id, number) = parts.ok_or_else(|| invalid("it is no `next` of a search", Some("from")))?;
    Ok(SearchFrom { conversation: PublicId::from_stored(id.to_owned()), number })
}

/// A turn among the few who may open many messages at once.
pub(super) async fn turn(door: &Door) -> Result<SemaphorePermit<'_>, Refusal> {
    door.chat.heavy.acquire().await.map_err(|_| Refusal::Draining)
}
