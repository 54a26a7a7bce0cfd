//! Causes from numbers: each state, each border, each pair of causes.

use surgewall_core::incident::{Numbers, Rate, Usual};

use super::super::Verdict::{
    self, KnownDemand as Known, RetryStorm as Retry, Unclear, UnknownDemand as Unknown,
    UpstreamSlow as Slow,
};
use super::super::reading::{Context, read};

/// What the numbers of a case are; work per second, 100 to a request.
#[derive(Clone, Copy, Default)]
struct Case {
    known: u64,
    unknown: u64,
    repeated: u64,
    capacity: Option<u64>,
    usual: Option<(u64, u64, u64)>,
    ttft: Option<u32>,
    tpot: Option<u32>,
    faults: u64,
    requests: Option<u64>,
    /// The usual capacity is only what was asked for.
    never_full: bool,
    context: Context,
}

/// Known, unknown and repeated demand against a capacity of 4,000.
fn case(known: u64, unknown: u64, repeated: u64) -> Case {
    Case { known, unknown, repeated, capacity: Some(4_000), ..Case::default() }
}

impl Case {
    fn capacity(self, capacity: u64) -> Self {
        Self { capacity: Some(capacity), ..self }
    }
    fn capacity_unknown(self) -> Self {
        Self { capacity: None, ..self }
    }
    /// Known demand, unknown demand and capacity as they usually are.
    fn usual(self, known: u64, unknown: u64, capacity: u64) -> Self {
        Self { usual: Some((known, unknown, capacity)), ..self }
    }
    fn ttft(self, percent: u32) -> Self {
        Self { ttft: Some(percent), ..self }
    }
    fn tpot(self, percent: u32) -> Self {
        Self { tpot: Some(percent), ..self }
    }
    fn does_as_usual(self) -> Self {
        Self { context: Context { does_as_usual: true, ..self.context }, ..self }
    }
    fn never_full(self) -> Self {
        Self { never_full: true, ..self }
    }
    /// Of 20 calls.
    fn faults(self, faults: u64) -> Self {
        Self { faults, ..self }
    }
    fn requests(self, requests: u64) -> Self {
        Self { requests: Some(requests), ..self }
    }
    fn nothing_ended(self) -> Self {
        Self { context: Context { nothing_ended: true, ..self.context }, ..self }
    }
    fn was_slow(self) -> Self {
        Self { context: Context { was_slow: true, ..self.context }, ..self }
    }
    fn observed(self) -> Self {
        Self { context: Context { observe: true, ..self.context }, ..self }
    }

    /// The servers' own power moves as the capacity does, and was seen full.
    fn context(&self) -> Context {
        let usual = self.usual.map_or(0, |(_, _, capacity)| capacity);
        let fell = self.capacity.is_some_and(|capacity| capacity * 100 < usual * 70);
        Context { fell, was_full: !self.never_full, ..self.context }
    }

    fn numbers(&self) -> Numbers {
        let (known, unknown, repeated) =
            (rate(self.known), rate(self.unknown), rate(self.repeated));
        let demand = known.plus(unknown).plus(repeated);
        Numbers {
            window_s: 5,
            requests: self.requests.unwrap_or(demand.requests_milli * 5 / 1_000),
            demand,
            known,
            unknown,
            repeated,
            capacity: self.capacity,
            sequences: 40,
            in_flight: 40,
            ended: 20,
            faults: self.faults,
            ttft_percent: self.ttft,
            tpot_percent: self.tpot,
            usual: self.usual.map_or(Usual::default(), |(known, unknown, capacity)| Usual {
                known: Some(rate(known)),
                unknown: Some(rate(unknown)),
                capacity: Some(capacity),
            }),
            ..Numbers::default()
        }
    }
}

fn rate(work: u64) -> Rate {
    Rate { requests_milli: work * 10, work }
}

fn check(cases: &[(&str, Case, Option<Verdict>, &[Verdict])]) {
    for (name, case, expected, also) in cases {
        let reading = read(&case.numbers(), case.context());
        let found = reading.as_ref().map(|reading| reading.verdict);
        assert_eq!(found, *expected, "{name}: {reading:?}");
        let said = reading.as_ref().map_or(&[][..], |reading| &reading.also);
        assert_eq!(said, *also, "{name}: {reading:?}");
    }
}

#[test]
fn demand_that_is_known_or_unknown() {
    check(&[
        ("strangers on top of what fits", case(3_100, 6_000, 0), Some(Unknown), &[]),
        ("a flood of strangers", case(3_100, 100_000, 0), Some(Unknown), &[]),
        ("strangers alone", case(0, 5_000, 0), Some(Unknown), &[]),
        ("few strangers too many", case(3_500, 1_000, 0), Some(Unknown), &[]),
        ("known callers alone", case(6_000, 0, 0), Some(Known), &[]),
        ("known callers, few strangers", case(6_000, 1_000, 0), Some(Known), &[]),
        ("known callers, many strangers", case(6_000, 5_000, 0), Some(Known), &[Unknown]),
        ("each alone is too much", case(5_000, 50_000, 0), Some(Unclear), &[Known, Unknown]),
        ("all fits: nothing to read", case(2_000, 1_000, 0), None, &[]),
    ]);
}

#[test]
fn numbers_near_each_other_decide_nothing() {
    check(&[
        ("known within 5 %", case(3_900, 5_000, 0), Some(Unclear), &[Unclear, Unknown]),
        ("known 6 % below", case(3_760, 5_000, 0), Some(Unknown), &[]),
        ("known 5 % above, no strangers", case(4_190, 0, 0), Some(Known), &[]),
        ("exactly the capacity", case(4_000, 0, 0), Some(Known), &[]),
        ("5 % below the capacity", case(3_800, 0, 0), None, &[]),
        ("once within 5 %", case(3_000, 950, 2_000), Some(Unclear), &[Unknown, Retry]),
        ("once 6 % below", case(3_000, 760, 2_000), Some(Retry), &[]),
        ("four requests", case(6_000, 0, 0).requests(4), Some(Unclear), &[Known]),
        ("five requests", case(6_000, 0, 0).requests(5), Some(Known), &[]),
    ]);
}

#[test]
fn the_same_requests_again() {
    check(&[
        ("known callers again", case(2_000, 1_000, 2_000), Some(Retry), &[]),
        ("many times again", case(2_000, 1_000, 30_000), Some(Retry), &[]),
        ("strangers again", case(0, 3_000, 9_000), Some(Retry), &[Unknown]),
        ("known demand, and again", case(5_000, 0, 5_000), Some(Known), &[Retry]),
        ("a flood, and again", case(3_000, 9_000, 9_000), Some(Unknown), &[Retry]),
        ("a few repeats change nothing", case(6_000, 0, 100), Some(Known), &[]),
    ]);
}

#[test]
fn servers_that_are_slow() {
    let calm = case(2_000, 500, 0).usual(2_000, 500, 2_500);
    let few_known = case(800, 2_000, 0).usual(800, 2_000, 4_000).capacity(1_000).tpot(400);
    check(&[
        ("half as fast", calm.capacity(1_000).tpot(300), Some(Slow), &[]),
        ("a tenth as fast", calm.capacity(250).ttft(800).tpot(1_000), Some(Slow), &[]),
        ("less at the same demand, nothing else", calm.capacity(1_000), Some(Slow), &[]),
        ("strangers as always", few_known, Some(Slow), &[]),
        (
            "fell to 70 %",
            calm.usual(2_000, 500, 3_000).capacity(2_100).tpot(300),
            Some(Unclear),
            &[Unknown, Slow],
        ),
        (
            "fell below 70 %",
            calm.usual(2_000, 500, 3_000).capacity(2_099).tpot(300),
            Some(Slow),
            &[],
        ),
        ("latency alone, five times", case(2_000, 0, 0).tpot(500), Some(Slow), &[]),
        ("latency alone, less", case(2_000, 0, 0).tpot(499), None, &[]),
        ("first tokens alone", case(2_000, 0, 0).ttft(500), Some(Slow), &[]),
        ("calls fail", case(2_000, 0, 0).faults(5), Some(Slow), &[]),
        ("too few calls fail", case(2_000, 0, 0).faults(3), None, &[]),
        ("a fifth of the calls", case(2_000, 0, 0).faults(4), None, &[]),
        (
            "seen before in this incident",
            case(2_400, 300, 0).usual(2_000, 200, 4_000).capacity(1_500).was_slow(),
            Some(Slow),
            &[],
        ),
        (
            "observed: latency mirrors the load",
            case(6_000, 0, 0).tpot(900).observed(),
            Some(Known),
            &[],
        ),
    ]);
}

#[test]
fn servers_that_do_as_much_as_ever_are_not_slow() {
    let late = case(2_000, 0, 0).ttft(2_000);
    let flooded = case(3_100, 6_000, 0).ttft(2_000);
    check(&[
        ("first tokens are late", late, Some(Slow), &[]),
        ("and all places are in use", late.does_as_usual(), None, &[]),
        ("in a flood", flooded, Some(Unknown), &[Slow]),
        ("in a flood, and as usual", flooded.does_as_usual(), Some(Unknown), &[]),
        ("calls fail all the same", late.faults(9).does_as_usual(), Some(Slow), &[]),
    ]);
}

#[test]
fn a_pool_that_was_never_full_may_have_lost_what_was_never_asked_of_it() {
    let busy = |known| case(known, 0, 0).usual(3_000, 0, 3_000).capacity(2_900);
    check(&[
        ("it was full", busy(5_000), Some(Known), &[]),
        ("it never was", busy(5_000).never_full(), Some(Unclear), &[Known, Slow]),
        ("twice as much", busy(6_000).never_full(), Some(Known), &[]),
        ("hardly less", busy(5_998).never_full(), Some(Unclear), &[Known, Slow]),
        ("nothing is usual", case(5_000, 0, 0).never_full(), Some(Known), &[]),
        (
            "late first tokens too",
            busy(6_000).ttft(600).never_full(),
            Some(Unclear),
            &[Slow, Known],
        ),
    ]);
}

#[test]
fn nothing_is_known_of_the_capacity() {
    let none = case(2_000, 500, 0).capacity_unknown();
    check(&[
        ("nothing at all", none, Some(Unclear), &[]),
        ("a flood", case(0, 90_000, 0).capacity_unknown(), Some(Unclear), &[]),
        ("it hangs", none.usual(2_000, 500, 2_500).nothing_ended(), Some(Slow), &[]),
        (
            "it hangs under a flood",
            case(0, 90_000, 0).capacity_unknown().usual(0, 500, 2_500).nothing_ended(),
            Some(Unclear),
            &[Slow],
        ),
        ("it hangs and never was seen to work", none.nothing_ended(), Some(Unclear), &[]),
        ("it is slow and nothing is usual", none.tpot(900), Some(Unclear), &[Slow]),
    ]);
}

#[test]
fn two_causes_at_once() {
    let slower = case(800, 200, 0).usual(800, 200, 4_000).capacity(1_000).tpot(400);
    let retried = case(2_000, 500, 0).usual(2_000, 500, 4_000).capacity(2_700).tpot(300);
    check(&[
        (
            "slow, and strangers came, alike",
            Case { unknown: 2_000, ..slower },
            Some(Unclear),
            &[Slow, Unknown],
        ),
        ("slow, and few strangers came", Case { unknown: 1_000, ..slower }, Some(Slow), &[]),
        ("slow, and a flood", Case { unknown: 50_000, ..slower }, Some(Unknown), &[Slow]),
        (
            "slow, and the repeats alike",
            Case { repeated: 1_400, ..retried },
            Some(Unclear),
            &[Retry, Slow],
        ),
        ("slow, and few repeats", Case { repeated: 500, ..retried }, Some(Slow), &[]),
        ("slow, and many repeats", Case { repeated: 10_000, ..retried }, Some(Retry), &[Slow]),
        (
            "slow, and known demand past the usual",
            case(8_000, 0, 0).usual(2_000, 0, 4_000).capacity(2_000).tpot(500),
            Some(Known),
            &[Slow],
        ),
        (
            "slow, and known demand, nothing is usual",
            case(6_000, 0, 0).tpot(600),
            Some(Unclear),
            &[Slow, Known],
        ),
        (
            "slow and strangers, only together",
            case(3_000, 5_000, 0).usual(3_000, 500, 4_000).capacity(2_000).tpot(400),
            Some(Unclear),
            &[Slow, Unknown],
        ),
        (
            "known grew, strangers as always",
            case(2_500, 3_000, 0).usual(500, 3_000, 4_000),
            Some(Known),
            &[Unknown],
        ),
        (
            "strangers grew, known as always",
            case(2_500, 3_000, 0).usual(2_500, 500, 4_000),
            Some(Unknown),
            &[],
        ),
        (
            "both grew alike",
            case(2_500, 3_000, 0).usual(500, 1_000, 4_000),
            Some(Unclear),
            &[Unknown, Known],
        ),
        (
            "nothing grew",
            case(3_000, 500, 0).usual(3_000, 500, 3_500).capacity(3_200),
            Some(Unclear),
            &[Unknown, Slow],
        ),
        (
            "nothing grew, known alone too much",
            case(3_000, 500, 0).usual(3_000, 500, 3_500).capacity(2_700),
            Some(Unclear),
            &[Slow, Known],
        ),
    ]);
}
