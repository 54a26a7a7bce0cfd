//! The life of a request. One function joins the steps; their order is the
//! security argument, and each step takes the permit of the one before, so
//! that a skipped check does not compile.

pub mod admit;
pub mod availability;
pub mod call;
pub mod enter;
pub mod given;
pub mod guard_input;
pub mod guard_output;
pub mod identify;
pub mod parse;
pub mod queued;
pub mod record;
pub mod redaction;
pub mod reservation;
pub mod reserve;
pub mod residency;
pub mod route;
pub mod settle;
pub mod stream;
pub mod throttle;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Who;
use surgewall_core::id::RequestId;
use surgewall_core::principal::Network;
use surgewall_core::refusal::Refusal;

use crate::admission::Spot;
use crate::door::Door;
use crate::listen::{Peer, client_address};
use crate::policy::Policy;
use crate::ratelimit::RateLimits;
use crate::routes::table::Route;
use crate::trace::Trace;

/// What is known of a request before anybody looked at it.
pub struct Arrival {
    /// Its number, shown to the client, sent to the upstream, kept in the ledger.
    pub request_id: RequestId,
    /// When its head had arrived.
    pub at: Timestamp,
    /// The same on the monotonic clock, for durations.
    pub started: Instant,
    /// The connection.
    pub peer: Arc<Peer>,
    /// The client's address, behind a proxy that the operator named.
    pub address: IpAddr,
    /// Its network.
    pub network: Network,
    /// The route it came by.
    pub route: &'static Route,
    /// The policy it runs under, to its end.
    pub policy: Arc<Policy>,
    /// Who asks, once that is known: for the record of a refusal.
    pub who: OnceLock<Who>,
    /// What is left of the caller's limits, once a quota refused: for the answer's head.
    pub rate_limits: OnceLock<RateLimits>,
    /// Its trace, if it is traced.
    pub trace: Trace,
}

impl Arrival {
    /// The arrival of `request` on `route`.
    pub fn new(
        door: &Door,
        route: &'static Route,
        peer: Arc<Peer>,
        headers: &http::HeaderMap,
    ) -> Self {
        let policy = door.policy();
        let address =
            client_address(peer.address.ip(), headers, &policy.config.listen.behind_proxy);
        let mut arrival = Self {
            request_id: RequestId::random(),
            at: door.clock.now(),
            started: door.clock.monotonic(),
            peer,
            address,
            network: Network::of(address),
            route,
            policy,
            who: OnceLock::new(),
            rate_limits: OnceLock::new(),
            trace: Trace::off(),
        };
        arrival.trace = door.tracer.begin(&door.clock, &arrival, headers);
        arrival
    }
}

impl Arrival {
    /// Whether it is an answer of the chat, and no call of the API.
    #[must_use]
    pub fn is_chat(&self) -> bool {
        std::ptr::eq(self.route, &crate::chat::ANSWER)
    }
}

/// Serves one model call, from its head to the head of the answer. Streams go
/// on in [`stream::AnswerBody`], which settles when they end.
///
/// # Errors
/// The first step that says no.
pub async fn serve(
    door: &Arc<Door>,
    arrival: &Arc<Arrival>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    // Deny by default: every carrier of a credential becomes one principal, or the request ends here.
    let identified = identify::identify(door, arrival, &head.headers).await?;
    let turn = approach(door, arrival, identified, &head.headers, body).await?;
    // Its lines are pieces of the connection's read buffer, which a request that waits must not keep.
    drop(head);
    match turn {
        // Boxed: these steps' states are large, and a request that waits is in none of them.
        enter::Turn::Now(entered) => Box::pin(proceed(door, arrival, entered)).await,
        enter::Turn::Later(queued) => queued::wait(door, arrival, queued).await,
    }
}

/// Serves one answer of the chat, from its body to the head of the answer: the
/// same steps, for a caller whom a session or a visitor's cookie identified.
/// Where it has to wait, `queued` is given the way to ask for its place.
///
/// # Errors
/// The first step that says no.
pub async fn answer(
    door: &Arc<Door>,
    arrival: &Arrival,
    identified: identify::Identified,
    (headers, body): (&http::HeaderMap, Body),
    queued: impl FnOnce(Spot) + Send,
) -> Result<Response, Refusal> {
    let entered = match approach(door, arrival, identified, headers, body).await? {
        enter::Turn::Now(entered) => entered,
        enter::Turn::Later(waiting) => {
            waiting.spot().map(queued);
            waiting.turn(door, arrival).await?
        }
    };
    Box::pin(proceed(door, arrival, entered)).await
}

/// The way to a place at a pool, for a caller who is identified.
async fn approach(
    door: &Arc<Door>,
    arrival: &Arrival,
    identified: identify::Identified,
    headers: &http::HeaderMap,
    body: Body,
) -> Result<enter::Turn, Refusal> {
    // One anonymous network cannot hold more than its number of requests.
    let throttled = throttle::throttle(door, arrival, identified, headers)?;
    // Nothing is decided on bytes that were not bounded and understood.
    let parsed = parse::parse(door, arrival, throttled, headers, body).await?;
    // What must not reach a model is stopped before it costs anything.
    let guarded = guard_input::guard_input(parsed);
    // May this principal have this model, may it go where that is, and is the quota enough?
    let reserved = reserve::reserve(door, arrival, guarded)?;
    // Who goes first when not everybody can: at once, after a wait, or not at all.
    enter::enter(door, arrival, reserved, &enter::Hints::read(headers))
}

/// The rest of the way, for a request that has its place.
async fn proceed(
    door: &Arc<Door>,
    arrival: &Arrival,
    entered: Box<enter::Entered>,
) -> Result<Response, Refusal> {
    // The decision is on disk before an upstream sees the request.
    let admitted = admit::admit(door, arrival, *entered).await?;
    // The servers that may answer, in order; their addresses come from the configuration alone.
    let routed = route::route(arrival, admitted);
    // The upstream sees the request; retries end with its first byte.
    let called = call::call(door, arrival, routed).await?;
    // What leaves is in the client's dialect, and nothing that was shown is taken back.
    let released = guard_output::guard_output(door, arrival, called)?;
    // reserved = settled + refunded, exactly once, whatever happens from here on.
    Ok(settle::settle(door, released).await)
}

/// Counts a request's tokens without calling a model: the same steps up to the
/// parse, then the door's own estimate. Nothing is reserved, nothing is charged.
///
/// # Errors
/// The first step that says no.
pub async fn count_tokens(
    door: &Arc<Door>,
    arrival: &Arrival,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let identified = identify::identify(door, arrival, &head.headers).await?;
    let throttled = throttle::throttle(door, arrival, identified, &head.headers)?;
    let parsed = parse::parse(door, arrival, throttled, &head.headers, body).await?;
    let guarded = guard_input::guard_input(parsed);
    let tokens = reserve::count(door, arrival, &guarded)?;
    let body = surgewall_wire::estimate::render_count(tokens);
    let mut response = Response::new(axum::body::Body::from(body));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}
