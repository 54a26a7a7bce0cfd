//! All rules' keywords in one automaton: most bytes of a text are seen by
//! nothing else.

use std::collections::BTreeMap;

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::dfa::{Builder, DFA};
use aho_corasick::{Anchored, MatchKind, StartKind};

use super::{Rule, RulesError, Start};

/// The automaton, and which rules each word belongs to.
pub(crate) struct Keywords {
    automaton: DFA,
    /// By word: its length, and the rules that it begins.
    words: Vec<(usize, Vec<usize>)>,
    first: StateID,
}

impl std::fmt::Debug for Keywords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keywords").field("words", &self.words.len()).finish_non_exhaustive()
    }
}

impl Keywords {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, RulesError> {
        let mut by_word: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate() {
            let Start::Keywords(words) = &rule.start else { continue };
            for word in words {
                let rules = by_word.entry(word.to_ascii_lowercase()).or_default();
                if !rules.contains(&at) {
                    rules.push(at);
                }
            }
        }
        let automaton = Builder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Unanchored)
            .prefilter(false)
            .build(by_word.keys())
            .map_err(|_| RulesError::Keywords)?;
        let first = automaton.start_state(Anchored::No).map_err(|_| RulesError::Keywords)?;
        let words = by_word.into_iter().map(|(word, rules)| (word.len(), rules)).collect();
        Ok(Self { automaton, words, first })
    }

    /// The state before the first byte.
    pub(crate) fn first(&self) -> StateID {
        self.first
    }

    /// Goes over `bytes`, the first of which has the position `at`, and tells of
    /// each word that ends: where it begins, and its rules.
    #[inline(never)]
    pub(crate) fn find(
        &self,
        state: &mut StateID,
        at: usize,
        bytes: &[u8],
        hits: &mut Vec<(usize, usize)>,
    ) {
        let mut now = *state;
        for (offset, &byte) in bytes.iter().enumerate() {
            now = self.automaton.next_state(Anchored::No, now, byte);
            if self.automaton.is_special(now) && self.automaton.is_match(now) {
                self.hit(now, at + offset + 1, hits);
            }
        }
        *state = now;
    }

    #[inline(never)]
    fn hit(&self, state: StateID, end: usize, hits: &mut Vec<(usize, usize)>) {
        for index in 0..self.automaton.match_len(state) {
            let word = self.automaton.match_pattern(state, index).as_usize();
            if let Some((len, _)) = self.words.get(word) {
                hits.push((end - len, word));
            }
        }
    }

    /// The length of a word, and the rules that it begins.
    pub(crate) fn of(&self, word: usize) -> (usize, &[usize]) {
        self.words.get(word).map_or((0, &[]), |(len, rules)| (*len, rules))
    }
}
