//! The door from its start to its end: listeners, housekeeping, reload, drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use surgewall_core::config::schema::Listen;
use surgewall_store::admin::AdminError;
use surgewall_store::people::StoreError;
use tokio::time::timeout;

use crate::admission;
use crate::chat;
use crate::conversations;
use crate::door::Door;
use crate::listen::tls::{TlsError, acceptor};
use crate::listen::{BindError, Bound, Purpose, bind, inherited, run};
use crate::operate::end_withdrawn;
use crate::policy::Policy;
use crate::routes::router;
use crate::status::StatusError;
use crate::sync::lock;
use crate::ticks::every;
use crate::{gate, notices, notify, session, status, subscribe, trace, upstream, witness};

/// Between two looks at the open requests: how far they are, whether they may go on.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// Between two writes of keys' last use.
const LAST_USE_INTERVAL: Duration = Duration::from_secs(60);
/// For streams to take their last error event after the time to drain.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// A door that listens.
pub struct Listening {
    door: Arc<Door>,
    /// Where the public listener is.
    pub public: SocketAddr,
    /// Where the admin listener is.
    pub admin: SocketAddr,
    /// Where the status listener is.
    pub status: SocketAddr,
    /// Whether the public listener speaks TLS.
    pub tls: bool,
}

/// The door cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate or its key.
    #[error("listen.tls: {0}")]
    Tls(#[from] TlsError),
    /// The sessions that were open.
    #[error("sessions: {0}")]
    Sessions(#[from] StoreError),
    /// Where the gate stands.
    #[error("the gate: {0}")]
    Gate(#[from] AdminError),
    /// The status listener's thread.
    #[error(transparent)]
    Status(#[from] StatusError),
}

/// The sockets of the three listeners.
pub struct Sockets {
    /// For strangers.
    pub public: Bound,
    /// For metrics.
    pub admin: Bound,
    /// For the status page.
    pub status: Bound,
}

impl Sockets {
    /// Takes the listeners that a supervisor passed, in the order public,
    /// admin, status, and binds the addresses of `listen` for the rest.
    ///
    /// # Errors
    /// One of them cannot be bound.
    pub fn bind(listen: &Listen) -> Result<Self, BindError> {
        let mut passed = inherited()?.into_iter();
        let mut next = |address| match passed.next() {
            Some(bound) => as_configured(bound, address),
            None => bind(address),
        };
        Ok(Self {
            public: next(listen.public)?,
            admin: next(listen.admin)?,
            status: next(listen.status)?,
        })
    }
}

/// A listener that a supervisor passed is held to what `[listen]` says of it:
/// every rule on listeners that other machines can reach is a rule on that.
fn as_configured(bound: Bound, configured: SocketAddr) -> Result<Bound, BindError> {
    if is_wider(bound.address, configured) {
        return Err(BindError::Wider { inherited: bound.address, configured });
    }
    Ok(bound)
}

fn is_wider(address: SocketAddr, configured: SocketAddr) -> bool {
    let reachable = |address: SocketAddr| !address.ip().to_canonical().is_loopback();
    reachable(address) && !reachable(configured)
}

impl Listening {
    /// Asks the upstreams what they serve, then opens the listeners.
    ///
    /// # Errors
    /// The certificate or its key cannot be used, or sessions cannot be read.
    pub async fn start(door: Arc<Door>, sockets: Sockets) -> Result<Self, ListenError> {
        let policy = door.policy();
        let tls = policy.config.listen.tls.as_ref().map(acceptor).transpose()?;
        let checks = policy.pools.iter().map(|pool| upstream::check_pool(&door, pool));
        futures_util::future::join_all(checks).await;
        let listening = Self {
            public: sockets.public.address,
            admin: sockets.admin.address,
            status: sockets.status.address,
            tls: tls.is_some(),
            door: door.clone(),
        };
        door.replace_tls(tls);
        // Once: a door listens once.
        let _ = door.ports.set((listening.public.port(), listening.admin.port()));
        hold_counters(&door);
        send_letters(&door);
        conversations::keep_partial(&door).await;
        notices::begin(&door).await;
        session::load(&door).await?;
        // Weak: the gate is the door's own.
        let hashing = Arc::downgrade(&door);
        door.gate.hashing_from(move || hashing.upgrade().map_or(0, |door| door.identity.waiting()));
        door.gate.load().await?;
        gate::configured(&door).await?;
        for (purpose, bound) in [(Purpose::Public, sockets.public), (Purpose::Admin, sockets.admin)]
        {
            let router = router(&door, purpose);
            door.tasks.background(run(door.clone(), purpose, bound, router));
        }
        status::start(&door, sockets.status)?;
        notify::start(&door);
        door.tasks.background(status::probe(door.clone()));
        door.tasks.background(upstream::watch(door.clone()));
        door.tasks.background(checkpoints(door.clone()));
        door.tasks.background(admission::watch(door.clone()));
        door.tasks.background(gate::watch(door.clone()));
        door.tasks.background(last_use(door.clone()));
        door.tasks.background(conversations::sweep(door.clone()));
        door.tasks.background(chat::look_after(door.clone()));
        door.tasks.background(notices::watch(door.clone()));
        door.tasks.background(subscribe::watch(door.clone()));
        door.tasks.background(witness::watch(door.clone()));
        door.tasks.background(ready_rules(door.clone()));
        trace::start(&door);
        Ok(listening)
    }

    /// The door.
    #[must_use]
    pub const fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// Stops: no new request; idle connections close at once; running streams
    /// get `limits.drain_s`, then an error event. Returns when the ledger is safe on disk.
    pub async fn stop(self) {
        let door = self.door;
        let patience = Duration::from_secs(door.policy().config.limits.drain_s);
        tracing::info!(connections = door.tasks.connections(), "draining");
        door.tasks.drain();
        if timeout(patience, door.tasks.connections_ended()).await.is_err() {
            tracing::warn!(connections = door.tasks.connections(), "the time to drain is over");
        }
        door.tasks.close();
        let _ = timeout(CLOSE_PATIENCE, door.tasks.connections_ended()).await;
        door.flush_refusals();
        write_last_use(&door).await;
        session::write_seen(&door).await;
        notices::flush(&door).await;
        admission::keep(&door).await;
        trace::flush(&door).await;
        // The records' last batches are noted in the ledger.
        if let Some(recording) = &door.recording
            && let Err(error) = recording.records.clone().shutdown().await
        {
            tracing::error!(%error, "records could not be written to the end");
        }
        if let Err(error) = door.ledger.clone().shutdown().await {
            tracing::error!(%error, "the ledger could not be closed cleanly");
        }
        // After the ledger's last record.
        if let Some(events) = door.events.get() {
            events.close().await;
        }
    }
}

/// Puts `policy` in force, and a renewed certificate with it. Streams go on
/// under the policy they began with.
///
/// # Errors
/// The certificate or its key cannot be used: nothing is replaced.
pub fn replace(door: &Door, policy: Policy) -> Result<(), ListenError> {
    let (before, listen) = (door.policy(), &policy.config.listen);
    let tls = listen.tls.as_ref().map(acceptor).transpose()?;
    let addresses = |listen: &Listen| (listen.public, listen.admin, listen.status);
    if addresses(&before.config.listen) != addresses(listen)
        || before.config.listen.tls.is_some() != tls.is_some()
    {
        tracing::warn!(
            "changes of the listeners' addresses, and TLS on or off, take effect at the next start"
        );
    } else {
        door.replace_tls(tls);
    }
    door.replace_policy(policy);
    hold_counters(door);
    send_letters(door);
    Ok(())
}

/// Sends what the mailer in force takes. That of a former configuration ends by
/// itself, when its last letter is sent.
fn send_letters(door: &Door) {
    if let Some(worker) = door.policy().outside.take_worker() {
        door.tasks.background(worker.run());
    }
}

/// Holds the counters of quotas to the configuration in force.
fn hold_counters(door: &Door) {
    let users_max = door.policy().config.limits.delegated_users_per_key_max;
    let users_max = usize::try_from(users_max).unwrap_or(usize::MAX);
    lock(&door.quota).set_users_per_key_max(users_max);
}

/// Builds the guard's patterns before a request has to wait for one.
async fn ready_rules(door: Arc<Door>) {
    let Some(rules) = door.policy().classifier.clone() else { return };
    let built = tokio::task::spawn_blocking(move || rules.prepare()).await;
    if let Ok(Err(error)) = built {
        tracing::error!(%error, "the rules that requests are searched by");
    }
}

async fn checkpoints(door: Arc<Door>) {
    let mut ticks = every(CHECKPOINT_INTERVAL);
    loop {
        ticks.tick().await;
        end_withdrawn(&door);
        for record in door.open.checkpoint(door.clock.now()) {
            door.ledger.append_detached(record);
        }
        door.flush_refusals();
    }
}

async fn last_use(door: Arc<Door>) {
    let mut ticks = every(LAST_USE_INTERVAL);
    loop {
        ticks.tick().await;
        write_last_use(&door).await;
        session::write_seen(&door).await;
        admission::keep(&door).await;
    }
}

/// Writes what was used since the last time, and judges the classes of accounts
/// that have one more day of good use by it. The door does so once a minute.
pub async fn write_last_use(door: &Door) {
    match door.directory.write_touched(door.people.as_ref()).await {
        Ok(accounts) => crate::accounts::judge(door, &accounts).await,
        Err(error) => tracing::warn!(%error, "the keys' last use could not be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inherited_listener_may_not_reach_further_than_configured() {
        let wider = |address: &str, configured: &str| {
            is_wider(address.parse().unwrap(), configured.parse().unwrap())
        };
        assert!(wider("0.0.0.0:443", "127.0.0.1:7070"));
        assert!(wider("[::]:443", "127.0.0.1:7070"));
        assert!(wider("192.0.2.1:1", "[::1]:7070"));
        assert!(!wider("127.0.0.1:9", "127.0.0.1:7070"));
        assert!(!wider("[::ffff:127.0.0.1]:9", "127.0.0.1:7070"));
        assert!(!wider("0.0.0.0:443", "192.0.2.1:443"));
    }
}
