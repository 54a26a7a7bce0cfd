//! The waiting list: a place is shown by its ticket, or by whoever proved that its
//! e-mail is theirs. Nobody else learns who waits.

use std::net::IpAddr;

use surgewall_core::config::availability::Applies;
use surgewall_core::gate::GateStep;
use surgewall_core::principal::Network;
use surgewall_core::refusal::Refusal;
use surgewall_core::secret::SecretString;
use surgewall_identity::mail::Letter;
use surgewall_store::admin::ErrorKind;
use surgewall_store::gate::{Join, Place, PlaceView};

use super::{Attempt, Held, failed, view};
use crate::door::Door;
use crate::letters::patient;
use crate::pages::links::public_origin;
use crate::pipeline::availability::offered;

/// Gives somebody a place on the waiting list. Only where the gate asks for an
/// invite: else there is nothing to wait for.
///
/// # Errors
/// The list is full, the address is none, too many come at once, or the gate does
/// not stand there.
pub async fn join(
    door: &Door,
    network: Network,
    address: IpAddr,
    email: &str,
) -> Result<Join, Held> {
    let (gate, policy) = (&door.gate, door.policy());
    if !matches!(view(door).step, GateStep::Invite | GateStep::Region) {
        return Err(if view(door).step == GateStep::Closed { Held::Closed } else { Held::NoNeed });
    }
    offered(door, &policy, address, Applies::SignUp)
        .map_err(|refusal: Refusal| Held::NotOffered { words: refusal.public_text() })?;
    let _seat = gate.room.enter(network, &policy.config.gate).ok_or(Held::Busy)?;
    match gate.desk.join(email, network, door.clock.now()).await {
        Ok(Join::Full) => Err(Held::ListFull),
        Ok(joined) => Ok(joined),
        Err(error) if error.kind == ErrorKind::Invalid => Err(Held::NoAddress),
        Err(error) => Err(failed(&error)),
    }
}

/// How far the place is that `ticket` is of.
///
/// # Errors
/// The store failed.
pub async fn place(door: &Door, ticket: &str) -> Result<Option<Place>, Held> {
    let place = door.gate.desk.place(ticket, door.clock.now()).await;
    place.map_err(|error| failed(&error))
}

/// How far they are, by their ticket or their proven address.
pub(super) async fn position(door: &Door, attempt: &Attempt<'_>) -> Result<Option<u64>, Held> {
    let ticket = attempt.invite.unwrap_or_default();
    if let Some(Place::Waiting(position)) = place(door, ticket).await? {
        return Ok(Some(position));
    }
    let Some(email) = attempt.proven_email() else { return Ok(None) };
    door.gate.desk.position(&email).await.map_err(|error| failed(&error))
}

/// Tells those whose turn has come by letter, in the background. A door that stops
/// meanwhile does not tell the rest: their ticket says so, too.
pub(super) fn tell(door: &Door, places: Vec<PlaceView>) {
    let policy = door.policy();
    let Some(mailer) = policy.outside.mailer.clone() else { return };
    let Some(origin) = public_origin(&policy.config.listen) else { return };
    let clock = door.clock.clone();
    let written: Vec<_> = places
        .into_iter()
        .filter_map(|place| {
            let ticket = door.gate.desk.ticket(place.number, place.joined_at);
            let url = SecretString::new(format!("{origin}/sign-up?invite={}", ticket.expose()));
            Some((place.email, url, place.until?))
        })
        .collect();
    door.tasks.background(async move {
        for (email, url, until) in written {
            let letter = Letter::YourTurn { url: &url, until };
            if let Err(error) = patient(&mailer, &email, &letter, &clock).await {
                tracing::warn!(%error, "somebody whose turn has come could not be told");
            }
        }
    });
}
