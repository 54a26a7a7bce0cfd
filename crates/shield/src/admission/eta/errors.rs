//! How wrong the predictions of one class were lately, and how many leave.

use std::time::Duration;

/// Percentiles of the errors: the range's ends, and the most likely wait between them.
const PERCENTILES: [f64; 3] = [0.05, 0.5, 0.95];
/// The deviations that they are taken for before anything is known: a wide range.
const START: [f64; 3] = [-2.0, 0.0, 2.0];
/// How much wider the range is while nothing was learnt lately, in deviations; and
/// the number of errors that halve that.
const UNSURE: [f64; 3] = [-2.0, 0.0, 4.0];
const UNSURE_ERRORS: f64 = 8.0;
/// Deviations to each side that the range has at least: what was wrong lately is
/// learnt a whole wait too late, and waits that end together err together.
const SURE_MIN: f64 = 1.3;
/// Seconds after which an error weighs 1/e of a fresh one.
const FRESH_S: f64 = 60.0;
/// How far an error moves a percentile, in deviations: this, times the part of
/// errors that should be on its other side.
const STEP: f64 = 0.2;
/// No percentile moves past this many deviations.
const DEVIATIONS_MAX: f64 = 30.0;
/// Waits after which an old one weighs 1/e in how many leave.
const MEMORY_WAITS: f64 = 256.0;
/// Seconds of waiting in which nobody left, to begin with.
const PATIENT_S: f64 = 60.0;

/// A sum of what was lately: each new one takes away a part of the old ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums<const N: usize>(pub(super) [f64; N]);

impl<const N: usize> Sums<N> {
    pub(super) const NONE: Self = Self([0.0; N]);

    pub(super) fn add(&mut self, memory: f64, values: [f64; N]) {
        for (sum, value) in self.0.iter_mut().zip(values) {
            *sum = *sum * (1.0 - 1.0 / memory) + value;
        }
    }
}

/// The errors of one class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errors {
    /// Its [`PERCENTILES`], in deviations.
    at: [f64; 3],
    /// Errors of the last minute.
    fresh: f64,
    /// Clients that left, and seconds that all waited.
    leaving: Sums<2>,
}

impl Errors {
    /// Nothing is known yet.
    pub(super) const NONE: Self = Self { at: START, fresh: 0.0, leaving: Sums::NONE };

    /// Time goes by: what was learnt is no longer fresh.
    pub(super) fn age(&mut self, elapsed: Duration) {
        self.fresh *= (-elapsed.as_secs_f64() / FRESH_S).exp();
    }

    /// Somebody `waited`, until its turn or until it left.
    pub(super) fn waited(&mut self, waited: Duration, left: bool) {
        let left = f64::from(u8::from(left));
        self.leaving.add(MEMORY_WAITS, [left, waited.as_secs_f64()]);
    }

    /// What the three errors of one wait teach. `or_more`: it was not waited to its end.
    pub(super) fn learn(&mut self, errors: [f64; 3], or_more: bool) {
        self.fresh += f64::from(u8::from(!or_more));
        for ((at, part), error) in self.at.iter_mut().zip(PERCENTILES).zip(errors) {
            let step = STEP * (1.0 + at.abs());
            // Hardly past what was seen: waits that end together err together.
            if error > *at && !(or_more && part < 0.5) {
                *at = (*at + step * part).min(error + step / 2.0).min(DEVIATIONS_MAX);
            } else if error <= *at && !or_more {
                let down = (*at - step * (1.0 - part)).max(error - step / 2.0);
                *at = down.max(-DEVIATIONS_MAX);
            }
        }
    }

    /// Its percentiles, wider while what is known is old.
    pub(super) fn stated(&self) -> [f64; 3] {
        let unsure = UNSURE_ERRORS / (UNSURE_ERRORS + self.fresh);
        let [low, middle, high] = self.at;
        let mut stated = [low.min(middle - SURE_MIN), middle, high.max(middle + SURE_MIN)];
        for (at, more) in stated.iter_mut().zip(UNSURE) {
            *at += more * unsure;
        }
        stated
    }

    /// Clients that leave in a second, of one that waits.
    pub(super) fn leaving_per_s(&self) -> f64 {
        let [left, waited] = self.leaving.0;
        left / (waited + PATIENT_S)
    }
}
