//! The search for the end of the limit: how far past it, and what it costs.

use std::time::{Duration, Instant};

use surgewall_core::clock::Clock;
use surgewall_shield::admission::capacity::{Capacity, CapacityConfig, End, Load};
use surgewall_testkit::engine::Settings;
use surgewall_testkit::rng::Rng;

use super::sim::{Honesty, Mix, Sim};

/// Sequences of the engine.
const CAPACITY: u32 = 40;
/// A step of the limit there: an eighth.
const STEP: u32 = CAPACITY / 8;
/// Seconds in which the limit has come to the capacity.
const FOUND_S: usize = 10;

/// Sizes for which the engine's sequences are what is scarce, and not its reading of prompts.
const SIZES: [(u64, u64); 5] = [(1_000, 200), (100, 200), (100, 1_000), (300, 400), (30, 30)];

/// A flood from the first second on, or after a minute at 60 % of the capacity.
fn flood(mix: Mix, seed: u64, honesty: Honesty, is_known: bool) -> (Sim, usize) {
    let mut sim = Sim::new(Settings::default(), mix);
    sim.seed(seed);
    sim.honesty = honesty;
    if !is_known {
        sim.run(60);
        return (sim, 0);
    }
    let step = sim.engine.settings().step;
    let (input, output) = (mix.input, mix.output);
    let number = |value: u64| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    let each = step.base.as_secs_f64() / f64::from(CAPACITY) + step.per_sequence.as_secs_f64();
    let busy = number(input) * step.per_prefill_token.as_secs_f64() + number(output) * each;
    sim.demand = Some(0.6 / busy);
    sim.run(60);
    sim.demand = None;
    sim.run(60);
    (sim, 60)
}

/// No limit is more than one step past the capacity, at any time; and from when
/// it was found on, each ten seconds the engine does what it can.
#[track_caller]
fn check(name: &str, sim: &Sim, from: usize) {
    let most = sim.seconds.iter().map(|second| second.limit.max(second.in_flight)).max();
    assert!(most <= Some(CAPACITY + STEP), "{name}: {most:?}");
    for (second, ten) in sim.seconds[from + FOUND_S..].windows(10).enumerate() {
        let done: u64 = ten.iter().map(|second| second.done_ns).sum();
        assert!(done >= 9_300_000_000, "{name}: {done} from {second}");
    }
    check_cuts(name, sim);
}

/// No limit falls again before what is in flight has come down to it.
#[track_caller]
fn check_cuts(name: &str, sim: &Sim) {
    let mut last: Option<(u32, bool)> = None;
    for pair in sim.seconds.windows(2) {
        let (before, after) = (pair[0].limit, pair[1].limit);
        if let Some((limit, has_settled)) = &mut last {
            *has_settled |= pair[0].in_flight <= *limit;
        }
        if after < before {
            assert!(last.is_none_or(|(_, has_settled)| has_settled), "{name}: {before} to {after}");
            last = Some((after, false));
        }
    }
}

#[test]
fn no_limit_goes_further_past_the_capacity_than_one_step_and_none_starves_it() {
    for (input, output) in SIZES {
        for (seed, is_known) in [(1, false), (2, true), (7, false), (8, true)] {
            let honesty = if seed < 5 { Honesty::None } else { Honesty::True };
            let mix = Mix { input, output, ..Mix::CHAT };
            let (sim, from) = flood(mix, seed, honesty, is_known);
            let name = format!("{input}/{output} seed {seed} known {is_known} {honesty:?}");
            check(&name, &sim, from);
        }
    }
}

#[test]
fn servers_of_other_sizes_are_found_as_exactly() {
    for seqs_max in [8, 16, 100, 200] {
        let settings = Settings { seqs_max, kv_blocks: 100_000, ..Settings::default() };
        let mut sim = Sim::new(settings, Mix { input: 100, ..Mix::CHAT });
        sim.run(120);
        let capacity = u32::try_from(seqs_max).expect("small");
        let step = (capacity / 8).max(2);
        let most = sim.seconds.iter().map(|second| second.in_flight).max();
        assert!(most <= Some(capacity + step), "{seqs_max}: {most:?}");
        let mean = sim.last(60).0;
        assert!(mean >= f64::from(capacity) * 0.93, "{seqs_max}: {mean}");
    }
}

/// Somebody's service without an end, whose answers think for long and then are
/// written at once: most of what is in flight has no first token yet.
struct Thinking {
    capacity: Capacity,
    now: Instant,
    rng: Rng,
    last_id: u64,
    /// Who is in flight, and when it has its first token.
    flying: Vec<(u64, Instant)>,
}

impl Thinking {
    const STEP: Duration = Duration::from_millis(50);

    fn step(&mut self) {
        self.now += Self::STEP;
        let now = self.now;
        for (id, _) in self.flying.extract_if(.., |(_, first)| *first <= now) {
            self.capacity.first_token(now, id);
            self.capacity.ended(now, id, End::Completed);
        }
        while self.flying.len() < usize::try_from(self.capacity.sequences()).unwrap_or(0) {
            self.last_id += 1;
            // Between one and four seconds.
            let thinks = Duration::from_millis(1_000 + self.rng.next_u64() % 3_000);
            self.flying.push((self.last_id, now + thinks));
            let sequences = u32::try_from(self.flying.len()).unwrap_or(u32::MAX);
            let load = Load { sequences, tokens: 1_000 };
            self.capacity.dispatched(now, self.last_id, 500, load, true);
        }
    }
}

#[test]
fn a_service_that_thinks_before_each_first_token_is_not_taken_for_a_full_one() {
    let now = Clock::System.monotonic();
    let capacity = Capacity::new(now, CapacityConfig::default());
    let mut service = Thinking { capacity, now, rng: Rng::new(7), last_id: 0, flying: Vec::new() };
    for _ in 0..60 {
        (0..20).for_each(|_| service.step());
        let _ = service.capacity.tick(service.now, true);
    }
    assert!(service.capacity.sequences() >= 200, "{}", service.capacity.sequences());
}
