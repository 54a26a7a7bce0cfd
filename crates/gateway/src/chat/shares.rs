//! Shares: whoever has the link may read one branch, and nothing else. The page
//! that shows it has no script, and the type behind it no way to write.

use askama::Template;
use axum::body::Body;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{Role, SharedMessage, SharedPage, State, shared as read};

use super::call::{Answered, Asked, invalid};
use super::export::with_tombstones;
use super::limits::SHARE_DAYS;
use super::reply::{self, OrRefusal as _};
use super::search::turn;
use crate::pages::{assets, headers};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct New {
    leaf: Option<u32>,
    days: Option<u64>,
}

/// Lets whoever has the link read the branch up to `leaf`.
pub(super) async fn share(asked: &Asked<'_>, body: Body) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let New { leaf, days } = asked.json(body).await?;
    let leaf = leaf.unwrap_or(conversation.active);
    if leaf == 0 {
        return Err(invalid("there is no message to share", Some("leaf")));
    }
    let (days, now) = (days.unwrap_or(SHARE_DAYS), asked.arrival.at);
    let (share, token) = own.share(conversation.id, leaf, days, now).await.or_refusal()?;
    let url = format!("/app/shared/{}", token.expose());
    let made = json!({
        "id": share.id, "url": url, "leaf": share.leaf, "expires_at": share.expires_at,
    });
    reply::json(StatusCode::CREATED, &made)
}

/// Who may read it. The links themselves are not kept.
pub(super) async fn list(asked: &Asked<'_>) -> Answered {
    let (own, conversation) = asked.conversation().await?;
    let shares = own.shares(conversation.id).await.or_refusal()?;
    reply::json(StatusCode::OK, &json!({"shares": shares}))
}

/// Ends a share.
pub(super) async fn unshare(asked: &Asked<'_>) -> Answered {
    asked.own()?.revoke_share(asked.param("id")).await.or_refusal()?;
    Ok(reply::nothing())
}

#[derive(Template)]
#[template(path = "shared.html")]
struct Shown {
    title: String,
    css: &'static str,
    until: String,
    older: Option<u32>,
    messages: Vec<Line>,
}

struct Line {
    class: &'static str,
    who: String,
    text: String,
    note: &'static str,
}

impl Line {
    fn of(message: SharedMessage) -> Self {
        let who = match message.role {
            Role::User => "Question".to_owned(),
            Role::Assistant => message.model.unwrap_or_else(|| "Answer".to_owned()),
        };
        let note = match message.state {
            State::Complete => "",
            State::Stopped => "This answer was stopped.",
            State::Partial => "This answer broke off.",
        };
        let text = with_tombstones(&message.text, &message.withheld);
        Self { class: message.role.as_str(), who, text, note }
    }
}

/// What others read. Text is shown as it is, without markup of its own.
pub(super) async fn shared(asked: &Asked<'_>) -> Answered {
    let from = asked.query("from").and_then(|from| from.parse().ok());
    let (door, token) = (asked.door, asked.param("token"));
    // Anybody may ask for this page: few at once are opened.
    let _turn = turn(asked.door).await?;
    let found = read(door.people.as_ref(), &door.vault, token, from, asked.arrival.at).await;
    let Some(page) = found.or_refusal()? else {
        return Err(Refusal::NotFound { what: "shared conversation" });
    };
    let SharedPage { title, messages, older, expires_at } = page;
    let mut messages: Vec<Line> = messages.into_iter().map(Line::of).collect();
    messages.reverse();
    let title = if title.is_empty() { "A conversation".to_owned() } else { title };
    let until = expires_at.to_string().chars().take(10).collect();
    let css = assets::path("pages.css");
    let html = Shown { title, css, until, older, messages }.render();
    let html = html.map_err(|error| Refusal::Internal { why: error.to_string() })?;
    let mut response = reply::private(StatusCode::OK, "text/html; charset=utf-8", Body::from(html));
    headers::plain(response.headers_mut());
    // The link is the secret: no search engine keeps it, and no other site learns it.
    let robots = HeaderName::from_static("x-robots-tag");
    response.headers_mut().insert(robots, HeaderValue::from_static("noindex, nofollow"));
    Ok(response)
}
