//! Reads the model servers' own gauges, where they have any.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use surgewall_core::config::schema::{self, Dialect};
use surgewall_shield::admission::capacity::Gauges;
use surgewall_wire::gauges::{METRICS_BYTES_MAX, Reading, read};

use crate::door::Door;
use crate::ticks::every;
use crate::upstream::{Pool, Server, fetch};

/// Between two readings.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// Between two attempts on a server that has no gauges.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// The longest wait for a reading.
const READ_TIMEOUT: Duration = Duration::from_millis(900);

/// Reads every pool's gauges, for as long as the door runs.
pub(super) async fn watch(door: Arc<Door>) {
    let mut ticks = every(READ_INTERVAL);
    loop {
        ticks.tick().await;
        let policy = door.policy();
        let now = door.clock.monotonic();
        let due = policy.pools.iter().filter(|pool| is_read(pool) && pool.gauges_due(now));
        join_all(due.map(|pool| read_pool(&door, pool))).await;
    }
}

/// Somebody else's API has no gauges for us, and a GET it does not know may
/// count as an attack there.
fn is_read(pool: &Pool) -> bool {
    let Some(section) = pool.section() else { return false };
    match section.gauges {
        schema::Gauges::Auto => section.api_key.is_none() && section.dialect == Dialect::Openai,
        schema::Gauges::On => true,
        schema::Gauges::Off => false,
    }
}

async fn read_pool(door: &Door, pool: &Arc<Pool>) {
    let asked = pool.servers().iter().map(|server| read_server(pool, server));
    let answers = join_all(asked).await.into_iter().flatten();
    let reading = answers.reduce(Reading::with).unwrap_or_default();
    if reading.is_empty() {
        pool.gauges_again_at(door.clock.monotonic() + RETRY_INTERVAL);
        return;
    }
    if let Some(gate) = pool.gate() {
        let Reading { running, waiting, kv_used, preemptions } = reading;
        gate.gauges(Gauges { running, waiting, kv_used, preemptions });
    }
}

async fn read_server(pool: &Pool, server: &Server) -> Option<Reading> {
    let uri = server.gauges_uri()?;
    let (status, body) = fetch(pool, uri, METRICS_BYTES_MAX, READ_TIMEOUT).await?;
    status.is_success().then(|| read(&body))
}
