//! The conversations, last written first, with the form of another one.

use askama::Template;
use surgewall_core::figures::minute;

use super::room::html_len;
use super::{Compose, Top, html};
use crate::chat::call::{Answered, Asked};
use crate::chat::conversations::{after, before};
use crate::chat::limits::{LITE_PAGE_BYTES_MAX, TITLE_CHARS_MAX};
use crate::chat::prompt;
use crate::chat::reply::OrRefusal as _;
use crate::pages::plain;

/// What stands around a title in the list, in bytes.
const ROW_BYTES: usize = 140;
/// The link to older ones, in bytes.
const OLDER_BYTES: usize = 120;

#[derive(Template)]
#[template(path = "lite/list.html")]
struct List {
    top: Top,
    compose: Compose,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    id: String,
    title: String,
    at: String,
}

/// The page.
pub(super) async fn page(asked: &Asked<'_>) -> Answered {
    let own = asked.own()?;
    let from = before(asked)?;
    let listed = own.list(false, from.as_ref().map(|(at, id)| (*at, id))).await.or_refusal()?;
    let (top, compose) =
        (Top::new(asked.door, "Chat"), Compose::new(asked, "/lite".to_owned(), None));
    let mut list = List { top, compose, rows: Vec::new(), next: None };
    let mut left = LITE_PAGE_BYTES_MAX.saturating_sub(html(&list)?.len() + OLDER_BYTES);
    for conversation in &listed {
        let title =
            prompt::title(conversation.title.as_deref().unwrap_or("(erased)"), TITLE_CHARS_MAX);
        let title = if title.is_empty() { "A conversation".to_owned() } else { title };
        let len = html_len(&title) + ROW_BYTES;
        if len > left {
            break;
        }
        left -= len;
        let id = conversation.public_id.to_string();
        list.rows.push(Row { id, title, at: minute(conversation.updated_at) });
    }
    let shown = list.rows.len();
    list.next = if shown < listed.len() {
        shown.checked_sub(1).and_then(|last| listed.get(last)).map(after)
    } else {
        crate::chat::conversations::next(&listed)
    };
    plain(&list)
}
