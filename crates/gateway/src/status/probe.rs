//! When nobody asks, the door asks itself, by the way that users take: through the
//! public listener's own routes. Nothing is charged and nothing recorded for it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::HOST;
use http::{HeaderValue, Request};
use surgewall_core::principal::Network;
use tower::ServiceExt as _;

use super::component::{Component, Measured};
use super::measure::{Got, Meter};
use crate::door::Door;
use crate::listen::{Peer, Purpose};
use crate::routes::router;
use crate::ticks::every;

/// Between two questions to a component that nobody uses.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// The longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Probes until the door closes.
pub async fn probe(door: Arc<Door>) {
    let public = router(&door, Purpose::Public);
    let mut ticks = every(PROBE_INTERVAL);
    let mut seen = HashMap::new();
    loop {
        ticks.tick().await;
        let policy = door.policy();
        let names = policy.config.status.component.iter().map(|one| one.upstream.as_str());
        door.status.meters.of_upstreams(names);
        for component in door.status.components(&policy.config) {
            let before = seen.get(&component.id).copied();
            // Somebody used it since the last look: what they got says more.
            if before.is_none_or(|before| before == used(&door, &component)) {
                ask(&door, &public, &component).await;
            }
            seen.insert(component.id, used(&door, &component));
        }
    }
}

/// How often it was used, or asked, so far.
fn used(door: &Door, component: &Component) -> u64 {
    let meters = &door.status.meters;
    match &component.measured {
        Measured::Api => meters.api.sums().all(),
        Measured::Chat => meters.chat.sums().all(),
        Measured::SignIn => meters.sign_in.sums().all(),
        Measured::Upstream(name) => meters.upstream(name).map_or(0, |meter| meter.sums().all()),
    }
}

async fn ask(door: &Door, public: &Router, component: &Component) {
    let meters = &door.status.meters;
    match &component.measured {
        Measured::Api => note(&meters.api, get(public, "/readyz").await),
        // Its own route counts what it answers; only silence is left to be counted.
        Measured::Chat => silence(&meters.chat, get(public, "/").await),
        Measured::SignIn => silence(&meters.sign_in, get(public, "/sign-in").await),
        Measured::Upstream(name) => {
            let policy = door.policy();
            let pool = policy.pools.iter().find(|pool| pool.name() == name);
            let available =
                pool.is_some_and(|pool| pool.servers_now(door.clock.now()).available > 0);
            if let Some(meter) = meters.upstream(name) {
                note(&meter, if available { Got::Answer(None) } else { Got::Nothing });
            }
        }
    }
}

fn note(meter: &Meter, got: Got) {
    meter.note(got, false, u64::MAX);
}

fn silence(meter: &Meter, got: Got) {
    if got == Got::Nothing {
        note(meter, got);
    }
}

/// Asks for `path` as somebody on this machine would.
async fn get(public: &Router, path: &str) -> Got {
    let mut request = Request::new(Body::empty());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    request.extensions_mut().insert(peer());
    let answered = tokio::time::timeout(ANSWER_TIMEOUT, public.clone().oneshot(request)).await;
    match answered {
        Ok(Ok(response)) if !response.status().is_server_error() => Got::Answer(None),
        _ => Got::Nothing,
    }
}

fn peer() -> Arc<Peer> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    Arc::new(Peer {
        address,
        network: Network::of(address.ip()),
        spoke: AtomicBool::new(true),
        authenticated: AtomicBool::new(false),
        place: Mutex::new(None),
    })
}
