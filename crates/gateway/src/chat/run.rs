//! The task behind one answer. It asks the model through the pipeline, as any
//! call of the API, reads what comes as fast as it comes, and ends the message
//! exactly once, whoever watches.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName};
use http_body_util::BodyExt as _;
use surgewall_core::clock::Timestamp;
use surgewall_core::principal::AccountRecord;
use surgewall_core::refusal::{Refusal, UpstreamFault};
use surgewall_core::usage::Usage;
use surgewall_store::conversations::{ConversationError, Own, State};
use surgewall_store::sqlite::Sqlite;
use surgewall_wire::said::{Delta, Deltas};

use super::job::{Done, Ended, Fault, Job, Kept};
use super::owner::Owner;
use super::said::Voice;
use crate::door::Door;
use crate::listen::Peer;
use crate::pipeline::{self, Arrival, identify};
use crate::refuse::Refused;

/// Headers of a page's call that count for its answer: where a browser says the
/// call comes from, and what a visitor did to come sooner.
const COUNTED: [HeaderName; 2] =
    [HeaderName::from_static("sec-fetch-site"), HeaderName::from_static("x-surgewall-effort")];

/// What an answer is asked with.
pub(super) struct Order {
    /// Whose account pays; `None` is a visitor's network.
    pub(super) account: Option<Arc<AccountRecord>>,
    /// Where the call came from.
    pub(super) peer: SocketAddr,
    /// Its headers that count.
    headers: HeaderMap,
    body: Bytes,
}

impl Order {
    /// `body`, as the page whose call had `headers` asks for it.
    pub(super) fn new(
        account: Option<Arc<AccountRecord>>,
        arrival: &Arrival,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Self {
        let peer = SocketAddr::new(arrival.address, arrival.peer.address.port());
        let mut counted = HeaderMap::new();
        for name in COUNTED {
            if let Some(value) = headers.get(&name) {
                counted.insert(name, value.clone());
            }
        }
        counted.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        counted.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        Self { account, peer, headers: counted, body }
    }
}

/// How the asking went.
enum Outcome {
    /// The model said all that it had to say.
    Whole(Option<Usage>),
    /// It was stopped.
    Stopped,
    /// It did not come, or broke off.
    Broke(Fault, Option<Usage>),
}

/// Runs `job` on the tracked task set: a drain waits for it.
pub(super) fn start(door: &Arc<Door>, job: Arc<Job>, order: Order) {
    let running = door.clone();
    door.tasks.connection(async move {
        let asked = AssertUnwindSafe(ask(&running, &job, order)).catch_unwind().await;
        let outcome = asked.unwrap_or_else(|_| {
            let refusal = Refusal::Internal { why: "a panic in an answer".into() };
            tracing::error!(reason = %refusal, "an answer of the chat");
            Outcome::Broke(Fault::from(&refusal), None)
        });
        let ended = conclude(&running, &job, outcome).await;
        job.end(ended, running.clock.monotonic());
    });
}

async fn ask(door: &Arc<Door>, job: &Arc<Job>, order: Order) -> Outcome {
    let Order { account, peer, headers, body } = order;
    let peer = Arc::new(Peer {
        address: peer,
        network: job.network,
        spoke: AtomicBool::new(true),
        authenticated: AtomicBool::new(true),
        // The connection of the call has its place; an answer outlives it.
        place: Mutex::new(None),
    });
    let arrival = Arc::new(Arrival::new(door, &super::ANSWER, peer, &headers));
    job.runs_under(arrival.request_id);
    let identified = identify::of_session(door, &arrival, account);
    let asked = (&headers, Body::from(body));
    let answer = pipeline::answer(door, &arrival, identified, asked, |spot| job.queued(spot));
    let answered = tokio::select! {
        biased;
        () = job.stopped() => return stopped(job, None),
        answered = Box::pin(answer) => answered,
    };
    match answered {
        Ok(response) => {
            door.metrics.answered(arrival.route, response.status());
            arrival.trace.answered(response.status().as_u16(), arrival.who.get());
            job.started(arrival.request_id);
            read(door, job, response).await
        }
        Err(refusal) => {
            let fault = Fault::from(&refusal);
            refused(door, &arrival, refusal);
            Outcome::Broke(fault, None)
        }
    }
}

/// What the page's own answer cannot say any more is counted and recorded here.
fn refused(door: &Door, arrival: &Arrival, refusal: Refusal) {
    let status = refusal.row().status;
    if let Ok(status) = http::StatusCode::from_u16(status) {
        door.metrics.answered(arrival.route, status);
    }
    arrival.trace.refused(&refusal);
    arrival.trace.answered(status, arrival.who.get());
    let (request_id, network) = (arrival.request_id, arrival.network);
    door.note_refusal(&Refused { request_id, network, who: arrival.who.get().copied(), refusal });
}

/// Stopped by its owner, or by the door because nobody watches.
fn stopped(job: &Job, usage: Option<Usage>) -> Outcome {
    if job.was_stopped_by_owner() {
        return Outcome::Stopped;
    }
    Outcome::Broke(
        Fault {
            code: "unwatched".to_owned(),
            message: "Nobody watched this answer for a long time, so it was stopped.".to_owned(),
            retry_after_s: None,
        },
        usage,
    )
}

/// What was read of a stream.
#[derive(Default)]
struct Reading {
    usage: Option<Usage>,
    /// The model reached its bound of tokens.
    cut: bool,
    whole: bool,
    fault: Option<Fault>,
}

/// Reads the answer to its end. Dropping it is what stops the model.
async fn read(door: &Door, job: &Job, response: Response) -> Outcome {
    let mut body = response.into_body();
    let (mut deltas, mut reading) = (Deltas::default(), Reading::default());
    while reading.fault.is_none() && !reading.whole {
        let frame = tokio::select! {
            biased;
            () = job.stopped() => return stopped(job, reading.usage),
            frame = body.frame() => frame,
        };
        let Some(Ok(frame)) = frame else { break };
        let Ok(bytes) = frame.into_data() else { continue };
        let fed = deltas.feed(&bytes, &mut |delta| take(job, &mut reading, delta));
        if fed.is_err() {
            let garbage = Refusal::StreamBroke { why: UpstreamFault::Garbage };
            reading.fault.get_or_insert_with(|| Fault::from(&garbage));
        }
        if !door.chat.jobs.has_room() {
            reading.fault.get_or_insert_with(no_room);
        }
    }
    let Reading { usage, cut, whole, fault } = reading;
    match fault {
        Some(fault) => Outcome::Broke(fault, usage),
        None if !whole => {
            let broke = Refusal::StreamBroke { why: UpstreamFault::Broke };
            Outcome::Broke(Fault::from(&broke), usage)
        }
        None if cut => Outcome::Broke(length(), usage),
        None => Outcome::Whole(usage),
    }
}

fn take(job: &Job, reading: &mut Reading, delta: Delta<'_>) {
    if reading.fault.is_some() {
        return;
    }
    let said = match delta {
        Delta::Thinking(text) => job.say(Voice::Thinking, text),
        Delta::Text(text) => job.say(Voice::Text, text),
        Delta::Stop(reason) => {
            reading.cut = reason == "length";
            Ok(())
        }
        Delta::Usage(usage) => {
            reading.usage = Some(usage);
            Ok(())
        }
        Delta::Failed(error) => {
            reading.fault = Some(Fault {
                code: error.code.unwrap_or_else(|| "upstream_failed".to_owned()),
                message: error.message.unwrap_or_else(|| "The answer broke off.".to_owned()),
                retry_after_s: None,
            });
            Ok(())
        }
        Delta::End => {
            reading.whole = true;
            Ok(())
        }
    };
    if said.is_err() {
        reading.fault = Some(Fault {
            code: "answer_too_long".to_owned(),
            message: "The answer is longer than a message may be.".to_owned(),
            retry_after_s: None,
        });
    }
}

fn length() -> Fault {
    Fault {
        code: "length".to_owned(),
        message: "The model stopped at the most tokens that it may give.".to_owned(),
        retry_after_s: None,
    }
}

fn no_room() -> Fault {
    Fault {
        code: "overloaded".to_owned(),
        message: "The service holds more answers than it has room for.".to_owned(),
        retry_after_s: Some(1),
    }
}

/// The message ends, exactly once: as whole as it came, or not at all where
/// nothing was said.
async fn conclude(door: &Door, job: &Job, outcome: Outcome) -> Ended {
    let (usage, state, fault) = match outcome {
        Outcome::Whole(usage) => (usage, State::Complete, None),
        Outcome::Stopped => (None, State::Stopped, None),
        Outcome::Broke(fault, usage) => (usage, State::Partial, Some(fault)),
    };
    let has_message = state == State::Complete || job.has_spoken();
    if !has_message && let Some(fault) = fault {
        forget(door, job).await;
        return Ended::Failed(fault);
    }
    let message = match (&job.kept, job.owner) {
        (Some(kept), Owner::Account(account)) if has_message => {
            let own = Own::new(door.people.as_ref(), &door.vault, account);
            let now = door.clock.now();
            match own.finish_answer(kept.conversation, job.id, state, job.body(), now).await {
                Ok(number) => {
                    look_at(&own, kept, number, now).await;
                    Some(number)
                }
                Err(error) => return unkept(&error),
            }
        }
        _ => {
            forget(door, job).await;
            None
        }
    };
    Ended::Done(Done { message, state: word(state), usage, fault })
}

/// Another answer is looked at once it is there, unless its owner looks elsewhere
/// by now. A first answer the store looks at by itself.
async fn look_at(own: &Own<'_, Sqlite>, kept: &Kept, number: u32, now: Timestamp) {
    let moved = async {
        let conversation = own.find(kept.public_id.as_str()).await?;
        if conversation.active == kept.seen {
            own.choose(kept.conversation, number, now).await?;
        }
        Ok::<_, ConversationError>(())
    };
    if let Err(error) = moved.await {
        tracing::warn!(%error, "an answer is there and not looked at");
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Complete => "whole",
        State::Partial => "partial",
        State::Stopped => "stopped",
    }
}

/// What was said stays where its last checkpoint is, and is a message at the
/// next start; or its conversation was deleted meanwhile.
fn unkept(error: &ConversationError) -> Ended {
    let refusal = super::reply::refusal(error);
    tracing::warn!(%error, "an answer could not be kept");
    Ended::Failed(Fault::from(&refusal))
}

async fn forget(door: &Door, job: &Job) {
    let (Some(kept), Owner::Account(account)) = (&job.kept, job.owner) else { return };
    let own = Own::new(door.people.as_ref(), &door.vault, account);
    if let Err(error) = own.forget_answer(kept.conversation, job.id).await {
        tracing::warn!(%error, "an answer that never began could not be forgotten");
    }
}
