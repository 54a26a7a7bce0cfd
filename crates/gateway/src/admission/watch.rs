//! Once a second: does the learnt capacity move, and what is going on?

use std::sync::Arc;
use std::time::Duration;

use surgewall_core::config::admission::AdmissionMode;
use surgewall_core::decision::Record;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{CapacityChanged, IncidentEvent};
use surgewall_core::principal::Class;
use surgewall_shield::admission::capacity::Change;
use surgewall_shield::verdict::{Judge, Tick};

use super::gauges;
use super::lag::Lag;
use crate::door::Door;
use crate::sync::lock;
use crate::ticks::every;

/// Between two ticks of the controllers and of the verdict.
const TICK: Duration = Duration::from_secs(1);

/// Runs the controllers and the judge, for as long as the door runs.
pub async fn watch(door: Arc<Door>) {
    door.tasks.background(gauges::watch(door.clone()));
    let lag = Arc::new(Lag::default());
    let measured = lag.clone();
    door.tasks.background(async move { measured.measure().await });
    let mut judge = Judge::new();
    let mut last = door.clock.monotonic();
    let mut ticks = every(TICK);
    loop {
        ticks.tick().await;
        let now = door.clock.monotonic();
        tick(&door, &mut judge, now.saturating_duration_since(last), lag.take());
        last = now;
    }
}

fn tick(door: &Door, judge: &mut Judge, elapsed: Duration, lag: Duration) {
    let (mut pools, mut pressed) = (Vec::new(), false);
    for (pool, gate) in door.gates() {
        if let Some(change) = gate.tick(lag) {
            moved(door, &pool, &change);
        }
        let (counts, view) = (gate.take_counts(), gate.view());
        door.metrics.admission.pool(&pool, &counts, &view);
        let strangers = counts.classes[Class::Anonymous as usize];
        pressed |= strangers.queued + strangers.refused > 0;
        pools.push(view.tick(&pool, &counts));
    }
    door.efforts.tick(pressed);
    let observe = door.policy().config.admission.mode == AdmissionMode::Observe;
    let tick = Tick { at: door.clock.now(), elapsed, observe, pools };
    let (judged, event) = judge.tick(&tick, || PublicId::random("inc"));
    door.metrics.admission.judged(&judged, observe);
    lock(&door.recent).tick(tick, judged);
    if let Some(event) = event {
        tell(&event);
        door.status.incident(&event);
        door.touched.incident(&event);
        if let Some(notify) = door.notify.get() {
            notify.incident(door, &event);
        }
        door.ledger.append_detached(Record::Incident(Box::new(event)));
    }
}

/// Every move of a controller is one line in the log and one in the ledger.
fn moved(door: &Door, pool: &str, change: &Change) {
    let (from, to, why) = (change.from.sequences, change.to.sequences, change.why.to_string());
    tracing::info!(pool, from, to, tokens = change.to.tokens, why, "capacity");
    let (at, pool, tokens) = (door.clock.now(), pool.to_owned(), change.to.tokens);
    let changed = CapacityChanged { at, pool, from, to, tokens, why };
    lock(&door.recent).move_of(changed.clone());
    door.ledger.append_detached(Record::Capacity(changed));
}

fn tell(event: &IncidentEvent) {
    let IncidentEvent { id, verdict, pool, .. } = event;
    tracing::warn!(%id, %verdict, pool, step = ?event.step, "incident");
}
