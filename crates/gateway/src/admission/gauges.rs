//! Reads the model servers' own gauges, where they have any.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use http_body_util::{BodyExt as _, Limited};
use surgewall_core::config::schema::{self, Dialect};
use surgewall_shield::admission::capacity::Gauges;
use surgewall_wire::gauges::{METRICS_BYTES_MAX, Reading, read};
use tokio::time::{sleep, timeout};

use crate::door::Door;
use crate::upstream::{Backend, CHECKS, Call, Pool, Server};

/// Between two readings.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// Between two attempts on a server that has no gauges.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// The longest wait for a reading.
const READ_TIMEOUT: Duration = Duration::from_millis(900);

/// Reads every pool's gauges, for as long as the door runs.
pub(super) async fn watch(door: Arc<Door>) {
    loop {
        let policy = door.policy();
        let now = door.clock.monotonic();
        let due = policy.pools.iter().filter(|pool| is_read(pool) && pool.gauges_due(now));
        join_all(due.map(|pool| read_pool(&door, pool))).await;
        sleep(READ_INTERVAL).await;
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
    // As many as health checks at once, and no more than both together.
    let _place = CHECKS.acquire().await;
    timeout(READ_TIMEOUT, ask(pool, server)).await.ok().flatten()
}

async fn ask(pool: &Pool, server: &Server) -> Option<Reading> {
    let Backend::Network(client) = pool.backend() else { return None };
    let call = Call {
        uri: server.gauges_uri()?,
        method: Method::GET,
        body: Bytes::new(),
        request_id: None,
        traceparent: None,
        client_headers: None,
        stream: false,
    };
    let head = client.send(call).await.ok()?;
    if !head.status().is_success() {
        return None;
    }
    #[expect(clippy::disallowed_methods, reason = "limited by METRICS_BYTES_MAX")]
    let body = Limited::new(head.into_body(), METRICS_BYTES_MAX).collect().await.ok()?.to_bytes();
    Some(read(&body))
}
