//! The account's sessions, and ending them.

use askama::Template;
use axum::response::Response;
use surgewall_core::figures::minute;
use surgewall_core::refusal::Refusal;
use surgewall_store::identity::SessionListener;

use crate::pages::answer::{plain, see_other};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::sign_in::unrecorded;
use crate::pages::visit::Visit;
use crate::session::{self, SignedIn};

struct Row {
    id: String,
    browser: String,
    network: String,
    since: String,
    seen: String,
    admin: bool,
    current: bool,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Page {
    frame: Frame,
    sessions: Vec<Row>,
}

/// The list.
pub(super) fn page(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    let sessions = session::of_account(visit.door, &who.account);
    let row = |(session, seen_at): (std::sync::Arc<surgewall_store::identity::Session>, _)| Row {
        id: session.public_id.to_string(),
        browser: session.about.browser.clone(),
        network: session.about.network.to_string(),
        since: minute(session.created_at),
        seen: minute(seen_at),
        admin: session.listener == SessionListener::Admin,
        current: session.public_id == who.session,
    };
    let sessions = sessions.into_iter().map(row).collect();
    plain(&Page { frame: Frame::inside(visit, "Sessions", "sessions"), sessions })
}

/// Ends one, or all but this one.
pub(super) async fn end(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    let asked = sent.text("session");
    let others = asked == "others";
    let which = |session: &surgewall_store::identity::Session| {
        if others { session.public_id != who.session } else { session.public_id.as_str() == asked }
    };
    let ended = session::end(visit.door, &who.account, which).await.map_err(unrecorded)?;
    if ended == 0 && !others {
        return Err(Refusal::RouteUnknown);
    }
    see_other("/account/sessions")
}
