//! The account's keys for the API. They are made and revoked as an operator's
//! are: the ledger records it.

use std::net::IpAddr;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use ipnet::IpNet;
use surgewall_core::figures::{day, minute};
use surgewall_core::principal::Scopes;
use surgewall_core::refusal::Refusal;
use surgewall_store::admin::{
    AdminError, ErrorKind, KeyCreate, KeyList, KeyState, KeyView, Named, ROUTES, Reply, Request,
};

use crate::operate::operate;
use crate::pages::answer::{WithStatus as _, internal, plain, see_other};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::visit::Visit;
use crate::session::SignedIn;

/// Keys of one account that work.
pub(super) const KEYS_PER_ACCOUNT_MAX: usize = 50;
/// Keys of one account that are listed: the newest, revoked ones included.
const LISTED_MAX: usize = 500;
/// How long a key may be asked to work.
const LIFETIMES: [&str; 4] = ["30d", "90d", "365d", ""];

struct Row {
    id: String,
    name: String,
    last_four: String,
    may: String,
    ends: String,
    used: String,
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

/// The account's keys, the oldest first.
pub(super) async fn own(visit: &Visit<'_>, who: &SignedIn) -> Result<Vec<KeyView>, Refusal> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let account = Some(who.account.public_id.to_string());
        let asked = Request::KeyList(KeyList { account, after, rows_max: 0 });
        let reply = operate(visit.door, asked).await.map_err(|error| internal(&error))?;
        let Reply::Keys(page) = reply else { return Err(internal(&"no list of keys")) };
        keys.extend(page.rows);
        match page.next {
            Some(next) if keys.len() < LISTED_MAX => after = Some(next.to_string()),
            _ => return Ok(keys),
        }
    }
}

pub(super) fn is_active(key: &KeyView) -> bool {
    key.state == KeyState::Active
}

fn row(key: KeyView) -> Row {
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
    let mut keys: Vec<_> = own(visit, who).await?.into_iter().map(row).collect();
    keys.reverse();
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
    if own(visit, who).await?.iter().filter(|key| is_active(key)).count() >= KEYS_PER_ACCOUNT_MAX {
        return again(format!("You have {KEYS_PER_ACCOUNT_MAX} keys. Revoke one first.")).await;
    }
    let asked = KeyCreate {
        name: sent.text("name").to_owned(),
        account: Some(who.account.public_id.to_string()),
        scopes,
        expires_in: (!lifetime.is_empty()).then(|| lifetime.to_owned()),
        ..KeyCreate::default()
    };
    match operate(visit.door, Request::KeyCreate(asked)).await {
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
    let asked = sent.text("key");
    let own = own(visit, who).await?;
    let Some(key) = own.into_iter().find(|key| key.id.as_str() == asked) else {
        return Err(Refusal::RouteUnknown);
    };
    let named = Named { name: key.id.to_string() };
    match operate(visit.door, Request::KeyRevoke(named)).await {
        Ok(_) => see_other("/account/keys"),
        Err(error) => Err(words(error).map_or_else(|refusal| refusal, |why| internal(&why))),
    }
}
