//! The minutes that were recorded, and the days that are computed from them.
//!
//! A day's uptime is the share of its minutes in which the component was up
//! (operational or degraded), of all minutes from its first record on, without
//! those of an announced maintenance. A minute without a record is not up: a
//! door that was not there cannot have answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_store::status::{PROBES_KEPT_MAX, Probe};

use super::component::{ComponentId, State};

/// Days that the page's bars show.
pub const DAYS: u32 = 90;
/// Minutes of a day.
pub const DAY_MINUTES: u32 = 1_440;

/// The minute of `at`: whole minutes since the Unix epoch.
#[must_use]
pub fn minute_of(at: Timestamp) -> u32 {
    u32::try_from(at.seconds() / 60).unwrap_or(u32::MAX)
}

/// The minutes of one day, counted by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    by_state: [u32; State::ALL.len()],
}

impl Tally {
    fn of(&self, state: State) -> u32 {
        self.by_state[usize::from(state.number())]
    }

    fn recorded(&self) -> u32 {
        self.by_state.iter().sum()
    }
}

/// One day of one component, as the page and the CSV show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Whole days since the Unix epoch.
    pub day: u32,
    /// Minutes that should have been up.
    pub expected: u32,
    /// Minutes of these that were recorded.
    pub recorded: u32,
    /// Minutes that were up.
    pub up: u32,
    /// Minutes of these in which it was slow or failed now and then.
    pub degraded: u32,
    /// Minutes of a partial outage.
    pub partial: u32,
    /// Minutes of a major outage.
    pub major: u32,
    /// Minutes of announced maintenance: not expected to be up.
    pub maintenance: u32,
}

impl Day {
    /// Hundred-thousandths of the expected minutes that were up; `None` where none
    /// was expected. Rounded down: what was not quite whole does not look whole.
    #[must_use]
    pub fn uptime(&self) -> Option<u32> {
        uptime(self.up, self.expected)
    }
}

/// Hundred-thousandths of `expected` that `up` is.
#[must_use]
pub fn uptime(up: u32, expected: u32) -> Option<u32> {
    let share = (u64::from(up) * 100_000).checked_div(u64::from(expected))?;
    u32::try_from(share).ok()
}

/// What was recorded of all components.
#[derive(Debug, Default)]
pub struct History {
    /// By component; minutes ascend, each at most once.
    minutes: BTreeMap<ComponentId, Vec<Probe>>,
    days: BTreeMap<(ComponentId, u32), Tally>,
    last_minute: u32,
    count: usize,
}

impl History {
    /// What a file held. Minutes that do not ascend are left out: where the clock
    /// went back, the first record of a minute stands.
    #[must_use]
    pub fn of(probes: &[Probe]) -> Self {
        let mut history = Self::default();
        for probe in probes {
            history.push(*probe);
        }
        history
    }

    /// One more record; whether it was taken.
    pub fn push(&mut self, probe: Probe) -> bool {
        let id = ComponentId(probe.component);
        let Some(state) = State::of_number(probe.state) else { return false };
        let minutes = self.minutes.entry(id).or_default();
        if minutes.last().is_some_and(|last| last.minute >= probe.minute) {
            return false;
        }
        minutes.push(probe);
        let tally = self.days.entry((id, probe.minute / DAY_MINUTES)).or_default();
        tally.by_state[usize::from(state.number())] += 1;
        self.last_minute = self.last_minute.max(probe.minute);
        self.count += 1;
        true
    }

    /// The last minute that was recorded of anything; 0 before the first.
    #[must_use]
    pub const fn last_minute(&self) -> u32 {
        self.last_minute
    }

    /// Forgets what is older than `from_minute`, or more than is kept. Whether
    /// anything was forgotten.
    pub fn forget(&mut self, from_minute: u32) -> bool {
        let before = self.count;
        let mut from = from_minute;
        loop {
            for minutes in self.minutes.values_mut() {
                let past = minutes.partition_point(|probe| probe.minute < from);
                minutes.drain(..past);
            }
            self.minutes.retain(|_, minutes| !minutes.is_empty());
            self.count = self.minutes.values().map(Vec::len).sum();
            if self.count <= PROBES_KEPT_MAX {
                break;
            }
            from = self.first_minute().saturating_add(DAY_MINUTES);
        }
        if self.count < before {
            // A day that lost minutes is counted anew.
            let days = self.days.keys().map(|(_, day)| *day).min().unwrap_or(0);
            for day in days..=from / DAY_MINUTES {
                self.recount(day);
            }
        }
        self.count < before
    }

    fn first_minute(&self) -> u32 {
        self.minutes
            .values()
            .filter_map(|all| all.first())
            .map(|probe| probe.minute)
            .min()
            .unwrap_or(0)
    }

    fn recount(&mut self, day: u32) {
        self.days.retain(|(_, of), _| *of != day);
        let ids: Vec<_> = self.minutes.keys().copied().collect();
        for id in ids {
            let mut tally = Tally::default();
            for probe in self.of_day(id, day) {
                tally.by_state[usize::from(probe.state)] += 1;
            }
            if tally.recorded() > 0 {
                self.days.insert((id, day), tally);
            }
        }
    }

    /// The records of one component on one day.
    #[must_use]
    pub fn of_day(&self, id: ComponentId, day: u32) -> &[Probe] {
        let Some(minutes) = self.minutes.get(&id) else { return &[] };
        let from = minutes.partition_point(|probe| probe.minute / DAY_MINUTES < day);
        let to = minutes.partition_point(|probe| probe.minute / DAY_MINUTES <= day);
        &minutes[from..to]
    }

    /// Every record, by component.
    pub fn all(&self) -> impl Iterator<Item = &Probe> {
        self.minutes.values().flatten()
    }

    /// The days of which anything is recorded.
    #[must_use]
    pub fn recorded_days(&self) -> Vec<u32> {
        let mut days: Vec<_> = self.days.keys().map(|(_, day)| *day).collect();
        days.sort_unstable();
        days.dedup();
        days
    }

    /// The last [`DAYS`] days of a component, oldest first, the day of the last
    /// recorded minute last.
    #[must_use]
    pub fn days(&self, id: ComponentId) -> Vec<Day> {
        let last = self.last_minute / DAY_MINUTES;
        let first_minute = self.minutes.get(&id).and_then(|all| all.first()).map(|one| one.minute);
        let days = last.saturating_sub(DAYS - 1)..=last;
        days.map(|day| self.day(id, day, first_minute)).collect()
    }

    fn day(&self, id: ComponentId, day: u32, first_minute: Option<u32>) -> Day {
        let tally = self.days.get(&(id, day)).copied().unwrap_or_default();
        let maintenance = tally.of(State::Maintenance);
        let passed = first_minute.map_or(0, |first| passed(day, first, self.last_minute));
        let degraded = tally.of(State::Degraded);
        Day {
            day,
            expected: passed.saturating_sub(maintenance),
            recorded: tally.recorded() - maintenance,
            up: tally.of(State::Operational) + degraded,
            degraded,
            partial: tally.of(State::Partial),
            major: tally.of(State::Major),
            maintenance,
        }
    }
}

/// Minutes of `day` from `first` to `last`, both counted.
fn passed(day: u32, first: u32, last: u32) -> u32 {
    let from = first.max(day * DAY_MINUTES);
    let to = last.min(day * DAY_MINUTES + DAY_MINUTES - 1);
    (to + 1).saturating_sub(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u32 = 20_000;

    fn probe(minute: u32, state: State) -> Probe {
        Probe { minute, component: *b"abcdef", state: state.number(), ..Probe::default() }
    }

    fn id() -> ComponentId {
        ComponentId(*b"abcdef")
    }

    fn last_day(history: &History) -> Day {
        *history.days(id()).last().unwrap()
    }

    #[test]
    fn a_minute_without_a_record_is_not_up() {
        let begin = DAY * DAY_MINUTES + 60;
        let mut history = History::default();
        for minute in (0..100).filter(|minute| !(40..60).contains(minute)) {
            assert!(history.push(probe(begin + minute, State::Operational)));
        }
        let day = last_day(&history);
        assert_eq!((day.expected, day.recorded, day.up), (100, 80, 80));
        assert_eq!(day.uptime(), Some(80_000));
        assert_eq!(history.days(id()).len(), 90);
        let earlier = history.days(id())[88];
        assert_eq!((earlier.expected, earlier.uptime()), (0, None), "before its first record");
    }

    #[test]
    fn states_count_for_what_they_are() {
        let begin = DAY * DAY_MINUTES;
        let mut history = History::default();
        for (nth, state) in
            [State::Operational, State::Degraded, State::Partial, State::Major, State::Maintenance]
                .into_iter()
                .enumerate()
        {
            history.push(probe(begin + u32::try_from(nth).unwrap(), state));
        }
        let day = last_day(&history);
        assert_eq!((day.expected, day.recorded, day.up), (4, 4, 2));
        assert_eq!((day.degraded, day.partial, day.major, day.maintenance), (1, 1, 1, 1));
        assert_eq!(day.uptime(), Some(50_000));
        assert_eq!(uptime(999_999, 1_000_000), Some(99_999), "rounded down");
        assert_eq!(uptime(0, 0), None);
    }

    #[test]
    fn a_clock_that_goes_back_records_no_minute_twice() {
        let mut history = History::default();
        for minute in [100, 101, 102, 60, 101, 102, 103, 103] {
            history.push(probe(minute, State::Operational));
        }
        let minutes: Vec<_> = history.all().map(|probe| probe.minute).collect();
        assert_eq!(minutes, [100, 101, 102, 103]);
        assert_eq!(last_day(&history).up, 4);
        let mut foreign = probe(104, State::Major);
        foreign.state = 99;
        assert!(!history.push(foreign), "a state that nobody knows is no record");
    }

    #[test]
    fn what_is_past_is_forgotten_and_counted_no_longer() {
        let mut history = History::default();
        for minute in 0..3 * DAY_MINUTES {
            history.push(probe(DAY * DAY_MINUTES + minute, State::Operational));
        }
        assert!(!history.forget(DAY * DAY_MINUTES));
        let from = DAY * DAY_MINUTES + DAY_MINUTES + 700;
        assert!(history.forget(from));
        assert_eq!(history.recorded_days(), [DAY + 1, DAY + 2]);
        let days = history.days(id());
        let (cut, whole) = (days[88], days[89]);
        assert_eq!((cut.expected, cut.up), (740, 740));
        assert_eq!((whole.expected, whole.up), (1_440, 1_440));
        assert_eq!(history.of_day(id(), DAY + 1).len(), 740);
        assert!(history.of_day(id(), DAY).is_empty());
    }
}
