//! What is looked for: rules, read from documented files and made ready to scan.

mod builtin;
mod bytes;
mod check;
mod context;
mod entry;
mod error;
pub mod example;
mod file;
mod filter;
pub mod gitleaks;
mod keywords;
mod pattern;
mod shape;
mod sums;

use std::sync::Arc;

use surgewall_core::data::{ClassSet, DataClass};

use crate::scan;
pub(crate) use bytes::ByteSet;
pub use check::Check;
pub(crate) use context::Words;
pub(crate) use entry::Entry;
pub use error::RulesError;
pub use keywords::KEYWORDS_MAX;
pub(crate) use keywords::{Keywords, Marks, Use};
pub(crate) use pattern::{Pattern, Patterns, Walk, Walked};

/// Rules in one set, at most.
pub const RULES_MAX: usize = 1_024;
/// Bytes of a rule file, at most.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Bytes that one match of one rule can have, at most; a file whose rule could
/// match more is refused, so that a stream never has to wait for more.
pub const MATCH_BYTES_MAX: usize = 1_024;
/// Bytes of a keyword, at most.
pub const KEYWORD_BYTES_MAX: usize = 32;
/// Bytes before a match in which a rule's context is looked for.
pub const CONTEXT_BYTES: usize = 48;
/// Bytes that a match may begin before its keyword, at most.
pub const BACK_BYTES_MAX: usize = 64;

/// Where matches of a rule may begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// At one of these words.
    Keywords(Vec<String>),
    /// At the first of some digits.
    Digits,
}

/// What goes on after a match for as long as it is more of the same: the rest of
/// a token longer than any limit, or the body of a key file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rest {
    /// First everything up to and with these bytes, at most
    /// [`crate::scan::BODY_BYTES_MAX`].
    pub(crate) until: Option<String>,
    /// Then every byte of this set.
    pub(crate) while_in: ByteSet,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) class: DataClass,
    pub(crate) description: String,
    pub(crate) start: Start,
    /// Whether keywords count as written only.
    pub(crate) is_case_sensitive: bool,
    /// How far before its keyword a match may begin, and over which bytes.
    pub(crate) back: Option<(ByteSet, usize)>,
    /// Bytes that may not stand before a match.
    pub(crate) not_before: ByteSet,
    /// Bytes that may not stand after the value.
    pub(crate) not_after: ByteSet,
    /// Bytes of which one must stand after the value.
    pub(crate) after: Option<ByteSet>,
    /// From the beginning of the match to the value.
    pub(crate) lead: Option<Pattern>,
    /// What is taken out.
    pub(crate) value: Pattern,
    pub(crate) rest: Option<Rest>,
    /// Words of which one must stand shortly before the match; none: no matter what.
    pub(crate) context: Words,
    /// Words of which none may stand there.
    pub(crate) no_context: Words,
    /// Words of which none may stand in the value.
    pub(crate) no_value: Words,
    pub(crate) checks: Vec<Check>,
    /// Of matches that begin at the same place, the one with the highest names it.
    pub(crate) priority: u8,
    pub(crate) matches: Vec<String>,
    pub(crate) rejects: Vec<String>,
}

impl Rule {
    /// What a match begins with.
    pub(crate) fn first(&self) -> &Pattern {
        self.lead.as_ref().unwrap_or(&self.value)
    }

    /// Its name, for example `github-token`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it finds.
    #[must_use]
    pub fn class(&self) -> DataClass {
        self.class
    }

    /// What it finds, in a sentence.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Templates of texts in which it finds something (see [`example`]).
    #[must_use]
    pub fn matches(&self) -> &[String] {
        &self.matches
    }

    /// Templates of texts in which it finds nothing.
    #[must_use]
    pub fn rejects(&self) -> &[String] {
        &self.rejects
    }
}

/// Rules that are looked for together.
#[derive(Debug)]
pub struct RuleSet {
    pub(crate) rules: Vec<Rule>,
    pub(crate) keywords: Keywords,
    /// Rules that begin at digits, and the others, that begin shortly before them.
    pub(crate) at_digits: Vec<usize>,
    pub(crate) before_digits: Vec<Use>,
    /// The first patterns of the former: most numbers are none of them.
    pub(crate) any_at_digits: Patterns,
}

impl RuleSet {
    /// The rules that are shipped.
    ///
    /// # Errors
    /// None: a test reads them.
    pub fn builtin() -> Result<Self, RulesError> {
        Self::parse(builtin::FILES)
    }

    /// The rules that are shipped, and those of an operator's file. A rule with
    /// the id of a shipped one takes its place.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn with_file(name: &str, text: &str) -> Result<Self, RulesError> {
        let mut rules = Vec::new();
        for (name, text) in builtin::FILES {
            rules.extend(file::parse(name, text)?);
        }
        let own = file::parse(name, text)?;
        rules.retain(|rule| !own.iter().any(|other| other.id == rule.id));
        rules.extend(own);
        Self::of(rules)
    }

    /// The rules of files, each with its name and text.
    ///
    /// # Errors
    /// A file that is no TOML of the documented form, a pattern that is none or
    /// can match too much, a rule twice, too many of them.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, RulesError> {
        let mut rules = Vec::new();
        for (name, text) in files {
            rules.extend(file::parse(name, text)?);
        }
        Self::of(rules)
    }

    fn of(rules: Vec<Rule>) -> Result<Self, RulesError> {
        if rules.len() > RULES_MAX {
            return Err(RulesError::TooMany { count: rules.len() });
        }
        let mut ids = std::collections::BTreeSet::new();
        if let Some(rule) = rules.iter().find(|rule| !ids.insert(rule.id.clone())) {
            return Err(RulesError::Twice { id: rule.id.to_string() });
        }
        let keywords = Keywords::new(&rules)?;
        let of_digits = |is_back: bool| {
            let rules = rules.iter().enumerate();
            let wanted = rules
                .filter(|(_, rule)| rule.start == Start::Digits && rule.back.is_some() == is_back);
            wanted.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let at_digits = of_digits(false);
        let before_digits = of_digits(true).into_iter().map(Use::new).collect();
        let first = |at: &usize| rules.get(*at).map(Rule::first);
        let any_at_digits =
            Patterns::new(at_digits.iter().take(Patterns::COUNT_MAX).filter_map(first));
        Ok(Self { rules, keywords, at_digits, before_digits, any_at_digits })
    }

    /// Which classes of data `text` holds.
    #[must_use]
    pub fn classes(&self, text: &str) -> ClassSet {
        let spans = scan::whole(self, text.as_bytes(), 0);
        spans.iter().filter_map(|span| span.rule(self)).map(|rule| rule.class).collect()
    }

    /// Each rule, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Makes every pattern ready now, and not at its first candidate.
    ///
    /// # Errors
    /// A pattern needs too much memory.
    pub fn prepare(&self) -> Result<(), RulesError> {
        for rule in &self.rules {
            for pattern in rule.lead.iter().chain([&rule.value]) {
                pattern.prepare(&rule.id)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
