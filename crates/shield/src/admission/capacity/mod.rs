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
//! - **Time per output token**, over what it is without load. For an answer
//!   that comes whole it is its latency over its tokens, compared with answers
//!   of that length.
//! - **The server's own gauges**: waiting requests, preemptions, cache use. A
//!   first token that came in time outweighs a gauge of waiting requests, and a
//!   gauge that goes on complaining when the limit is down to half is not
//!   believed any more until it once reads zero: servers share, and servers lie.
//! - **Refusals because of load.**
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
//! one: growth is clocked by the server, so that hardly more than the first few
//! requests are ever too many. After the first congestion each good window in
//! which the limit held somebody back adds one, and a long row of those starts
//! the search again. After a decrease nothing is judged until what is in flight
//! has come down, and then only by requests that were dispatched after it.

mod baseline;
mod flight;
mod why;
mod window;

use std::time::{Duration, Instant};

pub use flight::TRACKED_MAX;
pub use why::{Change, Limits, Why};

use baseline::{Baseline, group_of};
use flight::{Flight, Flights};
use window::{Lateness, SAMPLES_MIN, Start, Window, is_late};

/// The shortest time that is judged.
pub const WINDOW_MIN: Duration = Duration::from_secs(1);
/// Good windows in a row, all with a limit that held back, after which its end is looked for again.
const GOOD_WINDOWS_MAX: u32 = 8;
/// Tokens of a whole answer below which its latency says nothing about each.
const WHOLE_TOKENS_MIN: u64 = 16;
/// The strongest decrease, per mille of the limit.
const CUT_MOST_PER_MILLE: u64 = 700;
/// The gentlest decrease.
const CUT_LEAST_PER_MILLE: u64 = 950;
/// The part of a token limit that stays after preemptions.
const CUT_PREEMPTED_PER_MILLE: u64 = 900;
/// Tokens at least: a request that is larger than the limit goes alone.
pub const TOKENS_MIN: u64 = 4_096;
/// Windows in a row with slow tokens that are believed: prompts that came together also slow them.
const SLOW_WINDOWS_MIN: u32 = 3;
/// The time per token is no median: tokens that lay ready behind a slow reader seem fast.
const TOKEN_TIME_PERCENT: usize = 75;
/// Complaints of a gauge in a row, each answered by a decrease, after which it is not believed.
const COMPLAINTS_MAX: u32 = 8;
/// Cache use from which on tokens are what is scarce.
const KV_FULL: f32 = 0.95;
/// A baseline for the time per token that rose by so much was learnt anew.
const RELEARNT_PER_MILLE: u64 = 2_000;

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
    /// Calls that the server failed, in the last window.
    pub faults: u32,
    /// Whether it is known what is without load.
    pub baseline_known: bool,
}

/// A gauge is believed until it does not react.
#[derive(Clone, Copy, Debug, Default)]
struct Trust {
    complained_at: Option<u64>,
    complaints: u32,
}

impl Trust {
    /// Whether one more complaint in a row, at this limit, is to be believed.
    fn believes(&mut self, limit: u64) -> bool {
        let first = *self.complained_at.get_or_insert(limit);
        if limit.saturating_mul(2) < first {
            self.complaints = COMPLAINTS_MAX;
        }
        self.complaints = self.complaints.saturating_add(1);
        self.complaints <= COMPLAINTS_MAX
    }
}

/// What a window shows.
enum Verdict {
    Good,
    /// Neither a reason to grow nor one to shrink.
    Unclear,
    Congested(Why),
}

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
    /// The time per token for which `first_token` holds.
    paced_at: Option<u64>,
    slow_windows: u32,
    /// The last two readings of the server's own gauge of waiting requests.
    waiting_read: [Option<u32>; 2],
    preemptions_read: Option<u64>,
    tokens_in_flight: u64,
    /// The last change of the token limit, and whether a request from after it has ended.
    tokens_at: Instant,
    came_round: bool,
    trust_waiting: Trust,
    trust_preemptions: Trust,
    faults: u32,
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
            first_token: Baseline::new(50),
            per_token: Baseline::new(TOKEN_TIME_PERCENT),
            per_whole_token: Baseline::new(50),
            paced_at: None,
            slow_windows: 0,
            waiting_read: [None; 2],
            preemptions_read: None,
            tokens_in_flight: 0,
            tokens_at: now,
            came_round: false,
            trust_waiting: Trust::default(),
            trust_preemptions: Trust::default(),
            faults: 0,
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

    /// Another highest limit.
    pub fn set_max(&mut self, sequences: u32) {
        self.config.max = sequences.max(self.config.floor);
        self.limits.sequences = self.limits.sequences.min(self.config.max);
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
        if !start.is_some_and(Start::is_late) {
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
        if flight.dispatched < self.cut_at {
            return;
        }
        match self.per_whole_token.expected(group) {
            Some(expected) => {
                self.window.tokens(each, expected);
                if !is_late(each, expected) {
                    self.seek();
                }
            }
            None => self.window.unjudged += 1,
        }
    }

    /// A request ended, or its call failed and another may follow.
    pub fn ended(&mut self, _now: Instant, id: u64, end: End) {
        let Some(flight) = self.flights.remove(id) else { return };
        self.came_round |= flight.dispatched >= self.tokens_at;
        match end {
            End::Completed | End::Cancelled => {}
            End::Failed => self.faults = self.faults.saturating_add(1),
            End::Overloaded if flight.dispatched >= self.cut_at => {
                self.window.refused = self.window.refused.saturating_add(1);
            }
            End::Overloaded => {}
        }
    }

    /// What a server says about itself.
    pub fn gauges(&mut self, _now: Instant, gauges: Gauges) {
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

    /// Once a second: judges what was seen and moves the limits. `binding`
    /// tells whether a limit held somebody back since the last call.
    pub fn tick(&mut self, now: Instant, binding: bool) -> Option<Change> {
        self.window.was_bound |= binding;
        self.relearn();
        if self.settling && !self.has_settled() {
            return None;
        }
        if self.settling {
            self.settling = false;
            self.waiting_read = [None; 2];
            self.open(now);
        }
        let lasted = now.saturating_duration_since(self.window_at);
        let why = (lasted >= WINDOW_MIN).then(|| self.judge(now, lasted)).flatten();
        let from = std::mem::replace(&mut self.reported, self.limits);
        if from.tokens != self.limits.tokens {
            (self.tokens_at, self.came_round) = (now, false);
        }
        if from == self.limits {
            return None;
        }
        let samples = u32::try_from(self.window.answers()).unwrap_or(u32::MAX);
        let why = why.unwrap_or(Why::Seeking { samples });
        Some(Change { at: now, from, to: self.limits, why })
    }

    /// How the upstream does.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    fn unloaded_max(&self) -> u32 {
        (self.known_good.sequences / 4).max(2)
    }

    /// While the end of the limit is looked for: one more, clocked by the server.
    fn seek(&mut self) {
        let ceiling = self.reported.sequences.saturating_mul(2).min(self.config.max);
        let spare = (self.limits.sequences / 8).max(1);
        let is_full = self.flights.count().saturating_add(spare) >= self.limits.sequences;
        if self.seeking && !self.settling && is_full && self.limits.sequences < ceiling {
            self.limits.sequences += 1;
        }
    }

    fn has_settled(&self) -> bool {
        self.flights.count() == 0
            || (self.flights.count() <= self.limits.sequences && self.sent_since_cut)
    }

    fn open(&mut self, now: Instant) {
        self.window_at = now;
        self.window = Window::default();
        self.window.running_before = self.flights.started();
        self.window.peak_sequences = self.flights.count();
        self.window.peak_tokens = self.tokens_in_flight;
    }

    /// A server that became slower as a whole: what is late follows, and the limit may climb back.
    fn relearn(&mut self) {
        let Some(each) = self.per_token.expected(0) else { return };
        let before = *self.paced_at.get_or_insert(each);
        let rose = each.saturating_mul(1_000) / before.max(1);
        if rose >= RELEARNT_PER_MILLE {
            self.first_token.scale(rose);
            self.seeking = true;
            self.paced_at = Some(each);
        } else if rose.saturating_mul(RELEARNT_PER_MILLE) <= 1_000_000 {
            self.paced_at = Some(each);
        }
    }

    fn overdue(&self, now: Instant) -> Vec<Start> {
        let late = |flight: &Flight| {
            let expected = self.first_token.expected(flight.group)?;
            let start = Start {
                micros: micros(now.saturating_duration_since(flight.dispatched)),
                expected,
            };
            start.is_late().then_some(start)
        };
        self.flights.pending(self.cut_at).filter_map(late).collect()
    }

    /// Judges the window, if it says enough; it is closed then.
    fn judge(&mut self, now: Instant, lasted: Duration) -> Option<Why> {
        let overdue = self.overdue(now);
        let lateness = self.window.lateness(lasted, &overdue);
        let slowness = self.window.slowness();
        let needed = SAMPLES_MIN.min(usize::try_from(self.limits.sequences).unwrap_or(SAMPLES_MIN));
        let said = self.server_waiting().is_some();
        let answers = self.window.answers() + overdue.len();
        let is_enough = answers >= needed || said || self.window.refused > 0;
        if !is_enough {
            return None;
        }
        self.health = Health {
            ttft_ratio: lateness.map(|late| times(late.ratio_per_mille)).or(self.health.ttft_ratio),
            tpot_ratio: slowness.map(|(ratio, _)| times(ratio)).or(self.health.tpot_ratio),
            waiting: lateness.map_or(0, |late| late.waiting),
            faults: std::mem::take(&mut self.faults),
            baseline_known: self.first_token.is_known() || self.per_whole_token.is_known(),
        };
        let why = match self.verdict(lateness, slowness, needed) {
            Verdict::Congested(why) => {
                self.cut(now, why);
                Some(why)
            }
            Verdict::Good => self.grow(),
            Verdict::Unclear => None,
        };
        self.open(now);
        why
    }

    fn verdict(
        &mut self,
        lateness: Option<Lateness>,
        slowness: Option<(u64, bool)>,
        needed: usize,
    ) -> Verdict {
        let window = &self.window;
        if window.refused > 0 {
            return Verdict::Congested(Why::Refused { answers: window.refused });
        }
        let tokens = self.limits.tokens.unwrap_or(window.peak_tokens);
        if window.preemptions == 0 {
            self.trust_preemptions = Trust::default();
        } else if self.trust_preemptions.believes(tokens) {
            let preemptions = window.preemptions;
            return Verdict::Congested(Why::Cache { preemptions, waiting: 0 });
        } else {
            // What such a gauge led to is void.
            self.limits.tokens = None;
        }
        let (ratio_per_mille, is_slow) = slowness.unwrap_or_default();
        self.slow_windows = if is_slow { self.slow_windows + 1 } else { 0 };
        if self.slow_windows >= SLOW_WINDOWS_MIN {
            return Verdict::Congested(Why::SlowTokens { ratio_per_mille });
        }
        let judged = lateness.filter(|late| late.samples >= needed);
        if let Some(late) = judged.filter(|late| late.is_late && late.waiting > 0) {
            return self.late(late);
        }
        let said = self.server_waiting().filter(|waiting| *waiting > 0 && judged.is_none());
        match said {
            _ if is_slow => Verdict::Unclear,
            Some(waiting) if self.trust_waiting.believes(u64::from(self.limits.sequences)) => {
                Verdict::Congested(Why::ServerQueue { waiting })
            }
            Some(_) => {
                self.seeking = true;
                Verdict::Good
            }
            _ => Verdict::Good,
        }
    }

    fn late(&self, late: Lateness) -> Verdict {
        let Lateness { waiting, ratio_per_mille, .. } = late;
        // A server whose running set still grows is reading prompts, not full.
        let grew = self.flights.started().saturating_sub(self.window.running_before);
        if grew > (self.limits.sequences / 16).max(1) {
            return Verdict::Unclear;
        }
        Verdict::Congested(if self.tokens_are_scarce() {
            Why::Cache { preemptions: 0, waiting }
        } else {
            Why::Queue { waiting, ratio_per_mille }
        })
    }

    /// Requests that wait in the server as it says: the lesser of two readings
    /// in a row, because each request waits for a moment.
    fn server_waiting(&self) -> Option<u32> {
        let [before, last] = self.waiting_read;
        Some(before?.min(last?))
    }

    fn tokens_are_scarce(&self) -> bool {
        let (window, good) = (&self.window, self.known_good);
        let fewer = window.peak_sequences.saturating_mul(5) < good.sequences.saturating_mul(4);
        window.kv_is_full || (fewer && good.tokens > 0 && window.peak_tokens > good.tokens)
    }

    fn cut(&mut self, now: Instant, why: Why) {
        let peak = self.window.peak_sequences.max(self.flights.count()).max(1);
        let kept = |waiting: u32| {
            let waiting = u64::from(waiting.min(peak)) * 1_000 / u64::from(peak);
            (1_000 - waiting).clamp(CUT_MOST_PER_MILLE, CUT_LEAST_PER_MILLE)
        };
        match why {
            Why::Queue { waiting, .. } | Why::ServerQueue { waiting } => {
                self.cut_sequences(kept(waiting))
            }
            Why::Cache { preemptions: 0, waiting } => self.cut_tokens(kept(waiting)),
            Why::Cache { .. } if self.limits.tokens.is_none() => {
                self.cut_tokens(CUT_MOST_PER_MILLE)
            }
            Why::Cache { .. } => self.cut_tokens(CUT_PREEMPTED_PER_MILLE),
            Why::SlowTokens { .. } | Why::Refused { .. } => self.cut_sequences(CUT_MOST_PER_MILLE),
            Why::Seeking { .. } | Why::Room { .. } => return,
        }
        (self.seeking, self.good_windows, self.slow_windows) = (false, 0, 0);
        (self.settling, self.sent_since_cut, self.cut_at) = (true, false, now);
    }

    fn cut_sequences(&mut self, per_mille: u64) {
        let limit = self.limits.sequences;
        let kept = u64::from(limit) * per_mille / 1_000;
        let kept = u32::try_from(kept).unwrap_or(u32::MAX).min(limit.saturating_sub(1));
        self.limits.sequences = kept.max(self.config.floor);
    }

    fn cut_tokens(&mut self, per_mille: u64) {
        let peak = self.window.peak_tokens.max(1);
        let limit = self.limits.tokens.map_or(peak, |limit| limit.min(peak));
        self.limits.tokens = Some((limit.saturating_mul(per_mille) / 1_000).max(TOKENS_MIN));
    }

    /// A window without congestion: if a limit held somebody back, that one grows.
    fn grow(&mut self) -> Option<Why> {
        if !self.window.was_bound {
            self.good_windows = 0;
            return None;
        }
        let samples = u32::try_from(self.window.answers()).unwrap_or(u32::MAX);
        let limit = self.limits.sequences;
        let spare = (limit / 8).max(1);
        let by_sequences = self.window.peak_sequences.saturating_add(spare) >= limit;
        self.good_windows += 1;
        self.known_good.tokens = self.known_good.tokens.max(self.window.peak_tokens);
        if by_sequences {
            self.known_good.sequences = self.known_good.sequences.max(limit);
        }
        match self.limits.tokens {
            // What a request holds grows until it ends: only then is it seen what fits.
            Some(_) if !by_sequences && !self.came_round => return None,
            Some(tokens) if !by_sequences => {
                self.limits.tokens = Some(tokens.saturating_add(tokens / 32).saturating_add(1));
            }
            _ if self.seeking && self.limits.sequences > self.reported.sequences => {
                return Some(Why::Seeking { samples });
            }
            _ if by_sequences => {
                self.limits.sequences = limit.saturating_add(1).min(self.config.max)
            }
            _ => {}
        }
        if self.good_windows >= GOOD_WINDOWS_MAX {
            self.seeking = true;
        }
        Some(Why::Room { samples })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Per mille as a factor.
#[expect(clippy::cast_precision_loss, reason = "for the eye; six digits are enough")]
fn times(per_mille: u64) -> f32 {
    per_mille as f32 / 1_000.0
}
