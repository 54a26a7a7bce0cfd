//! Laws, over random ticks and numbers.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use surgewall_core::clock::Timestamp;

use super::super::{
    ClassTick, Counterfactual, Flow, Health, Judge, Numbers, PoolTick, Served, Step, Tick, Usual,
    Verdict,
};
use super::scenarios::id;

fn flow() -> impl Strategy<Value = Flow> {
    (0..2_000_u64, 0..500_000_u64).prop_map(|(requests, work)| Flow { requests, work })
}

fn class() -> impl Strategy<Value = ClassTick> {
    (flow(), flow(), 0..500_u64, 0..50_u64, 0..3_u64, flow(), 0..200_000_u64).prop_map(
        |(offered, repeated, admitted, queued, refused, waiting, longest_wait_ms)| ClassTick {
            offered,
            repeated,
            admitted,
            queued,
            left: 0,
            slow: 0,
            shed: 0,
            refused,
            waiting,
            longest_wait_ms,
        },
    )
}

fn pool() -> impl Strategy<Value = PoolTick> {
    let health = (any::<Option<f32>>(), any::<Option<f32>>(), 0..50_u64);
    let served = (flow(), 0..1_000_000_u64);
    (prop::array::uniform4(class()), flow(), served, 0..200_u32, 0..200_u32, health).prop_map(
        |(classes, grown, (done, busy_ms), sequences, in_flight, health)| PoolTick {
            pool: Arc::from("p"),
            classes,
            grown,
            served: Served { done, used: done.work, busy_ms },
            sequences,
            in_flight,
            health: Health { ttft_ratio: health.0, tpot_ratio: health.1, faults: health.2 },
        },
    )
}

fn ticks(pools: Vec<PoolTick>, millis: u64) -> impl Iterator<Item = Tick> {
    pools.into_iter().enumerate().map(move |(at, pool)| Tick {
        at: Timestamp::from_millis(at as u64 * 1_000),
        elapsed: Duration::from_millis(millis),
        observe: false,
        pools: vec![pool],
    })
}

proptest! {
    #[test]
    fn it_is_normal_wherever_nobody_waits_and_nobody_is_refused(
        mut pools in vec(pool(), 1..60),
        quiet in vec(any::<bool>(), 60),
        millis in 0..10_000_u64,
    ) {
        for (pool, quiet) in pools.iter_mut().zip(&quiet) {
            for class in pool.classes.iter_mut().filter(|_| *quiet) {
                let ClassTick { offered, repeated, admitted, .. } = *class;
                *class = ClassTick { offered, repeated, admitted, ..ClassTick::default() };
            }
        }
        let mut judge = Judge::new();
        for (tick, quiet) in ticks(pools, millis).zip(quiet) {
            let (judged, event) = judge.tick(&tick, id);
            if quiet {
                prop_assert_eq!(judged.verdict, Verdict::Normal);
                prop_assert!(!matches!(event.map(|event| event.step), Some(Step::Opened)));
            }
        }
    }

    #[test]
    fn events_come_in_order_and_their_numbers_add_up(pools in vec(pool(), 1..200), millis in 1..5_000_u64) {
        let mut judge = Judge::new();
        let mut open = false;
        for tick in ticks(pools, millis) {
            let (judged, event) = judge.tick(&tick, id);
            if let Some(event) = event {
                prop_assert_eq!(matches!(event.step, Step::Opened), !open);
                open = !matches!(event.step, Step::Closed { .. });
                prop_assert!(event.verdict != Verdict::Normal);
                prop_assert!(!event.reasons.is_empty());
                let Numbers { demand, known, unknown, repeated, .. } = event.numbers;
                prop_assert_eq!(demand, known.plus(unknown).plus(repeated));
                let offered: u64 = event.totals.iter().map(|class| class.offered).sum();
                let repeated: u64 = event.totals.iter().map(|class| class.repeated).sum();
                prop_assert!(repeated <= offered);
                prop_assert_eq!(event.counterfactual, Counterfactual::of(&event.numbers));
            }
            prop_assert!(open || judged.verdict == Verdict::Normal);
        }
    }

    #[test]
    fn the_counterfactual_agrees_with_its_numbers(
        known in flow(),
        unknown in flow(),
        capacity in 1..1_000_000_u64,
        usual in any::<Option<u32>>(),
        sequences in 1..10_000_u32,
    ) {
        let rate = |flow: Flow| surgewall_core::incident::Rate {
            requests_milli: flow.requests * 1_000,
            work: flow.work,
        };
        let numbers = Numbers {
            known: rate(known),
            unknown: rate(unknown),
            capacity: Some(capacity),
            sequences,
            usual: Usual { capacity: usual.map(u64::from), ..Usual::default() },
            ..Numbers::default()
        };
        let would = Counterfactual::of(&numbers).unwrap();
        let once = known.work + unknown.work;
        prop_assert_eq!(would.known.fits(), known.work <= capacity);
        prop_assert_eq!(would.once.fits(), once <= capacity);
        prop_assert_eq!(would.usual.map(|usual| usual.fits()), usual.map(|usual| once <= u64::from(usual)));
        for against in [would.known, would.once] {
            // The same is said in requests as in work.
            if against.demand.work > 0 && against.demand.requests_milli > 0 {
                prop_assert_eq!(against.fits(), against.demand.requests_milli <= against.capacity.requests_milli);
            }
        }
        // So many more sequences carry all, and one fewer does not.
        let carried = |more: u64| u128::from(capacity) * (u128::from(sequences) + u128::from(more));
        let needed = u128::from(once) * u128::from(sequences);
        prop_assert!(carried(would.sequences_more) >= needed);
        if let Some(fewer) = would.sequences_more.checked_sub(1) {
            prop_assert!(carried(fewer) < needed);
        }
    }
}
