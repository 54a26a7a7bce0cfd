//! What was seen since the limits last moved, and what it shows.

use std::time::Duration;

/// Samples of each kind that a window keeps; more say nothing new.
const SAMPLES_MAX: usize = 256;
/// Samples that are enough to judge by.
pub(super) const SAMPLES_MIN: usize = 3;
/// A first token is late once it takes longer than the baseline by the baseline
/// itself, and by so much: less is noise.
const LATE_MIN_MICROS: u64 = 50_000;
/// The part of that, as a divisor, past which it is said to come later and later.
const RISEN_PART: u64 = 2;
/// A median time per token over this many times the baseline is too slow, per mille.
const SLOW_PER_MILLE: u64 = 4_000;

/// A time to the first token, or how long one has been waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) micros: u64,
    pub(super) expected: u64,
}

impl Start {
    fn ratio(self) -> u64 {
        self.micros.saturating_mul(1_000) / self.expected.max(1)
    }

    fn excess(self) -> u64 {
        self.micros.saturating_sub(self.expected)
    }

    /// The excess from which on it is late.
    fn allowed(self) -> u64 {
        self.expected.max(LATE_MIN_MICROS)
    }

    pub(super) fn is_late(self) -> bool {
        self.excess() > self.allowed()
    }

    /// Not late yet, but on its way there: what is sent from now on will be.
    pub(super) fn has_risen(self) -> bool {
        self.excess() > self.allowed() / RISEN_PART
    }
}

/// Samples since the window began.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    starts: Vec<Start>,
    excess_micros: u64,
    token_ratios: Vec<u64>,
    /// Answers without a baseline to judge them by.
    pub(super) unjudged: usize,
    pub(super) preemptions: u64,
    pub(super) kv_is_full: bool,
    pub(super) refused: u32,
    /// Whether the limit held somebody back.
    pub(super) was_bound: bool,
    /// The most that was in flight.
    pub(super) peak_sequences: u32,
    pub(super) peak_tokens: u64,
    /// Requests that were running at its start: they had their first token.
    pub(super) running_before: u32,
}

/// What the first tokens show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lateness {
    pub(super) samples: usize,
    pub(super) ratio_per_mille: u64,
    /// Requests that wait in the server, by Little's law or by count.
    pub(super) waiting: u32,
    pub(super) has_risen: bool,
    pub(super) is_late: bool,
}

impl Window {
    pub(super) fn start(&mut self, start: Start) {
        self.excess_micros = self.excess_micros.saturating_add(start.excess());
        if self.starts.len() < SAMPLES_MAX {
            self.starts.push(start);
        }
    }

    pub(super) fn tokens(&mut self, micros: u64, expected: u64) {
        if self.token_ratios.len() < SAMPLES_MAX {
            self.token_ratios.push(micros.saturating_mul(1_000) / expected.max(1));
        }
    }

    pub(super) fn answers(&self) -> usize {
        self.starts.len().max(self.token_ratios.len()) + self.unjudged
    }

    pub(super) fn has_starts(&self) -> bool {
        !self.starts.is_empty()
    }

    /// What the first tokens show that came, and those that are `overdue` for so long now.
    /// The queue is the larger of those overdue and, after Little, the excess
    /// wait that ended for each second of the window.
    pub(super) fn lateness(&self, lasted: Duration, overdue: &[Start]) -> Option<Lateness> {
        let all = || self.starts.iter().chain(overdue).copied();
        let ratio_per_mille = median(all().map(Start::ratio).collect())?;
        let samples = self.starts.len() + overdue.len();
        let most = |count: usize| count * 2 > samples;
        let lasted = u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX).max(1);
        let by_time = self.excess_micros.saturating_add(lasted / 2) / lasted;
        let by_count = u64::try_from(overdue.len()).unwrap_or(u64::MAX);
        Some(Lateness {
            samples,
            ratio_per_mille,
            waiting: u32::try_from(by_time.max(by_count)).unwrap_or(u32::MAX),
            has_risen: most(all().filter(|start| start.has_risen()).count()),
            is_late: most(all().filter(|start| start.is_late()).count()),
        })
    }

    /// The median time per token over the baseline, per mille, and whether that is too slow.
    pub(super) fn slowness(&self) -> Option<(u64, bool)> {
        let ratio = median(self.token_ratios.clone())?;
        Some((ratio, ratio > SLOW_PER_MILLE && self.token_ratios.len() >= SAMPLES_MIN))
    }
}

/// The lower median.
fn median(mut values: Vec<u64>) -> Option<u64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(middle).1)
}
