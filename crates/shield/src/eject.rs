//! One server's circuit breaker: failures eject it for a while, one probe
//! tells whether it is back.
//!
//! Closed, open and half-open after Nygard (Release It!); the time open doubles
//! with each ejection as in Envoy's outlier detection.

use std::time::Duration;

use surgewall_core::clock::Timestamp;

/// Failures in a row that eject.
pub const CONSECUTIVE_MAX: u32 = 3;
/// Answers in a window before its share of failures counts.
const WINDOW_ANSWERS_MIN: u32 = 20;
/// The window for the share of failures.
const WINDOW: Duration = Duration::from_secs(10);
/// The first ejection.
pub const EJECTED_FOR_MIN: Duration = Duration::from_secs(5);
/// The longest ejection.
pub const EJECTED_FOR_MAX: Duration = Duration::from_secs(300);
/// A probe that said nothing for so long is given up.
pub const PROBE_MAX: Duration = Duration::from_secs(60);

/// What a server may be used for now.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Any request.
    Available,
    /// One request, to see whether it is back.
    Probe,
    /// None until this instant.
    Ejected {
        /// When a probe may go.
        until: Timestamp,
    },
    /// None while the probe is under way.
    Probing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Timestamp },
    HalfOpen { since: Timestamp },
}

/// One server's breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    consecutive: u32,
    window_from: Timestamp,
    answers: u32,
    failures: u32,
    /// Ejections without a long good time between them.
    ejections: u32,
    recovered_at: Timestamp,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            consecutive: 0,
            window_from: Timestamp::default(),
            answers: 0,
            failures: 0,
            ejections: 0,
            recovered_at: Timestamp::default(),
        }
    }
}

impl Breaker {
    /// What the server may be used for.
    pub fn standing(&self, now: Timestamp) -> Standing {
        match self.state {
            State::Closed => Standing::Available,
            State::Open { until } if now < until => {
                // A clock that went back must not eject for longer than the longest time.
                let until = until.min(now.plus(EJECTED_FOR_MAX));
                Standing::Ejected { until }
            }
            State::HalfOpen { since } if now >= since && now.since(since) < PROBE_MAX => {
                Standing::Probing
            }
            State::Open { .. } | State::HalfOpen { .. } => Standing::Probe,
        }
    }

    /// Whether the server is out: ejected, or waiting for its probe.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.state != State::Closed
    }

    /// A request goes to the server; after an ejection it is the probe.
    pub fn begin(&mut self, now: Timestamp) {
        if self.standing(now) == Standing::Probe {
            self.state = State::HalfOpen { since: now };
        }
    }

    /// The request ended without telling anything, because the client left.
    pub fn abandon(&mut self, now: Timestamp) {
        if let State::HalfOpen { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    /// The server answered.
    pub fn success(&mut self, now: Timestamp) {
        self.count(now, 0);
        self.consecutive = 0;
        match self.state {
            State::Closed => {}
            // A request from before the ejection, or one that had nowhere else to go: try soon.
            State::Open { until } => self.state = State::Open { until: until.min(now) },
            State::HalfOpen { .. } => self.restore(now),
        }
    }

    /// The server is known to be well: it takes requests at once.
    pub fn restore(&mut self, now: Timestamp) {
        self.state = State::Closed;
        self.recovered_at = now;
        (self.consecutive, self.answers, self.failures) = (0, 0, 0);
    }

    /// The server failed. `may_eject` is false where too much of its pool is
    /// out already; the failure is counted all the same. True if it is ejected now.
    pub fn failure(&mut self, now: Timestamp, may_eject: bool) -> bool {
        self.count(now, 1);
        self.consecutive = self.consecutive.saturating_add(1);
        let probe_failed = matches!(self.state, State::HalfOpen { .. });
        let share_is_high = self.answers >= WINDOW_ANSWERS_MIN && self.failures * 2 >= self.answers;
        let is_bad = self.consecutive >= CONSECUTIVE_MAX || share_is_high;
        let ejects = probe_failed || (self.state == State::Closed && is_bad && may_eject);
        if ejects {
            self.eject(now);
        }
        ejects
    }

    fn eject(&mut self, now: Timestamp) {
        let last = ejected_for(self.ejections);
        let was_good = self.state == State::Closed && now.since(self.recovered_at) > 2 * last;
        self.ejections = if was_good { 1 } else { self.ejections.saturating_add(1) };
        self.state = State::Open { until: now.plus(ejected_for(self.ejections)) };
        (self.answers, self.failures) = (0, 0);
    }

    fn count(&mut self, now: Timestamp, failures: u32) {
        if now < self.window_from || now.since(self.window_from) >= WINDOW {
            (self.window_from, self.answers, self.failures) = (now, 0, 0);
        }
        self.answers = self.answers.saturating_add(1);
        self.failures = self.failures.saturating_add(failures);
    }
}

/// How long the `ejections`th ejection in a row lasts.
fn ejected_for(ejections: u32) -> Duration {
    let doublings = ejections.saturating_sub(1).min(16);
    (EJECTED_FOR_MIN * (1 << doublings)).min(EJECTED_FOR_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn three_failures_in_a_row_eject_and_a_good_probe_brings_it_back() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failure(at(0), true));
        breaker.success(at(0));
        assert!(!breaker.failure(at(0), true) && !breaker.failure(at(0), true));
        assert_eq!(breaker.standing(at(0)), Standing::Available);
        assert!(breaker.failure(at(0), true));
        assert_eq!(breaker.standing(at(4)), Standing::Ejected { until: at(5) });
        assert_eq!(breaker.standing(at(5)), Standing::Probe);
        breaker.begin(at(5));
        assert_eq!(breaker.standing(at(6)), Standing::Probing);
        breaker.success(at(6));
        assert_eq!(breaker.standing(at(6)), Standing::Available);
    }

    #[test]
    fn each_failed_probe_doubles_the_time_up_to_the_longest() {
        let mut breaker = Breaker::default();
        let mut now = at(0);
        let mut times = Vec::new();
        let _ =
            (breaker.failure(now, true), breaker.failure(now, true), breaker.failure(now, true));
        for _ in 0..8 {
            let Standing::Ejected { until } = breaker.standing(now) else { panic!("not ejected") };
            times.push(until.since(now).as_secs());
            now = until;
            breaker.begin(now);
            assert!(breaker.failure(now, false), "a failed probe ejects whatever the pool's state");
        }
        assert_eq!(times, [5, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_long_good_time_forgives_earlier_ejections() {
        let mut breaker = Breaker::default();
        for (second, expected) in [(0, 5), (7, 10), (1_000, 5)] {
            for _ in 0..3 {
                let _ = breaker.failure(at(second), true);
            }
            assert_eq!(
                breaker.standing(at(second)),
                Standing::Ejected { until: at(second + expected) }
            );
            breaker.begin(at(second + expected));
            breaker.success(at(second + expected));
        }
    }

    #[test]
    fn half_of_many_answers_failing_ejects_too() {
        let mut breaker = Breaker::default();
        let mut ejected = false;
        for _ in 0..10 {
            ejected |= breaker.failure(at(0), true);
            breaker.success(at(0));
        }
        assert!(!ejected);
        assert!(breaker.failure(at(1), true), "11 of 21");
    }

    #[test]
    fn a_lost_probe_does_not_lock_the_server_out() {
        let mut breaker = Breaker::default();
        let _ = (
            breaker.failure(at(0), true),
            breaker.failure(at(0), true),
            breaker.failure(at(0), true),
        );
        breaker.begin(at(5));
        assert_eq!(breaker.standing(at(64)), Standing::Probing);
        assert_eq!(breaker.standing(at(65)), Standing::Probe);
        breaker.begin(at(65));
        breaker.abandon(at(66));
        assert_eq!(breaker.standing(at(66)), Standing::Probe);
    }
}
