//! Who sits before the admin page, what was asked, and how it is answered.

use std::path::PathBuf;
use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use surgewall_core::role::{Action, allows};
use surgewall_store::admin::{AdminError, ErrorKind, Reply, Request as Operation};
use surgewall_store::findings::{InboxReply, InboxRequest};
use surgewall_store::gate::{GateReply, GateRequest};
use surgewall_store::ledger::read::{Names, ReadError, Story, names};
use surgewall_store::people::StoreError;
use surgewall_store::rules::{RuleReply, RuleRequest};
use surgewall_store::vault::Vault;
use tokio::sync::Semaphore;

use super::AdminPage;
use super::view::{Cell, Kind, Section, View};
use crate::control::{self, Status};
use crate::door::Door;
use crate::listen::Purpose;
use crate::operate::operate_by;
use crate::pages::forms::{self, Form, same_origin};
use crate::pages::headers;
use crate::session::{self, SignedIn};

/// Readers of the whole ledger at once: each reads every segment.
static READERS: Semaphore = Semaphore::const_new(1);

/// Somebody whose role allows what was asked for.
pub(super) struct Desk {
    /// The door.
    pub(super) door: Arc<Door>,
    /// Who it is.
    pub(super) who: SignedIn,
}

/// What was asked for.
pub(super) struct Asked {
    path: String,
    query: Form,
    form: Form,
}

impl Asked {
    /// The last part of the path: an id.
    pub(super) fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or("")
    }

    /// A parameter of the address.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        filled(&self.query, name)
    }

    /// A field of the form that was filled in.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        filled(&self.form, name)
    }

    /// Whether a box was ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.field(name) == Some("on")
    }
}

fn filled<'f>(form: &'f Form, name: &str) -> Option<&'f str> {
    Some(form.text(name).trim()).filter(|text| !text.is_empty())
}

/// What became of it.
pub(super) enum Done {
    /// This page.
    Page(View),
    /// It is done; the page at this path shows it, with these words.
    Moved {
        /// The path.
        path: String,
        /// The words.
        words: &'static str,
    },
}

impl Done {
    /// It is done; the page at `path` shows it, with `words`.
    pub(super) fn to(path: impl Into<String>, words: &'static str) -> Self {
        Self::Moved { path: path.into(), words }
    }
}

/// Why it was not done, in an operator's words.
#[derive(Debug)]
pub(super) struct Trouble {
    status: StatusCode,
    words: String,
}

impl Trouble {
    /// There is no such thing.
    pub(super) fn nothing_there() -> Self {
        Self { status: StatusCode::NOT_FOUND, words: "There is nothing here.".to_owned() }
    }

    /// What was filled in cannot be meant.
    pub(super) fn invalid(words: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, words: words.into() }
    }

    /// The role does not allow it.
    fn not_allowed() -> Self {
        let words = "Your role does not allow this. An owner gives roles.".to_owned();
        Self { status: StatusCode::FORBIDDEN, words }
    }

    /// It was refused, in these words.
    pub(super) fn refused(words: String) -> Self {
        Self { status: StatusCode::CONFLICT, words }
    }

    /// The door answered what it should not.
    pub(super) fn unexpected() -> Self {
        let words = "The door could not answer this. Its log says why.".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, words }
    }
}

impl From<AdminError> for Trouble {
    fn from(error: AdminError) -> Self {
        let status = match error.kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, words: error.to_string() }
    }
}
impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the admin page cannot read the store");
        Self::unexpected()
    }
}
impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        tracing::error!(%error, "the admin page cannot read the ledger");
        Self::unexpected()
    }
}

/// Opens the desk for whoever asks, if the role allows `action`.
///
/// # Errors
/// The answer: to the sign-in page, or no.
pub(super) async fn open(
    door: &Arc<Door>,
    action: Action,
    request: Request,
) -> Result<(Desk, Asked), Box<Response>> {
    let (head, body) = request.into_parts();
    let Some(who) = session::signed_in(door, Purpose::Admin, &head.headers) else {
        return Err(Box::new(to_sign_in(&head.method)));
    };
    let desk = Desk { door: door.clone(), who };
    let refused = |trouble: Trouble| Box::new(desk.trouble(&trouble));
    if !desk.may(action) {
        return Err(refused(Trouble::not_allowed()));
    }
    let mut form = Form::default();
    if head.method == http::Method::POST {
        same_origin(door, Purpose::Admin, &head.headers)
            .map_err(|_| refused(Trouble::invalid("The form did not come from this page.")))?;
        form = forms::read_form(door, &head.headers, body)
            .await
            .map_err(|_| refused(Trouble::invalid("The form cannot be read.")))?;
    }
    let query = forms::parse(head.uri.query().unwrap_or("").as_bytes());
    let query = query.map_err(|_| refused(Trouble::invalid("The address cannot be read.")))?;
    let path = head.uri.path().to_owned();
    Ok((desk, Asked { path, query, form }))
}

/// Without a session a page leads to sign-in; what a script asks for is refused.
fn to_sign_in(method: &http::Method) -> Response {
    let mut response = Response::new(Body::empty());
    if *method == http::Method::GET {
        *response.status_mut() = StatusCode::SEE_OTHER;
        response.headers_mut().insert(LOCATION, HeaderValue::from_static("/sign-in"));
    } else {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    response
}

impl Desk {
    /// Whether the role allows `action`.
    pub(super) fn may(&self, action: Action) -> bool {
        allows(self.who.role, action)
    }

    /// Holds that the role allows `action`.
    pub(super) fn must(&self, action: Action) -> Result<(), Trouble> {
        if self.may(action) { Ok(()) } else { Err(Trouble::not_allowed()) }
    }

    /// Carries out an operation on people and keys, with who asked in the ledger.
    pub(super) async fn ask(&self, request: Operation) -> Result<Reply, Trouble> {
        Ok(operate_by(&self.door, Some(&self.who.account.public_id), request).await?)
    }

    /// Carries out an operation on the inbox of findings.
    pub(super) async fn inbox(&self, request: InboxRequest) -> Result<InboxReply, Trouble> {
        let now = self.door.clock.now();
        Ok(self.door.findings.ask(Some(&self.door.ledger), &self.door.rules, request, now).await?)
    }

    /// Carries out an operation on rules.
    pub(super) async fn rule(&self, request: RuleRequest) -> Result<RuleReply, Trouble> {
        Ok(crate::operate::rule(&self.door, request).await?)
    }

    /// Carries out an operation on the gate.
    pub(super) async fn gate(&self, request: GateRequest) -> Result<GateReply, Trouble> {
        Ok(crate::gate::ask(&self.door, request).await?)
    }

    /// How the door does now.
    pub(super) fn status(&self) -> Status {
        control::now(&self.door)
    }

    /// The report of an incident, where the program around the door tells it.
    pub(super) fn told(&self, story: &Story) -> Option<String> {
        self.door.program.get().map(|program| program.tell(story))
    }

    /// Where the ledger's files are, and what opens them.
    pub(super) fn ledger_files(&self) -> (PathBuf, Vault) {
        (self.door.ledger.directory().to_owned(), self.door.vault.clone())
    }

    /// Runs a reader of the ledger's files beside the requests, one at a time.
    pub(super) async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let _turn = READERS.acquire().await.map_err(|_| Trouble::unexpected())?;
        let read = tokio::task::spawn_blocking(read).await;
        Ok(read.map_err(|_| Trouble::unexpected())??)
    }

    /// The public id of everybody that the ledger may name.
    pub(super) async fn names(&self) -> Result<Names, Trouble> {
        Ok(names(self.door.people.as_ref()).await?)
    }

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

    fn trouble(&self, trouble: &Trouble) -> Response {
        let view = View::new("That did not work", trouble.words.clone());
        let nothing = Asked { path: String::new(), query: Form::default(), form: Form::default() };
        self.page(trouble.status, &view, &nothing, false)
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
            style: crate::pages::assets::path("pages.css"),
            charts: crate::pages::assets::path("admin.css"),
            script: live.then(|| crate::pages::assets::path("admin.js")),
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
