//! The servers that may answer, in order. Their addresses come from the
//! configuration alone, never from the request.

use surgewall_core::refusal::Refusal;

use super::Arrival;
use super::admit::Admitted;
use super::parse::Asked;
use super::reservation::Reservation;
use crate::door::Door;
use crate::ratelimit::RateLimits;
use crate::upstream::Target;

/// The permit of this step.
pub struct Routed {
    /// What is asked for.
    pub asked: Asked,
    /// The reservation.
    pub reservation: Reservation,
    /// The pools to try, in order.
    pub targets: Vec<Target>,
    /// The model, as configured.
    pub model: String,
    /// What the answer's head says of the caller's limits.
    pub rate_limits: RateLimits,
}

/// Puts the pools that serve the model in order: by weight, then their fallbacks.
///
/// # Errors
/// No pool has a server that takes calls now.
pub fn route(door: &Door, arrival: &Arrival, admitted: Admitted) -> Result<Routed, Refusal> {
    let Admitted { asked, reservation, targets, rate_limits } = admitted;
    let ordered = targets.order(&arrival.policy.pools, door.clock.now());
    if ordered.is_empty() {
        let why = format!("every server for `{}` is ejected", targets.model);
        reservation.settle_detached(
            surgewall_core::decision::Outcome::UpstreamFailed,
            surgewall_core::usage::Usage::default(),
            surgewall_core::usage::Source::Estimated,
        );
        return Err(Refusal::PoolUnavailable { why });
    }
    Ok(Routed { asked, reservation, targets: ordered, model: targets.model, rate_limits })
}
