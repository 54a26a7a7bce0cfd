//! The rows of what strangers tell the operator.

use surgewall_wire::ClientDialect::OpenAi;

use super::table::{Access, Handler, Route};
use crate::disclosure::{github, security_txt};
use crate::listen::Purpose::Public;
use crate::pages::Page;

const fn row(method: &'static str, path: &'static str, page: Page) -> Route {
    route(method, path, Handler::Account(page))
}

const fn route(method: &'static str, path: &'static str, handler: Handler) -> Route {
    let access = Access::Everybody;
    Route { listener: Public, method, path, handler, dialect: OpenAi, access, family: "" }
}

/// The rows.
pub(super) const ROUTES: &[Route] = &[
    row("GET", security_txt::PATH, Page::SecurityTxt),
    row("GET", "/report", Page::Report),
    row("POST", "/report", Page::ReportSend),
    row("GET", "/report/key", Page::FoundKey),
    row("POST", "/report/key", Page::FoundKeySend),
    route("POST", github::PATH, Handler::FoundByGithub),
];
