//! What must not reach a model is stopped here. No guard is built yet, so
//! every request passes; the step stands where guards will stand, and
//! admission can only be asked with its permit.

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
}

/// Judges the input.
///
/// # Errors
/// A guard that withholds the request.
pub fn guard_input(parsed: Parsed) -> Result<Guarded, Refusal> {
    let Parsed { principal, slot, asked } = parsed;
    Ok(Guarded { principal, slot, asked })
}
