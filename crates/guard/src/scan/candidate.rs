//! A place where a rule may match, walked as far as the text goes.

use crate::rules::{CONTEXT_BYTES, Entry, Pattern, Rest, Rule, RuleSet, Walk, Walked};
use surgewall_core::data::DataClass;

use super::span::Span;
use super::window::Window;
use super::{BODY_BYTES_MAX, REACH_BYTES_MAX};

/// What became of a candidate.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The text ends too early to tell.
    Undecided,
    /// No match.
    Nothing,
    /// A match, and what may follow it.
    Found(Span, Option<OpenRest>),
}

/// A place where a rule may match.
#[derive(Debug)]
pub(super) struct Candidate {
    rule: usize,
    start: usize,
    /// Where the value begins, once what leads to it matched.
    value_at: Option<usize>,
    walk: Walk,
}

/// The places where a match may begin, each with the byte before it.
type Starts = [Option<(usize, Option<u8>)>; 2];

impl Candidate {
    /// Where matches of a rule may begin whose keyword, or first digit, stands at `at`.
    pub(super) fn starts(rule: &Rule, text: &Window<'_>, at: usize) -> Starts {
        let fits = |before: Option<u8>| !before.is_some_and(|byte| rule.not_before.contains(byte));
        let start = rule.back.as_ref().map_or(at, |(over, bytes_max)| {
            let before = text.slice(at.saturating_sub(*bytes_max), at);
            at - before.iter().rev().take_while(|byte| over.contains(**byte)).count()
        });
        let before = text.before(start);
        let plain = fits(before).then_some((start, before));
        // The letter of `\n` is no part of the word behind it.
        let behind = (start..=at.min(start + 1)).find_map(|place| {
            let blank = text.blank_before(place).filter(|blank| fits(Some(*blank)))?;
            Some((place, Some(blank)))
        });
        [plain, behind.filter(|(place, _)| plain.is_none() || *place > start)]
    }

    /// A match of a rule may begin at `start`, where `before` stands before it.
    pub(super) fn new(
        rules: &RuleSet,
        rule_at: usize,
        start: usize,
        before: Option<u8>,
    ) -> Option<Self> {
        let rule = rules.rules.get(rule_at)?;
        let walk = rule.first().walk(start, before)?;
        let value_at = rule.lead.is_none().then_some(start);
        Some(Self { rule: rule_at, start, value_at, walk })
    }

    /// The same, where the walk is already behind the keyword.
    pub(super) fn behind_keyword(mut self, entry: &Entry, end: usize) -> Self {
        if let Some(state) = entry.state {
            self.walk = Walk::at(state, end);
        }
        self
    }

    /// Where the match begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Walks on as far as `text` goes.
    pub(super) fn advance(&mut self, rules: &RuleSet, text: &Window<'_>, is_end: bool) -> Outcome {
        let Some(rule) = rules.rules.get(self.rule) else { return Outcome::Nothing };
        let (text, is_end) = self.within_reach(text, is_end);
        if let (None, Some(lead)) = (self.value_at, &rule.lead) {
            match step(lead, &mut self.walk, &text, is_end) {
                Walked::Alive => return Outcome::Undecided,
                Walked::Dead => return Outcome::Nothing,
                Walked::Matched(to) => {
                    let Some(walk) = rule.value.walk(to, text.before(to)) else {
                        return Outcome::Nothing;
                    };
                    (self.value_at, self.walk) = (Some(to), walk);
                }
            }
        }
        match step(&rule.value, &mut self.walk, &text, is_end) {
            Walked::Alive => Outcome::Undecided,
            Walked::Dead => Outcome::Nothing,
            Walked::Matched(to) => self.judge(rule, &text, to),
        }
    }

    /// An unescaped text is walked no farther than the escapes it came from may reach.
    fn within_reach<'a>(&self, text: &Window<'a>, is_end: bool) -> (Window<'a>, bool) {
        if !text.is_mapped() {
            return (*text, is_end);
        }
        let last = text.raw_start(self.start) + REACH_BYTES_MAX;
        if text.raw_start(text.end()) <= last {
            return (*text, is_end);
        }
        let mut to = text.end();
        while to > self.start && text.raw_start(to) > last {
            to -= 1;
        }
        (text.up_to(to), true)
    }

    fn judge(&self, rule: &Rule, text: &Window<'_>, end: usize) -> Outcome {
        let value_at = self.value_at.unwrap_or(self.start);
        let value = text.slice(value_at, end);
        let next = text.byte(end);
        let is_bounded = !next.is_some_and(|next| rule.not_after.contains(next))
            && rule.after.as_ref().is_none_or(|set| next.is_some_and(|next| set.contains(next)));
        if !is_bounded
            || !self.is_in_context(rule, text)
            || rule.no_value.any_in(value)
            || !rule.checks.iter().all(|check| check.holds(value))
        {
            return Outcome::Nothing;
        }
        let (start, stop) = (text.raw_start(value_at), text.raw_start(end));
        let kept = if rule.class == DataClass::Secret { &[][..] } else { value };
        let span = Span { start, end: stop, rule: self.rule, goes_on: false, value: kept.into() };
        let rest = rule.rest.as_ref().map(|rest| OpenRest::new(self.rule, rest, end));
        Outcome::Found(span, rest)
    }

    fn is_in_context(&self, rule: &Rule, text: &Window<'_>) -> bool {
        if rule.context.is_empty() && rule.no_context.is_empty() {
            return true;
        }
        let before = text.slice(self.start.saturating_sub(CONTEXT_BYTES), self.start);
        (rule.context.is_empty() || rule.context.any_in(before)) && !rule.no_context.any_in(before)
    }
}

fn step(pattern: &Pattern, walk: &mut Walk, text: &Window<'_>, is_end: bool) -> Walked {
    pattern.advance(walk, text.bytes(), text.base(), is_end)
}

/// What goes on behind a match: all of it is taken out as it comes.
#[derive(Clone, Debug)]
pub(super) struct OpenRest {
    rule: usize,
    at: usize,
    /// Where the body began, while its end mark was not seen.
    body_from: Option<usize>,
}

impl OpenRest {
    fn new(rule: usize, rest: &Rest, at: usize) -> Self {
        Self { rule, at, body_from: rest.until.is_some().then_some(at) }
    }

    /// Takes what there is; whether more may follow.
    pub(super) fn advance(
        &mut self,
        rules: &RuleSet,
        text: &Window<'_>,
        spans: &mut Vec<Span>,
    ) -> bool {
        let from = self.at;
        let rest = rules.rules.get(self.rule).and_then(|rule| rule.rest.as_ref());
        let goes_on = rest.is_some_and(|rest| self.follow(rest, text));
        if self.at > from {
            let (start, end) = (text.raw_start(from), text.raw_start(self.at));
            spans.push(Span { start, end, rule: self.rule, goes_on: true, value: Box::default() });
        }
        goes_on
    }

    fn follow(&mut self, rest: &Rest, text: &Window<'_>) -> bool {
        if let (Some(body_from), Some(mark)) = (self.body_from, &rest.until) {
            let last = body_from + BODY_BYTES_MAX;
            // The mark may have begun in what was taken before.
            let seen = self.at.saturating_sub(mark.len() - 1).max(body_from);
            let body = text.slice(seen, last.min(text.end()));
            match memchr::memmem::find(body, mark.as_bytes()) {
                Some(found) => (self.at, self.body_from) = (seen + found + mark.len(), None),
                None => {
                    self.at = last.min(text.end());
                    return self.at < last;
                }
            }
        }
        let more = text.from(self.at).iter().take_while(|byte| rest.while_in.contains(**byte));
        self.at += more.count();
        self.at == text.end()
    }
}
