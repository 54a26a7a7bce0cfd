//! All rules' keywords in one automaton: most bytes of a text are seen by
//! nothing else.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::dfa::{Builder, DFA};
use aho_corasick::{Anchored, MatchKind, StartKind};

use super::{Rule, RulesError, Start};

/// The automaton, and which rules each word belongs to.
///
/// The states that the library makes are renumbered into 16 bits, those at which a
/// word ends last: half the memory, so that more of it is in the nearest cache,
/// and one comparison for each byte.
pub(crate) struct Keywords {
    /// The next state, by state and class of byte.
    next: Vec<u16>,
    /// Bits of a state's place in `next` that count its classes.
    class_bits: u32,
    classes: [u8; 256],
    /// The first state at which a word ends.
    first_match: usize,
    /// By state from there on: the words that end.
    ends: Vec<Vec<usize>>,
    /// By word: its length, and the rules that it begins.
    words: Vec<(usize, Vec<usize>)>,
    first: u16,
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
        let classes = classes(by_word.keys());
        let words = by_word.into_iter().map(|(word, rules)| (word.len(), rules)).collect();
        Self::of(&automaton, classes, words).ok_or(RulesError::Keywords)
    }

    fn of(automaton: &DFA, classes: [u8; 256], words: Vec<(usize, Vec<usize>)>) -> Option<Self> {
        let start = automaton.start_state(Anchored::No).ok()?;
        let (order, first_match) = states(automaton, start);
        let mut numbers = HashMap::new();
        for (number, state) in order.iter().enumerate() {
            numbers.insert(*state, u16::try_from(number).ok()?);
        }
        let count = usize::from(*classes.iter().max()?) + 1;
        let class_bits = count.next_power_of_two().trailing_zeros();
        let mut next = vec![0; order.len() << class_bits];
        for (number, state) in order.iter().enumerate() {
            for byte in 0..=u8::MAX {
                let to = automaton.next_state(Anchored::No, *state, byte);
                let place = (number << class_bits) | usize::from(classes[usize::from(byte)]);
                next[place] = *numbers.get(&to)?;
            }
        }
        let words_at = |state: &StateID| {
            let count = automaton.match_len(*state);
            (0..count).map(|at| automaton.match_pattern(*state, at).as_usize()).collect()
        };
        let ends = order[first_match..].iter().map(words_at).collect();
        let first = *numbers.get(&start)?;
        Some(Self { next, class_bits, classes, first_match, ends, words, first })
    }

    /// The state before the first byte.
    pub(crate) fn first(&self) -> u16 {
        self.first
    }

    /// Goes over `bytes`, the first of which has the position `at`, and tells of
    /// each word that ends: where it begins, and its number.
    pub(crate) fn find(
        &self,
        state: &mut u16,
        at: usize,
        bytes: &[u8],
        hits: &mut Vec<(usize, usize)>,
    ) {
        let mut now = usize::from(*state);
        for (offset, &byte) in bytes.iter().enumerate() {
            let place = (now << self.class_bits) | usize::from(self.classes[usize::from(byte)]);
            now = usize::from(self.next[place]);
            if now >= self.first_match {
                self.hit(now, at + offset + 1, hits);
            }
        }
        // It was one of them.
        *state = u16::try_from(now).unwrap_or(self.first);
    }

    #[inline(never)]
    fn hit(&self, state: usize, end: usize, hits: &mut Vec<(usize, usize)>) {
        for &word in &self.ends[state - self.first_match] {
            if let Some((len, _)) = self.words.get(word) {
                hits.push((end - len, word));
            }
        }
    }

    /// The length of a word, and the rules that it begins.
    pub(crate) fn of_word(&self, word: usize) -> (usize, &[usize]) {
        self.words.get(word).map_or((0, &[]), |(len, rules)| (*len, rules))
    }
}

/// A class for each byte: 0 for what is in no word, in any case.
fn classes<'a>(words: impl Iterator<Item = &'a String>) -> [u8; 256] {
    let mut classes = [0; 256];
    let mut count = 0;
    for byte in words.flat_map(|word| word.bytes()) {
        let both = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
        if classes[usize::from(both[0])] == 0 {
            // Words are visible ASCII: there are fewer than 95 classes.
            count += 1;
            for byte in both {
                classes[usize::from(byte)] = count;
            }
        }
    }
    classes
}

/// All states, those at which a word ends last, and how many come before them.
fn states(automaton: &DFA, start: StateID) -> (Vec<StateID>, usize) {
    let mut seen = std::collections::HashSet::from([start]);
    let mut all = vec![start];
    let mut at = 0;
    while let Some(&state) = all.get(at) {
        for byte in 0..=u8::MAX {
            let to = automaton.next_state(Anchored::No, state, byte);
            if seen.insert(to) {
                all.push(to);
            }
        }
        at += 1;
    }
    let (ending, mut order): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|state| automaton.is_match(*state));
    let first_match = order.len();
    order.extend(ending);
    (order, first_match)
}
