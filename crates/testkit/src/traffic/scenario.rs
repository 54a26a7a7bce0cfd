//! The mixed load of the benchmarks: those who are known, and a flood of others.

use std::time::Duration;

use super::{Class, Patience, Phase, Population, Retries, Scatter, Sizes};

/// The part of the capacity that established, verified and new accounts ask
/// for together while there is no flood: demand that could be served.
const KNOWN_PART: f64 = 0.6;
/// Of the flood, what comes without a key; the rest comes from young accounts.
const ANONYMOUS_PART: f64 = 0.7;

/// A load in multiples of a capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flood {
    /// What the servers can do, in requests per second of the fitted sizes
    /// ([`crate::engine::Settings::requests_per_s`]).
    pub capacity_per_s: f64,
    /// Requests offered during the flood, in capacities.
    pub multiple: f64,
    /// When the flood begins.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
    /// How arrivals scatter.
    pub scatter: Scatter,
    /// What everyone does when refused.
    pub retries: Retries,
}

impl Default for Flood {
    fn default() -> Self {
        Self {
            capacity_per_s: 5.9,
            multiple: 10.0,
            from: Duration::ZERO,
            until: Duration::MAX,
            scatter: Scatter::FITTED,
            retries: Retries::NONE,
        }
    }
}

/// The populations of a mixed load. All the time: 60 established accounts ask
/// for 35 % of the capacity, 100 verified for 20 %, 30 new ones for 5 %. During
/// the flood what is missing to the multiple comes from 400 networks without a
/// key (70 %) and from 1,000 accounts of one day (30 %). Below a multiple of
/// 0.6 the known ask for less and there is no flood.
///
/// Sizes are the trace's; numbers of clients and patience are assumed: half of
/// those who are known wait for a minute, half of the others for 15 seconds.
#[must_use]
pub fn flood(flood: &Flood) -> Vec<Population> {
    let known = flood.multiple.min(KNOWN_PART) / KNOWN_PART * flood.capacity_per_s;
    let unknown = (flood.multiple - KNOWN_PART).max(0.0) * flood.capacity_per_s;
    let always = |requests_per_s| vec![Phase { from: Duration::ZERO, requests_per_s }];
    let during = |requests_per_s| {
        let phases = [(Duration::ZERO, 0.0), (flood.from, requests_per_s), (flood.until, 0.0)];
        phases.map(|(from, requests_per_s)| Phase { from, requests_per_s }).to_vec()
    };
    let population = |name, class, principals, networks, phases| Population {
        name,
        class,
        principals,
        networks,
        phases,
        scatter: flood.scatter,
        sizes: Sizes::Fitted,
        stream_percent: 100,
        patience: Patience {
            median: Duration::from_secs(if class <= Class::Verified { 60 } else { 15 }),
            sigma: 0.5,
        },
        retries: flood.retries,
        is_one_body: false,
    };
    vec![
        population("established", Class::Established, 60, 60, always(0.35 * known)),
        population("verified", Class::Verified, 100, 100, always(0.20 * known)),
        population("new", Class::New, 30, 30, always(0.05 * known)),
        population("anonymous", Class::Anonymous, 400, 400, during(ANONYMOUS_PART * unknown)),
        population("young", Class::New, 1_000, 50, during((1.0 - ANONYMOUS_PART) * unknown)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Traffic;

    #[test]
    fn the_load_is_the_multiple_during_the_flood_and_the_known_else() {
        let second = Duration::from_secs;
        for (multiple, outside) in [(0.5, 0.5), (1.0, 0.6), (20.0, 0.6)] {
            let flood_of = Flood {
                capacity_per_s: 20.0,
                multiple,
                from: second(200),
                until: second(400),
                scatter: Scatter::POISSON,
                ..Flood::default()
            };
            let arrivals: Vec<_> = Traffic::new(5, flood(&flood_of), second(600)).collect();
            let offered = |from, to| {
                let during = arrivals.iter().filter(|arrival| (from..to).contains(&arrival.at));
                f64::from(u32::try_from(during.count()).unwrap()) / 200.0 / 20.0
            };
            for (from, to, wanted) in [(0, 200, outside), (200, 400, multiple), (400, 600, outside)]
            {
                let seen = offered(second(from), second(to));
                assert!((seen / wanted - 1.0).abs() < 0.1, "{multiple}: {seen} for {wanted}");
            }
        }
    }
}
