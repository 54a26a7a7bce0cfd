//! One anonymous network cannot hold more than its number of requests.

use std::sync::Arc;

use http::HeaderMap;
use surgewall_core::principal::{Network, Principal};
use surgewall_core::refusal::Refusal;

use super::identify::Identified;
use super::{Arrival, availability};
use crate::door::Door;
use crate::sync::lock;

/// The permit of this step.
pub struct Throttled {
    /// Who asks.
    pub principal: Principal,
    /// The request's place among its network's anonymous ones, held to the
    /// end of the answer; `None` for everybody else.
    pub slot: Option<AnonymousSlot>,
}

/// A place among a network's anonymous requests; given back on drop.
pub struct AnonymousSlot {
    door: Arc<Door>,
    network: Network,
}

impl Drop for AnonymousSlot {
    fn drop(&mut self) {
        lock(&self.door.networks).leave_anonymous(self.network);
    }
}

/// Whether a browser says that a page of another site sends the request (W3C
/// Fetch Metadata); other clients say nothing.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// Takes a place for an anonymous request.
///
/// # Errors
/// The service is not offered where the caller is, the network has
/// `limits.network_requests_max` in flight, no model answers strangers, another
/// site's page asks, or the door drains.
pub fn throttle(
    door: &Arc<Door>,
    arrival: &Arrival,
    identified: Identified,
    headers: &HeaderMap,
) -> Result<Throttled, Refusal> {
    if door.tasks.is_draining() {
        return Err(Refusal::Draining);
    }
    let Identified { principal } = identified;
    // Where the service is not offered, nothing of a request is read.
    availability::available(door, arrival, &principal)?;
    if !principal.is_anonymous() {
        return Ok(Throttled { principal, slot: None });
    }
    if is_cross_site(headers) {
        // A page of another site must not spend models through its visitor's browser.
        return Err(Refusal::CredentialMissing);
    }
    if !arrival.policy.answers_strangers() {
        // No model would answer: nothing of its body is read, let alone kept.
        return Err(Refusal::CredentialMissing);
    }
    let network = arrival.network;
    let entered = lock(&door.networks).enter_anonymous(network);
    entered.map_err(|max| Refusal::NetworkBusy { max })?;
    let slot = AnonymousSlot { door: door.clone(), network };
    Ok(Throttled { principal, slot: Some(slot) })
}
