//! Subscribing to the status page: asking, confirming, ending. A link alone changes
//! nothing, because programs that look into letters open links: each asks once more.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_store::subscribers::{Subscriber, SubscriberKind};

use super::answer::{WithStatus as _, internal, plain, retry_after};
use super::forms::Form;
use super::frame::Frame;
use super::visit::Visit;
use crate::subscribe::{self, Heard};

#[derive(Template)]
#[template(path = "subscribe.html")]
struct Page<'a> {
    frame: Frame,
    heading: &'a str,
    error: &'a str,
    words: String,
    /// What requests are signed with, shown once.
    secret: String,
    /// Whether there is the form to subscribe, and whether letters can be sent.
    asks: bool,
    letters: bool,
    /// The one button: its address and its words.
    action: String,
    button: &'a str,
}

impl<'a> Page<'a> {
    fn new(visit: &Visit<'_>, heading: &'a str, words: impl Into<String>) -> Self {
        Self {
            frame: Frame::outside(visit, "Status updates"),
            heading,
            error: "",
            words: words.into(),
            secret: String::new(),
            asks: false,
            letters: false,
            action: String::new(),
            button: "",
        }
    }
}

const HEADING: &str = "Be told of incidents";
const FINE: &str = "If this address can be told, it gets a message with a link to confirm, within a few minutes. Nothing else is sent before you confirm.";
const OVER: &str = "This link does not work any more. If you want to be told, subscribe again.";

/// Refused where the operator offers none.
fn offered(visit: &Visit<'_>) -> Result<(), Refusal> {
    if subscribe::offered(&visit.arrival.policy.config) {
        Ok(())
    } else {
        Err(Refusal::RouteUnknown)
    }
}

fn form<'a>(visit: &Visit<'_>, error: &'a str) -> Page<'a> {
    let letters = visit.arrival.policy.outside.mailer.is_some();
    let words = "You are told when an incident or a maintenance is announced, changes or ends. You can end it at any time, by a link in every message.";
    Page { asks: true, letters, error, ..Page::new(visit, HEADING, words) }
}

/// The form.
pub(super) fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    offered(visit)?;
    plain(&form(visit, ""))
}

/// Somebody wants to be told. The answer does not say whether somebody is already.
pub(super) async fn ask(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    offered(visit)?;
    let (kind, address) = match sent.text("kind") {
        "email" => (SubscriberKind::Email, sent.text("address")),
        "webhook" => (SubscriberKind::Webhook, sent.text("address")),
        _ => return plain(&form(visit, "")).with_status(StatusCode::UNPROCESSABLE_ENTITY),
    };
    let letters = visit.arrival.policy.outside.mailer.is_some();
    if kind == SubscriberKind::Email && !letters {
        return Err(Refusal::RouteUnknown);
    }
    match subscribe::ask(visit.door, kind, address, visit.network()).await? {
        Heard::Fine => plain(&Page::new(visit, HEADING, FINE)),
        Heard::NoAddress => {
            let why = match kind {
                SubscriberKind::Email => "This is not an e-mail address.",
                SubscriberKind::Webhook => {
                    "This is not an address of the public internet that begins with https://."
                }
            };
            plain(&form(visit, why)).with_status(StatusCode::UNPROCESSABLE_ENTITY)
        }
        Heard::Often(after) => {
            let why = "You asked several times already. Please try again later.";
            let mut response =
                plain(&form(visit, why)).with_status(StatusCode::TOO_MANY_REQUESTS)?;
            retry_after(&mut response, after.as_secs());
            Ok(response)
        }
        Heard::Full => {
            let why =
                "As many are told already as can be. Please use the feeds of the status page.";
            plain(&form(visit, why)).with_status(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn of_token(visit: &Visit<'_>) -> Result<Option<(Subscriber, String)>, Refusal> {
    let token = visit.query("token").unwrap_or_default();
    let found = subscribe::of(visit.door).of_token(&token, visit.now()).await;
    Ok(found.map_err(|error| internal(&error))?.map(|found| (found, token)))
}

fn over(visit: &Visit<'_>) -> Result<Response, Refusal> {
    plain(&Page::new(visit, HEADING, OVER)).with_status(StatusCode::NOT_FOUND)
}

/// The link to confirm.
pub(super) async fn confirm(visit: &Visit<'_>) -> Result<Response, Refusal> {
    offered(visit)?;
    let Some((subscriber, token)) = of_token(visit).await? else { return over(visit) };
    if subscriber.is_confirmed {
        return plain(&Page::new(visit, HEADING, "This address is told already."));
    }
    let words = format!("Shall {} be told of incidents?", subscriber.address);
    let action = format!("/status/confirm?token={token}");
    plain(&Page { action, button: "Yes, tell it", ..Page::new(visit, HEADING, words) })
}

/// It is confirmed.
pub(super) async fn confirmed(visit: &Visit<'_>) -> Result<Response, Refusal> {
    offered(visit)?;
    let Some((subscriber, _)) = of_token(visit).await? else { return over(visit) };
    let done = subscribe::of(visit.door).confirm(subscriber.id, visit.now()).await;
    if !done.map_err(|error| internal(&error))? {
        return over(visit);
    }
    let words = format!("{} is told from now on.", subscriber.address);
    let is_first = !subscriber.is_confirmed && subscriber.kind == SubscriberKind::Webhook;
    let secret = if is_first { subscriber.secret.expose().clone() } else { String::new() };
    plain(&Page { secret, ..Page::new(visit, HEADING, words) })
}

/// The link to end it.
pub(super) async fn unsubscribe(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let Some((subscriber, token)) = of_token(visit).await? else { return over(visit) };
    let words = format!("Shall {} not be told any more?", subscriber.address);
    let action = format!("/status/unsubscribe?token={token}");
    let heading = "No more updates";
    plain(&Page { action, button: "End it", ..Page::new(visit, heading, words) })
}

/// It is ended: by the button, or by a mail program in one click (RFC 8058), which
/// is no page of ours. Whoever has the link may.
pub(super) async fn unsubscribed(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let token = visit.query("token").unwrap_or_default();
    let ended = subscribe::of(visit.door).end(&token).await;
    ended.map_err(|error| internal(&error))?;
    let words = "This address is not told any more. Nothing of it is kept.";
    plain(&Page::new(visit, "No more updates", words))
}
