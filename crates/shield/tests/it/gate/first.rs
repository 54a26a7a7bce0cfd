//! How soon the established have their first token in a flood.

use std::time::Duration;

use surgewall_core::principal::Class;

use super::sim::{Sim, flooded};

/// Without load 500 ms, and four times what a place takes to come free (170 ms),
/// with room for the size of these samples.
const P99_MAX: Duration = Duration::from_millis(1_500);
/// Crowds whose established ask for no more than their share.
const SEEDS: [u64; 8] = [0, 2, 3, 4, 6, 7, 8, 10];

#[test]
fn in_a_flood_the_established_hardly_wait() {
    for multiple in [10.0, 20.0] {
        // Of one crowd alone the p99 is its second worst request: they are taken together.
        let mut took: Vec<_> = SEEDS.iter().flat_map(|seed| established(*seed, multiple)).collect();
        took.sort_unstable();
        let p99 = took[took.len() * 99 / 100];
        assert!(p99 <= P99_MAX, "{multiple} times: {p99:?} of {}", took.len());
    }
}

/// How soon each request of the established had its first token.
fn established(seed: u64, multiple: f64) -> Vec<Duration> {
    let mut sim = Sim::new(seed, flooded(multiple, 20..80, 0.83));
    sim.run(100);
    let own = sim.first_tokens.iter().filter(|(class, _)| *class == Class::Established);
    own.map(|(_, took)| *took).collect()
}
