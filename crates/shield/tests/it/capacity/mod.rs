//! The learnt capacity before a simulated engine of 40 sequences: chats of
//! random lengths, and always more of them than it can do.

mod eta;
mod late;
mod laws;
mod search;
mod sim;

use sim::{Honesty, Mix, Sim};
use surgewall_shield::admission::capacity::Why;
use surgewall_testkit::engine::Settings;

/// Seconds in which the search for the end of the limit must be over.
const SEARCH_S: usize = 30;

fn chat(seconds: u64) -> Sim {
    let mut sim = Sim::new(Settings::default(), Mix::CHAT);
    sim.run(seconds);
    sim
}

/// The limit stayed between `low` and `high` in the last `seconds`.
#[track_caller]
fn check_limits(sim: &Sim, seconds: usize, low: u32, high: u32) {
    let from = sim.seconds.len().saturating_sub(seconds);
    let limits: Vec<u32> = sim.seconds[from..].iter().map(|second| second.limit).collect();
    assert!(limits.iter().all(|limit| (low..=high).contains(limit)), "{low} to {high}: {limits:?}");
}

/// Never over the engine's 40 by more than one step, which is an eighth.
#[track_caller]
fn check_overshoot(sim: &Sim) {
    let most = sim.seconds.iter().map(|second| second.in_flight).max();
    assert!(most <= Some(45), "{most:?}");
}

/// Seconds from `from` until the limit was first between `low` and `high`.
#[track_caller]
fn seconds_until(sim: &Sim, from: usize, low: u32, high: u32) -> usize {
    let found = sim.seconds[from..].iter().position(|second| (low..=high).contains(&second.limit));
    assert!(found.is_some(), "never between {low} and {high}: {:?}", &sim.seconds[from..]);
    found.unwrap_or(usize::MAX)
}

#[test]
fn a_flood_from_the_start_finds_the_capacity_and_keeps_it_busy() {
    for seed in [1, 2, 7, 8, 99] {
        let mut sim = Sim::new(Settings::default(), Mix::CHAT);
        sim.seed(seed);
        sim.run(300);
        assert!(seconds_until(&sim, 0, 38, 42) <= SEARCH_S);
        check_limits(&sim, 300 - SEARCH_S, 36, 46);
        let (limit, done) = sim.last(240);
        assert!((38.0..=42.0).contains(&limit), "{seed}: {limit}");
        assert!(done >= 0.97, "{seed}: {done}");
        check_overshoot(&sim);
        let health = sim.capacity.health();
        assert!(health.baseline_known && health.tpot_ratio.is_some_and(|ratio| ratio < 2.0));
    }
}

#[test]
fn the_baseline_of_a_flood_is_that_of_a_quiet_time() {
    let mut quiet = Sim::new(Settings::default(), Mix::CHAT);
    quiet.demand = Some(0.5);
    quiet.run(300);
    let before = quiet.seconds.len();
    quiet.demand = None;
    quiet.run(300);
    let learnt_in_quiet = quiet.last(240).0;
    let learnt_in_flood = chat(300).last(240).0;
    assert!(
        (learnt_in_quiet - learnt_in_flood).abs() <= 2.0,
        "{learnt_in_quiet} {learnt_in_flood}"
    );
    assert!(seconds_until(&quiet, before, 38, 42) <= SEARCH_S);
}

#[test]
fn a_server_that_loses_half_of_its_places_and_gets_them_back_is_followed() {
    let mut sim = chat(60);
    sim.engine.set_seqs_max(20);
    sim.run(90);
    // What runs must end first: a service time is about 7 s.
    assert!(seconds_until(&sim, 60, 18, 22) <= 20);
    check_limits(&sim, 60, 17, 23);
    sim.engine.set_seqs_max(40);
    sim.run(60);
    assert!(seconds_until(&sim, 150, 38, 44) <= SEARCH_S);
    check_limits(&sim, 20, 37, 44);
    sim.engine.set_seqs_max(4);
    sim.run(150);
    check_limits(&sim, 60, 3, 6);
    sim.engine.set_seqs_max(40);
    sim.run(60);
    check_limits(&sim, 20, 35, 45);
}

#[test]
fn a_server_that_becomes_ten_times_slower_is_learnt_anew() {
    let mut sim = chat(60);
    sim.engine.set_slowdown(10.0);
    sim.run(600);
    let slow = &sim.seconds[60..];
    assert!(slow.iter().all(|second| second.limit >= 4), "no spiral to the floor: {slow:?}");
    // Four service times of 68 s, in which it first must show that it is no queue.
    assert!(seconds_until(&sim, 180, 36, 44) <= 150);
    let (limit, done) = sim.last(200);
    assert!(limit >= 36.0, "{limit}");
    assert!(done >= 0.095, "{done}");
    assert!(sim.changes.iter().any(|change| matches!(change.why, Why::SlowTokens { .. })));
    sim.engine.set_slowdown(1.0);
    sim.run(150);
    let (limit, done) = sim.last(90);
    assert!((37.0..=46.0).contains(&limit), "{limit}");
    assert!(done >= 0.95, "{done}");
}

#[test]
fn a_server_that_lies_about_its_queue_is_found_out_by_its_first_tokens() {
    for honesty in
        [Honesty::True, Honesty::Waiting(0), Honesty::Waiting(1_000), Honesty::Preempting]
    {
        let mut sim = Sim::new(Settings::default(), Mix::CHAT);
        sim.honesty = honesty;
        sim.run(150);
        let (limit, done) = sim.last(90);
        assert!((37.0..=43.0).contains(&limit), "{honesty:?}: {limit}");
        assert!(done >= 0.95, "{honesty:?}: {done}");
    }
}

#[test]
fn whole_answers_are_steered_by_gauges_and_bounded_without() {
    // The range of the mean limit, and the least part of the engine's work.
    let cases = [
        (Honesty::True, 36.0, 44.0, 0.95),
        (Honesty::None, 36.0, 100.0, 0.95),
        (Honesty::Waiting(0), 36.0, 100.0, 0.95),
        (Honesty::Waiting(1_000), 30.0, 100.0, 0.9),
        (Honesty::Preempting, 30.0, 100.0, 0.9),
    ];
    for (honesty, low, high, least) in cases {
        let mix = Mix { streamed_percent: 0, ..Mix::CHAT };
        let mut sim = Sim::new(Settings::default(), mix);
        sim.honesty = honesty;
        sim.run(240);
        let (limit, done) = sim.last(90);
        let moves: Vec<String> = sim.changes.iter().map(ToString::to_string).collect();
        assert!((low..=high).contains(&limit), "{honesty:?}: {limit}: {moves:#?}");
        assert!(done >= least, "{honesty:?}: {done}");
    }
}

#[test]
fn a_restart_costs_some_of_the_limit_for_a_short_time() {
    let mut sim = chat(60);
    sim.restart();
    sim.run(60);
    assert!(sim.seconds[60..].iter().all(|second| second.limit >= 20), "{:?}", sim.seconds);
    check_limits(&sim, 30, 35, 44);
    assert!(sim.last(30).1 > 0.9);
}

#[test]
fn long_contexts_make_tokens_scarce_and_then_preemptions_die_down() {
    let settings = Settings { kv_blocks: 3_000, ..Settings::default() };
    let mix = Mix { input: 2_000, output: 800, ..Mix::CHAT };
    let mut sim = Sim::new(settings, mix);
    sim.honesty = Honesty::True;
    sim.run(600);
    let tokens = sim.seconds.last().and_then(|second| second.tokens);
    // The engine holds 48000; what runs does not hold all of its answer yet.
    assert!(tokens.is_some_and(|tokens| (24_000..=80_000).contains(&tokens)), "{tokens:?}");
    let preemptions =
        |from: usize, to: usize| sim.seconds[to - 1].preemptions - sim.seconds[from].preemptions;
    let unbounded = {
        let mut sim = Sim::fixed(settings, mix, 40);
        sim.run(300);
        sim.engine.counters().preemptions
    };
    assert!(preemptions(300, 600) * 2 < unbounded, "{} of {unbounded}", preemptions(300, 600));
    let best = [8, 12].map(|limit| {
        let mut sim = Sim::fixed(settings, mix, limit);
        sim.run(200);
        sim.last(160).1
    });
    let best = best.into_iter().fold(0.0, f64::max);
    let (_, done) = sim.last(300);
    assert!(done >= 0.75 * best, "{done} of {best}");
}

#[test]
fn prompts_that_fill_the_server_are_no_reason_to_starve_it() {
    for (input, output) in [(4_000, 100), (100, 1_000), (30, 30)] {
        let mix = Mix { input, output, ..Mix::CHAT };
        let mut sim = Sim::new(Settings::default(), mix);
        sim.run(180);
        let done = sim.last(90).1;
        assert!(done >= 0.95, "{input} {output}: {done}");
        check_overshoot(&sim);
    }
}

#[test]
fn hours_of_low_load_do_not_raise_the_limit() {
    let mut sim = Sim::new(Settings::default(), Mix::CHAT);
    sim.demand = Some(0.5);
    sim.run(2 * 3_600);
    let peak = sim.seconds.iter().map(|second| second.in_flight).max();
    let limit = sim.capacity.sequences();
    assert!(peak.is_some_and(|peak| limit <= peak + 3), "{limit} for {peak:?} at most in flight");
}

#[test]
fn slow_readers_do_not_poison_the_time_per_token() {
    let mix = Mix { slow_readers_percent: 30, ..Mix::CHAT };
    let mut sim = Sim::new(Settings::default(), mix);
    sim.run(300);
    let (limit, done) = sim.last(240);
    assert!((38.0..=42.0).contains(&limit), "{limit}");
    assert!(done >= 0.96, "{done}");
}

#[test]
fn bursts_are_no_congestion_by_themselves() {
    let mut sim = Sim::new(Settings::default(), Mix::CHAT);
    sim.demand = Some(0.2);
    for _ in 0..10 {
        sim.burst(100);
        sim.run(30);
    }
    let limits = sim.seconds[60..].iter().map(|second| second.limit);
    assert!(limits.clone().all(|limit| (20..=45).contains(&limit)), "{:?}", limits.max());
    assert!(sim.last(240).0 >= 30.0, "{:?}", sim.last(240));
}
