//! Admission's metrics: labels are configured upstreams, classes and fixed words.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use surgewall_core::incident::Verdict;
use surgewall_core::principal::Class;
use surgewall_shield::admission::gate::{PoolCounts, View};

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

type Real = Gauge<f64, AtomicU64>;

/// Admission's metrics.
#[derive(Debug, Default)]
pub struct AdmissionMetrics {
    decisions: Family<DecisionLabels, Counter>,
    waiting: Family<ClassLabels, Gauge>,
    limit: Family<PoolLabel, Gauge>,
    running: Family<PoolLabel, Gauge>,
    work: Family<PoolLabel, Real>,
    ttft: Family<PoolLabel, Real>,
    tpot: Family<PoolLabel, Real>,
    eta: Family<PoolLabel, Real>,
    verdict: Family<VerdictLabel, Gauge>,
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
            "Work that the learnt capacity does in a second: input tokens and twice the output tokens",
            self.work.clone(),
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
    }

    /// What happened at the gate of `pool` in the last second, and how it stands.
    pub fn pool(&self, pool: &str, counts: &PoolCounts, view: &View) {
        for (class, counts) in Class::ALL.into_iter().zip(&counts.classes) {
            let decisions = [
                ("admitted", counts.admitted.requests),
                ("queued", counts.queued),
                ("refused", counts.refused),
                ("left", counts.left),
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

    /// What the judge says.
    pub fn judged(&self, verdict: Verdict) {
        for other in Verdict::ALL {
            let label = VerdictLabel { verdict: other.as_str() };
            self.verdict.get_or_create(&label).set(i64::from(other == verdict));
        }
    }
}
