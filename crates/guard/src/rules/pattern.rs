//! A pattern: a regular expression over bytes as one automaton without
//! backtracking, walked byte by byte, so that a walk can stop at the end of what
//! a stream has brought and go on later.
//!
//! The automaton also tells when no further byte can make or lengthen a match:
//! a stream is held back no longer than that.

use std::sync::OnceLock;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::Hir;

use super::error::Wrong;
use super::{MATCH_BYTES_MAX, RulesError};

/// Memory of one automaton, and of building it, at most.
const AUTOMATON_BYTES_MAX: usize = 8 << 20;
/// Characters of a pattern, at most.
const PATTERN_CHARS_MAX: usize = 4_096;

/// One pattern, anchored where it begins.
#[derive(Debug)]
pub(crate) struct Pattern {
    hir: Hir,
    automaton: OnceLock<Option<dense::DFA<Vec<u32>>>>,
}

/// Reads a pattern over bytes, without Unicode classes.
pub(super) fn parse(pattern: &str) -> Result<Hir, String> {
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
    parser.parse(pattern).map_err(|error| error.to_string())
}

/// How far a walk is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    state: StateID,
    at: usize,
    matched_to: Option<usize>,
}

/// What became of a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Walked {
    /// More bytes could make or lengthen a match.
    Alive,
    /// A match up to here, for good.
    Matched(usize),
    /// No match.
    Dead,
}

impl Pattern {
    /// Reads one, for the field that it stands in.
    pub(super) fn new(field: &'static str, text: &str) -> Result<Self, Wrong> {
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(Wrong::new(field, format!("longer than {PATTERN_CHARS_MAX} characters")));
        }
        let hir = parse(text).map_err(|message| Wrong::new(field, message))?;
        let properties = hir.properties();
        if properties.maximum_len().is_none_or(|len| len > MATCH_BYTES_MAX) {
            return Err(Wrong::unbounded(field));
        }
        if properties.minimum_len().is_none_or(|len| len == 0) {
            return Err(Wrong::new(field, "it can match nothing at all"));
        }
        Ok(Self { hir, automaton: OnceLock::new() })
    }

    /// Makes the automaton ready.
    pub(super) fn prepare(&self, id: &str) -> Result<(), RulesError> {
        match self.automaton() {
            Some(_) => Ok(()),
            None => Err(RulesError::TooLarge { id: id.to_owned() }),
        }
    }

    fn automaton(&self) -> Option<&dense::DFA<Vec<u32>>> {
        self.automaton
            .get_or_init(|| build(std::slice::from_ref(&self.hir), MatchKind::LeftmostFirst))
            .as_ref()
    }

    /// A walk that begins at `at`, where `before` is the byte before it.
    pub(crate) fn walk(&self, at: usize, before: Option<u8>) -> Option<Walk> {
        let config = start::Config::new().anchored(Anchored::Yes).look_behind(before);
        let state = self.automaton()?.start_state(&config).ok()?;
        Some(Walk { state, at, matched_to: None })
    }

    /// Goes on over `bytes`, whose first has the position `base`, until it is
    /// decided or the bytes end. With `is_end` nothing follows them.
    pub(crate) fn advance(
        &self,
        walk: &mut Walk,
        bytes: &[u8],
        base: usize,
        is_end: bool,
    ) -> Walked {
        let Some(automaton) = self.automaton() else { return Walked::Dead };
        let mut state = walk.state;
        let mut is_dead = false;
        for &byte in bytes.get(walk.at - base..).unwrap_or_default() {
            state = automaton.next_state(state, byte);
            if automaton.is_special_state(state) {
                if automaton.is_match_state(state) {
                    walk.matched_to = Some(walk.at);
                } else if automaton.is_dead_state(state) || automaton.is_quit_state(state) {
                    is_dead = true;
                    break;
                }
            }
            walk.at += 1;
        }
        walk.state = state;
        if !is_dead {
            if !is_end {
                return Walked::Alive;
            }
            if automaton.is_match_state(automaton.next_eoi_state(state)) {
                walk.matched_to = Some(walk.at);
            }
        }
        walk.matched_to.map_or(Walked::Dead, Walked::Matched)
    }
}

/// Patterns of which one walk tells which may match.
#[derive(Debug)]
pub(crate) struct Patterns {
    all: Vec<Hir>,
    automaton: OnceLock<Option<dense::DFA<Vec<u32>>>>,
}

impl Patterns {
    /// Patterns in one set, at most: one bit for each.
    pub(crate) const COUNT_MAX: usize = 64;

    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Self {
        let all = patterns.map(|pattern| pattern.hir.clone()).collect();
        Self { all, automaton: OnceLock::new() }
    }

    /// A bit for each pattern that may match at `at`, as far as the bytes go.
    pub(crate) fn may_match(&self, at: usize, bytes: &[u8], base: usize) -> u64 {
        if self.all.is_empty() {
            return 0;
        }
        let automaton = self.automaton.get_or_init(|| build(&self.all, MatchKind::All));
        let Some(automaton) = automaton else { return u64::MAX };
        let before = at.checked_sub(base + 1).and_then(|at| bytes.get(at).copied());
        let config = start::Config::new().anchored(Anchored::Yes).look_behind(before);
        let Ok(mut state) = automaton.start_state(&config) else { return u64::MAX };
        let mut matched = 0;
        for &byte in bytes.get(at - base..).unwrap_or_default() {
            state = automaton.next_state(state, byte);
            if automaton.is_special_state(state) {
                if automaton.is_dead_state(state) || automaton.is_quit_state(state) {
                    return matched;
                }
                for index in 0..automaton.match_len(state) {
                    matched |= 1 << automaton.match_pattern(state, index).as_usize();
                }
            }
        }
        // What comes next may still make a match of any.
        u64::MAX
    }
}

fn build(patterns: &[Hir], kind: MatchKind) -> Option<dense::DFA<Vec<u32>>> {
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .utf8(false)
                .which_captures(thompson::WhichCaptures::None)
                .nfa_size_limit(Some(AUTOMATON_BYTES_MAX)),
        )
        .build_many_from_hir(patterns)
        .ok()?;
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(kind)
        .accelerate(false)
        .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
        .determinize_size_limit(Some(AUTOMATON_BYTES_MAX));
    dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()
}
