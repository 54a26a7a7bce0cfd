//! The second factor after the right password.

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use surgewall_core::refusal::Refusal;
use surgewall_store::identity::Factors;
use surgewall_store::people::{AccountRow, People as _, Pick};

use super::proof::is_second_right;
use super::{Means, Page, Second, WRONG_CODE, form, let_in};
use crate::listen::Purpose;
use crate::pages::answer::{WithStatus as _, internal, plain, retry_after, scripted};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::tickets::{self, TicketKind};
use crate::pages::visit::Visit;

/// Who typed the right password, on which listener, and where they want to go.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    account: u128,
    admin: bool,
    next: String,
}

impl Pending {
    pub(super) fn new(visit: &Visit<'_>, account: &AccountRow, next: &str) -> Self {
        let admin = visit.purpose() == Purpose::Admin;
        Self { account: account.id.as_u128(), admin, next: next.to_owned() }
    }
}

/// By the code of the app, or a recovery code.
pub(in crate::pages) async fn by_second(
    visit: &Visit<'_>,
    sent: &Form,
) -> Result<Response, Refusal> {
    let ticket = sent.text("ticket");
    let pending: Option<Pending> = tickets::open(visit.door, TicketKind::Second, ticket);
    let pending = pending.filter(|it| it.admin == (visit.purpose() == Purpose::Admin));
    let Some(pending) = pending else { return too_late(visit) };
    let pick = Pick::Ids(vec![pending.account]);
    let rows = visit.door.people.accounts(&pick).await.map_err(|error| internal(&error))?;
    let Some(account) = rows.into_iter().next().filter(|account| !account.suspended) else {
        return too_late(visit);
    };
    if !tickets::try_once(visit.door, ticket) {
        return too_late(visit);
    }
    let factors = Factors::of(visit.door.people.as_ref(), &visit.door.vault, account.id).await;
    let factors = factors.map_err(|error| internal(&error))?;
    match is_second_right(visit, &account, &factors, sent.text("code")).await? {
        Ok(true) if tickets::use_up(visit.door, ticket) => {
            let_in(visit, &account, Means::Strong, &pending.next).await
        }
        Ok(_) => again(visit, WRONG_CODE, ticket).with_status(StatusCode::UNPROCESSABLE_ENTITY),
        Err(seconds) => {
            let words = "Too many wrong codes. Wait a little, then try again.";
            let answer = again(visit, words, ticket);
            let mut response = answer.with_status(StatusCode::TOO_MANY_REQUESTS)?;
            retry_after(&mut response, seconds);
            Ok(response)
        }
    }
}

fn again(visit: &Visit<'_>, error: &'static str, ticket: &str) -> Result<Response, Refusal> {
    plain(&Second { frame: Frame::outside(visit, "Sign in"), error, ticket: ticket.to_owned() })
}

fn too_late(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let error = "That took too long, or too many codes were wrong. Sign in again.".to_owned();
    scripted(&Page { error, ..form(visit, "") }).with_status(StatusCode::UNPROCESSABLE_ENTITY)
}
