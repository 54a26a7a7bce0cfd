//! What the double saw and how far each answer came.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Bytes of request bodies that are kept; later bodies are kept empty.
const BODY_BYTES_KEPT_MAX: u64 = 256 << 20;

const RUNNING: u8 = 0;
const FINISHED: u8 = 1;
const FAULTED: u8 = 2;
const ABORTED: u8 = 3;

/// One request as the double saw it, and how far its answer has come.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The `x-request-id` header.
    pub request_id: Option<String>,
    /// The path, without a query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; empty where too much was kept already.
    pub body: Bytes,
    /// When its body was complete.
    pub at: Instant,
    /// Tokens produced so far, reasoning included.
    pub produced: u64,
    /// The answer went out whole.
    pub finished: bool,
    /// The answer failed as the behaviour asked.
    pub faulted: bool,
    /// The client left before the end.
    pub aborted: bool,
}

impl Seen {
    /// The body as JSON; `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's value as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One request, shared between its answer and the records.
pub(super) struct Track {
    path: String,
    headers: HeaderMap,
    body: Bytes,
    at: Instant,
    produced: AtomicU64,
    state: AtomicU8,
}

impl Track {
    fn request_id(&self) -> Option<&str> {
        self.headers.get("x-request-id")?.to_str().ok()
    }

    fn seen(&self) -> Seen {
        let state = self.state.load(Ordering::SeqCst);
        Seen {
            request_id: self.request_id().map(str::to_owned),
            path: self.path.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            at: self.at,
            produced: self.produced.load(Ordering::SeqCst),
            finished: state == FINISHED,
            faulted: state == FAULTED,
            aborted: state == ABORTED,
        }
    }

    fn json(&self) -> Value {
        let seen = self.seen();
        json!({
            "request_id": seen.request_id, "path": seen.path, "produced": seen.produced,
            "finished": seen.finished, "faulted": seen.faulted, "aborted": seen.aborted,
        })
    }
}

/// All records of a double: the newest `max` requests, and sums over all.
pub(super) struct Records {
    max: usize,
    kept: Mutex<VecDeque<Arc<Track>>>,
    body_bytes: AtomicU64,
    total: AtomicU64,
    in_flight: Arc<AtomicUsize>,
    connections: AtomicU64,
}

impl Records {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            kept: Mutex::default(),
            body_bytes: AtomicU64::new(0),
            total: AtomicU64::new(0),
            in_flight: Arc::default(),
            connections: AtomicU64::new(0),
        }
    }

    /// Notes a new connection.
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a request; the guard follows its answer.
    pub(super) fn begin(&self, path: &str, headers: HeaderMap, body: &Bytes) -> Run {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let len = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let keeps =
            self.max > 0 && self.body_bytes.fetch_add(len, Ordering::Relaxed) < BODY_BYTES_KEPT_MAX;
        let track = Arc::new(Track {
            path: path.to_owned(),
            headers,
            body: if keeps { body.clone() } else { Bytes::new() },
            at: Instant::now(),
            produced: AtomicU64::new(0),
            state: AtomicU8::new(RUNNING),
        });
        if self.max > 0 {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= self.max {
                kept.pop_front();
            }
            kept.push_back(Arc::clone(&track));
        }
        Run { track, in_flight: Arc::clone(&self.in_flight) }
    }

    /// All kept requests, oldest first.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|track| track.seen()).collect()
    }

    /// Answers under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Forgets all requests.
    pub(super) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.body_bytes.store(0, Ordering::Relaxed);
    }

    /// What `/double/stats` answers.
    pub(super) fn stats(&self) -> Value {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "total": self.total.load(Ordering::Relaxed),
            "connections": self.connections.load(Ordering::Relaxed),
            "in_flight": self.in_flight(),
            "requests": kept.iter().map(|track| track.json()).collect::<Vec<_>>(),
        })
    }
}

/// Follows one answer: dropped before [`Run::finish`] or [`Run::fail`], the
/// client went away.
pub(super) struct Run {
    track: Arc<Track>,
    in_flight: Arc<AtomicUsize>,
}

impl Run {
    /// `produced` tokens were made so far.
    pub(super) fn produced(&self, produced: u64) {
        self.track.produced.store(produced, Ordering::SeqCst);
    }

    /// The answer is whole.
    pub(super) fn finish(&self) {
        self.end(FINISHED);
    }

    /// The answer failed as it should.
    pub(super) fn fail(&self) {
        self.end(FAULTED);
    }

    fn end(&self, state: u8) {
        // The first end counts: a fault after the client left is no fault.
        let _ =
            self.track.state.compare_exchange(RUNNING, state, Ordering::SeqCst, Ordering::SeqCst);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.end(ABORTED);
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
