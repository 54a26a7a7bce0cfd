//! Redaction: a text goes in, and comes out without what the rules find.
//!
//! A secret becomes `[secret:RULE]` and cannot be had back. Personal data becomes
//! a token such as `[email:3f2a9c1b44d0]`: a keyed hash of the value, equal for
//! equal values under one key, so that records can still be told apart.

mod json;
mod pseudonym;
mod stream;
mod token;
mod writer;

use std::sync::Arc;

use surgewall_core::data::{ClassSet, DataClass};

use crate::rules::RuleSet;
use crate::scan::{self, span::Span};
pub use pseudonym::{PSEUDONYMS_MAX, Pseudonyms};
pub use stream::{HOLD_BYTES_MAX, StreamRedactor};
use token::Tokens;
use writer::Writer;

/// What was found in one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The rule's id.
    pub rule: Arc<str>,
    /// What it is.
    pub class: DataClass,
}

/// A text after redaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redacted {
    /// The text, with a word in the place of each thing that was found.
    pub text: String,
    /// What was found, in order; empty where the text is as it was.
    pub found: Vec<Found>,
}

impl Redacted {
    /// The classes of all that was found.
    #[must_use]
    pub fn classes(&self) -> ClassSet {
        self.found.iter().map(|found| found.class).collect()
    }
}

/// Redacts texts by one set of rules and one token key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Redactor {
    rules: Arc<RuleSet>,
    tokens: Tokens,
}

impl Redactor {
    /// By `rules`; equal personal data gets equal tokens under one `token_key`.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, token_key: &[u8; 32]) -> Self {
        Self { rules, tokens: Tokens::new(token_key) }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// A whole text.
    #[must_use]
    pub fn redact(&self, text: &str) -> Redacted {
        let spans = scan::whole(&self.rules, text.as_bytes(), 0);
        if spans.is_empty() {
            return Redacted { text: text.to_owned(), found: Vec::new() };
        }
        let mut writer = Writer::new();
        let mut out = String::with_capacity(text.len());
        writer.add(spans);
        writer.write(self, text, 0, text.len(), &mut out);
        Redacted { text: out, found: writer.into_found() }
    }

    /// A whole text that is JSON, for example a request's body: what is found is
    /// replaced within its strings, and a number by a string, so that it is still
    /// JSON. A text that is none is redacted as any other.
    #[must_use]
    pub fn redact_json(&self, text: &str) -> Redacted {
        json::redact(self, text)
    }

    /// A text that comes in pieces.
    #[must_use]
    pub fn stream(&self) -> StreamRedactor {
        StreamRedactor::new(self.clone())
    }

    /// Which classes of data `text` holds, without a new text.
    #[must_use]
    pub fn classes(&self, text: &str) -> ClassSet {
        self.rules.classes(text)
    }

    /// Where something was found in `text`: byte offsets and what it is, in order,
    /// without overlaps. For measuring, and for those who mark instead of redact.
    #[must_use]
    pub fn places(&self, text: &str) -> Vec<(std::ops::Range<usize>, Found)> {
        let places = self.words(text).into_iter();
        places.map(|place| (place.start..place.end, place.found)).collect()
    }

    /// The id of every rule that finds something in `text`, also where another names it.
    #[cfg(test)]
    pub(crate) fn all(&self, text: &str) -> Vec<String> {
        let spans = scan::whole(&self.rules, text.as_bytes(), 0);
        spans
            .iter()
            .filter_map(|span| span.rule(&self.rules))
            .map(|rule| rule.id().to_owned())
            .collect()
    }

    /// The same, with the words that stand for them.
    fn words(&self, text: &str) -> Vec<json::Place> {
        let mut spans = scan::whole(&self.rules, text.as_bytes(), 0);
        spans.sort_by_key(|span| span.order(&self.rules));
        let mut places: Vec<json::Place> = Vec::new();
        for span in spans {
            match places.last_mut() {
                Some(last) if span.start < last.end || (span.goes_on && span.start == last.end) => {
                    last.end = last.end.max(span.end);
                }
                _ => places.extend(self.found(&span).map(|found| json::Place {
                    start: span.start,
                    end: span.end,
                    word: self.word(&found, &span.value),
                    found,
                })),
            }
        }
        places
    }

    fn found(&self, span: &Span) -> Option<Found> {
        let rule = span.rule(&self.rules)?;
        Some(Found { rule: rule.id.clone(), class: rule.class })
    }

    /// The word that stands for what was found.
    fn word(&self, found: &Found, value: &[u8]) -> String {
        match found.class {
            DataClass::Secret => format!("[secret:{}]", found.rule),
            class => format!("[{class}:{}]", self.tokens.of(class, value)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
