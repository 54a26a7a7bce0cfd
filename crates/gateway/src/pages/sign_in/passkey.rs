//! By passkey: a challenge, and the device's answer. The device says whose
//! passkey it is, so nobody types an address and no list of accounts is told.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use surgewall_core::refusal::Refusal;
use surgewall_identity::mail::Changed as LetterOf;
use surgewall_identity::passkey::{PasskeyError, SignIn};
use surgewall_store::identity::{Identity as _, Passkey, passkey_owner};
use surgewall_store::people::{AccountRow, People as _, Pick};

use super::{HOME, Means, cookie_for};
use crate::pages::answer::{self, internal, json_fault, with_cookie};
use crate::pages::passkeys::Here;
use crate::pages::tickets::{self, TicketKind};
use crate::pages::visit::{Visit, local_path};
use crate::pages::{forms, passkeys};

/// A challenge, and where it was asked for.
#[derive(Serialize, Deserialize)]
struct Begun {
    here: Here,
    state: SignIn,
}

/// What the page sends back.
#[derive(Deserialize)]
struct Sent<'a> {
    ticket: &'a str,
    #[serde(borrow)]
    credential: &'a RawValue,
    #[serde(default)]
    next: Option<&'a str>,
}

/// A challenge, and the ticket that goes with it.
pub(in crate::pages) fn begin(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let begun = || {
        let here = Here::of(visit)?;
        let (options, state) = here.passkeys()?.begin_sign_in(visit.now())?;
        Ok((options, Begun { here, state }))
    };
    let (options, begun) = match begun() {
        Ok(begun) => begun,
        Err(error) => return fault(&error),
    };
    let ticket = tickets::issue(visit.door, TicketKind::PasskeySignIn, &begun);
    answer::json(StatusCode::OK, &with_ticket(options, ticket.as_deref()))
}

/// `options` with its ticket beside.
pub(in crate::pages) fn with_ticket(mut options: Value, ticket: Option<&str>) -> Value {
    options["ticket"] = json!(ticket);
    options
}

/// Why a passkey was not taken.
pub(in crate::pages) fn fault(error: &PasskeyError) -> Result<Response, Refusal> {
    tracing::debug!(why = error.why(), "a passkey was not taken");
    json_fault(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string())
}

/// The device's answer: a session, and where to go.
pub(in crate::pages) async fn finish(visit: &Visit<'_>, body: Body) -> Result<Response, Refusal> {
    let sent: Box<RawValue> = forms::read_json(visit.door, &visit.headers, body).await?;
    let malformed =
        |_| Refusal::InvalidRequest { reason: "not a passkey's answer".into(), param: None };
    let sent: Sent<'_> = serde_json::from_str(sent.get()).map_err(malformed)?;
    let begun: Option<Begun> = tickets::open(visit.door, TicketKind::PasskeySignIn, sent.ticket);
    let Some(begun) = begun else { return fault(&PasskeyError::Expired) };
    let account = match proven(visit, begun, &sent).await? {
        Ok(account) => account,
        Err(error) => return fault(&error),
    };
    let cookie = match cookie_for(visit, &account, Means::Strong).await? {
        Ok(cookie) => cookie,
        Err(words) => return json_fault(StatusCode::FORBIDDEN, words),
    };
    let next = sent.next.and_then(local_path).unwrap_or(HOME);
    Ok(with_cookie(answer::json(StatusCode::OK, &json!({ "next": next }))?, Some(cookie)))
}

/// Whose passkey answered. The ticket is used up once it did, and before anything is written.
async fn proven(
    visit: &Visit<'_>,
    begun: Begun,
    sent: &Sent<'_>,
) -> Result<Result<AccountRow, PasskeyError>, Refusal> {
    let response = sent.credential.get().as_bytes();
    let (store, vault) = (visit.door.people.as_ref(), &visit.door.vault);
    let unknown = || PasskeyError::Refused("an unknown passkey".to_owned());
    let passkeys = match begun.here.again(visit) {
        Ok(passkeys) => passkeys,
        Err(error) => return Ok(Err(error)),
    };
    let presented = match passkeys.presented(response) {
        Ok(presented) => presented,
        Err(error) => return Ok(Err(error)),
    };
    let found = passkey_owner(store, vault, &presented.credential).await;
    let Some(found) = found.map_err(|error| internal(&error))? else { return Ok(Err(unknown())) };
    let Some(known) = passkeys::read(&found) else { return Ok(Err(unknown())) };
    let used = match passkeys.finish_sign_in(begun.state, response, &known, visit.now()) {
        Ok(used) => used,
        Err(error) => {
            if matches!(error, PasskeyError::Cloned) {
                end_cloned(visit, &found).await?;
            }
            return Ok(Err(error));
        }
    };
    if !tickets::use_up(visit.door, sent.ticket) {
        return Ok(Err(PasskeyError::Expired));
    }
    let updated = used.updated.as_ref().and_then(|updated| serde_json::to_string(updated).ok());
    let body = updated.as_deref().unwrap_or(&found.body);
    found.used(store, vault, body, visit.now()).await.map_err(|error| internal(&error))?;
    let account = owner(visit, &found).await?.filter(|account| !account.suspended);
    Ok(account.ok_or_else(unknown))
}

/// Whose passkey it is.
async fn owner(visit: &Visit<'_>, passkey: &Passkey) -> Result<Option<AccountRow>, Refusal> {
    let pick = Pick::Ids(vec![passkey.account.as_u128()]);
    let rows = visit.door.people.accounts(&pick).await.map_err(|error| internal(&error))?;
    Ok(rows.into_iter().next())
}

/// Two devices hold the same key, one of them a thief's: neither gets in by it
/// any more, and its owner is told.
async fn end_cloned(visit: &Visit<'_>, passkey: &Passkey) -> Result<(), Refusal> {
    let Some(account) = owner(visit, passkey).await? else { return Ok(()) };
    visit.record("passkey.cloned", account.public_id.as_str(), None).await?;
    let ended = visit.door.people.remove_factor(account.id, passkey.public_id.as_str()).await;
    ended.map_err(|error| internal(&error))?;
    visit.tell(&account, LetterOf::PasskeyCloned);
    Ok(())
}
