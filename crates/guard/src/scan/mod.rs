//! Finding: keywords, then that rule's pattern, then its checks.
//!
//! A scan goes over a text once, in as many pieces as it comes in, and what it
//! finds does not depend on the pieces. Each byte is seen by one automaton of all
//! keywords; where a word ends, the rules that it begins are walked byte by byte
//! from there. A walk that is not decided when the text ends is kept, and goes on
//! with the next piece. Nothing is looked for twice, so time is linear in the text.
//!
//! What is encoded is found too: [`unescaped`] is the text as a reader of JSON or
//! of a URL sees it, scanned beside the text itself; [`base64`] decodes runs.

mod base64;
mod candidate;
pub(crate) mod sextets;
pub(crate) mod span;
mod unescaped;
pub(crate) mod window;

use crate::rules::{Patterns, RuleSet};
use base64::Runs;
use candidate::{Candidate, OpenRest, Outcome};
use span::Span;
use unescaped::{Escape, Unescaped};
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
    keyword: u16,
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
    hits: Vec<(usize, usize)>,
}

impl Scan {
    /// A scan of a text.
    pub(crate) fn new(rules: &RuleSet) -> Self {
        Self::nested(rules, 0, 0, 0)
    }

    fn nested(rules: &RuleSet, at: usize, escapes: u8, decodings: u8) -> Self {
        Self {
            at,
            keyword: rules.keywords.first(),
            candidates: Vec::new(),
            rests: Vec::new(),
            runs: Runs::new(at),
            escapes,
            decodings,
            unescaped: None,
            spare: None,
            hits: Vec::new(),
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
        loop {
            let escape = self.next_escape(text, is_end);
            let to = match escape {
                Escape::At(at) | Escape::Unclear(at) => at,
                Escape::None if self.unescaped.is_some() => {
                    text.end().min(self.at.saturating_add(BLOCK_BYTES))
                }
                Escape::None => text.end(),
            };
            let is_last = to == text.end() && !matches!(escape, Escape::At(_));
            self.plain(rules, &text.up_to(to), is_end && is_last, spans);
            if let Escape::At(at) = escape {
                self.unescaped = Some(self.unescaped_from(rules, text, at));
            }
            self.unescape(rules, text, to, is_end && is_last, spans);
            if is_last || matches!(escape, Escape::Unclear(_)) {
                return;
            }
        }
    }

    /// The next escape, where none was seen yet that still matters.
    fn next_escape(&self, text: &Window<'_>, is_end: bool) -> Escape {
        if self.unescaped.is_some() || self.escapes >= ESCAPES_MAX {
            return Escape::None;
        }
        unescaped::next(text, self.at, is_end)
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
    fn unescaped_from(&mut self, rules: &RuleSet, text: &Window<'_>, at: usize) -> Box<Unescaped> {
        let from = self.holds_from(text, at);
        let mut unescaped = self.spare.take().unwrap_or_else(|| {
            let scan = Self::nested(rules, from, self.escapes + 1, self.decodings);
            Box::new(Unescaped::new(scan))
        });
        unescaped.begin(text, from, at);
        unescaped.scan().begin(rules, from, &self.rests);
        unescaped
    }

    /// Begins anew at `at`, in an idle state, with what goes on there.
    fn begin(&mut self, rules: &RuleSet, at: usize, rests: &[OpenRest]) {
        self.at = at;
        self.keyword = rules.keywords.first();
        self.runs = Runs::new(at);
        self.rests.clear();
        self.rests.extend_from_slice(rests);
    }

    /// Scans the text as it stands.
    fn plain(&mut self, rules: &RuleSet, text: &Window<'_>, is_end: bool, spans: &mut Vec<Span>) {
        self.go_on(rules, text, is_end, spans);
        let (from, to) = (self.at, text.end());
        let mut hits = std::mem::take(&mut self.hits);
        rules.keywords.find(&mut self.keyword, from, text.from(from), &mut hits);
        for (start, word) in hits.drain(..) {
            let (length, owners) = rules.keywords.of_word(word);
            for &rule in owners {
                if let Some(candidate) = Candidate::at_keyword(rules, rule, text, start, length) {
                    self.try_candidate(rules, candidate, text, is_end, spans);
                }
            }
        }
        self.hits = hits;
        self.digits(rules, text, is_end, spans);
        if self.decodings < DECODINGS_MAX {
            let mut runs = std::mem::take(&mut self.runs);
            runs.advance(rules, text, is_end, self.decodings, spans);
            self.runs = runs;
        }
        self.at = to;
    }

    /// Goes on with what the piece before left undecided.
    fn go_on(&mut self, rules: &RuleSet, text: &Window<'_>, is_end: bool, spans: &mut Vec<Span>) {
        if !self.rests.is_empty() {
            self.rests.retain_mut(|rest| rest.advance(rules, text, spans));
        }
        if !self.candidates.is_empty() {
            for candidate in std::mem::take(&mut self.candidates) {
                self.try_candidate(rules, candidate, text, is_end, spans);
            }
        }
    }

    fn try_candidate(
        &mut self,
        rules: &RuleSet,
        mut candidate: Candidate,
        text: &Window<'_>,
        is_end: bool,
        spans: &mut Vec<Span>,
    ) {
        match candidate.advance(rules, text, is_end) {
            Outcome::Undecided => self.candidates.push(candidate),
            Outcome::Nothing => {}
            Outcome::Found(span, rest) => {
                spans.push(span);
                if let Some(mut rest) = rest
                    && rest.advance(rules, text, spans)
                {
                    self.rests.push(rest);
                }
            }
        }
    }

    /// Looks for the first of some digits.
    fn digits(&mut self, rules: &RuleSet, text: &Window<'_>, is_end: bool, spans: &mut Vec<Span>) {
        let mut at = self.at;
        let mut before = u64::from(text.before(at).is_some_and(|byte| byte.is_ascii_digit())) << 7;
        for eight in text.from(at).chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            let digits = digits_in(u64::from_le_bytes(word));
            let mut first = digits & !(digits << 8 | before);
            while first != 0 {
                let offset = usize::try_from(first.trailing_zeros() / 8).unwrap_or_default();
                self.at_digits(rules, text, at + offset, is_end, spans);
                first &= first - 1;
            }
            before = digits >> 56;
            at += 8;
        }
    }

    /// Tries the rules that begin at digits, or shortly before.
    fn at_digits(
        &mut self,
        rules: &RuleSet,
        text: &Window<'_>,
        at: usize,
        is_end: bool,
        spans: &mut Vec<Span>,
    ) {
        let some = rules.any_at_digits.may_match(at, text.bytes(), text.base());
        let is_some = |place: usize| place >= Patterns::COUNT_MAX || some >> place & 1 != 0;
        let here = rules.at_digits.iter().enumerate().filter(|(place, _)| is_some(*place));
        for &rule in here.map(|(_, rule)| rule).chain(&rules.before_digits) {
            if let Some(candidate) = Candidate::at_digits(rules, rule, text, at) {
                self.try_candidate(rules, candidate, text, is_end, spans);
            }
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

    /// Whether nothing is under way.
    fn is_idle(&self) -> bool {
        self.candidates.is_empty() && self.rests.is_empty() && self.unescaped.is_none()
    }

    /// The lowest position of this text that is still needed.
    fn needed_from(&self, text: &Window<'_>) -> usize {
        self.holds_from(text, text.end())
            .min(self.runs.needed_from())
            .saturating_sub(crate::rules::CONTEXT_BYTES)
    }
}

/// The highest bit of each byte of `word` that is a digit; the first byte is the lowest.
fn digits_in(word: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // 0 to 9 for digits; any other byte is 10 or more, or has its highest bit.
    let value = word ^ 0x3030_3030_3030_3030;
    let is_other = (value & !HIGH).wrapping_add(0x7676_7676_7676_7676) | value;
    !is_other & HIGH
}

/// Everything in one whole text.
pub(crate) fn whole(rules: &RuleSet, text: &[u8], decodings: u8) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut scan = Scan::nested(rules, 0, 0, decodings);
    scan.advance(rules, &Window::whole(text), true, &mut spans);
    spans
}

#[cfg(test)]
mod tests {
    use super::digits_in;

    #[test]
    fn digits_of_a_word_are_those_of_its_bytes() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = *b"a0 9/:\xb0z";
                word[place] = byte;
                let found = digits_in(u64::from_le_bytes(word)).to_le_bytes();
                let expected = word.map(|byte| u8::from(byte.is_ascii_digit()) << 7);
                assert_eq!(found, expected, "{word:?}");
            }
        }
    }
}
