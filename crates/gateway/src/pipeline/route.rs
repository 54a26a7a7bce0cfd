//! The servers that may answer, in order. Their addresses come from the
//! configuration alone, never from the request.

use std::sync::Arc;

use super::Arrival;
use super::admit::Admitted;
use super::parse::Asked;
use super::reservation::Reservation;
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

/// Puts the pools that serve the model in order: by weight, then their
/// fallbacks, and silent ones last; but first the one at which it has a place.
#[must_use]
pub fn route(arrival: &Arrival, admitted: Admitted) -> Routed {
    let Admitted { asked, reservation, targets, pool, rate_limits } = admitted;
    let mut ordered = targets.order(&arrival.policy.pools);
    // The pool at which it has a place, if that still answers.
    if pool.is_ready()
        && let Some(at) = ordered.iter().position(|target| Arc::ptr_eq(&target.pool, &pool))
    {
        ordered[..=at].rotate_right(1);
    }
    Routed { asked, reservation, targets: ordered, model: targets.model, rate_limits }
}
