//! May this principal have this model, may the request go where that is, and is
//! the quota enough?

use std::sync::Arc;

use surgewall_core::flow::Carried;
use surgewall_core::principal::Principal;
use surgewall_core::quota::{Amounts, Charge, Meter};
use surgewall_core::refusal::Refusal;
use surgewall_core::usage::Usage;
use surgewall_shield::quota::Limit;
use surgewall_wire::{ClientDialect, Endpoint};

use super::Arrival;
use super::guard_input::Guarded;
use super::parse::Asked;
use super::redaction;
use super::residency;
use super::throttle::AnonymousSlot;
use crate::door::Door;
use crate::notify::Names;
use crate::policy::{Held, Policy};
use crate::ratelimit::RateLimits;
use crate::sync::lock;
use crate::upstream::Targets;

/// Output tokens that one request reserves at most: no answer is longer, and one
/// that is tops up. A client may name any number; the ledger's sums must still
/// hold billions of such requests.
const OUTPUT_TOKENS_RESERVED_MAX: u64 = 1 << 32;

/// The permit of this step: the quota is reserved. Dropped, it gives it back.
pub struct Reserved {
    /// Who asks.
    pub principal: Principal,
    /// The anonymous network's place.
    pub slot: Option<AnonymousSlot>,
    /// What is asked for.
    pub asked: Asked,
    /// What it carries.
    pub carried: Carried,
    /// The pools that serve the model, and that the request may go to.
    pub targets: Targets,
    /// What the answer's head says of the caller's limits.
    pub rate_limits: RateLimits,
    /// The estimate of the input.
    pub input: u64,
    /// The bounds that were reserved.
    pub amounts: Amounts,
    /// The counters that were charged.
    pub charges: Charges,
}

/// Charged counters; given back on drop unless they were taken.
pub struct Charges {
    door: Arc<Door>,
    charges: Vec<Charge>,
}

impl Charges {
    /// The charges: whoever takes them settles them.
    #[must_use]
    pub fn take(mut self) -> Vec<Charge> {
        std::mem::take(&mut self.charges)
    }
}

impl Drop for Charges {
    fn drop(&mut self) {
        if !self.charges.is_empty() {
            lock(&self.door.quota).undo(&self.charges);
        }
    }
}

/// Reserves the request's upper bound, or says whose limit it is past.
///
/// # Errors
/// The model is not this caller's, the request may not go where it is, or a quota
/// is used up.
pub fn reserve(door: &Arc<Door>, arrival: &Arrival, guarded: Guarded) -> Result<Reserved, Refusal> {
    let Guarded { principal, slot, mut asked, mut carried } = guarded;
    let mut targets = permitted(door, arrival, &principal, &asked)?;
    carried.shadow = residency::stay(door, arrival, &principal, carried.classes, &mut targets)?;
    let (taken_out, redacted, shadow) =
        redaction::redaction(door, arrival, &principal, carried.classes, &targets);
    (asked.taken_out, carried.redacted) = (taken_out, redacted);
    carried.shadow.extend(shadow);
    let input = input_estimate(door, &targets, &asked);
    let amounts = bound(&arrival.policy, &targets, &asked, input);
    let held = arrival.policy.limits(&principal);
    priced(arrival, &held, &targets)?;
    if let Some(notify) = door.notify.get() {
        notify.budgets(door, &held, &Names(&principal), arrival.at);
    }
    let (charges, rate_limits) = charge(door, arrival, &held, &targets, amounts)?;
    let charges = Charges { door: door.clone(), charges };
    Ok(Reserved { principal, slot, asked, carried, targets, rate_limits, input, amounts, charges })
}

/// The estimate of the request's input, if this caller may use the model.
///
/// # Errors
/// The model is not this caller's.
pub fn count(door: &Door, arrival: &Arrival, guarded: &Guarded) -> Result<u64, Refusal> {
    let targets = permitted(door, arrival, &guarded.principal, &guarded.asked)?;
    Ok(input_estimate(door, &targets, &guarded.asked))
}

/// The pools that serve the model, if this caller may know of it.
fn permitted(
    door: &Door,
    arrival: &Arrival,
    principal: &Principal,
    asked: &Asked,
) -> Result<Targets, Refusal> {
    let policy = &arrival.policy;
    let name = &asked.facts.model;
    if !may_use(policy, principal, name) {
        // The same answer whether the model exists or not.
        return Err(Refusal::CredentialMissing);
    }
    let targets = policy.pools.resolve(name, &door.vault);
    if let Some(targets) = &targets {
        arrival.trace.resolved(targets);
    }
    if let Some(key) = principal.key() {
        if !key.scopes.allows_route(arrival.route.family) {
            return Err(Refusal::NotPermitted { what: "route" });
        }
        // A scope may name the alias or the model behind it.
        let behind = targets.as_ref().map_or(name, |targets| &targets.model);
        if !key.scopes.allows_model(name) && !key.scopes.allows_model(behind) {
            return Err(Refusal::NotPermitted { what: "model" });
        }
    }
    let targets = targets.ok_or(Refusal::ModelUnknown)?;
    // Ollama's generate is a conversation of one turn.
    let turn = arrival.route.dialect == ClientDialect::Ollama;
    let chats = match asked.endpoint {
        Endpoint::Chat | Endpoint::CountTokens => true,
        Endpoint::Completions => turn,
        Endpoint::Embeddings => false,
    };
    if targets.model == crate::upstream::HANDBOOK && !chats {
        let reason = "the handbook only answers chat".into();
        return Err(Refusal::InvalidRequest { reason, param: Some("model".into()) });
    }
    Ok(targets)
}

/// A budget in money cannot be held against a model that has no price.
fn priced(arrival: &Arrival, held: &[Held], targets: &Targets) -> Result<(), Refusal> {
    let in_money = |held: &Held| {
        !held.shadow && held.spec.meter == Meter::Money && held.covers(&targets.model)
    };
    let free = targets.model == crate::upstream::HANDBOOK;
    if free || arrival.policy.rates(&targets.model).is_some() || !held.iter().any(in_money) {
        return Ok(());
    }
    tracing::warn!(model = %targets.recorded, "refused: a money limit holds and the model has no price");
    Err(Refusal::NotPermitted { what: "model" })
}

/// Whether anonymous callers may use `model`; everybody else may, within scopes.
#[must_use]
pub fn may_use(policy: &Policy, principal: &Principal, model: &str) -> bool {
    let handbook = model == crate::upstream::HANDBOOK && policy.handbook_for_all;
    !principal.is_anonymous() || handbook || policy.config.accounts.anonymous
}

fn input_estimate(door: &Door, targets: &Targets, asked: &Asked) -> u64 {
    asked.facts.input_tokens(&door.estimates.correction(&targets.model))
}

/// The upper bound of what the request can use: quota is reserved at it.
fn bound(policy: &Policy, targets: &Targets, asked: &Asked, input: u64) -> Amounts {
    let output = match asked.endpoint {
        Endpoint::Embeddings | Endpoint::CountTokens => 0,
        Endpoint::Chat | Endpoint::Completions => asked
            .facts
            .output_max
            .or(targets.output_max)
            .unwrap_or(policy.config.limits.output_tokens_default)
            .saturating_mul(u64::from(asked.facts.choices))
            .min(OUTPUT_TOKENS_RESERVED_MAX),
    };
    let usage = Usage { input, output, ..Usage::default() };
    let money = policy.rates(&targets.model).map_or(0, |rates| rates.cost(&usage).nanos());
    Amounts { input, output, money: u64::try_from(money).unwrap_or(0) }
}

fn charge(
    door: &Door,
    arrival: &Arrival,
    held: &[Held],
    targets: &Targets,
    reserved: Amounts,
) -> Result<(Vec<Charge>, RateLimits), Refusal> {
    let limits: Vec<Limit<'_>> = held.iter().map(Held::limit).collect();
    let mut quota = lock(&door.quota);
    let granted = quota.reserve(arrival.at, &limits, &targets.model, &reserved);
    let rate_limits = RateLimits::read(&quota, arrival.at, &limits, &targets.model);
    match granted {
        Ok(granted) => {
            door.metrics.shadow_hits(granted.shadow.len());
            if granted.crowded.is_some() {
                // The request's record in the ledger names the key.
                let request_id = arrival.request_id;
                tracing::warn!(%request_id, "a key names more end users than are counted alone: further ones share counters");
            }
            Ok((granted.charges, rate_limits))
        }
        Err(exceeded) => {
            let _ = arrival.rate_limits.set(rate_limits);
            Err(exceeded.into())
        }
    }
}
