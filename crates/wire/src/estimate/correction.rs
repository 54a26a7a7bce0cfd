//! What observed usage teaches about one model's tokenizer.

use super::ByteClasses;

/// The ratio 1 in fixed point.
const ONE: u64 = 1 << 16;
/// The smallest ratio: a quarter.
const RATIO_MIN: u64 = ONE / 4;
/// The largest ratio: four.
const RATIO_MAX: u64 = ONE * 4;
/// Below this many tokens a template's overhead outweighs the text.
const OBSERVED_TOKENS_MIN: u64 = 32;
/// Observations that the moving average remembers.
const MEMORY: u64 = 16;

/// The ratio of true to estimated tokens for one model: an exponentially
/// weighted moving average, held between a quarter and four.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Correction {
    ratio: u64,
    seen: u64,
}

impl Default for Correction {
    fn default() -> Self {
        Self { ratio: ONE, seen: 0 }
    }
}

impl Correction {
    /// Learns from one text whose true count is known. Leave out requests with
    /// images and counts that were not [`super::plausible()`].
    pub fn observe(&mut self, classes: &ByteClasses, true_tokens: u64) {
        let estimate = classes.raw_tokens();
        if estimate < OBSERVED_TOKENS_MIN || true_tokens == 0 {
            return;
        }
        let ratio = (true_tokens.saturating_mul(ONE) / estimate).clamp(RATIO_MIN, RATIO_MAX);
        // The first observations weigh more: the start value is only a guess.
        self.seen = (self.seen + 1).min(MEMORY);
        self.ratio = (self.ratio * (self.seen - 1) + ratio) / self.seen;
    }

    /// `estimate` times the ratio, rounded up.
    #[must_use]
    pub fn apply(&self, estimate: u64) -> u64 {
        estimate.saturating_mul(self.ratio).div_ceil(ONE)
    }

    /// The ratio in thousandths.
    #[must_use]
    pub const fn per_mille(&self) -> u64 {
        self.ratio * 1_000 / ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_converges_on_the_observed_ratio_and_stays_in_bounds() {
        let classes = ByteClasses::of(&"word ".repeat(100));
        let raw = classes.raw_tokens();
        for (factor, expected) in [(1, 1_000), (2, 2_000), (100, 4_000)] {
            let mut correction = Correction::default();
            (0..40).for_each(|_| correction.observe(&classes, raw * factor));
            assert!(correction.per_mille().abs_diff(expected) <= 2, "{factor}: {correction:?}");
        }
        let mut correction = Correction::default();
        (0..40).for_each(|_| correction.observe(&classes, 1));
        assert_eq!(correction.per_mille(), 250);
    }

    #[test]
    fn one_outlier_moves_a_settled_ratio_little() {
        let classes = ByteClasses::of(&"word ".repeat(100));
        let mut correction = Correction::default();
        (0..40).for_each(|_| correction.observe(&classes, classes.raw_tokens()));
        correction.observe(&classes, classes.raw_tokens() * 100);
        assert!(correction.per_mille() <= 1_200, "{correction:?}");
    }

    #[test]
    fn short_texts_teach_nothing() {
        let mut correction = Correction::default();
        correction.observe(&ByteClasses::of("hi"), 400);
        assert_eq!(correction, Correction::default());
    }
}
