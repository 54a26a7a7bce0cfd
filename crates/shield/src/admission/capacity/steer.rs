//! How the limits move.

use std::time::Instant;

use super::{Capacity, Why, window::Window};

/// Good windows in a row, all with a limit that held back, after which its end is looked for again.
const GOOD_WINDOWS_MAX: u32 = 4;
/// The largest step, as a divisor of the limit.
const STEP_PART: u32 = 8;
/// The smallest such step.
const STEP_MIN: u32 = 2;
/// The strongest decrease, per mille of the limit.
const CUT_MOST_PER_MILLE: u64 = 700;
/// The gentlest decrease.
const CUT_LEAST_PER_MILLE: u64 = 950;
/// The part of a token limit that stays after preemptions.
const CUT_PREEMPTED_PER_MILLE: u64 = 900;
/// Tokens at least: a request that is larger than the limit goes alone.
pub const TOKENS_MIN: u64 = 4_096;
/// A baseline for the time per token that rose by so much was learnt anew.
const RELEARNT_PER_MILLE: u64 = 2_000;

impl Capacity {
    /// While the end of the limit is looked for: one more, clocked by the server.
    pub(super) fn seek(&mut self) {
        let limit = self.limits.sequences;
        let ceiling = self.reported.sequences.saturating_mul(2).min(self.config.max);
        let is_full = self.flights.count().saturating_add((limit / 8).max(1)) >= limit;
        if self.seeking && !self.settling && is_full && limit < ceiling && !self.is_ahead() {
            self.limits.sequences += 1;
        }
    }

    /// Whether the limit is a whole step ahead of what runs: of the streams in
    /// flight so many did not have their first token.
    fn is_ahead(&self) -> bool {
        let limit = self.limits.sequences;
        let running = self.flights.count() - self.flights.reading();
        running.saturating_add(step_of(limit)) <= limit
    }

    pub(super) fn has_settled(&self) -> bool {
        self.flights.count() == 0
            || (self.flights.count() <= self.limits.sequences && self.sent_since_cut)
    }

    pub(super) fn open(&mut self, now: Instant) {
        self.window_at = now;
        self.window = Window::default();
        self.window.running_before = self.flights.started();
        self.window.peak_sequences = self.flights.count();
        self.window.peak_tokens = self.tokens_in_flight;
    }

    /// A server that became slower as a whole: what is late follows, and the limit may climb back.
    pub(super) fn relearn(&mut self) {
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

    pub(super) fn cut(&mut self, now: Instant, why: Why) {
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
            Why::Seeking { .. } | Why::Room { .. } | Why::ServerRoom { .. } => return,
        }
        (self.seeking, self.good_windows) = (false, 0);
        (self.settling, self.sent_since_cut, self.cut_at) = (true, false, now);
        self.first_token.mark();
    }

    fn cut_sequences(&mut self, per_mille: u64) {
        let limit = self.limits.sequences;
        let kept = (u64::from(limit) * per_mille + 500) / 1_000;
        let kept = u32::try_from(kept).unwrap_or(u32::MAX).min(limit.saturating_sub(1));
        self.limits.sequences = kept.max(self.config.floor);
    }

    fn cut_tokens(&mut self, per_mille: u64) {
        let peak = self.window.peak_tokens.max(1);
        let limit = self.limits.tokens.map_or(peak, |limit| limit.min(peak));
        self.limits.tokens = Some((limit.saturating_mul(per_mille) / 1_000).max(TOKENS_MIN));
    }

    /// How much a limit grows by. A search that stands still although first
    /// tokens come no later goes on by a step: where they take most of an
    /// answer's time, few of the streams run. Whole answers tell of a change
    /// only when they end, so that their windows are long: more at once instead.
    fn step(&self, has_risen: bool) -> u32 {
        let limit = self.limits.sequences;
        let streams = self.window.has_starts() || self.flights.has_streams();
        match (streams, self.seeking) {
            (true, true) if !has_risen => step_of(limit),
            (true, _) => 1,
            (false, true) => (limit / 2).max(1),
            (false, false) => (limit / 16).max(1),
        }
    }

    /// The server says that nobody waits in it: one more, if it runs what it may.
    pub(super) fn grow_untimed(&mut self) -> Option<Why> {
        let limit = self.limits.sequences;
        let running = self.running_read?;
        let is_full = running.saturating_add(step_of(limit)) > limit;
        if !self.window.was_bound || !is_full || limit >= self.config.max {
            return None;
        }
        self.limits.sequences = limit + 1;
        Some(Why::ServerRoom { running })
    }

    /// A window without congestion: if a limit held somebody back, that one grows.
    pub(super) fn grow(&mut self, has_risen: bool) -> Option<Why> {
        if !self.window.was_bound {
            self.good_windows = 0;
            return None;
        }
        let samples = u32::try_from(self.window.answers()).unwrap_or(u32::MAX);
        let limit = self.limits.sequences;
        let spare = (limit / 8).max(1);
        let by_sequences = self.limits.tokens.is_none()
            || self.window.peak_sequences.saturating_add(spare) >= limit;
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
            _ if by_sequences && has_risen && self.is_ahead() => return None,
            _ if by_sequences => {
                let more = limit.saturating_add(self.step(has_risen));
                self.limits.sequences = more.min(self.config.max);
            }
            _ => {}
        }
        if self.good_windows >= GOOD_WINDOWS_MAX && self.window.has_starts() {
            self.seeking = true;
        }
        Some(Why::Room { samples })
    }
}

/// A step of a limit: what it may be ahead of the server by.
fn step_of(limit: u32) -> u32 {
    (limit / STEP_PART).max(STEP_MIN)
}
