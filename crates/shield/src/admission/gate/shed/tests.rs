//! Who is ended for whom, who never is, and that nothing is lost by it.

use proptest::prelude::*;
use surgewall_core::clock::Clock;

use super::*;
use crate::admission::capacity::End;
use crate::admission::fair::{Lineage, Shares};
use crate::admission::gate::{Arrived, Ask, Terms};

const SECOND: Duration = Duration::from_secs(1);

/// A gate, the hands of a clock, and what runs: class, when it was sent, whether it streams.
struct Bench {
    gate: Gate<(), TicketId>,
    now: Instant,
    who: u64,
    running: Vec<(TicketId, Class, bool)>,
}

fn terms(limit: u32, observe: bool) -> Terms {
    Terms {
        shares: Shares::default(),
        longest_wait: [120, 60, 30, 20].map(Duration::from_secs),
        headroom_permille: 0,
        queue_bytes_max: 1 << 30,
        sequences_max: Some(limit),
        observe,
    }
}

impl Bench {
    /// A gate that is trusted with `limit` requests at once.
    fn new(limit: u32, observe: bool) -> Self {
        let now = Clock::System.monotonic();
        let mut bench =
            Self { gate: Gate::new(now, terms(limit, false)), now, who: 0, running: Vec::new() };
        // It finds out that the pool takes as much as the operator allows.
        for _ in 0..64 {
            while bench.arrive(Class::Established, true).is_some() {}
            bench.pass(SECOND);
            bench.end_all();
        }
        assert_eq!(bench.gate.capacity.sequences(), limit);
        bench.gate.take_counts();
        bench.cut(limit, observe);
        bench
    }

    /// The limit becomes `limit` at once.
    fn cut(&mut self, limit: u32, observe: bool) {
        self.gate.set_terms(terms(limit, observe));
    }

    fn arrive(&mut self, class: Class, streams: bool) -> Option<TicketId> {
        self.who += 1;
        let ask = Ask {
            lineage: Lineage::new(class, false, &[self.who]),
            principal: self.who,
            model: 1,
            input: 10,
            cached: 0,
            output_max: 10,
            bytes: 1,
            repeated: false,
        };
        match self.gate.arrive(self.now, ask, || (), || 0) {
            Arrived::Go(id) => {
                self.send(id, class, streams);
                Some(id)
            }
            _ => None,
        }
    }

    fn send(&mut self, id: TicketId, class: Class, streams: bool) {
        self.gate.dispatched(self.now, id, streams);
        self.gate.reached_by(id, id);
        self.gate.first_token(self.now, id);
        self.running.push((id, class, streams));
    }

    /// Time passes, with its ticks.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        let _ = self.gate.tick(self.now, Duration::ZERO);
    }

    fn end_all(&mut self) {
        for (id, ..) in std::mem::take(&mut self.running) {
            self.gate.finish(self.now, id, End::Cancelled, None);
        }
        while let Some((id, ())) = self.gate.next(self.now) {
            self.gate.finish(self.now, id, End::Cancelled, None);
        }
    }

    fn shed(&mut self) -> Vec<TicketId> {
        let gone = std::iter::from_fn(|| self.gate.shed(self.now, 0));
        gone.map(|shed| shed.id).collect()
    }

    /// The whole case: ten streams of `class` run, three may, and one of `waits` has
    /// waited `waited`. What is ended after the surplus lasted `lasted`.
    fn case(class: Class, waits: Class, waited: Duration, lasted: Duration) -> usize {
        let mut bench = Self::new(10, false);
        (0..10).for_each(|_| assert!(bench.arrive(class, true).is_some()));
        bench.arrive(waits, true);
        bench.now += waited.saturating_sub(lasted);
        bench.cut(3, false);
        bench.pass(Duration::ZERO);
        bench.pass(lasted);
        bench.shed().len()
    }
}

#[test]
fn streams_are_ended_only_for_who_is_more_trusted_and_has_waited_too_long() {
    let half = |class: Class| terms(1, false).longest_wait(class) / WAITED_PART;
    let past = SURPLUS_AFTER + Duration::from_millis(1);
    let check = |class, waits, waited, lasted, ended: bool| {
        let count = Bench::case(class, waits, waited, lasted);
        let expected = if ended { SHED_PER_S_MAX } else { 0 };
        assert_eq!(count, expected, "{class} runs, {waits} waits {waited:?}, {lasted:?}");
    };
    let milli = Duration::from_millis(1);
    for waits in Class::ALL {
        for class in Class::ALL {
            check(class, waits, half(waits) + milli, past, class > waits);
            check(class, waits, half(waits), past, false);
            check(class, waits, half(waits) + milli, SURPLUS_AFTER, false);
        }
    }
}

#[test]
fn a_surplus_within_its_share_is_left_alone() {
    for (limit, ended) in [(10, 0), (9, 2)] {
        let mut bench = Bench::new(12, false);
        (0..12).for_each(|_| assert!(bench.arrive(Class::Anonymous, true).is_some()));
        bench.arrive(Class::Established, true);
        bench.cut(limit, false);
        bench.pass(Duration::from_secs(100));
        bench.pass(Duration::from_secs(10));
        assert_eq!(bench.shed().len(), ended, "12 of {limit}: what is within the share stays");
    }
}

#[test]
fn the_newest_of_the_least_trusted_go_first_a_few_in_a_second_and_whole_answers_never() {
    let mut bench = Bench::new(20, false);
    let mut ids = Vec::new();
    for class in [Class::New, Class::Anonymous, Class::Established, Class::New] {
        for streams in [true, false, true] {
            bench.now += Duration::from_millis(1);
            ids.push(bench.arrive(class, streams).unwrap());
        }
    }
    while bench.arrive(Class::Established, true).is_some() {}
    bench.cut(3, false);
    bench.pass(SECOND);
    bench.pass(Duration::from_secs(61));
    let first = bench.shed();
    assert_eq!(first, [ids[5], ids[3], ids[11], ids[9]]);
    assert!(bench.shed().is_empty(), "the second's number is ended");
    bench.pass(SECOND - Duration::from_millis(1));
    assert!(bench.shed().is_empty());
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.shed(), [ids[2], ids[0]], "established ones never");
    let counts = bench.gate.take_counts().classes.map(|class| class.shed);
    assert_eq!(counts, [0, 0, 4, 2]);
}

#[test]
fn in_observe_mode_none_is_ended_and_the_counts_say_how_many_would_have_been() {
    let mut bench = Bench::new(10, true);
    (0..50).for_each(|_| assert!(bench.arrive(Class::Anonymous, true).is_some()));
    bench.pass(SECOND);
    bench.pass(Duration::from_secs(10));
    assert!(bench.shed().is_empty());
    assert_eq!(bench.gate.take_counts().classes[3].shed, 0, "no capacity was lost");
    bench.cut(5, true);
    for _ in 0..4_000 {
        bench.arrive(Class::Established, true);
    }
    for _ in 0..10 {
        bench.pass(SECOND);
        bench.arrive(Class::Established, true);
        assert!(bench.shed().is_empty());
    }
    assert_eq!(bench.gate.take_counts().classes[3].shed, 4, "ten ran, six may go on");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happens_the_laws_hold(
        steps in prop::collection::vec((0_u8..6, 0_usize..4, 1_u32..30, any::<bool>()), 1..200),
    ) {
        let mut bench = Bench::new(30, false);
        let mut ended = Vec::<Instant>::new();
        for (what, class, number, streams) in steps {
            let class = Class::ALL[class];
            match what {
                0 | 1 => drop((0..number).map(|_| bench.arrive(class, streams)).collect::<Vec<_>>()),
                2 if !bench.running.is_empty() => {
                    let nth = usize::try_from(number).unwrap() % bench.running.len();
                    let (id, ..) = bench.running.remove(nth);
                    bench.gate.finish(bench.now, id, End::Completed, Some((10, 5)));
                }
                3 => bench.cut(number, false),
                _ => bench.pass(SECOND * number / 2),
            }
            let limit = bench.gate.capacity.sequences();
            while let Some((id, ())) = bench.gate.next(bench.now) {
                let class = bench.gate.tickets[&id].ask.lineage.class();
                bench.send(id, class, streams);
            }
            let before = bench.running.len();
            while let Some(shed) = bench.gate.shed(bench.now, 0) {
                let nth = bench.running.iter().position(|(id, ..)| *id == shed.id).unwrap();
                let (_, class, streams) = bench.running.remove(nth);
                prop_assert!(streams && class == shed.class && class != Class::Established);
                let worse = |(id, other, streams): &(TicketId, Class, bool)| {
                    *streams && (*other > class || *other == class && *id > shed.id)
                        && bench.gate.tickets[id].dispatched > bench.gate.tickets[&shed.id].dispatched
                };
                let newer = bench.running.iter().filter(|one| one.1 == class).any(worse);
                let less_trusted =
                    bench.running.iter().any(|one| one.2 && one.1 > class);
                prop_assert!(!newer && !less_trusted, "the newest of the least trusted");
                prop_assert!(bench.running.len() >= usize::try_from(limit).unwrap());
                ended.push(bench.now);
                bench.gate.finish(bench.now, shed.id, End::Cancelled, Some((10, 1)));
            }
            if bench.running.len() < before {
                let lately = ended.iter().filter(|then| bench.now - **then < SECOND).count();
                prop_assert!(lately <= SHED_PER_S_MAX, "{lately} in a second");
            }
            prop_assert_eq!(
                usize::try_from(bench.gate.view().running.sequences).unwrap(),
                bench.running.len()
            );
        }
        bench.end_all();
        while bench.gate.waiting() > 0 {
            bench.end_all();
        }
        prop_assert_eq!(bench.gate.view().running, crate::admission::capacity::Load::default());
        prop_assert_eq!(bench.gate.view().queued_bytes, 0);
    }
}
