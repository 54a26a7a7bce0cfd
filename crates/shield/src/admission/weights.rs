//! What a token costs: that of an answer beside that of a prompt.

use std::ops::RangeInclusive;

/// A weight of one.
pub const WEIGHT_ONE: u32 = 256;
/// What a written token costs at first, in read ones: as in the paper.
const RATIO_USUAL: f64 = 2.0;
/// What a written token is believed to cost, in read ones.
const RATIOS: RangeInclusive<f64> = 0.25..=16.0;
/// By how much a fitted ratio has to differ from the one in force, as a part of it.
const RATIO_DIFFERS_MIN: f64 = 0.3;

/// What a token costs, in parts of [`WEIGHT_ONE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weights {
    /// Work of one uncached input token.
    pub input: u32,
    /// Work of one output token.
    pub output: u32,
}

impl Weights {
    /// What a written token costs, in read ones.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.output) / f64::from(self.input.max(1))
    }

    /// The weights in which a written token costs `ratio` read ones and a request of
    /// `mean` input and expected output tokens as much as with the usual weights. `None` where
    /// the fit is not clear enough against those in force, or nothing is known of requests.
    #[must_use]
    pub fn fitted(self, ratio: f64, mean: [f64; 2]) -> Option<Self> {
        let ratio = ratio.clamp(*RATIOS.start(), *RATIOS.end());
        let differs = (ratio - self.ratio()).abs() > self.ratio() * RATIO_DIFFERS_MIN;
        let work = |ratio: f64| mean[1].mul_add(ratio, mean[0]);
        let scale = work(RATIO_USUAL) / work(ratio);
        (differs && scale.is_finite())
            .then(|| Self { input: parts(scale), output: parts(scale * ratio) })
    }

    /// Weights that were kept, if such could have been fitted.
    #[must_use]
    pub fn kept(input: u32, output: u32) -> Option<Self> {
        let weights = Self { input, output };
        // A mean request is all reading at one end, all writing at the other.
        let scales = RATIO_USUAL / RATIOS.end()..=RATIO_USUAL / RATIOS.start();
        let scale = f64::from(input) / f64::from(WEIGHT_ONE);
        // Rounding to whole parts moves the ends a little.
        let ratio = weights.ratio();
        let may_be = ratio >= RATIOS.start() * 0.9 && ratio <= RATIOS.end() * 1.1;
        (scales.contains(&scale) && may_be).then_some(weights)
    }
}

impl Default for Weights {
    /// One to two, as in the paper.
    fn default() -> Self {
        Self { input: WEIGHT_ONE, output: parts(RATIO_USUAL) }
    }
}

/// `weight` in whole parts, at least one.
fn parts(weight: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and no weight is below nothing"
    )]
    let parts = (weight * f64::from(WEIGHT_ONE)).round() as u32;
    parts.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::work::Work;

    #[test]
    fn a_fitted_ratio_is_bounded_and_clearly_another() {
        let ratio = |ratio| Weights::default().fitted(ratio, [300.0, 100.0]).map(Weights::ratio);
        for (seen, fitted) in [
            (2.0, None),
            (2.59, None),
            (2.61, Some(2.61)),
            (1.41, None),
            (1.39, Some(1.39)),
            (0.0, Some(0.25)),
            (5.0, Some(5.0)),
            (900.0, Some(16.0)),
            (f64::INFINITY, Some(16.0)),
            (f64::NAN, None),
        ] {
            let got = ratio(seen);
            assert_eq!(got.is_some(), fitted.is_some(), "{seen} {got:?}");
            let off = (got.unwrap_or(1.0) / fitted.unwrap_or(1.0) - 1.0).abs();
            assert!(off < 0.01, "{seen} {got:?}");
        }
        assert_eq!(Weights::default().fitted(5.0, [0.0, 0.0]), None, "nothing ended yet");
    }

    #[test]
    fn a_mean_request_stays_as_much_work_and_another_mix_does_not() {
        let usual = Weights::default();
        let fitted = usual.fitted(5.0, [1_000.0, 200.0]).unwrap();
        let (before, after) = (Work::of(usual, 1_000, 200), Work::of(fitted, 1_000, 200));
        assert!(before.0.abs_diff(after.0) <= before.0 / 100, "{before:?} {after:?}");
        assert!(Work::of(fitted, 1_000, 0) < Work::of(usual, 1_000, 0), "who only has it read");
        assert!(Work::of(fitted, 10, 500) > Work::of(usual, 10, 500), "who has much written");
        for weights in [usual, fitted] {
            assert_eq!(Weights::kept(weights.input, weights.output), Some(weights));
        }
        for (input, output) in [(0, 0), (1, u32::MAX), (WEIGHT_ONE, 1), (u32::MAX, u32::MAX)] {
            assert_eq!(Weights::kept(input, output), None, "{input} {output}");
        }
    }
}
