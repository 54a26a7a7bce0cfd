//! The waiting list, where the gate asks for an invite.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_store::gate::{Join, PLACE_PREFIX, Place};

use crate::gate::Held;
use crate::pages::answer::{WithStatus as _, plain, retry_after};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::visit::Visit;

#[derive(Template)]
#[template(path = "waiting.html")]
struct Page {
    frame: Frame,
    words: String,
    error: String,
    /// Where the place is shown, with its ticket.
    link: String,
}

/// Joins it. Whether somebody joined with this address before is not told.
pub(in crate::pages) async fn join(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    let address = visit.arrival.address;
    let joined = crate::gate::join(visit.door, visit.network(), address, sent.text("email")).await;
    let frame = Frame::outside(visit, "The waiting list");
    let held = match joined {
        Ok(Join::Waiting { position, ticket }) => {
            let words = Held::Waiting { position }.public_words();
            let link = format!("/sign-up?invite={}", ticket.expose());
            return plain(&Page { frame, words, error: String::new(), link });
        }
        Ok(Join::Full) => Held::ListFull,
        Err(held) => held,
    };
    let status = StatusCode::from_u16(held.status()).unwrap_or(StatusCode::FORBIDDEN);
    let (words, link) = (String::new(), String::new());
    let page = Page { frame, words, error: held.public_words(), link };
    let mut response = plain(&page).with_status(status)?;
    if let Some(after) = held.retry_after() {
        retry_after(&mut response, after.as_secs());
    }
    Ok(response)
}

/// How far the place is that `ticket` is of, in words; empty where it is of none.
pub(super) async fn place(visit: &Visit<'_>, ticket: &str) -> String {
    if !ticket.starts_with(PLACE_PREFIX) {
        return String::new();
    }
    match crate::gate::place(visit.door, ticket).await {
        Ok(Some(Place::Waiting(position))) => Held::Waiting { position }.public_words(),
        Ok(Some(Place::LetIn)) => "Your turn has come: make your account.".to_owned(),
        Ok(None) => "This link is of no place on the waiting list: your turn has passed, or the link is not complete.".to_owned(),
        Err(held) => held.public_words(),
    }
}
