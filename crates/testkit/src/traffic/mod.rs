//! Traffic as a real service sees it: who asks when for how much, from a seed.
//!
//! The sizes of prompts and answers and the scatter of arrivals are fitted to a
//! published trace ([`fitted`]); who asks, how patient they are and what they
//! bound is assumed, and said so where it stands. Pure: arrivals are an
//! iterator in the order of time, open loop; only [`Retries`] react.

mod draw;
pub mod fitted;
mod process;
mod retry;
mod scenario;

use std::time::Duration;

use serde::Serialize;

use crate::rng::Rng;
pub use process::{Phase, Scatter};
pub use retry::Retries;
pub use scenario::{Flood, flood};

use process::Clock;

/// How much the door trusts a principal: the classes of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Known for long.
    Established,
    /// Known.
    Verified,
    /// Just signed up.
    New,
    /// Without a key.
    Anonymous,
}

impl Class {
    /// All, the most trusted first.
    pub const ALL: [Self; 4] = [Self::Established, Self::Verified, Self::New, Self::Anonymous];

    /// How long a request of this class waits for its turn at most: the
    /// configuration's defaults.
    #[must_use]
    pub fn longest_wait(self) -> Duration {
        Duration::from_secs(match self {
            Self::Established => 120,
            Self::Verified => 60,
            Self::New => 30,
            Self::Anonymous => 20,
        })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Verified => "verified",
            Self::New => "new",
            Self::Anonymous => "anonymous",
        }
    }
}

/// What the requests of a population ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// As in the trace.
    Fitted,
    /// All the same.
    Fixed {
        /// Tokens of the prompt.
        input: u32,
        /// Tokens of the answer.
        output: u32,
    },
}

/// How long clients wait for their first token before they leave: log-normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// Half of them leave before.
    pub median: Duration,
    /// The deviation of its logarithm; 0 is the same for all.
    pub sigma: f64,
}

impl Patience {
    /// Clients that never leave.
    pub const ENDLESS: Self = Self { median: Duration::from_secs(1 << 30), sigma: 0.0 };
}

/// Clients of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    /// A name for reports.
    pub name: &'static str,
    /// What the door takes them for.
    pub class: Class,
    /// How many there are; each is as active as the next.
    pub principals: u32,
    /// From how many networks they come.
    pub networks: u32,
    /// How many requests they send, in the order of time.
    pub phases: Vec<Phase>,
    /// How these scatter.
    pub scatter: Scatter,
    /// What they ask for.
    pub sizes: Sizes,
    /// Of a hundred requests, so many are streams.
    pub stream_percent: u64,
    /// How long they wait.
    pub patience: Patience,
    /// What they do when refused.
    pub retries: Retries,
    /// All send one and the same body.
    pub is_one_body: bool,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Since the start.
    pub at: Duration,
    /// The index of its population.
    pub population: usize,
    /// Who asks: unique over all populations.
    pub who: u32,
    /// What the door takes them for.
    pub class: Class,
    /// From which network: unique over all populations.
    pub network: u32,
    /// What stands for the body's content: the same number, the same body.
    pub body: u64,
    /// 0, and one more with each retry (`x-stainless-retry-count`).
    pub attempt: u8,
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Tokens that the model would answer.
    pub output_tokens: u32,
    /// The request's own bound on them.
    pub max_tokens: u32,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// How long the client waits for its first token.
    pub patience: Duration,
}

/// The bounds that clients set: assumed, as the trace does not tell.
const MAX_TOKENS: [u32; 5] = [256, 512, 1_024, 2_048, 4_096];

/// An answer's length for a request that nobody planned: drawn from the trace's
/// lengths by `seed`, the same each time.
#[must_use]
pub fn output_tokens(seed: u64) -> u32 {
    draw::tokens(fitted::OUTPUT_TOKENS.at(draw::unit(&mut Rng::new(seed))))
}

struct Source {
    population: Population,
    index: usize,
    first_who: u32,
    first_network: u32,
    clock: Clock,
    rng: Rng,
    next: Option<Duration>,
}

/// The arrivals of several populations, in the order of time.
pub struct Traffic {
    sources: Vec<Source>,
    until: Duration,
}

impl Traffic {
    /// The arrivals before `until` that `seed` gives. A population's own do not
    /// change when others are added behind it.
    #[must_use]
    pub fn new(seed: u64, populations: Vec<Population>, until: Duration) -> Self {
        let mut seeds = Rng::new(seed);
        let (mut first_who, mut first_network) = (0, 0);
        let sources = populations.into_iter().enumerate().map(|(index, population)| {
            let mut rng = Rng::new(seeds.next_u64());
            let clock = Clock::new(population.scatter, population.phases.clone(), &mut rng);
            let (who, network) = (first_who, first_network);
            first_who += population.principals.max(1);
            first_network += population.networks.max(1);
            let mut source = Source {
                population,
                index,
                first_who: who,
                first_network: network,
                clock,
                rng,
                next: None,
            };
            source.next = source.clock.next(&mut source.rng, until);
            source
        });
        Self { sources: sources.collect(), until }
    }
}

impl Iterator for Traffic {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let sources = self.sources.iter_mut().filter(|source| source.next.is_some());
        let source = sources.min_by_key(|source| source.next)?;
        let at = source.next?;
        let arrival = source.arrival(at);
        source.next = source.clock.next(&mut source.rng, self.until);
        Some(arrival)
    }
}

impl Source {
    fn arrival(&mut self, at: Duration) -> Arrival {
        let (rng, population) = (&mut self.rng, &self.population);
        let principal = below(rng, population.principals);
        let patience = (population.patience.sigma * draw::normal(rng)).exp();
        let drawn = rng.next_u64();
        let body = if population.is_one_body { u64::from(self.first_who) } else { drawn };
        // What the body says is the body's alone.
        let rng = &mut Rng::new(body);
        let (input_tokens, output_tokens) = match population.sizes {
            Sizes::Fixed { input, output } => (input, output),
            Sizes::Fitted => (
                draw::tokens(fitted::INPUT_TOKENS.at(draw::unit(rng))),
                draw::tokens(fitted::OUTPUT_TOKENS.at(draw::unit(rng))),
            ),
        };
        let spare = output_tokens.saturating_mul(1 + below(rng, 3));
        let max_tokens = MAX_TOKENS.into_iter().find(|max| *max >= spare);
        Arrival {
            at,
            population: self.index,
            who: self.first_who + principal,
            class: population.class,
            network: self.first_network + principal % population.networks.max(1),
            body,
            attempt: 0,
            input_tokens,
            output_tokens,
            max_tokens: max_tokens.unwrap_or(MAX_TOKENS[4]).max(output_tokens),
            stream: rng.chance(population.stream_percent),
            patience: population.patience.median.mul_f64(patience),
        }
    }
}

fn below(rng: &mut Rng, bound: u32) -> u32 {
    u32::try_from(rng.below(u64::from(bound))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_arrivals_are_in_order() {
        let all = |seed| {
            let populations = flood(&Flood::default());
            Traffic::new(seed, populations, Duration::from_secs(60)).collect::<Vec<_>>()
        };
        let one = all(1);
        assert_eq!(one, all(1));
        assert_ne!(one, all(2));
        assert!(one.is_sorted_by_key(|arrival| arrival.at));
        assert!(one.iter().all(|arrival| arrival.output_tokens <= arrival.max_tokens));
    }

    #[test]
    fn populations_keep_their_principals_networks_and_bodies_apart() {
        let populations = flood(&Flood { multiple: 20.0, ..Flood::default() });
        let arrivals: Vec<_> =
            Traffic::new(3, populations.clone(), Duration::from_secs(120)).collect();
        let (mut who, mut network) = (0, 0);
        for (index, population) in populations.iter().enumerate() {
            let own = arrivals.iter().filter(|arrival| arrival.population == index);
            for arrival in own.clone() {
                assert_eq!(arrival.class, population.class);
                assert!((who..who + population.principals).contains(&arrival.who));
                assert!((network..network + population.networks).contains(&arrival.network));
            }
            assert!(own.count() > 20, "{}", population.name);
            (who, network) = (who + population.principals, network + population.networks);
        }
    }

    #[test]
    fn retries_keep_the_body_wait_as_sdks_do_and_end() {
        let populations = flood(&Flood::default());
        let first = Traffic::new(1, populations, Duration::from_secs(60)).next().unwrap();
        let mut rng = Rng::new(1);
        let mut next = |refused: &Arrival, after: Option<u64>| {
            Retries::SDK.next(refused, refused.at, after.map(Duration::from_secs), &mut rng)
        };
        let second = next(&first, None).unwrap();
        let third = next(&second, Some(7)).unwrap();
        assert_eq!((second.body, second.attempt, third.attempt), (first.body, 1, 2));
        let wait = second.at - first.at;
        assert!(Duration::from_millis(375) <= wait && wait <= Duration::from_millis(500));
        assert_eq!(third.at - second.at, Duration::from_secs(7));
        assert_eq!(next(&third, None), None);
        assert!(next(&first, Some(61)).unwrap().at - first.at < Duration::from_secs(1));
    }

    #[test]
    fn one_body_is_one_body() {
        let mut populations = flood(&Flood::default());
        populations.truncate(1);
        populations[0].is_one_body = true;
        let traffic = Traffic::new(1, populations, Duration::from_secs(60));
        let bodies: std::collections::BTreeSet<_> =
            traffic.map(|arrival| (arrival.body, arrival.input_tokens, arrival.stream)).collect();
        assert_eq!(bodies.len(), 1);
    }
}
