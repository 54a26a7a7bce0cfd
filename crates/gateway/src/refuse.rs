//! A refusal on its way to the client: one place for status, headers and body.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use surgewall_core::decision::Who;
use surgewall_core::id::RequestId;
use surgewall_core::principal::Network;
use surgewall_core::refusal::Refusal;
use surgewall_wire::ClientDialect;
use surgewall_wire::error::{ErrorBody, render};

/// The header that names a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Anthropic's clients read the same under this name.
const REQUEST_ID_ANTHROPIC: HeaderName = HeaderName::from_static("request-id");

/// What a stranger may work on to come sooner.
const CHALLENGE: HeaderName = HeaderName::from_static("x-surgewall-challenge");

/// A request that was refused.
#[derive(Debug)]
pub struct Refused {
    /// The request.
    pub request_id: RequestId,
    /// Where it came from.
    pub network: Network,
    /// Who asked, where that was known.
    pub who: Option<Who>,
    /// Why it was refused.
    pub refusal: Refusal,
}

/// The answer to a refused request, in the client's dialect.
#[must_use]
pub fn answer(dialect: ClientDialect, request_id: RequestId, refusal: &Refusal) -> Response {
    let error = ErrorBody::of(dialect, refusal, &request_id.to_string());
    let mut response = Response::new(Body::from(render(dialect, &error)));
    *response.status_mut() =
        StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(after) = refusal.retry_after() {
        // Whole seconds, rounded up: earlier would be refused again.
        let seconds = after.as_millis().div_ceil(1_000).max(1);
        insert(headers, RETRY_AFTER, &seconds.to_string());
    }
    if error.status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Refusal::Overloaded { offer: Some(offer), .. } = refusal {
        insert(headers, CHALLENGE, &format!("{}:{}", offer.challenge, offer.effort));
    }
    if let Refusal::QuotaExceeded { scope, .. } = refusal {
        insert(headers, HeaderName::from_static("x-ratelimit-scope"), scope);
    }
    name(headers, dialect, request_id);
    response
}

/// Names the request in an answer's head.
pub fn name(headers: &mut HeaderMap, dialect: ClientDialect, request_id: RequestId) {
    let id = request_id.to_string();
    insert(headers, REQUEST_ID, &id);
    if dialect == ClientDialect::Anthropic {
        insert(headers, REQUEST_ID_ANTHROPIC, &id);
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
