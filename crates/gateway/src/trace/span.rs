//! One request's spans, from its arrival to its settlement.
//!
//! The messages are the protocol's own. OpenTelemetry's SDK is not used: it
//! reads clocks, randomness and environment variables by itself, which only
//! `surgewall_core` does here, and tells nobody how many spans it dropped.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, Status};
use surgewall_core::clock::Clock;
use surgewall_core::decision::{Outcome, Settled, Who};
use surgewall_core::id::RequestId;
use surgewall_core::refusal::{Refusal, UpstreamFault};
use surgewall_core::usage::Source;
use surgewall_wire::Endpoint;

use super::export::{Queue, Tracer};
use super::parent;
use crate::pipeline::Arrival;
use crate::routes::table::Handler;
use crate::sync::lock;
use crate::upstream::{Backend, Leased, Target, Targets};

/// One request's trace, held by everything that adds to it. It ends, and is
/// handed over for export, when the last of them lets go: whatever happened.
#[derive(Clone)]
pub struct Trace(State);

#[derive(Clone)]
enum State {
    /// No collector is configured, or this is no model call.
    Off,
    /// Not one of those that are traced: the upstream is told so.
    Unsampled(RequestId),
    Sampled(Arc<Live>),
}

/// A trace that is being made.
struct Live {
    clock: Clock,
    started: Instant,
    started_ns: u64,
    request_id: RequestId,
    operation: &'static str,
    queue: Queue,
    spans: Mutex<Spans>,
}

#[derive(Default)]
struct Spans {
    server: Span,
    open: Option<Attempt>,
    ended: Vec<Span>,
    /// Whether the model has a configured name: others are a client's own words.
    is_named: bool,
}

/// A call to an upstream that has not ended.
struct Attempt {
    span: Span,
    started: Instant,
    model: Option<String>,
}

impl Tracer {
    /// The trace of the request that `arrival` tells of, if it is one to trace.
    #[must_use]
    pub fn begin(&self, clock: &Clock, arrival: &Arrival, headers: &HeaderMap) -> Trace {
        let telemetry = &arrival.policy.config.telemetry;
        let Handler::Api(endpoint) = arrival.route.handler else { return Trace::off() };
        if telemetry.otlp_endpoint.is_none() {
            return Trace::off();
        }
        let request_id = arrival.request_id;
        if !is_sampled(request_id, telemetry.sample_ratio) {
            return Trace(State::Unsampled(request_id));
        }
        let operation = operation(endpoint);
        let started_ns = arrival.at.millis().saturating_mul(1_000_000);
        let mut server = span(request_id, 0, operation, SpanKind::Server, started_ns);
        server.links.extend(parent::link(headers));
        set(&mut server, "gen_ai.operation.name", text(operation));
        set(&mut server, "http.request.method", text(arrival.route.method));
        set(&mut server, "http.route", text(arrival.route.path));
        Trace(State::Sampled(Arc::new(Live {
            clock: clock.clone(),
            started: arrival.started,
            started_ns,
            request_id,
            operation,
            queue: self.queue(),
            spans: Mutex::new(Spans { server, ..Spans::default() }),
        })))
    }
}

impl Trace {
    /// No trace.
    #[must_use]
    pub const fn off() -> Self {
        Self(State::Off)
    }

    /// The model is one that the configuration or a server named, or a client's own word.
    pub fn resolved(&self, targets: &Targets) {
        self.change(|live, spans| {
            spans.is_named = targets.is_named();
            if spans.is_named {
                spans.server.name = format!("{} {}", live.operation, targets.asked);
                set(&mut spans.server, "gen_ai.request.model", text(targets.asked.as_str()));
            }
        });
    }

    /// A server of `target` is called.
    pub fn attempt(&self, target: &Target, lease: &Leased) {
        self.change(|live, spans| {
            let nth = spans.ended.len() as u64 + 1;
            let (kind, provider) = match target.pool.backend() {
                Backend::Network(_) => (SpanKind::Client, target.pool.dialect().as_str()),
                Backend::Handbook(_) => (SpanKind::Internal, "surgewall"),
            };
            let started = live.clock.monotonic();
            let mut span = span(live.request_id, nth, live.operation, kind, live.at(started));
            span.parent_span_id = span_id(live.request_id, 0).to_be_bytes().to_vec();
            let model = spans.is_named.then(|| target.model.clone());
            if let Some(model) = &model {
                span.name = format!("{} {model}", live.operation);
                set(&mut span, "gen_ai.request.model", text(model.as_str()));
            }
            set(&mut span, "gen_ai.operation.name", text(live.operation));
            for span in [&mut span, &mut spans.server] {
                set(span, "gen_ai.provider.name", text(provider));
                set(span, "surgewall.upstream", text(target.pool.name()));
            }
            if kind == SpanKind::Client {
                server(&mut span, lease);
            }
            spans.open = Some(Attempt { span, started, model });
        });
    }

    /// What the upstream is told of the trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<HeaderValue> {
        match &self.0 {
            State::Off => None,
            State::Unsampled(id) => parent::header(id.as_u128(), span_id(*id, 0), false),
            State::Sampled(live) => {
                let nth = lock(&live.spans).ended.len() as u64 + 1;
                let id = live.request_id;
                parent::header(id.as_u128(), span_id(id, nth), true)
            }
        }
    }

    /// The server answered: with the first bytes of a stream, or wholly.
    pub fn attempt_answered(&self, is_stream: bool) {
        self.change(|live, spans| {
            let now = live.clock.monotonic();
            let Spans { open: Some(attempt), server, .. } = spans else { return };
            for span in [&mut attempt.span, &mut *server] {
                if let Some(model) = &attempt.model {
                    set(span, "gen_ai.response.model", text(model.as_str()));
                }
            }
            set(&mut attempt.span, "http.response.status_code", Value::IntValue(200));
            if is_stream {
                let passed = now.saturating_duration_since(attempt.started).as_secs_f64();
                let passed = Value::DoubleValue(passed);
                set(&mut attempt.span, "gen_ai.response.time_to_first_chunk", passed);
                let name = "gen_ai.first_chunk".to_owned();
                server.events.push(Event {
                    time_unix_nano: live.at(now),
                    name,
                    ..Event::default()
                });
            }
        });
    }

    /// The server gave no usable answer.
    pub fn attempt_failed(&self, fault: UpstreamFault) {
        self.change(|live, spans| {
            if let Some(attempt) = &mut spans.open {
                failed(&mut attempt.span, fault.as_str());
            }
            end_attempt(live, spans);
        });
    }

    /// The server refused the request itself.
    pub fn attempt_refused(&self, refusal: &Refusal) {
        self.change(|live, spans| {
            if let Some(attempt) = &mut spans.open {
                failed(&mut attempt.span, refusal.row().code);
                if let Refusal::UpstreamRejected { status, .. } = refusal {
                    let status = Value::IntValue(i64::from(*status));
                    set(&mut attempt.span, "http.response.status_code", status);
                }
            }
            end_attempt(live, spans);
        });
    }

    /// The request was settled: what it used, and how it ended.
    pub fn settled(&self, settled: &Settled) {
        self.change(|live, spans| {
            let outcome = settled.outcome.as_str();
            if let (Some(attempt), Outcome::UpstreamBroke) = (&mut spans.open, settled.outcome) {
                failed(&mut attempt.span, outcome);
            }
            let attempt = spans.open.as_mut().map(|attempt| &mut attempt.span);
            for span in attempt.into_iter().chain([&mut spans.server]) {
                set(span, "gen_ai.usage.input_tokens", count(settled.usage.input));
                set(span, "gen_ai.usage.output_tokens", count(settled.usage.output));
                let is_estimated = settled.source == Source::Estimated;
                set(span, "surgewall.usage.estimated", Value::BoolValue(is_estimated));
            }
            set(&mut spans.server, "surgewall.outcome", text(outcome));
            end_attempt(live, spans);
        });
    }

    /// The request was refused, or its stream was ended early.
    pub fn refused(&self, refusal: &Refusal) {
        let row = refusal.row();
        self.change(|_, spans| {
            set(&mut spans.server, "error.type", text(row.code));
            // By the conventions of HTTP a caller's mistake is no error of the server's.
            if row.status >= 500 {
                spans.server.status = Some(error());
            }
        });
    }

    /// The answer's head goes out; who asked is known by now, if ever.
    pub fn answered(&self, status: u16, who: Option<&Who>) {
        self.change(|_, spans| {
            let status = Value::IntValue(i64::from(status));
            set(&mut spans.server, "http.response.status_code", status);
            if let Some(who) = who {
                set(&mut spans.server, "surgewall.class", text(who.class.as_str()));
            }
        });
    }

    fn change(&self, change: impl FnOnce(&Live, &mut Spans)) {
        if let State::Sampled(live) = &self.0 {
            change(live, &mut lock(&live.spans));
        }
    }
}

impl Live {
    /// `instant` in nanoseconds since 1970.
    fn at(&self, instant: Instant) -> u64 {
        let passed = instant.saturating_duration_since(self.started).as_nanos();
        self.started_ns.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut spans = std::mem::take(&mut *lock(&self.spans));
        end_attempt(self, &mut spans);
        let Spans { mut server, mut ended, .. } = spans;
        server.end_time_unix_nano = self.at(self.clock.monotonic());
        ended.push(server);
        self.queue.put(ended);
    }
}

fn end_attempt(live: &Live, spans: &mut Spans) {
    if let Some(Attempt { mut span, .. }) = spans.open.take() {
        span.end_time_unix_nano = live.at(live.clock.monotonic());
        spans.ended.push(span);
    }
}

/// The words of the conventions; counting has none there.
const fn operation(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Chat => "chat",
        Endpoint::Completions => "text_completion",
        Endpoint::Embeddings => "embeddings",
        Endpoint::CountTokens => "count_tokens",
    }
}

/// Decided by bits that nobody but the door chose: the request's random id.
fn is_sampled(id: RequestId, ratio: f64) -> bool {
    let low = u32::try_from(id.as_u128() & u128::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(low) < ratio * 4_294_967_296.0
}

/// The request's own span is its id's lower half; its attempts follow in order.
fn span_id(id: RequestId, nth: u64) -> u64 {
    let low = u64::try_from(id.as_u128() & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    low.max(1).wrapping_add(nth).max(1)
}

fn span(id: RequestId, nth: u64, name: &str, kind: SpanKind, start_ns: u64) -> Span {
    Span {
        trace_id: id.as_u128().to_be_bytes().to_vec(),
        span_id: span_id(id, nth).to_be_bytes().to_vec(),
        // Recorded, and its parent, if it has one, is in this process.
        flags: 1 | (SpanFlags::ContextHasIsRemoteMask as i32).unsigned_abs(),
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: start_ns,
        ..Span::default()
    }
}

/// The server that is called, as configured.
fn server(span: &mut Span, lease: &Leased) {
    let Ok(uri) = lease.uri("/") else { return };
    let Some(host) = uri.host() else { return };
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    set(span, "server.address", text(host));
    let port = i64::from(uri.port_u16().unwrap_or(default));
    set(span, "server.port", Value::IntValue(port));
}

fn failed(span: &mut Span, why: &'static str) {
    set(span, "error.type", text(why));
    span.status = Some(error());
}

fn error() -> Status {
    Status { code: StatusCode::Error.into(), message: String::new() }
}

fn text(text: impl Into<String>) -> Value {
    Value::StringValue(text.into())
}

fn count(count: u64) -> Value {
    Value::IntValue(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Sets an attribute: each stands once in a span.
fn set(span: &mut Span, key: &'static str, value: Value) {
    let value = Some(AnyValue { value: Some(value) });
    match span.attributes.iter_mut().find(|attribute| attribute.key == key) {
        Some(attribute) => attribute.value = value,
        None => {
            span.attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_of_requests_is_traced() {
        let traced = |ratio: f64| {
            let ids = (0..1_000_u128).map(|n| RequestId::from_u128(n * 4_294_967));
            ids.filter(|id| is_sampled(*id, ratio)).count()
        };
        assert_eq!(traced(0.0), 0);
        assert_eq!(traced(1.0), 1_000);
        assert!((245..=255).contains(&traced(0.25)), "{}", traced(0.25));
        let last = RequestId::from_u128(u128::MAX);
        assert!(is_sampled(last, 1.0) && !is_sampled(last, 0.999));
    }

    #[test]
    fn no_span_has_the_id_of_nothing_or_of_another() {
        for low in [0, 1, u64::MAX - 1, u64::MAX] {
            let id = RequestId::from_u128(u128::from(low));
            let ids: Vec<u64> = (0..2).map(|nth| span_id(id, nth)).collect();
            assert!(!ids.contains(&0), "{ids:?}");
            assert_ne!(ids[0], ids[1], "{low}");
        }
    }
}
