//! A rate limiter of eight bytes per key.
//!
//! The generic cell rate algorithm (ITU-T I.371, virtual scheduling): each
//! admission moves a theoretical arrival time forward by one interval, and is
//! refused while that time is more than the burst ahead. In any time `t` it
//! admits at most `rate * t + burst`.

use std::time::Duration;

use surgewall_core::clock::Timestamp;

/// A rate and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds between two admissions at the steady rate.
    interval_us: u64,
    /// Admissions at once.
    burst: u32,
}

impl Rate {
    /// `count` per `per`, and `burst` (at least one) at once. The interval is
    /// rounded up to a microsecond, so that the rate is never exceeded.
    #[must_use]
    pub fn new(count: u32, per: Duration, burst: u32) -> Self {
        let per_us = u64::try_from(per.as_micros()).unwrap_or(u64::MAX);
        let interval_us = per_us.div_ceil(u64::from(count.max(1))).max(1);
        Self { interval_us, burst: burst.max(1) }
    }

    /// `count` per second, and as many at once.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        Self::new(count, Duration::from_secs(1), count)
    }

    /// How far the theoretical arrival time may run ahead.
    fn ahead_us(self) -> u64 {
        self.interval_us.saturating_mul(u64::from(self.burst))
    }
}

/// One key's limiter. The default has admitted nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gcra {
    /// The theoretical arrival time of the next admission, in epoch microseconds.
    next_us: u64,
}

impl Gcra {
    /// Admits one at `now`.
    ///
    /// # Errors
    /// How long until one is admitted.
    pub fn admit(&mut self, now: Timestamp, rate: Rate) -> Result<(), Duration> {
        let now_us = now.millis().saturating_mul(1_000);
        let latest = now_us.saturating_add(rate.ahead_us());
        // Further ahead than a full burst: the clock went back. All of the burst is used then.
        let next = self.next_us.clamp(now_us, latest);
        self.next_us = next;
        let then = next.saturating_add(rate.interval_us);
        if then > latest {
            return Err(Duration::from_micros(then - latest));
        }
        self.next_us = then;
        Ok(())
    }

    /// Takes one admission back: what it was for did not come to be.
    pub const fn give_back(&mut self, rate: Rate) {
        self.next_us = self.next_us.saturating_sub(rate.interval_us);
    }

    /// Whether nothing of the burst is used, so that the limiter can be forgotten.
    #[must_use]
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.next_us <= now.millis().saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_had_again_once() {
        let rate = Rate::per_second(2);
        let mut limiter = Gcra::default();
        let at = Timestamp::from_millis(1_000);
        assert!(limiter.admit(at, rate).is_ok() && limiter.admit(at, rate).is_ok());
        limiter.give_back(rate);
        assert!(limiter.admit(at, rate).is_ok() && limiter.admit(at, rate).is_err());
        // Given back late, it is no more than a full burst.
        let late = Timestamp::from_millis(9_000);
        limiter.give_back(rate);
        assert!(limiter.admit(late, rate).is_ok() && limiter.admit(late, rate).is_ok());
        assert!(limiter.admit(late, rate).is_err());
    }

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate::per_second(5);
        let mut limiter = Gcra::default();
        let mut admitted = |millis| limiter.admit(Timestamp::from_millis(millis), rate);
        for _ in 0..5 {
            assert_eq!(admitted(1_000), Ok(()));
        }
        assert_eq!(admitted(1_000), Err(Duration::from_millis(200)));
        assert_eq!(admitted(1_199), Err(Duration::from_millis(1)));
        assert_eq!(admitted(1_200), Ok(()));
    }
}
