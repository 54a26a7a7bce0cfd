//! The gate as a whole: who goes on, who waits, who is refused, and what it costs.

use std::time::{Duration, Instant};

use surgewall_core::clock::Clock;
use surgewall_core::principal::Class;

use super::charge::CLAIM_MAX;
use super::*;
use crate::admission::capacity::LATE_TICKS;
use crate::admission::fair::{Lineage, Shares};

/// A gate that is trusted with `limit` requests at once, and the hands of a clock.
struct Bench {
    gate: Gate<u64>,
    now: Instant,
    names: u64,
}

fn terms(limit: u32) -> Terms {
    Terms {
        shares: Shares::default(),
        longest_wait: [120, 60, 30, 20].map(Duration::from_secs),
        headroom_permille: 50,
        queue_bytes_max: 1 << 20,
        sequences_max: Some(limit),
        observe: false,
    }
}

impl Bench {
    fn new(terms: Terms) -> Self {
        let now = Clock::System.monotonic();
        Self { gate: Gate::new(now, terms), now, names: 0 }
    }

    fn ask(class: Class, who: u64) -> Ask {
        Ask {
            lineage: Lineage::new(class, false, &[who]),
            principal: who,
            model: 1,
            input: 100,
            cached: 0,
            output_max: 100,
            bytes: 1 << 10,
            repeated: false,
        }
    }

    fn arrive(&mut self, class: Class, who: u64) -> Arrived {
        self.names += 1;
        self.gate.arrive(self.now, Self::ask(class, who), || self.names, || 0)
    }

    fn goes(&mut self, class: Class, who: u64) -> TicketId {
        match self.arrive(class, who) {
            Arrived::Go(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn waits(&mut self, class: Class, who: u64) -> (TicketId, Place) {
        match self.arrive(class, who) {
            Arrived::Wait(id, place) => (id, place),
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self, id: TicketId) {
        self.now += Duration::from_secs(1);
        self.gate.finish(self.now, id, End::Completed, Some((100, 100)));
    }
}

#[test]
fn a_request_goes_on_at_once_while_there_is_room_and_waits_when_there_is_none() {
    let mut bench = Bench::new(terms(4));
    // One of four is headroom.
    let first: Vec<_> = (0..3).map(|who| bench.goes(Class::New, who)).collect();
    let (waiting, place) = bench.waits(Class::New, 3);
    assert_eq!(place.position, 1);
    assert!(place.eta.low <= place.eta.eta && place.eta.eta <= place.eta.high);
    assert!(bench.gate.next(bench.now).is_none());
    bench.end(first[0]);
    assert_eq!(bench.gate.next(bench.now), Some((waiting, 4)));
    assert_eq!(bench.gate.place(waiting), None, "its turn has come");
    assert!(bench.gate.next(bench.now).is_none());
}

#[test]
fn the_headroom_is_for_the_established_alone_and_never_all_there_is() {
    let mut bench = Bench::new(terms(4));
    for who in 0..3 {
        bench.goes(Class::Anonymous, who);
    }
    bench.waits(Class::Anonymous, 3);
    // Somebody waits already, so an established one is queued too; its turn is now.
    let (established, _) = bench.waits(Class::Established, 9);
    assert_eq!(bench.gate.next(bench.now).map(|(id, _)| id), Some(established));
    let mut alone = Bench::new(terms(1));
    alone.goes(Class::Anonymous, 1);
    for (limit, headroom) in [(1, 0), (2, 1), (20, 1), (21, 2), (40, 2), (100, 5)] {
        assert_eq!(terms(limit).headroom(limit), headroom, "{limit}");
    }
    assert_eq!(Terms { headroom_permille: 0, ..terms(4) }.headroom(4), 0);
}

#[test]
fn a_wait_past_the_classs_longest_is_refused_at_arrival_with_a_time_to_come_back() {
    let mut bench = Bench::new(terms(2));
    let running = bench.goes(Class::Anonymous, 0);
    bench.end(running);
    bench.goes(Class::Anonymous, 0);
    let mut waiting = 0;
    let full = loop {
        match bench.arrive(Class::Anonymous, waiting + 1) {
            Arrived::Wait(_, place) => {
                assert!(place.eta.eta <= Duration::from_secs(20));
                waiting += 1;
            }
            Arrived::Full(full) => break full,
            Arrived::Go(_) => panic!("no room"),
        }
    };
    assert!(waiting > 3, "{waiting}");
    assert_eq!((full.short, full.longest), (Short::Time, Duration::from_secs(20)));
    assert!(full.wait > full.longest && full.retry_after >= Duration::from_secs(1));
    assert_eq!(bench.gate.view().waiting[Class::Anonymous as usize].requests, waiting);
    let counts = bench.gate.take_counts().classes[Class::Anonymous as usize];
    assert_eq!((counts.queued, counts.refused), (waiting, 1));
}

#[test]
fn no_class_fills_the_queues_room_of_a_more_trusted_one() {
    let terms = Terms { longest_wait: [Duration::MAX; 4], ..terms(2) };
    let mut bench = Bench::new(terms.clone());
    bench.goes(Class::Anonymous, 0);
    let fill = |bench: &mut Bench, class| {
        let mut held = 0;
        while matches!(bench.arrive(class, held), Arrived::Wait(..)) {
            held += 1;
        }
        held << 10
    };
    let anonymous = fill(&mut bench, Class::Anonymous);
    let share = |per_mille: u64| (terms.queue_bytes_max / 1_000) * per_mille;
    assert_eq!(anonymous >> 10, (terms.queue_bytes_max - share(850)) >> 10);
    let established = fill(&mut bench, Class::Established);
    assert_eq!((anonymous + established) >> 10, terms.queue_bytes_max >> 10, "up to the limit");
    assert!(matches!(
        bench.arrive(Class::Established, 1),
        Arrived::Full(Full { short: Short::Memory, .. })
    ));
}

#[test]
fn a_client_that_leaves_while_it_waits_costs_nothing() {
    let mut bench = Bench::new(terms(2));
    let running = bench.goes(Class::New, 1);
    let (leaves, _) = bench.waits(Class::New, 2);
    let (stays, _) = bench.waits(Class::New, 3);
    bench.gate.finish(bench.now, leaves, End::Cancelled, None);
    assert_eq!(bench.gate.view().queued_bytes, 1 << 10);
    bench.end(running);
    assert_eq!(bench.gate.next(bench.now).map(|(id, _)| id), Some(stays));
    assert_eq!(bench.gate.view().queued_bytes, 0);
    // Left twice, or never there: nothing happens.
    bench.gate.finish(bench.now, leaves, End::Cancelled, None);
    bench.gate.finish(bench.now, 999, End::Completed, Some((1, 1)));
}

#[test]
fn who_had_more_waits_behind_who_had_less() {
    let mut bench = Bench::new(Terms { longest_wait: [Duration::MAX; 4], ..terms(2) });
    let mut running = bench.goes(Class::New, 1);
    let greedy: Vec<_> = (0..10).map(|_| bench.waits(Class::New, 1).0).collect();
    let (modest, place) = bench.waits(Class::New, 2);
    assert!(place.position <= 2, "{place:?}");
    bench.end(running);
    let (first, _) = bench.gate.next(bench.now).unwrap();
    running = first;
    bench.end(running);
    let (second, _) = bench.gate.next(bench.now).unwrap();
    assert!([first, second].contains(&modest), "{first} {second}");
    assert!(greedy.contains(&first) || greedy.contains(&second));
}

#[test]
fn a_stream_past_its_expectation_is_topped_up_and_what_was_too_much_goes_back() {
    let mut bench = Bench::new(terms(4));
    let id = bench.goes(Class::New, 1);
    let before = bench.gate.view().running.tokens;
    assert_eq!(before, 200);
    bench.gate.produced(id, Duration::from_millis(10), 101, 101);
    assert_eq!(bench.gate.view().running.tokens, before + TOP_UP_TOKENS);
    bench.gate.produced(id, Duration::from_millis(10), 1, 102);
    assert_eq!(bench.gate.view().running.tokens, before + TOP_UP_TOKENS, "within the top-up");
    bench.gate.finish(bench.now, id, End::Completed, Some((100, 102)));
    assert_eq!(bench.gate.view().running, Load::default());
    let charged = bench.gate.queue.charged_to(Class::New);
    assert_eq!(charged, Work(100 + 2 * 102), "what it was, and no more");
}

#[test]
fn in_observe_mode_everybody_goes_on_and_the_counts_say_who_would_not_have() {
    let mut bench = Bench::new(Terms { observe: true, ..terms(2) });
    for who in 0..400 {
        bench.goes(Class::Anonymous, who);
    }
    let counts = bench.gate.take_counts().classes[Class::Anonymous as usize];
    assert_eq!(counts.admitted.requests, 400);
    assert!(counts.queued > 0 && counts.refused > 0, "{counts:?}");
    assert_eq!(counts.queued + counts.refused, 399);
}

#[test]
fn a_place_that_is_held_without_use_is_paid_for_and_is_no_call_that_ended() {
    let mut bench = Bench::new(terms(4));
    // One sequence does 300 of work in a second.
    let id = bench.goes(Class::Verified, 1);
    bench.end(id);
    let charged = |bench: &Bench| bench.gate.queue.charged_to(Class::New).0;
    let mut before = 0;
    for (millis, paid) in [(0, 0), (500, 150), (60_000, 300)] {
        let id = bench.goes(Class::New, 2);
        assert_eq!(charged(&bench), before + 300);
        bench.gate.take_counts();
        bench.now += Duration::from_millis(millis);
        bench.gate.finish(bench.now, id, End::Cancelled, None);
        assert_eq!(charged(&bench), before + paid, "{millis} ms");
        assert_eq!(bench.gate.take_counts().served.done.requests, 0);
        before += paid;
    }
}

#[test]
fn whoever_waits_goes_on_once_the_door_only_observes() {
    let mut bench = Bench::new(terms(1));
    bench.goes(Class::New, 1);
    let (first, _) = bench.waits(Class::New, 2);
    let (second, _) = bench.waits(Class::Anonymous, 3);
    assert!(bench.gate.next(bench.now).is_none());
    bench.gate.set_terms(Terms { observe: true, ..terms(1) });
    // Newcomers fill the pool past its limit: no place becomes free by itself.
    bench.goes(Class::New, 4);
    let mut gone: Vec<_> =
        std::iter::from_fn(|| bench.gate.next(bench.now)).map(|(id, _)| id).collect();
    gone.sort_unstable();
    assert_eq!(gone, [first, second]);
}

#[test]
fn numbers_that_no_request_can_mean_do_no_harm() {
    let mut bench = Bench::new(terms(4));
    let huge = Ask { input: u64::MAX, output_max: u64::MAX, ..Bench::ask(Class::New, 1) };
    let ids: Vec<_> = (0..2)
        .map(|_| match bench.gate.arrive(bench.now, huge, || 0, || 0) {
            Arrived::Go(id) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    for id in ids {
        bench.gate.produced(id, Duration::MAX, u64::MAX, u64::MAX);
        bench.gate.finish(bench.now, id, End::Completed, Some((u64::MAX, u64::MAX)));
    }
    assert_eq!(bench.gate.view().running.sequences, 0);
}

#[test]
fn what_ended_counts_in_the_work_that_was_expected_of_it() {
    let mut bench = Bench::new(terms(4));
    let expected = Work::of(Weights::default(), 100, 100).0;
    for (end, used, counted) in [
        (End::Completed, (100, 3), expected),
        (End::Completed, (100, 9_000), expected),
        (End::Cancelled, (100, 3), Work::of(Weights::default(), 100, 3).0),
        (End::Failed, (0, 0), 0),
    ] {
        let id = bench.goes(Class::Established, 1);
        let offered = bench.gate.take_counts().classes[0].offered;
        bench.now += Duration::from_secs(2);
        bench.gate.finish(bench.now, id, end, Some(used));
        let served = bench.gate.take_counts().served;
        assert!(offered.work <= expected, "{offered:?}");
        assert_eq!((served.done.work, served.busy_ms), (counted.min(offered.work), 2_000));
    }
}

#[test]
fn a_call_that_failed_is_told_of_once_however_late_the_door_is() {
    for first in [Duration::ZERO, 2 * LAG_MAX] {
        let mut bench = Bench::new(terms(4));
        let id = bench.goes(Class::Established, 1);
        bench.gate.dispatched(bench.now, id, true);
        bench.gate.failed(bench.now, id, End::Failed);
        for (lag, faults) in [(first, 1), (2 * LAG_MAX, 0), (Duration::ZERO, 0)] {
            bench.now += Duration::from_secs(1);
            let _ = bench.gate.tick(bench.now, lag);
            assert_eq!(bench.gate.view().health.faults, faults, "{first:?} {lag:?}");
        }
    }
}

#[test]
fn a_door_that_is_late_itself_does_not_judge_the_server() {
    for (lag, moves) in [(LAG_MAX, true), (LAG_MAX + Duration::from_millis(1), false)] {
        let mut bench = Bench::new(terms(64));
        for who in 0..3 {
            let id = bench.goes(Class::Established, who);
            bench.gate.dispatched(bench.now, id, true);
            bench.gate.failed(bench.now, id, End::Overloaded);
        }
        bench.now += Duration::from_secs(1);
        let change = bench.gate.tick(bench.now, lag);
        assert_eq!(change.is_some(), moves, "{lag:?}: {change:?}");
    }
}

#[test]
fn a_door_that_stays_late_goes_by_what_the_server_refuses() {
    let mut bench = Bench::new(terms(64));
    let moved = |bench: &mut Bench| {
        let id = bench.goes(Class::Established, 1);
        bench.gate.dispatched(bench.now, id, true);
        bench.gate.finish(bench.now, id, End::Overloaded, None);
        bench.now += Duration::from_secs(1);
        bench.gate.tick(bench.now, 2 * LAG_MAX).is_some()
    };
    let moves: Vec<bool> = (0..LATE_TICKS).map(|_| moved(&mut bench)).collect();
    assert_eq!(moves, [false, false, false, false, true]);
}

#[test]
fn a_place_that_nobody_comes_for_is_taken_back_and_given_again_to_who_comes_late() {
    let mut bench = Bench::new(terms(2));
    let absent = bench.goes(Class::New, 1);
    let (waiting, _) = bench.waits(Class::New, 2);
    bench.now += CLAIM_MAX;
    let _ = bench.gate.tick(bench.now, Duration::ZERO);
    assert!(bench.gate.next(bench.now).is_none(), "not before the time is over");
    bench.now += Duration::from_millis(1);
    let _ = bench.gate.tick(bench.now, Duration::ZERO);
    assert_eq!(bench.gate.next(bench.now).map(|(id, _)| id), Some(waiting));
    assert_eq!(bench.gate.view().running.sequences, 1);
    bench.gate.dispatched(bench.now, absent, true);
    assert_eq!(bench.gate.view().running.sequences, 2, "it came after all");
    bench.end(absent);
    bench.end(waiting);
    assert_eq!(bench.gate.view().running, Load::default());
}

#[test]
fn what_a_request_would_find_is_told_without_counting_it() {
    let mut bench = Bench::new(terms(2));
    let ask = Bench::ask(Class::New, 1);
    assert!(bench.gate.has_room(&ask) && bench.gate.outlook(&ask) == Duration::ZERO);
    bench.goes(Class::New, 1);
    assert!(!bench.gate.has_room(&ask) && bench.gate.outlook(&ask) > Duration::ZERO);
    assert_eq!(bench.gate.take_counts().classes[Class::New as usize].offered.requests, 1);
}

#[test]
fn long_streams_do_not_keep_the_limit_down_when_nothing_waits_behind_them() {
    let mut bench = Bench::new(Terms { longest_wait: [Duration::MAX; 4], ..terms(1_000) });
    let mut begun = 0;
    for _ in 0..30 {
        // Streams that never end: each has its first token at once, and nothing after it.
        for who in 0..40 {
            if let Arrived::Go(id) = bench.arrive(Class::New, who) {
                bench.gate.dispatched(bench.now, id, true);
                bench.gate.first_token(bench.now + Duration::from_millis(5), id);
                begun += 1;
            }
        }
        bench.now += Duration::from_secs(1);
        let _ = bench.gate.tick(bench.now, Duration::ZERO);
        while let Some((id, _)) = bench.gate.next(bench.now) {
            bench.gate.dispatched(bench.now, id, true);
            bench.gate.first_token(bench.now + Duration::from_millis(5), id);
            begun += 1;
        }
    }
    assert!(begun > 100, "{begun} of 1,200 begun");
}

#[test]
fn what_is_probably_cached_costs_nothing_until_the_upstream_says_otherwise() {
    let mut bench = Bench::new(terms(4));
    for (thought, found, charged, used, paid) in [
        (60, 60, 40 + 200, (40, 100), 40 + 200),
        (60, 10, 90 + 200, (90, 100), 90 + 200),
        (0, 60, 40 + 200, (40, 100), 40 + 200),
        (900, 900, 200, (0, 100), 200),
        // The upstream read more, or less, than was thought.
        (60, 60, 40 + 200, (100, 100), 100 + 200),
        (0, 0, 100 + 200, (5, 100), 5 + 200),
    ] {
        let ask = Ask { cached: thought, ..Bench::ask(Class::New, 1) };
        let before = bench.gate.queue.charged_to(Class::New).0;
        let id = match bench.gate.arrive(bench.now, ask, || 0, || 0) {
            Arrived::Go(id) => id,
            other => panic!("{other:?}"),
        };
        // The memory that it holds is that of its whole input all the same.
        assert_eq!(bench.gate.view().running.tokens, 200);
        bench.gate.expects(id, found);
        let now = bench.gate.queue.charged_to(Class::New).0;
        assert_eq!(now - before, charged, "{thought} {found}");
        bench.gate.finish(bench.now, id, End::Completed, Some(used));
        let after = bench.gate.queue.charged_to(Class::New).0;
        assert_eq!(after - before, paid, "{thought} {found} {used:?}");
    }
    bench.gate.expects(999, 5);
}

#[test]
fn the_longest_wait_counts_before_it_ends() {
    let mut bench = Bench::new(terms(4));
    for who in 0..3 {
        let _ = bench.goes(Class::New, who);
    }
    let (waiting, _) = bench.waits(Class::New, 3);
    bench.now += Duration::from_secs(7);
    let _ = bench.gate.tick(bench.now, Duration::ZERO);
    let longest = |bench: &mut Bench| bench.gate.take_counts().classes.map(|of| of.longest_wait_ms);
    assert_eq!(longest(&mut bench), [0, 0, 7_000, 0]);
    bench.now += Duration::from_secs(1);
    let _ = bench.gate.tick(bench.now, Duration::ZERO);
    assert_eq!(longest(&mut bench), [0, 0, 8_000, 0]);
    bench.gate.finish(bench.now, waiting, End::Cancelled, None);
    bench.now += Duration::from_secs(1);
    let _ = bench.gate.tick(bench.now, Duration::ZERO);
    assert_eq!(longest(&mut bench), [0; 4]);
}
