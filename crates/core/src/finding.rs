//! What any guard, scanner or check concluded. One type, one inbox.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; no action is needed.
    Note,
    /// Something should be changed.
    Warning,
    /// Something is open, broken or lost.
    Critical,
}

impl Severity {
    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How sure the producer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// It was seen.
    Certain,
    /// It follows from what was seen.
    Likely,
    /// It may be.
    Possible,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody looked yet.
    #[default]
    Open,
    /// Somebody looked and lives with it.
    Acknowledged,
    /// A rule came of it.
    Rule,
    /// It is gone.
    Fixed,
}

/// One conclusion: about what, by which rule, with which evidence, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about: a file, a listener, an upstream's name.
    pub subject: String,
    /// The rule that found it, for example `ledger.chain`.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What was seen, in one sentence, without content or secrets.
    pub evidence: String,
    /// What to do about it, in one sentence.
    pub advice: String,
    /// What became of it.
    #[serde(default)]
    pub state: State,
}

impl Finding {
    /// A certain, open finding.
    #[must_use]
    pub fn new(severity: Severity, rule: &str, subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            rule: rule.to_owned(),
            severity,
            confidence: Confidence::Certain,
            evidence: String::new(),
            advice: String::new(),
            state: State::Open,
        }
    }

    /// With what was seen.
    #[must_use]
    pub fn evidence(mut self, text: impl Into<String>) -> Self {
        self.evidence = text.into();
        self
    }

    /// With what to do.
    #[must_use]
    pub fn advice(mut self, text: impl Into<String>) -> Self {
        self.advice = text.into();
        self
    }

    /// Whether it makes a check exit with 1: anything above a note.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.severity > Severity::Note && self.state == State::Open
    }
}
