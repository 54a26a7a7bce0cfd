//! What the gate says of a sign-up: the one place where these pages ask it.

use surgewall_core::figures::minute;
use surgewall_core::gate::GateStep;

use crate::gate::{Attempt, GatePermit, Held};
use crate::listen::Purpose;
use crate::pages::sign_in::mailer;
use crate::pages::visit::Visit;

/// What the sign-up page says.
pub(super) struct View {
    /// Whether there is anything to fill in.
    pub(super) form: bool,
    /// Whether it asks for an invite.
    pub(super) invite: bool,
    /// How the gate stands, and why; empty where it is open.
    pub(super) words: String,
    /// The ticket of a wait, where one is asked for.
    pub(super) work: String,
}

/// How the gate stands.
pub(super) fn view(visit: &Visit<'_>) -> View {
    let view = crate::gate::view(visit.door);
    let step = view.step;
    let invite = matches!(step, GateStep::Invite | GateStep::Region);
    let proves = mailer(visit).is_some();
    let form = match step {
        GateStep::Closed => false,
        // Without letters an address cannot be proven: another service can.
        GateStep::Verified => proves,
        _ => visit.purpose() == Purpose::Public,
    };
    let words = match step {
        GateStep::Open => String::new(),
        _ if view.reason.is_empty() => step.public_words().to_owned(),
        _ => format!("{} {}", step.public_words(), view.reason),
    };
    let words = if words.is_empty() {
        words
    } else {
        format!("{words} Since {} UTC. Accounts that exist work as always.", minute(view.since))
    };
    let work = match step {
        GateStep::Work => crate::gate::work(visit.door, visit.network()).ticket,
        _ => String::new(),
    };
    View { form, invite, words, work }
}

/// Who wants an account, and what they show.
pub(in crate::pages) struct Wanted<'a> {
    /// The address, as typed or proven.
    pub(in crate::pages) email: Option<&'a str>,
    /// Whether another service, or a code by mail, proves it.
    pub(in crate::pages) verified: bool,
    /// The token of an invite.
    pub(in crate::pages) invite: Option<&'a str>,
    /// The ticket of a wait that is over.
    pub(in crate::pages) work: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// Somebody whose address is proven.
    pub(in crate::pages) const fn verified(email: Option<&'a str>) -> Self {
        Self { email, verified: true, invite: None, work: None }
    }
}

/// Asks the gate.
///
/// # Errors
/// What it holds them back by.
pub(in crate::pages) async fn pass(
    visit: &Visit<'_>,
    wanted: &Wanted<'_>,
) -> Result<GatePermit, Held> {
    fn shown(text: Option<&str>) -> Option<&str> {
        text.filter(|text| !text.is_empty())
    }
    let attempt = Attempt {
        network: visit.network(),
        address: visit.arrival.address,
        email: wanted.email,
        phone: None,
        work: shown(wanted.work),
        verified: wanted.verified,
        invite: shown(wanted.invite),
    };
    crate::gate::pass(visit.door, &attempt).await
}
