//! When a budget is worth a word: used by half, by four fifths, and whole. Each of
//! these is told once, and again only after it was used less than half.

use std::collections::HashMap;

use serde_json::{Value, json};
use surgewall_core::money::Money;
use surgewall_core::principal::Principal;
use surgewall_core::quota::{Meter, Subject};
use surgewall_shield::quota::Remaining;

use crate::policy::Held;

/// What is told, in percent of the budget.
const STEPS: [u64; 3] = [50, 80, 100];
/// Budgets that are remembered; at the bound all are forgotten, and may be told again.
const BUDGETS_MAX: usize = 65_536;

/// The last step that was told of each budget.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    told: HashMap<(Subject, u64), u64>,
}

impl Budgets {
    /// Those of `held` that have reached a step which was not told.
    pub(super) fn reached<'a>(
        &mut self,
        held: &'a [Held],
        remaining: impl Fn(&Held) -> Remaining,
    ) -> Vec<(&'a Held, u64, Remaining)> {
        let money = held.iter().filter(|held| held.spec.meter == Meter::Money && !held.shadow);
        money.filter_map(|held| self.step(held, remaining(held))).collect()
    }

    fn step<'a>(&mut self, held: &'a Held, left: Remaining) -> Option<(&'a Held, u64, Remaining)> {
        let used = u128::from(left.used) * 100;
        let is_reached = |step: &u64| used >= u128::from(left.limit) * u128::from(*step);
        let name = (held.subject, held.spec.counter());
        let Some(step) = STEPS.into_iter().rev().find(is_reached) else {
            self.told.remove(&name);
            return None;
        };
        if self.told.len() >= BUDGETS_MAX && !self.told.contains_key(&name) {
            self.told.clear();
        }
        let before = self.told.insert(name, step);
        // What was told stays told while it sinks to a lower step.
        let before = before.inspect(|before| {
            self.told.insert(name, step.max(*before));
        });
        before.is_none_or(|before| before < step).then_some((held, step, left))
    }
}

/// Who asks, by what operators call them.
pub struct Names<'a>(pub &'a Principal);

impl Names<'_> {
    fn of(&self, subject: &Subject) -> Option<String> {
        let principal = self.0;
        match subject {
            Subject::Key(_) => principal.key().map(|key| key.name.clone()),
            Subject::Group(_) => principal.group().map(|group| group.name.clone()),
            Subject::Account(_) => principal.account().map(|one| one.public_id.to_string()),
            Subject::Class(class) => Some(class.as_str().to_owned()),
            Subject::User(..) | Subject::Network(_) => None,
        }
    }
}

/// What is told of one.
pub(super) fn told(held: &Held, percent: u64, left: &Remaining, who: &Names<'_>) -> Value {
    let money =
        |nanos: u64| Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)).to_string();
    json!({
        "percent": percent,
        "per": held.subject.scope(),
        "name": who.of(&held.subject),
        "limit": money(left.limit),
        "used": money(left.used),
        "window_s": held.spec.window_s,
        "model": held.spec.model,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use surgewall_core::id::KeyId;
    use surgewall_core::quota::LimitSpec;

    use super::*;

    fn held(meter: Meter, shadow: bool) -> Held {
        let spec = LimitSpec { meter, max: 1_000, window_s: 60, model: None };
        Held { subject: Subject::Key(KeyId::from_u128(1)), spec: Arc::new(spec), shadow }
    }

    fn told_of(budgets: &mut Budgets, held: &[Held], used: u64) -> Vec<u64> {
        let remaining = |_: &Held| Remaining {
            limit: 1_000,
            used,
            remaining: 1_000_u64.saturating_sub(used),
            reset_after: Duration::ZERO,
        };
        budgets.reached(held, remaining).into_iter().map(|(_, step, _)| step).collect()
    }

    #[test]
    fn each_step_is_told_once_and_again_after_it_was_little_used() {
        let (mut budgets, held) = (Budgets::default(), [held(Meter::Money, false)]);
        for (used, told) in [
            (499, vec![]),
            (500, vec![50]),
            (799, vec![]),
            (800, vec![80]),
            (700, vec![]),
            (810, vec![]),
            (1_000, vec![100]),
            (1_500, vec![]),
            (499, vec![]),
            (999, vec![80]),
        ] {
            assert_eq!(told_of(&mut budgets, &held, used), told, "{used}");
        }
    }

    #[test]
    fn only_money_that_is_limited_is_a_budget() {
        let mut budgets = Budgets::default();
        for held in [held(Meter::Requests, false), held(Meter::Money, true)] {
            assert!(told_of(&mut budgets, &[held], 1_000).is_empty());
        }
    }
}
