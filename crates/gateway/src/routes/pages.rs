//! The rows of the pages: the chat, its files, and what browsers report.

use surgewall_wire::ClientDialect::OpenAi;

use super::table::{Access, Handler, Route};
use crate::listen::Purpose::{self, Admin, Public};

const fn page(
    listener: Purpose,
    method: &'static str,
    path: &'static str,
    handler: Handler,
) -> Route {
    let (dialect, access) = (OpenAi, Access::Everybody);
    Route { listener, method, path, handler, dialect, access, family: "" }
}

/// The rows.
pub const ROUTES: &[Route] = &[
    page(Public, "GET", "/", Handler::Front),
    page(Public, "GET", "/app/static/{*id}", Handler::File),
    page(Public, "POST", "/app/csp-report", Handler::CspReport),
    page(Admin, "GET", "/app/static/{*id}", Handler::File),
    page(Admin, "POST", "/app/csp-report", Handler::CspReport),
];
