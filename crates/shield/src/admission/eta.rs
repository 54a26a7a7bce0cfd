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
//! above (adaptive conformal inference: Gibbs and Candès 2021): whatever comes, in
//! the long run nine waits of ten are within the range.

use std::ops::RangeInclusive;
use std::time::Duration;

use surgewall_core::principal::Class;

use super::work::Work;

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
/// How far the rate of a queue is off usually, as a part of it.
const RATE_DEVIATION: f64 = 0.25;
/// The longest wait that is ever predicted.
const ETA_MAX: Duration = Duration::from_secs(86_400);
/// The shortest wait that is told apart from none.
const WAIT_MIN_S: f64 = 0.001;
/// Requests after which an old one weighs 1/e in the rate.
const MEMORY_REQUESTS: f64 = 128.0;
/// Waits after which an old one weighs 1/e in how many leave.
const MEMORY_WAITS: f64 = 256.0;
/// Seconds of waiting in which nobody left, to begin with.
const PATIENT_S: f64 = 60.0;
/// What the work per second of one sequence is taken for before anything is known.
const WORK_PER_SEQUENCE_S_GUESS: f64 = 100.0;

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

/// A sum of what was lately: each new one takes away a part of the old ones.
#[derive(Clone, Copy, Debug)]
struct Sums<const N: usize>([f64; N]);

impl<const N: usize> Sums<N> {
    const NONE: Self = Self([0.0; N]);

    fn add(&mut self, memory: f64, values: [f64; N]) {
        for (sum, value) in self.0.iter_mut().zip(values) {
            *sum = *sum * (1.0 - 1.0 / memory) + value;
        }
    }
}

/// The errors of one class.
#[derive(Clone, Copy, Debug)]
struct Errors {
    /// Its [`PERCENTILES`], in deviations.
    at: [f64; 3],
    /// Errors of the last minute.
    fresh: f64,
    /// Clients that left, and seconds that all waited.
    leaving: Sums<2>,
}

impl Errors {
    /// What the three errors of one wait teach. `or_more`: it was not waited to its end.
    fn learn(&mut self, errors: [f64; 3], or_more: bool) {
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
    fn stated(&self) -> [f64; 3] {
        let unsure = UNSURE_ERRORS / (UNSURE_ERRORS + self.fresh);
        let [low, middle, high] = self.at;
        let mut stated = [low.min(middle - SURE_MIN), middle, high.max(middle + SURE_MIN)];
        for (at, more) in stated.iter_mut().zip(UNSURE) {
            *at += more * unsure;
        }
        stated
    }

    /// Clients that leave in a second, of one that waits.
    fn leaving_per_s(&self) -> f64 {
        let [left, waited] = self.leaving.0;
        left / (waited + PATIENT_S)
    }
}

/// Predicts waits from what was served, and measures how well.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// Of requests that ended: how many, their work, their work as it was expected
    /// when they arrived, and their seconds in the server.
    served: Sums<4>,
    classes: [Errors; 4],
    /// Waits that ended, and those of them that were within the stated range.
    ended: u64,
    held: u64,
}

impl Predictor {
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        let errors = Errors { at: START, fresh: 0.0, leaving: Sums::NONE };
        Self { served: Sums::NONE, classes: [errors; 4], ended: 0, held: 0 }
    }

    /// Time goes by: what was learnt is no longer fresh.
    pub fn tick(&mut self, elapsed: Duration) {
        let kept = (-elapsed.as_secs_f64() / FRESH_S).exp();
        for class in &mut self.classes {
            class.fresh *= kept;
        }
    }

    /// A request ended after `took` in the server: its work, and what that was
    /// expected to be, which is the unit of what waits.
    pub fn served(&mut self, work: Work, expected: Work, took: Duration) {
        let seconds = took.as_secs_f64();
        self.served.add(MEMORY_REQUESTS, [1.0, number(work.0), number(expected.0), seconds]);
    }

    /// The work that `sequences` at once get done in a second, where it is known.
    #[must_use]
    pub fn work_per_s(&self, sequences: u32) -> Option<f64> {
        let [_, work, _, seconds] = self.served.0;
        (seconds > 0.0 && work > 0.0).then(|| work / seconds * f64::from(sequences))
    }

    /// The same as it was expected when the requests arrived; a guess where nothing is known.
    #[must_use]
    pub fn expected_per_s(&self, sequences: u32) -> f64 {
        let [_, _, expected, seconds] = self.served.0;
        let is_known = seconds > 0.0 && expected > 0.0;
        let each = if is_known { expected / seconds } else { WORK_PER_SEQUENCE_S_GUESS };
        each * f64::from(sequences.max(1))
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
        self.waited(class, actual, false);
        self.learn(class, predicted, actual, false);
    }

    /// A client left after `waited`. How long it would have waited is not known,
    /// but past the stated range it is known that the range did not hold.
    pub fn left(&mut self, class: Class, predicted: &Eta, waited: Duration) {
        self.ended += u64::from(waited > predicted.high);
        self.waited(class, waited, true);
        self.learn(class, predicted, waited, true);
    }

    /// A client still waits after `waited`, longer than it was told.
    pub fn overdue(&mut self, class: Class, predicted: &Eta, waited: Duration) {
        self.learn(class, predicted, waited, true);
    }

    fn waited(&mut self, class: Class, waited: Duration, left: bool) {
        let left = f64::from(u8::from(left));
        let seconds = waited.as_secs_f64();
        self.classes[class as usize].leaving.add(MEMORY_WAITS, [left, seconds]);
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

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: Class = Class::New;

    /// 40 sequences that each do 100 work per second.
    fn steady() -> Predictor {
        let mut predictor = Predictor::new();
        for _ in 0..100 {
            predictor.served(Work(1_000), Work(1_000), Duration::from_secs(10));
        }
        predictor
    }

    fn ask(predictor: &Predictor, class: Class) -> Eta {
        predictor.predict(class, 40, Work(1_000), 1.0, 40..=40)
    }

    fn off(eta: Duration, seconds: f64) -> f64 {
        (eta.as_secs_f64() - seconds).abs()
    }

    #[test]
    fn the_wait_is_the_work_ahead_over_the_rate_of_the_class() {
        let predictor = steady();
        assert_eq!(predictor.mean_work(), Some(Work(1_000)));
        assert_eq!(predictor.expected_in(40, 2.0), Work(8_000));
        for (ahead, work, share, sequences, expected) in [
            (1, 1_000, 1.0, 40..=40, 0.25),
            (40, 1_000, 1.0, 40..=40, 10.0),
            (40, 2_000, 1.0, 40..=40, 20.0),
            (40, 1_000, 0.5, 40..=40, 20.0),
            (40, 1_000, 1.0, 20..=20, 20.0),
            (40, 1_000, 1.0, 10..=20, 20.0),
            (0, 1_000, 1.0, 40..=40, 0.0),
        ] {
            let eta = predictor.predict(CLASS, ahead, Work(work), share, sequences);
            assert!(off(eta.eta, expected) < 0.001, "{eta:?} for {expected}");
            assert!(eta.low <= eta.eta && eta.eta <= eta.high);
        }
        // Where the limit may be half of what is hoped for, it may last twice as long.
        let sure = ask(&predictor, CLASS);
        let unsure = predictor.predict(CLASS, 40, Work(1_000), 1.0, 20..=40);
        assert_eq!((unsure.low, unsure.eta), (sure.low, sure.eta));
        assert!(off(unsure.high, sure.high.as_secs_f64() * 2.0) < 0.001, "{unsure:?}");
    }

    #[test]
    fn what_was_expected_to_cost_more_is_counted_in_what_was_expected() {
        let mut predictor = Predictor::new();
        predictor.served(Work(500), Work(1_000), Duration::from_secs(10));
        assert!(off(ask(&predictor, CLASS).eta, 10.0) < 0.001);
        assert_eq!(predictor.work_per_s(40), Some(2_000.0));
    }

    #[test]
    fn those_who_leave_make_room() {
        let mut predictor = steady();
        let before = ask(&predictor, CLASS);
        for _ in 0..1_000 {
            // One in three leaves; each waits for five seconds.
            predictor.left(CLASS, &before, Duration::from_secs(5));
            predictor.observed(CLASS, &before, Duration::from_secs(5));
            predictor.observed(CLASS, &before, Duration::from_secs(5));
        }
        let errors = predictor.classes[CLASS as usize];
        let leaving = errors.leaving_per_s();
        assert!((0.055..0.068).contains(&leaving), "{leaving}");
        // The closed form of d ahead / dt = -(rate + leaving x ahead).
        let melted = (10.0 * leaving).ln_1p() / leaving;
        let raw = ask(&predictor, CLASS).raw[1];
        assert!(off(raw, melted) < 0.001 && melted < 8.0, "{raw:?} {melted}");
        assert_eq!(ask(&predictor, Class::Anonymous), before);
    }

    #[test]
    fn nothing_is_promised_past_the_longest_wait_however_odd_the_question() {
        let mut predictor = steady();
        for (ahead, share, sequences) in [
            (u64::MAX, 1.0, 1),
            (u64::MAX, 0.0, 0),
            (1, -1.0, 0),
            (1, f64::INFINITY, u32::MAX),
            (0, 0.5, 3),
        ] {
            let eta = predictor.predict(CLASS, ahead, Work(u64::MAX), share, 0..=sequences);
            assert!(eta.high <= ETA_MAX && eta.low <= eta.high, "{eta:?}");
            predictor.observed(CLASS, &eta, Duration::MAX);
            predictor.left(CLASS, &eta, Duration::MAX);
            predictor.overdue(CLASS, &eta, Duration::MAX);
            predictor.served(Work(u64::MAX), Work(u64::MAX), Duration::MAX);
            predictor.tick(Duration::MAX);
        }
        let unknown = Predictor::new();
        assert_eq!(
            (unknown.work_per_s(40), unknown.mean_work(), unknown.held_share()),
            (None, None, None)
        );
    }

    #[test]
    fn a_guess_teaches_nothing() {
        let mut predictor = Predictor::new();
        let guess = ask(&predictor, CLASS);
        for _ in 0..100 {
            predictor.observed(CLASS, &guess, Duration::from_secs(1_000));
        }
        assert_eq!(ask(&predictor, CLASS).high, guess.high);
    }

    #[test]
    fn waits_that_are_always_twice_as_long_are_soon_predicted() {
        let mut predictor = steady();
        for _ in 0..300 {
            let eta = ask(&predictor, CLASS);
            predictor.observed(CLASS, &eta, Duration::from_secs(20));
        }
        let eta = ask(&predictor, CLASS);
        assert!(off(eta.eta, 20.0) < 1.0, "{eta:?}");
        assert!(eta.high < eta.low * 2, "{eta:?}");
        assert!(predictor.held_share().is_some_and(|held| held > 0.9));
        // Another class has its own measure, and what a long queue taught is of use for a short one.
        assert!(off(ask(&predictor, Class::Anonymous).eta, 10.0) < 0.001);
        let short = predictor.predict(CLASS, 4, Work(1_000), 1.0, 40..=40);
        assert!(short.eta > Duration::from_millis(1_600), "{short:?}");
    }

    #[test]
    fn most_hold_however_they_scatter() {
        let mut random = 1_u64;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            f64::from(u32::try_from(random >> 40).unwrap_or(0)) / f64::from(1 << 24)
        };
        // Of some kind for the first half, and of another for the second.
        let waits: [fn(f64) -> f64; 3] = [
            |part| 30.0 * part,
            |part| if part < 0.5 { 2.0 } else { 40.0 },
            |part| -10.0 * part.ln(),
        ];
        for (first, second) in [(0, 1), (1, 2), (2, 0)] {
            let mut predictor = steady();
            let mut held = [0, 0];
            for nth in 0..4_000 {
                let kind = waits[if nth < 2_000 { first } else { second }];
                let actual = Duration::from_secs_f64(kind(next()));
                let eta = ask(&predictor, CLASS);
                held[nth / 2_000] += u32::from(eta.low <= actual && actual <= eta.high);
                predictor.observed(CLASS, &eta, actual);
            }
            assert!(held.iter().all(|held| (1_640..1_940).contains(held)), "{held:?}");
        }
    }

    #[test]
    fn it_is_less_sure_of_what_it_did_not_see_lately() {
        let mut predictor = steady();
        let width = |predictor: &Predictor| {
            let eta = ask(predictor, CLASS);
            eta.high.saturating_sub(eta.low)
        };
        let new = width(&predictor);
        for _ in 0..50 {
            let eta = ask(&predictor, CLASS);
            predictor.observed(CLASS, &eta, eta.eta);
        }
        let known = width(&predictor);
        predictor.tick(Duration::from_secs(600));
        assert!(known * 2 < new && width(&predictor) > known * 3 / 2, "{known:?} of {new:?}");
    }

    #[test]
    fn a_client_that_left_counts_only_where_the_range_had_failed_already() {
        let mut predictor = steady();
        let eta = ask(&predictor, CLASS);
        predictor.left(CLASS, &eta, eta.high);
        assert_eq!(predictor.held_share(), None);
        predictor.left(CLASS, &eta, eta.high + Duration::from_millis(1));
        assert_eq!(predictor.held_share(), Some(0.0));
        // Nor does it move the earliest time; and who still waits widens the range at once.
        let (low, high) = (eta.low, ask(&steady(), CLASS).high);
        predictor = steady();
        (0..20).for_each(|_| predictor.overdue(CLASS, &eta, eta.high * 2));
        let now = ask(&predictor, CLASS);
        assert!(now.low == low && now.high > high, "{now:?}");
        assert_eq!(predictor.held_share(), None);
    }
}
