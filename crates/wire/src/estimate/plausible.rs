//! Whether an upstream's `usage` can be true.

use surgewall_core::usage::Usage;

/// How far a true count may be above the estimate, as a factor.
const ABOVE: u64 = 8;
/// How far below: some servers take 85 tokens for an image that others take 1,600 for.
const BELOW: u64 = 20;
/// Input tokens that a template, tools or a hidden system prompt may add.
const HIDDEN_INPUT_TOKENS: u64 = 4_096;
/// Output tokens that end marks and empty turns may add.
const HIDDEN_OUTPUT_TOKENS: u64 = 64;
/// No vocabulary has many tokens longer than this, in bytes.
const TOKEN_BYTES_MAX: u64 = 128;
/// Estimates below this are too rough for a lower bound, in tokens.
const ROUGH_TOKENS: u64 = 64;

/// Whether `reported` can be true for what the door saw itself.
///
/// Held against it: the door's estimates, the bytes of output that were
/// delivered, and the bound that was reserved. Hidden reasoning is bounded by
/// the reservation only.
#[must_use]
pub fn plausible(
    reported: &Usage,
    own_input_estimate: u64,
    own_output_estimate: u64,
    output_bytes: u64,
    reserved_output: u64,
) -> bool {
    let parts = reported.cached.saturating_add(reported.cache_write) <= reported.input
        && reported.reasoning <= reported.output;
    let input_max = own_input_estimate.saturating_mul(ABOVE).saturating_add(HIDDEN_INPUT_TOKENS);
    let input_min = floor(own_input_estimate).max(u64::from(own_input_estimate > 0));
    let seen_max = own_output_estimate.saturating_mul(ABOVE).saturating_add(HIDDEN_OUTPUT_TOKENS);
    let output_max = seen_max.max(reserved_output);
    let output_min = floor(own_output_estimate).max(output_bytes.div_ceil(TOKEN_BYTES_MAX));
    parts
        && (input_min..=input_max).contains(&reported.input)
        && (output_min..=output_max).contains(&reported.output)
}

/// The lowest true count behind an estimate.
const fn floor(estimate: u64) -> u64 {
    if estimate < ROUGH_TOKENS { 0 } else { estimate / BELOW }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: u64, output: u64, reasoning: u64) -> bool {
        let usage = Usage { input, output, reasoning, ..Default::default() };
        plausible(&usage, 1_000, 200, 800, 2_000)
    }

    #[test]
    fn truth_passes_and_lies_do_not() {
        assert!(check(1_000, 200, 0));
        assert!(check(600, 120, 0));
        assert!(check(1_000, 2_000, 1_800), "hidden reasoning up to the reservation");
        assert!(!check(1_000, 2_001, 1_800), "past the reservation");
        assert!(!check(0, 200, 0), "no input");
        assert!(!check(1_000, 0, 0), "no output although some was seen");
        assert!(!check(1_000, 6, 0), "too little output");
        assert!(!check(u64::MAX, 200, 0), "huge");
        assert!(!check(1_000, u64::MAX, 0), "huge");
        assert!(!check(1_000, 200, 201), "more reasoning than output");
    }

    #[test]
    fn cached_input_is_a_part_of_input() {
        let usage = Usage { input: 100, cached: 60, cache_write: 41, output: 1, reasoning: 0 };
        assert!(!plausible(&usage, 100, 1, 1, 10));
        assert!(plausible(&Usage { cache_write: 40, ..usage }, 100, 1, 1, 10));
    }
}
