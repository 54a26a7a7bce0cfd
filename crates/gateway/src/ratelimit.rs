//! `x-ratelimit-*`: what the answer's head says of the caller's limits.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use surgewall_core::clock::Timestamp;
use surgewall_core::principal::matches_model;
use surgewall_core::quota::Meter;
use surgewall_shield::quota::{Enforcement, Limit, QuotaTable, Remaining};

/// The tightest limit on requests and the tightest on tokens.
#[derive(Clone, Debug, Default)]
pub struct RateLimits {
    requests: Option<(Remaining, &'static str)>,
    tokens: Option<(Remaining, &'static str)>,
}

impl RateLimits {
    /// Reads what is left of `limits` at `now`.
    #[must_use]
    pub fn read(quota: &QuotaTable, now: Timestamp, limits: &[Limit<'_>], model: &str) -> Self {
        let mut found = Self::default();
        let covers = |limit: &&Limit<'_>| {
            let pattern = limit.spec.model.as_deref();
            limit.enforcement == Enforcement::On && pattern.is_none_or(|p| matches_model(p, model))
        };
        for limit in limits.iter().filter(covers) {
            let place = match limit.spec.meter {
                Meter::Requests => &mut found.requests,
                Meter::TotalTokens | Meter::InputTokens | Meter::OutputTokens => &mut found.tokens,
                Meter::Money | Meter::Concurrency => continue,
            };
            let left = quota.remaining(now, &limit.subject, limit.spec);
            if place.as_ref().is_none_or(|(tightest, _)| left.remaining < tightest.remaining) {
                *place = Some((left, limit.subject.scope()));
            }
        }
        found
    }

    /// Writes the headers, in the form that OpenAI's clients read.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (names, limit) in [(&REQUESTS, &self.requests), (&TOKENS, &self.tokens)] {
            let Some((left, scope)) = limit else { continue };
            headers.insert(&names.limit, HeaderValue::from(left.limit));
            headers.insert(&names.remaining, HeaderValue::from(left.remaining));
            if let Ok(after) = HeaderValue::try_from(duration(left.reset_after)) {
                headers.insert(&names.reset, after);
            }
            headers.insert(&names.scope, HeaderValue::from_static(scope));
        }
    }
}

/// The names of one limit's headers.
struct Names {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
    scope: HeaderName,
}

static REQUESTS: Names = Names {
    limit: HeaderName::from_static("x-ratelimit-limit-requests"),
    remaining: HeaderName::from_static("x-ratelimit-remaining-requests"),
    reset: HeaderName::from_static("x-ratelimit-reset-requests"),
    scope: HeaderName::from_static("x-ratelimit-scope-requests"),
};
static TOKENS: Names = Names {
    limit: HeaderName::from_static("x-ratelimit-limit-tokens"),
    remaining: HeaderName::from_static("x-ratelimit-remaining-tokens"),
    reset: HeaderName::from_static("x-ratelimit-reset-tokens"),
    scope: HeaderName::from_static("x-ratelimit-scope-tokens"),
};

/// As OpenAI writes it: `1s`, `6m0s`, `120ms`.
fn duration(after: Duration) -> String {
    let seconds = after.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, 0) => format!("{}ms", after.subsec_millis()),
        (0, rest) => format!("{rest}s"),
        (minutes, rest) => format!("{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_clients_read_them() {
        for (millis, expected) in [(120, "120ms"), (1_000, "1s"), (360_000, "6m0s")] {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
    }
}
