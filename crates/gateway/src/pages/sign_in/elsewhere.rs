//! Signing in with another provider. It begins by a link, as no form of ours may
//! send anything elsewhere; the way back is bound to the browser by a cookie.

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use http::header::{HOST, HeaderValue};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use surgewall_core::principal::Class;
use surgewall_core::refusal::Refusal;
use surgewall_core::role::Role;
use surgewall_identity::oidc::{Callback, Flow, OidcError, Proven};
use surgewall_store::admin::{AccountEnsure, Granted, Request};
use surgewall_store::identity::SessionListener;
use surgewall_store::people::{AccountRow, People as _, Pick};

use super::{HOME, Means, Page, Provider, cookie_for, form, unrecorded};
use crate::listen::Purpose;
use crate::operate::{By, operate_by};
use crate::outside::SignInWith;
use crate::pages::answer::{WithStatus as _, found, internal, plain, scripted, with_cookie};
use crate::pages::forms;
use crate::pages::frame::Frame;
use crate::pages::sign_up::gate::{self, Wanted};
use crate::pages::tickets::{self, TICKET_LASTS, TicketKind};
use crate::pages::visit::Visit;
use crate::session::{self, is_secure};

/// The cookie that binds the way back to the browser. With TLS nothing but this
/// host can set it: another one below the same name cannot toss its own ticket.
const fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-surgewall-elsewhere" } else { "surgewall-elsewhere" }
}

/// A browser that is away.
#[derive(Serialize, Deserialize)]
struct Away {
    provider: String,
    admin: bool,
    flow: Flow,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedIn {
    frame: Frame,
    next: &'static str,
}

/// The buttons.
pub(in crate::pages) fn buttons(visit: &Visit<'_>) -> Vec<Provider> {
    let here = visit.arrival.policy.outside.providers(visit.purpose());
    let button = |one: &Arc<SignInWith>| Provider {
        id: one.provider.name().to_owned(),
        label: one.label.clone(),
    };
    here.map(button).collect()
}

/// The provider that an address names.
fn provider(visit: &Visit<'_>) -> Result<Arc<SignInWith>, OidcError> {
    let found = visit.arrival.policy.outside.provider(visit.last_segment(), visit.purpose());
    found.ok_or_else(|| OidcError::Setup("no such provider on this listener".to_owned()))
}

/// Sends the browser to the provider.
pub(in crate::pages) async fn begin(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let id = visit.last_segment();
    let begun = async {
        let with = provider(visit)?;
        let back = origin(visit).ok_or_else(|| OidcError::Setup("no origin".to_owned()))?;
        with.provider.begin(&format!("{back}/sign-in/back/{id}"), visit.now()).await
    };
    let (address, flow) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return fault(visit, &error),
    };
    let away = Away { provider: id.to_owned(), admin: is_admin(visit), flow };
    let ticket = tickets::issue(visit.door, TicketKind::Elsewhere, &away).unwrap_or_default();
    Ok(with_cookie(found(&address)?, cookie(visit, &ticket, TICKET_LASTS.as_secs())))
}

fn is_admin(visit: &Visit<'_>) -> bool {
    visit.purpose() == Purpose::Admin
}

fn cookie(visit: &Visit<'_>, ticket: &str, age_s: u64) -> Option<HeaderValue> {
    written(is_secure(visit.door, visit.purpose()), ticket, age_s)
}

/// `Lax` also on the admin listener: the browser comes back from elsewhere.
fn written(secure: bool, ticket: &str, age_s: u64) -> Option<HeaderValue> {
    let name = cookie_name(secure);
    // The prefix asks for the whole host.
    let rest = if secure { "Path=/; Secure" } else { "Path=/sign-in/back/" };
    let text = format!("{name}={ticket}; {rest}; Max-Age={age_s}; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(text).ok()
}

/// Our origin as this browser calls it: a navigation names none, so it is the
/// public name, or the name of this listener that was asked for.
fn origin(visit: &Visit<'_>) -> Option<String> {
    let policy = visit.door.policy();
    let secure = is_secure(visit.door, visit.purpose());
    let scheme = if secure { "https" } else { "http" };
    if let (true, false, Some(name)) = (secure, is_admin(visit), &policy.config.listen.public_name)
    {
        return Some(format!("{scheme}://{name}"));
    }
    let host = visit.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| visit.uri.authority().map(http::uri::Authority::as_str))?;
    format!("{scheme}://{host}").parse::<Uri>().ok().map(|_| format!("{scheme}://{host}"))
}

/// The browser came back.
pub(in crate::pages) async fn back(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let name = cookie_name(is_secure(visit.door, visit.purpose()));
    let ticket = forms::cookie(&visit.headers, name).unwrap_or_default();
    let away: Option<Away> = tickets::open(visit.door, TicketKind::Elsewhere, ticket);
    let ours = |away: &Away| away.provider == visit.last_segment() && away.admin == is_admin(visit);
    let no_ticket = || OidcError::Mismatch("no ticket of this browser".to_owned());
    let Some(away) = away.filter(ours) else { return fault(visit, &no_ticket()) };
    let query = |name: &str| visit.query(name);
    let (state, code, iss, error) =
        (query("state").unwrap_or_default(), query("code"), query("iss"), query("error"));
    let callback = Callback {
        state: &state,
        code: code.as_deref(),
        iss: iss.as_deref(),
        error: error.as_deref(),
    };
    let proven =
        async { provider(visit)?.provider.finish(away.flow, &callback, visit.now()).await };
    match proven.await {
        Ok(proven) if tickets::use_up(visit.door, ticket) => enter(visit, &proven).await,
        Ok(_) => fault(visit, &no_ticket()),
        Err(error) => fault(visit, &error),
    }
}

/// In, as the account of who was proven.
async fn enter(visit: &Visit<'_>, proven: &Proven) -> Result<Response, Refusal> {
    let account = match account(visit, proven).await? {
        Ok(account) if !account.suspended => account,
        Ok(_) => return fault(visit, &OidcError::NotAllowed("suspended".to_owned())),
        Err(words) => {
            let page = Page { error: words, ..form(visit, "") };
            return scripted(&page).with_status(StatusCode::FORBIDDEN);
        }
    };
    let Ok(session) = cookie_for(visit, &account, Means::Provider).await? else {
        return fault(visit, &OidcError::NotAllowed("no role for this listener".to_owned()));
    };
    // A redirect from elsewhere would not carry the admin listener's strict cookie.
    let page = SignedIn { frame: Frame::outside(visit, "Signed in"), next: HOME };
    let response = with_cookie(plain(&page)?, cookie(visit, "", 0));
    Ok(with_cookie(response, Some(session)))
}

/// The account of issuer and subject, never that of an e-mail address; a new one
/// if the gate lets it be made, else its words.
async fn account(
    visit: &Visit<'_>,
    proven: &Proven,
) -> Result<Result<AccountRow, String>, Refusal> {
    let door = visit.door;
    let known = door.directory.account_by_external(&proven.issuer, &proven.subject);
    let permit = match &known {
        Some(_) => None,
        None => match gate::pass(visit, &Wanted::verified(proven.email.as_deref())).await {
            Ok(permit) => Some(permit),
            Err(held) => return Ok(Err(held.public_words())),
        },
    };
    let ensure = AccountEnsure {
        issuer: proven.issuer.clone(),
        subject: proven.subject.clone(),
        // Somebody vouches for them: that is what the class means.
        class: Class::Verified,
        claimed: proven.class,
        group: proven.group.clone(),
        granted: Some(Granted { role: proven.role }),
        email: proven.email.clone(),
    };
    let before = known.map_or(Role::User, |known| known.role);
    let by = By::Provider(visit.last_segment());
    let made = operate_by(door, by, Request::AccountEnsure(ensure)).await;
    made.map_err(|error| internal(&error))?;
    let record = door.directory.account_by_external(&proven.issuer, &proven.subject);
    let record = record.ok_or_else(|| internal(&"an account was made and is not there"))?;
    if let Some(permit) = permit
        && let Err(held) = permit.made(door, record.id).await
    {
        tracing::warn!(held = held.as_str(), "an account was made, and its invite was not used");
    }
    if record.role < before {
        // A role was taken back: what it let in ends.
        let ended = session::end(door, &record, |it| it.listener == SessionListener::Admin);
        ended.await.map_err(unrecorded)?;
    }
    let rows = door.people.accounts(&Pick::Ids(vec![record.id.as_u128()])).await;
    let row = rows.map_err(|error| internal(&error))?.into_iter().next();
    row.map(Ok).ok_or_else(|| internal(&"an account without a row"))
}

fn fault(visit: &Visit<'_>, error: &OidcError) -> Result<Response, Refusal> {
    tracing::info!(why = error.why(), "a sign-in with another provider did not work");
    let page = Page { error: error.to_string(), ..form(visit, "") };
    scripted(&page).with_status(StatusCode::UNPROCESSABLE_ENTITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_tls_the_cookie_is_this_hosts_alone() {
        let check = |secure, expected: &str| {
            assert_eq!(written(secure, "t", 9).unwrap().to_str().unwrap(), expected);
        };
        check(
            true,
            "__Host-surgewall-elsewhere=t; Path=/; Secure; Max-Age=9; HttpOnly; SameSite=Lax",
        );
        check(
            false,
            "surgewall-elsewhere=t; Path=/sign-in/back/; Max-Age=9; HttpOnly; SameSite=Lax",
        );
    }
}
