//! What was found, and where.

use crate::rules::{Rule, RuleSet};
use surgewall_core::data::DataClass;

/// A part of the text as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// The position of its first byte.
    pub(crate) start: usize,
    /// The position behind its last.
    pub(crate) end: usize,
    /// The rule's place in the set.
    pub(crate) rule: usize,
    /// Whether it only goes on with what ended at its beginning.
    pub(crate) goes_on: bool,
    /// Personal data as it was meant, for a token; empty for secrets.
    pub(crate) value: Box<[u8]>,
}

impl Span {
    /// Its rule.
    pub(crate) fn rule<'a>(&self, rules: &'a RuleSet) -> Option<&'a Rule> {
        rules.rules.get(self.rule)
    }

    /// Secrets before personal data, then by the rule's priority.
    pub(crate) fn rank(&self, rules: &RuleSet) -> (bool, u8) {
        let rule = self.rule(rules);
        let is_secret = rule.is_some_and(|rule| rule.class == DataClass::Secret);
        (!is_secret, u8::MAX - rule.map_or(0, |rule| rule.priority))
    }

    /// In order of place; of those that begin together first what only goes on (so
    /// that no name comes in between), then the most telling.
    pub(crate) fn order(&self, rules: &RuleSet) -> impl Ord + use<> {
        (self.start, !self.goes_on, self.rank(rules), usize::MAX - self.end, self.rule)
    }
}
