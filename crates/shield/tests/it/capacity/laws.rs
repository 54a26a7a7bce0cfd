//! What holds in whatever order things happen, and however wrong they are.

use std::time::{Duration, Instant};

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use surgewall_core::clock::Clock;
use surgewall_shield::admission::capacity::{
    Capacity, CapacityConfig, End, Gauges, Load, TOKENS_MIN, TRACKED_MAX,
};

#[derive(Clone, Copy, Debug)]
enum Event {
    Dispatched { id: u64, input: u64, load: Load, streams: bool },
    FirstToken(u64),
    Streamed { id: u64, waited: u64, tokens: u64 },
    Ended(u64, u8),
    Gauges(Gauges),
    Passes(u64),
    Tick(bool),
    Max(u32),
}

fn load() -> impl Strategy<Value = Load> {
    (any::<u32>(), any::<u64>()).prop_map(|(sequences, tokens)| Load { sequences, tokens })
}

fn gauges() -> impl Strategy<Value = Gauges> {
    let (running, waiting) = (any::<Option<u32>>(), any::<Option<u32>>());
    (running, waiting, any::<Option<f32>>(), any::<Option<u64>>()).prop_map(
        |(running, waiting, kv_used, preemptions)| Gauges {
            running,
            waiting,
            kv_used,
            preemptions,
        },
    )
}

/// Few identities, so that unknown, repeated and ended ones all occur.
fn event() -> impl Strategy<Value = Event> {
    let size = || prop_oneof![Just(0), 1..10_000_u64, any::<u64>()];
    prop_oneof![
        3 => (0..20_u64, size(), load(), any::<bool>()).prop_map(|(id, input, load, streams)| {
            Event::Dispatched { id, input, load, streams }
        }),
        3 => (0..20_u64).prop_map(Event::FirstToken),
        3 => (0..20_u64, size(), size())
            .prop_map(|(id, waited, tokens)| Event::Streamed { id, waited, tokens }),
        3 => (0..20_u64, 0..4_u8).prop_map(|(id, end)| Event::Ended(id, end)),
        1 => gauges().prop_map(Event::Gauges),
        3 => (0..5_000_u64).prop_map(Event::Passes),
        3 => any::<bool>().prop_map(Event::Tick),
        1 => any::<u32>().prop_map(Event::Max),
    ]
}

fn apply(capacity: &mut Capacity, now: &mut Instant, event: Event) {
    match event {
        Event::Dispatched { id, input, load, streams } => {
            capacity.dispatched(*now, id, input, load, streams);
        }
        Event::FirstToken(id) => capacity.first_token(*now, id),
        Event::Streamed { id, waited, tokens } => {
            capacity.streamed(id, Duration::from_micros(waited), tokens);
        }
        Event::Ended(id, end) => {
            let ends = [End::Completed, End::Cancelled, End::Failed, End::Overloaded];
            capacity.ended(*now, id, ends[usize::from(end)]);
        }
        Event::Gauges(gauges) => capacity.gauges(*now, gauges),
        Event::Passes(millis) => *now += Duration::from_millis(millis),
        Event::Tick(binding) => drop(capacity.tick(*now, binding)),
        Event::Max(max) => capacity.set_max(max),
    }
}

proptest! {
    #[test]
    fn any_order_of_events_leaves_the_limits_within_their_bounds(
        start in any::<u32>(), floor in any::<u32>(), max in any::<u32>(),
        events in proptest::collection::vec(event(), 1..400),
    ) {
        let mut now = Clock::System.monotonic();
        let mut capacity = Capacity::new(now, CapacityConfig { start, floor, max });
        let floor = floor.max(1);
        let mut max = max.max(floor);
        let mut told = (capacity.sequences(), capacity.tokens());
        for event in events {
            if let Event::Tick(binding) = event {
                if let Some(change) = capacity.tick(now, binding) {
                    prop_assert_eq!((change.from.sequences, change.from.tokens), told);
                    told = (change.to.sequences, change.to.tokens);
                    let text = change.to_string();
                    prop_assert!(text.contains(" -> ") && text.contains(": "), "{}", text);
                }
                prop_assert_eq!((capacity.sequences(), capacity.tokens()), told);
                continue;
            }
            let is_set = matches!(event, Event::Max(_));
            if let Event::Max(new) = event {
                max = new.max(floor);
            }
            apply(&mut capacity, &mut now, event);
            if is_set {
                told = (capacity.sequences(), capacity.tokens());
            }
            prop_assert!((floor..=max).contains(&capacity.sequences()));
            prop_assert!(capacity.tokens().is_none_or(|tokens| tokens >= TOKENS_MIN));
        }
    }

    #[test]
    fn a_limit_that_holds_nobody_back_does_not_grow(
        events in proptest::collection::vec(event(), 1..400),
    ) {
        let mut now = Clock::System.monotonic();
        let config = CapacityConfig { start: 100, ..CapacityConfig::default() };
        let mut capacity = Capacity::new(now, config);
        let mut limit = capacity.sequences();
        for event in events {
            // At most 20 identities are in flight: far from 100.
            let event = if let Event::Tick(_) = event { Event::Tick(false) } else { event };
            if matches!(event, Event::Max(_)) {
                continue;
            }
            apply(&mut capacity, &mut now, event);
            prop_assert!(capacity.sequences() <= limit.max(23));
            limit = capacity.sequences();
        }
    }
}

#[test]
fn what_is_tracked_is_bounded() {
    let now = Clock::System.monotonic();
    let mut capacity = Capacity::new(now, CapacityConfig::default());
    let ids = u64::try_from(TRACKED_MAX).expect("small") + 1;
    for id in 0..ids {
        capacity.dispatched(now, id, 100, Load { sequences: 1, tokens: 100 }, true);
    }
    assert_eq!(capacity.tracked(), TRACKED_MAX);
    // The one past the limit taught nothing and can be ended all the same.
    capacity.first_token(now, ids - 1);
    for id in 0..ids {
        capacity.ended(now, id, End::Completed);
    }
    assert_eq!(capacity.tracked(), 0);
}
