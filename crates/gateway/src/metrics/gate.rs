//! Metrics of the gate before new accounts.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use surgewall_core::gate::GateStep;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

/// What the gate has of metrics.
#[derive(Default)]
pub struct GateMetrics {
    sign_ups: Family<ResultLabel, Counter>,
    stands: Family<StepLabel, Gauge>,
    waiting: Gauge<u64, AtomicU64>,
}

impl GateMetrics {
    /// Puts them into `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "sign_ups",
            "Sign-ups that were offered, by what the gate made of them",
            self.sign_ups.clone(),
        );
        registry.register("gate_step", "Whether the gate stands at this step", self.stands.clone());
        registry.register("gate_waiting", "Places on the waiting list", self.waiting.clone());
    }

    /// One sign-up more met this result.
    pub fn signed_up(&self, result: &'static str) {
        self.sign_ups.get_or_create(&ResultLabel { result }).inc();
    }

    /// Where the gate stands, and how many wait.
    pub fn stands(&self, at: GateStep, waiting: u64) {
        for step in GateStep::ALL {
            let label = StepLabel { step: step.as_str() };
            self.stands.get_or_create(&label).set(i64::from(step == at));
        }
        self.waiting.set(waiting);
    }
}
