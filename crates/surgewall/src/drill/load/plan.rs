//! Who comes when: calm, a flood in multiples of the engine's capacity, calm.

use std::ops::Range;
use std::time::Duration;

use surgewall_testkit::engine::Settings;
use surgewall_testkit::traffic::{Flood, Phase, Population, Retries, Scatter, fitted, flood};

/// The part of the capacity that the known ask for before and after the flood.
pub(in crate::drill) const CALM_PART: f64 = 0.5;

/// The parts of a run, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drill) struct Times {
    /// Calm, in which the door learns.
    pub(in crate::drill) warm: Duration,
    /// The flood.
    pub(in crate::drill) flood: Duration,
    /// Calm again.
    pub(in crate::drill) calm: Duration,
    /// After the last arrival, for what is under way.
    pub(in crate::drill) settle: Duration,
}

/// A run.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Plan {
    /// The engine behind the door.
    pub(in crate::drill) engine: Settings,
    /// Requests per second that the engine can finish, of the sizes that are asked for.
    pub(in crate::drill) capacity_per_s: f64,
    /// Requests offered during the flood, in capacities.
    pub(in crate::drill) multiple: f64,
    /// When what is played.
    pub(in crate::drill) times: Times,
    /// Who comes.
    pub(in crate::drill) populations: Vec<Population>,
    /// The seed of everything.
    pub(in crate::drill) seed: u64,
}

impl Plan {
    /// The fitted traffic before `engine`, with a flood of `multiple` capacities.
    pub(in crate::drill) fn fitted(
        engine: Settings,
        multiple: f64,
        times: Times,
        seed: u64,
    ) -> Self {
        let capacity_per_s =
            engine.requests_per_s(fitted::INPUT_TOKENS_MEAN, fitted::OUTPUT_TOKENS_MEAN);
        Self::new(engine, capacity_per_s, multiple, times, seed)
    }

    /// The same with another mean size of requests: the capacity in them is given.
    pub(in crate::drill) fn new(
        engine: Settings,
        capacity_per_s: f64,
        multiple: f64,
        times: Times,
        seed: u64,
    ) -> Self {
        let Range { start, end } = times.flooded();
        let mut populations = flood(&Flood {
            capacity_per_s,
            multiple,
            from: start,
            until: end,
            scatter: Scatter::FITTED,
            retries: Retries::NONE,
        });
        let always = |one: &&mut Population| one.phases.len() == 1;
        let rate = |one: &Population| one.phases.iter().map(|phase| phase.requests_per_s).sum();
        let known: f64 = populations.iter().filter(|one| one.phases.len() == 1).map(rate).sum();
        let calmer = CALM_PART * capacity_per_s / known;
        for one in populations.iter_mut().filter(always) {
            let flooded: f64 = rate(one);
            let phases =
                [(Duration::ZERO, flooded * calmer), (start, flooded), (end, flooded * calmer)];
            one.phases =
                phases.map(|(from, requests_per_s)| Phase { from, requests_per_s }).to_vec();
        }
        Self { engine, capacity_per_s, multiple, times, populations, seed }
    }
}

impl Times {
    /// When the flood is, since the start.
    pub(in crate::drill) fn flooded(&self) -> Range<Duration> {
        self.warm..self.warm + self.flood
    }

    /// When nobody comes any more.
    pub(in crate::drill) fn until(&self) -> Duration {
        self.warm + self.flood + self.calm
    }
}

#[cfg(test)]
mod tests {
    use surgewall_testkit::traffic::Traffic;

    use super::*;

    #[test]
    fn it_is_calm_then_flooded_then_calm() {
        let second = Duration::from_secs;
        let times = Times {
            warm: second(300),
            flood: second(300),
            calm: second(300),
            settle: Duration::ZERO,
        };
        for (multiple, flooded) in [(10.0, 10.0), (0.5, 0.5), (1.5, 1.5)] {
            let mut plan = Plan::fitted(Settings::default(), multiple, times, 7);
            for one in &mut plan.populations {
                one.scatter = Scatter::POISSON;
            }
            let arrivals: Vec<_> =
                Traffic::new(7, plan.populations.clone(), times.until()).collect();
            let offered = |part: Range<Duration>| {
                let count = arrivals.iter().filter(|one| part.contains(&one.at)).count();
                let seconds = (part.end - part.start).as_secs_f64();
                f64::from(u32::try_from(count).unwrap()) / seconds / plan.capacity_per_s
            };
            for (part, wanted) in [
                (Duration::ZERO..times.warm, CALM_PART),
                (times.flooded(), flooded),
                (times.flooded().end..times.until(), CALM_PART),
            ] {
                let seen = offered(part.clone());
                assert!((seen / wanted - 1.0).abs() < 0.1, "{multiple} {part:?}: {seen}");
            }
        }
    }
}
