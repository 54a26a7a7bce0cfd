//! What goes wrong, and what is said of it: the judge behind the gate, before the
//! simulated engine. In each case the verdict is right or `unclear`, the counters
//! conserve and nobody starves.

use std::ops::Range;
use std::time::Duration;

use surgewall_core::principal::Class;
use surgewall_shield::admission::fair::Shares;
use surgewall_shield::admission::gate::Terms;
use surgewall_shield::verdict::Step;
use surgewall_shield::verdict::Verdict::{
    self, KnownDemand as Known, Normal, Unclear, UnknownDemand as Unknown, UpstreamSlow as Slow,
};
use surgewall_testkit::traffic::{Class as Kind, Patience, Phase, Population, Scatter};

use super::sim::{Honesty, Sim, flooded, terms};

/// When it goes wrong, of a run of so many seconds.
const THEN_S: u64 = 90;
const RUN_S: u64 = 200;
const SEEDS: Range<u64> = 1..4;
/// Nobody's class waits longer than this for anybody's turn, even where a server is
/// ten times slower, so that one answer takes over a minute.
const STALLED_S_MAX: u64 = 75;

struct Case {
    name: &'static str,
    /// What is asked for, in capacities: 0.6 by those who are known, the rest by strangers.
    multiple: f64,
    /// And who else comes.
    also: Option<fn() -> Population>,
    then: fn(&mut Sim),
    /// What may be said from then on, beside `normal`, and what must be said once.
    may: &'static [Verdict],
    must: Option<Verdict>,
}

const NOTHING: Case =
    Case { name: "", multiple: 0.6, also: None, then: |_| {}, may: &[], must: None };

const CASES: &[Case] = &[
    Case { name: "nothing", ..NOTHING },
    Case { name: "a flood", multiple: 10.0, may: &[Unknown], must: Some(Unknown), ..NOTHING },
    Case {
        name: "the upstream slows tenfold",
        then: |sim| sim.engine.set_slowdown(10.0),
        may: &[Slow, Unclear],
        must: Some(Slow),
        ..NOTHING
    },
    Case {
        name: "it slows tenfold in a flood",
        multiple: 10.0,
        then: |sim| sim.engine.set_slowdown(10.0),
        may: &[Unknown, Slow, Unclear],
        ..NOTHING
    },
    Case {
        name: "it halves its capacity",
        then: |sim| sim.engine.set_seqs_max(20),
        may: &[Slow, Unclear],
        ..NOTHING
    },
    Case {
        name: "it has a tenth of its places left",
        then: |sim| sim.engine.set_seqs_max(4),
        may: &[Slow, Unclear],
        must: Some(Slow),
        ..NOTHING
    },
    Case {
        name: "it halves its capacity in a flood",
        multiple: 10.0,
        then: |sim| sim.engine.set_seqs_max(20),
        may: &[Unknown, Slow, Unclear],
        ..NOTHING
    },
    Case {
        name: "it says that nobody waits",
        multiple: 10.0,
        then: |sim| sim.honesty = Honesty::Waiting(0),
        may: &[Unknown],
        must: Some(Unknown),
        ..NOTHING
    },
    Case {
        name: "it says that a thousand wait",
        then: |sim| sim.honesty = Honesty::Waiting(1_000),
        may: &[Slow, Unclear],
        ..NOTHING
    },
    Case {
        name: "it says that a thousand wait in a flood",
        multiple: 10.0,
        then: |sim| sim.honesty = Honesty::Waiting(1_000),
        may: &[Unknown, Slow, Unclear],
        ..NOTHING
    },
    Case { name: "it restarts", then: Sim::restart, may: &[Slow, Unclear], ..NOTHING },
    Case {
        name: "it restarts in a flood",
        multiple: 10.0,
        then: Sim::restart,
        may: &[Unknown, Unclear],
        ..NOTHING
    },
    Case {
        name: "the clock jumps back in a flood",
        multiple: 10.0,
        then: |sim| sim.clock_at = Some(5),
        may: &[Unknown],
        must: Some(Unknown),
        ..NOTHING
    },
    Case {
        name: "a stranger opens ten thousand connections",
        also: Some(|| one_of_many(Kind::Anonymous)),
        may: &[Unknown, Unclear],
        must: Some(Unknown),
        ..NOTHING
    },
    Case {
        name: "a verified caller opens ten thousand connections",
        also: Some(|| one_of_many(Kind::Verified)),
        may: &[Known, Unclear],
        must: Some(Known),
        ..NOTHING
    },
    Case {
        name: "shares change in a flood",
        multiple: 10.0,
        then: |sim| {
            let shares = Shares::new([250, 250, 50, 450]);
            sim.gate.set_terms(Terms { shares, ..terms() });
        },
        may: &[Unknown],
        must: Some(Unknown),
        ..NOTHING
    },
];

/// A principal that sends ten thousand requests within ten seconds, and waits for all.
fn one_of_many(class: Kind) -> Population {
    let phases = [(0, 0.0), (THEN_S, 1_000.0), (THEN_S + 10, 0.0)];
    let mut one = flooded(0.6, 0..1, 1.0).swap_remove(0);
    (one.name, one.class, one.principals, one.networks) = ("one", class, 1, 1);
    (one.scatter, one.patience) = (Scatter::POISSON, Patience::ENDLESS);
    one.phases = phases
        .map(|(from, requests_per_s)| Phase { from: Duration::from_secs(from), requests_per_s })
        .to_vec();
    one
}

fn play(case: &Case, seed: u64) -> Sim {
    let mut populations = flooded(case.multiple, 60..RUN_S, 1.0);
    populations.extend(case.also.map(|also| also()));
    let mut sim = Sim::new(seed, populations);
    sim.run(THEN_S);
    (case.then)(&mut sim);
    sim.run(RUN_S - THEN_S);
    sim
}

/// Everybody who came went on, was refused, left or waits; and no class stood still.
#[track_caller]
fn check_counts(name: &str, sim: &Sim) {
    let waiting = sim.gate.view().waiting;
    for (class, (total, waiting)) in Class::ALL.into_iter().zip(sim.totals.iter().zip(waiting)) {
        let known = total.admitted.requests + total.refused + total.left + waiting.requests;
        assert_eq!(total.offered.requests, known, "{name}: {class}: {total:?}");
        let stalled_s = sim.stalled_s[class as usize];
        assert!(stalled_s <= STALLED_S_MAX, "{name}: {class} stood still for {stalled_s} s");
    }
}

#[test]
fn whatever_goes_wrong_the_verdict_is_right_or_unclear() {
    for case in CASES {
        let mut said = Vec::new();
        for seed in SEEDS {
            let sim = play(case, seed);
            let name = format!("{}, seed {seed}", case.name);
            check_counts(&name, &sim);
            for (second, judged) in sim.said.iter().enumerate() {
                let allowed = judged.verdict == Normal || case.may.contains(&judged.verdict);
                assert!(allowed, "{name}: second {second}: {judged:#?}");
                said.push(judged.verdict);
            }
        }
        if let Some(verdict) = case.must {
            assert!(said.contains(&verdict), "{}: never {verdict}", case.name);
        }
    }
}

#[test]
fn what_is_left_of_a_flood_is_not_blamed_on_the_upstream() {
    for (calm_s, flood_s) in [(20, 30), (30, 60), (60, 60), (90, 30)] {
        for multiple in [3.0, 10.0, 20.0] {
            for seed in SEEDS.take(2) {
                let end = calm_s + flood_s;
                let mut sim = Sim::new(seed, flooded(multiple, calm_s..end, 0.5));
                sim.run(end + 60);
                let name = format!("{multiple} from {calm_s} to {end}, seed {seed}");
                for (second, judged) in sim.said.iter().enumerate() {
                    let allowed = [Normal, Unknown, Unclear].contains(&judged.verdict);
                    assert!(allowed, "{name}: second {second}: {judged:#?}");
                }
                let opened = sim.events.first().map(|event| (&event.step, event.verdict));
                assert!(matches!(opened, Some((Step::Opened, Unknown))), "{name}: {opened:?}");
            }
        }
    }
}
