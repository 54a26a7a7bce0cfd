//! Which requests were sent before, by a sketch of who sends what: a client
//! that retries is no new demand.

use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A request sent again within this time at least is a repeat; after twice this
/// time it is a new one.
pub const REMEMBERED: Duration = Duration::from_secs(60);
/// Requests remembered in one such time: past it, further ones count as new.
pub const REPEATS_MAX: usize = 65_536;

/// The sketches of the last minutes, in two halves: the older one is dropped
/// whole, so that nothing is ever searched for its age.
#[derive(Debug)]
pub struct Repeats {
    now: HashSet<u64>,
    before: HashSet<u64>,
    turned: Instant,
}

impl Repeats {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { now: HashSet::new(), before: HashSet::new(), turned: now }
    }

    /// Whether `sketch` was seen before; it is from now on.
    pub fn seen(&mut self, now: Instant, sketch: u64) -> bool {
        let passed = now.saturating_duration_since(self.turned);
        if passed >= REMEMBERED {
            self.before = std::mem::take(&mut self.now);
            if passed >= 2 * REMEMBERED {
                self.before.clear();
            }
            self.turned = now;
        }
        let seen = self.now.contains(&sketch) || self.before.contains(&sketch);
        if self.now.len() < REPEATS_MAX {
            self.now.insert(sketch);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Clock;

    use super::*;

    #[test]
    fn a_request_is_a_repeat_for_a_minute_or_two() {
        let start = Clock::System.monotonic();
        let mut repeats = Repeats::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        let cases = [(0, 1, false), (1, 1, true), (2, 2, false), (59, 1, true), (61, 2, true)];
        for (second, sketch, expected) in cases {
            assert_eq!(repeats.seen(at(second), sketch), expected, "{second} s");
        }
        assert!(!repeats.seen(at(400), 1), "forgotten");
    }

    #[test]
    fn past_the_limit_requests_count_as_new() {
        let start = Clock::System.monotonic();
        let mut repeats = Repeats::new(start);
        for sketch in 0..=REPEATS_MAX as u64 {
            assert!(!repeats.seen(start, sketch));
        }
        assert!(repeats.seen(start, REPEATS_MAX as u64 - 1));
        assert!(!repeats.seen(start, REPEATS_MAX as u64), "the one past the limit");
    }
}
