//! What a rule can still match once its keyword stands there, worked out once for
//! each: at most places where a keyword stands the next bytes tell that it is no
//! match.

use std::collections::BTreeSet;

use regex_automata::dfa::{Automaton as _, dense};
use regex_automata::util::primitives::StateID;

use super::{ByteSet, Rule};

/// Bytes behind a keyword that are looked at: a bit for each.
const AFTER_BYTES: usize = 8;

/// For each byte a bit for each of the places behind a keyword at which it may stand
/// where there is a match.
pub(crate) struct After([u8; 256]);

impl std::fmt::Debug for After {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("After(..)")
    }
}

impl After {
    /// Anything goes.
    pub(super) const ANY: Self = Self([u8::MAX; 256]);

    /// Of walks that are in one of `states` behind the keyword.
    pub(super) fn of(automaton: &dense::DFA<Vec<u32>>, mut states: States) -> Self {
        let mut masks = [0; 256];
        for place in 0..AFTER_BYTES {
            let mut next = States::new();
            let mut has_matched = false;
            for (byte, mask) in (0_u8..=u8::MAX).zip(&mut masks) {
                for state in &states {
                    let to = automaton.next_state(*state, byte);
                    if automaton.is_dead_state(to) {
                        continue;
                    }
                    *mask |= 1_u8 << place;
                    has_matched |= automaton.is_match_state(to) || automaton.is_quit_state(to);
                    next.insert(to);
                }
            }
            if has_matched {
                let behind = u8::MAX.checked_shl(u32::try_from(place + 1).unwrap_or(u32::MAX));
                masks.iter_mut().for_each(|mask| *mask |= behind.unwrap_or(0));
                break;
            }
            states = next;
        }
        Self(masks)
    }

    /// Whether there may be a match where `bytes` stand behind the keyword.
    #[inline]
    pub(crate) fn fits(&self, bytes: &[u8]) -> bool {
        let mut all = bytes.iter().take(AFTER_BYTES).enumerate();
        all.all(|(place, byte)| self.0[usize::from(*byte)] >> place & 1 != 0)
    }
}

/// What is known of a rule behind its keyword.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What may stand behind the keyword.
    pub(crate) after: After,
    /// Whether the match begins before the keyword wherever the rule matches.
    pub(crate) needs_back: bool,
    /// Where a walk is behind the keyword, where it always is at one place.
    pub(crate) state: Option<StateID>,
}

/// States of an automaton.
pub(super) type States = BTreeSet<StateID>;

impl Entry {
    /// Of a rule and its keyword, of which each byte may be one of some.
    pub(super) fn of(rule: &Rule, keyword: &[Vec<u8>]) -> Self {
        let known = rule.first().plain().and_then(|(automaton, start)| {
            Self::walked(automaton, start, rule.back.as_ref(), keyword)
        });
        // With a look at what stands around, or a match within the keyword, anything goes.
        known.unwrap_or(Self { after: After::ANY, needs_back: false, state: None })
    }

    fn walked(
        automaton: &dense::DFA<Vec<u32>>,
        start: StateID,
        back: Option<&(ByteSet, usize)>,
        keyword: &[Vec<u8>],
    ) -> Option<Self> {
        let along = |states: States| {
            keyword.iter().try_fold(states, |states, bytes| step(automaton, &states, bytes))
        };
        let at_keyword = along(States::from([start]))?;
        let needs_back = back.is_some() && at_keyword.is_empty();
        let mut behind = at_keyword;
        if let Some((over, bytes_max)) = back {
            let over: Vec<u8> = (0..=u8::MAX).filter(|byte| over.contains(*byte)).collect();
            let mut before = States::from([start]);
            for _ in 0..*bytes_max {
                before = step(automaton, &before, &over)?;
                behind.append(&mut along(before.clone())?);
            }
        }
        let only = behind.first().copied().filter(|_| behind.len() == 1 && back.is_none());
        Some(Self { after: After::of(automaton, behind), needs_back, state: only })
    }
}

/// The states after one more byte, one of `bytes`; `None` where something has matched.
pub(super) fn step(
    automaton: &dense::DFA<Vec<u32>>,
    states: &States,
    bytes: &[u8],
) -> Option<States> {
    let mut after = States::new();
    for state in states {
        for &byte in bytes {
            let next = automaton.next_state(*state, byte);
            if automaton.is_match_state(next) || automaton.is_quit_state(next) {
                return None;
            }
            if !automaton.is_dead_state(next) {
                after.insert(next);
            }
        }
    }
    Some(after)
}
