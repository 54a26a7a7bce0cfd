//! From what users got in the last minute to a component's state.
//!
//! Pure: it is told what came in each second and how long that was. A state gets
//! worse after a few seconds in a row that say so and better after a calm minute,
//! so that a page does not flicker.

use std::collections::VecDeque;
use std::time::Duration;

use super::component::State;
use super::measure::Sums;

/// What a state rests on, while enough happens.
pub const SHORT: Duration = Duration::from_secs(60);
/// What it rests on where little happens.
pub const LONG: Duration = Duration::from_secs(300);
/// Requests that are enough.
const ENOUGH: u64 = 10;
/// Failures without which nothing is called an outage.
const FAILED_MIN: u64 = 3;
/// Shares of failures, in percent: most, a good part, now and then.
const SHARES: (u64, u64, u64) = (50, 10, 2);
/// The share of late answers, in percent, from which on it is slow.
const SLOW_SHARE: u64 = 20;
/// How long a worse state must be seen before it is told.
const WORSE_AFTER: Duration = Duration::from_secs(5);
/// The same of a better one.
const BETTER_AFTER: Duration = Duration::from_secs(60);

/// Judges one component.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// What came in each tick, newest last, and how long the tick was.
    ticks: VecDeque<(Duration, Sums)>,
    state: Option<State>,
    /// What was seen instead, and for how long.
    other: Option<(State, Duration)>,
}

impl Judge {
    /// One more tick, which was `elapsed` long. `None`: nothing is known yet.
    pub fn tick(&mut self, elapsed: Duration, came: Sums) -> Option<State> {
        self.ticks.push_back((elapsed, came));
        let mut held = Duration::ZERO;
        let kept = self.ticks.iter().rev().take_while(|(elapsed, _)| {
            held += *elapsed;
            held <= LONG
        });
        let past = self.ticks.len() - kept.count().max(1);
        self.ticks.drain(..past);
        let Some(seen) = self.seen() else { return self.state };
        self.state = Some(match self.state {
            None => seen,
            Some(state) if seen == state => {
                self.other = None;
                state
            }
            Some(state) => self.move_to(state, seen, elapsed),
        });
        self.state
    }

    /// The state; `None` before anything is known.
    #[must_use]
    pub const fn state(&self) -> Option<State> {
        self.state
    }

    /// Towards `seen`, once it has been seen for long enough.
    fn move_to(&mut self, state: State, seen: State, elapsed: Duration) -> State {
        let is_worse = seen > state;
        // As long as it is not as it was, it gets better step by step: the worst of the way counts.
        let (other, held) = match self.other {
            Some((other, held)) if (other > state) == is_worse => {
                (if is_worse { other.min(seen) } else { other.max(seen) }, held + elapsed)
            }
            _ => (seen, elapsed),
        };
        let needed = if is_worse { WORSE_AFTER } else { BETTER_AFTER };
        if held >= needed {
            self.other = None;
            return other;
        }
        self.other = Some((other, held));
        state
    }

    /// What the window says; `None` where nothing came.
    fn seen(&self) -> Option<State> {
        let short = self.sums(SHORT);
        let sums = if short.all() < ENOUGH { self.sums(LONG) } else { short };
        (sums.all() > 0).then(|| state(&sums))
    }

    /// What came in the last `window`.
    #[must_use]
    pub fn sums(&self, window: Duration) -> Sums {
        let (mut held, mut sums) = (Duration::ZERO, Sums::default());
        for (elapsed, came) in self.ticks.iter().rev() {
            held += *elapsed;
            if held > window {
                break;
            }
            sums.add(came);
        }
        sums
    }
}

/// The state that `sums` show. Callers that the door knows decide whether it is an
/// outage; strangers who are sent away make it degraded at most.
#[must_use]
pub fn state(sums: &Sums) -> State {
    let known = sums.ok + sums.slow + sums.failed;
    let failing = share_state(sums.failed, known);
    let slow = sums.slow * 100 >= known * SLOW_SHARE && sums.slow > 0;
    let strangers = sums.strangers_ok + sums.strangers_failed;
    let turned_away = share_state(sums.strangers_failed, strangers);
    let least = if slow { State::Degraded } else { State::Operational };
    failing.max(turned_away.min(State::Degraded)).max(least)
}

/// The state that so many failures of `all` show.
fn share_state(failed: u64, all: u64) -> State {
    let (most, part, some) = SHARES;
    let at_least = |share: u64| failed > 0 && failed * 100 >= all * share;
    if at_least(most) && failed >= FAILED_MIN {
        State::Major
    } else if at_least(part) && failed >= FAILED_MIN {
        State::Partial
    } else if at_least(some) {
        State::Degraded
    } else {
        State::Operational
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn known(ok: u64, slow: u64, failed: u64) -> Sums {
        Sums { ok, slow, failed, ..Sums::default() }
    }

    #[test]
    fn shares_make_states_at_their_bounds_and_not_below() {
        for (sums, expected) in [
            (known(1, 0, 0), State::Operational),
            (known(99, 0, 1), State::Operational),
            (known(98, 0, 2), State::Degraded),
            (known(0, 0, 2), State::Degraded),
            (known(3, 0, 3), State::Major),
            (known(4, 0, 3), State::Partial),
            (known(27, 0, 3), State::Partial),
            (known(28, 0, 3), State::Degraded),
            (known(80, 20, 0), State::Degraded),
            (known(81, 19, 0), State::Operational),
            (Sums { strangers_failed: 1_000, ..known(100, 0, 0) }, State::Degraded),
            (Sums { strangers_failed: 1_000, ..known(0, 0, 0) }, State::Degraded),
            (Sums { strangers_ok: 99, strangers_failed: 1, ..known(1, 0, 0) }, State::Operational),
        ] {
            assert_eq!(state(&sums), expected, "{sums:?}");
        }
    }

    #[test]
    fn before_anything_came_nothing_is_known() {
        let mut judge = Judge::default();
        for _ in 0..1_000 {
            assert_eq!(judge.tick(SECOND, Sums::default()), None);
        }
        assert_eq!(judge.tick(SECOND, known(1, 0, 0)), Some(State::Operational));
        for _ in 0..1_000 {
            assert_eq!(judge.tick(SECOND, Sums::default()), Some(State::Operational), "it stays");
        }
    }

    #[test]
    fn it_gets_worse_within_seconds_and_better_after_a_calm_minute() {
        let mut judge = Judge::default();
        for _ in 0..100 {
            judge.tick(SECOND, known(5, 0, 0));
        }
        let mut seconds = 0;
        while judge.tick(SECOND, known(0, 0, 50)) != Some(State::Major) {
            seconds += 1;
            assert!(seconds < 20, "an outage is told within seconds");
        }
        let (mut seconds, mut states) = (0, vec![State::Major]);
        while states.last() != Some(&State::Operational) {
            let state = judge.tick(SECOND, known(50, 0, 0)).unwrap();
            if states.last() != Some(&state) {
                states.push(state);
            }
            seconds += 1;
            assert!(seconds < 200);
        }
        assert!(seconds > 60, "not before a calm minute: {seconds}");
        assert!(states.is_sorted_by(|a, b| a > b), "it only gets better on the way: {states:?}");
    }

    #[test]
    fn one_bad_second_does_not_flip_a_busy_component() {
        let mut judge = Judge::default();
        for second in 0..600 {
            let failed = u64::from(second % 60 == 30) * 2;
            let state = judge.tick(SECOND, known(20, 0, failed));
            assert_eq!(state, Some(State::Operational), "second {second}");
        }
    }

    #[test]
    fn the_window_is_bounded_whatever_the_ticks() {
        let mut judge = Judge::default();
        for _ in 0..10_000 {
            judge.tick(SECOND, known(1, 0, 0));
        }
        assert_eq!(judge.ticks.len(), 300);
        assert_eq!(judge.sums(SHORT).ok, 60);
        judge.tick(Duration::from_secs(3_600), known(7, 0, 0));
        assert_eq!(judge.ticks.len(), 1, "a tick longer than the window is all of it");
    }
}
