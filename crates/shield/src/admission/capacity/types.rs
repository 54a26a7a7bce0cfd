//! What the controller is told, and what it tells.

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
