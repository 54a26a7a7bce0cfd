//! The form for a key that somebody found. The answer is the same whether it was
//! one of ours.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::config::disclosure::FoundKeys;
use surgewall_core::refusal::Refusal;

use super::answer::{WithStatus as _, plain, retry_after};
use super::forms::Form;
use super::frame::Frame;
use super::visit::Visit;
use crate::disclosure::keys;

#[derive(Template)]
#[template(path = "found_key.html")]
struct Page {
    frame: Frame,
    error: String,
    sent: bool,
    revokes: bool,
}

fn empty(visit: &Visit<'_>) -> Page {
    let section = &visit.arrival.policy.config.disclosure;
    Page {
        frame: Frame::outside(visit, "I found a key"),
        error: String::new(),
        sent: false,
        revokes: section.found_keys == FoundKeys::Revoke,
    }
}

/// The form.
pub(super) fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    plain(&empty(visit))
}

/// Takes a key.
pub(super) fn send(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    match keys::hand_in(visit.door, visit.network(), sent.text("key")) {
        Ok(()) => plain(&Page { sent: true, ..empty(visit) }),
        Err(after) => {
            let error = "Many keys were handed in within an hour. Please try again later.";
            let page = Page { error: error.to_owned(), ..empty(visit) };
            let mut response = plain(&page).with_status(StatusCode::TOO_MANY_REQUESTS)?;
            retry_after(&mut response, after.as_secs());
            Ok(response)
        }
    }
}
