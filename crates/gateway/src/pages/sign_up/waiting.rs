//! The waiting list, where the gate asks for an invite.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_store::gate::Join;

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
}

/// Joins it, or says which place one has.
pub(in crate::pages) async fn join(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    let address = visit.arrival.address;
    let joined = crate::gate::join(visit.door, visit.network(), address, sent.text("email")).await;
    let frame = Frame::outside(visit, "The waiting list");
    let words = match joined {
        Ok(Join::Waiting(1)) => "You are next on the waiting list.".to_owned(),
        Ok(Join::Waiting(place)) => format!(
            "You are on the waiting list, at place {place}. Nobody who came later goes first. Come back to this page to see how far you are."
        ),
        Ok(Join::LetIn) => "Your turn has come: make your account.".to_owned(),
        Ok(Join::Full) => "The waiting list is full.".to_owned(),
        Err(held) => {
            let status = StatusCode::from_u16(held.status()).unwrap_or(StatusCode::FORBIDDEN);
            let page = Page { frame, words: String::new(), error: held.public_words() };
            let mut response = plain(&page).with_status(status)?;
            if let Some(after) = held.retry_after() {
                retry_after(&mut response, after.as_secs());
            }
            return Ok(response);
        }
    };
    plain(&Page { frame, words, error: String::new() })
}
