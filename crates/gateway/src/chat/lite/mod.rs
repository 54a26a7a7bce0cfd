//! The chat without script, for times of attack and for browsers that run none:
//! small pages that the door renders, and forms. The same engine is behind it as
//! behind the page with script: what is asked here is a job of the door, is kept
//! in the same conversations, and belongs to the same owners.

mod forms;
mod list;
mod live;
mod page;
mod room;
mod show;

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use surgewall_core::refusal::Refusal;

use super::call::{Answered, Asked};
use super::limits::{LITE_MODELS_BYTES_MAX, LITE_TEXT_CHARS_MAX};
use super::me::{incident_words, usable};
use super::prompt;
use super::{asked, limits};
use crate::door::Door;
use crate::pages::{assets, found};
use crate::routes::api;
use crate::routes::table::Route;
use page::{Choice, choices};
use surgewall_store::conversations::MessageId;

/// A page of the chat without script, or a form of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LitePage {
    /// The conversations, and the beginning of another one.
    List,
    /// Another conversation, with its first message.
    Begin,
    /// One of them; an answer that is under way comes as it is written.
    Show,
    /// A message, and its answer.
    Send,
    /// Another answer, or the rest of one that broke off.
    Again,
    /// No more of it.
    Stop,
}

/// Answers a page.
pub(crate) async fn serve(
    door: Arc<Door>,
    route: &'static Route,
    page: LitePage,
    request: Request,
) -> Response {
    let arrival = match api::arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    let (head, body) = request.into_parts();
    let answered = async {
        let asked = asked(&door, &arrival, head, route.method != "GET").await?;
        Box::pin(answer(&asked, page, body)).await
    };
    api::answer(&door, &arrival, answered).await
}

async fn answer(asked: &Asked<'_>, page: LitePage, body: Body) -> Answered {
    let signed_in = asked.asker.account.is_some();
    match page {
        LitePage::List | LitePage::Show if !signed_in => {
            found(&format!("/sign-in?next={}", asked.head.uri.path()))
        }
        LitePage::List => list::page(asked).await,
        LitePage::Show => show::page(asked).await,
        LitePage::Stop => forms::stop(asked, body).await,
        LitePage::Begin | LitePage::Send | LitePage::Again => forms::send(asked, page, body).await,
    }
}

/// What stands over every page.
struct Top {
    title: String,
    css: &'static str,
    incident: Option<&'static str>,
}

impl Top {
    fn new(door: &Door, title: &str) -> Self {
        let title = prompt::title(title, limits::TITLE_CHARS_MAX);
        let title = if title.is_empty() { "A conversation".to_owned() } else { title };
        Self { title, css: assets::path("pages.css"), incident: incident_words(door) }
    }
}

/// The form of a message.
struct Compose {
    action: String,
    /// A fresh id: sent twice, the message is there once.
    id: String,
    /// The message that it follows; 0 is none.
    parent: u32,
    /// The message that can be answered anew; 0 is none.
    question: u32,
    /// The answer that broke off; 0 is none.
    go_on: u32,
    models: Vec<Choice>,
    text: String,
    chars_max: usize,
}

impl Compose {
    /// An empty one that is sent to `action`.
    fn new(asked: &Asked<'_>, action: String, model: Option<&str>) -> Self {
        Self {
            action,
            id: super::call::shown(MessageId::random()),
            parent: 0,
            question: 0,
            go_on: 0,
            models: choices(&usable(asked), model, LITE_MODELS_BYTES_MAX),
            text: String::new(),
            chars_max: LITE_TEXT_CHARS_MAX,
        }
    }
}

/// A template as text.
fn html(template: &impl Template) -> Result<String, Refusal> {
    template.render().map_err(|error| Refusal::Internal { why: error.to_string() })
}
