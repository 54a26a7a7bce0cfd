//! The own account: keys, sessions, what protects it, and what is held about its
//! owner. Everything here is asked of the session's own account; an id of
//! somebody else's is not found.

mod close;
mod confirm;
mod data;
mod exports;
mod keys;
mod passkeys;
mod security;
mod sessions;

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::{Method, StatusCode};
use surgewall_core::figures::day;
use surgewall_core::refusal::Refusal;
use surgewall_core::role::Role;
use surgewall_store::identity::{Factors, email_of};
use surgewall_store::sqlite::Sqlite;

use super::Page as Asked;
use super::answer::{found, internal, json_fault, plain, see_other};
use super::frame::Frame;
use super::visit::Visit;
use crate::session::{self, SignedIn};

pub use exports::Exports;
pub(super) use security::totp_secret;

/// Answers a page of the own account; without a session, the way to one.
pub(super) async fn page_of(
    visit: &Visit<'_>,
    asked: Asked,
    body: Body,
) -> Result<Response, Refusal> {
    let Some(who) = visit.signed_in() else { return sign_in_first(visit, asked) };
    match asked {
        Asked::Account => overview(visit, &who).await,
        Asked::Keys => keys::page(visit, &who).await,
        Asked::KeyRevoke => keys::revoke(visit, &who, &visit.form(body).await?).await,
        Asked::Sessions => sessions::page(visit, &who),
        Asked::SessionsEnd => sessions::end(visit, &who, &visit.form(body).await?).await,
        Asked::Security => security::page(visit, &who).await,
        Asked::Data => data::page(visit, &who).await,
        Asked::Confirm => confirm::page(visit, &who).await,
        Asked::ConfirmPassword => confirm::prove(visit, &who, &visit.form(body).await?).await,
        // The rest is dangerous: it needs a proof that is not older than a few minutes.
        dangerous if who.is_recent(visit.now()) => danger(visit, &who, dangerous, body).await,
        Asked::PasskeyAddBegin | Asked::PasskeyAddFinish => {
            json_fault(StatusCode::FORBIDDEN, "Prove first that it is you: open this page anew.")
        }
        dangerous => see_other(&format!("/account/confirm?next={}", back(dangerous))),
    }
}

async fn danger(
    visit: &Visit<'_>,
    who: &SignedIn,
    asked: Asked,
    body: Body,
) -> Result<Response, Refusal> {
    match asked {
        Asked::KeyCreate => keys::create(visit, who, &visit.form(body).await?).await,
        Asked::PasswordSet => security::set_password(visit, who, &visit.form(body).await?).await,
        Asked::Clean => security::clean(visit, who).await,
        Asked::TotpBegin => security::totp_begin(visit, who).await,
        Asked::TotpOn => security::totp_on(visit, who, &visit.form(body).await?).await,
        Asked::TotpOff => security::totp_off(visit, who).await,
        Asked::RecoveryCodes => security::recovery_codes(visit, who).await,
        Asked::PasskeyAddBegin => passkeys::begin(visit, who).await,
        Asked::PasskeyAddFinish => passkeys::finish(visit, who, body).await,
        Asked::PasskeyRemove => passkeys::remove(visit, who, &visit.form(body).await?).await,
        Asked::Export => data::export(visit, who).await,
        Asked::Erase => data::erase(visit, who, &visit.form(body).await?).await,
        Asked::Close => close::close(visit, who, &visit.form(body).await?).await,
        _ => Err(Refusal::RouteUnknown),
    }
}

/// The page from which a dangerous act is begun.
const fn back(asked: Asked) -> &'static str {
    match asked {
        Asked::Export | Asked::Erase | Asked::Close => "/account/data",
        Asked::KeyCreate => "/account/keys",
        _ => "/account/security",
    }
}

fn sign_in_first(visit: &Visit<'_>, asked: Asked) -> Result<Response, Refusal> {
    if matches!(asked, Asked::PasskeyAddBegin | Asked::PasskeyAddFinish) {
        return json_fault(StatusCode::UNAUTHORIZED, "Sign in first.");
    }
    if visit.arrival.route.method == Method::GET.as_str() {
        return found(&format!("/sign-in?next={}", visit.uri.path()));
    }
    see_other("/sign-in")
}

/// What `who` proves themselves with.
async fn factors<'a>(visit: &Visit<'a>, who: &SignedIn) -> Result<Factors<'a, Sqlite>, Refusal> {
    let door = visit.door;
    let factors = Factors::of(door.people.as_ref(), &door.vault, who.account.id).await;
    factors.map_err(|error| internal(&error))
}

#[derive(Template)]
#[template(path = "account.html")]
struct Overview {
    frame: Frame,
    email: String,
    id: String,
    since: String,
    class: String,
    role: &'static str,
    strong: bool,
    weak: bool,
    keys: usize,
    sessions: usize,
}

async fn overview(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    let row = visit.row(who).await?;
    let factors = factors(visit, who).await?;
    let passkeys = factors.passkeys().map_err(|error| internal(&error))?;
    let totp = factors.totp().map_err(|error| internal(&error))?;
    let role: Role = who.role;
    let email = email_of(&visit.door.vault, &row).map_err(|error| internal(&error))?;
    let keys = keys::working(visit, who).await?;
    plain(&Overview {
        frame: Frame::inside(visit, "Your account", "account"),
        email: email.unwrap_or_default(),
        id: row.public_id.to_string(),
        since: day(row.created_at),
        class: row.class.to_string(),
        role: role.as_str(),
        strong: who.strong,
        weak: passkeys.is_empty() && totp.is_none(),
        keys: keys.len(),
        sessions: session::of_account(visit.door, &who.account).len(),
    })
}
