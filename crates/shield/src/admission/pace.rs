//! How far a stream's client is behind its model.
//!
//! Either the door waits for the model or it waits for the client: its bounded
//! buffer for the stream is full and the client does not read. The time of the
//! second is what a client falls behind, and it makes up for it by the time of
//! the first. So a client that reads as fast as the model writes is never
//! behind, in whatever bursts it reads; one that reads nothing falls behind a
//! second each second, and so does one that reads steadily but is always the
//! slower of the two. How full the buffer is, is not asked: as long as there is
//! room in it, nobody waits for the client.

use std::time::{Duration, Instant};

/// How far a client may be behind while somebody else waits for its place.
pub const BEHIND_MAX: Duration = Duration::from_secs(10);

/// Who of the two, client and model, keeps the other waiting, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    behind: Duration,
    /// When the door was given the client's leave to send more, if it has it now.
    asked: Option<Instant>,
    /// When it sent something and had no leave to send more, if it has none now.
    handed: Option<Instant>,
}

impl Pace {
    /// There is room for more on the way to the client.
    pub fn asked(&mut self, now: Instant) {
        if let Some(handed) = self.handed.take() {
            self.behind = self.behind.saturating_add(now.saturating_duration_since(handed));
        }
        self.asked.get_or_insert(now);
    }

    /// Something came from the model and is on its way to the client.
    pub fn handed(&mut self, now: Instant) {
        if let Some(asked) = self.asked.take() {
            self.behind = self.behind.saturating_sub(now.saturating_duration_since(asked));
        }
        self.handed = Some(now);
    }

    /// How far the client is behind.
    #[must_use]
    pub fn behind(&self, now: Instant) -> Duration {
        let since = |then: Option<Instant>| {
            then.map_or(Duration::ZERO, |then| now.saturating_duration_since(then))
        };
        self.behind.saturating_add(since(self.handed)).saturating_sub(since(self.asked))
    }

    /// Whether the client is so far behind that its place goes to one who waits.
    #[must_use]
    pub fn is_too_slow(&self, now: Instant) -> bool {
        self.behind(now) > BEHIND_MAX
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Clock;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// The model takes `model` for each piece and the client `client`, for `pieces` pieces.
    fn run(model: Duration, client: Duration, pieces: u32) -> (Pace, Instant) {
        let (mut pace, mut now) = (Pace::default(), Clock::System.monotonic());
        for _ in 0..pieces {
            pace.asked(now);
            now += model;
            pace.handed(now);
            now += client;
        }
        (pace, now)
    }

    #[test]
    fn a_client_that_reads_nothing_is_too_slow_past_the_limit_and_not_at_it() {
        let (pace, handed) = run(Duration::ZERO, Duration::ZERO, 1);
        assert!(!pace.is_too_slow(handed + BEHIND_MAX));
        assert!(pace.is_too_slow(handed + BEHIND_MAX + MILLI));
    }

    #[test]
    fn steady_readers_are_judged_by_who_keeps_whom_waiting() {
        let check = |model, client, pieces, slow: bool| {
            let (model, client) = (Duration::from_millis(model), Duration::from_millis(client));
            let (pace, now) = run(model, client, pieces);
            assert_eq!(pace.is_too_slow(now), slow, "{model:?} {client:?}: {pace:?}");
        };
        // Faster than the model, however long it runs.
        check(20, 0, 100_000, false);
        check(20, 19, 100_000, false);
        check(20, 20, 100_000, false);
        // Half as fast: a second behind for every two.
        check(20, 40, 499, false);
        check(20, 40, 500, true);
        // The model's pieces lie ready: the client alone is waited for.
        check(0, 100, 100, false);
        check(0, 100, 101, true);
    }

    #[test]
    fn who_was_behind_makes_up_for_it_while_the_door_waits_for_the_model() {
        let (mut pace, mut now) = run(Duration::ZERO, BEHIND_MAX + MILLI, 1);
        assert!(pace.is_too_slow(now));
        pace.asked(now);
        now += MILLI;
        assert!(!pace.is_too_slow(now), "it reads again");
        now += 2 * BEHIND_MAX;
        pace.handed(now);
        assert_eq!(pace.behind(now), Duration::ZERO, "and has nothing in reserve");
        assert_eq!(pace.behind(now + MILLI), MILLI);
    }
}
