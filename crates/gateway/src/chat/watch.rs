//! Watching an answer: server-sent events (WHATWG HTML, 9.2) from any place in
//! it on. A watcher holds a number and no text: however slowly it reads, the
//! answer does not wait for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use surgewall_core::refusal::Refusal;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::call::Asked;
use super::job::{Done, Ended, Fault, Job, Standing, Watcher};
use super::owner::Owner;
use super::said::{Piece, Voice};
use super::ticket;
use crate::door::Door;
use crate::listen::Purpose;
use crate::session::holds;

/// Between two words of where an answer stands that waits; and a sign of life
/// for proxies while a model is silent.
const BEAT: Duration = Duration::from_secs(2);
/// How soon a browser comes again, in milliseconds.
const RETRY_MS: u64 = 500;
/// A comment: no event.
const SIGN_OF_LIFE: Bytes = Bytes::from_static(b":\n\n");
/// What the number of the last event ends with: whoever has it has everything.
const LAST: &str = ".end";

/// Where a watcher goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From {
    /// At this number.
    At(u64),
    /// It has everything.
    End,
}

/// What `Last-Event-ID` says. One that the door never gave is a beginning.
fn last_event(headers: &HeaderMap) -> From {
    let id = headers.get("last-event-id").and_then(|value| value.to_str().ok()).unwrap_or("");
    if id.ends_with(LAST) {
        return From::End;
    }
    From::At(id.parse().unwrap_or(0))
}

/// The stream of `watcher`, from where the heads of `asked` say.
fn stream(asked: &Asked<'_>, watcher: Watcher) -> Response {
    let at = match last_event(&asked.head.headers) {
        From::At(at) => at,
        From::End if matches!(watcher.job.standing(), Standing::Ended(_)) => {
            // The one answer after which a browser does not come again.
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
        // It was begun again since.
        From::End => 0,
    };
    if at > 0 {
        asked.door.metrics.people.answer_resumed();
    }
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let of_account = matches!(watcher.job.owner, Owner::Account(_));
    let session = asked.asker.session.filter(|_| of_account);
    let door = asked.door.clone();
    let watch = Watch { door, watcher, session, at, told: Told::Nothing, beat };
    let events = unfold(Some(watch), |watch| async move {
        let mut watch = watch?;
        let (bytes, goes_on) = watch.next().await;
        Some((Ok::<Bytes, Infallible>(bytes), goes_on.then_some(watch)))
    });
    let mut response = Response::new(Body::from_stream(events));
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx holds streams back otherwise.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    head.insert(unbuffered, HeaderValue::from_static("no"));
    response
}

/// What a watcher was told besides text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Queued,
    Started,
}

/// One watcher.
struct Watch {
    door: Arc<Door>,
    watcher: Watcher,
    /// The session by which it watches; none for a visitor's answer.
    session: Option<[u8; 32]>,
    /// Where it goes on.
    at: u64,
    told: Told,
    beat: Interval,
}

impl Watch {
    fn job(&self) -> &Job {
        &self.watcher.job
    }

    /// Whether whoever watches still may.
    fn holds(&self) -> bool {
        self.session.is_none_or(|session| holds(&self.door, Purpose::Public, &session))
    }

    /// The next event, and whether one may follow.
    async fn next(&mut self) -> (Bytes, bool) {
        loop {
            // With the session, at each event and at each beat.
            if !self.holds() {
                return (SIGN_OF_LIFE, false);
            }
            // Before looking: what changes meanwhile is not missed.
            self.watcher.changed.mark_unchanged();
            let standing = self.job().standing();
            if let Some(event) = self.standing(&standing) {
                return (event, true);
            }
            if let Some((piece, next)) = self.job().piece(self.at) {
                self.at = next;
                return (said(next, &piece), true);
            }
            if let Standing::Ended(ended) = standing {
                return (last(self.job(), self.at, &ended), false);
            }
            tokio::select! {
                // The sender lives as long as the job.
                _ = self.watcher.changed.changed() => {}
                _ = self.beat.tick() => match self.told {
                    Told::Queued => self.told = Told::Nothing,
                    Told::Nothing => {}
                    Told::Started => return (SIGN_OF_LIFE, true),
                },
            }
        }
    }

    /// What is to be told of how the answer stands, if that is new.
    fn standing(&mut self, standing: &Standing) -> Option<Bytes> {
        match standing {
            Standing::Queued(place) if self.told == Told::Nothing => {
                let data = ticket::place(ticket::reason_now(&self.door), place.as_ref()?);
                self.told = Told::Queued;
                self.beat.reset();
                Some(event(&self.at.to_string(), "queued", &data))
            }
            Standing::Running | Standing::Ended(Ended::Done(_)) if self.told != Told::Started => {
                self.told = Told::Started;
                let data = json!({"model": self.job().model});
                Some(event(&self.at.to_string(), "started", &data))
            }
            _ => None,
        }
    }
}

fn said(next: u64, piece: &Piece) -> Bytes {
    let id = next.to_string();
    match piece {
        Piece::Said(Voice::Thinking, text) => event(&id, "thinking", &json!({"text": text})),
        Piece::Said(Voice::Text, text) => event(&id, "text", &json!({"text": text})),
        Piece::Withheld(tombstone) => {
            let data = json!({
                "rule": tombstone.rule, "reason": tombstone.reason, "advice": tombstone.advice,
            });
            event(&id, "withheld", &data)
        }
    }
}

fn last(job: &Job, at: u64, ended: &Ended) -> Bytes {
    let id = format!("{at}{LAST}");
    match ended {
        Ended::Done(done) => event(&id, "done", &of_done(job, done)),
        Ended::Failed(fault) => {
            let mut data = of_fault(fault);
            data["kept"] = Value::Bool(true);
            event(&id, "failed", &data)
        }
    }
}

fn of_done(job: &Job, done: &Done) -> Value {
    let usage = done
        .usage
        .map(|usage| json!({"input": usage.input, "cached": usage.cached, "output": usage.output}));
    let mut data = json!({
        "message": done.message, "state": done.state, "request_id": job.request_id(), "usage": usage,
    });
    if let Some(fault) = &done.fault {
        data["error"] = of_fault(fault);
    }
    data
}

fn of_fault(fault: &Fault) -> Value {
    let mut data = json!({"code": fault.code, "message": fault.message});
    if let Some(seconds) = fault.retry_after_s {
        data["retry_after_s"] = seconds.into();
    }
    data
}

/// One event. JSON has no line ends outside of strings, and none inside.
fn event(id: &str, name: &str, data: &Value) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(format!("id: {id}\nretry: {RETRY_MS}\nevent: {name}\n").as_bytes());
    out.put_slice(b"data: ");
    out.put_slice(data.to_string().as_bytes());
    out.put_slice(b"\n\n");
    out.freeze()
}

/// Watches `job` for the page that asked.
///
/// # Errors
/// As many watch it as may.
pub(super) fn attach(asked: &Asked<'_>, job: &Arc<Job>) -> Result<Response, Refusal> {
    Ok(stream(asked, job.watch(asked.door)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_goes_on_where_its_last_event_was() {
        let check = |id: Option<&str>, expected: From| {
            let mut headers = HeaderMap::new();
            if let Some(id) = id {
                headers.insert("last-event-id", id.parse().unwrap());
            }
            assert_eq!(last_event(&headers), expected, "{id:?}");
        };
        check(None, From::At(0));
        check(Some("17"), From::At(17));
        check(Some("17.end"), From::End);
        check(Some("-1"), From::At(0));
        check(Some("99999999999999999999"), From::At(0));
        check(Some("x"), From::At(0));
    }

    #[test]
    fn an_event_is_one_line_of_data() {
        let event = event("3", "text", &json!({"text": "a\r\n\u{2028}b"}));
        let text = String::from_utf8(event.to_vec()).unwrap();
        assert_eq!(
            text,
            "id: 3\nretry: 500\nevent: text\ndata: {\"text\":\"a\\r\\n\u{2028}b\"}\n\n"
        );
    }
}
