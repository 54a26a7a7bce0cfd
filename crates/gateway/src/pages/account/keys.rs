//! The account's keys for the API. They are made and revoked as an operator's
//! are: the ledger records it.

use std::net::IpAddr;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use ipnet::IpNet;
use surgewall_core::clock::Timestamp;
use surgewall_core::figures::{day, minute};
use surgewall_core::id::PublicId;
use surgewall_core::principal::Scopes;
use surgewall_core::refusal::Refusal;
use surgewall_store::admin::{
    AdminError, ErrorKind, KeyCreate, KeyState, KeyView, KeysOf, Named, ROUTES, Reply, Request,
};
use surgewall_store::people::{People as _, Pick};

use crate::disclosure::keys::when_found;
use crate::operate::{By, operate, operate_by};
use crate::pages::answer::{WithStatus as _, internal, plain, see_other};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::visit::Visit;
use crate::session::SignedIn;

/// How long a key may be asked to work.
const LIFETIMES: [&str; 4] = ["30d", "90d", "365d", ""];

struct Row {
    id: String,
    name: String,
    last_four: String,
    may: String,
    ends: String,
    used: String,
    /// When it was found where others could read it; empty if it was not.
    found: String,
    state: &'static str,
    active: bool,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct Page {
    frame: Frame,
    made: String,
    error: String,
    keys: Vec<Row>,
    routes: [&'static str; 5],
}

/// The account's keys that work, or those that do not any more: the newest first.
async fn own(visit: &Visit<'_>, who: &SignedIn, over: bool) -> Result<Vec<KeyView>, Refusal> {
    let asked = KeysOf { account: who.account.public_id.to_string(), over };
    let reply = operate(visit.door, Request::KeysOf(asked)).await;
    match reply.map_err(|error| internal(&error))? {
        Reply::Keys(page) => Ok(page.rows),
        _ => Err(internal(&"no list of keys")),
    }
}

/// The account's keys that work, the newest first.
pub(super) async fn working(visit: &Visit<'_>, who: &SignedIn) -> Result<Vec<KeyView>, Refusal> {
    own(visit, who, false).await
}

fn is_active(key: &KeyView) -> bool {
    key.state == KeyState::Active
}

fn row((key, found): (KeyView, Option<Timestamp>)) -> Row {
    let state = match key.state {
        KeyState::Active => "works",
        KeyState::Expired => "over",
        KeyState::Revoked => "revoked",
        KeyState::Suspended => "suspended",
    };
    Row {
        active: is_active(&key),
        id: key.id.to_string(),
        name: key.name,
        last_four: key.last_four.unwrap_or_default(),
        may: may(&key.scopes),
        ends: key.expires_at.map_or_else(|| "never".to_owned(), day),
        used: key.last_used_at.map_or_else(|| "not yet".to_owned(), minute),
        found: found.map_or_else(String::new, day),
        state,
    }
}

fn may(scopes: &Scopes) -> String {
    let networks: Vec<_> = scopes.networks.iter().map(ToString::to_string).collect();
    let parts = [&scopes.routes, &scopes.models, &networks];
    let parts: Vec<_> =
        parts.iter().filter(|part| !part.is_empty()).map(|part| part.join(", ")).collect();
    if parts.is_empty() { "everything".to_owned() } else { parts.join("; ") }
}

async fn show(
    visit: &Visit<'_>,
    who: &SignedIn,
    made: String,
    error: String,
) -> Result<Response, Refusal> {
    let mut keys = working(visit, who).await?;
    keys.extend(own(visit, who, true).await?);
    let found = when_found(visit.door, &keys).await.map_err(|error| internal(&error))?;
    let keys = keys.into_iter().zip(found).map(row).collect();
    let frame = Frame::inside(visit, "Keys", "keys");
    plain(&Page { frame, made, error, keys, routes: ROUTES })
}

/// The list, and the form for another one.
pub(super) async fn page(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    show(visit, who, String::new(), String::new()).await
}

/// Makes a key and shows it, this once.
pub(super) async fn create(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    let again = async |error: String| {
        let shown = show(visit, who, String::new(), error).await;
        shown.with_status(StatusCode::UNPROCESSABLE_ENTITY)
    };
    let scopes = match scopes(sent) {
        Ok(scopes) => scopes,
        Err(error) => return again(error).await,
    };
    let lifetime = sent.text("expires");
    if !LIFETIMES.contains(&lifetime) {
        return again("Choose how long the key works.".to_owned()).await;
    }
    let asked = KeyCreate {
        name: sent.text("name").to_owned(),
        account: Some(who.account.public_id.to_string()),
        own: true,
        scopes,
        expires_in: (!lifetime.is_empty()).then(|| lifetime.to_owned()),
        ..KeyCreate::default()
    };
    match operate_by(visit.door, By::Account(&who.account.public_id), Request::KeyCreate(asked))
        .await
    {
        Ok(Reply::KeyCreated { key: Some(key), .. }) => {
            show(visit, who, key.0.expose().clone(), String::new()).await
        }
        Ok(_) => Err(internal(&"a key was made and is not there")),
        Err(error) => again(words(error)?).await,
    }
}

/// What its owner did wrong; what the door failed at is no matter of theirs.
pub(super) fn words(error: AdminError) -> Result<String, Refusal> {
    match error.kind {
        ErrorKind::NotRecorded => Err(Refusal::LedgerUnavailable { why: error.message }),
        ErrorKind::Failed => Err(internal(&error)),
        _ => Ok(error.message),
    }
}

/// What the form says a key may do. All families are none in particular.
fn scopes(sent: &Form) -> Result<Scopes, String> {
    let list = |name| {
        let items = sent.text(name).split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let mut routes: Vec<_> = sent.all("route").map(ToOwned::to_owned).collect();
    if routes.is_empty() {
        return Err("Choose what the key may be used for.".to_owned());
    }
    if routes.len() == ROUTES.len() {
        routes.clear();
    }
    let network = |text: String| {
        let wrong = || format!("`{text}` is no network. Write it like 203.0.113.0/24.");
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| address()).map_err(|_| wrong())
    };
    let networks = list("networks").into_iter().map(network).collect::<Result<_, _>>()?;
    Ok(Scopes { models: list("models"), routes, networks })
}

/// Ends a key of the account's.
pub(super) async fn revoke(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    let pick = Pick::PublicId(sent.text("key").to_owned());
    let rows = visit.door.people.keys(&pick).await.map_err(|error| internal(&error))?;
    match rows.first() {
        Some(key) if key.account == Some(who.account.id) => {
            end(visit, who, &key.public_id).await?;
            see_other("/account/keys")
        }
        _ => Err(Refusal::RouteUnknown),
    }
}

/// Ends the key with this id, which is the account's.
pub(super) async fn end(visit: &Visit<'_>, who: &SignedIn, key: &PublicId) -> Result<(), Refusal> {
    let asked = Request::KeyRevoke(Named { name: key.to_string() });
    let ended = operate_by(visit.door, By::Account(&who.account.public_id), asked).await;
    let failed = |error| words(error).map_or_else(|refusal| refusal, |why| internal(&why));
    ended.map(drop).map_err(failed)
}
