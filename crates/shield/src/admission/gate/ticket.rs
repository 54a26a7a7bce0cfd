//! What a request tells the gate, and what it is told.

use std::time::{Duration, Instant};

use crate::admission::eta::Eta;
use crate::admission::fair::{Handle, Lineage};
use crate::admission::work::Work;

/// A request at one gate; unique as long as the gate lives.
pub type TicketId = u64;

/// What a request asks of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Who asks, from the class to the end user.
    pub lineage: Lineage,
    /// A hash of who asks, for what it usually gets.
    pub principal: u64,
    /// A hash of the model.
    pub model: u64,
    /// Input tokens, as estimated.
    pub input: u64,
    /// Of these, tokens that the upstream probably has in its cache.
    pub cached: u64,
    /// Output tokens that the request allows.
    pub output_max: u64,
    /// Bytes that it holds while it waits.
    pub bytes: u64,
    /// Whether it is one that was sent before: a retry.
    pub repeated: bool,
}

impl Ask {
    /// Input tokens that the upstream has to read.
    #[must_use]
    pub const fn uncached(&self) -> u64 {
        self.input.saturating_sub(self.cached)
    }
}

/// What becomes of a request at its arrival.
#[derive(Clone, Debug)]
#[must_use]
pub enum Arrived {
    /// It goes on at once.
    Go(TicketId),
    /// It waits.
    Wait(TicketId, Place),
    /// It is refused.
    Full(Full),
}

/// Why a request is refused at its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// What is short.
    pub short: Short,
    /// The predicted wait, stretched so that one in twenty has a longer one.
    pub wait: Duration,
    /// The longest wait of its class.
    pub longest: Duration,
    /// When it is worth asking again.
    pub retry_after: Duration,
}

/// What is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// The predicted wait is past the class's longest.
    Time,
    /// The waiting requests' memory is used up.
    Memory,
}

/// Where a waiting request stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// 1 is next.
    pub position: u64,
    /// When its turn comes.
    pub eta: Eta,
}

/// A request that waits or runs.
pub(super) struct Ticket<T, R> {
    pub(super) ask: Ask,
    /// What it was expected to cost when it arrived.
    pub(super) expected: Work,
    /// What its lineage is charged so far.
    pub(super) work: Work,
    /// Tokens that it is counted with in the pool's memory.
    pub(super) tokens: u64,
    /// When an upstream was called for it.
    pub(super) dispatched: Option<Instant>,
    /// Whether nobody came for its place, and it was taken back.
    pub(super) taken_back: bool,
    /// Whether its answer streams.
    pub(super) streams: bool,
    /// Whether it is being ended for others.
    pub(super) is_shed: bool,
    /// How it is reached while it runs.
    pub(super) reach: Option<R>,
    pub(super) phase: Phase<T>,
}

impl<T, R> Ticket<T, R> {
    /// A ticket for `ask`, at a `cost` in work and in tokens held.
    pub(super) const fn new(ask: Ask, cost: (Work, u64), phase: Phase<T>) -> Self {
        let (work, tokens) = cost;
        Self {
            ask,
            expected: work,
            work,
            tokens,
            dispatched: None,
            taken_back: false,
            streams: false,
            is_shed: false,
            reach: None,
            phase,
        }
    }
}

/// The range by which a wait is measured: the first that its client was told, or
/// else that of its arrival.
#[derive(Clone, Copy)]
pub(super) struct Promise {
    pub(super) at: Instant,
    pub(super) eta: Eta,
    pub(super) is_told: bool,
    /// Whether it is past, and that was learnt from.
    pub(super) is_overdue: bool,
}

pub(super) enum Phase<T> {
    /// `is_late`: it was noted that it waits longer than its class should.
    Queued {
        handle: Handle,
        since: Instant,
        promised: Promise,
        wake: T,
        is_late: bool,
    },
    Running {
        since: Instant,
    },
}
