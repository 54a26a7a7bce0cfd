//! Active health checks: each server is asked for its models now and then,
//! which also tells what it serves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Limited};
use surgewall_core::limits::UPSTREAM_BODY_BYTES_MAX;
use surgewall_wire::models::{self, UpstreamModel};
use surgewall_wire::request::models_path;
use tokio::time::{sleep, timeout};

use super::client::Call;
use super::pool::{Backend, Pool, Server};
use crate::door::Door;

/// The longest answer to a health check that is waited for.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the set of pools is looked at for ones that are due.
const TICK: Duration = Duration::from_secs(1);

/// What a server said to a check.
enum Check {
    /// It answers, and lists these models.
    Lists(Vec<UpstreamModel>),
    /// It answers, but has no list: some servers have none, and one that is
    /// loading its model answers with an error.
    Answers,
    /// It does not answer.
    Silent,
}

/// Checks every pool of the policy in force, for as long as the door runs.
pub async fn watch(door: Arc<Door>) {
    loop {
        let policy = door.policy();
        let now = door.clock.monotonic();
        let due: Vec<Arc<Pool>> =
            policy.pools.iter().filter(|pool| pool.check_is_due(now)).cloned().collect();
        for pool in due {
            check_pool(&door, &pool).await;
        }
        sleep(TICK).await;
    }
}

/// Asks every server of `pool`, and takes what they list.
pub async fn check_pool(door: &Door, pool: &Pool) {
    let Backend::Network(_) = pool.backend() else { return };
    let mut listed: Option<Vec<UpstreamModel>> = None;
    let checks = pool.servers().iter().map(|server| check(pool, server));
    let checks = futures_util::future::join_all(checks).await;
    for (server, check) in pool.servers().iter().zip(checks) {
        let answers = !matches!(check, Check::Silent);
        pool.checked(server, answers, door.clock.now());
        door.metrics.server_up(pool.name(), answers);
        if let Check::Lists(models) = check {
            listed.get_or_insert_default().extend(models);
        }
    }
    if let Some(models) = listed {
        pool.learn(models);
    }
}

async fn check(pool: &Pool, server: &Server) -> Check {
    match timeout(CHECK_TIMEOUT, ask(pool, server)).await {
        Ok(Some(check)) => check,
        Ok(None) | Err(_) => Check::Silent,
    }
}

async fn ask(pool: &Pool, server: &Server) -> Option<Check> {
    let Backend::Network(client) = pool.backend() else { return None };
    let call = Call {
        uri: server.uri(pool.dialect(), models_path(pool.dialect())).ok()?,
        method: Method::GET,
        body: Bytes::new(),
        request_id: None,
        client_headers: None,
        stream: false,
    };
    let head = client.send(call).await.ok()?;
    let status = head.status();
    #[expect(clippy::disallowed_methods, reason = "limited by UPSTREAM_BODY_BYTES_MAX")]
    let body =
        Limited::new(head.into_body(), UPSTREAM_BODY_BYTES_MAX).collect().await.ok()?.to_bytes();
    let listed =
        status.is_success().then(|| models::read_upstream(pool.dialect(), &body).ok()).flatten();
    Some(listed.map_or(Check::Answers, Check::Lists))
}
