//! The predicted wait against the waits that came, before the simulated engine.

use surgewall_core::principal::Class;
use surgewall_shield::admission::work::Work;
use surgewall_testkit::engine::Settings;

use super::sim::{Mix, Sim};

/// More requests than the engine's 5.9 per second, for as long as `seconds`.
fn flood(seconds: u64, demand: f64, patience_s: Option<f64>) -> Sim {
    let mut sim = Sim::new(Settings::default(), Mix::CHAT);
    sim.demand = Some(demand);
    sim.patience_s = patience_s;
    sim.run(seconds);
    sim
}

#[track_caller]
fn check(name: &str, sim: &Sim) {
    let held = sim.predictor.held_share();
    assert!(held.is_some_and(|held| held >= 0.8), "{name}: {held:?}");
}

#[test]
fn the_stated_range_holds_for_four_of_five() {
    let patient = flood(200, 12.0, None);
    check("a growing queue", &patient);
    // A range that always holds because it says nothing would be no range.
    let eta = patient.predictor.predict(Class::Verified, 900, Work(1_400), 1.0, 40..=40);
    assert!(eta.low < eta.eta && eta.eta < eta.high && eta.high < eta.low * 3, "{eta:?}");
    check("impatient clients", &flood(200, 20.0, Some(15.0)));
    let mut sim = flood(100, 12.0, Some(30.0));
    sim.engine.set_seqs_max(20);
    sim.run(200);
    check("half of the capacity is lost", &sim);
    let mut sim = flood(100, 12.0, Some(30.0));
    sim.engine.set_slowdown(3.0);
    sim.run(300);
    check("three times slower", &sim);
    let mut sim = flood(60, 2.0, None);
    for _ in 0..10 {
        sim.burst(60);
        sim.run(40);
    }
    check("bursts", &sim);
}
