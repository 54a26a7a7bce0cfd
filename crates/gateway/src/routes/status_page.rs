//! The routes of the status listener: every form of the page, and a day's minutes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use surgewall_wire::ClientDialect;

use super::table::{Access, Handler, Route};
use crate::listen::Purpose;
use crate::status::document::MINUTES_PATH;
use crate::status::json::Answer;
use crate::status::{Document, Snapshot};

const fn row(path: &'static str, handler: Handler) -> Route {
    Route {
        listener: Purpose::Status,
        method: "GET",
        path,
        handler,
        dialect: ClientDialect::OpenAi,
        access: Access::Everybody,
        family: "",
    }
}

const fn page(document: Document) -> Route {
    row(document.path(), Handler::Status(document))
}

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    page(Document::Front),
    page(Document::History),
    page(Document::Style),
    page(Document::Json(Answer::Summary)),
    page(Document::Json(Answer::Status)),
    page(Document::Json(Answer::Components)),
    page(Document::Json(Answer::Incidents)),
    page(Document::Json(Answer::Unresolved)),
    page(Document::Json(Answer::Maintenances)),
    page(Document::Json(Answer::Upcoming)),
    page(Document::Json(Answer::Active)),
    page(Document::Rss),
    page(Document::Atom),
    page(Document::Calendar),
    page(Document::Badge),
    page(Document::Days),
    row(MINUTES_PATH, Handler::StatusMinutes),
];

/// The same routes over a page that no door stands behind.
pub(crate) fn router(shown: &Arc<ArcSwap<Snapshot>>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let shown = shown.clone();
        let answers =
            match route.handler {
                Handler::Status(document) => get(move |headers: http::HeaderMap| async move {
                    shown.load_full().answer(document, &headers)
                }),
                _ => get(move |Path(day): Path<String>| async move {
                    shown.load_full().answer_minutes(&day)
                }),
            };
        router = router.route(route.path, answers);
    }
    router
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_page_has_a_route() {
        let routed = |document: &Document| {
            ROUTES.iter().any(|route| route.handler == Handler::Status(*document))
        };
        assert!(Document::ALL.iter().all(routed));
    }
}
