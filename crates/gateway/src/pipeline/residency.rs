//! Where a request may go, by the operator's rules, of the configuration and made
//! on the door: an upstream that one bars is no candidate, as a first choice or as
//! a fallback.

use surgewall_core::config::data::{Bar, Residency, Rule};
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
    let made = door.rules.current();
    let configured = policy.config.rule.iter().filter_map(Way::of);
    let mut shadow = Vec::new();
    for rule in configured.chain(made.iter().map(|rule| Way::Bar(&rule.bar))) {
        let (id, state) = rule.named();
        if state == RuleState::Off || !rule.holds_for(found, group) {
            continue;
        }
        let candidates = targets.candidates(&policy.pools);
        let barred: Vec<_> = candidates.iter().filter(|to| !rule.permits(&to.pool)).collect();
        let leaves_none = barred.len() == candidates.len();
        if barred.is_empty() {
            continue;
        }
        door.metrics.rule_hit(id, state, leaves_none);
        match state {
            RuleState::Off => {}
            RuleState::Shadow => shadow.push(id.to_owned()),
            RuleState::On if leaves_none => return Err(rule.refusal(found)),
            RuleState::On => targets.bar(barred.iter().map(|to| to.pool.name().to_owned())),
        }
    }
    Ok(shadow)
}

/// A rule about where requests go.
#[derive(Clone, Copy)]
enum Way<'a> {
    Residency(&'a Residency),
    Bar(&'a Bar),
}

impl<'a> Way<'a> {
    const fn of(rule: &'a Rule) -> Option<Self> {
        match rule {
            Rule::Residency(rule) => Some(Self::Residency(rule)),
            Rule::Bar(rule) => Some(Self::Bar(rule)),
            Rule::Redact(_) | Rule::Availability(_) => None,
        }
    }

    fn named(self) -> (&'a str, RuleState) {
        match self {
            Self::Residency(rule) => (&rule.id, rule.state),
            Self::Bar(rule) => (&rule.id, rule.state),
        }
    }

    fn holds_for(self, found: ClassSet, group: Option<&str>) -> bool {
        match self {
            Self::Residency(rule) => rule.holds_for(found, group),
            Self::Bar(rule) => rule.holds_for(found, group),
        }
    }

    /// Whether it lets a request go to `pool`. The built-in model is in this
    /// process: what it is asked goes nowhere.
    fn permits(self, pool: &Pool) -> bool {
        pool.section().is_none_or(|section| match self {
            Self::Residency(rule) => rule.permits(section.region.as_deref()),
            Self::Bar(rule) => rule.permits(&section.name),
        })
    }

    fn refusal(self, found: ClassSet) -> Refusal {
        match self {
            Self::Residency(rule) => {
                Refusal::Residency { rule: rule.id.clone(), found: rule.classes.and(found) }
            }
            Self::Bar(rule) => {
                Refusal::Barred { rule: rule.id.clone(), found: rule.classes.and(found) }
            }
        }
    }
}
