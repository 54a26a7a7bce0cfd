//! What the examples that measure share: random numbers, medians, memory.

use std::error::Error;
use std::time::Duration;

/// The next of a row of random numbers (xorshift64: Marsaglia, 2003).
pub(crate) fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The median of `batches` of `batch` decisions each, in nanoseconds a decision.
pub(crate) fn median_ns(batches: &mut [Duration], batch: u64) -> Result<u64, Box<dyn Error>> {
    batches.sort_unstable();
    Ok(u64::try_from(batches[batches.len() / 2].as_nanos())? / batch)
}

/// Resident memory in bytes, where the system tells it.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel, one line long")]
pub(crate) fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
