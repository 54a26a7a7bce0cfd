//! What the judge is told once a second.

use std::sync::Arc;
use std::time::Duration;

use surgewall_core::clock::Timestamp;

/// Requests and their work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Requests.
    pub requests: u64,
    /// Their expected work: uncached input and output tokens, weighted.
    pub work: u64,
}

impl Flow {
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            work: self.work.saturating_add(other.work),
        }
    }

    pub(super) const fn less(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            work: self.work.saturating_sub(other.work),
        }
    }
}

/// What happened at the door since the last tick.
#[derive(Clone, Debug, Default)]
pub struct Tick {
    /// The wall clock, for what is written down; nothing is decided by it.
    pub at: Timestamp,
    /// Since the last tick, by the monotonic clock.
    pub elapsed: Duration,
    /// Whether admission only observes. Then `queued` and `refused` are what it would have done.
    pub observe: bool,
    /// Every pool that admission guards.
    pub pools: Vec<PoolTick>,
}

/// What happened at one pool.
#[derive(Clone, Debug)]
pub struct PoolTick {
    /// Its name, as configured.
    pub pool: Arc<str>,
    /// Counts by class, in the order of [`Class::ALL`](surgewall_core::principal::Class::ALL).
    pub classes: [ClassTick; 4],
    /// Of what class `new` offered for the first time: from accounts past the
    /// young age. They are known.
    pub grown: Flow,
    /// Calls that ended.
    pub served: Served,
    /// Requests at once that the pool is trusted with now.
    pub sequences: u32,
    /// Requests that run now.
    pub in_flight: u32,
    /// What the controller knows of the servers.
    pub health: Health,
}

impl PoolTick {
    /// A pool at which nothing happened.
    #[must_use]
    pub fn idle(pool: Arc<str>) -> Self {
        Self {
            pool,
            classes: [ClassTick::default(); 4],
            grown: Flow::default(),
            served: Served::default(),
            sequences: 0,
            in_flight: 0,
            health: Health::default(),
        }
    }
}

/// What happened to one class at one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassTick {
    /// Requests that arrived.
    pub offered: Flow,
    /// Of these, sent before: the same body by the same principal within a
    /// minute, or a known caller's SDK says so.
    pub repeated: Flow,
    /// Requests that went on.
    pub admitted: u64,
    /// Requests that had to wait.
    pub queued: u64,
    /// Requests whose client left while they waited.
    pub left: u64,
    /// Requests that were refused because the pool is full or away; not those
    /// refused for a quota, a credential or a rule.
    pub refused: u64,
    /// Streams that were ended because their client did not keep up.
    pub slow: u64,
    /// Streams that were ended for somebody more trusted.
    pub shed: u64,
    /// Requests that wait now.
    pub waiting: Flow,
    /// The longest wait, ended or not, in milliseconds.
    pub longest_wait_ms: u64,
}

/// Calls that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// How many, and their work in the unit of what was offered: as it was
    /// expected when they arrived. Estimates are high on purpose; in one unit
    /// their error leaves both sides of a comparison alike.
    pub done: Flow,
    /// What they really were, in work: who asks changes what is expected, not this.
    pub used: u64,
    /// How long they ran, added up, in milliseconds.
    pub busy_ms: u64,
}

/// What the controller knows of a pool's servers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// Time to the first token over the unloaded server's.
    pub ttft_ratio: Option<f32>,
    /// Time per output token over the unloaded server's.
    pub tpot_ratio: Option<f32>,
    /// Calls that failed since the last tick.
    pub faults: u64,
}
