//! Who is asking: every carrier of a credential becomes one principal.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use surgewall_core::decision::Who;
use surgewall_core::limits::CREDENTIAL_BYTES_MAX;
use surgewall_core::principal::{AccountRecord, Caller, Class, Principal};
use surgewall_core::refusal::{CredentialFault, Refusal};

use super::Arrival;
use crate::door::Door;
use crate::jwt;
use crate::sync::lock;

/// The permit of this step: a principal whose credential was accepted, or an
/// anonymous one that sent none.
pub struct Identified {
    /// Who asks.
    pub principal: Principal,
}

/// Credentials that one request may carry.
const CARRIERS_MAX: usize = 4;

/// Makes one principal of the request's credentials.
///
/// # Errors
/// A credential that is not accepted, or two that name different principals.
pub async fn identify(
    door: &Door,
    arrival: &Arrival,
    headers: &HeaderMap,
) -> Result<Identified, Refusal> {
    let mut caller: Option<Caller> = None;
    for credential in carriers(headers)? {
        let next = resolve(door, arrival, credential).await;
        caller = Some(match (caller, next) {
            (None, next) => next.map_err(|why| Refusal::CredentialInvalid { why })?,
            (Some(first), Ok(next)) if same(&first, &next) => first,
            (Some(_), _) => return Err(Refusal::CredentialsConflict),
        });
    }
    let principal = principal(arrival, caller.unwrap_or(Caller::Anonymous));
    let _ = arrival.who.set(Who::from(&principal));
    if let Caller::Key(key) = &principal.caller {
        if !key.scopes.allows_network(arrival.address) {
            return Err(Refusal::NotPermitted { what: "network" });
        }
        door.directory.touch(key.id, arrival.at);
    }
    if !principal.is_anonymous() {
        remember(door, arrival);
    }
    Ok(Identified { principal })
}

/// The account that a session proved, or nobody: what a page's own calls run
/// under. Keys do not count there.
#[must_use]
pub fn of_session(
    door: &Door,
    arrival: &Arrival,
    account: Option<Arc<AccountRecord>>,
) -> Identified {
    let principal = principal(arrival, account.map_or(Caller::Anonymous, Caller::Account));
    let _ = arrival.who.set(Who::from(&principal));
    if !principal.is_anonymous() {
        remember(door, arrival);
    }
    Identified { principal }
}

fn principal(arrival: &Arrival, caller: Caller) -> Principal {
    let class = match &caller {
        Caller::Key(key) => key.class(),
        Caller::Account(account) => account.class,
        Caller::Anonymous => Class::Anonymous,
    };
    let network = arrival.network;
    Principal { class, network, caller, delegated: None, young_user: false }
}

/// The credentials of a request, each text once, in the order of the headers.
fn carriers(headers: &HeaderMap) -> Result<Vec<&str>, Refusal> {
    let malformed = || Refusal::CredentialInvalid { why: CredentialFault::Malformed };
    let mut found: Vec<&str> = Vec::new();
    let bearers = headers.get_all(AUTHORIZATION).into_iter().map(|value| {
        let text = value.to_str().ok()?;
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let keys = headers.get_all("x-api-key").into_iter().map(|value| value.to_str().ok());
    for credential in bearers.chain(keys) {
        let credential = credential.ok_or_else(malformed)?;
        if credential.is_empty() || credential.len() > CREDENTIAL_BYTES_MAX {
            return Err(malformed());
        }
        if !found.contains(&credential) {
            found.push(credential);
        }
    }
    if found.len() > CARRIERS_MAX { Err(Refusal::CredentialsConflict) } else { Ok(found) }
}

async fn resolve(
    door: &Door,
    arrival: &Arrival,
    credential: &str,
) -> Result<Caller, CredentialFault> {
    if !jwt::looks_like_token(credential) {
        return door.directory.find_key(credential, arrival.at).await.map(Caller::Key);
    }
    let bearer = arrival.policy.issuers.verify(credential)?;
    // Boxed: it may ask the database, and mostly there is a key.
    let account = Box::pin(crate::accounts::of_bearer(door, &bearer)).await?;
    if account.suspended {
        return Err(CredentialFault::Suspended);
    }
    Ok(Caller::Account(account))
}

fn same(first: &Caller, second: &Caller) -> bool {
    let account = |caller: &Caller| -> Option<Arc<AccountRecord>> {
        match caller {
            Caller::Account(account) => Some(account.clone()),
            Caller::Key(_) | Caller::Anonymous => None,
        }
    };
    match (first, second) {
        (Caller::Key(first), Caller::Key(second)) => first.id == second.id,
        _ => match (account(first), account(second)) {
            (Some(first), Some(second)) => first.id == second.id,
            _ => false,
        },
    }
}

/// An accepted credential takes its connection out of the network's count of
/// unauthenticated ones, and keeps room for the network for a day.
pub(crate) fn remember(door: &Door, arrival: &Arrival) {
    if !arrival.peer.authenticated.swap(true, Ordering::Relaxed)
        && let Some(place) = lock(&arrival.peer.place).as_mut()
    {
        lock(&door.networks).authenticated(place, arrival.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)], expected: Result<&[&str], &str>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = carriers(&map).map_err(|refusal| refusal.row().code);
        assert_eq!(found, expected.map(<[&str]>::to_vec), "{headers:?}");
    }

    #[test]
    fn credentials_are_read_from_every_carrier() {
        check(&[], Ok(&[]));
        check(&[("authorization", "Bearer a")], Ok(&["a"]));
        check(&[("authorization", "bearer a"), ("x-api-key", "a")], Ok(&["a"]));
        check(&[("authorization", "Bearer a"), ("x-api-key", "b")], Ok(&["a", "b"]));
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], Ok(&["a", "b"]));
        check(&[("authorization", "Basic dTpw")], Err("invalid_api_key"));
        check(&[("authorization", "Bearer ")], Err("invalid_api_key"));
        check(&[("x-api-key", "")], Err("invalid_api_key"));
    }

    #[test]
    fn a_credential_has_a_longest_length() {
        check(&[("x-api-key", &"k".repeat(CREDENTIAL_BYTES_MAX + 1))], Err("invalid_api_key"));
        let longest = "k".repeat(CREDENTIAL_BYTES_MAX);
        check(&[("x-api-key", &longest)], Ok(&[&longest]));
    }
}
