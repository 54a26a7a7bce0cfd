//! From numbers to a cause: which one, taken away, takes the overload away.
//!
//! Overload is judged in work. The question is always "but for": but for the
//! repeats, but for the strangers, but for the slow servers, would what is asked
//! for have fitted? Where two answers are yes, the one that grew more is the
//! cause; where they grew alike, nobody can tell, and the answer is `unclear`.

use surgewall_core::incident::{Numbers, Reason, Verdict};

/// The capacity is known within this many percent.
const CAPACITY_ERROR_PERCENT: u64 = 5;
/// Requests in the window that are enough to judge by.
const REQUESTS_MIN: u64 = 5;
/// The part of its usual capacity below which a pool's capacity fell, in percent.
pub(super) const FELL_PERCENT: u64 = 70;
/// How far above the usual demand still is usual, in percent: 20 requests
/// scatter by as much. The usual capacity is at least what was carried.
const SCATTER_PERCENT: u64 = 25;
/// Latency over the unloaded server's that only a slow server has, in percent:
/// the controller backs off long before.
const SLOW_PERCENT: u32 = 500;
/// Latency over the unloaded server's that, with a fallen capacity, says slow, in percent.
const SLUGGISH_PERCENT: u32 = 200;
/// Calls that must have failed before failing says something.
const FAULTS_MIN: u64 = 4;
/// The part of calls that fail in a pool that is broken, in percent.
const FAULTS_PERCENT: u64 = 25;

/// What the numbers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) verdict: Verdict,
    pub(super) also: Vec<Verdict>,
    pub(super) reasons: Vec<Reason>,
}

impl Reading {
    /// Whether the servers are slow, or may be.
    pub(super) fn names_slowness(&self) -> bool {
        self.verdict == Verdict::UpstreamSlow || self.also.contains(&Verdict::UpstreamSlow)
    }
}

/// What the numbers alone do not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// Calls were open all through the window and none ended.
    pub(super) nothing_ended: bool,
    /// The servers were seen to be slow in this incident.
    pub(super) was_slow: bool,
    /// Admission only observes: latencies mirror the load.
    pub(super) observe: bool,
    /// The servers do less than [`FELL_PERCENT`] of what is usual.
    pub(super) fell: bool,
    /// They do as much as usual.
    pub(super) does_as_usual: bool,
    /// The usual capacity was measured while the pool was full, and is not only
    /// what was asked of it, as of before this incident.
    pub(super) was_full: bool,
}

/// Whether the pool itself is slow, and by which signs.
#[derive(Clone, Debug, Default)]
struct Slowness {
    signs: Vec<Reason>,
    is: bool,
}

/// Reads the numbers of a pool at which requests wait long or are refused.
/// `None`: what arrives now would fit; something earlier is still waiting.
pub(super) fn read(numbers: &Numbers, context: Context) -> Option<Reading> {
    let slow = slowness(numbers, context);
    let Some(capacity) = numbers.capacity else { return Some(without_capacity(numbers, &slow)) };
    let margin = capacity / 100 * CAPACITY_ERROR_PERCENT;
    let decide = |capacity| decide(numbers, capacity, &slow, context.was_full);
    let (low, high) = (decide(capacity - margin), decide(capacity + margin));
    match (low, high) {
        (Some(low), Some(high)) if low.verdict == high.verdict => {
            Some(decide(capacity).unwrap_or(low))
        }
        (Some(low), Some(high)) => {
            let mut between = low.reasons;
            between.retain(|reason| high.reasons.contains(reason));
            between.push(Reason::TooNear);
            Some(unclear(&[low.verdict, high.verdict], between))
        }
        (Some(reading), None) | (None, Some(reading)) => Some(reading),
        (None, None) => None,
    }
    .map(|reading| enough(numbers, &slow, reading))
}

/// A handful of requests proves nothing, unless the servers themselves say it.
fn enough(numbers: &Numbers, slow: &Slowness, reading: Reading) -> Reading {
    if numbers.requests >= REQUESTS_MIN || slow.is || reading.verdict == Verdict::Unclear {
        return reading;
    }
    unclear(&[reading.verdict], vec![Reason::TooFewRequests])
}

fn without_capacity(numbers: &Numbers, slow: &Slowness) -> Reading {
    let once = numbers.known.plus(numbers.unknown).work;
    match numbers.usual.capacity {
        Some(usual) if slow.is && once <= scattered(usual) => {
            let reasons = with(&slow.signs, Reason::FitsUsualCapacity);
            found(Verdict::UpstreamSlow, vec![], reasons)
        }
        _ => {
            let also = if slow.is { vec![Verdict::UpstreamSlow] } else { vec![] };
            unclear(&also, with(&slow.signs, Reason::CapacityUnknown))
        }
    }
}

/// The cause, if the capacity is exactly `capacity`.
fn decide(numbers: &Numbers, capacity: u64, slow: &Slowness, was_full: bool) -> Option<Reading> {
    let demand = Demand::of(numbers);
    if demand.all <= capacity {
        // The calls that ended were still quick: the capacity is not what it was.
        let reasons = with(&slow.signs, Reason::DemandFits);
        return slow.is.then(|| found(Verdict::UpstreamSlow, vec![], reasons));
    }
    let usual = numbers.usual.capacity;
    let quick_carries = |work: u64| slow.is && usual.is_some_and(|usual| work <= scattered(usual));
    let mut reading = if demand.once() <= capacity {
        repeats(&demand, capacity, quick_carries(demand.all).then_some(usual).flatten(), slow)
    } else if quick_carries(demand.once()) {
        slow_or_unknown(&demand, capacity, usual.unwrap_or(capacity), slow)
    } else if demand.known <= capacity {
        unknown_or_known(&demand, capacity)
    } else {
        known_or_more(&demand, capacity, usual.filter(|_| was_full), slow)
    };
    reading.reasons.insert(0, Reason::DemandAboveCapacity);
    add_contributions(&mut reading, &demand, capacity, slow);
    Some(reading)
}

/// Demand in work per second.
struct Demand {
    all: u64,
    known: u64,
    unknown: u64,
    repeated: u64,
    /// How far known and unknown are above what is usual; `None`: not known.
    grown: Option<(u64, u64)>,
}

impl Demand {
    fn of(numbers: &Numbers) -> Self {
        let (known, unknown) = (numbers.known.work, numbers.unknown.work);
        let usual = numbers.usual.known.zip(numbers.usual.unknown);
        Self {
            all: numbers.demand.work,
            known,
            unknown,
            repeated: numbers.repeated.work,
            grown: usual.map(|(usual_known, usual_unknown)| {
                (known.saturating_sub(usual_known.work), unknown.saturating_sub(usual_unknown.work))
            }),
        }
    }

    /// Each request once.
    const fn once(&self) -> u64 {
        self.known.saturating_add(self.unknown)
    }
}

/// Sent once, all would fit.
fn repeats(demand: &Demand, capacity: u64, usual: Option<u64>, slow: &Slowness) -> Reading {
    let reasons = vec![Reason::FitsWithoutRepeats];
    let Some(usual) = usual else { return found(Verdict::RetryStorm, vec![], reasons) };
    // At its usual capacity the pool would carry the repeats too.
    let lost = usual.saturating_sub(capacity);
    let mut reasons = with(&slow.signs, Reason::FitsUsualCapacity);
    reasons.push(Reason::FitsWithoutRepeats);
    choose((Verdict::RetryStorm, demand.repeated), (Verdict::UpstreamSlow, lost), reasons)
}

/// At its usual capacity the pool would carry all; perhaps also without strangers.
fn slow_or_unknown(demand: &Demand, capacity: u64, usual: u64, slow: &Slowness) -> Reading {
    let mut reasons = with(&slow.signs, Reason::FitsUsualCapacity);
    if demand.known > capacity {
        return found(Verdict::UpstreamSlow, vec![], reasons);
    }
    let lost = usual.saturating_sub(capacity);
    let grown = demand.grown.map_or(demand.unknown, |(_, unknown)| unknown);
    reasons.push(Reason::KnownFits);
    choose((Verdict::UpstreamSlow, lost), (Verdict::UnknownDemand, grown), reasons)
}

/// Without strangers all would fit; but perhaps it is not them that grew.
fn unknown_or_known(demand: &Demand, capacity: u64) -> Reading {
    let mut reasons = vec![Reason::KnownFits];
    if demand.unknown > capacity {
        reasons.push(Reason::UnknownAboveCapacity);
    }
    let Some((known, unknown)) = demand.grown else {
        return found(Verdict::UnknownDemand, vec![], reasons);
    };
    let missing = demand.once().saturating_sub(capacity);
    if known.saturating_add(unknown) < missing / 2 {
        reasons.push(Reason::NothingGrew);
        return unclear(&[Verdict::UnknownDemand, Verdict::UpstreamSlow], reasons);
    }
    for (grew, reason) in [(known, Reason::KnownGrew), (unknown, Reason::UnknownGrew)] {
        if grew >= missing / 2 {
            reasons.push(reason);
        }
    }
    choose((Verdict::UnknownDemand, unknown), (Verdict::KnownDemand, known), reasons)
}

/// Known demand alone does not fit. `usual`: the usual capacity, if the pool was ever full.
fn known_or_more(demand: &Demand, capacity: u64, usual: Option<u64>, slow: &Slowness) -> Reading {
    let mut reasons = vec![Reason::KnownAboveCapacity];
    if slow.is && usual.is_none_or(|usual| demand.known <= scattered(usual)) {
        reasons.extend(&slow.signs);
        reasons.push(Reason::CausesTogether);
        let other = if demand.unknown > demand.known {
            Verdict::UnknownDemand
        } else {
            Verdict::KnownDemand
        };
        return unclear(&[Verdict::UpstreamSlow, other], reasons);
    }
    let missing = demand.known.saturating_sub(capacity);
    if let Some((_, unknown)) = demand.grown.filter(|(known, _)| *known < missing / 2) {
        // What is as it always was is not the cause.
        let (other, reason) = if unknown > missing / 2 {
            (Verdict::UnknownDemand, Reason::UnknownGrew)
        } else {
            (Verdict::KnownDemand, Reason::NothingGrew)
        };
        reasons.push(reason);
        return unclear(&[Verdict::UpstreamSlow, other], reasons);
    }
    if demand.unknown > capacity {
        reasons.push(Reason::UnknownAboveCapacity);
        if demand.unknown > demand.known {
            reasons.push(Reason::TwoCauses);
            return unclear(&[Verdict::KnownDemand, Verdict::UnknownDemand], reasons);
        }
    }
    let hardly_grew = |(known, _): (u64, u64)| known < demand.known / 2;
    if usual.is_none() && demand.grown.is_some_and(hardly_grew) {
        // Nobody knows whether the pool ever could do it.
        reasons.push(Reason::TwoCauses);
        return unclear(&[Verdict::KnownDemand, Verdict::UpstreamSlow], reasons);
    }
    found(Verdict::KnownDemand, vec![], reasons)
}

/// The cause that weighs at least twice as much as the other, else neither.
fn choose(a: (Verdict, u64), b: (Verdict, u64), mut reasons: Vec<Reason>) -> Reading {
    let outweighs = |one: u64, other: u64| one > 0 && one / 2 >= other;
    if outweighs(a.1, b.1) {
        found(a.0, vec![], reasons)
    } else if outweighs(b.1, a.1) {
        found(b.0, vec![], reasons)
    } else {
        reasons.push(Reason::TwoCauses);
        unclear(&[a.0, b.0], reasons)
    }
}

/// What adds to the cause without being it: at least half a capacity of it.
fn add_contributions(reading: &mut Reading, demand: &Demand, capacity: u64, slow: &Slowness) {
    if reading.verdict == Verdict::Unclear {
        return;
    }
    let half = capacity / 2;
    let parts = [
        (Verdict::UnknownDemand, demand.unknown > half),
        (Verdict::UpstreamSlow, slow.is),
        (Verdict::RetryStorm, demand.repeated > half),
    ];
    for (verdict, adds) in parts {
        let explains =
            reading.verdict == Verdict::UpstreamSlow && verdict == Verdict::UnknownDemand;
        if adds && verdict != reading.verdict && !explains {
            reading.also.push(verdict);
        }
    }
}

/// The signs that the pool itself is slow.
fn slowness(numbers: &Numbers, context: Context) -> Slowness {
    let mut signs = Vec::new();
    let above = |percent: Option<u32>, bound| percent.is_some_and(|percent| percent >= bound);
    let over = |bound: u32| {
        [
            (above(numbers.ttft_percent, bound), Reason::FirstTokensLate),
            (above(numbers.tpot_percent, bound), Reason::TokensSlow),
        ]
        .into_iter()
        .filter(|(is, _)| *is && !context.observe)
        .map(|(_, reason)| reason)
    };
    // Servers that do as much as ever are late because they have all that they can do.
    let mut is = over(SLOW_PERCENT).next().is_some() && !context.does_as_usual;
    signs.extend(over(SLUGGISH_PERCENT));
    let calls = numbers.ended.max(numbers.faults);
    if numbers.faults >= FAULTS_MIN && numbers.faults * 100 >= calls * FAULTS_PERCENT {
        signs.push(Reason::CallsFail);
        is = true;
    }
    if context.nothing_ended && numbers.usual.capacity.is_some() {
        signs.push(Reason::NothingServed);
        is = true;
    }
    let fell = context.fell;
    // Other prompts make other numbers: a lower capacity alone is no proof, but
    // at an unchanged demand it is.
    let proven = context.was_slow || !signs.is_empty() || is_as_usual(numbers);
    let is = is || (fell && proven);
    if fell {
        signs.insert(0, Reason::CapacityFell);
    }
    Slowness { signs, is }
}

/// The highest mean over a window that `usual` may scatter to.
const fn scattered(usual: u64) -> u64 {
    usual.saturating_add(usual / 100 * SCATTER_PERCENT)
}

/// Whether no more is asked for than usual.
fn is_as_usual(numbers: &Numbers) -> bool {
    let usual = numbers.usual.known.zip(numbers.usual.unknown);
    let once = numbers.known.plus(numbers.unknown).work;
    usual.is_some_and(|(known, unknown)| once <= scattered(known.plus(unknown).work))
}

fn with(signs: &[Reason], reason: Reason) -> Vec<Reason> {
    signs.iter().copied().chain([reason]).collect()
}

const fn found(verdict: Verdict, also: Vec<Verdict>, reasons: Vec<Reason>) -> Reading {
    Reading { verdict, also, reasons }
}

/// Nobody can tell which of `between` it is.
fn unclear(between: &[Verdict], reasons: Vec<Reason>) -> Reading {
    Reading { verdict: Verdict::Unclear, also: between.to_vec(), reasons }
}
