//! What a page's call is answered with: JSON, or a refusal in one shape.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde_json::json;
use surgewall_core::id::RequestId;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::ConversationError;

/// `body` as JSON, for this page alone.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Refusal> {
    let text = serde_json::to_vec(body);
    let text = text.map_err(|error| Refusal::Internal { why: error.to_string() })?;
    Ok(private(status, "application/json", Body::from(text)))
}

/// `body` as `kind`, kept by nobody on its way.
pub(super) fn private(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    crate::pages::headers::file(headers);
    response
}

/// Done, and nothing to say.
pub(super) fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A refused call.
#[must_use]
pub fn refused(request_id: RequestId, refusal: &Refusal) -> Response {
    let row = refusal.row();
    let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error = json!({"error": {
        "code": row.code, "message": refusal.public_text(), "request_id": request_id,
    }});
    let mut response = private(status, "application/json", Body::from(error.to_string()));
    if let Some(after) = refusal.retry_after() {
        let seconds = after.as_millis().div_ceil(1_000).max(1).to_string();
        if let Ok(seconds) = HeaderValue::from_str(&seconds) {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
    }
    crate::refuse::name(response.headers_mut(), surgewall_wire::ClientDialect::OpenAi, request_id);
    response
}

/// What a caller is told of an error of the store.
pub(super) fn refusal(error: &ConversationError) -> Refusal {
    match error {
        ConversationError::NotFound { what } => Refusal::NotFound { what },
        ConversationError::Erased => Refusal::NotFound { what: "content any more" },
        ConversationError::Exists { what } => Refusal::Full { whose: "a message", most: 1, what },
        ConversationError::TooLong { what, found, bytes_max } => Refusal::InvalidRequest {
            reason: format!("the {what} has {found} bytes and may have {bytes_max}"),
            param: None,
        },
        ConversationError::Full { whose, most, what } => Refusal::Full { whose, most: *most, what },
        ConversationError::Vault(_) | ConversationError::Store(_) => {
            Refusal::Internal { why: error.to_string() }
        }
    }
}

/// The same, where it ends a call.
pub(super) trait OrRefusal<T> {
    /// The value, or the refusal.
    fn or_refusal(self) -> Result<T, Refusal>;
}

impl<T> OrRefusal<T> for Result<T, ConversationError> {
    fn or_refusal(self) -> Result<T, Refusal> {
        self.map_err(|error| refusal(&error))
    }
}
