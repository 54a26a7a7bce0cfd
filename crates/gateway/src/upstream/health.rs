//! Active health checks: each server is asked for its models now and then,
//! which also tells what it serves.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use surgewall_core::limits::UPSTREAM_BODY_BYTES_MAX;
use surgewall_wire::models::{self, UpstreamModel};
use surgewall_wire::request::models_path;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::client::Call;
use super::pool::{Backend, Pool};
use super::server::Server;
use crate::door::Door;
use crate::ticks::every;

/// The longest answer to a health check that is waited for.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the set of pools is looked at for ones that are due.
const TICK: Duration = Duration::from_secs(1);
/// Servers that are asked at the same time.
const CHECKS_MAX: usize = 64;
/// Which of them may be asked now.
static CHECKS: Semaphore = Semaphore::const_new(CHECKS_MAX);

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

/// Checks every pool of the policy in force, for as long as the door runs. A
/// server that hangs holds no other pool up; its own pool waits for it.
pub async fn watch(door: Arc<Door>) {
    let mut tick = every(TICK);
    let (mut running, mut checking) = (FuturesUnordered::new(), HashSet::new());
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let now = door.clock.monotonic();
                for pool in door.policy().pools.iter() {
                    pool.tidy();
                    if checking.contains(pool.name()) || !pool.check_is_due(now) {
                        continue;
                    }
                    checking.insert(pool.name().to_owned());
                    let (door, pool) = (door.clone(), pool.clone());
                    running.push(async move {
                        check_pool(&door, &pool).await;
                        pool
                    });
                }
            }
            Some(pool) = running.next() => {
                checking.remove(pool.name());
            }
        }
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
    let Ok(uri) = server.uri(pool.dialect(), models_path(pool.dialect())) else {
        return Check::Silent;
    };
    let Some((status, body)) = fetch(pool, uri, UPSTREAM_BODY_BYTES_MAX, CHECK_TIMEOUT).await
    else {
        return Check::Silent;
    };
    let listed =
        status.is_success().then(|| models::read_upstream(pool.dialect(), &body).ok()).flatten();
    listed.map_or(Check::Answers, Check::Lists)
}

/// What a server of `pool` has at `uri`, of its own: its status and its body of
/// `bytes_max` bytes at most, if it is here within `patience`.
pub(crate) async fn fetch(
    pool: &Pool,
    uri: Uri,
    bytes_max: usize,
    patience: Duration,
) -> Option<(StatusCode, Bytes)> {
    let Backend::Network(client) = pool.backend() else { return None };
    // Waiting for a place is not the server's silence.
    let _place = CHECKS.acquire().await;
    let asked = async {
        let call = Call {
            uri,
            method: Method::GET,
            body: Bytes::new(),
            request_id: None,
            traceparent: None,
            client_headers: None,
            stream: false,
        };
        let head = client.send(call).await.ok()?;
        let status = head.status();
        #[expect(clippy::disallowed_methods, reason = "limited by bytes_max")]
        let body = Limited::new(head.into_body(), bytes_max).collect().await.ok()?.to_bytes();
        Some((status, body))
    };
    timeout(patience, asked).await.ok().flatten()
}
