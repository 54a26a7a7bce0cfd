//! The predicted wait, and its own measured error.
//!
//! The wait is the work ahead over the rate at which the class is served: the
//! learnt limit times the work that one sequence gets done in a second, times
//! the class's share. The range around it is conformal (Vovk et al. 2005): the
//! quantiles of the recent ratios of actual to predicted wait, so that it says
//! how wrong these predictions have been lately, not how wrong they should be.
//! Waits that end together err together, so the past alone makes the range too
//! narrow when the load turns: a margin around it grows with each miss and
//! shrinks with each hit, nine times slower (after Gibbs and Candès 2021).

use std::time::{Duration, Instant};

use surgewall_core::principal::Class;

use super::work::Work;

/// Ratios that are remembered for each class and depth.
const RATIOS: usize = 128;
/// Ratios that are enough to state a range by; before, it is a guess.
const RATIOS_MIN: usize = 16;
/// The range that is stated before anything is known, as parts of the prediction.
const GUESS: (f64, f64) = (0.05, 4.0);
/// How much the margin's logarithm grows with a miss; a hit takes a ninth of it back.
const MARGIN_STEP: f64 = 0.03;
const MARGIN_MIN: f64 = 0.15;
const MARGIN_START: f64 = 0.35;
const MARGIN_MAX: f64 = 2.0;
/// The longest wait that is ever predicted.
const ETA_MAX: Duration = Duration::from_secs(86_400);
/// Requests after which an old one weighs 1/e in the rate.
const MEMORY_REQUESTS: f64 = 256.0;
/// Waits are told apart by the number of requests ahead, by powers of four.
const DEPTHS: usize = 8;
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
    /// Before correction, and what it is corrected by.
    raw: Duration,
    depth: usize,
}

/// The last ratios of actual to raw wait, also in order: a prediction is made
/// for each arrival and each comment, and must not sort.
#[derive(Clone, Debug, Default)]
struct Ratios {
    values: Vec<f64>,
    next: usize,
    sorted: Vec<f64>,
}

impl Ratios {
    fn push(&mut self, ratio: f64) {
        if self.values.len() < RATIOS {
            self.values.push(ratio);
        } else if let Some(slot) = self.values.get_mut(self.next) {
            let oldest = std::mem::replace(slot, ratio);
            let at = self.place(oldest);
            self.sorted.remove(at.min(RATIOS - 1));
        }
        self.next = (self.next + 1) % RATIOS;
        self.sorted.insert(self.place(ratio), ratio);
    }

    /// Where `ratio` stands, or would stand.
    fn place(&self, ratio: f64) -> usize {
        self.sorted.partition_point(|other| other.total_cmp(&ratio).is_lt())
    }

    /// The 5th, 50th and 95th percentile, rounded outwards.
    fn quantiles(&self) -> Option<(f64, f64, f64)> {
        let last = self.sorted.len().checked_sub(1)?;
        let at = |index: usize| self.sorted.get(index).copied();
        let tail = self.sorted.len() / 20;
        (self.sorted.len() >= RATIOS_MIN).then_some(())?;
        Some((at(tail)?, at(last / 2)?, at(last - tail)?))
    }
}

/// Predicts waits from what was served, and measures how well.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// Decayed sums over requests that ended: count, work, seconds in the server.
    count: f64,
    work: f64,
    seconds: f64,
    ratios: [[Ratios; DEPTHS]; 4],
    margins: [f64; 4],
    /// Waits that ended, and those of them that were within the stated range.
    ended: u64,
    held: u64,
}

impl Predictor {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(_now: Instant) -> Self {
        Self {
            count: 0.0,
            work: 0.0,
            seconds: 0.0,
            ratios: Default::default(),
            margins: [MARGIN_START; 4],
            ended: 0,
            held: 0,
        }
    }

    /// A request of `work` ended after `took` in the server.
    pub fn served(&mut self, _now: Instant, work: Work, took: Duration) {
        let kept = 1.0 - 1.0 / MEMORY_REQUESTS;
        self.count = self.count * kept + 1.0;
        self.work = self.work * kept + number(work.0);
        self.seconds = self.seconds * kept + took.as_secs_f64();
    }

    /// The work that `sequences` at once get done in a second, where it is known.
    #[must_use]
    pub fn work_per_s(&self, sequences: u32) -> Option<f64> {
        let is_known = self.seconds > 0.0 && self.work > 0.0;
        is_known.then(|| self.work / self.seconds * f64::from(sequences))
    }

    /// The work that one sequence gets done in `took`, where it is known.
    #[must_use]
    pub fn work_in(&self, took: Duration) -> Option<Work> {
        self.work_per_s(1).map(|each| whole(each * took.as_secs_f64()))
    }

    /// The mean work of a request that ended, where some did.
    #[must_use]
    pub fn mean_work(&self) -> Option<Work> {
        (self.count > 0.0).then(|| whole(self.work / self.count))
    }

    /// The wait of a request of `class` with `ahead` requests of `mean` work
    /// before its turn, itself included, while the class has `share` of `sequences` (0 to 1).
    #[must_use]
    pub fn predict(&self, class: Class, ahead: u64, mean: Work, share: f64, sequences: u32) -> Eta {
        let sequences = sequences.max(1);
        let guess = WORK_PER_SEQUENCE_S_GUESS * f64::from(sequences);
        let rate = self.work_per_s(sequences).unwrap_or(guess) * share.clamp(0.001, 1.0);
        let raw = seconds(number(ahead) * number(mean.0) / rate);
        // What was guessed teaches nothing.
        let depth = if self.seconds > 0.0 { depth_of(ahead) } else { DEPTHS };
        // A depth that nobody has waited from yet errs about as the one below it.
        let ratios = &self.ratios[class as usize];
        let known = (0..=depth).rev().find_map(|depth| ratios.get(depth)?.quantiles());
        let (low, middle, high) = known.unwrap_or((GUESS.0, 1.0, GUESS.1));
        let margin = self.margins[class as usize].exp();
        let times = |ratio: f64| seconds(raw.as_secs_f64() * ratio);
        let (low, high) = (times(low / margin), times(high * margin));
        Eta { eta: times(middle), low, high, raw, depth }
    }

    /// A wait that was predicted as `predicted` ended with its turn after `actual`.
    pub fn observed(&mut self, class: Class, predicted: &Eta, actual: Duration) {
        self.ended += 1;
        let holds = predicted.low <= actual && actual <= predicted.high;
        self.held += u64::from(holds);
        let margin = &mut self.margins[class as usize];
        *margin += if holds { -MARGIN_STEP / 9.0 } else { MARGIN_STEP };
        *margin = margin.clamp(MARGIN_MIN, MARGIN_MAX);
        let ratio = actual.as_secs_f64() / predicted.raw.as_secs_f64().max(0.001);
        if let Some(ratios) = self.ratios[class as usize].get_mut(predicted.depth) {
            ratios.push(ratio);
        }
    }

    /// A client left after `waited`. How long it would have waited is not known,
    /// but past the stated range it is known that the range did not hold.
    pub fn left(&mut self, class: Class, predicted: &Eta, waited: Duration) {
        if waited > predicted.high {
            self.observed(class, predicted, waited);
        }
    }

    /// The part of all waits that stayed within the stated range.
    #[must_use]
    pub fn held_share(&self) -> Option<f64> {
        (self.ended > 0).then(|| number(self.held) / number(self.ended))
    }
}

fn depth_of(ahead: u64) -> usize {
    usize::try_from(ahead.max(1).ilog2() / 2).unwrap_or(DEPTHS).min(DEPTHS - 1)
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
    use surgewall_core::clock::Clock;

    use super::*;

    const CLASS: Class = Class::New;

    /// 40 sequences that each do 100 work per second.
    fn steady() -> (Predictor, Instant) {
        let now = Clock::System.monotonic();
        let mut predictor = Predictor::new(now);
        for _ in 0..100 {
            predictor.served(now, Work(1_000), Duration::from_secs(10));
        }
        (predictor, now)
    }

    #[test]
    fn the_wait_is_the_work_ahead_over_the_rate_of_the_class() {
        let (predictor, _) = steady();
        assert_eq!(predictor.mean_work(), Some(Work(1_000)));
        for (ahead, work, share, sequences, expected) in [
            (1, 1_000, 1.0, 40, 250),
            (40, 1_000, 1.0, 40, 10_000),
            (40, 2_000, 1.0, 40, 20_000),
            (40, 1_000, 0.5, 40, 20_000),
            (40, 1_000, 1.0, 20, 20_000),
            (0, 1_000, 1.0, 40, 0),
        ] {
            let eta = predictor.predict(CLASS, ahead, Work(work), share, sequences);
            let off = eta.eta.abs_diff(Duration::from_millis(expected));
            assert!(off < Duration::from_millis(1), "{eta:?} for {expected}");
            assert!(eta.low <= eta.eta && eta.eta <= eta.high);
        }
    }

    #[test]
    fn nothing_is_promised_past_the_longest_wait_however_odd_the_question() {
        let (mut predictor, now) = steady();
        for (ahead, share, sequences) in
            [(u64::MAX, 1.0, 1), (u64::MAX, 0.0, 0), (1, -1.0, 0), (1, f64::INFINITY, u32::MAX)]
        {
            let eta = predictor.predict(CLASS, ahead, Work(u64::MAX), share, sequences);
            assert!(eta.high <= ETA_MAX, "{eta:?}");
            predictor.observed(CLASS, &eta, Duration::MAX);
            predictor.served(now, Work(u64::MAX), Duration::MAX);
        }
        let unknown = Predictor::new(now);
        assert_eq!(
            (unknown.work_per_s(40), unknown.mean_work(), unknown.held_share()),
            (None, None, None)
        );
    }

    #[test]
    fn waits_that_are_always_twice_as_long_are_soon_predicted() {
        let (mut predictor, _) = steady();
        for _ in 0..200 {
            let eta = predictor.predict(CLASS, 40, Work(1_000), 1.0, 40);
            predictor.observed(CLASS, &eta, Duration::from_secs(20));
        }
        let eta = predictor.predict(CLASS, 40, Work(1_000), 1.0, 40);
        assert!(eta.eta.abs_diff(Duration::from_secs(20)) < Duration::from_millis(1), "{eta:?}");
        assert!(eta.high < eta.low * 2, "{eta:?}");
        assert!(predictor.held_share().is_some_and(|held| held > 0.9));
        // Another class has its own measure.
        let other = predictor.predict(Class::Anonymous, 40, Work(1_000), 1.0, 40);
        assert!(other.eta < Duration::from_secs(11), "{other:?}");
    }

    #[test]
    fn misses_widen_the_range() {
        let (mut predictor, _) = steady();
        let ask = |predictor: &Predictor| predictor.predict(CLASS, 40, Work(1_000), 1.0, 40);
        for second in 0..100 {
            let eta = ask(&predictor);
            predictor.observed(CLASS, &eta, Duration::from_secs(5 + second % 2 * 30));
        }
        let eta = ask(&predictor);
        assert!(
            eta.low <= Duration::from_secs(5) && eta.high >= Duration::from_secs(35),
            "{eta:?}"
        );
    }

    #[test]
    fn a_client_that_left_counts_only_where_the_range_had_failed_already() {
        let (mut predictor, _) = steady();
        let eta = predictor.predict(CLASS, 40, Work(1_000), 1.0, 40);
        predictor.left(CLASS, &eta, eta.high);
        assert_eq!(predictor.held_share(), None);
        predictor.left(CLASS, &eta, eta.high + Duration::from_millis(1));
        assert_eq!(predictor.held_share(), Some(0.0));
    }

    #[test]
    fn the_last_ratios_stay_in_order() {
        let mut ratios = Ratios::default();
        for nth in 0..1_000_u32 {
            ratios.push(f64::from(nth.wrapping_mul(2_654_435_761) % 97));
            let mut sorted = ratios.values.clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(ratios.sorted, sorted);
        }
        assert_eq!(ratios.sorted.len(), RATIOS);
    }
}
