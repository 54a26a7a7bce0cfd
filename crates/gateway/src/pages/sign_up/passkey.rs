//! Making an account with a passkey and no password. As with a password, the
//! answer is the same whether the address was free.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use surgewall_core::refusal::Refusal;
use surgewall_identity::passkey::{PasskeyError, PasskeyUser, Registration, UserHandle};
use surgewall_store::identity::{Factors, account_by_email, email_address};

use super::create;
use super::gate::{self, Wanted};
use crate::pages::answer::{self, internal, json_fault};
use crate::pages::forms;
use crate::pages::passkeys::Here;
use crate::pages::sign_in::{mailer, passkey_fault as fault, with_ticket};
use crate::pages::tickets::{self, TicketKind};
use crate::pages::visit::Visit;

/// What the first passkey of an account is called, until its owner says otherwise.
const LABEL: &str = "The first one";

/// A passkey that is being made, and for which address.
#[derive(Serialize, Deserialize)]
struct Begun {
    here: Here,
    email: String,
    invite: String,
    state: Registration,
}

/// What the page asks with.
#[derive(Deserialize)]
struct Asked {
    email: String,
    #[serde(default)]
    invite: String,
}

/// What the page sends back.
#[derive(Deserialize)]
struct Sent<'a> {
    ticket: &'a str,
    #[serde(borrow)]
    credential: &'a RawValue,
    /// What the gate asked for, done after the passkey was made: the device's
    /// owner may take longer than a challenge holds.
    #[serde(default)]
    work: Option<&'a str>,
}

/// Whether it is offered: where letters are sent, an address is proven first.
pub(super) fn is_offered(visit: &Visit<'_>) -> bool {
    mailer(visit).is_none()
}

/// A challenge for the device.
pub(in crate::pages) async fn begin(visit: &Visit<'_>, body: Body) -> Result<Response, Refusal> {
    let asked: Asked = forms::read_json(visit.door, &visit.headers, body).await?;
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let Ok(email) = email_address(&asked.email) else {
        return json_fault(wrong, "This is no e-mail address. Write it like ann@example.org.");
    };
    if !is_offered(visit) || !gate::view(visit).form {
        return json_fault(StatusCode::FORBIDDEN, "This cannot be done now. Open the page anew.");
    }
    let user = PasskeyUser { handle: UserHandle::random(), name: &email, display_name: &email };
    let begun = || {
        let here = Here::of(visit)?;
        let (options, state) = here.passkeys()?.begin_registration(&user, &[], visit.now())?;
        Ok((options, here, state))
    };
    let (options, here, state) = match begun() {
        Ok(begun) => begun,
        Err(error) => return fault(&error),
    };
    let begun = Begun { here, email, invite: asked.invite, state };
    let ticket = tickets::issue(visit.door, TicketKind::PasskeySignUp, &begun);
    answer::json(StatusCode::OK, &with_ticket(options, ticket.as_deref()))
}

/// The device's answer: the account is made, if the address was free.
pub(in crate::pages) async fn finish(visit: &Visit<'_>, body: Body) -> Result<Response, Refusal> {
    let sent: Box<RawValue> = forms::read_json(visit.door, &visit.headers, body).await?;
    let malformed =
        |_| Refusal::InvalidRequest { reason: "not a passkey's answer".into(), param: None };
    let sent: Sent<'_> = serde_json::from_str(sent.get()).map_err(malformed)?;
    let begun: Option<Begun> = tickets::open(visit.door, TicketKind::PasskeySignUp, sent.ticket);
    let Some(begun) = begun else { return fault(&PasskeyError::Expired) };
    let response = sent.credential.get().as_bytes();
    let made = begun
        .here
        .again(visit)
        .and_then(|passkeys| passkeys.finish_registration(&begun.state, response, visit.now()));
    let passkey = match made {
        Ok(passkey) => passkey,
        Err(error) => return fault(&error),
    };
    let wanted = Wanted {
        email: Some(&begun.email),
        proven: false,
        verified: false,
        invite: Some(&begun.invite),
        work: sent.work,
    };
    let mut permit = match gate::pass(visit, &wanted).await {
        Ok(permit) => permit,
        Err(held) => return json_fault(StatusCode::FORBIDDEN, &held.public_words()),
    };
    // Anybody can make a passkey in software: only what the gate lets through is remembered.
    if !tickets::use_up(visit.door, sent.ticket) {
        return fault(&PasskeyError::Expired);
    }
    permit.begun();
    let (store, vault) = (visit.door.people.as_ref(), &visit.door.vault);
    let known = account_by_email(store, vault, &begun.email).await;
    if known.map_err(|error| internal(&error))?.is_none()
        && let Some(account) = create(visit, permit, &begun.email).await?
    {
        visit.record("passkey.add", account.public_id.as_str(), None).await?;
        let json = serde_json::to_string(&passkey).map_err(|error| internal(&error))?;
        let factors = Factors::of(store, vault, account.id).await;
        let factors = factors.map_err(|error| internal(&error))?;
        let added = factors.add_passkey(passkey.credential(), &json, LABEL, visit.now()).await;
        added.map_err(|error| internal(&error))?;
    }
    answer::json(StatusCode::OK, &json!({ "next": "/sign-in?made" }))
}
