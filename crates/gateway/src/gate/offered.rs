//! How many sign-ups were offered in the last minute.

use surgewall_core::clock::Timestamp;

/// Seconds that are counted.
const SECONDS: usize = 60;

/// Counts by second, as a ring.
#[derive(Debug)]
pub(super) struct Offered {
    counts: [u32; SECONDS],
    second: u64,
}

impl Default for Offered {
    fn default() -> Self {
        Self { counts: [0; SECONDS], second: 0 }
    }
}

impl Offered {
    /// One more at `now`.
    pub(super) fn count(&mut self, now: Timestamp) {
        let count = self.of(now);
        *count = count.saturating_add(1);
    }

    /// How many there were in the minute that ends with this second.
    pub(super) fn per_min(&mut self, now: Timestamp) -> u32 {
        self.of(now);
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The count of the second `now`; what is older than a minute is forgotten. A
    /// clock that goes back counts at where it was.
    fn of(&mut self, now: Timestamp) -> &mut u32 {
        let second = now.seconds().max(self.second);
        let passed = usize::try_from(second - self.second).unwrap_or(SECONDS).min(SECONDS);
        for nth in 0..passed {
            self.counts[at(second.saturating_sub(nth as u64))] = 0;
        }
        self.second = second;
        &mut self.counts[at(second)]
    }
}

fn at(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_counted_and_no_more() {
        let mut offered = Offered::default();
        let second = |s: u64| Timestamp::from_millis(1_700_000_000_000 + s * 1_000);
        for s in 0..90 {
            offered.count(second(s));
            assert_eq!(u64::from(offered.per_min(second(s))), (s + 1).min(60), "second {s}");
        }
        assert_eq!(offered.per_min(second(119)), 30);
        assert_eq!(offered.per_min(second(10_000)), 0);
        offered.count(second(9_000));
        assert_eq!(offered.per_min(second(10_000)), 1, "a clock that went back");
    }
}
