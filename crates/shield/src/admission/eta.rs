//! The predicted wait, and its own measured error.
//!
//! The wait is the work ahead over the rate at which the class is served: the
//! learnt limit times the work that one sequence gets done in a second, times
//! the class's part. Who is ahead may leave before its turn, at the rate at which
//! those of the class have left lately; so the queue melts faster than it is served
//! (Ibrahim and Whitt, "Real-time delay estimation in overloaded multiserver
//! queues with abandonments", 2009).
//!
//! The range around it is conformal (Vovk et al. 2005): as wide as these
//! predictions have been wrong lately, not as they should be. How wrong one was is
//! measured in its own deviation: that of the sum of so many waits for a free
//! place (a gamma variable, whose cube root is nearly normal: Wilson and Hilferty
//! 1931) and of a rate that is not quite known. So what a long queue taught is of
//! use for a short one. The 5th, 50th and 95th percentile of the errors are
//! followed for each class by steps up and down, which balance where so many are
//! above (adaptive conformal inference: Gibbs and Candès 2021): where they are right,
//! nine waits of ten are within the range.

mod errors;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::time::Duration;

use surgewall_core::principal::Class;

use super::work::Work;
use errors::{Errors, Sums};

/// How far the rate of a queue is off usually, as a part of it.
const RATE_DEVIATION: f64 = 0.25;
/// The longest wait that is ever predicted.
const ETA_MAX: Duration = Duration::from_secs(86_400);
/// The shortest wait that is told apart from none.
const WAIT_MIN_S: f64 = 0.001;
/// Requests after which an old one weighs 1/e in the rate.
const MEMORY_REQUESTS: f64 = 128.0;
/// What the work per second of one sequence is taken for before anything is known.
const WORK_PER_SEQUENCE_S_GUESS: f64 = 100.0;

/// What a server that batches gains by more requests at once than were seen there:
/// that many times as many do this power of it. They share its steps, and each prompt
/// holds up all of them: published engines gain 0.5 to 0.9, less as they fill.
const BATCH_GAIN: f64 = 0.7;

/// A predicted wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eta {
    /// The most likely wait.
    pub eta: Duration,
    /// Of recent waits one in twenty was shorter than this.
    pub low: Duration,
    /// Of recent waits one in twenty was longer than this.
    pub high: Duration,
    /// Each of them before correction.
    raw: [Duration; 3],
    /// The deviation of the raw wait; `None` of a guess, which teaches nothing.
    deviation: Option<f64>,
}

/// Predicts waits from what was served, and measures how well.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// Of requests that ended: how many, their work, their work as it was expected
    /// when they arrived, their seconds in the server, and these times the requests
    /// that were there at once.
    served: Sums<5>,
    classes: [Errors; 4],
    /// Waits that ended, and those of them that were within the stated range.
    ended: u64,
    held: u64,
}

impl Predictor {
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self { served: Sums::NONE, classes: [Errors::NONE; 4], ended: 0, held: 0 }
    }

    /// Time goes by: what was learnt is no longer fresh.
    pub fn tick(&mut self, elapsed: Duration) {
        for class in &mut self.classes {
            class.age(elapsed);
        }
    }

    /// A request ended after `took` in the server, the last of `at_once` there: its
    /// work, and what that was expected to be, which is the unit of what waits.
    pub fn served(&mut self, work: Work, expected: Work, took: Duration, at_once: u32) {
        let seconds = took.as_secs_f64();
        let beside = f64::from(at_once.max(1)) * seconds;
        let (work, expected) = (number(work.0), number(expected.0));
        self.served.add(MEMORY_REQUESTS, [1.0, work, expected, seconds, beside]);
    }

    /// The work that `sequences` at once get done in a second, where it is known.
    #[must_use]
    pub fn work_per_s(&self, sequences: u32) -> Option<f64> {
        let [_, work, _, seconds, _] = self.served.0;
        (seconds > 0.0 && work > 0.0).then(|| work / seconds * f64::from(sequences))
    }

    /// The same as it was expected when the requests arrived; a guess where nothing is
    /// known. More at once than was seen do less than so many times as much.
    #[must_use]
    pub fn expected_per_s(&self, sequences: u32) -> f64 {
        let [_, _, expected, seconds, beside] = self.served.0;
        let sequences = f64::from(sequences.max(1));
        if seconds <= 0.0 || expected <= 0.0 {
            return WORK_PER_SEQUENCE_S_GUESS * sequences;
        }
        let seen = (beside / seconds).max(1.0);
        let past = (sequences / seen).max(1.0).powf(BATCH_GAIN - 1.0);
        expected / seconds * sequences * past
    }

    /// The expected work that `sequences` at once get done in so many `seconds`.
    #[must_use]
    pub fn expected_in(&self, sequences: u32, seconds: f64) -> Work {
        whole(self.expected_per_s(sequences) * seconds)
    }

    /// The work that one sequence gets done in `took`, where it is known.
    #[must_use]
    pub fn work_in(&self, took: Duration) -> Option<Work> {
        self.work_per_s(1).map(|each| whole(each * took.as_secs_f64()))
    }

    /// The mean work of a request that ended, where some did.
    #[must_use]
    pub fn mean_work(&self) -> Option<Work> {
        let [count, work, ..] = self.served.0;
        (count > 0.0).then(|| whole(work / count))
    }

    /// The wait of a request of `class` with `ahead` requests of `mean` expected work
    /// before its turn, itself included, while the class has `share` (0 to 1) of at
    /// least and at most so many `sequences`: the most likely wait is that of the most.
    #[must_use]
    pub fn predict(
        &self,
        class: Class,
        ahead: u64,
        mean: Work,
        share: f64,
        sequences: RangeInclusive<u32>,
    ) -> Eta {
        let share = share.clamp(0.001, 1.0);
        let errors = &self.classes[class as usize];
        let leaving = errors.leaving_per_s();
        let raw = |sequences: u32| {
            let served = number(ahead) * number(mean.0) / (self.expected_per_s(sequences) * share);
            seconds(if leaving > 0.0 { (leaving * served).ln_1p() / leaving } else { served })
        };
        let (soon, late) = (raw(*sequences.end()), raw(*sequences.start()));
        let raw = [soon, soon, late];
        // Of all classes' requests, so many are served before.
        let places = (number(ahead) / share).max(1.0);
        let deviation = (RATE_DEVIATION.powi(2) + places.recip()).sqrt() / 3.0;
        let times = |raw: Duration, at: f64| {
            seconds(raw.as_secs_f64() * (1.0 + at * deviation).max(0.0).powi(3))
        };
        let at = errors.stated();
        let (low, high) = (times(soon, at[0]), times(late, at[2]));
        let middle = times(soon, at[1]);
        Eta {
            eta: middle,
            low: low.min(middle),
            high: high.max(middle),
            raw,
            deviation: (self.served.0[3] > 0.0).then_some(deviation),
        }
    }

    /// A wait that was predicted as `predicted` ended with its turn after `actual`.
    pub fn observed(&mut self, class: Class, predicted: &Eta, actual: Duration) {
        self.ended += 1;
        self.held += u64::from(predicted.low <= actual && actual <= predicted.high);
        self.classes[class as usize].waited(actual, false);
        self.learn(class, predicted, actual, false);
    }

    /// A client left after `waited`. How long it would have waited is not known,
    /// but past the stated range it is known that the range did not hold.
    pub fn left(&mut self, class: Class, predicted: &Eta, waited: Duration) {
        self.ended += u64::from(waited > predicted.high);
        self.classes[class as usize].waited(waited, true);
        self.learn(class, predicted, waited, true);
    }

    /// A client still waits after `waited`, longer than it was told.
    pub fn overdue(&mut self, class: Class, predicted: &Eta, waited: Duration) {
        self.learn(class, predicted, waited, true);
    }

    fn learn(&mut self, class: Class, predicted: &Eta, waited: Duration, or_more: bool) {
        let Some(deviation) = predicted.deviation else { return };
        let error = |raw: Duration| {
            let ratio = waited.as_secs_f64() / raw.as_secs_f64().max(WAIT_MIN_S);
            (ratio.cbrt() - 1.0) / deviation
        };
        self.classes[class as usize].learn(predicted.raw.map(error), or_more);
    }

    /// The part of all waits that stayed within the stated range.
    #[must_use]
    pub fn held_share(&self) -> Option<f64> {
        (self.ended > 0).then(|| number(self.held) / number(self.ended))
    }
}

impl Default for Predictor {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate; fifteen digits are enough")]
fn number(value: u64) -> f64 {
    value as f64
}

/// Rounded; too large ones saturate.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and work is not negative"
)]
fn whole(value: f64) -> Work {
    Work(value.round() as u64)
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value.max(0.0)).unwrap_or(ETA_MAX).min(ETA_MAX)
}
