//! How much a pool of model servers can do at once, learnt without configuration.
//!
//! Two limits are steered: sequences in flight, and (once they were scarce)
//! tokens in flight. Growth is additive and decrease multiplicative (Chiu and
//! Jain 1989); the decrease follows the queue inside the server, estimated from
//! the time to the first token as TCP Vegas does from the round trip. The
//! latency of a whole request is never a signal: it mirrors the length of the
//! answer.
//!
//! # What is seen
//!
//! - **Time to the first token** after dispatch, over what it is without load
//!   for prompts of that size. A request that still waits for its first token
//!   counts as soon as it is late.
//! - **Time per output token**, over what it is without load, between first
//!   tokens: while a server reads a prompt it makes no tokens, and that is work
//!   and not load. For an answer that comes whole it is its latency over its
//!   tokens, compared with answers of that length.
//! - **The server's own gauges**: waiting requests, preemptions, cache use. A
//!   first token that came in time outweighs a gauge of waiting requests, and a
//!   gauge that goes on complaining through several decreases is not believed
//!   any more until it once reads zero: servers share, and servers lie.
//! - **Refusals because of load.**
//!
//! Where all answers come whole and the server says nothing, a queue inside it
//! cannot be told from its work: only the time per token bounds the limit then,
//! and it may come to rest at twice the capacity.
//!
//! # What is without load
//!
//! A sample counts for the baseline if at most a quarter of the highest limit
//! known to be good was in flight when it was dispatched, and no other request
//! ended before its first token: so it did not wait for anybody's place. Under
//! a flood there are no such samples, and nothing is learnt from the flood.
//! Samples under load can only lower a baseline. When a server becomes slow for
//! another reason, the limit falls until samples count again; the baseline is
//! learnt anew and the limit climbs back. Nothing is ever starved to find out.
//!
//! # How the limit moves
//!
//! At first each first token that comes in time while the limit is full adds
//! one: growth is clocked by the server. It ends before the congestion does
//! harm, as in HyStart (Ha and Rhee 2008): a first token that takes half of
//! what would make it late adds nothing, and the limit is never more than one
//! step ahead of the streams that had their first token. A **step** is an eighth
//! of the limit, at least two: so many requests at most are ever too many. The
//! search of which that rule makes a standstill goes on by a step a window as
//! long as first tokens come no later. After the first congestion each good
//! window in which the limit held somebody back adds one, and a long row of
//! those starts the search again. After a decrease nothing is judged until what
//! is in flight has come down to it, and then only by requests that were
//! dispatched after it. Late first tokens while more and more requests run are
//! a server that reads many prompts, not one that is full: the limit stays.
//! Each move is a [`Change`], which says in words and numbers what was seen.
//!
//! # When the door itself is late
//!
//! A door without a processor measures its own lateness. Such a second is passed
//! over. From the fifth in a row on it is judged by what lateness cannot fake:
//! refusals and the server's own gauges. With neither the limits stay.

mod baseline;
mod fit;
mod flight;
mod judge;
mod learnt;
mod steer;
mod tick;
mod types;
mod why;
mod window;

use std::time::{Duration, Instant};

pub use flight::TRACKED_MAX;
pub use steer::TOKENS_MIN;
pub use tick::{LATE_TICKS, WINDOW_MIN};
pub use types::{CapacityConfig, End, Gauges, Health, Learnt, Load};
pub use why::{Change, Limits, Why};

use baseline::{Baseline, group_of};
use fit::Written;
use flight::{Flight, Flights};
use judge::Trust;
use window::{Start, Window};

/// Tokens of a whole answer below which its latency says nothing about each.
const WHOLE_TOKENS_MIN: u64 = 16;
/// The time per token is no median: tokens that lay ready behind a slow reader seem fast.
const TOKEN_TIME_PERCENT: usize = 75;
/// Cache use from which on tokens are what is scarce.
const KV_FULL: f32 = 0.95;

/// The limits of one pool.
#[derive(Clone, Debug)]
pub struct Capacity {
    config: CapacityConfig,
    limits: Limits,
    /// The limits as of the last tick.
    reported: Limits,
    seeking: bool,
    good_windows: u32,
    known_good: Load,
    /// After a decrease: what is in flight has still to come down.
    settling: bool,
    /// The last decrease: requests from before it are not blamed for again.
    cut_at: Instant,
    sent_since_cut: bool,
    window_at: Instant,
    window: Window,
    flights: Flights,
    first_token: Baseline,
    per_token: Baseline,
    per_whole_token: Baseline,
    written: Written,
    /// The time per token for which `first_token` holds.
    paced_at: Option<u64>,
    slow_windows: u32,
    /// The last two readings of the server's own gauge of waiting requests.
    waiting_read: [Option<u32>; 2],
    running_read: Option<u32>,
    preemptions_read: Option<u64>,
    tokens_in_flight: u64,
    /// The last change of a limit, and whether a request from after it has ended.
    changed_at: Instant,
    came_round: bool,
    trust_waiting: Trust,
    trust_preemptions: Trust,
    faults: u32,
    late_ticks: u32,
    health: Health,
}

impl Capacity {
    /// A pool of which nothing is known.
    #[must_use]
    pub fn new(now: Instant, config: CapacityConfig) -> Self {
        let floor = config.floor.max(1);
        let config = CapacityConfig { floor, max: config.max.max(floor), ..config };
        let sequences = config.start.clamp(config.floor, config.max);
        let limits = Limits { sequences, tokens: None };
        Self {
            config,
            limits,
            reported: limits,
            seeking: true,
            good_windows: 0,
            known_good: Load { sequences, tokens: 0 },
            settling: false,
            cut_at: now,
            sent_since_cut: true,
            window_at: now,
            window: Window::default(),
            flights: Flights::default(),
            // A lower part of loaded samples would be the quick ones of a service that
            // thinks for times that differ, and no proof that it is quicker.
            first_token: Baseline::new(50, 40),
            per_token: Baseline::new(TOKEN_TIME_PERCENT, TOKEN_TIME_PERCENT),
            per_whole_token: Baseline::new(50, 50),
            written: Written::default(),
            paced_at: None,
            slow_windows: 0,
            waiting_read: [None; 2],
            running_read: None,
            preemptions_read: None,
            tokens_in_flight: 0,
            changed_at: now,
            came_round: false,
            trust_waiting: Trust::default(),
            trust_preemptions: Trust::default(),
            faults: 0,
            late_ticks: 0,
            health: Health::default(),
        }
    }

    /// Sequences that may be in flight.
    #[must_use]
    pub const fn sequences(&self) -> u32 {
        self.limits.sequences
    }

    /// Tokens that may be in flight; `None` as long as they were never scarce.
    #[must_use]
    pub const fn tokens(&self) -> Option<u64> {
        self.limits.tokens
    }

    /// Requests that are tracked, at most [`TRACKED_MAX`].
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.flights.len()
    }

    /// Another highest limit.
    pub fn set_max(&mut self, sequences: u32) {
        self.config.max = sequences.max(self.config.floor);
        self.limits.sequences = self.limits.sequences.min(self.config.max);
        // The operator knows of it: it is no move of the controller.
        self.reported = self.limits;
    }

    /// A request of `input` uncached tokens goes to the server. `in_flight` is
    /// with it; `streams` tells whether a first token will be seen.
    pub fn dispatched(
        &mut self,
        now: Instant,
        id: u64,
        input: u64,
        in_flight: Load,
        streams: bool,
    ) {
        let flight = Flight::new(now, group_of(input), streams, in_flight.sequences);
        self.flights.insert(id, flight);
        (self.sent_since_cut, self.tokens_in_flight) = (true, in_flight.tokens);
        self.window.peak_sequences = self.window.peak_sequences.max(in_flight.sequences);
        self.window.peak_tokens = self.window.peak_tokens.max(in_flight.tokens);
    }

    /// The first token of an answer came.
    pub fn first_token(&mut self, now: Instant, id: u64) {
        let Some(flight) = self.flights.start(id) else { return };
        let took = micros(now.saturating_duration_since(flight.dispatched));
        let waited_for_nobody = self.flights.ended == flight.ended_before;
        if flight.sequences <= self.unloaded_max() && waited_for_nobody {
            self.first_token.unloaded(flight.group, took);
        } else {
            self.first_token.loaded(flight.group, took);
        }
        let start = self
            .first_token
            .expected(flight.group)
            .map(|expected| Start { micros: took, expected });
        if flight.dispatched >= self.cut_at {
            match start {
                Some(start) => self.window.start(start),
                None => self.window.unjudged += 1,
            }
        }
        if !start.is_some_and(Start::has_risen) {
            self.seek();
        }
    }

    /// `tokens` more came, and the door waited `waited` for them. Time in which
    /// a slow reader held the door up is not in it, nor are tokens that lay
    /// ready afterwards. For an answer that came whole: its latency and all its tokens.
    pub fn streamed(&mut self, id: u64, waited: Duration, tokens: u64) {
        if let Some(flight) = self.flights.of(id).copied().filter(|flight| !flight.streams) {
            self.came_whole(flight, waited, tokens);
            return;
        }
        let Some(each) = self.flights.tokens(id, waited, tokens).map(micros) else { return };
        self.learn_written(each);
        if self.flights.count() <= self.unloaded_max() {
            self.per_token.unloaded(0, each);
        } else {
            self.per_token.loaded(0, each);
        }
        if let Some(expected) = self.per_token.expected(0) {
            self.window.tokens(each, expected);
        }
    }

    fn came_whole(&mut self, flight: Flight, latency: Duration, tokens: u64) {
        if tokens < WHOLE_TOKENS_MIN {
            return;
        }
        let each = micros(latency) / tokens;
        let group = group_of(tokens);
        // Whether it waited for a place cannot be seen: fewer samples count than of streams.
        if flight.sequences <= (self.known_good.sequences / 4).max(1) {
            self.per_whole_token.unloaded(group, each);
        } else {
            self.per_whole_token.loaded(group, each);
        }
        // It must have met the limit as it is now from its start.
        if flight.dispatched < self.changed_at {
            return;
        }
        match self.per_whole_token.expected(group) {
            Some(expected) => self.window.tokens(each, expected),
            None => self.window.unjudged += 1,
        }
    }

    /// A request ended, or its call failed and another may follow.
    pub fn ended(&mut self, _now: Instant, id: u64, end: End) {
        let Some(flight) = self.flights.remove(id) else { return };
        self.came_round |= flight.dispatched >= self.changed_at;
        match end {
            End::Completed | End::Cancelled => {}
            End::Failed => {
                self.faults = self.faults.saturating_add(1);
                self.window.running_before = self.window.running_before.min(self.flights.started());
            }
            End::Overloaded if flight.dispatched >= self.cut_at => {
                self.window.refused = self.window.refused.saturating_add(1);
            }
            End::Overloaded => {}
        }
    }

    /// What a server says about itself.
    pub fn gauges(&mut self, _now: Instant, gauges: Gauges) {
        self.running_read = gauges.running;
        if let Some(waiting) = gauges.waiting {
            self.waiting_read = [self.waiting_read[1], Some(waiting)];
            if waiting == 0 {
                self.trust_waiting = Trust::default();
            }
        }
        if let Some(preemptions) = gauges.preemptions {
            // A counter that fell belongs to a server that started anew.
            let before = self.preemptions_read.replace(preemptions).unwrap_or(preemptions);
            let more = preemptions.saturating_sub(before);
            self.window.preemptions = self.window.preemptions.saturating_add(more);
        }
        self.window.kv_is_full |= gauges.kv_used.is_some_and(|used| used >= KV_FULL);
    }

    /// How the upstream does.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Whether the limit's end is not known yet: it still grows with every answer.
    #[must_use]
    pub const fn is_seeking(&self) -> bool {
        self.seeking
    }

    fn unloaded_max(&self) -> u32 {
        (self.known_good.sequences / 4).max(2)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
