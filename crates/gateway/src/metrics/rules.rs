//! Metrics of the operator's rules: what they did, and in shadow would have done.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use surgewall_core::config::limits::RuleState;
use surgewall_store::rules::Hits;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RuleLabels {
    rule: String,
    effect: &'static str,
}

/// What rules did since the start.
#[derive(Default)]
pub struct RuleMetrics {
    hits: Family<RuleLabels, Counter>,
}

impl RuleMetrics {
    /// Puts them into `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rule_hits",
            "Requests that a rule kept from upstreams or took something out of, or would have",
            self.hits.clone(),
        );
    }

    /// A rule kept a request from upstreams, or in shadow would have; whether it
    /// leaves none.
    pub fn hit(&self, rule: &str, state: RuleState, leaves_none: bool) {
        let effect = match (state, leaves_none) {
            (RuleState::Off, _) => return,
            (RuleState::Shadow, true) => "would_refuse",
            (RuleState::Shadow, false) => "would_narrow",
            (RuleState::On, true) => "refused",
            (RuleState::On, false) => "narrowed",
        };
        self.hits.get_or_create(&RuleLabels { rule: rule.to_owned(), effect }).inc();
    }

    /// A rule took something out of a request, or in shadow would have.
    pub fn redacted(&self, rule: &str, state: RuleState) {
        let effect = match state {
            RuleState::Off => return,
            RuleState::Shadow => "would_redact",
            RuleState::On => "redacted",
        };
        self.hits.get_or_create(&RuleLabels { rule: rule.to_owned(), effect }).inc();
    }

    /// How often a rule held since the start.
    #[must_use]
    pub fn hits(&self, rule: &str) -> Hits {
        let count = |effect| {
            let labels = RuleLabels { rule: rule.to_owned(), effect };
            self.hits.get(&labels).map_or(0, |counter| counter.get())
        };
        Hits {
            refused: count("refused"),
            narrowed: count("narrowed"),
            would_refuse: count("would_refuse"),
            would_narrow: count("would_narrow"),
            redacted: count("redacted"),
            would_redact: count("would_redact"),
        }
    }
}
