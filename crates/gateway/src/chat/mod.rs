//! The chat: what its page calls under `/app/`, and the answers behind it.
//!
//! An answer is a job of the door (`job`). Its task (`run`) asks the model
//! through the very pipeline that serves the API, and pages watch it
//! (`watch`) from any place in it on. What is said goes to the store about
//! once a second and becomes a message at its end; a visitor's is kept by nobody.
//!
//! Whose a thing is stands in the key under which it is found: what is somebody
//! else's is not there, on any route, for anybody. Roles do not count here:
//! nobody reads a person's conversations but the person.

mod call;
mod conversations;
mod export;
mod job;
mod jobs;
pub mod limits;
pub(crate) mod lite;
mod me;
mod notices;
mod owner;
mod prompt;
mod reply;
mod run;
mod said;
mod search;
mod send;
mod shares;
mod ticket;
mod watch;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use surgewall_core::refusal::Refusal;
use surgewall_wire::{ClientDialect, Endpoint};
use tokio::sync::Semaphore;

use crate::door::Door;
use crate::listen::Purpose;
use crate::pages::forms::same_origin;
use crate::pipeline::{Arrival, identify};
use crate::routes::api;
use crate::routes::table::{Access, Handler, Route};

pub use call::Call;
pub use lite::LitePage;
pub use reply::refused;

pub(crate) use jobs::watch as look_after;

use call::{Answered, Asked};
use jobs::Jobs;
use owner::Asker;

/// What an answer of the chat is to the pipeline: a call of the API in OpenAI's
/// dialect that came by no route of the API.
pub(crate) static ANSWER: Route = Route {
    listener: Purpose::Public,
    method: "POST",
    path: "/app/answers",
    handler: Handler::Api(Endpoint::Chat),
    dialect: ClientDialect::OpenAi,
    access: Access::Visitor,
    family: "chat",
};

/// The chat's part of a door.
pub struct Chat {
    pub(crate) jobs: Jobs,
    /// Searches and exports at once.
    heavy: Semaphore,
}

impl Default for Chat {
    fn default() -> Self {
        Self { jobs: Jobs::default(), heavy: Semaphore::new(limits::HEAVY_AT_ONCE_MAX) }
    }
}

impl Chat {
    /// Answers that are under way, and how many of these nobody watches.
    #[must_use]
    pub fn under_way(&self) -> (u64, u64) {
        self.jobs.under_way()
    }

    /// Answers that are held in memory, and what they count there in bytes.
    #[must_use]
    pub fn sizes(&self) -> (usize, u64) {
        self.jobs.sizes()
    }
}

/// Answers a call of the page.
pub(crate) async fn handle(
    door: Arc<Door>,
    route: &'static Route,
    call: Call,
    request: Request,
) -> Response {
    let arrival = match api::arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    let (head, body) = request.into_parts();
    let answered = async {
        let asked = asked(&door, &arrival, head, call.changes()).await?;
        if route.access == Access::Session {
            // Nothing is read of a body that nobody may send.
            asked.asker.account()?;
        }
        Box::pin(answer(&asked, call, body)).await
    };
    api::answer(&door, &arrival, answered).await
}

/// Who asks for what, from a page that may.
///
/// # Errors
/// It changes something and comes from elsewhere, or its path is none.
async fn asked<'a>(
    door: &'a Arc<Door>,
    arrival: &'a Arc<Arrival>,
    head: Parts,
    changes: bool,
) -> Result<Asked<'a>, Refusal> {
    if changes {
        // Before anything is read: another site's page changes nothing here.
        same_origin(door, arrival.route.listener, &head.headers)?;
    }
    let asker = Asker::read(door, &head.headers);
    if let Some(account) = &asker.account {
        // The connection is no stranger's any more.
        let _ = identify::of_session(door, arrival, Some(account.clone()));
    }
    Asked::new(door, arrival, asker, head).await
}

async fn answer(asked: &Asked<'_>, call: Call, body: axum::body::Body) -> Answered {
    match call {
        Call::Me => me::show(asked).await,
        Call::Read => notices::read(asked).await,
        Call::List => conversations::list(asked).await,
        Call::Create => conversations::create(asked, body).await,
        Call::Show => conversations::show(asked).await,
        Call::Messages => conversations::messages(asked).await,
        Call::Edit => conversations::edit(asked, body).await,
        Call::Delete => conversations::delete(asked).await,
        Call::Draft => conversations::draft(asked, body).await,
        Call::Attachments => conversations::attachments(asked).await,
        Call::Export => export::export(asked).await,
        Call::Search => search::search(asked).await,
        Call::Share => shares::share(asked, body).await,
        Call::Shares => shares::list(asked).await,
        Call::Unshare => shares::unshare(asked).await,
        Call::Shared => shares::shared(asked).await,
        Call::Send => send::message(asked, body).await,
        Call::Answer => send::answer(asked, body).await,
        Call::Ask => send::ask(asked, body).await,
        Call::Watch => {
            let job = find(asked)?;
            watch::attach(asked, &job)
        }
        Call::Stop => {
            find(asked)?.stop_by_owner();
            Ok(reply::nothing())
        }
        Call::Ticket => {
            let job = find(asked)?;
            reply::json(StatusCode::OK, &ticket::of(asked.door, &job))
        }
    }
}

/// The answer in the path, if it is the caller's own. Asked at every attach.
fn find(asked: &Asked<'_>) -> Result<Arc<job::Job>, Refusal> {
    asked.door.chat.jobs.find(asked.asker.owners(), asked.answer_id()?)
}
