//! Signing in and out. One path for every e-mail address that is typed: the same
//! reads, exactly one Argon2 call, and an answer that does not tell whether there
//! is such an account.

mod elsewhere;
mod passkey;
mod proof;
mod reset;
mod second;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_core::role::{Action, allows};
use surgewall_store::identity::Factors;
use surgewall_store::people::AccountRow;

use super::answer::{
    WithStatus as _, internal, plain, retry_after, scripted, see_other, with_cookie,
};
use super::forms::Form;
use super::frame::Frame;
use super::tickets::{self, TicketKind};
use super::visit::{Visit, local_path};
use crate::listen::Purpose;
use crate::session::{self, Begin, SessionError};

pub(super) use elsewhere::{back, begin as elsewhere, buttons};
pub(super) use passkey::{
    begin as passkey_begin, fault as passkey_fault, finish as passkey_finish, with_ticket,
};
pub(super) use proof::{Proof, is_second_right, prove};
pub(super) use reset::{mailer, page as reset, send as reset_send};
pub(super) use second::by_second;

/// A provider that one can sign in with.
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) label: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    frame: Frame,
    note: &'static str,
    error: String,
    email: String,
    next: String,
    providers: Vec<Provider>,
    can_reset: bool,
    nobody: bool,
}

#[derive(Template)]
#[template(path = "second.html")]
struct Second {
    frame: Frame,
    error: &'static str,
    ticket: String,
}

/// The words for everything that is not right: they tell nothing.
const WRONG: &str = "The e-mail address or the password is not right.";
/// For a second factor.
const WRONG_CODE: &str = "This code is not right, or it was used already.";

fn form(visit: &Visit<'_>, next: &str) -> Page {
    Page {
        frame: Frame::outside(visit, "Sign in"),
        note: "",
        error: String::new(),
        email: String::new(),
        next: local_path(next).unwrap_or_default().to_owned(),
        providers: buttons(visit),
        can_reset: mailer(visit).is_some(),
        nobody: visit.door.directory.sizes().accounts == 0,
    }
}

/// The form.
pub(super) async fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let query = visit.uri.query().unwrap_or_default();
    let note = match query.split('&').next().unwrap_or_default() {
        "made" => "If this address was free, the account is there now. Sign in.",
        "out" => "You are signed out.",
        "new-password" => "Your password was set. Sign in.",
        _ => "",
    };
    let next = visit.query("next").unwrap_or_default();
    scripted(&Page { note, ..form(visit, &next) })
}

/// By e-mail address and password.
pub(super) async fn by_password(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    let email = sent.text("email");
    let next = sent.text("next");
    let again = |error: String| {
        let email = email.chars().take(254).collect();
        scripted(&Page { error, email, ..form(visit, next) })
    };
    match prove(visit, email, sent.secret("password")).await? {
        Proof::Right(account, factors) => go_on(visit, &account, &factors, next).await,
        Proof::Wrong => again(WRONG.to_owned()).with_status(StatusCode::UNPROCESSABLE_ENTITY),
        Proof::Wait(seconds) => {
            let words =
                format!("Too many attempts from your network. Try again in {seconds} seconds.");
            let mut response = again(words).with_status(StatusCode::TOO_MANY_REQUESTS)?;
            retry_after(&mut response, seconds);
            Ok(response)
        }
        Proof::Busy => {
            let words = "Many people sign in now. Try again in a few seconds.".to_owned();
            let mut response = again(words).with_status(StatusCode::SERVICE_UNAVAILABLE)?;
            retry_after(&mut response, 5);
            Ok(response)
        }
    }
}

/// After the right password: in, or to the second factor.
async fn go_on(
    visit: &Visit<'_>,
    account: &AccountRow,
    factors: &Factors<'_, surgewall_store::sqlite::Sqlite>,
    next: &str,
) -> Result<Response, Refusal> {
    if factors.totp().map_err(|error| internal(&error))?.is_none() {
        return let_in(visit, account, Means::Password, next).await;
    }
    let body = second::Pending::new(visit, account, next);
    let ticket = tickets::issue(visit.door, TicketKind::Second, &body);
    let ticket = ticket.ok_or_else(|| internal(&"a ticket that cannot be written"))?;
    plain(&Second { frame: Frame::outside(visit, "Sign in"), error: "", ticket })
}

/// By what somebody proved who they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// What they know, or a letter to them.
    Password,
    /// A passkey, or a password and a second factor.
    Strong,
    /// Another provider says so.
    Provider,
}

/// Begins a session for whoever proved to be `account`, and goes to `next`.
pub(super) async fn let_in(
    visit: &Visit<'_>,
    account: &AccountRow,
    means: Means,
    next: &str,
) -> Result<Response, Refusal> {
    match cookie_for(visit, account, means).await? {
        Ok(cookie) => {
            let next = local_path(next).unwrap_or(HOME);
            Ok(with_cookie(see_other(next)?, Some(cookie)))
        }
        Err(words) => {
            let error = words.to_owned();
            scripted(&Page { error, ..form(visit, "") }).with_status(StatusCode::FORBIDDEN)
        }
    }
}

/// Where one is after signing in, unless the request says it: the chat, or the admin page.
pub(super) const HOME: &str = "/";

/// A new session's cookie, or the words for why there is none on this listener. A
/// role that a provider gave lasts as long as the provider gives it, so it lets
/// nobody in whom the provider does not vouch for now.
pub(super) async fn cookie_for(
    visit: &Visit<'_>,
    account: &AccountRow,
    means: Means,
) -> Result<Result<http::HeaderValue, &'static str>, Refusal> {
    if visit.purpose() == Purpose::Admin {
        if !allows(account.role, Action::SignInAdmin) {
            return Ok(Err("This account may not sign in here."));
        }
        if account.role_granted && means != Means::Provider {
            return Ok(Err("This account has its role from another service: sign in with that."));
        }
    }
    let record = visit.door.directory.account(account.id);
    let record = record.ok_or_else(|| internal(&"an account that the directory does not know"))?;
    let begin = Begin {
        account: &record,
        purpose: visit.purpose(),
        strong: means == Means::Strong,
        network: visit.network(),
        headers: &visit.headers,
    };
    session::begin(visit.door, &begin).await.map(Ok).map_err(unrecorded)
}

/// A session that could not be begun or ended.
pub(super) fn unrecorded(error: SessionError) -> Refusal {
    match error {
        SessionError::NotRecorded(why) => Refusal::LedgerUnavailable { why },
        other => internal(&other),
    }
}

/// Signing out: the session ends, whatever the browser does with its cookie.
pub(super) async fn out(visit: &Visit<'_>) -> Result<Response, Refusal> {
    if let Some(who) = visit.signed_in() {
        let ended =
            session::end(visit.door, &who.account, |session| session.public_id == who.session);
        ended.await.map_err(unrecorded)?;
    }
    let cookie = session::clearing_cookie(visit.door, visit.purpose());
    Ok(with_cookie(see_other("/sign-in?out")?, cookie))
}
