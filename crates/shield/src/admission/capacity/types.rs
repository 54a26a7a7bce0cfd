//! What the controller is told, and what it tells.

use serde::{Deserialize, Serialize};

/// What an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityConfig {
    /// Sequences before anything is known.
    pub start: u32,
    /// Sequences at least: with none nothing would ever be learnt.
    pub floor: u32,
    /// Sequences at most.
    pub max: u32,
}

impl Default for CapacityConfig {
    fn default() -> Self {
        Self { start: 4, floor: 1, max: 4_096 }
    }
}

/// What is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests.
    pub sequences: u32,
    /// Tokens that they hold or may come to hold: input and expected output.
    pub tokens: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The answer is complete.
    Completed,
    /// The client left.
    Cancelled,
    /// The server failed.
    Failed,
    /// The server refused because of load.
    Overloaded,
}

/// What a server says about itself; what it does not have is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Requests that it computes.
    pub running: Option<u32>,
    /// Requests that wait in it.
    pub waiting: Option<u32>,
    /// The part of its cache that is used, 0 to 1.
    pub kv_used: Option<f32>,
    /// Requests set back since it started.
    pub preemptions: Option<u64>,
}

/// How the upstream does, for the verdict and the live view.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// The last known median time to the first token over what it is without load.
    pub ttft_ratio: Option<f32>,
    /// The last known median time per token over what it is without load.
    pub tpot_ratio: Option<f32>,
    /// Requests that wait inside the server, estimated.
    pub waiting: u32,
    /// Calls that the server failed between the last two ticks.
    pub faults: u32,
    /// Whether it is known what is without load.
    pub baseline_known: bool,
}

/// What is kept of a pool. It is where the next process begins, and no more:
/// one new sample weighs as much as all of a kept baseline, and of the limit
/// half is begun with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learnt {
    /// The limit of requests at once.
    pub sequences: u32,
    /// The time to the first token without load by the size of the prompt, in
    /// microseconds: `(group, time)`.
    pub first_token: Vec<(usize, u64)>,
    /// The time for each token without load, in microseconds.
    pub per_token: Vec<(usize, u64)>,
    /// The same of answers that come whole, by their size.
    pub per_whole_token: Vec<(usize, u64)>,
    /// The mean work of a request that ended, and the milliseconds in which one
    /// sequence does it.
    pub speed: Option<(u64, u64)>,
    /// What a read and a written token cost: the unit of that work.
    pub weights: Option<(u32, u32)>,
}

impl Learnt {
    /// Whether there is anything to begin with.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first_token.is_empty() && self.per_token.is_empty() && self.per_whole_token.is_empty()
    }
}
