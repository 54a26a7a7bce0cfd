//! From ended traces to the collector: OTLP over HTTP, in protobuf.
//!
//! Requests only put their spans in a bounded queue. One task sends them in
//! batches; what cannot be delivered is dropped and counted, never waited for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus_client::metrics::counter::Counter;
use prost::Message as _;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::door::Door;
use crate::metrics::Metrics;

/// Ended traces that wait to be sent; each has at most five spans.
const TRACES_QUEUED_MAX: usize = 2_048;
/// Traces in one message.
const TRACES_PER_BATCH_MAX: usize = 256;
/// How long a trace waits for others to go with.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// For one message and the collector's answer.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Times that one message is sent, before it is given up.
const SENDS_MAX: u32 = 5;
/// Before a message is sent again; doubled each time.
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// For what is left when the door stops.
const FLUSH_PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of a collector's answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Where a collector takes traces, below its base address.
const PATH: &str = "/v1/traces";
/// The conventions that the attributes' names are of.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Where traces begin, and where they wait to be sent.
pub struct Tracer {
    queue: Queue,
    outbox: Mutex<Outbox>,
}

impl Tracer {
    /// A tracer with an empty queue.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let (sender, receiver) = mpsc::channel(TRACES_QUEUED_MAX);
        Self {
            queue: Queue { sender, dropped: metrics.spans("queue_full") },
            outbox: Mutex::new(Outbox::new(receiver)),
        }
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }
}

/// Where ended traces are put.
#[derive(Clone)]
pub(super) struct Queue {
    sender: mpsc::Sender<Vec<Span>>,
    dropped: Counter,
}

impl Queue {
    /// Puts an ended trace in the queue, or drops it where that is full.
    pub(super) fn put(&self, spans: Vec<Span>) {
        if let Err(refused) = self.sender.try_send(spans) {
            self.dropped.inc_by(refused.into_inner().len() as u64);
        }
    }
}

/// Sends what comes, until the door closes.
pub fn start(door: &Arc<Door>) {
    let own = door.clone();
    door.tasks.background(async move {
        let mut outbox = own.tracer.outbox.lock().await;
        loop {
            outbox.gather().await;
            outbox.deliver(&own).await;
        }
    });
}

/// Sends what is left once the door is closed, within a few seconds.
pub async fn flush(door: &Door) {
    let flushed = async {
        // Free as soon as the task of `start` is cut off.
        let mut outbox = door.tracer.outbox.lock().await;
        while outbox.take_what_is_there() {
            if outbox.send(door).await.is_err() {
                return false;
            }
        }
        true
    };
    if !matches!(timeout(FLUSH_PATIENCE, flushed).await, Ok(true)) {
        tracing::warn!("the last traces could not be delivered");
    }
}

/// A message to the collector.
struct Packed {
    body: Bytes,
    spans: u64,
}

/// Why a message was not delivered.
enum Undelivered {
    /// The collector is not there or not ready: it may take the message later.
    Later,
    /// It never will.
    Never,
}

/// What is on its way to the collector.
struct Outbox {
    receiver: mpsc::Receiver<Vec<Span>>,
    batch: Vec<Vec<Span>>,
    /// What was not delivered yet: it outlives a task that is cut off.
    message: Option<Packed>,
    client: Option<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

impl Outbox {
    const fn new(receiver: mpsc::Receiver<Vec<Span>>) -> Self {
        Self { receiver, batch: Vec::new(), message: None, client: None }
    }

    /// Waits for a trace, and a while for others to go with it.
    async fn gather(&mut self) {
        let mut until = None;
        while self.batch.len() < TRACES_PER_BATCH_MAX {
            let room = TRACES_PER_BATCH_MAX - self.batch.len();
            let more = self.receiver.recv_many(&mut self.batch, room);
            match until {
                None => _ = more.await,
                Some(until) if timeout_at(until, more).await.is_err() => break,
                Some(_) => {}
            }
            until.get_or_insert_with(|| Instant::now() + BATCH_WAIT);
        }
        self.pack();
    }

    /// The next message of what is there, if anything is.
    fn take_what_is_there(&mut self) -> bool {
        if self.message.is_none() {
            while self.batch.len() < TRACES_PER_BATCH_MAX
                && let Ok(trace) = self.receiver.try_recv()
            {
                self.batch.push(trace);
            }
            self.pack();
        }
        self.message.is_some()
    }

    fn pack(&mut self) {
        let spans: Vec<Span> = self.batch.drain(..).flatten().collect();
        if !spans.is_empty() {
            let count = spans.len() as u64;
            let body = Bytes::from(message(spans).encode_to_vec());
            self.message = Some(Packed { body, spans: count });
        }
    }

    /// Sends the message, again if the collector is not ready, and drops it in the end.
    async fn deliver(&mut self, door: &Door) {
        let mut wait = RETRY_WAIT;
        for nth in 1..=SENDS_MAX {
            match self.send(door).await {
                Ok(()) => return,
                Err(Undelivered::Later) if nth < SENDS_MAX => sleep(wait).await,
                Err(_) => break,
            }
            wait *= 2;
        }
        if let Some(message) = self.message.take() {
            door.metrics.spans("undelivered").inc_by(message.spans);
            tracing::warn!(spans = message.spans, "traces could not be delivered and are dropped");
        }
    }

    /// Sends the message once; it is gone if the collector took it.
    async fn send(&mut self, door: &Door) -> Result<(), Undelivered> {
        let Some(message) = &self.message else { return Ok(()) };
        let (body, spans) = (message.body.clone(), message.spans);
        let policy = door.policy();
        let base = policy.config.telemetry.otlp_endpoint.as_deref().ok_or(Undelivered::Never)?;
        let uri: Uri = format!("{}{PATH}", base.trim_end_matches('/'))
            .parse()
            .map_err(|_| Undelivered::Never)?;
        if self.client.is_none() {
            self.client = Some(client()?);
        }
        let client = self.client.as_ref().ok_or(Undelivered::Never)?;
        let sent = timeout(SEND_TIMEOUT, post(client, uri, body)).await;
        let rejected = sent.map_err(|_| Undelivered::Later)??.min(spans);
        door.metrics.spans("delivered").inc_by(spans - rejected);
        door.metrics.spans("rejected").inc_by(rejected);
        self.message = None;
        Ok(())
    }
}

fn client() -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Undelivered> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let https = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(provider)
        .map_err(|_| Undelivered::Never)?
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    let timer = TokioTimer::new();
    Ok(Client::builder(TokioExecutor::new()).pool_timer(timer).build(https))
}

/// Sends one message; how many of its spans the collector says it did not take.
async fn post(
    client: &Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    body: Bytes,
) -> Result<u64, Undelivered> {
    let mut request = Request::post(uri).body(Full::new(body)).map_err(|_| Undelivered::Never)?;
    let protobuf = HeaderValue::from_static("application/x-protobuf");
    request.headers_mut().insert(CONTENT_TYPE, protobuf);
    let head = client.request(request).await.map_err(|_| Undelivered::Later)?;
    let status = head.status();
    #[expect(clippy::disallowed_methods, reason = "limited by ANSWER_BYTES_MAX")]
    let answer = Limited::new(head.into_body(), ANSWER_BYTES_MAX).collect().await;
    match status {
        _ if status.is_success() => {}
        // The statuses that the protocol lists as worth another try.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => return Err(Undelivered::Later),
        _ => return Err(Undelivered::Never),
    }
    // The spans are there; an answer that cannot be read changes nothing of that.
    let answer = answer.map(|body| ExportTraceServiceResponse::decode(body.to_bytes()));
    let partial = answer.ok().and_then(Result::ok).and_then(|answer| answer.partial_success);
    Ok(partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0)))
}

fn message(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let attribute = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    };
    let version = env!("CARGO_PKG_VERSION");
    let attributes =
        vec![attribute("service.name", "surgewall"), attribute("service.version", version)];
    let scope = InstrumentationScope {
        name: "surgewall".to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    let schema_url = SCHEMA.to_owned();
    let scope_spans =
        vec![ScopeSpans { scope: Some(scope), spans, schema_url: schema_url.clone() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, schema_url }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(metrics: &Metrics) -> u64 {
        metrics.spans("queue_full").get()
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_has_an_end_and_what_does_not_fit_is_counted() {
        let metrics = Metrics::new();
        let tracer = Tracer::new(&metrics);
        let trace = || vec![Span::default(), Span::default()];
        for _ in 0..TRACES_QUEUED_MAX {
            tracer.queue().put(trace());
        }
        assert_eq!(dropped(&metrics), 0);
        tracer.queue().put(trace());
        assert_eq!(dropped(&metrics), 2);
        // A batch is full at its limit, and the rest is for the next one.
        let mut outbox = tracer.outbox.lock().await;
        outbox.gather().await;
        let packed = outbox.message.take().unwrap();
        assert_eq!(packed.spans, 2 * TRACES_PER_BATCH_MAX as u64);
        let sent = ExportTraceServiceRequest::decode(packed.body).unwrap();
        assert_eq!(sent.resource_spans[0].scope_spans[0].spans.len(), 2 * TRACES_PER_BATCH_MAX);
        tracer.queue().put(trace());
        assert_eq!(dropped(&metrics), 2, "there is room again");
        let mut left = 0;
        while outbox.take_what_is_there() {
            left += outbox.message.take().unwrap().spans;
        }
        assert_eq!(left, 2 * (TRACES_QUEUED_MAX - TRACES_PER_BATCH_MAX + 1) as u64);
    }
}
