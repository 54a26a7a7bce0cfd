//! Incidents as the ledger records them: what was judged, by which numbers,
//! and what would have been otherwise. Words, numbers and configured names only.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::PublicId;

/// Why requests wait or are refused.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody has to wait for long and nobody is refused.
    #[default]
    Normal,
    /// Callers that the door knows ask for more than the pool can do.
    KnownDemand,
    /// Strangers ask for more than the known callers leave of the pool.
    UnknownDemand,
    /// The pool does less than it did, at a demand that it carried before.
    UpstreamSlow,
    /// The same requests come again and again; sent once, they would fit.
    RetryStorm,
    /// Two causes explain it alike, or there are too few numbers.
    Unclear,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Normal,
        Self::KnownDemand,
        Self::UnknownDemand,
        Self::UpstreamSlow,
        Self::RetryStorm,
        Self::Unclear,
    ];

    /// The word used in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::KnownDemand => "known_demand",
            Self::UnknownDemand => "unknown_demand",
            Self::UpstreamSlow => "upstream_slow",
            Self::RetryStorm => "retry_storm",
            Self::Unclear => "unclear",
        }
    }
}

impl fmt::Display for Verdict {
    /// The words for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::KnownDemand => "known demand above capacity",
            Self::UnknownDemand => "unknown demand above capacity",
            Self::UpstreamSlow => "upstream slow",
            Self::RetryStorm => "retry storm",
            Self::Unclear => "unclear",
        })
    }
}

/// One thing that a verdict rests on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// More is asked for than the pool can do.
    DemandAboveCapacity,
    /// What arrives would fit; what came before still waits, or the capacity is judged too high.
    DemandFits,
    /// Known demand alone is more than the pool can do.
    KnownAboveCapacity,
    /// Known demand alone would fit.
    KnownFits,
    /// Unknown demand alone is more than the pool can do.
    UnknownAboveCapacity,
    /// Without the requests that were sent before, all would fit.
    FitsWithoutRepeats,
    /// Known demand grew.
    KnownGrew,
    /// Unknown demand grew.
    UnknownGrew,
    /// Neither known nor unknown demand grew.
    NothingGrew,
    /// The pool can do clearly less than usual.
    CapacityFell,
    /// All that is asked for would fit the usual capacity.
    FitsUsualCapacity,
    /// First tokens come late, measured against the unloaded server.
    FirstTokensLate,
    /// Tokens come slowly, measured against the unloaded server.
    TokensSlow,
    /// Calls fail.
    CallsFail,
    /// Calls are open and none ends.
    NothingServed,
    /// Two causes explain it alike.
    TwoCauses,
    /// It takes two causes together to explain it.
    CausesTogether,
    /// The numbers are too near to each other to tell.
    TooNear,
    /// Too few requests to tell.
    TooFewRequests,
    /// The pool's capacity is not known yet.
    CapacityUnknown,
}

/// A rate, per second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rate {
    /// Thousandths of a request.
    pub requests_milli: u64,
    /// Work: uncached input and output tokens, weighted.
    pub work: u64,
}

impl Rate {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            requests_milli: self.requests_milli.saturating_add(other.requests_milli),
            work: self.work.saturating_add(other.work),
        }
    }
}

/// What a verdict was judged by: means over the last seconds, of one pool.
///
/// `demand = known + unknown + repeated`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Numbers {
    /// How many seconds the means are over.
    pub window_s: u64,
    /// Requests that arrived in them.
    pub requests: u64,
    /// What arrived.
    pub demand: Rate,
    /// Sent for the first time by known callers: established, verified, and new ones past the young age.
    pub known: Rate,
    /// Sent for the first time by anybody else.
    pub unknown: Rate,
    /// Sent before, by whomever.
    pub repeated: Rate,
    /// Requests refused in the window because the pool was full or away.
    pub refused: u64,
    /// What the pool can do, in work per second; `None`: too few requests ended to tell.
    pub capacity: Option<u64>,
    /// Requests at once that the pool is trusted with.
    pub sequences: u32,
    /// Requests that run.
    pub in_flight: u32,
    /// Requests that wait.
    pub waiting: u64,
    /// The longest wait in the window, ended or not, in milliseconds.
    pub longest_wait_ms: u64,
    /// Calls that ended.
    pub ended: u64,
    /// Calls that failed.
    pub faults: u64,
    /// Time to the first token, in percent of the unloaded server's; the window's median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_percent: Option<u32>,
    /// Time per output token, in percent of the unloaded server's; the window's median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot_percent: Option<u32>,
    /// How it usually is.
    pub usual: Usual,
}

/// How a pool usually is: learnt while nobody waits, at rest while an incident is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usual {
    /// Known demand, sent for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Rate>,
    /// Unknown demand, sent for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Rate>,
    /// What the pool did, in work per second: it can do at least that much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
}

/// A demand beside a capacity, per second. The capacity is given in requests
/// as dear as the demand's, so that both numbers say the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Against {
    /// What is asked for.
    pub demand: Rate,
    /// What can be done.
    pub capacity: Rate,
}

impl Against {
    /// `demand` beside a capacity of `work` per second.
    #[must_use]
    pub fn of(demand: Rate, work: u64) -> Self {
        let requests = u128::from(work) * u128::from(demand.requests_milli);
        let requests = requests.checked_div(u128::from(demand.work)).unwrap_or(0);
        let requests_milli = u64::try_from(requests).unwrap_or(u64::MAX);
        Self { demand, capacity: Rate { requests_milli, work } }
    }

    /// Whether the demand could have been carried.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.demand.work <= self.capacity.work
    }
}

/// What would have been otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counterfactual {
    /// Known demand alone, each request once, against the capacity.
    pub known: Against,
    /// All demand, each request once, against the capacity.
    pub once: Against,
    /// All demand, each request once, against the usual capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<Against>,
    /// Requests at once beyond those of now that would have carried all, each request once.
    pub sequences_more: u64,
}

impl Counterfactual {
    /// What follows from `numbers`; `None` where the capacity is not known.
    #[must_use]
    pub fn of(numbers: &Numbers) -> Option<Self> {
        let capacity = numbers.capacity.filter(|capacity| *capacity > 0)?;
        let once = numbers.known.plus(numbers.unknown);
        Some(Self {
            known: Against::of(numbers.known, capacity),
            once: Against::of(once, capacity),
            usual: numbers.usual.capacity.map(|usual| Against::of(once, usual)),
            sequences_more: sequences_more(numbers.sequences, once.work, capacity),
        })
    }
}

/// How many sequences beyond `sequences` carry `demand`, if `sequences` carry
/// `capacity` and each further one carries as much.
fn sequences_more(sequences: u32, demand: u64, capacity: u64) -> u64 {
    let needed = u128::from(sequences) * u128::from(demand);
    let needed = needed.div_ceil(u128::from(capacity.max(1)));
    u64::try_from(needed.saturating_sub(u128::from(sequences))).unwrap_or(u64::MAX)
}

/// One class's counts since an incident opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ClassTotals {
    /// Requests that arrived.
    pub offered: u64,
    /// Of these, sent before.
    pub repeated: u64,
    /// Requests that went on.
    pub admitted: u64,
    /// Requests that had to wait.
    pub queued: u64,
    /// Requests whose client left while they waited.
    pub left: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// The longest wait, ended or not, in milliseconds.
    pub longest_wait_ms: u64,
}

/// What became of an incident.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Step {
    /// It began.
    Opened,
    /// It has another verdict or pool than before.
    Changed {
        /// The verdict before.
        from: Verdict,
    },
    /// It goes on; the numbers of now.
    Measured,
    /// It ended: nobody waited for long or was refused for a while. The event's
    /// verdict is the one that held longest, its numbers those of the worst second.
    Closed {
        /// For how long it had been calm, in seconds.
        calm_s: u64,
        /// How long each verdict held, in seconds, the longest first.
        held: Vec<(Verdict, u64)>,
    },
}

/// One event of an incident.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IncidentEvent {
    /// The incident.
    pub id: PublicId,
    /// When.
    pub at: Timestamp,
    /// Seconds since it opened, by a clock that does not jump.
    pub elapsed_s: u64,
    /// What became of it.
    #[serde(flatten)]
    pub step: Step,
    /// The verdict.
    pub verdict: Verdict,
    /// With `unclear`: what it may be; else what adds to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Verdict>,
    /// What the verdict rests on.
    pub reasons: Vec<Reason>,
    /// The pool that is worst off, as configured.
    pub pool: String,
    /// Whether admission only observed: nobody waited and nobody was refused by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// What it was judged by.
    pub numbers: Numbers,
    /// What would have been otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterfactual: Option<Counterfactual>,
    /// Counts of all pools since the incident opened, in the order of
    /// [`Class::ALL`](crate::principal::Class::ALL).
    pub totals: [ClassTotals; 4],
}

/// The learnt capacity of a pool moved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CapacityChanged {
    /// When.
    pub at: Timestamp,
    /// The pool, as configured.
    pub pool: String,
    /// Requests at once before.
    pub from: u32,
    /// Requests at once now.
    pub to: u32,
    /// Tokens at once now, where they are what is scarce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Why: one of the controller's own words.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_fits_by_requests_exactly_if_it_fits_by_work() {
        for (requests_milli, work, capacity) in
            [(31_000, 12_400, 16_000), (40_001, 16_001, 16_000), (1, 1_000_000, 999_999), (7, 3, 3)]
        {
            let against = Against::of(Rate { requests_milli, work }, capacity);
            let by_requests = requests_milli <= against.capacity.requests_milli;
            assert_eq!(against.fits(), by_requests, "{against:?}");
        }
        assert!(Against::of(Rate::default(), 0).fits());
    }

    #[test]
    fn more_sequences_are_as_many_as_it_takes_and_not_one_more() {
        for (sequences, demand, capacity, more) in
            [(40, 100, 100, 0), (40, 101, 100, 1), (40, 200, 100, 40), (4, 10, 100, 0)]
        {
            assert_eq!(sequences_more(sequences, demand, capacity), more);
        }
        assert_eq!(sequences_more(u32::MAX, u64::MAX, 1), u64::MAX);
    }
}
