//! Admission's metrics: labels are configured upstreams, classes and fixed words.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use surgewall_core::incident::Verdict;
use surgewall_core::principal::Class;
use surgewall_shield::admission::gate::{PoolCounts, View};
use surgewall_shield::verdict::Judged;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClassLabels {
    upstream: String,
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DecisionLabels {
    upstream: String,
    class: &'static str,
    decision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PoolLabel {
    upstream: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

/// Buckets of waits, in seconds: up to the longest that a class may wait unless configured otherwise.
const WAIT_SECONDS: [f64; 10] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

type Real = Gauge<f64, AtomicU64>;

/// Admission's metrics.
#[derive(Debug, Default)]
pub struct AdmissionMetrics {
    decisions: Family<DecisionLabels, Counter>,
    waiting: Family<ClassLabels, Gauge>,
    limit: Family<PoolLabel, Gauge>,
    running: Family<PoolLabel, Gauge>,
    output_weight: Family<PoolLabel, Real>,
    work: Family<PoolLabel, Real>,
    ttft: Family<PoolLabel, Real>,
    tpot: Family<PoolLabel, Real>,
    eta: Family<PoolLabel, Real>,
    verdict: Family<VerdictLabel, Gauge>,
    incident: Gauge,
    observe: Gauge,
    waits: Waits,
}

/// How long who waited waited, by upstream and class.
#[derive(Clone, Debug)]
struct Waits(Family<ClassLabels, Histogram, fn() -> Histogram>);

impl Default for Waits {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(WAIT_SECONDS)))
    }
}

impl AdmissionMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "admission_decisions",
            "Requests at the gate of an upstream, by class and decision",
            self.decisions.clone(),
        );
        registry.register("queue_waiting", "Requests that wait, by class", self.waiting.clone());
        registry.register(
            "capacity_sequences",
            "Requests at once that the upstream is trusted with, as learnt",
            self.limit.clone(),
        );
        registry.register(
            "capacity_running",
            "Requests that the upstream works on",
            self.running.clone(),
        );
        registry.register(
            "capacity_work_per_second",
            "Work that the learnt capacity does in a second: input tokens and weighted output tokens",
            self.work.clone(),
        );
        registry.register(
            "capacity_output_weight",
            "Work of a token that is written, in tokens that are read, as it was fitted",
            self.output_weight.clone(),
        );
        registry.register(
            "upstream_ttft_ratio",
            "Time to the first token over the unloaded server's",
            self.ttft.clone(),
        );
        registry.register(
            "upstream_tpot_ratio",
            "Time for each token over the unloaded server's",
            self.tpot.clone(),
        );
        registry.register(
            "queue_eta_held",
            "The part of waits that ended within the range that was stated",
            self.eta.clone(),
        );
        registry.register(
            "verdict",
            "1 for what the door judges now, 0 for all else",
            self.verdict.clone(),
        );
        registry.register("incident_open", "1 while an incident is open", self.incident.clone());
        registry.register(
            "admission_observe",
            "1 if admission only observes: nobody waits and nobody is refused by it",
            self.observe.clone(),
        );
        registry.register(
            "queue_wait_seconds",
            "How long requests waited whose turn came, by class; one that did not wait is not in it",
            self.waits.0.clone(),
        );
    }

    /// What happened at the gate of `pool` in the last second, and how it stands.
    pub fn pool(&self, pool: &str, counts: &PoolCounts, view: &View) {
        for (class, counts) in Class::ALL.into_iter().zip(&counts.classes) {
            let decisions = [
                ("offered", counts.offered.requests),
                ("admitted", counts.admitted.requests),
                ("queued", counts.queued),
                ("refused", counts.refused),
                ("left", counts.left),
                ("slow", counts.slow),
                ("shed", counts.shed),
            ];
            for (decision, count) in decisions {
                let class = class.as_str();
                let labels = DecisionLabels { upstream: pool.to_owned(), class, decision };
                self.decisions.get_or_create(&labels).inc_by(count);
            }
        }
        for (class, waiting) in Class::ALL.into_iter().zip(&view.waiting) {
            let labels = ClassLabels { upstream: pool.to_owned(), class: class.as_str() };
            let waiting = i64::try_from(waiting.requests).unwrap_or(i64::MAX);
            self.waiting.get_or_create(&labels).set(waiting);
        }
        let label = PoolLabel { upstream: pool.to_owned() };
        self.limit.get_or_create(&label).set(i64::from(view.sequences));
        self.running.get_or_create(&label).set(i64::from(view.running.sequences));
        let reals = [
            (&self.work, view.work_per_s),
            (&self.output_weight, Some(view.output_weight)),
            (&self.ttft, view.health.ttft_ratio.map(f64::from)),
            (&self.tpot, view.health.tpot_ratio.map(f64::from)),
            (&self.eta, view.eta_held),
        ];
        for (family, value) in reals {
            if let Some(value) = value {
                family.get_or_create(&label).set(value);
            }
        }
    }

    /// A request's turn at `pool` came after `waited`.
    pub fn turn_came(&self, pool: &str, class: Class, waited: Duration) {
        let labels = ClassLabels { upstream: pool.to_owned(), class: class.as_str() };
        self.waits.0.get_or_create(&labels).observe(waited.as_secs_f64());
    }

    /// What the judge says, and whether admission only observes.
    pub fn judged(&self, judged: &Judged, observe: bool) {
        for verdict in Verdict::ALL {
            let label = VerdictLabel { verdict: verdict.as_str() };
            self.verdict.get_or_create(&label).set(i64::from(verdict == judged.verdict));
        }
        self.incident.set(i64::from(judged.incident.is_some()));
        self.observe.set(i64::from(observe));
    }
}
