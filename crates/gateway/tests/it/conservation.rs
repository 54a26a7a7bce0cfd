//! Invariant 1: tokens are conserved, whatever the upstream, the client and
//! the network do. `SURGEWALL_SCHEDULES` raises the number of random runs.

use std::time::Duration;

use surgewall_core::quota::Amounts;
use surgewall_testkit::schedule::steps;
use surgewall_testkit::{Behaviour, Double};

use crate::harness::{TestDoor, upstream};

/// Runs in the ordinary test; a script asks for 1,000.
const SCHEDULES: u64 = 100;
/// Requests of one run, all at once.
const STEPS: usize = 12;
/// The first seed; runs count up from it.
const SEED: u64 = 20_250_127;

#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn schedules() -> u64 {
    std::env::var("SURGEWALL_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(SCHEDULES)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_token_is_reserved_settled_or_refunded_under_random_faults() {
    let double = Double::start(Behaviour::default());
    let more =
        "models=[\"double\"]\nfirst_token_timeout_s=2\nidle_gap_timeout_s=1\ntotal_timeout_s=4";
    let door = TestDoor::start(&upstream("local", &double.url(), more)).await;
    let client = door.client().await;
    let mut served = 0;
    for seed in SEED..SEED + schedules() {
        let steps = steps(seed, STEPS);
        let runs = steps.iter().map(|step| async {
            tokio::time::sleep(Duration::from_millis(step.after_ms)).await;
            step.run(&client, "double").await
        });
        let outcomes = futures_util::future::join_all(runs).await;
        served += outcomes
            .iter()
            .filter(|outcome| outcome.is_whole && outcome.status == Some(200))
            .count();
    }
    door.settled().await;
    assert!(
        double.idle(Duration::from_secs(5)).await,
        "calls to the upstream outlived their clients"
    );
    assert!(served > 0, "something was served");
    let seen: Vec<String> =
        double.requests().iter().filter_map(|seen| seen.request_id.clone()).collect();
    let story = door.stop().await;
    story.check_conservation();
    for id in seen {
        let known = story.admitted.iter().any(|admitted| admitted.request_id.to_string() == id);
        assert!(known, "the upstream saw {id}, which the ledger does not know");
    }
    assert!(
        story.settled.iter().any(|settled| settled.topped_up != Amounts::default()),
        "some runs go past their bound"
    );
}
