//! Once a second: what presses on the door, and does it move the gate?

use std::sync::Arc;
use std::time::Duration;

use surgewall_core::config::gate::Gate as Section;
use surgewall_core::gate::{GateStep, MovedBy};
use surgewall_shield::gate::{Cause, Ladder, Move, Reading, Terms, work_units};
use surgewall_store::admin::AdminError;
use surgewall_store::gate::Moved;

use super::work::UNITS_MAX;
use crate::door::Door;
use crate::sync::lock;
use crate::ticks::every;

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);

/// Watches, for as long as the door runs.
pub(crate) async fn watch(door: Arc<Door>) {
    let mut ladder = as_stored(&door);
    let mut ticks = every(TICK);
    loop {
        ticks.tick().await;
        tick(&door, &mut ladder).await;
    }
}

/// Holds the gate to where the configuration starts it.
///
/// # Errors
/// The ledger cannot record it, or the store failed.
pub async fn configured(door: &Door) -> Result<(), AdminError> {
    let policy = door.policy();
    let (gate, listen) = (&policy.config.gate, &policy.config.listen);
    let (start, reason) = (gate.start_on(listen), gate.start_reason());
    door.gate.desk.configured(&door.ledger, start, reason, door.clock.now()).await
}

async fn tick(door: &Door, ladder: &mut Ladder) {
    let (gate, policy) = (&door.gate, door.policy());
    let terms = terms(&policy.config.gate);
    let reading = reading(door);
    gate.works.tick(door.clock.now(), work_units(&reading, &terms, UNITS_MAX));
    let stored = as_stored(door);
    if (stored.base(), stored.step()) != (ladder.base(), ladder.step()) {
        // A hand or the configuration moved it: heat and calm count from now on.
        *ladder = stored;
    }
    if let Some(moved) = ladder.tick(door.clock.monotonic(), &reading, &terms)
        && !carry_out(door, moved).await
    {
        *ladder = as_stored(door);
    }
    door.metrics.gate.stands(super::view(door).step, gate.waiting());
}

/// Whether the move holds.
async fn carry_out(door: &Door, moved: Move) -> bool {
    let Move { from, to, cause } = moved;
    let reason = words(cause, to <= door.gate.desk.base());
    let asked = Moved { to, by: MovedBy::Pressure, reason };
    match door.gate.desk.move_from(&door.ledger, from, asked, door.clock.now()).await {
        Ok(Some(view)) => {
            tracing::warn!(%from, %to, reason = view.reason, "the gate moved");
            true
        }
        Ok(None) => false,
        Err(error) => {
            tracing::error!(%error, %from, %to, "the gate could not be moved");
            false
        }
    }
}

fn as_stored(door: &Door) -> Ladder {
    Ladder::resumed(door.gate.desk.base(), super::view(door).step)
}

fn reading(door: &Door) -> Reading {
    let hashing = door.gate.hashing.get();
    Reading {
        sign_ups_per_min: lock(&door.gate.offered).per_min(door.clock.now()),
        hashing_waiting: hashing.map_or(0, |waiting| waiting()),
        incident: lock(&door.recent).judged().incident.is_some(),
    }
}

fn terms(section: &Section) -> Terms {
    let nowhere = section.regions.is_empty() && section.phone_prefixes.is_empty();
    // Without a chosen region that step would let in nobody.
    let most = if nowhere && section.max_step == GateStep::Region {
        GateStep::Invite
    } else {
        section.max_step
    };
    Terms {
        max_step: most,
        sign_ups_per_min: section.sign_ups_per_min,
        hashing_waiting: section.hashing_waiting,
        admission: section.incidents,
        up_after: Duration::from_secs(section.up_after_s.into()),
        down_after: Duration::from_secs(section.down_after_s.into()),
    }
}

/// Why the gate moved, in words for everybody.
fn words(cause: Cause, is_back: bool) -> String {
    match cause {
        Cause::SignUps(count) => format!(
            "Very many people want an account: {count} within a minute. People who have one are served first."
        ),
        Cause::Hashing(_) => {
            "Very many people sign in or up at once. People who have an account go first."
                .to_owned()
        }
        Cause::Incident => {
            "The service has more to do than it can. People who have an account are served first."
                .to_owned()
        }
        Cause::Calm if is_back => "It is calm again.".to_owned(),
        Cause::Calm => "It is calmer than it was, and less is asked for.".to_owned(),
    }
}
