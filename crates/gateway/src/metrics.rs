//! Prometheus metrics with typed labels. Every label's values come from tables
//! in the code or from the configuration, so their number is bounded.

mod gate;
mod inbox;
mod labels;
mod pages;
mod people;
mod rules;

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use surgewall_core::config::limits::RuleState;
use surgewall_core::decision::Outcome;
use surgewall_core::refusal::UpstreamFault;
use surgewall_core::usage::Usage;

pub use self::gate::GateMetrics;
use self::inbox::InboxMetrics;
use self::labels::{
    CodeLabel, FateLabel, Fault, FaultLabels, ListenerLabel, ReasonLabel, RequestLabels,
    SettledLabels, TokenLabels, UpstreamLabel,
};
use self::pages::PageMetrics;
pub use self::people::PeopleMetrics;
pub use self::rules::RuleMetrics;
use crate::admission::AdmissionMetrics;
use crate::door::Door;
use crate::listen::Purpose;
use crate::notify::Notify;
use crate::recording::RecordMetrics;
use crate::routes::table::Route;
use crate::upstream::CacheMetrics;

/// Buckets of latencies, in seconds: from half a millisecond to two minutes.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0];

/// What a stranger's unlisted model is called in metrics.
const OTHER_MODEL: &str = "other";

/// Every metric of a door.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    refused: Family<CodeLabel, Counter>,
    first_byte: Histogram,
    settled: Family<SettledLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    faults: Family<FaultLabels, Counter>,
    up: Family<UpstreamLabel, Gauge>,
    available: Family<UpstreamLabel, Gauge>,
    connections: Gauge,
    connections_opened: Family<ListenerLabel, Counter>,
    connections_refused: Family<ReasonLabel, Counter>,
    shadow_hits: Counter,
    /// The operator's rules.
    pub rules: RuleMetrics,
    implausible: Counter,
    spans: Family<FateLabel, Counter>,
    inbox: InboxMetrics,
    /// The gate's own.
    pub gate: GateMetrics,
    /// The servers' caches.
    pub caches: CacheMetrics,
    /// Admission's own.
    pub admission: AdmissionMetrics,
    /// The pages'.
    pub pages: PageMetrics,
    /// Passwords, letters, answers, and what operators are told.
    pub people: PeopleMetrics,
    records: RecordMetrics,
    open: Gauge,
    ledger_writable: Gauge,
    ledger_sequence: Gauge<u64, AtomicU64>,
    ledger_bytes: Gauge<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("surgewall"),
            requests: Family::default(),
            refused: Family::default(),
            first_byte: Histogram::new(SECONDS),
            settled: Family::default(),
            tokens: Family::default(),
            faults: Family::default(),
            up: Family::default(),
            available: Family::default(),
            connections: Gauge::default(),
            connections_opened: Family::default(),
            connections_refused: Family::default(),
            shadow_hits: Counter::default(),
            rules: RuleMetrics::default(),
            implausible: Counter::default(),
            spans: Family::default(),
            inbox: InboxMetrics::default(),
            gate: GateMetrics::default(),
            caches: CacheMetrics::default(),
            admission: AdmissionMetrics::default(),
            pages: PageMetrics::default(),
            people: PeopleMetrics::default(),
            records: RecordMetrics::default(),
            open: Gauge::default(),
            ledger_writable: Gauge::default(),
            ledger_sequence: Gauge::default(),
            ledger_bytes: Gauge::default(),
        };
        metrics.register_requests();
        metrics.register_parts();
        metrics.caches.register(&mut metrics.registry);
        metrics.admission.register(&mut metrics.registry);
        metrics.inbox.register(&mut metrics.registry);
        metrics.pages.register(&mut metrics.registry);
        metrics.people.register(&mut metrics.registry);
        metrics.gate.register(&mut metrics.registry);
        metrics.records.register(&mut metrics.registry);
        metrics.rules.register(&mut metrics.registry);
        metrics
    }

    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Answers by route, dialect and status",
            self.requests.clone(),
        );
        registry.register("refusals", "Requests refused, by code", self.refused.clone());
        registry.register(
            "first_byte_seconds",
            "From a request's arrival to the first byte of its answer, upstream included",
            self.first_byte.clone(),
        );
        registry.register(
            "settled",
            "Requests settled, by model and outcome",
            self.settled.clone(),
        );
        registry.register("tokens", "Tokens settled, by model and kind", self.tokens.clone());
        registry.register("requests_open", "Requests whose reservation is open", self.open.clone());
        registry.register(
            "shadow_limit_hits",
            "Requests that a limit in shadow would have refused",
            self.shadow_hits.clone(),
        );
        registry.register(
            "usage_implausible",
            "Answers whose reported usage could not be true",
            self.implausible.clone(),
        );
        registry.register(
            "trace_spans",
            "Spans of traces, by what became of them",
            self.spans.clone(),
        );
    }

    fn register_parts(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "upstream_faults",
            "Calls to upstreams that failed, by fault",
            self.faults.clone(),
        );
        registry.register(
            "upstream_up",
            "Whether the upstream's last checked server answered its health check",
            self.up.clone(),
        );
        registry.register(
            "upstream_servers_available",
            "Servers of the upstream that take calls now",
            self.available.clone(),
        );
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register(
            "connections_opened",
            "Connections that were accepted, by listener",
            self.connections_opened.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that were dropped at once, by reason",
            self.connections_refused.clone(),
        );
        registry.register(
            "ledger_writable",
            "1 if the ledger can be written, 0 if not",
            self.ledger_writable.clone(),
        );
        registry.register(
            "ledger_sequence",
            "The last record's number",
            self.ledger_sequence.clone(),
        );
        registry.register("ledger_bytes", "Bytes of all segments", self.ledger_bytes.clone());
    }

    /// An answer was sent.
    pub fn answered(&self, route: &Route, status: StatusCode) {
        let labels = RequestLabels {
            route: route.path,
            dialect: route.dialect.as_str(),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// A request was refused.
    pub fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&CodeLabel { code }).inc();
    }

    /// The first byte of an answer goes out.
    pub fn first_byte(&self, arrived: Instant, now: Instant) {
        self.first_byte.observe(now.saturating_duration_since(arrived).as_secs_f64());
    }

    /// A request was settled.
    pub fn settled(&self, model: &str, outcome: Outcome, usage: &Usage) {
        // A model that only a client named is a keyed hash here: one label for all of them.
        let model = if model.starts_with("hash:") { OTHER_MODEL } else { model };
        let outcome = outcome.as_str();
        self.settled.get_or_create(&SettledLabels { model: model.to_owned(), outcome }).inc();
        for (kind, count) in
            [("input", usage.input), ("cached", usage.cached), ("output", usage.output)]
        {
            if count > 0 {
                self.tokens
                    .get_or_create(&TokenLabels { model: model.to_owned(), kind })
                    .inc_by(count);
            }
        }
    }

    /// A call to an upstream failed.
    pub fn upstream_fault(&self, upstream: &str, fault: UpstreamFault) {
        let labels = FaultLabels { upstream: upstream.to_owned(), fault: Fault(fault) };
        self.faults.get_or_create(&labels).inc();
    }

    /// A server answered its health check, or did not.
    pub fn server_up(&self, upstream: &str, up: bool) {
        let labels = UpstreamLabel { upstream: upstream.to_owned() };
        self.up.get_or_create(&labels).set(i64::from(up));
    }

    /// A connection was accepted.
    pub fn connection_opened(&self, purpose: Purpose) {
        self.connections.inc();
        self.connections_opened.get_or_create(&ListenerLabel { listener: purpose.as_str() }).inc();
    }

    /// A connection ended.
    pub fn connection_closed(&self) {
        self.connections.dec();
    }

    /// A connection was dropped at once.
    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Limits in shadow that would have refused a request.
    pub fn shadow_hits(&self, count: usize) {
        if count > 0 {
            self.shadow_hits.inc_by(count as u64);
        }
    }

    /// A rule held for a request: see [`RuleMetrics::hit`].
    pub fn rule_hit(&self, rule: &str, state: RuleState, leaves_none: bool) {
        self.rules.hit(rule, state, leaves_none);
    }

    /// The count of spans of traces that met this `fate`.
    #[must_use]
    pub fn spans(&self, fate: &'static str) -> Counter {
        self.spans.get_or_create(&FateLabel { fate }).clone()
    }

    /// An upstream's usage could not be true.
    pub fn usage_implausible(&self) {
        self.implausible.inc();
    }
}

/// The metrics of this moment, in the OpenMetrics text form.
#[must_use]
pub fn render(door: &Door) -> String {
    let metrics = &door.metrics;
    let health = door.ledger.health();
    metrics.open.set(i64::try_from(door.open.count()).unwrap_or(i64::MAX));
    metrics.ledger_writable.set(i64::from(health.writable));
    metrics.ledger_sequence.set(health.sequence);
    metrics.ledger_bytes.set(health.bytes);
    metrics.inbox.open(door.findings.counts().open);
    if let Some(events) = door.events.get() {
        events.fates().for_each(|(destination, fates)| metrics.inbox.events(destination, fates));
    }
    metrics.records.set(door.recording.as_ref());
    people(door);
    // One that the configuration no longer names goes.
    metrics.available.clear();
    let now = door.clock.now();
    for pool in door.policy().pools.iter() {
        let available = i64::try_from(pool.servers_now(now).available).unwrap_or(i64::MAX);
        metrics
            .available
            .get_or_create(&UpstreamLabel { upstream: pool.name().to_owned() })
            .set(available);
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = encode(&mut text, &metrics.registry);
    text
}

/// What people's part of the door counts by itself.
fn people(door: &Door) {
    let people = &door.metrics.people;
    people.passwords(door.identity.hasher().counts());
    people.letters(door.policy().outside.letters());
    people.answers(door.chat.under_way());
    people.notifications(door.notify.get().map(Notify::fates).unwrap_or_default());
}

#[cfg(test)]
mod tests;
