//! What an address is told, and the signed request that tells it.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde_json::{Value, json};
use surgewall_core::clock::Timestamp;
use surgewall_core::random;
use surgewall_core::secret::SecretString;

use super::signature;

/// One thing that is told.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The same at each attempt: who gets it twice can tell.
    pub(crate) id: String,
    pub(crate) body: Bytes,
}

impl Message {
    /// A message of this `kind`, told at `at`.
    pub(crate) fn new(kind: &str, at: Timestamp, data: &Value) -> Self {
        Self::with_id(format!("msg_{}", random::base62(22)), kind, at, data)
    }

    /// The same, under an id of its sender's.
    pub(crate) fn with_id(id: String, kind: &str, at: Timestamp, data: &Value) -> Self {
        let body = json!({"type": kind, "timestamp": at.to_string(), "data": data});
        Self { id, body: Bytes::from(body.to_string()) }
    }

    /// The request that tells it to `uri`, signed with `secret` now.
    pub(crate) fn request(
        &self,
        uri: Uri,
        secret: &SecretString,
        now: Timestamp,
    ) -> Request<Full<Bytes>> {
        let seconds = now.seconds();
        let signed = signature(secret, &self.id, seconds, &self.body);
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("surgewall"));
        headers.insert("webhook-timestamp", HeaderValue::from(seconds));
        for (name, value) in [("webhook-id", &self.id), ("webhook-signature", &signed)] {
            let Ok(value) = HeaderValue::from_str(value) else { continue };
            headers.insert(HeaderName::from_static(name), value);
        }
        request
    }
}
