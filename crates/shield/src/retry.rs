//! A retry budget: retries may be a fifth of the requests, and ten a second,
//! so that retries cannot become the flood that keeps a weak server down.
//!
//! The idea is Finagle's `RetryBudget` (20 % and 10 per second), kept here as
//! one token bucket.

use surgewall_core::clock::Timestamp;

/// Retries earned by one request, in thousandths.
const PER_REQUEST_MILLI: u64 = 200;
/// Retries per second that are always allowed.
const PER_SECOND_MIN: u64 = 10;
/// Retries that can be saved up.
pub const BURST_MAX: u64 = 20;

/// One pool's budget. It starts full.
#[derive(Clone, Copy, Debug)]
pub struct RetryBudget {
    milli: u64,
    at: Timestamp,
}

impl RetryBudget {
    /// A full budget.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { milli: BURST_MAX * 1_000, at: now }
    }

    /// A first attempt was made: it earns a fifth of a retry.
    pub fn request(&mut self, now: Timestamp) {
        self.earn(now, PER_REQUEST_MILLI);
    }

    /// Whether one more retry may be made now; takes it from the budget.
    #[must_use]
    pub fn retry(&mut self, now: Timestamp) -> bool {
        self.earn(now, 0);
        let left = self.milli.checked_sub(1_000);
        self.milli = left.unwrap_or(self.milli);
        left.is_some()
    }

    fn earn(&mut self, now: Timestamp, more: u64) {
        // A thousandth of a retry per millisecond is one retry per second.
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let by_time = passed.saturating_mul(PER_SECOND_MIN);
        self.at = self.at.max(now);
        self.milli = self.milli.saturating_add(by_time).saturating_add(more).min(BURST_MAX * 1_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_at_most_a_fifth_of_the_requests_beyond_the_minimum() {
        let start = 1_790_000_000_000;
        let mut budget = RetryBudget::new(Timestamp::from_millis(start));
        let mut retries = 0;
        // 1,000 requests a second for ten seconds, all of which fail.
        for step in 0..10_000 {
            let now = Timestamp::from_millis(start + step);
            budget.request(now);
            retries += u64::from(budget.retry(now));
        }
        assert!((2_100..=2_000 + 100 + BURST_MAX).contains(&retries), "{retries}");
    }

    #[test]
    fn a_clock_that_goes_back_earns_nothing() {
        let mut budget = RetryBudget::new(Timestamp::from_millis(10_000));
        while budget.retry(Timestamp::from_millis(10_000)) {}
        assert!(!budget.retry(Timestamp::from_millis(0)));
        assert!(!budget.retry(Timestamp::from_millis(10_000)));
        assert!(budget.retry(Timestamp::from_millis(10_100)));
    }
}
