//! How the admin page answers: a page, or the way to the one that shows what was done.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};

use super::AdminPage;
use super::desk::{Asked, Desk, Done, Trouble};
use super::view::{Cell, Kind, Section, View};
use crate::pages::{assets, headers};

impl Desk {
    /// Answers with what became of it.
    pub(super) fn answer(
        &self,
        page: AdminPage,
        asked: &Asked,
        answered: Result<Done, Trouble>,
    ) -> Response {
        match answered {
            Ok(Done::Page(view)) => self.page(StatusCode::OK, &view, asked, live(page)),
            Ok(Done::Moved { path, words }) => moved(&path, words),
            Err(trouble) => self.trouble(&trouble),
        }
    }

    /// Answers with why it was not done.
    pub(super) fn trouble(&self, trouble: &Trouble) -> Response {
        let view = View::new("That did not work", trouble.words.clone());
        self.page(trouble.status, &view, &Asked::default(), false)
    }

    fn page(&self, status: StatusCode, view: &View, asked: &Asked, live: bool) -> Response {
        let here =
            NAVIGATION.iter().map(|item| item.0).find(|path| stands_below(&asked.path, path));
        let page = Page {
            view,
            notice: asked.query("done").and_then(notice),
            navigation: &NAVIGATION,
            here: here.unwrap_or(""),
            who: format!("{}, {}", self.who.account.public_id, self.who.role),
            style: assets::path("pages.css"),
            charts: assets::path("admin.css"),
            script: live.then(|| assets::path("admin.js")),
        };
        let Ok(html) = page.render() else {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return response;
        };
        let mut response = Response::new(Body::from(html));
        *response.status_mut() = status;
        let head = response.headers_mut();
        head.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if live {
            headers::scripted(head)
        } else {
            headers::plain(head)
        }
        response
    }
}

const fn live(page: AdminPage) -> bool {
    matches!(page, AdminPage::Overview)
}

/// The pages, in the order in which they are listed.
const NAVIGATION: [(&str, &str); 12] = [
    ("/", "Overview"),
    ("/gate", "Gate"),
    ("/users", "Accounts"),
    ("/groups", "Groups"),
    ("/keys", "Keys"),
    ("/rules", "Rules"),
    ("/upstreams", "Upstreams"),
    ("/findings", "Findings"),
    ("/incidents", "Incidents"),
    ("/ledger", "Ledger"),
    ("/configuration", "Configuration"),
    ("/metrics", "Metrics"),
];

fn stands_below(path: &str, page: &str) -> bool {
    path == page
        || (page != "/" && path.strip_prefix(page).is_some_and(|rest| rest.starts_with('/')))
}

/// What was done, as the page says it. The address carries only its number, so
/// that nobody can put words on the page by a link.
const NOTICES: [&str; 13] = [
    "The account was made.",
    "The account was changed.",
    "The keys of its content are destroyed; the receipt is in the ledger.",
    "The group was made.",
    "The group was changed.",
    "The key is revoked; requests that ran on it have ended.",
    "The finding was set.",
    "It is in force until the configuration file is read again: change the file too.",
    "The gate was moved.",
    "Its sessions have ended.",
    "The rule was set.",
    "They were let in.",
    "The invite is revoked.",
];

fn notice(number: &str) -> Option<&'static str> {
    NOTICES.get(number.parse::<usize>().ok()?).copied()
}

fn moved(path: &str, words: &'static str) -> Response {
    let number = NOTICES.iter().position(|notice| *notice == words);
    let to = number.map_or_else(|| path.to_owned(), |number| format!("{path}?done={number}"));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(&to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// `value` as JSON that nobody keeps.
pub(super) fn json(value: &impl serde::Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    let head: &mut HeaderMap = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers::file(head);
    response
}

#[derive(Template)]
#[template(path = "admin/page.html")]
struct Page<'a> {
    view: &'a View,
    notice: Option<&'static str>,
    navigation: &'a [(&'static str, &'static str)],
    here: &'a str,
    who: String,
    style: &'static str,
    charts: &'static str,
    script: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_where_it_stands() {
        for (path, page, stands) in [
            ("/users", "/users", true),
            ("/users/user_a", "/users", true),
            ("/users2", "/users", false),
            ("/", "/", true),
            ("/users", "/", false),
        ] {
            assert_eq!(stands_below(path, page), stands, "{path} {page}");
        }
    }

    #[test]
    fn words_on_a_page_come_from_this_file_only() {
        assert_eq!(notice("0"), Some("The account was made."));
        for strange in ["", "x", "-1", "13", "99999999999999999999"] {
            assert_eq!(notice(strange), None, "{strange}");
        }
    }
}
