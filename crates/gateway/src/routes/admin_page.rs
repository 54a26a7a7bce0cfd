//! The routes of the admin page.

use surgewall_wire::ClientDialect::OpenAi;

use super::table::{Access, Handler, Route};
use crate::admin::AdminPage;
use crate::admin::AdminPage::{
    Configuration, Finding, Findings, Gate, Group, Groups, Incident, Incidents, Key, Keys, Ledger,
    Live, Overview, Rules, Upstreams, User, Users,
};
use crate::listen::Purpose::Admin;

const fn see(path: &'static str, page: AdminPage) -> Route {
    row("GET", path, page)
}

const fn change(path: &'static str, page: AdminPage) -> Route {
    row("POST", path, page)
}

const fn row(method: &'static str, path: &'static str, page: AdminPage) -> Route {
    let (handler, access) = (Handler::Admin(page), Access::Role);
    Route { listener: Admin, method, path, handler, dialect: OpenAi, access, family: "" }
}

/// They.
pub(super) const ROUTES: &[Route] = &[
    see("/", Overview),
    see("/live", Live),
    see("/gate", Gate),
    change("/gate", Gate),
    see("/users", Users),
    change("/users", Users),
    see("/users/{id}", User),
    change("/users/{id}", User),
    see("/groups", Groups),
    change("/groups", Groups),
    see("/groups/{id}", Group),
    change("/groups/{id}", Group),
    see("/keys", Keys),
    change("/keys", Keys),
    see("/keys/{id}", Key),
    change("/keys/{id}", Key),
    see("/rules", Rules),
    change("/rules", Rules),
    see("/upstreams", Upstreams),
    see("/findings", Findings),
    see("/findings/{id}", Finding),
    change("/findings/{id}", Finding),
    see("/incidents", Incidents),
    see("/incidents/{id}", Incident),
    see("/ledger", Ledger),
    see("/configuration", Configuration),
    change("/configuration", Configuration),
];
