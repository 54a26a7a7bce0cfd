//! Who sits before the admin page, what was asked, and the door's answer to it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use surgewall_core::role::{Action, Role, allows, outranks};
use surgewall_store::admin::{AdminError, ErrorKind, Reply, Request as Operation, Signed};
use surgewall_store::findings::{InboxReply, InboxRequest};
use surgewall_store::gate::{GateReply, GateRequest};
use surgewall_store::ledger::read::{Names, ReadError, Story, names};
use surgewall_store::people::StoreError;
use surgewall_store::rules::{RuleReply, RuleRequest};
use surgewall_store::vault::Vault;
use tokio::sync::Semaphore;

use super::view::View;
use crate::control::{self, Status};
use crate::door::Door;
use crate::listen::Purpose;
use crate::operate::{By, operate_by};
use crate::pages::forms::{self, Form, same_origin};
use crate::pages::local_path;
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
#[derive(Default)]
pub(super) struct Asked {
    /// The path.
    pub(super) path: String,
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
    /// The status of the answer.
    pub(super) status: StatusCode,
    /// What the page says.
    pub(super) words: String,
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
    pub(super) fn not_allowed() -> Self {
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
            ErrorKind::NotAllowed => StatusCode::FORBIDDEN,
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
    let posts = head.method == http::Method::POST;
    if posts && action.needs_fresh_proof() && !desk.who.is_recent(door.clock.now()) {
        return Err(Box::new(to_proof(head.uri.path())));
    }
    let mut form = Form::default();
    if posts {
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

/// Where one proves anew who one is, and goes back from to the page at `path`.
fn to_proof(path: &str) -> Response {
    let path = local_path(path).unwrap_or("/");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(&format!("/account/confirm?next={path}")) {
        response.headers_mut().insert(LOCATION, to);
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

    /// Whether the role is above `role`.
    pub(super) fn outranks(&self, role: Role) -> bool {
        outranks(self.who.role, role)
    }

    /// Carries out an operation on people and keys, with who asked in the ledger.
    pub(super) async fn ask(&self, request: Operation) -> Result<Reply, Trouble> {
        Ok(operate_by(&self.door, By::Account(&self.who.account.public_id), request).await?)
    }

    /// The ledger, with who sits here.
    fn signed(&self) -> Signed<'_> {
        Signed::account(&self.door.ledger, &self.who.account.public_id)
    }

    /// Carries out an operation on the inbox of findings.
    pub(super) async fn inbox(&self, request: InboxRequest) -> Result<InboxReply, Trouble> {
        let now = self.door.clock.now();
        Ok(self.door.findings.ask(Some(self.signed()), &self.door.rules, request, now).await?)
    }

    /// Carries out an operation on rules.
    pub(super) async fn rule(&self, request: RuleRequest) -> Result<RuleReply, Trouble> {
        Ok(crate::operate::rule(&self.door, self.signed(), request).await?)
    }

    /// Carries out an operation on the gate.
    pub(super) async fn gate(&self, request: GateRequest) -> Result<GateReply, Trouble> {
        Ok(crate::gate::ask_by(&self.door, self.signed(), request).await?)
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
}
