//! The set-up link: it enrols the owner, or gives an account a new password, for
//! whoever the operator handed it to. It is good once, for an hour.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_core::role::Role;
use surgewall_identity::hasher::{NotTaken, Purpose as HashFor};
use surgewall_identity::password::Factors as Beside;
use surgewall_store::admin::{Request, UserCreate, UserSet};
use surgewall_store::identity::{
    FlowKind, Recovery, account_by_email, email_address, email_of, take_flow, try_flow,
};
use surgewall_store::people::{AccountRow, People as _, Pick};

use super::{set_password, take};
use crate::listen::Purpose;
use crate::operate::operate;
use crate::pages::answer::{WithStatus as _, internal, plain, retry_after, see_other};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::sign_in::unrecorded;
use crate::pages::visit::Visit;
use crate::session;

#[derive(Template)]
#[template(path = "set_up.html")]
struct Page {
    frame: Frame,
    error: String,
    token: String,
    email: String,
    owner: bool,
    fixed: bool,
}

/// Whose links lead here: the operator's, and those of letters.
const KINDS: [FlowKind; 2] = [FlowKind::SetUp, FlowKind::Reset];

/// What the link with `token` is for; `None` where it is used up, too old, or
/// for the other listener.
async fn recovery(visit: &Visit<'_>, token: &str) -> Result<Option<Recovery>, Refusal> {
    let (store, vault) = (visit.door.people.as_ref(), &visit.door.vault);
    let admin = visit.purpose() == Purpose::Admin;
    for kind in KINDS {
        let found = try_flow::<_, Recovery>(store, vault, (kind, token), visit.now()).await;
        if let Some(found) = found.map_err(|error| internal(&error))? {
            return Ok(Some(found).filter(|recovery| recovery.account.is_none() == admin));
        }
    }
    Ok(None)
}

/// Uses the link with `token` up: true once.
async fn take_link(visit: &Visit<'_>, token: &str) -> Result<bool, Refusal> {
    let (store, vault) = (visit.door.people.as_ref(), &visit.door.vault);
    for kind in KINDS {
        let taken = take_flow(store, vault, (kind, token), visit.now()).await;
        if taken.map_err(|error| internal(&error))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The account that a link is for.
async fn account_of(visit: &Visit<'_>, id: u128) -> Result<Option<AccountRow>, Refusal> {
    let rows = visit.door.people.accounts(&Pick::Ids(vec![id])).await;
    Ok(rows.map_err(|error| internal(&error))?.into_iter().next())
}

async fn form(
    visit: &Visit<'_>,
    recovery: Option<&Recovery>,
    token: &str,
) -> Result<Page, Refusal> {
    let account = match recovery.and_then(|recovery| recovery.account) {
        Some(id) => account_of(visit, id).await?,
        None => None,
    };
    let email = account.as_ref().map(|row| email_of(&visit.door.vault, row)).transpose();
    let email = email.map_err(|error| internal(&error))?.flatten();
    Ok(Page {
        frame: Frame::outside(visit, "Set up"),
        error: String::new(),
        token: recovery.map_or_else(String::new, |_| token.to_owned()),
        fixed: email.is_some(),
        email: email.unwrap_or_default(),
        owner: recovery.is_some_and(|recovery| recovery.account.is_none()),
    })
}

/// The form.
pub(in crate::pages) async fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let token = visit.query("token").unwrap_or_default();
    let recovery = recovery(visit, &token).await?;
    plain(&form(visit, recovery.as_ref(), &token).await?)
}

/// Makes the owner's account, or sets the password of the one that it is for.
pub(in crate::pages) async fn make(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    let token = sent.text("token");
    let recovery = recovery(visit, token).await?;
    let mut page = form(visit, recovery.as_ref(), token).await?;
    if !page.fixed {
        page.email = sent.text("email").chars().take(254).collect();
    }
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let Some(recovery) = recovery else { return plain(&page).with_status(wrong) };
    let Ok(email) = email_address(&page.email) else {
        page.error = "This is no e-mail address. Write it like ann@example.org.".to_owned();
        return plain(&page).with_status(wrong);
    };
    if recovery.account.is_none() && known(visit, &email).await?.is_some() {
        // Whoever made it may have left passkeys, keys or sessions of their own there.
        page.error = "There is an account with this address already, and whoever made it has a way into it. Choose another address.".to_owned();
        return plain(&page).with_status(wrong);
    }
    let password = sent.secret("password");
    let hash = match take(visit, HashFor::Reset, (password, Beside::Alone), &email).await {
        Ok(hash) => hash,
        Err(NotTaken::Fault(fault)) => {
            page.error = fault.to_string();
            return plain(&page).with_status(wrong);
        }
        Err(NotTaken::Busy(_)) => {
            page.error = "The machine is busy. Try again in a few seconds.".to_owned();
            let mut response = plain(&page).with_status(StatusCode::SERVICE_UNAVAILABLE)?;
            retry_after(&mut response, 5);
            return Ok(response);
        }
    };
    if !take_link(visit, token).await? {
        return plain(&form(visit, None, "").await?).with_status(wrong);
    }
    let account = match recovery.account {
        Some(id) => account_of(visit, id).await?.ok_or_else(|| internal(&"no such account"))?,
        None => owner(visit, &email).await?,
    };
    set_password(visit, &account, &hash).await?;
    if let Some(record) = visit.door.directory.account(account.id) {
        session::end(visit.door, &record, |_| true).await.map_err(unrecorded)?;
    }
    // Whoever comes back finds there what somebody else may have left behind.
    see_other(match recovery.account {
        Some(_) => "/sign-in?new-password&next=/account/security?new",
        None => "/sign-in?new-password",
    })
}

/// The account with this address.
async fn known(visit: &Visit<'_>, email: &str) -> Result<Option<AccountRow>, Refusal> {
    let (store, vault) = (visit.door.people.as_ref(), &visit.door.vault);
    account_by_email(store, vault, email).await.map_err(|error| internal(&error))
}

/// A new account with this address, the owner's.
async fn owner(visit: &Visit<'_>, email: &str) -> Result<AccountRow, Refusal> {
    let create = UserCreate { email: email.to_owned(), ..UserCreate::default() };
    operate(visit.door, Request::UserCreate(create)).await.map_err(|error| internal(&error))?;
    let role = Some(Role::Owner);
    let set = UserSet { user: email.to_owned(), role, ..UserSet::default() };
    operate(visit.door, Request::UserSet(set)).await.map_err(|error| internal(&error))?;
    known(visit, email).await?.ok_or_else(|| internal(&"the owner's account is not there"))
}
