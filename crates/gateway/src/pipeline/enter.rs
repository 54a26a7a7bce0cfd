//! A place at a pool: at once, after a wait in the fair queue, or not at all.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use surgewall_core::decision::Who;
use surgewall_core::id::RequestId;
use surgewall_core::principal::{Class, Principal};
use surgewall_core::refusal::{Offer, Refusal};
use surgewall_shield::admission::fair::Lineage;
use surgewall_shield::admission::gate::{Ask, Full, Short};
use surgewall_wire::Endpoint;

use super::Arrival;
use super::parse::Asked;
use super::reserve::Reserved;
use crate::admission::effort::EFFORT_UNIT;
use crate::admission::{self, Entry, Slot, Spot, Waiting};
use crate::door::Door;
use crate::notices::{DELAYED_FROM, Kind};
use crate::ratelimit::RateLimits;
use crate::sync::lock;
use crate::upstream::Pool;

/// Bytes that a waiting request holds besides its body.
const QUEUED_BYTES: u64 = 24 << 10;

/// The permit of this step: the request has a place at a pool.
pub struct Entered {
    /// What was reserved.
    pub reserved: Reserved,
    /// The place.
    pub place: Slot,
    /// What the request asks of a pool, should its first one fail.
    pub ask: Ask,
    /// The pool.
    pub pool: Arc<Pool>,
}

/// What the gate decided at the request's arrival.
pub enum Turn {
    /// It goes on.
    Now(Box<Entered>),
    /// It waits.
    Later(Box<Queued>),
}

/// A request that waits for its turn. Dropped, it costs nothing.
pub struct Queued {
    reserved: Reserved,
    waiting: Waiting,
    ask: Ask,
    pool: Arc<Pool>,
    tells: bool,
}

/// What a request's head says to admission.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The official SDKs count their retries, from 1 on.
    retried: bool,
    /// The client wants a status and no early 200: `x-surgewall-queue: status`.
    wants_status: bool,
    /// What a stranger did to come sooner.
    bid: Option<HeaderValue>,
}

/// Whether a header holds a number above 0.
fn is_count(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|count| count.parse().is_ok_and(|count: u32| count > 0))
}

impl Hints {
    /// Reads `headers`.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        let retries = headers.get("x-stainless-retry-count");
        Self {
            retried: retries.is_some_and(is_count),
            wants_status: headers.get("x-surgewall-queue").is_some_and(|wish| wish == "status"),
            bid: headers.get("x-surgewall-effort").cloned(),
        }
    }

    /// Whether the client says that it retries, and is one that the door knows:
    /// a stranger's word must not turn a flood into a retry storm.
    fn is_believed(&self, lineage: &Lineage) -> bool {
        let is_known = lineage.class() != Class::Anonymous && !lineage.is_young();
        self.retried && is_known
    }
}

/// Asks the gate of the first pool that answers: the choice is made at arrival.
///
/// # Errors
/// The request would wait longer than its class may.
pub fn enter(
    door: &Door,
    arrival: &Arrival,
    mut reserved: Reserved,
    hints: &Hints,
) -> Result<Turn, Refusal> {
    let mut ask = ask(door, arrival, &reserved, hints);
    let pool = shortest(arrival, &reserved, &ask).ok_or(Refusal::ModelUnknown)?;
    if pool.caches().are_followed() && reserved.asked.endpoint != Endpoint::Embeddings {
        let Asked { facts, body, .. } = &reserved.asked;
        let model = &reserved.targets.model;
        let prefix = admission::prefix(&reserved.principal, model, facts.prompt(body), ask.input);
        ask.cached = pool.caches().expected(door.clock.now(), &prefix);
        reserved.asked.prefix = prefix;
    }
    let Some(gate) = pool.gate() else {
        let place = Slot::none();
        return Ok(Turn::Now(Box::new(Entered { reserved, place, ask, pool })));
    };
    match gate.arrive(ask) {
        Ok(Entry::Go(place)) => Ok(Turn::Now(Box::new(Entered { reserved, place, ask, pool }))),
        Ok(Entry::Wait(waiting)) => {
            reserved.asked.detach();
            let tells = reserved.asked.facts.stream && !hints.wants_status;
            Ok(Turn::Later(Box::new(Queued { reserved, waiting, ask, pool, tells })))
        }
        Err(full) => {
            let offer = offer(door, arrival, &reserved.principal);
            Err(overloaded(&pool, full, offer))
        }
    }
}

/// The pool at which the request waits least, the first by weight of those at
/// which it waits alike; one that is silent only where all of them are.
fn shortest(arrival: &Arrival, reserved: &Reserved, ask: &Ask) -> Option<Arc<Pool>> {
    let targets = &reserved.targets;
    // Mostly there is one, and nothing to put in order.
    if let Some(only) = targets.only().filter(|only| only.pool.is_ready()) {
        return Some(only.pool.clone());
    }
    let ordered = targets.order(&arrival.policy.pools);
    let wait = |pool: &Pool| pool.gate().map_or(Duration::ZERO, |gate| gate.outlook(ask));
    let ready =
        ordered.iter().filter(|target| targets.is_primary(target) && target.pool.is_ready());
    let least = ready.min_by_key(|target| wait(&target.pool));
    least.or(ordered.first()).map(|target| target.pool.clone())
}

fn ask(door: &Door, arrival: &Arrival, reserved: &Reserved, hints: &Hints) -> Ask {
    let young_days = arrival.policy.config.admission.young_days;
    let (lineage, principal) = admission::lineage(&reserved.principal, young_days, arrival.at);
    let bid = hints.bid.as_ref().filter(|_| reserved.principal.is_anonymous());
    let bid = bid.and_then(|bid| bid.to_str().ok());
    let parts = |bid| door.efforts.parts(arrival.at, reserved.principal.network, bid);
    let lineage = lineage.in_parts(bid.map_or(1, parts));
    let body = u64::try_from(reserved.asked.body.len()).unwrap_or(u64::MAX);
    let sketch = admission::sketch(principal, &reserved.asked.body);
    let seen = lock(&door.repeats).seen(arrival.started, sketch);
    Ask {
        lineage,
        principal,
        model: admission::model(&reserved.targets.model),
        input: reserved.input,
        cached: 0,
        output_max: reserved.amounts.output,
        bytes: QUEUED_BYTES.saturating_add(body),
        repeated: seen || hints.is_believed(&lineage),
    }
}

/// What a stranger may do to come sooner; of those who are known nothing is asked.
fn offer(door: &Door, arrival: &Arrival, principal: &Principal) -> Option<Offer> {
    principal.is_anonymous().then(|| Offer {
        challenge: door.efforts.challenge(arrival.at, principal.network),
        effort: door.efforts.suggested().max(EFFORT_UNIT),
    })
}

fn overloaded(pool: &Pool, full: Full, offer: Option<Offer>) -> Refusal {
    let (wait, longest) = (full.wait.as_secs(), full.longest.as_secs());
    let why = match full.short {
        Short::Time => format!(
            "the wait at `{}` would be {wait} s, and its class waits {longest} s at most",
            pool.name()
        ),
        Short::Memory => format!("no room for another waiting request at `{}`", pool.name()),
    };
    Refusal::Overloaded { why, wait_s: wait.max(1), retry_after: full.retry_after, offer }
}

impl Queued {
    /// Whether its client may be told its position before the outcome.
    #[must_use]
    pub const fn may_be_told(&self) -> bool {
        self.tells
    }

    /// What the answer's head says of the caller's limits.
    #[must_use]
    pub const fn rate_limits(&self) -> &RateLimits {
        &self.reserved.rate_limits
    }

    /// A way to ask where it stands.
    #[must_use]
    pub fn spot(&self) -> Option<Spot> {
        self.waiting.spot()
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// The credential was withdrawn meanwhile, or the door drains.
    pub async fn turn(
        mut self: Box<Self>,
        door: &Door,
        arrival: &Arrival,
    ) -> Result<Box<Entered>, Refusal> {
        let who = Who::from(&self.reserved.principal);
        let open = Open { door, request_id: arrival.request_id };
        let cell = door.open.open(arrival.request_id, who);
        let began = door.clock.monotonic();
        let place = tokio::select! {
            biased;
            () = door.tasks.drained() => return Err(Refusal::Draining),
            ended = cell.until_ended() => return Err(ended.refusal()),
            place = self.waiting.granted() => place,
        };
        drop(open);
        // The gate lives as long as a request waits at it.
        let place = place.ok_or_else(|| Refusal::Internal { why: "a gate is gone".into() })?;
        let waited = door.clock.monotonic().saturating_duration_since(began);
        let Self { reserved, ask, pool, .. } = *self;
        door.metrics.admission.turn_came(pool.name(), reserved.principal.class, waited);
        if let (true, Some(account)) = (waited >= DELAYED_FROM, who.account) {
            door.touched.note(account, Kind::Delayed);
        }
        Ok(Box::new(Entered { reserved, place, ask, pool }))
    }
}

/// A waiting request among the open ones; closed on drop.
struct Open<'a> {
    door: &'a Door,
    request_id: RequestId,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.door.open.close(self.request_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_a_number_above_0_of_somebody_who_is_known() {
        let check = |count: &str, class, young, expected| {
            let mut headers = HeaderMap::new();
            headers.insert("x-stainless-retry-count", HeaderValue::from_str(count).unwrap());
            let believed = Hints::read(&headers).is_believed(&Lineage::new(class, young, &[1]));
            assert_eq!(believed, expected, "{count:?} {class:?} {young}");
        };
        for (count, expected) in
            [("1", true), ("2", true), ("0", false), ("-1", false), ("", false), ("x", false)]
        {
            check(count, Class::Verified, false, expected);
        }
        check("1", Class::New, false, true);
        check("1", Class::New, true, false);
        check("1", Class::Anonymous, false, false);
    }
}
