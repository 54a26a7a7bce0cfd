//! Where a request may go, by the operator's residency rules: an upstream that
//! one bars is no candidate, as a first choice or as a fallback.

use surgewall_core::config::data::{Residency, Rule};
use surgewall_core::config::limits::RuleState;
use surgewall_core::data::ClassSet;
use surgewall_core::principal::Principal;
use surgewall_core::refusal::Refusal;

use super::Arrival;
use crate::door::Door;
use crate::upstream::{Pool, Targets};

/// Bars the upstreams that rules keep the request from; returns the rules in
/// shadow that would have barred one.
///
/// # Errors
/// A rule leaves none.
pub fn stay(
    door: &Door,
    arrival: &Arrival,
    principal: &Principal,
    found: ClassSet,
    targets: &mut Targets,
) -> Result<Vec<String>, Refusal> {
    let policy = &arrival.policy;
    let group = principal.group().map(|group| group.name.as_str());
    let mut shadow = Vec::new();
    for rule in &policy.config.rule {
        let Rule::Residency(rule) = rule else { continue };
        if rule.state == RuleState::Off || !rule.holds_for(found, group) {
            continue;
        }
        let candidates = targets.candidates(&policy.pools);
        let barred: Vec<_> = candidates.iter().filter(|to| !permits(rule, &to.pool)).collect();
        let leaves_none = barred.len() == candidates.len();
        if barred.is_empty() {
            continue;
        }
        door.metrics.rule_hit(&rule.id, rule.state, leaves_none);
        match rule.state {
            RuleState::Off => {}
            RuleState::Shadow => shadow.push(rule.id.clone()),
            RuleState::On if leaves_none => {
                let found = rule.classes.and(found);
                return Err(Refusal::Residency { rule: rule.id.clone(), found });
            }
            RuleState::On => targets.bar(barred.iter().map(|to| to.pool.name().to_owned())),
        }
    }
    Ok(shadow)
}

/// Whether `rule` lets a request go to `pool`. The built-in model is in this
/// process: what it is asked goes nowhere.
fn permits(rule: &Residency, pool: &Pool) -> bool {
    pool.section().is_none_or(|section| rule.permits(section.region.as_deref()))
}
