//! What a token costs at this pool, as it was fitted to it.

use super::{Gate, Weights, Work};

/// Requests after which an old one weighs 1/e in the mix of reading and writing.
const MEMORY_REQUESTS: f64 = 128.0;

/// Tokens of requests that ended lately: read and written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mix([f64; 2]);

impl Mix {
    /// A request ended.
    pub(super) fn ended(&mut self, input: u64, output: u64) {
        for (mean, tokens) in self.0.iter_mut().zip([input, output]) {
            let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
            *mean += (f64::from(tokens) - *mean) / MEMORY_REQUESTS;
        }
    }

    fn work(self, weights: Weights) -> f64 {
        let [input, output] = self.0;
        input * f64::from(weights.input) + output * f64::from(weights.output)
    }

    /// How much more the same requests are in the weights `to` than in `from`.
    fn times(self, from: Weights, to: Weights) -> f64 {
        let before = self.work(from);
        if before > 0.0 { self.work(to) / before } else { 1.0 }
    }
}

impl<T, R> Gate<T, R> {
    /// Takes the weights that were fitted to the pool, in a second in which nobody
    /// waits: what is measured in work changes its unit then, and nobody's turn.
    pub(super) fn weigh(&mut self, held_back: bool) {
        if held_back || self.load.sequences > self.capacity.sequences() / 2 {
            return;
        }
        let fitted = self.capacity.output_weight().and_then(|ratio| self.weights.fitted(ratio));
        if let Some(weights) = fitted {
            self.predictor.rescale(self.mix.times(self.weights, weights));
            self.weights = weights;
        }
    }

    /// The work of a token that is written, in tokens that are read.
    #[must_use]
    pub const fn output_weight(&self) -> u32 {
        self.weights.output
    }

    /// The work of what was `used`.
    pub(super) fn cost_of(&mut self, used: Option<(u64, u64)>) -> Work {
        let Some((input, output)) = used else { return Work::ZERO };
        self.mix.ended(input, output);
        Work::of(self.weights, input, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_requests_are_the_same_work_in_another_unit() {
        let mut mix = Mix::default();
        let (from, to) = (Weights::default(), Weights { input: 1, output: 5 });
        assert!((mix.times(from, to) - 1.0).abs() < 1e-9, "nothing ended yet");
        for _ in 0..1_000 {
            mix.ended(300, 100);
        }
        // From 300 + 2 * 100 to 300 + 5 * 100.
        assert!((mix.times(from, to) - 1.6).abs() < 1e-6);
    }
}
