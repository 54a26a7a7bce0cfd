//! Once a second: does the learnt capacity move, and what is going on?

use std::sync::Arc;
use std::time::Duration;

use surgewall_core::decision::Record;
use surgewall_core::incident::CapacityChanged;
use surgewall_shield::admission::capacity::Change;
use tokio::time::{MissedTickBehavior, interval};

use super::gauges;
use crate::door::Door;

/// Between two ticks of the controllers and of the verdict.
const TICK: Duration = Duration::from_secs(1);

/// Runs the controllers, for as long as the door runs.
pub async fn watch(door: Arc<Door>) {
    door.tasks.background(gauges::watch(door.clone()));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (pool, gate) in door.gates() {
            if let Some(change) = gate.tick() {
                moved(&door, &pool, &change);
            }
        }
    }
}

/// Every move of a controller is one line in the log and one in the ledger.
fn moved(door: &Door, pool: &str, change: &Change) {
    let (from, to, why) = (change.from.sequences, change.to.sequences, change.why.to_string());
    tracing::info!(pool, from, to, tokens = change.to.tokens, why, "capacity");
    let (at, pool, tokens) = (door.clock.now(), pool.to_owned(), change.to.tokens);
    let changed = CapacityChanged { at, pool, from, to, tokens, why };
    door.ledger.append_detached(Record::Capacity(changed));
}
