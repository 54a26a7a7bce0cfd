//! The upstream sees the request. Retries and fallbacks end with its first
//! byte, and are themselves held to a budget: a failing pool must not be asked
//! twice as often as a healthy one.

mod attempt;

use std::sync::Arc;

use surgewall_core::decision::Outcome;
use surgewall_core::refusal::{Refusal, UpstreamFault};
use surgewall_core::usage::{Source, Usage};

pub use attempt::{Answer, Streamed};

use super::Arrival;
use super::reservation::Reservation;
use super::route::Routed;
use crate::door::Door;
use crate::ratelimit::RateLimits;

/// Calls that one request may make, first one included.
const ATTEMPTS_MAX: u32 = 4;
/// Calls to one pool, first one included.
const ATTEMPTS_PER_POOL_MAX: u32 = 2;

/// The permit of this step: an upstream answered.
pub struct Called {
    /// Its answer.
    pub answer: Answer,
    /// The reservation.
    pub reservation: Reservation,
    /// The model, as configured.
    pub model: String,
    /// The text of the input, to learn its true count from the upstream; none
    /// where images hide it.
    pub input: Option<surgewall_wire::estimate::ByteClasses>,
    /// What the answer's head says of the caller's limits.
    pub rate_limits: RateLimits,
}

/// Why an attempt gave no answer.
pub enum Failure {
    /// Another server may be asked.
    Retry(UpstreamFault),
    /// Asking again changes nothing.
    Final(Refusal),
}

/// Asks the pools in order until one answers.
///
/// # Errors
/// None did, one refused the request itself, or the request was ended from
/// outside meanwhile.
pub async fn call(
    door: &Arc<Door>,
    arrival: &Arrival,
    mut routed: Routed,
) -> Result<Called, Refusal> {
    let open = routed.reservation.cell().clone();
    let answered = tokio::select! {
        biased;
        answered = attempts(door, arrival, &mut routed) => answered,
        // Dropped unsettled, the reservation settles at what the upstream was given.
        ended = open.until_ended() => return Err(ended.refusal()),
    };
    match answered {
        Ok(answer) => Ok(Called {
            answer,
            reservation: routed.reservation,
            model: routed.model,
            input: (routed.asked.facts.images == 0).then_some(routed.asked.facts.input),
            rate_limits: routed.rate_limits,
        }),
        Err(refusal) => {
            // Nothing was delivered: all of it goes back.
            let usage = Usage::default();
            routed.reservation.settle(Outcome::UpstreamFailed, usage, Source::Estimated).await;
            Err(refusal)
        }
    }
}

async fn attempts(
    door: &Arc<Door>,
    arrival: &Arrival,
    routed: &mut Routed,
) -> Result<Answer, Refusal> {
    let mut last = None;
    let mut made = 0;
    for target in &routed.targets {
        let mut tried = Vec::new();
        for nth in 0..ATTEMPTS_PER_POOL_MAX {
            let again = made > 0;
            if made == ATTEMPTS_MAX || (again && !target.pool.may_retry(door.clock.now())) {
                break;
            }
            let Some(lease) = target.pool.lease(&door.clock, &tried, &routed.asked.prefix) else {
                break;
            };
            made += 1;
            tried.push(lease.server());
            routed.reservation.leased(&lease, &routed.asked.prefix);
            if !routed.reservation.enter(&target.pool) {
                last = Some(UpstreamFault::Overloaded);
                break;
            }
            let rates = arrival.policy.rates(&target.model);
            routed.reservation.attempt(&target.pool, rates);
            arrival.trace.attempt(target, &lease);
            let (asked, reservation) = (&routed.asked, &mut routed.reservation);
            match attempt::attempt(arrival, asked, reservation, target, lease).await {
                Ok(answer) => {
                    arrival.trace.attempt_answered(matches!(answer, Answer::Streamed(_)));
                    return Ok(answer);
                }
                Err(Failure::Final(refusal)) => {
                    arrival.trace.attempt_refused(&refusal);
                    return Err(refusal);
                }
                Err(Failure::Retry(fault)) => {
                    if fault == UpstreamFault::Connect {
                        routed.reservation.unreached();
                    }
                    routed.reservation.place().failed(fault == UpstreamFault::Overloaded);
                    arrival.trace.attempt_failed(fault);
                    door.metrics.upstream_fault(target.pool.name(), fault);
                    tracing::debug!(request_id = %arrival.request_id, upstream = target.pool.name(), %fault, nth, "attempt failed");
                    last = Some(fault);
                    if !same_pool_may_help(fault) {
                        break;
                    }
                }
            }
        }
    }
    Err(last.map_or_else(
        || {
            // The model's name may be the client's own words: the pools' are the operator's.
            let pools: Vec<_> = routed.targets.iter().map(|target| target.pool.name()).collect();
            Refusal::PoolUnavailable {
                why: format!("no server of {} takes calls", pools.join(", ")),
            }
        },
        |why| Refusal::UpstreamFailed { why },
    ))
}

/// Whether another server of the same pool may do better.
const fn same_pool_may_help(fault: UpstreamFault) -> bool {
    match fault {
        UpstreamFault::Connect
        | UpstreamFault::Broke
        | UpstreamFault::Overloaded
        | UpstreamFault::ServerError => true,
        UpstreamFault::Timeout
        | UpstreamFault::Redirect
        | UpstreamFault::Credential
        | UpstreamFault::Garbage => false,
    }
}
