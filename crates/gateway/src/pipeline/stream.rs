//! A streamed answer on its way: upstream bytes in, client bytes out, counted
//! as they pass and settled when they end, however they end.
//!
//! The connection asks for the next bytes when it has room for them. A client
//! that reads nothing asks for nothing: such a stream is ended from outside.

use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use surgewall_core::decision::Outcome;
use surgewall_core::refusal::{Refusal, UpstreamFault};
use surgewall_core::usage::{Source, Usage};
use surgewall_shield::admission::pace::Pace;
use surgewall_wire::ClientDialect;
use surgewall_wire::error::ErrorBody;
use surgewall_wire::estimate::{ByteClasses, Correction};
use surgewall_wire::stream::{AnswerStream, StreamFault};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::call::Streamed;
use super::redaction::Restoring;
use super::reservation::Reservation;
use super::settle;
use crate::door::Door;
use crate::open::{Ending, Running};
use crate::sync::lock;
use crate::upstream::{Leased, UpstreamBody};

/// What a stream is, besides its bytes.
pub struct Flow {
    /// The model, as configured.
    pub model: String,
    /// The text of the input, where it is all of the input.
    pub input: Option<ByteClasses>,
    /// The client's dialect, for an error in mid-stream.
    pub dialect: ClientDialect,
}

/// The body of a streamed answer.
pub struct AnswerBody {
    dialect: ClientDialect,
    pipe: Arc<Mutex<Pipe>>,
}

impl AnswerBody {
    /// A body that goes on from `streamed`.
    pub fn new(door: Arc<Door>, streamed: Streamed, reservation: Reservation, flow: Flow) -> Self {
        let (dialect, cell) = (flow.dialect, reservation.cell().clone());
        let pipe = Arc::new(Mutex::new(Pipe::new(door, streamed, reservation, flow)));
        let stream: Weak<Mutex<Pipe>> = Arc::downgrade(&pipe);
        cell.streams(stream);
        Self { dialect, pipe }
    }

    /// What the stream is, for the head of the answer.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        self.dialect.stream_content_type()
    }
}

/// From the upstream to the client.
struct Pipe {
    door: Arc<Door>,
    machine: AnswerStream,
    /// Puts back what was taken out of the request, where something was.
    restorer: Option<Restoring>,
    first: Option<Bytes>,
    rest: Option<(UpstreamBody, Leased)>,
    reservation: Option<Reservation>,
    flow: Flow,
    correction: Correction,
    input_tokens: u64,
    out: BytesMut,
    idle_gap: Duration,
    deadline: Instant,
    /// When the upstream has been silent for too long: comments do not count.
    patient_until: Instant,
    events: u64,
    /// Since when the upstream is waited for, and for how long in all since its last count.
    waiting_since: Option<Instant>,
    waited: Duration,
    pace: Pace,
    timer: Pin<Box<Sleep>>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Pipe {
    fn new(door: Arc<Door>, streamed: Streamed, mut reservation: Reservation, flow: Flow) -> Self {
        reservation.first_byte(settle::OK);
        let Streamed { first, rest, options, first_by, idle_gap, deadline, words } = streamed;
        let restorer = (!words.is_empty()).then(|| Restoring::new(flow.dialect, words));
        let patient_until = deadline.min(first_by);
        Self {
            machine: AnswerStream::new(options),
            restorer,
            first: Some(first),
            rest,
            input_tokens: reservation.input_estimate(),
            reservation: Some(reservation),
            correction: door.estimates.correction(&flow.model),
            out: BytesMut::new(),
            idle_gap,
            deadline,
            patient_until,
            events: 0,
            waiting_since: None,
            waited: Duration::ZERO,
            pace: Pace::default(),
            timer: Box::pin(sleep_until(patient_until)),
            closed: Box::pin(door.tasks.closed()),
            door,
            flow,
        }
    }

    /// The next bytes of the upstream, or why there are none.
    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if self.door.tasks.is_closing() {
            return Poll::Ready(Piece::Drained);
        }
        if let Some(ending) = self.reservation.as_ref().and_then(|open| open.cell().ending()) {
            return Poll::Ready(Piece::Ended(ending.clone()));
        }
        if let Some(first) = self.first.take() {
            return Poll::Ready(Piece::Bytes(first));
        }
        let Some((body, _)) = &mut self.rest else { return Poll::Ready(Piece::End) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(since) = self.waiting_since.take() {
                    self.waited += since.elapsed();
                }
                Poll::Ready(Piece::Bytes(frame.into_data().unwrap_or_default()))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Piece::Broke(UpstreamFault::Broke)),
            Poll::Ready(None) => Poll::Ready(Piece::End),
            Poll::Pending => {
                // The time that the client takes to read is not the upstream's.
                self.waiting_since.get_or_insert_with(Instant::now);
                self.poll_patience(cx)
            }
        }
    }

    /// While the upstream is silent: has it been silent too long, or must all streams end?
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if self.closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Piece::Drained);
        }
        if let Some(open) = &self.reservation
            && let Poll::Ready(ending) = open.cell().poll_ended(cx)
        {
            return Poll::Ready(Piece::Ended(ending.clone()));
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.patient_until <= Instant::now() {
                return Poll::Ready(Piece::Broke(UpstreamFault::Timeout));
            }
            // Events came since the timer was set: it is moved only when it fires.
            let until = self.patient_until;
            self.timer.as_mut().reset(until);
        }
        Poll::Pending
    }

    /// A bug in a translation or a count ends this stream, not the connection's other ones.
    fn take(&mut self, piece: Piece) {
        let request_id = self.reservation.as_ref().map(Reservation::request_id);
        if catch_unwind(AssertUnwindSafe(|| self.judge(piece))).is_ok() {
            return;
        }
        let refusal = Refusal::Internal { why: "a panic in a stream".into() };
        self.broke(&refusal, Outcome::Failed);
        if let Some(id) = request_id
            && !self.machine.is_done()
        {
            // The reservation was dropped, and so settled, on the way: the client must still hear of it.
            let error = ErrorBody::of(self.flow.dialect, &refusal, &id.to_string());
            self.machine.fail(&error, &mut self.out);
        }
    }

    fn judge(&mut self, piece: Piece) {
        match piece {
            Piece::Bytes(bytes) => self.feed(&bytes),
            Piece::End => self.upstream_ended(),
            Piece::Broke(why) => self.broke(&Refusal::StreamBroke { why }, Outcome::UpstreamBroke),
            Piece::Drained => self.broke(&Refusal::Draining, Outcome::Drained),
            Piece::Ended(ending) => self.broke(&ending.refusal(), ending.outcome()),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        if Instant::now() >= self.deadline {
            let refusal = Refusal::StreamBroke { why: UpstreamFault::Timeout };
            self.broke(&refusal, Outcome::UpstreamBroke);
            return;
        }
        let fed = match &mut self.restorer {
            None => self.machine.feed(bytes, &mut self.out),
            Some(restorer) => restorer.feed(&mut self.machine, bytes, &mut self.out),
        };
        self.keep();
        match fed {
            Ok(()) if self.machine.is_done() => self.finish(),
            Ok(()) => self.count(),
            Err(fault) => self.faulty(fault),
        }
    }

    /// Keeps what goes out, where that is asked for. What went out before was taken
    /// from `out` already.
    fn keep(&mut self) {
        if let Some(tap) = self.reservation.as_mut().and_then(Reservation::tap) {
            tap.delivered(&self.out);
        }
    }

    fn upstream_ended(&mut self) {
        let finished = match &mut self.restorer {
            None => self.machine.finish(&mut self.out),
            Some(restorer) => restorer.finish(&mut self.machine, &mut self.out),
        };
        self.keep();
        match finished {
            Ok(()) => self.finish(),
            Err(fault) => self.faulty(fault),
        }
    }

    fn faulty(&mut self, fault: StreamFault) {
        tracing::debug!(%fault, "stream broke");
        let refusal = match fault {
            StreamFault::UpstreamError(said) => {
                let pool = self.rest.as_ref().map(|(_, lease)| lease.pool());
                let message = said
                    .message
                    .map(|text| {
                        pool.map_or_else(|| text.clone(), |pool| pool.without_secrets(&text))
                    })
                    .unwrap_or_else(|| "The model's server broke off.".into());
                Refusal::UpstreamRejected { status: 502, message, code: said.code }
            }
            _ => Refusal::StreamBroke { why: UpstreamFault::Garbage },
        };
        self.broke(&refusal, Outcome::UpstreamBroke);
    }

    /// An error event in the client's dialect, then the end: never a silent one.
    fn broke(&mut self, refusal: &Refusal, outcome: Outcome) {
        let Some(reservation) = self.reservation.take() else { return };
        let request_id = reservation.request_id();
        tracing::info!(%request_id, reason = %refusal, ?outcome, "stream ended early");
        reservation.trace().refused(refusal);
        let error = ErrorBody::of(self.flow.dialect, refusal, &request_id.to_string());
        if let Some(restorer) = &mut self.restorer {
            // What was held back came before the error.
            restorer.let_go(&mut self.out);
        }
        self.machine.fail(&error, &mut self.out);
        if let Some((_, mut lease)) = self.rest.take()
            && outcome == Outcome::UpstreamBroke
        {
            lease.failed();
        }
        reservation.settle_detached(outcome, self.so_far(), Source::Estimated);
    }

    fn finish(&mut self) {
        let Some(reservation) = self.reservation.take() else { return };
        // The upstream may send more after its end mark: nobody reads it.
        self.rest = None;
        let tally = self.machine.tally();
        let (usage, source) = settle::measure(
            &self.door,
            &reservation,
            &self.flow.model,
            &tally,
            self.flow.input.as_ref(),
        );
        reservation.settle_detached(Outcome::Completed, usage, source);
    }

    fn count(&mut self) {
        let events = self.machine.tally().events;
        if events > self.events {
            self.events = events;
            self.patient_until = self.deadline.min(Instant::now() + self.idle_gap);
        }
        let usage = self.so_far();
        let waited = std::mem::take(&mut self.waited);
        if let Some(reservation) = &mut self.reservation {
            reservation.produced(usage.output, waited);
            reservation.count(usage);
        }
    }

    /// What was used so far, by the door's own count.
    fn so_far(&self) -> Usage {
        let output = self.machine.tally().output.answer_tokens(&self.correction);
        Usage { input: self.input_tokens, output, ..Usage::default() }
    }
}

/// What the upstream did, or why it is not heard any further.
enum Piece {
    Bytes(Bytes),
    End,
    Broke(UpstreamFault),
    Drained,
    /// The request was ended from outside.
    Ended(Ending),
}

impl Pipe {
    /// The next bytes for the client.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.pace.asked(self.door.clock.monotonic());
        loop {
            if !self.out.is_empty() {
                self.pace.handed(self.door.clock.monotonic());
                return Poll::Ready(Some(self.out.split().freeze()));
            }
            if self.reservation.is_none() {
                return Poll::Ready(None);
            }
            match self.poll_upstream(cx) {
                Poll::Ready(piece) => self.take(piece),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Running for Mutex<Pipe> {
    fn end(&self, ending: &Ending) {
        lock(self).take(Piece::Ended(ending.clone()));
    }

    fn behind(&self, now: std::time::Instant) -> Duration {
        lock(self).pace.behind(now)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = lock(&self.pipe).poll_next(cx);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
