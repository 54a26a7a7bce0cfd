//! Metrics of the inbox of findings, and of the events that they and decisions become.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use surgewall_core::finding::Severity;
use surgewall_store::findings::OpenFindings;
use surgewall_store::ocsf::Fates;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    destination: &'static str,
    fate: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SeverityLabel {
    severity: &'static str,
}

/// What the inbox and the events have of metrics.
#[derive(Default)]
pub(super) struct InboxMetrics {
    findings: Family<SeverityLabel, Gauge<u64, AtomicU64>>,
    events: Family<EventLabels, Counter>,
}

impl InboxMetrics {
    /// Puts them into `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "findings_open",
            "Findings of the inbox that are open, by severity",
            self.findings.clone(),
        );
        registry.register(
            "ocsf_events",
            "Decisions and findings as events, by destination and what became of them",
            self.events.clone(),
        );
    }

    /// Findings that are open.
    pub(super) fn open(&self, open: OpenFindings) {
        for severity in Severity::ALL {
            let label = SeverityLabel { severity: severity.as_str() };
            self.findings.get_or_create(&label).set(open.of(severity));
        }
    }

    /// What became of events that went to `destination`.
    pub(super) fn events(&self, destination: &'static str, fates: Fates) {
        for (fate, events) in [("written", fates.written), ("lost", fates.lost)] {
            let counter = self.events.get_or_create(&EventLabels { destination, fate });
            counter.inner().store(events, Ordering::Relaxed);
        }
    }
}
