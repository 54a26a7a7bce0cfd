//! Finding: keywords, then that rule's pattern, then its checks.
//!
//! A scan goes over a text once, in as many pieces as it comes in, and what it
//! finds does not depend on the pieces. A filter finds the keywords and digits of
//! all rules; where one stands, its rules are walked byte by byte. A walk that is
//! not decided when the text ends is kept, and goes on with the next piece. Nothing
//! is looked for twice, so time is linear in the text.
//!
//! What is encoded is found too: [`unescaped`] is the text as a reader of JSON or
//! of a URL sees it, scanned beside the text itself; [`base64`] decodes runs. A
//! blank's escape is a blank in the text itself: only where something is under way
//! does it matter what follows.

mod base64;
mod candidate;
pub(crate) mod sextets;
pub(crate) mod span;
mod unescaped;
pub(crate) mod window;

use std::ops::Range;

use crate::rules::{Marks, Patterns, RuleSet, Use};
use base64::{Decoder, Runs};
use candidate::{Candidate, OpenRest, Outcome};
use span::Span;
use unescaped::{BLANK_BYTES, Escape, Unescaped};
use window::Window;

/// Bytes of the text that one match can reach over, at most, with its escapes.
pub(crate) const REACH_BYTES_MAX: usize = 4_096;
/// Bytes of a word (visible ASCII without a blank) that are taken for one, at most.
pub(crate) const WORD_BYTES_MAX: usize = 4_096;
/// Bytes from a key file's first line to its last, at most.
pub(crate) const BODY_BYTES_MAX: usize = 32_768;
/// How often a text is unescaped: `%2541` is `%41` is `A`.
const ESCAPES_MAX: u8 = 2;
/// Encodings within each other in which something is looked for.
const DECODINGS_MAX: u8 = 3;
/// Bytes that are scanned at once while a text is unescaped beside it.
const BLOCK_BYTES: usize = 64;

/// The state of a scan between two pieces of a text.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Where the next byte to be scanned stands.
    at: usize,
    candidates: Vec<Candidate>,
    rests: Vec<OpenRest>,
    runs: Runs,
    /// How often the text was unescaped already.
    escapes: u8,
    /// Encodings that it was found in.
    decodings: u8,
    unescaped: Option<Box<Unescaped>>,
    /// One that is done, whose memory serves the next.
    spare: Option<Box<Unescaped>>,
    marks: Marks,
}

/// The text around a place, whether nothing follows it, and where finds go.
struct Around<'a> {
    text: &'a Window<'a>,
    is_end: bool,
    spans: &'a mut Vec<Span>,
}

impl Scan {
    /// A scan of a text.
    pub(crate) fn new() -> Self {
        Self::nested(0, 0, 0)
    }

    fn nested(at: usize, escapes: u8, decodings: u8) -> Self {
        Self {
            at,
            candidates: Vec::new(),
            rests: Vec::new(),
            runs: Runs::new(at),
            escapes,
            decodings,
            unescaped: None,
            spare: None,
            marks: Marks::default(),
        }
    }

    /// Scans what `text` holds behind what was scanned before; with `is_end`
    /// nothing follows it. Adds what is found to `spans`.
    pub(crate) fn advance(
        &mut self,
        rules: &RuleSet,
        text: &Window<'_>,
        is_end: bool,
        spans: &mut Vec<Span>,
    ) {
        let mut from = self.at;
        loop {
            let escape = self.next_escape(text, from, is_end);
            let to = match escape {
                Escape::At(at) | Escape::Blank(at) | Escape::Unclear(at) => at,
                Escape::None if self.unescaped.is_some() => {
                    text.end().min(self.at.saturating_add(BLOCK_BYTES))
                }
                Escape::None => text.end(),
            };
            let is_last = to == text.end() && !matches!(escape, Escape::At(_) | Escape::Blank(_));
            self.plain(rules, &text.up_to(to), is_end && is_last, spans);
            from = self.at;
            match escape {
                // Nothing sees more of it than that it is a blank.
                Escape::Blank(at) if !self.is_under_way() => from = at + BLANK_BYTES,
                Escape::At(at) | Escape::Blank(at) => {
                    self.unescaped = Some(self.unescaped_from(text, at));
                }
                Escape::Unclear(_) | Escape::None => {}
            }
            self.unescape(rules, text, to, is_end && is_last, spans);
            if is_last || matches!(escape, Escape::Unclear(_)) {
                return;
            }
        }
    }

    /// The next escape from `from` on, where none was seen yet that still matters.
    fn next_escape(&self, text: &Window<'_>, from: usize, is_end: bool) -> Escape {
        if self.unescaped.is_some() || self.escapes >= ESCAPES_MAX {
            return Escape::None;
        }
        unescaped::next(text, from, is_end)
    }

    fn unescape(
        &mut self,
        rules: &RuleSet,
        text: &Window<'_>,
        to: usize,
        is_end: bool,
        spans: &mut Vec<Span>,
    ) {
        let Some(unescaped) = &mut self.unescaped else { return };
        let text = text.up_to(to);
        unescaped.advance(rules, &text, is_end, spans);
        if unescaped.is_done(&text) {
            self.spare = self.unescaped.take();
        }
    }

    /// The unescaped text from the escape at `at` on, with what is under way there.
    fn unescaped_from(&mut self, text: &Window<'_>, at: usize) -> Box<Unescaped> {
        let from = self.holds_from(text, at);
        let mut unescaped = self.spare.take().unwrap_or_else(|| {
            let scan = Self::nested(from, self.escapes + 1, self.decodings);
            Box::new(Unescaped::new(scan))
        });
        unescaped.begin(text, from, at);
        unescaped.scan().begin(from, &self.rests);
        unescaped
    }

    /// Begins anew at `at`, in an idle state, with what goes on there.
    fn begin(&mut self, at: usize, rests: &[OpenRest]) {
        self.at = at;
        self.runs = Runs::new(at);
        self.rests.clear();
        self.rests.extend_from_slice(rests);
    }

    /// Scans the text as it stands.
    fn plain(&mut self, rules: &RuleSet, text: &Window<'_>, is_end: bool, spans: &mut Vec<Span>) {
        self.go_on(rules, text, is_end, spans);
        let mut marks = std::mem::take(&mut self.marks);
        rules.keywords.find(text.bytes(), text.base(), self.at, &mut marks);
        for &(at, word) in &marks.words {
            let (uses, length) = rules.keywords.of_word(word);
            for one in uses {
                let keyword = || rules.keywords.cases(word);
                self.try_use(
                    rules,
                    one,
                    keyword,
                    at..at + length,
                    &mut Around { text, is_end, spans },
                );
            }
        }
        for &at in &marks.digits {
            self.at_digits(rules, at, &mut Around { text, is_end, spans });
        }
        if self.decodings < DECODINGS_MAX {
            let mut decoder = Decoder { rules, text, decodings: self.decodings, spans };
            self.runs.advance(&mut decoder, is_end, &marks.sextets);
        }
        self.marks = marks;
        self.at = text.end();
    }

    /// Goes on with what the piece before left undecided.
    fn go_on(&mut self, rules: &RuleSet, text: &Window<'_>, is_end: bool, spans: &mut Vec<Span>) {
        if !self.rests.is_empty() {
            self.rests.retain_mut(|rest| rest.advance(rules, text, spans));
        }
        if !self.candidates.is_empty() {
            for candidate in std::mem::take(&mut self.candidates) {
                self.try_candidate(rules, candidate, &mut Around { text, is_end, spans });
            }
        }
    }

    /// Tries a rule whose keyword stands at `place`.
    fn try_use(
        &mut self,
        rules: &RuleSet,
        one: &Use,
        keyword: impl FnOnce() -> Vec<Vec<u8>>,
        place: Range<usize>,
        around: &mut Around<'_>,
    ) {
        let Some(rule) = rules.rules.get(one.rule) else { return };
        let text = around.text;
        let entry = one.entry(rule, keyword);
        if entry.needs_back
            && let Some((over, _)) = &rule.back
            && !text.before(place.start).is_some_and(|before| over.contains(before))
        {
            return;
        }
        if !entry.after.fits(text.from(place.end)) {
            return;
        }
        for (start, before) in Candidate::starts(rule, text, place.start).into_iter().flatten() {
            if let Some(candidate) = Candidate::new(rules, one.rule, start, before) {
                let candidate = candidate.behind_keyword(entry, place.end);
                self.try_candidate(rules, candidate, around);
            }
        }
    }

    fn try_candidate(
        &mut self,
        rules: &RuleSet,
        mut candidate: Candidate,
        around: &mut Around<'_>,
    ) {
        match candidate.advance(rules, around.text, around.is_end) {
            Outcome::Undecided => self.candidates.push(candidate),
            Outcome::Nothing => {}
            Outcome::Found(span, rest) => {
                around.spans.push(span);
                if let Some(mut rest) = rest
                    && rest.advance(rules, around.text, around.spans)
                {
                    self.rests.push(rest);
                }
            }
        }
    }

    /// Tries the rules that begin at digits, or shortly before.
    fn at_digits(&mut self, rules: &RuleSet, at: usize, around: &mut Around<'_>) {
        let text = around.text;
        let some = rules.any_at_digits.may_match(at, text.bytes(), text.base());
        if some != 0 || rules.at_digits.len() > Patterns::COUNT_MAX {
            for (place, &rule_at) in rules.at_digits.iter().enumerate() {
                let is_one = place >= Patterns::COUNT_MAX || some >> place & 1 != 0;
                let Some(rule) = rules.rules.get(rule_at).filter(|_| is_one) else { continue };
                for (start, before) in Candidate::starts(rule, text, at).into_iter().flatten() {
                    if let Some(candidate) = Candidate::new(rules, rule_at, start, before) {
                        self.try_candidate(rules, candidate, around);
                    }
                }
            }
        }
        for one in &rules.before_digits {
            let digit = || vec![(b'0'..=b'9').collect()];
            self.try_use(rules, one, digit, at..at + 1, around);
        }
    }

    /// The position, in the text as it came, from which on something may still be found.
    pub(crate) fn undecided_from(&self, text: &Window<'_>) -> usize {
        let here = self.holds_from(text, text.end());
        let deeper = self.unescaped.as_ref().map(|unescaped| unescaped.undecided_from());
        deeper.map_or(text.raw_start(here), |deeper| deeper.min(text.raw_start(here)))
    }

    /// The same in this text, at `to`, without what is found unescaped.
    fn holds_from(&self, text: &Window<'_>, to: usize) -> usize {
        let first = self.candidates.iter().map(Candidate::start).min();
        first.unwrap_or(to).min(text.word_start(to))
    }

    /// The first byte, in the text as it came, of a candidate that is not decided.
    fn first_candidate(&self, text: &Window<'_>) -> Option<usize> {
        let own = self.candidates.iter().map(|candidate| text.raw_start(candidate.start())).min();
        let deeper = self.unescaped.as_ref().map(|unescaped| unescaped.undecided_from());
        own.into_iter().chain(deeper).min()
    }

    /// Whether a match may go on, or goes on, behind what was scanned.
    fn is_under_way(&self) -> bool {
        !(self.candidates.is_empty() && self.rests.is_empty())
    }

    /// Whether nothing is under way, unescaped neither.
    fn is_idle(&self) -> bool {
        !self.is_under_way() && self.unescaped.is_none()
    }

    /// The lowest position of this text that is still needed.
    fn needed_from(&self, text: &Window<'_>) -> usize {
        self.holds_from(text, text.end())
            .min(self.runs.needed_from())
            .saturating_sub(crate::rules::CONTEXT_BYTES)
    }
}

/// Everything in one whole text.
pub(crate) fn whole(rules: &RuleSet, text: &[u8], decodings: u8) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut scan = Scan::nested(0, 0, decodings);
    scan.advance(rules, &Window::whole(text), true, &mut spans);
    spans
}

#[cfg(test)]
mod tests;
