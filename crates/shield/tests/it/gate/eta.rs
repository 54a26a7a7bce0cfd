//! Whether the ranges hold that waiting clients are told: in each of these
//! scenarios, for each class of which enough clients waited, and from the first
//! seconds of a flood to its end.

use std::ops::Range;
use std::time::Duration;

use surgewall_core::principal::Class;
use surgewall_shield::admission::fair::Shares;
use surgewall_shield::admission::gate::Terms;
use surgewall_testkit::traffic::{Patience, Phase, Population};

use super::sim::{Sim, Told, Waited, flooded, terms};

/// Seconds of the flood, of a run of [`RUN_S`].
const FLOOD_S: Range<u64> = 30..130;
const RUN_S: u64 = 160;
/// When what is special about a scenario happens.
const THEN_S: u64 = 80;
/// Seconds in which nothing is known yet of how wrong the predictions are.
const ONSET_S: Range<u64> = 30..45;
const SEEDS: Range<u64> = 1..5;
/// Fewer waits than this say nothing.
const WAITS_MIN: usize = 30;
/// What is promised, in percent.
const HELD_MIN: usize = 80;
/// The same of one run alone, which may be an odd one.
const HELD_RUN_MIN: usize = 70;
/// A median range is as wide as so many median waits, and so many seconds.
const WIDTHS_MAX: f64 = 2.5;
const WIDTH_S: f64 = 3.0;

/// A flood of strangers, in capacities.
fn strangers(multiple: f64) -> Vec<Population> {
    flooded(multiple, FLOOD_S, 1.0)
}

/// The same, where the population called `name` asks for `factor` times as much from [`THEN_S`] on.
fn and_then(multiple: f64, name: &str, factor: f64) -> Vec<Population> {
    let mut populations = strangers(multiple);
    for one in populations.iter_mut().filter(|one| one.name == name) {
        let rate = one.phases[0].requests_per_s;
        let phases = [(0, 1.0), (THEN_S, factor), (FLOOD_S.end, 1.0)];
        one.phases = phases
            .map(|(from, factor)| Phase {
                from: Duration::from_secs(from),
                requests_per_s: rate * factor,
            })
            .to_vec();
    }
    populations
}

/// Half a minute of flood in every minute.
fn waves() -> Vec<Population> {
    let mut populations = strangers(10.0);
    for one in populations.iter_mut().filter(|one| ["anonymous", "young"].contains(&one.name)) {
        let rate = one.phases[1].requests_per_s;
        let phase = |half: u64| Phase {
            from: Duration::from_secs(30 * half),
            requests_per_s: if half % 2 == 1 { rate } else { 0.0 },
        };
        one.phases = (0..6).map(phase).collect();
    }
    populations
}

fn patient() -> Vec<Population> {
    let mut populations = strangers(3.0);
    for one in &mut populations {
        one.patience = Patience::ENDLESS;
    }
    populations
}

struct Scenario {
    name: &'static str,
    crowd: fn() -> Vec<Population>,
    then: fn(&mut Sim),
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "a little too much", crowd: || strangers(1.3), then: |_| {} },
    Scenario { name: "three times too much", crowd: || strangers(3.0), then: |_| {} },
    Scenario { name: "ten times", crowd: || strangers(10.0), then: |_| {} },
    Scenario { name: "twenty times", crowd: || strangers(20.0), then: |_| {} },
    Scenario { name: "nobody leaves", crowd: patient, then: |_| {} },
    Scenario { name: "waves", crowd: waves, then: |_| {} },
    Scenario {
        name: "verified callers come too",
        crowd: || and_then(10.0, "verified", 4.0),
        then: |_| {},
    },
    Scenario {
        name: "and established ones",
        crowd: || and_then(10.0, "established", 3.0),
        then: |_| {},
    },
    Scenario {
        name: "half of the places are lost",
        crowd: || strangers(10.0),
        then: |sim| sim.engine.set_seqs_max(20),
    },
    Scenario {
        name: "half as fast",
        crowd: || strangers(10.0),
        then: |sim| sim.engine.set_slowdown(2.0),
    },
    Scenario { name: "a restart", crowd: || strangers(10.0), then: Sim::restart },
    Scenario {
        name: "other shares",
        crowd: || strangers(10.0),
        then: |sim| {
            let shares = Shares::new([450, 250, 50, 250]);
            sim.gate.set_terms(Terms { shares, ..terms() });
        },
    },
];

/// What became of the first range that a client was told.
struct First {
    at: Duration,
    class: Class,
    /// The time to go, as it was.
    rest_s: f64,
    /// From the earliest to the latest time that were told.
    width_s: f64,
    holds: bool,
}

impl First {
    fn of(waited: &Waited) -> Option<Self> {
        Self::of_told(waited, waited.told.first()?)
    }

    /// Of a client that had its turn.
    fn of_told(waited: &Waited, told: &Told) -> Option<Self> {
        let rest_s = waited.turn?.saturating_sub(told.at).as_secs_f64();
        // In whole seconds, as it is told.
        let low = told.eta.low.as_secs_f64().floor();
        let high = told.eta.high.as_secs_f64().ceil().max(1.0);
        let holds = (low..=high).contains(&rest_s);
        Some(Self { at: told.at, class: waited.class, rest_s, width_s: high - low, holds })
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn percent_held<'a>(firsts: impl Iterator<Item = &'a First>) -> usize {
    let firsts: Vec<_> = firsts.collect();
    100 * firsts.iter().filter(|first| first.holds).count() / firsts.len().max(1)
}

/// Those of `part` that are of `class`, if they are enough to say something.
fn enough<'a>(
    firsts: &'a [First],
    class: Class,
    part: &Range<u64>,
) -> Option<(String, Vec<&'a First>)> {
    let part = Duration::from_secs(part.start)..Duration::from_secs(part.end);
    let of = firsts.iter().filter(|one| one.class == class && part.contains(&one.at));
    let of: Vec<_> = of.collect();
    (of.len() >= WAITS_MIN).then(|| (format!("{class} in {part:?}"), of))
}

#[test]
fn the_first_range_that_is_told_holds_for_four_of_five_in_each_class() {
    for Scenario { name, crowd, then } in SCENARIOS {
        let mut firsts = Vec::new();
        for seed in SEEDS {
            let mut sim = Sim::new(seed, crowd());
            sim.run(THEN_S);
            then(&mut sim);
            sim.run(RUN_S - THEN_S);
            let run: Vec<_> = sim.waited.iter().filter_map(First::of).collect();
            assert!(percent_held(run.iter()) >= HELD_RUN_MIN, "{name}, seed {seed}");
            firsts.extend(run);
        }
        for class in Class::ALL {
            for part in [0..RUN_S, ONSET_S] {
                let Some((what, of)) = enough(&firsts, class, &part) else { continue };
                let held = percent_held(of.iter().copied());
                assert!(held >= HELD_MIN, "{name}: {what}: {held} % of {}", of.len());
            }
            // A range that always holds because it says nothing would be no range.
            let Some((what, of)) = enough(&firsts, class, &(0..RUN_S)) else { continue };
            let width_s = median(of.iter().map(|one| one.width_s));
            let wait_s = median(of.iter().map(|one| one.rest_s));
            assert!(
                width_s <= WIDTHS_MAX * wait_s + WIDTH_S,
                "{name}: {what}: a width of {width_s} s for a wait of {wait_s} s"
            );
        }
    }
}

#[test]
fn the_range_that_is_told_again_holds_as_well() {
    let mut sim = Sim::new(1, strangers(10.0));
    sim.run(RUN_S);
    let told = sim
        .waited
        .iter()
        .flat_map(|one| one.told.iter().filter_map(|told| First::of_told(one, told)));
    let told: Vec<_> = told.collect();
    let held = percent_held(told.iter());
    assert!(told.len() > 1_000 && held >= HELD_MIN, "{held} % of {}", told.len());
    // What the door says of itself is what its clients saw.
    let said = sim.gate.view().eta_held;
    assert!(said.is_some_and(|said| (0.8..1.0).contains(&said)), "{said:?}");
}
