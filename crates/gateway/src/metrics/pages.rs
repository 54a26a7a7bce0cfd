//! Metrics of the pages.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DirectiveLabel {
    directive: &'static str,
}

/// What the pages have of metrics.
#[derive(Default)]
pub struct PageMetrics {
    csp_reports: Family<DirectiveLabel, Counter>,
}

impl PageMetrics {
    /// Puts them into `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "csp_reports",
            "Reports of browsers that a page tried what its policy forbids, by directive",
            self.csp_reports.clone(),
        );
    }

    /// A browser stopped something that a page tried.
    pub fn csp_report(&self, directive: &'static str) {
        self.csp_reports.get_or_create(&DirectiveLabel { directive }).inc();
    }
}
