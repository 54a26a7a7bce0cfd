//! Routes that are not the API: health, the description, metrics, front pages,
//! and the answers for what does not exist.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{StatusCode, Uri};
use surgewall_core::config::schema::Listen;
use surgewall_core::config::status::Status;
use surgewall_core::id::RequestId;
use surgewall_core::principal::Network;
use surgewall_core::refusal::Refusal;
use surgewall_wire::ClientDialect;

use crate::door::Door;
use crate::listen::{Peer, Purpose, client_address};
use crate::recording::Recording;
use crate::refuse::{self, Refused};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

fn page(kind: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The process lives.
pub(super) async fn healthz() -> Response {
    page(TEXT, "ok\n")
}

/// It takes requests: not while it drains, not while the ledger cannot be written.
pub(super) async fn readyz(door: Arc<Door>) -> Response {
    let why = if door.tasks.is_draining() {
        "draining\n"
    } else if !door.ledger.health().writable {
        "the ledger cannot be written\n"
    } else if !can_record(&door) {
        "records cannot be written\n"
    } else {
        return page(TEXT, "ok\n");
    };
    (StatusCode::SERVICE_UNAVAILABLE, page(TEXT, why)).into_response()
}

/// Whether what has to be recorded can be.
fn can_record(door: &Door) -> bool {
    door.recording.as_ref().is_none_or(Recording::is_ready)
}

/// The description of the public API.
pub(super) async fn openapi() -> Response {
    page(JSON, super::openapi::document())
}

/// Prometheus metrics, for those who may see them.
pub(super) async fn metrics(door: Arc<Door>, request: Request) -> Response {
    let policy = door.policy();
    if !policy.config.telemetry.metrics {
        return StatusCode::NOT_FOUND.into_response();
    }
    let listen = &policy.config.listen;
    let open = listen.admin.ip().is_loopback() && listen.behind_proxy.is_empty();
    let token = policy.metrics_token.as_ref().map(|token| format!("Bearer {}", token.expose()));
    let sent = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let allowed = match token {
        None => open,
        Some(token) => sent.is_some_and(|sent| same(sent, token.as_bytes())),
    };
    if allowed {
        page(METRICS, crate::metrics::render(&door))
    } else {
        (
            StatusCode::UNAUTHORIZED,
            page(TEXT, "metrics need the token that listen.metrics_token names\n"),
        )
            .into_response()
    }
}

/// Compares in a time that does not depend on where two texts differ.
fn same(first: &[u8], second: &[u8]) -> bool {
    first.len() == second.len()
        && first.iter().zip(second).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// What is not in the table is 404, in the dialect that the path suggests.
pub(super) async fn unknown_route(door: Arc<Door>, request: Request) -> Response {
    Asker::of(&door, &request).refused(&door, Refusal::RouteUnknown)
}

/// The path exists, for other methods.
pub(super) async fn wrong_method(
    door: Arc<Door>,
    dialect: ClientDialect,
    allowed: String,
    request: Request,
) -> Response {
    let asker = Asker { dialect, ..Asker::of(&door, &request) };
    let mut response = asker.refused(&door, Refusal::MethodNotAllowed);
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(http::header::ALLOW, allowed);
    }
    response
}

/// What an answer needs to know of a request that no route answers.
struct Asker {
    dialect: ClientDialect,
    network: Option<Network>,
}

impl Asker {
    fn of(door: &Door, request: &Request) -> Self {
        let peer = request.extensions().get::<Arc<Peer>>();
        let network = peer.map(|peer| {
            let proxies = &door.policy().config.listen.behind_proxy;
            Network::of(client_address(peer.address.ip(), request.headers(), proxies))
        });
        Self { dialect: suggested_dialect(request), network }
    }

    fn refused(&self, door: &Door, refusal: Refusal) -> Response {
        let request_id = RequestId::random();
        let response = refuse::answer(self.dialect, request_id, &refusal);
        if let Some(network) = self.network {
            door.note_refusal(&Refused { request_id, network, who: None, refusal });
        }
        response
    }
}

/// The dialect whose routes begin as this request's path does.
fn suggested_dialect(request: &Request) -> ClientDialect {
    let path = request.uri().path();
    let below = |prefix| {
        path.strip_prefix(prefix).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('/'))
    };
    if below("/api") {
        ClientDialect::Ollama
    } else if below("/anthropic")
        || below("/v1/messages")
        || request.headers().contains_key("anthropic-version")
    {
        ClientDialect::Anthropic
    } else {
        ClientDialect::OpenAi
    }
}

/// Stands before every route. A page in a stranger's browser can send requests
/// to loopback under a name of its own (DNS rebinding): a loopback listener
/// answers only to loopback's names and to the public name. And a panic is a
/// 500 for its request only.
pub(super) async fn guard(
    State((door, purpose)): State<(Arc<Door>, Purpose)>,
    request: Request,
    next: Next,
) -> Response {
    let asker = Asker::of(&door, &request);
    let answered = async {
        let policy = door.policy();
        let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
        let authority = || request.uri().authority().map(http::uri::Authority::as_str);
        let named = host.or_else(authority).unwrap_or("");
        if is_own_name(&policy.config.listen, purpose, named)
            || is_status_name(&policy.config.status, purpose, named)
        {
            let path = (purpose == Purpose::Public).then(|| request.uri().path().to_owned());
            let response = next.run(request).await;
            if let Some(path) = path {
                door.status.meters.page(&path, response.status());
            }
            response
        } else {
            asker.refused(&door, Refusal::HostNotAllowed)
        }
    };
    match AssertUnwindSafe(answered).catch_unwind().await {
        Ok(response) => response,
        Err(_) => asker.refused(&door, Refusal::Internal { why: "a panic".into() }),
    }
}

/// Whether `host` is where strangers read the status page.
fn is_status_name(status: &Status, purpose: Purpose, host: &str) -> bool {
    let uri = status.url.as_deref().and_then(|url| url.parse::<Uri>().ok());
    let public = uri.as_ref().and_then(Uri::host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    purpose == Purpose::Status && public.is_some_and(|public| public.eq_ignore_ascii_case(name))
}

fn is_own_name(listen: &Listen, purpose: Purpose, host: &str) -> bool {
    let (address, proxied) = match purpose {
        Purpose::Public => (listen.public, !listen.behind_proxy.is_empty()),
        Purpose::Status => (listen.status, !listen.behind_proxy.is_empty()),
        // Nobody's browser has business on the admin listener under another name, proxy or not.
        Purpose::Admin => (listen.admin, false),
    };
    if !address.ip().is_loopback() || proxied {
        return true;
    }
    let Ok(uri) = format!("http://{host}/").parse::<Uri>() else { return false };
    let name = uri.host().unwrap_or("").trim_matches(['[', ']']);
    let loopback = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    loopback
        || name.eq_ignore_ascii_case("localhost")
        || listen.public_name.as_deref().is_some_and(|public| name.eq_ignore_ascii_case(public))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_dialect(path: &str, header: Option<&str>, expected: ClientDialect) {
        let mut request = Request::get(path);
        if let Some(name) = header {
            request = request.header(name, "x");
        }
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(suggested_dialect(&request), expected, "{path} {header:?}");
    }

    #[test]
    fn an_unknown_path_suggests_a_dialect() {
        check_dialect("/api/nothing", None, ClientDialect::Ollama);
        check_dialect("/api", None, ClientDialect::Ollama);
        check_dialect("/apis", None, ClientDialect::OpenAi);
        check_dialect("/v1/messages/batches", None, ClientDialect::Anthropic);
        check_dialect("/anthropic/v1/files", None, ClientDialect::Anthropic);
        check_dialect("/v1/files", Some("anthropic-version"), ClientDialect::Anthropic);
        check_dialect("/v1/files", Some("anthropic-beta"), ClientDialect::OpenAi);
        check_dialect("/anthropics", None, ClientDialect::OpenAi);
        check_dialect("/", None, ClientDialect::OpenAi);
    }

    #[test]
    fn a_loopback_listener_answers_to_its_own_names_only() {
        let listen = Listen { public_name: Some("ai.example.org".into()), ..Listen::default() };
        for host in
            ["localhost:7070", "127.0.0.1:7070", "[::1]:7070", "127.0.0.9", "AI.example.org"]
        {
            assert!(is_own_name(&listen, Purpose::Public, host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "192.0.2.1", "a b", "127.0.0.1.evil"]
        {
            assert!(!is_own_name(&listen, Purpose::Public, host), "{host}");
        }
    }
}
