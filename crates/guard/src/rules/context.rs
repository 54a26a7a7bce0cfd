//! Words that stand, or must not stand, shortly before a match.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::error::Wrong;

/// Some words, in any case.
#[derive(Debug, Default)]
pub(crate) struct Words(Option<AhoCorasick>);

impl Words {
    pub(super) fn new(field: &'static str, words: &[String]) -> Result<Self, Wrong> {
        if words.is_empty() {
            return Ok(Self(None));
        }
        if words.iter().any(String::is_empty) {
            return Err(Wrong::new(field, "a word is empty"));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .prefilter(false)
            .build(words);
        automaton.map(|all| Self(Some(all))).map_err(|_| Wrong::new(field, "too many words"))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether one of them is in `text`.
    pub(crate) fn any_in(&self, text: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|words| words.is_match(text))
    }
}
