//! Answers of pages: HTML with its heads, redirects, JSON for scripts, and the
//! page for a refusal.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use surgewall_core::id::RequestId;
use surgewall_core::refusal::Refusal;

use super::frame::Frame;
use super::headers;

/// A page without script.
pub(crate) fn plain(template: &impl Template) -> Result<Response, Refusal> {
    page(template, headers::plain)
}

/// A page that loads the script of the sign-in pages.
pub(crate) fn scripted(template: &impl Template) -> Result<Response, Refusal> {
    page(template, headers::scripted)
}

/// A page without script that is written already, or comes while it is.
pub(crate) fn written(html: Body) -> Response {
    document(html, headers::plain)
}

fn page(template: &impl Template, heads: fn(&mut HeaderMap)) -> Result<Response, Refusal> {
    let html = template.render().map_err(|error| internal(&error))?;
    Ok(document(Body::from(html), heads))
}

fn document(html: Body, heads: fn(&mut HeaderMap)) -> Response {
    let mut response = Response::new(html);
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    heads(response.headers_mut());
    response
}

/// Something failed that nobody can do anything about but the operator.
pub(crate) fn internal(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::Internal { why: error.to_string() }
}

/// The same page, with another status.
pub(crate) trait WithStatus {
    /// With this status.
    fn with_status(self, status: StatusCode) -> Self;
}

impl WithStatus for Result<Response, Refusal> {
    fn with_status(self, status: StatusCode) -> Self {
        self.map(|mut response| {
            *response.status_mut() = status;
            response
        })
    }
}

/// Says when it is worth trying again.
pub(crate) fn retry_after(response: &mut Response, seconds: u64) {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

/// After a form: to `location`, one of our own paths.
pub(crate) fn see_other(location: &str) -> Result<Response, Refusal> {
    redirect(StatusCode::SEE_OTHER, location)
}

/// From a page that needs a session to the one that gives it.
pub(crate) fn found(location: &str) -> Result<Response, Refusal> {
    redirect(StatusCode::FOUND, location)
}

fn redirect(status: StatusCode, location: &str) -> Result<Response, Refusal> {
    let location = HeaderValue::try_from(location).map_err(|error| internal(&error))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, location);
    headers::plain(response.headers_mut());
    Ok(response)
}

/// Sets a cookie with an answer.
pub(crate) fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// For a script.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Refusal> {
    let text = serde_json::to_string(value).map_err(|error| internal(&error))?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers::plain(response.headers_mut());
    Ok(response)
}

/// For a script: why not, in words for the person before it.
pub(crate) fn json_fault(status: StatusCode, words: &str) -> Result<Response, Refusal> {
    json(status, &serde_json::json!({ "error": words }))
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    frame: Frame,
    words: String,
    request_id: RequestId,
}

/// A refusal as a page.
pub(crate) fn refused(request_id: RequestId, refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.row().status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let words = match refusal {
        Refusal::RouteUnknown => "There is no such page or thing here.".to_owned(),
        other => other.public_text(),
    };
    let page = Refused { frame: Frame::bare("This did not work"), words, request_id };
    let mut response = plain(&page).unwrap_or_else(|_| Response::new(Body::empty()));
    *response.status_mut() = status;
    if let Some(after) = refusal.retry_after() {
        retry_after(&mut response, after.as_secs());
    }
    response
}
