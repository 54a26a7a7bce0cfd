//! What is taken out of a request before an upstream is given it, by the
//! operator's rules, and put back into its answer.
//!
//! The words that stand for personal data are drawn anew for each call of an
//! upstream and live as long as its answer: what one person's request held can come
//! back in that answer only.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use surgewall_core::config::data::{Redact, Rule};
use surgewall_core::config::limits::RuleState;
use surgewall_core::data::ClassSet;
use surgewall_core::principal::Principal;
use surgewall_core::random;
use surgewall_guard::redact::Pseudonyms;
use surgewall_guard::rules::RuleSet;
use surgewall_wire::ClientDialect;
use surgewall_wire::request::rewrite;
use surgewall_wire::restore::{Restorer, Words};
use surgewall_wire::stream::{AnswerStream, StreamFault};

use super::Arrival;
use crate::door::Door;
use crate::upstream::{Pool, Target, Targets};

/// What is to be taken out of one request, and for whom.
#[derive(Clone, Debug, Default)]
pub struct TakenOut {
    /// The classes, and the rule that says so.
    rules: Vec<(ClassSet, Redact)>,
    search: Option<Arc<RuleSet>>,
}

impl TakenOut {
    /// What goes before `pool` is given the request. The built-in model is in this
    /// process: what it is asked goes nowhere.
    fn before(&self, pool: &Pool) -> ClassSet {
        let Some(section) = pool.section() else { return ClassSet::EMPTY };
        let rules = self.rules.iter().filter(|(_, rule)| rule.is_for(&section.name));
        rules.fold(ClassSet::EMPTY, |all, (classes, _)| all.or(*classes))
    }

    /// The body as `pool` is given it, and what is to be put back into the answer.
    /// Where nothing is taken out it is the same, byte by byte.
    #[must_use]
    pub fn of(&self, pool: &Pool, body: Bytes) -> (Bytes, Words) {
        let classes = self.before(pool);
        let Some(search) = self.search.as_ref().filter(|_| !classes.is_empty()) else {
            return (body, Words::default());
        };
        let mut names = Pseudonyms::new(search.clone(), classes, &random::bytes());
        match rewrite(&body, &mut |text| names.exchange(text)) {
            None => (body, Words::default()),
            Some(body) => (body, Words::new(names.into_values())),
        }
    }
}

/// What the operator's rules take out of a request in which `found` was found.
/// Gives also the classes that are taken out whichever upstream is given it, and
/// the rules in shadow that would have taken something out.
#[must_use]
pub fn redaction(
    door: &Door,
    arrival: &Arrival,
    principal: &Principal,
    found: ClassSet,
    targets: &Targets,
) -> (TakenOut, ClassSet, Vec<String>) {
    let policy = &arrival.policy;
    let group = principal.group().map(|group| group.name.as_str());
    let candidates = targets.candidates(&policy.pools);
    let mut out = TakenOut { rules: Vec::new(), search: policy.classifier.clone() };
    let mut shadow = Vec::new();
    for rule in &policy.config.rule {
        let Rule::Redact(rule) = rule else { continue };
        let classes = rule.takes(found, group);
        let is_for = |to: &Target| to.pool.section().is_some_and(|to| rule.is_for(&to.name));
        if classes.is_empty() || !candidates.iter().any(is_for) {
            continue;
        }
        door.metrics.rules.redacted(&rule.id, rule.state);
        match rule.state {
            RuleState::Off => {}
            RuleState::Shadow => shadow.push(rule.id.clone()),
            RuleState::On => out.rules.push((classes, rule.clone())),
        }
    }
    if out.rules.is_empty() {
        return (TakenOut::default(), ClassSet::EMPTY, shadow);
    }
    let each = candidates.iter().map(|to| out.before(&to.pool));
    let always = each.reduce(ClassSet::and).unwrap_or_default();
    (out, always, shadow)
}

/// Puts words back into a stream, between the machine that makes it and the client.
pub struct Restoring {
    restorer: Restorer,
    /// What the machine made and was not looked at.
    made: BytesMut,
}

impl Restoring {
    /// For a stream in this dialect.
    #[must_use]
    pub fn new(dialect: ClientDialect, words: Words) -> Self {
        Self { restorer: Restorer::new(dialect, words), made: BytesMut::new() }
    }

    /// As [`AnswerStream::feed`].
    ///
    /// # Errors
    /// The stream broke; what came before stands.
    pub fn feed(
        &mut self,
        machine: &mut AnswerStream,
        bytes: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), StreamFault> {
        let fed = machine.feed(bytes, &mut self.made);
        self.restorer.push(&self.made.split(), out);
        if machine.is_done() {
            self.restorer.finish(out);
        }
        fed
    }

    /// As [`AnswerStream::finish`].
    ///
    /// # Errors
    /// The answer was not finished.
    pub fn finish(
        &mut self,
        machine: &mut AnswerStream,
        out: &mut BytesMut,
    ) -> Result<(), StreamFault> {
        let finished = machine.finish(&mut self.made);
        self.restorer.push(&self.made.split(), out);
        self.restorer.finish(out);
        finished
    }

    /// What is held back goes out: nothing more comes.
    pub fn let_go(&mut self, out: &mut BytesMut) {
        self.restorer.finish(out);
    }
}
