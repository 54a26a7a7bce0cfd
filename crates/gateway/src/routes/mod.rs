//! The route table: every route of every listener, who may use it, and the
//! routers made from it. A route that is not here is 404, never a passthrough.

pub mod accounts;
mod admin_page;
pub(crate) mod api;
pub mod chat;
mod disclosure;
mod meta;
pub mod openapi;
pub mod pages;
pub(crate) mod status_page;
pub mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::door::Door;
use crate::listen::Purpose;
use crate::pages as page;
use table::{Handler, Route};

/// The router of one listener.
pub fn router(door: &Arc<Door>, purpose: Purpose) -> Router {
    let mut paths: BTreeMap<&str, Vec<&'static Route>> = BTreeMap::new();
    for route in table::all().filter(|route| route.listener == purpose) {
        paths.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        router = router.route(path, methods(door, &routes));
    }
    let unknown = door.clone();
    guarded(
        door,
        purpose,
        router.fallback(move |request| meta::unknown_route(unknown.clone(), request)),
    )
}

/// `routes` behind what stands before every route of a listener.
pub fn guarded(door: &Arc<Door>, purpose: Purpose, routes: Router) -> Router {
    routes.layer(axum::middleware::from_fn_with_state((door.clone(), purpose), meta::guard))
}

/// All methods of one path.
fn methods(door: &Arc<Door>, routes: &[&'static Route]) -> MethodRouter {
    let mut methods = MethodRouter::new();
    for route in routes {
        methods = methods.merge(method_router(door, route));
    }
    let Some(first) = routes.first().copied() else { return methods };
    let allowed: Vec<&str> = routes.iter().map(|route| route.method).collect();
    let (door, allowed) = (door.clone(), allowed.join(", "));
    methods.fallback(move |request| {
        meta::wrong_method(door.clone(), first.dialect, allowed.clone(), request)
    })
}

fn method_router(door: &Arc<Door>, route: &'static Route) -> MethodRouter {
    let filter = match route.method {
        "POST" => MethodFilter::POST,
        "PUT" => MethodFilter::PUT,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    let door = door.clone();
    match route.handler {
        Handler::Api(_) => on(filter, move |request| api::call(door.clone(), route, request)),
        Handler::Models => on(filter, move |request| api::models(door.clone(), route, request)),
        Handler::Model => on(filter, move |request| api::model(door.clone(), route, request)),
        Handler::Show => on(filter, move |request| api::show(door.clone(), route, request)),
        Handler::Version => on(filter, api::version),
        Handler::Balance => on(filter, move |request| api::balance(door.clone(), route, request)),
        Handler::Healthz => on(filter, meta::healthz),
        Handler::Readyz => on(filter, move || meta::readyz(door.clone())),
        Handler::OpenApi => on(filter, meta::openapi),
        Handler::Metrics => on(filter, move |request| meta::metrics(door.clone(), request)),
        Handler::Front => on(filter, page::chat),
        Handler::File => on(filter, page::file),
        Handler::CspReport => on(filter, move |request| page::csp_report(door.clone(), request)),
        Handler::Admin(page) => {
            on(filter, move |request| crate::admin::answer(door.clone(), page, request))
        }
        Handler::Chat(call) => {
            on(filter, move |request| crate::chat::handle(door.clone(), route, call, request))
        }
        Handler::Lite(page) => {
            on(filter, move |request| crate::chat::lite::serve(door.clone(), route, page, request))
        }
        Handler::Account(page) => {
            on(filter, move |request| crate::pages::serve(door.clone(), route, page, request))
        }
        Handler::FoundByGithub => on(filter, move |request| {
            crate::disclosure::github::answer(door.clone(), route, request)
        }),
        Handler::Status(document) => {
            on(
                filter,
                move |headers| async move { door.status.current().answer(document, &headers) },
            )
        }
        Handler::StatusMinutes => on(filter, move |Path(day): Path<String>| async move {
            door.status.current().answer_minutes(&day)
        }),
    }
}
