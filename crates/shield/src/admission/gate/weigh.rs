//! What a token costs at this pool, as it was fitted to it.

use super::Gate;

/// Requests after which an old one weighs 1/e in the mix of reading and writing.
const MEMORY_REQUESTS: f64 = 128.0;

/// Tokens of the requests that went on lately, in the mean: read, and expected to be
/// written. What is judged is what was expected, so that is what keeps its unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mix([f64; 2]);

impl Mix {
    /// A request went on.
    pub(super) fn expected(&mut self, input: u64, output: u64) {
        for (mean, tokens) in self.0.iter_mut().zip([input, output]) {
            let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
            *mean += (f64::from(tokens) - *mean) / MEMORY_REQUESTS;
        }
    }
}

impl<T, R> Gate<T, R> {
    /// Takes the weights that were fitted to the pool, in a second in which nobody
    /// waits and half of the places are free: then they move nobody's turn.
    pub(super) fn weigh(&mut self, held_back: bool) {
        if held_back || self.load.sequences > self.capacity.sequences() / 2 {
            return;
        }
        let ratio = self.capacity.output_weight();
        let fitted = ratio.and_then(|ratio| self.weights.fitted(ratio, self.mix.0));
        self.weights = fitted.unwrap_or(self.weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_follows_what_goes_on() {
        let mut mix = Mix::default();
        (0..1_000).for_each(|_| mix.expected(300, 100));
        let [input, output] = mix.0;
        assert!((input - 300.0).abs() < 1.0 && (output - 100.0).abs() < 1.0, "{mix:?}");
    }
}
