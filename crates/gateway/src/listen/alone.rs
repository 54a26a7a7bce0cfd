//! The accept loop of a router that no door stands behind: public pages over
//! plain HTTP, within the same bounds of a connection.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use surgewall_core::clock::Timestamp;
use surgewall_core::config::limits::Limits;
use surgewall_core::principal::Network;
use surgewall_shield::networks::{NetworkLimits, NetworkTable, Place};
use tokio::net::TcpStream;

use super::connection::{self, Peer};
use super::io::StallGuard;
use super::protocol;
use super::socket::Bound;
use crate::sync::lock;
use crate::tasks::Tasks;

/// Connections at once.
const ALONE_CONNECTIONS_MAX: u32 = 1_024;
/// Of one network.
const ALONE_NETWORK_CONNECTIONS_MAX: u32 = 64;
/// After an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `tasks` drain.
pub async fn run_alone(bound: Bound, router: Router, limits: Limits, tasks: Tasks) {
    let limits = Arc::new(limits);
    let table = Arc::new(Mutex::new(NetworkTable::new(NetworkLimits {
        connections_max: ALONE_NETWORK_CONNECTIONS_MAX,
        requests_max: 0,
        total_max: ALONE_CONNECTIONS_MAX,
    })));
    let mut drained = std::pin::pin!(tasks.drained());
    loop {
        let accepted = tokio::select! {
            () = &mut drained => return,
            accepted = bound.listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                // Nobody signs in here: no network is better known than another.
                let network = Network::of(address.ip());
                let place = lock(&table).accept(network, Timestamp::default());
                let Ok(place) = place else { continue };
                let held = Held { table: table.clone(), place: Some(place) };
                let (router, limits, own) = (router.clone(), limits.clone(), tasks.clone());
                tasks.connection(async move {
                    converse(stream, address, router, &limits, &own).await;
                    drop(held);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection's place, given back on drop.
struct Held {
    table: Arc<Mutex<NetworkTable>>,
    place: Option<Place>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            lock(&self.table).closed(place);
        }
    }
}

async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    limits: &Limits,
    tasks: &Tasks,
) {
    let _ = stream.set_nodelay(true);
    let patience = Duration::from_secs(limits.header_read_s);
    let spoken = tokio::select! {
        spoken = protocol::of_plain(&stream, patience) => spoken,
        () = tasks.drained() => None,
    };
    let Some(spoken) = spoken else { return };
    let peer = Arc::new(Peer {
        address,
        network: Network::of(address.ip()),
        spoke: AtomicBool::new(false),
        authenticated: AtomicBool::new(false),
        place: Mutex::new(None),
    });
    let io = StallGuard::new(stream, Duration::from_secs(limits.client_stall_s));
    connection::serve(io, spoken, peer, router, limits, tasks).await;
}
