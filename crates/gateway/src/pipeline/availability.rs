//! Where the service is offered, by the operator's rules of the kind
//! `availability`: one question for requests, one for new accounts.

use std::net::IpAddr;

use surgewall_core::config::availability::{Applies, Availability};
use surgewall_core::config::data::Rule;
use surgewall_core::config::limits::RuleState;
use surgewall_core::principal::Principal;
use surgewall_core::refusal::Refusal;

use super::Arrival;
use crate::door::Door;
use crate::policy::Policy;

/// Refuses a request that comes from where the service is not offered.
///
/// # Errors
/// A rule that is on.
pub fn available(door: &Door, arrival: &Arrival, principal: &Principal) -> Result<(), Refusal> {
    let applies = if principal.is_anonymous() { Applies::Anonymous } else { Applies::Accounts };
    offered(door, &arrival.policy, arrival.address, applies)
}

/// Whether the service is offered to `address`; rules in shadow are counted.
///
/// # Errors
/// A rule that is on.
pub fn offered(
    door: &Door,
    policy: &Policy,
    address: IpAddr,
    applies: Applies,
) -> Result<(), Refusal> {
    let rules = policy.config.rule.iter().filter_map(|rule| match rule {
        Rule::Availability(rule) => Some(rule),
        Rule::Residency(_) | Rule::Bar(_) | Rule::Redact(_) => None,
    });
    let region = policy.regions.of(address);
    let bars = |rule: &&Availability| {
        rule.state != RuleState::Off
            && rule.applies.contains(&applies)
            && !rule.offers(region.as_ref().map(|region| region.as_str()))
    };
    for rule in rules.filter(bars) {
        door.metrics.rule_hit(&rule.id, rule.state, true);
        if rule.state == RuleState::On {
            return Err(Refusal::NotOffered { rule: rule.id.clone(), reason: rule.reason.clone() });
        }
    }
    Ok(())
}
