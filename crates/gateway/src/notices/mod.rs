//! Notices to the accounts that an incident touched: whose requests were refused,
//! broke off or waited for long. What happened is counted as it happens; the store
//! gets it when the incident ends, or lasts for long.

mod touched;
mod words;

use std::sync::Arc;
use std::time::Duration;

use surgewall_store::notices::{Notice, Notices as _};

pub use self::touched::{
    ACCOUNTS_TOUCHED_MAX, DELAYED_FROM, Kind, LEAD_MAX, TOLD_AFTER, TOLD_EVERY, Touched,
};
pub(crate) use self::words::words;
use crate::door::Door;
use crate::ticks::every;

/// Between two looks at what has to be written.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// At the start: what a former door left open is over as far as anybody knows.
pub(crate) async fn begin(door: &Door) {
    if let Err(error) = door.people.end_notices(door.clock.now()).await {
        tracing::warn!(%error, "notices of a former door could not be ended");
    }
}

/// Writes notices when they are due, for as long as the door runs.
pub(crate) async fn watch(door: Arc<Door>) {
    let mut ticks = every(LOOK_INTERVAL);
    loop {
        ticks.tick().await;
        let due = door.touched.due(door.clock.now());
        write(&door, due).await;
    }
}

/// The door stops: what an open incident did so far is written.
pub(crate) async fn flush(door: &Door) {
    write(door, door.touched.rest()).await;
}

async fn write(door: &Door, notices: Vec<Notice>) {
    if notices.is_empty() {
        return;
    }
    let accounts = notices.len();
    match door.people.put_notices(&notices).await {
        Ok(()) => tracing::info!(accounts, "accounts are told what an incident did"),
        Err(error) => tracing::warn!(accounts, %error, "accounts could not be told of an incident"),
    }
}
