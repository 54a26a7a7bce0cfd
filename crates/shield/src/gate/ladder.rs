//! The ladder, moved by pressure: quickly up, slowly down, one step at a time.
//!
//! Heat that lasts for [`Terms::up_after`] moves it one step up, calm that lasts
//! for [`Terms::down_after`] one step down; between hot and calm is a band in
//! which it stays. So it comes down at most once in `down_after`, and goes up at
//! most as often and five steps more: it cannot flap.

use std::time::{Duration, Instant};

use surgewall_core::gate::GateStep;

/// When pressure moves the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// As far as pressure may move it. At or below where the gate stands by hand
    /// or configuration, pressure moves nothing.
    pub max_step: GateStep,
    /// Sign-ups offered within a minute from which it is hot.
    pub sign_ups_per_min: u32,
    /// Passwords that wait to be hashed from which it is hot.
    pub hashing_waiting: u32,
    /// Whether it is hot while an incident is open at the models.
    pub admission: bool,
    /// Heat until the next step up.
    pub up_after: Duration,
    /// Calm until the next step down.
    pub down_after: Duration,
}

/// What presses on the door now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reading {
    /// Sign-ups offered in the last minute, also those that were turned away.
    pub sign_ups_per_min: u32,
    /// Passwords that wait to be hashed.
    pub hashing_waiting: u32,
    /// Whether an incident is open at the models.
    pub incident: bool,
}

/// Why the gate moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// So many sign-ups in a minute.
    SignUps(u32),
    /// So many passwords wait to be hashed.
    Hashing(u32),
    /// An incident is open at the models.
    Incident,
    /// It was calm for long enough.
    Calm,
}

/// How it presses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heat {
    /// At least one bound is reached: the first one of them.
    Hot(Cause),
    /// Less than half of every bound, and no incident.
    Calm,
    /// Neither.
    Between,
}

impl Reading {
    /// How this presses under `terms`.
    #[must_use]
    pub const fn heat(&self, terms: &Terms) -> Heat {
        let incident = self.incident && terms.admission;
        if self.sign_ups_per_min >= terms.sign_ups_per_min {
            Heat::Hot(Cause::SignUps(self.sign_ups_per_min))
        } else if self.hashing_waiting >= terms.hashing_waiting {
            Heat::Hot(Cause::Hashing(self.hashing_waiting))
        } else if incident {
            Heat::Hot(Cause::Incident)
        } else if self.sign_ups_per_min < terms.sign_ups_per_min.div_ceil(2)
            && self.hashing_waiting < terms.hashing_waiting.div_ceil(2)
        {
            Heat::Calm
        } else {
            Heat::Between
        }
    }
}

/// How many parts of work a sign-up costs, from 1 to `units_max`: as many as the
/// sign-ups offered are more than the bound.
#[must_use]
pub fn work_units(reading: &Reading, terms: &Terms, units_max: u32) -> u32 {
    reading.sign_ups_per_min.div_ceil(terms.sign_ups_per_min.max(1)).clamp(1, units_max.max(1))
}

/// A move by pressure: always between neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    /// Where it stood.
    pub from: GateStep,
    /// Where it stands now.
    pub to: GateStep,
    /// Why.
    pub cause: Cause,
}

/// Where the gate stands, and how long it has been hot or calm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ladder {
    base: GateStep,
    step: GateStep,
    hot_since: Option<Instant>,
    calm_since: Option<Instant>,
}

impl Ladder {
    /// A ladder that stands at `base`, where configuration or hand put it.
    #[must_use]
    pub const fn new(base: GateStep) -> Self {
        Self { base, step: base, hot_since: None, calm_since: None }
    }

    /// One that pressure had moved from `base` to `step` before a restart.
    #[must_use]
    pub fn resumed(base: GateStep, step: GateStep) -> Self {
        Self { step: step.max(base), ..Self::new(base) }
    }

    /// Where it stands.
    #[must_use]
    pub const fn step(&self) -> GateStep {
        self.step
    }

    /// Where hand or configuration put it: calm brings it back there.
    #[must_use]
    pub const fn base(&self) -> GateStep {
        self.base
    }

    /// One look: a move, if it is time for one.
    pub fn tick(&mut self, now: Instant, reading: &Reading, terms: &Terms) -> Option<Move> {
        match reading.heat(terms) {
            Heat::Hot(cause) => {
                self.calm_since = None;
                let since = *self.hot_since.get_or_insert(now);
                let due = now.saturating_duration_since(since) >= terms.up_after;
                (due && self.step < terms.max_step).then(|| {
                    self.hot_since = Some(now);
                    self.go(self.step.narrower(), cause)
                })
            }
            Heat::Calm => {
                self.hot_since = None;
                let since = *self.calm_since.get_or_insert(now);
                let due = now.saturating_duration_since(since) >= terms.down_after;
                (due && self.step > self.base).then(|| {
                    self.calm_since = Some(now);
                    self.go(self.step.wider(), Cause::Calm)
                })
            }
            Heat::Between => {
                (self.hot_since, self.calm_since) = (None, None);
                None
            }
        }
    }

    const fn go(&mut self, to: GateStep, cause: Cause) -> Move {
        let from = self.step;
        self.step = to;
        Move { from, to, cause }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use surgewall_core::clock::{Clock, ManualClock, Timestamp};

    use super::*;

    const TERMS: Terms = Terms {
        max_step: GateStep::Invite,
        sign_ups_per_min: 60,
        hashing_waiting: 32,
        admission: true,
        up_after: Duration::from_secs(10),
        down_after: Duration::from_secs(600),
    };

    fn offered(sign_ups_per_min: u32) -> Reading {
        Reading { sign_ups_per_min, ..Reading::default() }
    }

    #[test]
    fn heat_has_a_band_in_which_nothing_moves() {
        for (reading, heat) in [
            (offered(60), Heat::Hot(Cause::SignUps(60))),
            (offered(59), Heat::Between),
            (offered(30), Heat::Between),
            (offered(29), Heat::Calm),
            (Reading { hashing_waiting: 32, ..offered(59) }, Heat::Hot(Cause::Hashing(32))),
            (Reading { hashing_waiting: 16, ..offered(0) }, Heat::Between),
            (Reading { incident: true, ..offered(0) }, Heat::Hot(Cause::Incident)),
        ] {
            assert_eq!(reading.heat(&TERMS), heat, "{reading:?}");
        }
        let deaf = Terms { admission: false, ..TERMS };
        assert_eq!(Reading { incident: true, ..offered(0) }.heat(&deaf), Heat::Calm);
    }

    #[test]
    fn work_costs_as_much_as_there_is_too_much_of() {
        for (per_min, units) in [(0, 1), (60, 1), (61, 2), (180, 3), (10_000, 7)] {
            assert_eq!(work_units(&offered(per_min), &TERMS, 7), units, "{per_min}");
        }
    }

    #[test]
    fn it_goes_up_step_by_step_stops_at_its_most_and_comes_back() {
        let manual = ManualClock::new(Timestamp::from_millis(1));
        let clock = Clock::Manual(manual.clone());
        let mut ladder = Ladder::new(GateStep::Open);
        let mut seen = Vec::new();
        for second in 0..5_000_u64 {
            let reading = if second < 100 { offered(500) } else { offered(0) };
            seen.extend(ladder.tick(clock.monotonic(), &reading, &TERMS).map(|m| (second, m.to)));
            manual.advance(Duration::from_secs(1));
        }
        use GateStep::{Invite, Open, Verified, Work};
        let expected = [
            (10, Work),
            (20, Verified),
            (30, Invite),
            (700, Verified),
            (1_300, Work),
            (1_900, Open),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_narrower_by_hand_stays_and_pressure_ends_at_its_most() {
        let clock = Clock::Manual(ManualClock::new(Timestamp::from_millis(1)));
        let mut ladder = Ladder::new(GateStep::Closed);
        let at = clock.monotonic();
        let later = |s| at + Duration::from_secs(s);
        assert_eq!(ladder.tick(at, &offered(500), &TERMS), None);
        assert_eq!(ladder.tick(later(60), &offered(500), &TERMS), None);
        assert_eq!(ladder.tick(later(61), &offered(0), &TERMS), None);
        assert_eq!(ladder.tick(later(9_999), &offered(0), &TERMS), None);
        assert_eq!(Ladder::resumed(GateStep::Invite, GateStep::Open).step(), GateStep::Invite);
        assert_eq!(Ladder::resumed(GateStep::Open, GateStep::Invite).base(), GateStep::Open);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Whatever comes: neighbours only, never past the base or the most, and in
        /// any hour at most 6 steps down and 6 + 5 up.
        #[test]
        fn it_never_skips_and_cannot_flap(
            weather in prop::collection::vec((0_u32..140, 0_u32..64, any::<bool>(), 1_u64..900), 1..400),
            base in 0_usize..6,
        ) {
            let manual = ManualClock::new(Timestamp::from_millis(1));
            let clock = Clock::Manual(manual.clone());
            let mut ladder = Ladder::new(GateStep::ALL[base]);
            let mut moves: Vec<(Instant, bool)> = Vec::new();
            for (sign_ups_per_min, hashing_waiting, incident, seconds) in weather {
                let reading = Reading { sign_ups_per_min, hashing_waiting, incident };
                for _ in 0..seconds.min(90) {
                    let before = ladder.step();
                    if let Some(moved) = ladder.tick(clock.monotonic(), &reading, &TERMS) {
                        prop_assert_eq!((moved.from, moved.to), (before, ladder.step()));
                        let up = moved.to > moved.from;
                        prop_assert_eq!(if up { before.narrower() } else { before.wider() }, moved.to);
                        prop_assert_eq!(up, moved.cause != Cause::Calm);
                        moves.push((clock.monotonic(), up));
                    } else {
                        prop_assert_eq!(before, ladder.step());
                    }
                    prop_assert!(ladder.step() >= ladder.base());
                    prop_assert!(ladder.step() <= ladder.base().max(TERMS.max_step));
                    manual.advance(Duration::from_secs(1));
                }
                manual.advance(Duration::from_secs(seconds));
            }
            for (at, _) in &moves {
                let hour = moves.iter().copied().filter(|(then, _)| {
                    *then >= *at && then.duration_since(*at) < Duration::from_secs(3_600)
                });
                let (up, down) = hour.partition::<Vec<_>, _>(|(_, up)| *up);
                prop_assert!(down.len() <= 6 && up.len() <= down.len() + 5, "{} {}", up.len(), down.len());
            }
        }
    }
}
