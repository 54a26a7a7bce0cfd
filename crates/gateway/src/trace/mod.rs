//! OpenTelemetry traces: one span for each model call, and below it one for
//! each call to an upstream, by the semantic conventions for generative AI.
//!
//! They are made in builds with the feature `otel` where
//! `telemetry.otlp_endpoint` names a collector, and sent nowhere else. In other
//! builds [`Trace`] and [`Tracer`] are empty and every call of theirs is
//! nothing. A span holds what the ledger may hold: configured names, fixed
//! words and numbers, never what a client sent.
//!
//! A trace's id is the request's own (`req_` and the same 32 digits), so that a
//! client's `x-request-id` leads to the trace. A client's `traceparent` becomes
//! a link and not a parent: strangers must not choose what is sampled.

#[cfg(feature = "otel")]
mod export;
#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod parent;
#[cfg(feature = "otel")]
mod span;

use surgewall_core::config::schema::Telemetry;

#[cfg(feature = "otel")]
pub use export::{Tracer, flush, start};
#[cfg(not(feature = "otel"))]
pub use off::{Trace, Tracer, flush, start};
#[cfg(feature = "otel")]
pub use span::Trace;

/// The configuration asks for traces, and this binary cannot make them.
#[derive(Debug, thiserror::Error)]
#[error(
    "telemetry.otlp_endpoint: this surgewall was built without traces; remove the key, or build one with `cargo build --release --features otel`"
)]
pub struct NotBuilt;

/// Whether this binary does what `telemetry` asks for.
///
/// # Errors
/// It asks for traces, in a build without them.
pub const fn supports(telemetry: &Telemetry) -> Result<(), NotBuilt> {
    if telemetry.otlp_endpoint.is_some() && !cfg!(feature = "otel") {
        return Err(NotBuilt);
    }
    Ok(())
}
