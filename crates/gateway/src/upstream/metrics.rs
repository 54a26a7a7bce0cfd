//! Metrics of the choice of servers: labels are configured upstreams and fixed words.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::lease::Nearness;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ChoiceLabels {
    upstream: String,
    choice: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    upstream: String,
    count: &'static str,
}

/// How far requests find their beginnings in the servers' caches.
#[derive(Debug, Default)]
pub struct CacheMetrics {
    choices: Family<ChoiceLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
}

impl CacheMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "prefix_choices",
            "Calls to one of several servers, by why it was chosen",
            self.choices.clone(),
        );
        registry.register(
            "prefix_tokens",
            "Input tokens that a server probably had in its cache, and that it said it had",
            self.tokens.clone(),
        );
    }

    /// A server of `upstream` was chosen for its nearness.
    pub fn chosen(&self, upstream: &str, nearness: Nearness) {
        let choice = match (nearness.passed_over, nearness.known) {
            (true, _) => "passed_over",
            (false, 0) => "unknown",
            (false, _) => "known",
        };
        let upstream = upstream.to_owned();
        self.choices.get_or_create(&ChoiceLabels { upstream, choice }).inc();
    }

    /// A server of `upstream` reported `cached` tokens where `expected` were expected.
    pub fn reported(&self, upstream: &str, expected: u64, cached: u64) {
        for (count, tokens) in [("expected", expected), ("reported", cached)] {
            let upstream = upstream.to_owned();
            self.tokens.get_or_create(&TokenLabels { upstream, count }).inc_by(tokens);
        }
    }
}
