//! A door that is late itself, for as long as it goes on.

use std::time::{Duration, Instant};

use surgewall_core::clock::Clock;
use surgewall_shield::admission::capacity::{
    Capacity, CapacityConfig, Change, End, Gauges, LATE_TICKS, Load, Why,
};

/// A limit of twenty that is full of streams, and a door that is late in every second.
struct Late {
    capacity: Capacity,
    now: Instant,
    last_id: u64,
}

impl Late {
    fn new() -> Self {
        let now = Clock::System.monotonic();
        let config = CapacityConfig { start: 20, ..CapacityConfig::default() };
        let mut late = Self { capacity: Capacity::new(now, config), now, last_id: 0 };
        // Alone, a first token takes 100 ms.
        late.send(1);
        late.now += Duration::from_millis(100);
        late.capacity.first_token(late.now, late.last_id);
        (2..=20).for_each(|sequences| late.send(sequences));
        late
    }

    fn send(&mut self, sequences: u32) {
        self.last_id += 1;
        let load = Load { sequences, tokens: 1_000 };
        self.capacity.dispatched(self.now, self.last_id, 1_000, load, true);
    }

    /// One second in which the server says `gauges`, refuses so many, and a
    /// first token comes after 900 ms.
    fn second(&mut self, gauges: Gauges, refusals: u32) -> Option<Change> {
        self.capacity.ended(self.now, self.last_id, End::Completed);
        for _ in 0..refusals {
            self.send(20);
            self.capacity.ended(self.now, self.last_id, End::Overloaded);
        }
        self.send(20);
        self.now += Duration::from_millis(900);
        self.capacity.first_token(self.now, self.last_id);
        self.now += Duration::from_millis(100);
        self.capacity.gauges(self.now, gauges);
        self.capacity.tick_late(self.now, true)
    }
}

fn says(running: u32, waiting: u32) -> Gauges {
    Gauges { running: Some(running), waiting: Some(waiting), ..Gauges::default() }
}

#[test]
fn lateness_that_goes_on_is_judged_by_refusals_and_gauges_alone() {
    // What the server says and how many it refuses, and where the limit goes.
    let cases = [
        ("says nothing", Gauges::default(), 0, 20..=20),
        ("refuses", Gauges::default(), 2, 1..=19),
        ("has a queue", says(12, 8), 0, 1..=19),
        ("has room", says(20, 0), 0, 21..=32),
        ("is not full", says(5, 0), 0, 20..=20),
        ("does not say what runs", Gauges { waiting: Some(0), ..Gauges::default() }, 0, 20..=20),
    ];
    for (name, gauges, refusals, range) in cases {
        let mut late = Late::new();
        for second in 1..LATE_TICKS {
            assert_eq!(late.second(gauges, refusals), None, "{name}: {second}");
        }
        let change = (0..12).find_map(|_| late.second(gauges, refusals));
        let limit = late.capacity.sequences();
        assert!(range.contains(&limit), "{name}: {limit}");
        assert_eq!(change.is_some(), limit != 20, "{name}");
        let by_times = |why| matches!(why, Why::Queue { .. } | Why::Room { .. });
        assert!(!change.is_some_and(|change| by_times(change.why)), "{name}: {change:?}");
    }
}

#[test]
fn a_single_second_in_time_begins_the_count_anew() {
    let mut late = Late::new();
    for _ in 0..3 {
        for _ in 1..LATE_TICKS {
            assert_eq!(late.second(Gauges::default(), 2), None);
        }
        late.now += Duration::from_millis(500);
        assert_eq!(late.capacity.tick(late.now, true), None, "what came before says nothing");
    }
    assert_eq!(late.capacity.sequences(), 20);
}
