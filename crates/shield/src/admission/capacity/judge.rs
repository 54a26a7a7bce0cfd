//! What a window shows: room, congestion and of which kind, or nothing.

use std::time::{Duration, Instant};

use super::{
    Capacity, Health, Why,
    flight::Flight,
    micros,
    window::{Lateness, SAMPLES_MIN, Start},
};

/// Windows in a row with slow tokens that are believed: prompts that came together also slow them.
const SLOW_WINDOWS_MIN: u32 = 3;
/// The part of the limit whose whole answers are enough to judge by.
const WHOLE_PART: usize = 4;
/// Complaints of a gauge in a row, each answered by a decrease, after which it is not believed.
const COMPLAINTS_MAX: u32 = 8;

/// A gauge is believed until it does not react.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trust {
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
        !self.is_lost()
    }

    const fn is_lost(self) -> bool {
        self.complaints > COMPLAINTS_MAX
    }
}

/// What a window shows.
enum Verdict {
    Good,
    /// Neither a reason to grow nor one to shrink.
    Unclear,
    Congested(Why),
}

impl Capacity {
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
    pub(super) fn judge(&mut self, now: Instant, lasted: Duration) -> Option<Why> {
        let overdue = self.overdue(now);
        let lateness = self.window.lateness(lasted, &overdue);
        let slowness = self.window.slowness();
        let limit = usize::try_from(self.limits.sequences).unwrap_or(usize::MAX);
        // Whole answers scatter more: a part of what is in flight must have come round.
        let is_whole = !self.window.has_starts() && overdue.is_empty();
        let needed = if is_whole { (limit / WHOLE_PART).max(SAMPLES_MIN) } else { SAMPLES_MIN };
        let needed = needed.min(limit);
        let complains = self.server_waiting().is_some_and(|waiting| waiting > 0);
        let said = complains && !self.trust_waiting.is_lost();
        let answers = self.window.answers() + overdue.len();
        // Streams that all have their first token leave nobody waiting inside the server,
        // however long they go on: nothing else may come to be seen.
        let flying = self.flights.count();
        let all_run = flying > 0 && self.flights.started() == flying && self.window.was_bound;
        let is_enough = answers >= needed || said || self.window.refused > 0 || all_run;
        if !is_enough {
            return None;
        }
        self.health = Health {
            ttft_ratio: lateness.map(|late| times(late.ratio_per_mille)).or(self.health.ttft_ratio),
            tpot_ratio: slowness.map(|(ratio, _)| times(ratio)).or(self.health.tpot_ratio),
            waiting: lateness.map_or(0, |late| late.waiting),
            faults: self.health.faults,
            baseline_known: self.first_token.is_known() || self.per_whole_token.is_known(),
        };
        let why = match self.verdict(lateness, slowness, needed) {
            Verdict::Congested(why) => {
                self.cut(now, why);
                Some(why)
            }
            Verdict::Good => self.grow(lateness.is_some_and(|late| late.has_risen)),
            Verdict::Unclear => None,
        };
        self.open(now);
        why
    }

    /// Judges by what whoever is late itself cannot mistake.
    pub(super) fn judge_untimed(&mut self, now: Instant) -> Option<Why> {
        let limit = self.limits.sequences;
        let why = match (self.complaint(), self.server_waiting()) {
            (Some(why), _) => why,
            (None, Some(0)) => return self.grow_untimed(),
            (None, Some(waiting)) if self.trust_waiting.believes(u64::from(limit)) => {
                Why::ServerQueue { waiting }
            }
            _ => return None,
        };
        self.cut(now, why);
        Some(why)
    }

    /// What the server itself complains of, whatever its times are.
    fn complaint(&mut self) -> Option<Why> {
        let window = &self.window;
        if window.refused > 0 {
            return Some(Why::Refused { answers: window.refused });
        }
        let tokens = self.limits.tokens.unwrap_or(window.peak_tokens);
        let preemptions = window.preemptions;
        if preemptions == 0 {
            self.trust_preemptions = Trust::default();
        } else if self.trust_preemptions.believes(tokens) {
            return Some(Why::Cache { preemptions, waiting: 0 });
        } else {
            // What such a gauge led to is void.
            self.seeking |= self.limits.tokens.take().is_some();
        }
        None
    }

    fn verdict(
        &mut self,
        lateness: Option<Lateness>,
        slowness: Option<(u64, bool)>,
        needed: usize,
    ) -> Verdict {
        if let Some(why) = self.complaint() {
            return Verdict::Congested(why);
        }
        let (ratio_per_mille, is_slow) = slowness.unwrap_or_default();
        if slowness.is_some() {
            self.slow_windows = if is_slow { self.slow_windows + 1 } else { 0 };
        }
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
}

/// Per mille as a factor.
#[expect(clippy::cast_precision_loss, reason = "for the eye; six digits are enough")]
fn times(per_mille: u64) -> f32 {
    per_mille as f32 / 1_000.0
}
