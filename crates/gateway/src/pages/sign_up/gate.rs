//! What the gate says of a sign-up: the one place where these pages ask it.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use surgewall_core::figures::minute;
use surgewall_core::gate::GateStep;
use surgewall_core::refusal::Refusal;

use crate::gate::{Attempt, GatePermit, Held};
use crate::listen::Purpose;
use crate::pages::answer;
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
    /// How long the wait is, in seconds.
    pub(super) wait_s: u32,
}

/// Whether work is asked for. Where a letter will prove the address, that is enough.
fn asks_work(visit: &Visit<'_>) -> bool {
    crate::gate::view(visit.door).step == GateStep::Work && mailer(visit).is_none()
}

/// The work that is asked for at this moment, for the page's script; an empty
/// object where none is. The script asks when the form is sent, as a challenge
/// does not hold for as long as somebody may take to fill it in.
pub(in crate::pages) fn work(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let said = if asks_work(visit) {
        let asked = crate::gate::work(visit.door, visit.network());
        json!({ "challenge": asked.challenge, "effort": asked.effort })
    } else {
        json!({})
    };
    answer::json(StatusCode::OK, &said)
}

/// The ticket that a page goes on with: the one that was `sent`, while it is worth
/// waiting with.
pub(super) fn ticket(visit: &Visit<'_>, sent: &str, fresh: String) -> String {
    if !fresh.is_empty() && crate::gate::waits(visit.door, visit.network(), sent) {
        sent.to_owned()
    } else {
        fresh
    }
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
    let asked = asks_work(visit).then(|| crate::gate::work(visit.door, visit.network()));
    let (work, wait_s) = asked.map_or_else(Default::default, |it| (it.ticket, it.wait_s));
    View { form, invite, words, work, wait_s }
}

/// Who wants an account, and what they show.
pub(in crate::pages) struct Wanted<'a> {
    /// The address, as typed or proven.
    pub(in crate::pages) email: Option<&'a str>,
    /// Whether it was proven that the address is theirs.
    pub(in crate::pages) proven: bool,
    /// Whether another service, or a code by mail, proves or will prove it.
    pub(in crate::pages) verified: bool,
    /// The token of an invite, or the ticket of a place on the waiting list.
    pub(in crate::pages) invite: Option<&'a str>,
    /// The ticket of a wait that is over.
    pub(in crate::pages) work: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// Somebody whose address is proven.
    pub(in crate::pages) const fn verified(email: Option<&'a str>) -> Self {
        Self { email, proven: true, verified: true, invite: None, work: None }
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
    crate::gate::pass(visit.door, &attempt(visit, wanted)).await
}

/// Asks it once more, for a sign-up that began: it may have moved.
///
/// # Errors
/// What it holds them back by.
pub(super) async fn pass_again(visit: &Visit<'_>, wanted: &Wanted<'_>) -> Result<GatePermit, Held> {
    crate::gate::pass_again(visit.door, &attempt(visit, wanted)).await
}

fn attempt<'a>(visit: &Visit<'_>, wanted: &Wanted<'a>) -> Attempt<'a> {
    fn shown(text: Option<&str>) -> Option<&str> {
        text.filter(|text| !text.is_empty())
    }
    Attempt {
        network: visit.network(),
        address: visit.arrival.address,
        email: wanted.email,
        proven: wanted.proven,
        phone: None,
        work: shown(wanted.work),
        verified: wanted.verified,
        invite: shown(wanted.invite),
    }
}
