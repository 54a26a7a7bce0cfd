//! The decision is on disk before an upstream sees the request.

use std::sync::Arc;

use surgewall_core::decision::{Admitted as Admission, Record, Who};
use surgewall_core::refusal::Refusal;

use super::Arrival;
use super::enter::Entered;
use super::parse::Asked;
use super::record;
use super::reservation::{Opened, Reservation};
use super::reserve::Reserved;
use crate::door::Door;
use crate::ratelimit::RateLimits;
use crate::upstream::{Pool, Targets};

/// The permit of this step: reserved, entered and recorded. Dropped without
/// being settled, it gives everything back.
pub struct Admitted {
    /// What is asked for.
    pub asked: Asked,
    /// The reservation.
    pub reservation: Reservation,
    /// The pools that serve the model.
    pub targets: Targets,
    /// The pool at which the request has a place.
    pub pool: Arc<Pool>,
    /// What the answer's head says of the caller's limits.
    pub rate_limits: RateLimits,
}

/// Writes the admission to the ledger.
///
/// # Errors
/// The ledger cannot be written, or the records that this request belongs in.
pub async fn admit(
    door: &Arc<Door>,
    arrival: &Arrival,
    entered: Entered,
) -> Result<Admitted, Refusal> {
    let Entered { reserved, place, ask, pool } = entered;
    let Reserved { principal, slot, asked, carried, targets, rate_limits, input, amounts, charges } =
        reserved;
    // Room for what has to be kept of it comes first: without it nothing is admitted.
    let tap = record::tap(door, arrival, &principal, &asked, amounts.output).await?;
    let admission = Admission {
        request_id: arrival.request_id,
        at: arrival.at,
        who: Who::from(&principal),
        route: arrival.route.family.to_owned(),
        dialect: arrival.route.dialect.as_str().to_owned(),
        model: targets.recorded.clone(),
        reserved: amounts,
        charges: charges.take(),
        carried,
        config: arrival.policy.hash.clone(),
    };
    let rates = arrival.policy.rates(&targets.model);
    let opened = Opened {
        admission: admission.clone(),
        started: arrival.started,
        input,
        rates,
        trace: arrival.trace.clone(),
        ask,
    };
    // From here on a client that leaves gives everything back, through the ledger.
    let mut reservation = Reservation::open(door.clone(), opened, slot, place);
    reservation.record(tap);
    match door.ledger.append(Record::Admitted(Box::new(admission))).await {
        Ok(_) => Ok(Admitted { asked, reservation, targets, pool, rate_limits }),
        Err(error) => {
            reservation.void();
            Err(Refusal::LedgerUnavailable { why: error.to_string() })
        }
    }
}
