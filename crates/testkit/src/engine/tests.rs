//! The engine's laws, over random schedules, and its speed.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{BLOCK_TOKENS, Engine, Job, JobId, Settings, StepTime, TooLong};

fn job(input: u32, output: u32) -> Job {
    Job { input, output, ..Job::default() }
}

/// Steps until nothing is left, or `until`; the tokens of each job, and when the last came.
fn run(
    engine: &mut Engine,
    mut now: Duration,
    until: Duration,
) -> (BTreeMap<JobId, u32>, Duration) {
    let mut tokens = BTreeMap::new();
    loop {
        let turn = engine.step(now);
        for output in turn.outputs {
            *tokens.entry(output.id).or_default() += 1;
            assert_eq!(tokens[&output.id], output.produced);
        }
        match turn.next {
            Some(next) if next <= until => now = next,
            _ => return (tokens, now),
        }
    }
}

const FOREVER: Duration = Duration::from_secs(1 << 30);

#[test]
fn one_request_takes_its_prompt_and_its_tokens() {
    let step = StepTime::default();
    let mut engine = Engine::new(Settings { batched_tokens_max: 512, ..Settings::default() });
    let id = engine.submit(Duration::ZERO, job(1_000, 3)).unwrap();
    let (tokens, end) = run(&mut engine, Duration::ZERO, FOREVER);
    assert_eq!(tokens, BTreeMap::from([(id, 3)]));
    // Two chunks, the second of which makes the first token, and two tokens more.
    assert_eq!(end, step.of(512, 0) + step.of(488, 0) + step.of(0, 1) * 2);
    let counters = engine.counters();
    assert_eq!(
        (counters.stopped, counters.prompt_tokens, counters.generation_tokens),
        (1, 1_000, 3)
    );
    assert_eq!(counters.first_token.sum(), step.of(512, 0) + step.of(488, 0));
    assert_eq!(engine.step(end), super::Turn::default());
}

#[test]
fn the_bound_on_sequences_holds_and_can_be_changed() {
    let mut engine = Engine::new(Settings { seqs_max: 2, ..Settings::default() });
    for _ in 0..5 {
        engine.submit(Duration::ZERO, job(10, 100)).unwrap();
    }
    let mut now = engine.step(Duration::ZERO).next.unwrap();
    assert_eq!((engine.gauges().running, engine.gauges().waiting), (2, 3));
    engine.set_seqs_max(4);
    now = engine.step(now).next.unwrap();
    assert_eq!(engine.gauges().running, 4);
    engine.set_seqs_max(1);
    engine.step(now);
    assert_eq!(engine.gauges().running, 4, "those that run are not pushed out");
    engine.restart();
    assert_eq!((engine.gauges().running, engine.gauges().waiting), (0, 0));
    assert_eq!(engine.counters().ended(), 0);
    assert_eq!(engine.submit(now, job(1, 1)), Ok(JobId(5)), "identities go on");
    assert!(!engine.cancel(JobId(0)));
}

#[test]
fn a_slow_engine_takes_so_many_times_as_long() {
    let took = |factor| {
        let mut engine = Engine::new(Settings::default());
        engine.set_slowdown(factor);
        engine.submit(Duration::ZERO, job(100, 50)).unwrap();
        run(&mut engine, Duration::ZERO, FOREVER).1
    };
    assert_eq!(took(10.0), took(1.0) * 10);
}

#[test]
fn when_blocks_run_out_the_newest_starts_over() {
    // 8 blocks; each of the two needs 6 at its end.
    let mut engine = Engine::new(Settings { kv_blocks: 8, ..Settings::default() });
    let old = engine.submit(Duration::ZERO, job(40, 50)).unwrap();
    let new = engine.submit(Duration::ZERO, job(40, 50)).unwrap();
    let mut last = Vec::new();
    let mut now = Duration::ZERO;
    loop {
        let turn = engine.step(now);
        last.extend(turn.outputs.iter().filter(|output| output.is_last).map(|output| output.id));
        let Some(next) = turn.next else { break };
        now = next;
    }
    assert_eq!(last, [old, new]);
    assert!(engine.counters().preemptions > 0);
    assert_eq!(engine.counters().generation_tokens, 100, "what was produced is not produced again");
    assert_eq!(engine.gauges().kv_blocks_used, 0);
}

#[test]
fn a_prompt_fits_up_to_the_last_block() {
    let mut engine = Engine::new(Settings { kv_blocks: 4, ..Settings::default() });
    let capacity = 4 * BLOCK_TOKENS;
    for (input, fits) in [(capacity - 1, Ok(2)), (capacity, Ok(1))] {
        assert_eq!(engine.output_max(input), fits);
        let id = engine.submit(Duration::ZERO, job(input, 9)).unwrap();
        let (tokens, _) = run(&mut engine, Duration::ZERO, FOREVER);
        assert_eq!(tokens[&id], fits.unwrap());
    }
    assert_eq!(engine.counters().cut, 2);
    let too_long = TooLong { input: capacity + 1, capacity };
    assert_eq!(engine.submit(Duration::ZERO, job(capacity + 1, 1)), Err(too_long));
}

#[test]
fn a_prefix_that_is_there_is_not_computed_again() {
    let settings = Settings { prefix_cache: true, ..Settings::default() };
    let mut engine = Engine::new(settings);
    let prefix: Vec<u64> = (0..64).collect();
    let ask = |last: u64| {
        let prefix = prefix.iter().copied().chain([last]).collect();
        Job { input: 65 * BLOCK_TOKENS, output: 1, is_cut: false, prefix }
    };
    engine.submit(Duration::ZERO, ask(1_000)).unwrap();
    let (_, cold) = run(&mut engine, Duration::ZERO, FOREVER);
    assert_eq!(engine.cached_tokens(&ask(1_001).prefix), 64 * BLOCK_TOKENS);
    engine.submit(cold, ask(1_001)).unwrap();
    let (_, warm) = run(&mut engine, cold, FOREVER);
    assert_eq!(cold, settings.step.of(65 * BLOCK_TOKENS, 0));
    assert_eq!(warm - cold, settings.step.of(BLOCK_TOKENS, 0));
    assert_eq!(engine.counters().prefix_hits, u64::from(64 * BLOCK_TOKENS));
}

/// Tokens per second over a minute of an engine that always has `backlog` requests.
fn tokens_per_s(settings: Settings, backlog: usize) -> f64 {
    let minute = Duration::from_secs(60);
    let mut engine = Engine::new(settings);
    let mut now = Duration::ZERO;
    while now < minute {
        while engine.gauges().running + engine.gauges().waiting < backlog {
            engine.submit(now, job(1_155, 211)).unwrap();
        }
        // Idle for an instant where the last one has just ended.
        now = engine.step(now).next.unwrap_or(now);
    }
    f64::from(u32::try_from(engine.counters().generation_tokens).unwrap()) / minute.as_secs_f64()
}

#[test]
fn throughput_saturates_where_the_settings_say_and_sinks_when_blocks_run_out() {
    let settings = Settings::default();
    let full = settings.requests_per_s(1_155.0, 211.0) * 211.0;
    let rates = [1, 10, 40, 400].map(|backlog| tokens_per_s(settings, backlog));
    assert!(rates[0] < rates[1] && rates[1] < rates[2], "{rates:?}");
    for rate in &rates[2..] {
        assert!((rate / full - 1.0).abs() < 0.1, "{rates:?}, {full}");
    }
    // Room for ten such requests at their ends: some are pushed out and computed again.
    let few = Settings { kv_blocks: 10 * 1_366 / BLOCK_TOKENS, ..settings };
    let thin = tokens_per_s(few, 40);
    assert!(thin < 0.9 * rates[2], "{thin} of {}", rates[2]);
}

#[derive(Clone, Debug)]
enum Act {
    Submit(Job),
    Cancel(u64),
    Seqs(usize),
    Slow(u8),
    /// Steps until so many milliseconds have passed.
    Run(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let job = (1_u32..300, 1_u32..80, any::<bool>(), 0_u64..4).prop_map(
        |(input, output, is_cut, family)| {
            let blocks = u64::from(input / BLOCK_TOKENS);
            // Families share the first half of their blocks.
            let prefix =
                (0..blocks).map(|at| if at < 9 { family * 100 + at } else { at * 7_919 + blocks });
            Job { input, output, is_cut, prefix: prefix.collect() }
        },
    );
    let act = prop_oneof![
        4 => job.prop_map(Act::Submit),
        1 => (0_u64..60).prop_map(Act::Cancel),
        1 => (1_usize..9).prop_map(Act::Seqs),
        1 => (1_u8..20).prop_map(Act::Slow),
        4 => (1_u64..2_000).prop_map(Act::Run),
    ];
    proptest::collection::vec(act, 1..60)
}

proptest! {
    /// Every job ends exactly once, with all its tokens unless it was cancelled;
    /// no more blocks are held than there are, and none at the end; nobody starves.
    #[test]
    fn jobs_and_blocks_are_conserved(acts in acts(), kv_blocks in 24_u32..80, prefix_cache: bool, chunk in 16_u32..256) {
        let settings = Settings { seqs_max: 6, kv_blocks, prefix_cache, batched_tokens_max: chunk, ..Settings::default() };
        let mut engine = Engine::new(settings);
        let mut now = Duration::ZERO;
        let mut due: BTreeMap<JobId, u32> = BTreeMap::new();
        let mut cancelled = 0_u64;
        let mut submitted = 0_u64;
        let acts = acts.into_iter().chain([Act::Seqs(6), Act::Run(u64::from(u32::MAX))]);
        for act in acts {
            match act {
                Act::Submit(job) => {
                    let output = job.output.min(engine.output_max(job.input).unwrap_or(0));
                    match engine.submit(now, job.clone()) {
                        Ok(id) => { due.insert(id, output); submitted += 1; }
                        Err(_) => prop_assert!(job.input > kv_blocks * BLOCK_TOKENS),
                    }
                }
                Act::Cancel(id) => {
                    let id = JobId(id);
                    let was_due = due.remove(&id).is_some();
                    prop_assert_eq!(engine.cancel(id), was_due);
                    cancelled += u64::from(was_due);
                }
                Act::Seqs(seqs) => engine.set_seqs_max(seqs),
                Act::Slow(factor) => engine.set_slowdown(f64::from(factor)),
                Act::Run(ms) => {
                    let until = now + Duration::from_millis(ms);
                    loop {
                        let turn = engine.step(now);
                        for output in turn.outputs {
                            let wanted = due.get(&output.id).copied();
                            prop_assert_eq!(wanted.map(|wanted| output.produced >= wanted), Some(output.is_last));
                            if output.is_last { due.remove(&output.id); }
                        }
                        let gauges = engine.gauges();
                        prop_assert!(gauges.kv_blocks_used <= kv_blocks);
                        prop_assert_eq!(gauges.running + gauges.waiting, due.len());
                        match turn.next {
                            Some(next) if next <= until => now = next,
                            _ => break,
                        }
                    }
                    now = until;
                }
            }
        }
        prop_assert!(due.is_empty(), "{:?} starved", due);
        prop_assert_eq!(engine.gauges().kv_blocks_used, 0);
        let counters = engine.counters();
        prop_assert_eq!((counters.ended(), counters.aborted), (submitted, cancelled));
        prop_assert_eq!(counters.stopped + counters.cut, submitted - cancelled);
    }

    /// First come, first served: the first tokens come in the order of arrival.
    #[test]
    fn first_tokens_come_in_the_order_of_arrival(jobs in proptest::collection::vec((1_u32..500, 1_u32..50), 1..40), kv_blocks in 40_u32..100) {
        let mut engine = Engine::new(Settings { seqs_max: 5, kv_blocks, batched_tokens_max: 64, ..Settings::default() });
        for (input, output) in &jobs {
            engine.submit(Duration::ZERO, job(*input, *output)).unwrap();
        }
        let (mut now, mut firsts) = (Duration::ZERO, Vec::new());
        loop {
            let turn = engine.step(now);
            firsts.extend(turn.outputs.iter().filter(|output| output.produced == 1).map(|output| output.id));
            let Some(next) = turn.next else { break };
            now = next;
        }
        prop_assert_eq!(firsts.len(), jobs.len());
        prop_assert!(firsts.is_sorted(), "{:?}", firsts);
    }
}
