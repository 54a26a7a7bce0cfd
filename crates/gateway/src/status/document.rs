//! Everything that the status listener answers with, rendered once and kept in
//! memory: an answer costs a look into a list.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use surgewall_core::digest::{hex, sha256};

use super::json::{self, Answer};
use super::view::View;
use super::{feed, html, table};

/// No script, no frame, no form, nothing from elsewhere.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Where a day's minutes are.
pub const MINUTES_PATH: &str = "/probes/{day}";
const STYLE: &str = include_str!("../../templates/status/status.css");

/// One thing that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// The page.
    Front,
    /// All incidents, and where the minutes are.
    History,
    /// The stylesheet.
    Style,
    /// One of the API's answers.
    Json(Answer),
    /// The feed as RSS.
    Rss,
    /// The feed as Atom.
    Atom,
    /// Maintenances as a calendar.
    Calendar,
    /// The state as a picture.
    Badge,
    /// The days as a table.
    Days,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Front,
        Self::History,
        Self::Style,
        Self::Json(Answer::Summary),
        Self::Json(Answer::Status),
        Self::Json(Answer::Components),
        Self::Json(Answer::Incidents),
        Self::Json(Answer::Unresolved),
        Self::Json(Answer::Maintenances),
        Self::Json(Answer::Upcoming),
        Self::Json(Answer::Active),
        Self::Rss,
        Self::Atom,
        Self::Calendar,
        Self::Badge,
        Self::Days,
    ];

    /// Where it is on the listener.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Front => "/",
            Self::History => "/history",
            Self::Style => "/status.css",
            Self::Json(Answer::Summary) => "/api/v2/summary.json",
            Self::Json(Answer::Status) => "/api/v2/status.json",
            Self::Json(Answer::Components) => "/api/v2/components.json",
            Self::Json(Answer::Incidents) => "/api/v2/incidents.json",
            Self::Json(Answer::Unresolved) => "/api/v2/incidents/unresolved.json",
            Self::Json(Answer::Maintenances) => "/api/v2/scheduled-maintenances.json",
            Self::Json(Answer::Upcoming) => "/api/v2/scheduled-maintenances/upcoming.json",
            Self::Json(Answer::Active) => "/api/v2/scheduled-maintenances/active.json",
            Self::Rss => "/history.rss",
            Self::Atom => "/history.atom",
            Self::Calendar => "/maintenance.ics",
            Self::Badge => "/badge.svg",
            Self::Days => "/days.csv",
        }
    }

    /// What it is called in the signed copy.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Front => "index.html",
            Self::History => "history.html",
            other => other.path().trim_start_matches('/'),
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Front | Self::History => "text/html; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
            Self::Json(_) => "application/json; charset=utf-8",
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Calendar => "text/calendar; charset=utf-8",
            Self::Badge => "image/svg+xml",
            Self::Days => CSV,
        }
    }

    fn render(self, view: &View) -> String {
        match self {
            Self::Front => html::front(view),
            Self::History => html::history(view),
            Self::Style => STYLE.to_owned(),
            Self::Json(answer) => json::render(view, answer),
            Self::Rss => feed::rss(view),
            Self::Atom => feed::atom(view),
            Self::Calendar => feed::calendar(view),
            Self::Badge => html::badge(view),
            Self::Days => table::days(view),
        }
    }
}

const CSV: &str = "text/csv; charset=utf-8";

/// The minutes of a day by its number, as comma-separated values.
pub type Minutes = Arc<dyn Fn(u32) -> Option<Bytes> + Send + Sync>;

/// The page as it is now, in every form.
pub struct Snapshot {
    view: View,
    rendered: Vec<Rendered>,
    minutes: Minutes,
}

struct Rendered {
    body: Bytes,
    etag: HeaderValue,
}

impl Snapshot {
    /// Renders `view`.
    #[must_use]
    pub fn new(view: View, minutes: Minutes) -> Self {
        let rendered = Document::ALL.map(|document| {
            let body = Bytes::from(document.render(&view));
            let etag = format!("\"{}\"", &hex(&sha256(&body))[..32]);
            let etag = HeaderValue::try_from(etag);
            Rendered { body, etag: etag.unwrap_or(HeaderValue::from_static("\"\"")) }
        });
        Self { view, rendered: rendered.into(), minutes }
    }

    /// What it shows.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Every document and what it holds.
    pub fn documents(&self) -> impl Iterator<Item = (Document, &Bytes)> {
        Document::ALL.into_iter().zip(&self.rendered).map(|(document, one)| (document, &one.body))
    }

    /// The minutes of `day`.
    #[must_use]
    pub fn minutes(&self, day: u32) -> Option<Bytes> {
        (self.minutes)(day)
    }

    /// The answer to a request for `document`.
    #[must_use]
    pub fn answer(&self, document: Document, asked: &HeaderMap) -> Response {
        let found = Document::ALL.iter().zip(&self.rendered).find(|(one, _)| **one == document);
        let Some((_, rendered)) = found else { return not_found() };
        let known = asked.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let same = rendered.etag.to_str().is_ok_and(|etag| {
            known.is_some_and(|known| known.split(',').any(|one| one.trim() == etag))
        });
        let body = if same { Bytes::new() } else { rendered.body.clone() };
        let mut response = response(document.content_type(), body);
        if same {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response.headers_mut().insert(ETAG, rendered.etag.clone());
        response
    }

    /// The answer to a request for the minutes of the day that `name` says,
    /// `2024-12-24.csv`.
    #[must_use]
    pub fn answer_minutes(&self, name: &str) -> Response {
        let day = name.strip_suffix(".csv");
        let day = day.and_then(|day| table::day_of(day, &self.view.recorded_days));
        day.and_then(|day| self.minutes(day)).map_or_else(not_found, |body| response(CSV, body))
    }
}

fn not_found() -> Response {
    let mut response = response("text/plain; charset=utf-8", Bytes::from_static(b"not here\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn response(content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "public, max-age=5"),
        // Whoever wants to may read it from a page of their own: it is public.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::component::State;
    use crate::status::view::samples;

    fn snapshot() -> Snapshot {
        let view = samples::view(vec![samples::component("API", Some(State::Operational))]);
        Snapshot::new(view, Arc::new(|day| (day == 20_089).then(|| Bytes::from_static(b"minutes"))))
    }

    #[test]
    fn every_document_answers_with_its_kind_and_is_small() {
        let snapshot = snapshot();
        for (document, body) in snapshot.documents() {
            let answer = snapshot.answer(document, &HeaderMap::new());
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(!body.is_empty() && body.len() <= 64 << 10, "{document:?}: {}", body.len());
            assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], POLICY);
            assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        }
    }

    #[test]
    fn what_a_reader_has_is_not_sent_again() {
        let snapshot = snapshot();
        let first = snapshot.answer(Document::Front, &HeaderMap::new());
        let mut asked = HeaderMap::new();
        asked.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(snapshot.answer(Document::Front, &asked).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(snapshot.answer(Document::Days, &asked).status(), StatusCode::OK);
    }

    #[test]
    fn minutes_are_those_of_a_recorded_day() {
        let snapshot = snapshot();
        for (name, status) in [
            ("2025-01-01.csv", 200),
            ("2024-12-31.csv", 404),
            ("2025-01-02.csv", 404),
            ("2025-01-01", 404),
            ("..%2fwords", 404),
            ("", 404),
        ] {
            assert_eq!(snapshot.answer_minutes(name).status(), status, "{name}");
        }
    }
}
