//! The owner closes the account: everything that got in by it ends, and what was
//! written in it is destroyed.

use askama::Template;
use axum::response::Response;
use surgewall_core::refusal::Refusal;
use surgewall_store::admin::{Named, Reply, Request};

use super::data::again;
use super::keys::words;
use crate::operate::{By, operate_by};
use crate::pages::answer::{internal, plain, with_cookie};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::sign_in::unrecorded;
use crate::pages::visit::Visit;
use crate::session::{self, SignedIn};

/// What has to be typed before.
const WORD: &str = "close";

#[derive(Template)]
#[template(path = "closed.html")]
struct Closed {
    frame: Frame,
    receipt: String,
}

/// Closes it, and shows the receipt to a browser that is signed out.
pub(super) async fn close(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    if sent.text("word").trim() != WORD {
        return again(visit, format!("Nothing was closed: type `{WORD}` to go on."));
    }
    let asked = Request::UserClose(Named { name: who.account.public_id.to_string() });
    let closed = operate_by(visit.door, By::Account(&who.account.public_id), asked).await;
    let view = match closed {
        Ok(Reply::Erased(view)) => view,
        Ok(_) => return Err(internal(&"an account was closed without a receipt")),
        Err(error) => return again(visit, words(error)?),
    };
    session::end(visit.door, &who.account, |_| true).await.map_err(unrecorded)?;
    let receipt = serde_json::to_string_pretty(&view).map_err(|error| internal(&error))?;
    let page = Closed { frame: Frame::outside(visit, "Closed"), receipt };
    Ok(with_cookie(plain(&page)?, session::clearing_cookie(visit.door, visit.purpose())))
}
