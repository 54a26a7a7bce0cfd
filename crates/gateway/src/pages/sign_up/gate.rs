//! What the gate says of a sign-up: the one place where it is asked.

use crate::listen::Purpose;
use crate::pages::visit::Visit;

/// The gate let somebody make an account.
pub(in crate::pages) struct Permit(());

/// What the sign-up page says.
pub(super) struct View {
    /// Whether anybody may fill in the form.
    pub(super) open: bool,
    /// Why not, or what is asked.
    pub(super) words: String,
}

const CLOSED: &str = "New accounts can be made by the operator only, for now. If you have one, nothing changes for you.";

fn is_open(visit: &Visit<'_>) -> bool {
    let policy = visit.door.policy();
    let listen = &policy.config.listen;
    visit.purpose() == Purpose::Public
        && listen.public.ip().is_loopback()
        && listen.behind_proxy.is_empty()
}

/// How the gate stands.
pub(super) fn view(visit: &Visit<'_>) -> View {
    let open = is_open(visit);
    View { open, words: if open { String::new() } else { CLOSED.to_owned() } }
}

/// Asks the gate.
///
/// # Errors
/// It does not let this sign-up through, in words for whoever asked.
pub(super) fn pass(visit: &Visit<'_>) -> Result<Permit, String> {
    if is_open(visit) { Ok(Permit(())) } else { Err(CLOSED.to_owned()) }
}
