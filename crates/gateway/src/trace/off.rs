//! Traces in a build without them: nothing, at no cost.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use surgewall_core::clock::Clock;
use surgewall_core::decision::{Settled, Who};
use surgewall_core::refusal::{Refusal, UpstreamFault};

use crate::door::Door;
use crate::metrics::Metrics;
use crate::pipeline::Arrival;
use crate::upstream::{Leased, Target, Targets};

/// Where traces begin: nowhere.
#[derive(Debug)]
pub struct Tracer;

impl Tracer {
    /// No tracer.
    #[must_use]
    pub const fn new(_: &Metrics) -> Self {
        Self
    }

    /// No trace.
    #[must_use]
    pub const fn begin(&self, _: &Clock, _: &Arrival, _: &HeaderMap) -> Trace {
        Trace
    }
}

/// Sends nothing.
pub const fn start(_: &Arc<Door>) {}

/// Sends nothing.
pub async fn flush(_: &Door) {}

/// One request's trace: none.
#[derive(Clone, Debug)]
pub struct Trace;

impl Trace {
    /// No trace.
    #[must_use]
    pub const fn off() -> Self {
        Self
    }

    /// Nothing.
    pub const fn resolved(&self, _: &Targets) {}

    /// Nothing.
    pub const fn attempt(&self, _: &Target, _: &Leased) {}

    /// No header.
    #[must_use]
    pub const fn traceparent(&self) -> Option<HeaderValue> {
        None
    }

    /// Nothing.
    pub const fn attempt_answered(&self, _: bool) {}

    /// Nothing.
    pub const fn attempt_failed(&self, _: UpstreamFault) {}

    /// Nothing.
    pub const fn attempt_refused(&self, _: &Refusal) {}

    /// Nothing.
    pub const fn settled(&self, _: &Settled) {}

    /// Nothing.
    pub const fn refused(&self, _: &Refusal) {}

    /// Nothing.
    pub const fn answered(&self, _: u16, _: Option<&Who>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_traces_carries_nothing() {
        assert_eq!((size_of::<Trace>(), size_of::<Tracer>()), (0, 0));
    }
}
