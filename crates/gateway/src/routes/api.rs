//! The routes of the public API: each is an arrival, a few steps, and one
//! place where a refusal becomes an answer.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use surgewall_core::id::RequestId;
use surgewall_core::money::Money;
use surgewall_core::principal::Principal;
use surgewall_core::quota::Meter;
use surgewall_core::refusal::Refusal;
use surgewall_wire::models::{ModelEntry, list, one};
use surgewall_wire::{ClientDialect, Endpoint};

use super::table::{Handler, Route};
use crate::door::Door;
use crate::listen::Peer;
use crate::pipeline::{self, Arrival, identify, parse, reserve};
use crate::refuse::{self, Refused};
use crate::sync::lock;

/// A request on its way through the pipeline.
type Served<'a> = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send + 'a>>;

/// A model call: the pipeline.
pub(super) async fn call(door: Arc<Door>, route: &'static Route, request: Request) -> Response {
    let arrival = match arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    // Boxed: the steps' states together are large, and most of a stream's life needs none of them.
    let served: Served<'_> = if route.handler == Handler::Api(Endpoint::CountTokens) {
        Box::pin(pipeline::count_tokens(&door, &arrival, request))
    } else {
        Box::pin(pipeline::serve(&door, &arrival, request))
    };
    answer(&door, &arrival, served).await
}

/// The models that the caller may use.
pub(super) async fn models(door: Arc<Door>, route: &'static Route, request: Request) -> Response {
    let arrival = match arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    let dialect = listing_dialect(route, &request);
    let (head, _) = request.into_parts();
    let listed = async {
        let principal = identified(&door, &arrival, &head.headers).await?;
        Ok(json(list(dialect, &entries(&arrival, &principal))))
    };
    answer(&door, &arrival, listed).await
}

/// One model, if the caller may use it.
pub(super) async fn model(door: Arc<Door>, route: &'static Route, request: Request) -> Response {
    let arrival = match arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    let dialect = listing_dialect(route, &request);
    let (mut head, _) = request.into_parts();
    let found = async {
        let principal = identified(&door, &arrival, &head.headers).await?;
        // SDKs send a name with a slash in it percent-encoded.
        let params = RawPathParams::from_request_parts(&mut head, &()).await;
        let params = params.map_err(|_| Refusal::ModelUnknown)?;
        let asked = params.iter().find(|(name, _)| *name == "id").map_or("", |(_, id)| id);
        if !reserve::may_use(&arrival.policy, &principal, asked) {
            // The same answer whether the model exists or not.
            return Err(Refusal::CredentialMissing);
        }
        let entries = entries(&arrival, &principal);
        let entry = entries.iter().find(|entry| entry.id == asked).ok_or(Refusal::ModelUnknown)?;
        Ok(json(one(dialect, entry)))
    };
    answer(&door, &arrival, found).await
}

/// One model that the body names, in Ollama's form.
pub(super) async fn show(door: Arc<Door>, route: &'static Route, request: Request) -> Response {
    let arrival = match arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    let (head, body) = request.into_parts();
    let found = async {
        let principal = identified(&door, &arrival, &head.headers).await?;
        let limits = &arrival.policy.config.limits;
        let body = parse::read_body(limits, &head.headers, body).await?;
        let asked = surgewall_wire::models::asked(&body, limits.json_depth_max)?;
        if !reserve::may_use(&arrival.policy, &principal, &asked) {
            // The same answer whether the model exists or not.
            return Err(Refusal::CredentialMissing);
        }
        let entries = entries(&arrival, &principal);
        let entry = entries.iter().find(|entry| entry.id == asked).ok_or(Refusal::ModelUnknown)?;
        Ok(json(surgewall_wire::models::show(entry)))
    };
    answer(&door, &arrival, found).await
}

/// The version of Ollama whose API is emulated, and by whom.
pub(super) async fn version() -> Response {
    json(surgewall_wire::models::version(env!("CARGO_PKG_VERSION")))
}

/// What is left of the caller's budget, in DeepSeek's form. Without a money
/// limit the list is empty: there is no balance to run out.
pub(super) async fn balance(door: Arc<Door>, route: &'static Route, request: Request) -> Response {
    let arrival = match arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    let (head, _) = request.into_parts();
    let balance = async {
        let principal = identified(&door, &arrival, &head.headers).await?;
        if principal.is_anonymous() {
            return Err(Refusal::CredentialMissing);
        }
        Ok(json(balance_body(&door, &arrival, &principal)))
    };
    answer(&door, &arrival, balance).await
}

fn balance_body(door: &Door, arrival: &Arrival, principal: &Principal) -> Bytes {
    let held = arrival.policy.limits(principal);
    let quota = lock(&door.quota);
    let left = held
        .iter()
        .filter(|held| held.spec.meter == Meter::Money && !held.shadow)
        .map(|held| quota.remaining(arrival.at, &held.subject, &held.spec).remaining)
        .min();
    let currency =
        arrival.policy.config.prices.values().next().map_or("USD", |price| &price.currency);
    let infos: Vec<_> = left
        .iter()
        .map(|nanos| {
            let total = Money::from_nanos(i64::try_from(*nanos).unwrap_or(i64::MAX)).to_string();
            serde_json::json!({
                "currency": currency, "total_balance": total,
                "granted_balance": "0.00", "topped_up_balance": total,
            })
        })
        .collect();
    let available = left.is_none_or(|nanos| nanos > 0);
    Bytes::from(serde_json::json!({"is_available": available, "balance_infos": infos}).to_string())
}

async fn identified(
    door: &Door,
    arrival: &Arrival,
    headers: &HeaderMap,
) -> Result<Principal, Refusal> {
    let principal = identify::identify(door, arrival, headers).await?.principal;
    let allowed = principal.key().is_none_or(|key| key.scopes.allows_route(arrival.route.family));
    if allowed { Ok(principal) } else { Err(Refusal::NotPermitted { what: "route" }) }
}

/// The models that `principal` may use, in order.
fn entries(arrival: &Arrival, principal: &Principal) -> Vec<ModelEntry> {
    let scoped = |model: &str| principal.key().is_none_or(|key| key.scopes.allows_model(model));
    let policy = &arrival.policy;
    let usable = |model: &String| scoped(model) && reserve::may_use(policy, principal, model);
    policy
        .pools
        .models()
        .into_iter()
        .filter(usable)
        .map(|id| ModelEntry { id, created_s: 0, owned_by: "surgewall".to_owned() })
        .collect()
}

/// Anthropic's clients ask `/v1/models` too, and say who they are.
fn listing_dialect(route: &Route, request: &Request) -> ClientDialect {
    if request.headers().contains_key("anthropic-version") {
        ClientDialect::Anthropic
    } else {
        route.dialect
    }
}

/// The arrival of `request`, or the answer where there is none.
pub(crate) fn arrive(
    door: &Door,
    route: &'static Route,
    request: &Request,
) -> Result<Arc<Arrival>, Box<Response>> {
    let peer = request.extensions().get::<Arc<Peer>>().cloned();
    let peer = peer.ok_or_else(|| {
        let refusal = Refusal::Internal { why: "a request without a connection".into() };
        Box::new(refuse::answer(route.dialect, RequestId::random(), &refusal))
    })?;
    Ok(Arc::new(Arrival::new(door, route, peer, request.headers())))
}

fn json(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The one place where the outcome of a request becomes an answer. A panic is
/// a 500 for this request only.
pub(crate) async fn answer(
    door: &Door,
    arrival: &Arrival,
    served: impl Future<Output = Result<Response, Refusal>>,
) -> Response {
    let dialect = arrival.route.dialect;
    let refusal = match AssertUnwindSafe(served).catch_unwind().await {
        Ok(Ok(mut response)) => {
            door.metrics.answered(arrival.route, response.status());
            arrival.trace.answered(response.status().as_u16(), arrival.who.get());
            refuse::name(response.headers_mut(), dialect, arrival.request_id);
            return response;
        }
        Ok(Err(refusal)) => refusal,
        Err(_) => Refusal::Internal { why: "a panic".into() },
    };
    let mut response = match arrival.route.handler {
        Handler::Chat(_) => crate::chat::refused(arrival.request_id, &refusal),
        Handler::Account(_) | Handler::Lite(_) => {
            crate::pages::refused(arrival.request_id, &refusal)
        }
        _ => refuse::answer(dialect, arrival.request_id, &refusal),
    };
    if let Some(rate_limits) = arrival.rate_limits.get() {
        rate_limits.write(response.headers_mut());
    }
    door.metrics.answered(arrival.route, response.status());
    arrival.trace.refused(&refusal);
    arrival.trace.answered(response.status().as_u16(), arrival.who.get());
    let (request_id, network) = (arrival.request_id, arrival.network);
    door.note_refusal(&Refused { request_id, network, who: arrival.who.get().copied(), refusal });
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footprint::future_bytes;

    /// Of a model call until the head of its answer: the handler, and the steps up to a wait.
    const CALL_BYTES_MAX: usize = 2_560;

    #[test]
    fn a_call_that_waits_without_a_head_holds_only_the_steps_up_to_the_wait() {
        let handler = future_bytes(&|(door, route, request)| call(door, route, request));
        let steps =
            future_bytes(&|(door, arrival, request)| pipeline::serve(door, arrival, request));
        assert!(handler + steps <= CALL_BYTES_MAX, "{handler} and {steps}");
    }
}
