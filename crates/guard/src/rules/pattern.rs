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

use super::entry::{After, step};
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
    automaton: OnceLock<Option<Anchor>>,
}

/// An automaton, and the state it begins in where that does not depend on the
/// byte before.
#[derive(Debug)]
struct Anchor {
    automaton: dense::DFA<Vec<u32>>,
    start: Option<StateID>,
}

impl Anchor {
    /// Of patterns that do not look around, the state is always the same.
    fn new(patterns: &[Hir], kind: MatchKind) -> Option<Self> {
        let automaton = build(patterns, kind)?;
        let mut anchor = Self { automaton, start: None };
        if patterns.iter().all(|hir| hir.properties().look_set().is_empty()) {
            anchor.start = anchor.start(None);
        }
        Some(anchor)
    }

    #[inline]
    fn start(&self, before: Option<u8>) -> Option<StateID> {
        self.start.or_else(|| {
            let config = start::Config::new().anchored(Anchored::Yes).look_behind(before);
            self.automaton.start_state(&config).ok()
        })
    }
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

impl Walk {
    /// A walk that is in a state before the byte at `at`.
    pub(crate) fn at(state: StateID, at: usize) -> Self {
        Self { state, at, matched_to: None }
    }
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

    fn automaton(&self) -> Option<&Anchor> {
        let one = std::slice::from_ref(&self.hir);
        self.automaton.get_or_init(|| Anchor::new(one, MatchKind::LeftmostFirst)).as_ref()
    }

    /// The automaton and its first state, where the pattern does not look around.
    pub(super) fn plain(&self) -> Option<(&dense::DFA<Vec<u32>>, StateID)> {
        let anchor = self.automaton()?;
        Some((&anchor.automaton, anchor.start?))
    }

    /// A walk that begins at `at`, where `before` is the byte before it.
    pub(crate) fn walk(&self, at: usize, before: Option<u8>) -> Option<Walk> {
        Some(Walk::at(self.automaton()?.start(before)?, at))
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
        let Some(Anchor { automaton, .. }) = self.automaton() else { return Walked::Dead };
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
    automaton: OnceLock<Option<(Anchor, After)>>,
}

impl Patterns {
    /// Patterns in one set, at most: one bit for each.
    pub(crate) const COUNT_MAX: usize = 64;

    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Self {
        let all = patterns.map(|pattern| pattern.hir.clone()).collect();
        Self { all, automaton: OnceLock::new() }
    }

    /// The automaton, and what may stand behind a first digit.
    fn build(&self) -> Option<(Anchor, After)> {
        let anchor = Anchor::new(&self.all, MatchKind::All)?;
        let automaton = &anchor.automaton;
        let digits: Vec<u8> = (b'0'..=b'9').collect();
        let behind = anchor.start.and_then(|start| step(automaton, &[start].into(), &digits));
        let after = behind.map_or(After::ANY, |behind| After::of(automaton, behind));
        Some((anchor, after))
    }

    /// A bit for each pattern that may match at the digit at `at`, as far as the bytes go.
    pub(crate) fn may_match(&self, at: usize, bytes: &[u8], base: usize) -> u64 {
        if self.all.is_empty() {
            return 0;
        }
        let Some((anchor, after)) = self.automaton.get_or_init(|| self.build()) else {
            return u64::MAX;
        };
        let behind = bytes.get(at - base + 1..).unwrap_or_default();
        if !after.fits(behind) {
            return 0;
        }
        let before = at.checked_sub(base + 1).and_then(|at| bytes.get(at).copied());
        let Some(mut state) = anchor.start(before) else { return u64::MAX };
        let automaton = &anchor.automaton;
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
