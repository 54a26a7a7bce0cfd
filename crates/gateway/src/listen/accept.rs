//! The accept loop of one listener.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use surgewall_core::principal::Network;
use surgewall_shield::networks::{AcceptRefused, NetworkTable};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{self, Peer};
use super::io::StallGuard;
use super::protocol;
use super::socket::Bound;
use crate::door::Door;
use crate::sync::lock;

/// After an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The API and the pages: strangers.
    Public,
    /// Metrics.
    Admin,
    /// The status page.
    Status,
}

impl Purpose {
    /// The word in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Admin => "admin",
            Self::Status => "status",
        }
    }
}

/// Accepts connections until the door drains.
pub async fn run(door: Arc<Door>, purpose: Purpose, bound: Bound, router: Router) {
    let mut drained = std::pin::pin!(door.tasks.drained());
    loop {
        let accepted = tokio::select! {
            () = &mut drained => return,
            accepted = bound.listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                if let Some(accepted) = Accepted::new(&door, purpose, address) {
                    let tls = if purpose == Purpose::Public { door.tls() } else { None };
                    let task = converse(door.clone(), accepted, stream, tls, router.clone());
                    door.tasks.connection(task);
                }
            }
            Err(error) => {
                // Out of descriptors, or a connection that died in the backlog: neither ends the loop.
                tracing::warn!(listener = purpose.as_str(), %error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// An accepted connection; its place is given back on drop.
struct Accepted {
    door: Arc<Door>,
    purpose: Purpose,
    peer: Arc<Peer>,
}

impl Accepted {
    /// A connection with its place, or `None` when its network or the door has
    /// no room: it is then dropped at once, before TLS costs anything.
    fn new(door: &Arc<Door>, purpose: Purpose, address: SocketAddr) -> Option<Self> {
        let network = Network::of(address.ip());
        let counted = purpose != Purpose::Admin && !door.policy().is_proxy(address.ip());
        let place = if counted {
            match lock(table(door, purpose)).accept(network, door.clock.now()) {
                Ok(place) => Some(place),
                Err(refused) => {
                    door.metrics.connection_refused(reason(refused));
                    return None;
                }
            }
        } else {
            None
        };
        door.metrics.connection_opened(purpose);
        let peer = Peer {
            address,
            network,
            spoke: AtomicBool::new(false),
            authenticated: AtomicBool::new(false),
            place: Mutex::new(place),
        };
        Some(Self { door: door.clone(), purpose, peer: Arc::new(peer) })
    }
}

/// Where the connections of a listener are counted: what floods the public one
/// takes no place from the status page.
fn table(door: &Door, purpose: Purpose) -> &Mutex<NetworkTable> {
    if purpose == Purpose::Status { &door.status.networks } else { &door.networks }
}

const fn reason(refused: AcceptRefused) -> &'static str {
    match refused {
        AcceptRefused::Network => "network",
        AcceptRefused::Kept => "kept_for_known",
        AcceptRefused::Full => "full",
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.door.metrics.connection_closed();
        if let Some(place) = lock(&self.peer.place).take() {
            lock(table(&self.door, self.purpose)).closed(place);
        }
    }
}

async fn converse(
    door: Arc<Door>,
    accepted: Accepted,
    stream: TcpStream,
    tls: Option<Arc<TlsAcceptor>>,
    router: Router,
) {
    // Small pieces of a stream must not wait for each other.
    let _ = stream.set_nodelay(true);
    let policy = door.policy();
    let limits = &policy.config.limits;
    let stall = Duration::from_secs(limits.client_stall_s);
    let patience = Duration::from_secs(limits.header_read_s);
    let (tasks, peer) = (&door.tasks, accepted.peer.clone());
    match tls {
        None => {
            let spoken = tokio::select! {
                spoken = protocol::of_plain(&stream, patience) => spoken,
                () = tasks.drained() => None,
            };
            let Some(spoken) = spoken else { return };
            let io = StallGuard::new(stream, stall);
            connection::serve(io, spoken, peer, router, limits, tasks).await;
        }
        // Boxed, as a connection without TLS has no need of its room.
        Some(acceptor) => {
            let Some(stream) = Box::pin(shake_hands(&acceptor, stream, patience, &peer)).await
            else {
                return;
            };
            let spoken = protocol::of_tls(&stream);
            let io = StallGuard::new(*stream, stall);
            Box::pin(connection::serve(io, spoken, peer, router, limits, tasks)).await;
        }
    }
}

/// TLS on `stream`, within `patience`.
async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    patience: Duration,
    peer: &Peer,
) -> Option<Box<TlsStream<TcpStream>>> {
    match tokio::time::timeout(patience, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(Box::new(stream)),
        Ok(Err(error)) => {
            tracing::debug!(network = %peer.network, %error, "TLS handshake failed");
        }
        Err(_) => tracing::debug!(network = %peer.network, "TLS handshake took too long"),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footprint::future_bytes;

    /// Of a connection's task, hyper's buffers aside.
    const CONNECTION_BYTES_MAX: usize = 2 << 10;

    #[test]
    fn a_connection_has_no_room_for_tls_or_http_2_that_it_does_not_speak() {
        let begin =
            |(door, accepted, stream, tls, router)| converse(door, accepted, stream, tls, router);
        let bytes = future_bytes(&begin);
        assert!(bytes <= CONNECTION_BYTES_MAX, "{bytes}");
    }
}
