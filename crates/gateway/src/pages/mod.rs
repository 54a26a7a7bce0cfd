//! What browsers are given: the files of web/dist, the page that is the chat,
//! and the heads that bound what any page may do.

mod account;
mod answer;
pub mod assets;
pub mod forms;
mod found_key;
mod frame;
pub mod headers;
pub mod links;
mod page;
mod passkeys;
mod report;
mod reports;
mod sign_in;
mod sign_up;
mod subscribe;
pub mod tickets;
mod visit;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::door::Door;

pub use account::Exports;
pub(crate) use answer::{found, json, plain, refused, see_other, written};
pub use page::Page;
pub(crate) use page::serve;
pub(crate) use reports::report;
pub(crate) use visit::local_path;

/// The file that is the chat.
const CHAT: &str = "index.html";

/// The public listener's front page: the chat.
pub(crate) async fn chat(request: Request) -> Response {
    let mut response = assets::serve(CHAT, request.headers());
    headers::scripted(response.headers_mut());
    response
}

/// A file of the pages.
pub(crate) async fn file(request: Request) -> Response {
    let name = request.uri().path().strip_prefix(assets::FOLDER).unwrap_or_default();
    // The page itself has its own route, with the heads of a page.
    if name == CHAT { missing() } else { assets::serve(name, request.headers()) }
}

/// What a browser found against the rules of a page.
pub(crate) async fn csp_report(door: Arc<Door>, request: Request) -> Response {
    report(&door, request).await
}

/// No such file.
fn missing() -> Response {
    let mut response = Response::new(Body::from("no such file\n"));
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
