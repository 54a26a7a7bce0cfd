//! A new password by a link in a letter. It never goes around a second factor,
//! and the page says the same whether there is such an account.

use std::time::Duration;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_core::secret::SecretString;
use surgewall_identity::codes::LINK_LIFETIME;
use surgewall_identity::mail::{Letter, Mailer};
use surgewall_store::identity::{
    Flow, FlowKind, Recovery, account_by_email, begin_flow, email_address, email_of, new_token,
};
use surgewall_store::people::AccountRow;

use super::proof::may_ask;
use crate::door::Door;
use crate::pages::answer::{WithStatus as _, plain, retry_after};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::links::{public_origin, set_up_link};
use crate::pages::visit::Visit;

/// How often the page behind the link can be opened.
const OPENED_MAX: u32 = 20;

#[derive(Template)]
#[template(path = "reset.html")]
struct Page {
    frame: Frame,
    error: String,
    sent: bool,
    can_reset: bool,
}

/// What sends letters, where links in them can lead back here.
pub(in crate::pages) fn mailer(visit: &Visit<'_>) -> Option<Mailer> {
    public_origin(&visit.arrival.policy.config.listen)?;
    visit.arrival.policy.outside.mailer.clone()
}

fn form(visit: &Visit<'_>) -> Page {
    Page {
        frame: Frame::outside(visit, "A new password"),
        error: String::new(),
        sent: false,
        can_reset: mailer(visit).is_some(),
    }
}

/// The form.
pub(in crate::pages) fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    plain(&form(visit))
}

/// Sends the link, if there is such an account. The answer does not wait for it,
/// so that it takes as long where there is none.
pub(in crate::pages) fn send(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    let Some(mailer) = mailer(visit) else {
        return plain(&form(visit)).with_status(StatusCode::UNPROCESSABLE_ENTITY);
    };
    // What is no address has no letter: nothing is done, and the page says the same.
    let Ok(email) = email_address(sent.text("email")) else {
        return plain(&Page { sent: true, ..form(visit) });
    };
    if let Err(seconds) = may_ask(visit, &email) {
        let error = format!("That was asked for several times. Try again in {seconds} seconds.");
        let page = Page { error, ..form(visit) };
        let mut response = plain(&page).with_status(StatusCode::TOO_MANY_REQUESTS)?;
        retry_after(&mut response, seconds);
        return Ok(response);
    }
    let Ok(permit) = visit.door.identity.letters.clone().try_acquire_owned() else {
        let error = "Many ask for a letter now. Try again in a minute.".to_owned();
        let page = Page { error, ..form(visit) };
        let mut response = plain(&page).with_status(StatusCode::SERVICE_UNAVAILABLE)?;
        retry_after(&mut response, 60);
        return Ok(response);
    };
    let door = visit.door.clone();
    visit.door.tasks.background(async move {
        let _permit = permit;
        if let Err(why) = letter(&door, &mailer, &email).await {
            tracing::warn!(why, "a letter with a link is not sent");
        }
    });
    plain(&Page { sent: true, ..form(visit) })
}

/// The letter has its place, and counts for its address, before anything is
/// written: who asks again and again fills neither the ledger nor the store.
async fn letter(door: &Door, mailer: &Mailer, email: &str) -> Result<(), String> {
    let (store, vault, now) = (door.people.as_ref(), &door.vault, door.clock.now());
    let account = account_by_email(store, vault, email).await.map_err(|e| e.to_string())?;
    // Who comes by a provider has the address on that provider's word alone: a letter
    // would let its reader into an account that is somebody else's.
    let has_letters = |account: &AccountRow| !account.suspended && account.external.is_none();
    let Some(account) = account.filter(has_letters) else { return Ok(()) };
    // To the address that is kept, not as it was typed.
    let Some(to) = email_of(vault, &account).map_err(|e| e.to_string())? else { return Ok(()) };
    let token = new_token();
    let link = set_up_link(&door.policy().config.listen, false, token.expose());
    let letter = Letter::ResetLink { url: &SecretString::new(link) };
    let letter = mailer.reserve(&to, &letter, now).map_err(|e| e.to_string())?;
    let lasts: Duration = LINK_LIFETIME;
    let owner = Some(account.id);
    let flow = Flow { kind: FlowKind::Reset, account: owner, tries_max: OPENED_MAX, lasts };
    let body = Recovery { account: Some(account.id.as_u128()) };
    let begun = begin_flow(store, vault, (flow, &token), &body, now).await;
    if !begun.map_err(|e| e.to_string())? {
        return Err("too many links and codes wait".to_owned());
    }
    let subject = Some(account.public_id.to_string());
    door.record_change("user.reset", subject).await.map_err(|e| e.to_string())?;
    letter.send();
    Ok(())
}
